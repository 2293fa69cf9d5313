/* services/edge/internal.h - what the files of an edge share. */
#ifndef WEIR_EDGE_INTERNAL_H
#define WEIR_EDGE_INTERNAL_H

#include "services/edge/crowd.h"
#include "services/edge/door.h"
#include "services/edge/edge.h"
#include "services/edge/elsewhere.h"
#include "services/edge/hls.h"
#include "services/edge/passing.h"
#include "services/edge/web.h"

struct edge {
	struct svc *svc;
	struct loop *loop;
	struct logger *log;
	const struct edge_settings *settings;
	enum stream_identity identity;
	const char *cluster;   /* its id; borrowed */
	const char *id, *zone; /* of this node; borrowed */
	struct member *member;
	struct gate *gate;
	struct followers *followers;
	struct streams *streams;
	struct crowd crowd;
	struct passer passer;
	struct door *rtmp, *http;
	struct tls_identity *tls; /* NULL: no TLS */
	struct web *web;
	struct edge_hls *hls;
	struct http_origins origins; /* pages that may read answers */
	struct edge_stats stats;
	struct edge_stat_series series;
	struct stat_refresh refresh;
	struct timer *tick;   /* time-outs */
	struct timer *sample; /* rates of sessions */
	struct timer *drain;
	uint64_t drain_ms; /* when the drain began */
	size_t drain_total, drain_done;
	bool is_draining, is_leaving;
	uint64_t most_connections; /* since memory was given back */
	uint64_t sent_before;      /* for the load of the last second */
};

extern const struct log_event edge_play_start, edge_play_end, edge_play_refused,
	edge_peer_closed, edge_peer_passed, edge_failed;

/* What tls.cert and tls.key name; *out is NULL when neither is set. Returns 0,
 * WEIR_ENOMEM, or WEIR_ECONF: `why` says it. Blocks. */
WEIR_MUST_CHECK int edge_load_identity(struct tls_identity **out,
				       const struct edge_settings *s,
				       char why[SVC_WHY_SIZE]);

/* Are viewers below edge.viewers_max? */
bool edge_has_room(const struct edge *e);

/* elsewhere_put, counted. */
bool edge_put_elsewhere(struct edge *e, struct buf *out,
			const struct elsewhere_request *rq);

/* Is it the path of a live stream by HTTP (".flv", ".ts"), no file's? */
bool edge_is_live_path(struct span raw_path);

/* An address to publish at, for people; "" when none is known. */
void edge_ingest_address(struct edge *e, char *out, size_t size);

#endif
