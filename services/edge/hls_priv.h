/* services/edge/hls_priv.h - what hls.c and hls_ask.c share; nobody else includes
 * it.
 */
#ifndef WEIR_EDGE_HLS_PRIV_H
#define WEIR_EDGE_HLS_PRIV_H

#include "services/edge/hls_fetch.h"
#include "services/edge/hls_hold.h"
#include "services/edge/hls_viewers.h"
#include "services/edge/internal.h"

/* A request of a viewer that waits: for the gate's word, or for an item. */
struct hls_held {
	struct list link; /* viewer->requests */
	bool has_item;
};

struct edge_hls {
	struct edge *edge;
	struct list asking; /* requests that wait for the gate's word */
	const struct member_hls_settings *rules;
	struct hls_cache cache;
	struct hls_fetcher *fetcher;
	struct hls_holds holds;
	struct hls_viewers viewers; /* none where hls.session is off */
	char secret[SIGN_HEX_SIZE]; /* of their tokens */
	struct timer *tick;
	struct http_route route[1];
	struct edge_hls_stats stats;
	struct stat_series series;
	struct stat_refresh refresh;
};

/* ---- hls.c ---- */

int64_t edge_hls_now_ms(const struct edge_hls *h);
/* An error that is counted. */
void edge_hls_refuse(struct edge_hls *h, struct http_request *req,
		     unsigned status, const char *why);
/* It may have it: is it there, or may it come? Else it is refused. */
bool edge_hls_is_there(struct edge_hls *h, struct http_request *req,
		       const struct stream_key *key);
/* It may: from the cache, or it waits. `v` NULL: of nobody we know. */
void edge_hls_serve(struct edge_hls *h, struct http_request *req,
		    const struct hls_path *path, struct hls_viewer *v);
/* One that waits for an item, and must not any more. */
void edge_hls_end_held(struct hls_held *held, enum reason why,
		       const char *detail);

/* ---- hls_ask.c: may it? ---- */

/* The handler of all addresses. */
void edge_hls_ask(void *ctx, struct http_request *req);
/* In the words of a refusal, or to another edge. */
void edge_hls_put_out(struct edge_hls *h, struct http_request *req,
		      enum reason why, const char *detail);
/* Tell the other edges, by a dispatch, whom this one has taken over. */
void edge_hls_tell(struct edge_hls *h);
/* Once the gate is there. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int edge_hls_ask_init(struct edge_hls *h, uint64_t seed);
/* When all requests are gone. */
void edge_hls_ask_fini(struct edge_hls *h);

#endif
