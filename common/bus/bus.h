/* common/bus/bus.h - links to the other processes, over nng. One per process.
 *
 * The only room that knows nng. Its callbacks run on nng's threads: they fill a
 * queue and wake the loop once; everything below is called on the loop.
 */
#ifndef WEIR_BUS_BUS_H
#define WEIR_BUS_BUS_H

#include "common/bus/feed.h"
#include "common/bus/world.h"
#include "common/io/loop.h"

struct bus;
struct bus_request; /* a question of a peer, to be answered once */

struct bus_config {
	char cluster[NODE_ID_SIZE];
	struct span cluster_key; /* copied; empty: proof with an empty key */
	uint8_t identity;        /* enum stream_identity; compared in HELLO */
	struct node_ref self;    /* url: what is advertised */
	struct uuid boot;
	uint32_t flush_ms; /* 0: at the end of each pass */
	uint32_t ping_ms, peer_dead_ms;
	uint32_t window_min_bytes, window_max_bytes;
	uint32_t request_json_max; /* bytes */
	uint32_t handshake_ms;     /* HELLO and PROOF within */
	uint32_t peers_max, half_open_max;
};

struct bus_events {
	/* Both connections are proven. node->link is the new link. */
	void (*on_up)(void *ctx, const struct node_ref *node);
	/* It is gone; feeds on it have been stopped. */
	void (*on_down)(void *ctx, const struct node_ref *node,
			enum reason why);
	/* A record that is neither FRAME, STATE nor of the bus itself. Anything
	 * but 0 closes the link with REASON_protocol_error. */
	int (*on_record)(void *ctx, link_id link, const struct record *r);
	/* A whole frame. Borrowed; keep it with frame_ref. */
	int (*on_frame)(void *ctx, link_id link, uint16_t type, uint32_t sid,
			uint64_t term_number, struct frame *f);
	/* Answer with bus_answer, now or later. json is borrowed. */
	void (*on_request)(void *ctx, const struct node_ref *from,
			   struct bus_request *rq, struct span json);
};

WEIR_MUST_CHECK int bus_new(struct bus **out, struct loop *loop,
			    const struct bus_config *config,
			    const struct bus_events *events, void *ctx);
void bus_free(struct bus **b); /* closes all; waits for nng's callbacks */

/* Accept links at an nng stream address ("tcp://127.0.0.1:0"); *out_url is what
 * was bound, with the port. Returns 0, WEIR_EINVAL, -errno. */
WEIR_MUST_CHECK int bus_listen(struct bus *b, const char *url,
			       char out_url[NODE_URL_SIZE]);

/* Keep a link to this node up, dialing again with back-off 50-500 ms; the
 * instance may change. Dialing twice the same id with another url replaces it.
 * bus_forget closes. */
WEIR_MUST_CHECK int bus_dial(struct bus *b, const char *node, const char *url);
void bus_forget(struct bus *b, const char *node);

bool bus_send(struct bus *b, link_id link, const struct record *r);
void bus_feed_start(struct bus *b, link_id link, struct feed *f);
void bus_feed_stop(struct bus *b, link_id link, struct feed *f);
/* The feed's log grew (the bus does not watch logs). Cheap; once per append. */
void bus_feed_kick(struct bus *b, struct feed *f);

/* Ask; `fn` is called exactly once, later: err 0, WEIR_ETIMEOUT, WEIR_ECLOSED.
 */
typedef void bus_answer_fn(void *ctx, int err, struct span json);
WEIR_MUST_CHECK int bus_ask(struct bus *b, link_id link, struct span json,
			    uint32_t deadline_ms, bus_answer_fn *fn, void *ctx);
void bus_answer(struct bus_request **rq, struct span json); /* takes rq */

/* The link of a node id, 0: down; and all that are up, by role. */
link_id bus_link_to(const struct bus *b, const char *node);
size_t bus_nodes(const struct bus *b, const char *role, struct node_ref *out,
		 size_t max);
/* Close a link with a reason (a peer that broke the rules of a machine). */
void bus_close_link(struct bus *b, link_id link, enum reason why);
/* All sent records are acknowledged (for draining). */
bool bus_is_drained(const struct bus *b);

struct bus_stats {
	uint64_t bytes_in, bytes_out, records_in, records_out, frames_in,
		frames_out, writes, unknown_records, refused_peers, skips;
	uint64_t backlog_bytes; /* queued, all links */
};
void bus_get_stats(const struct bus *b, struct bus_stats *out);

#endif
