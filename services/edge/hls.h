/* services/edge/hls.h - playlists and segments on an edge's HTTP port.
 *
 * The addresses of proto/hls/path.h, served from a cache (hls_cache.h) that is
 * filled once per edge, however many ask (hls_fetch.h). A stream that the
 * registry does not have is 404 at once; one that has no segment yet is waited
 * for, hls.hold_ms at most.
 */
#ifndef WEIR_EDGE_HLS_H
#define WEIR_EDGE_HLS_H

#include "common/member/gate.h"
#include "common/stat/stat.h"

struct edge;
struct edge_hls;

struct edge_hls_stats {
	uint64_t playlists;   /* requests */
	uint64_t segments;    /* requests */
	uint64_t not_found;   /* requests, 404 */
	uint64_t unavailable; /* requests, 503 */
	uint64_t waiting;     /* gauge: requests */
	uint64_t fetches;     /* of packagers */
	uint64_t fetch_fails; /* that were not answered with what was asked */
	uint64_t older;       /* playlists that were older than one served */
	uint64_t stale; /* playlists served because no packager answered */
	uint64_t cache_bytes; /* gauge */
	uint64_t cache_items; /* gauge */
	uint64_t evicted;     /* segments, for room */
	uint64_t sent_bytes;  /* of bodies */
};

extern const struct stat_table edge_hls_stat;

/* Add the routes to the edge's web. Returns 0, WEIR_ELIMIT or WEIR_ENOMEM. */
WEIR_MUST_CHECK int edge_hls_new(struct edge_hls **out, struct edge *e);
/* Its viewers, of one stream or (NULL) of all, those with a session. */
void edge_hls_each_session(struct edge_hls *h, const char *stream,
			   void (*fn)(void *ctx, struct session *s), void *ctx);

/* The call "hls_moved": {"node","viewers":[claims]}, of an edge that has taken
 * viewers over. */
void edge_hls_moved(struct edge_hls *h, struct json_object *args);

/* What the gate has been told, too: gate_kick. */
void edge_hls_kicked(struct edge_hls *h, const struct gate_match *who);

/* Of playlists and segments, since the start. */
uint64_t edge_hls_sent_bytes(const struct edge_hls *h);

/* After the web, whose requests it answers. NULL is fine. */
void edge_hls_free(struct edge_hls **h);

#endif
