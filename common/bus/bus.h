/* common/bus/bus.h - links to the other processes, over nng. One per process.
 *
 * The only room that knows nng. Its callbacks run on nng's threads: they fill a
 * queue and wake the loop once; everything below is called on the loop.
 *
 * No event and no answer comes from inside a call into the bus, so a machine is
 * never re-entered; inside an event every call is allowed but bus_free.
 *
 * After the loop was away (fencing, ARCHITECTURE.md) its on_away callback runs
 * before the bus delivers any record and before it pulls from any feed: the bus
 * asks loop_check_away before both. What it had given to nng or to the kernel
 * before may still go out; receivers fence that by its term.
 */
#ifndef WEIR_BUS_BUS_H
#define WEIR_BUS_BUS_H

#include "common/bus/feed.h"
#include "common/bus/world.h"
#include "common/io/loop.h"

struct bus;
struct bus_request; /* a question of a peer, to be answered once */

/* Zero in a limit or a time, those of flush aside, stands for the default. */
struct bus_config {
	char cluster[NODE_ID_SIZE];
	struct span cluster_key; /* copied; empty: proof with an empty key */
	uint8_t identity;        /* enum stream_identity; compared in HELLO */
	struct node_ref self;    /* url: what is advertised */
	struct uuid boot;
	uint32_t flush_ms; /* when busy, a write at most so often; 0: at the
			    * end of each pass */
	uint32_t flush_busy_permille; /* of the loop's time, from which on it is
				       * busy, until it is below the half of it;
				       * 0: always */
	uint32_t ping_ms, peer_dead_ms;              /* 1000, 2000 */
	uint32_t window_min_bytes, window_max_bytes; /* 256 kB, 16 MB */
	uint32_t request_json_max; /* bytes, of answers; 4 MB. Questions have
				    * at most 60 000 */
	uint32_t handshake_ms;     /* until both are proven; 3000 */
	uint32_t peers_max;        /* links that are up; 1024 */
	uint32_t half_open_max;    /* accepted and not yet up; 256 */
};

struct bus_events {
	/* on_record and on_frame must be there; the others may be NULL. */
	/* Both connections are proven. node->link is the new link. */
	void (*on_up)(void *ctx, const struct node_ref *node);
	/* It is gone; feeds on it have been stopped. A newer link to the same
	 * node comes up after this. node->link is the link that was. */
	void (*on_down)(void *ctx, const struct node_ref *node,
			enum reason why);
	/* A record that is neither FRAME, STATE nor of the bus itself. Anything
	 * but 0 closes the link with REASON_protocol_error (WEIR_ELIMIT: limit,
	 * WEIR_ENOMEM: no_resources). */
	int (*on_record)(void *ctx, link_id link, const struct record *r);
	/* A whole frame. Borrowed; keep it with frame_ref. The result as of
	 * on_record; 0 also means: acknowledge it. */
	int (*on_frame)(void *ctx, link_id link, uint16_t type, uint32_t sid,
			uint64_t term_number, struct frame *f);
	/* Frames of these streams come next, in this order: what they will touch
	 * is to come nearer (common/base/fetch.h). NULL is fine. */
	void (*on_ahead)(void *ctx, link_id link, const uint32_t *sids,
			 size_t count);
	/* The last of a frame goes out now, to one peer. Borrowed; nothing of the
	 * bus may be called. NULL is fine. */
	void (*on_frame_out)(void *ctx, const struct frame *f);
	/* Answer with bus_answer, now or later. json is borrowed. */
	void (*on_request)(void *ctx, const struct node_ref *from,
			   struct bus_request *rq, struct span json);
	/* A node that is dialed: its machine answers, and nobody listens there
	 * any more. Told at each try. NULL is fine. */
	void (*on_absent)(void *ctx, const char *node);
	/* A connection was refused, or ended by its peer's fault: log it once,
	 * at info. `peer` is its address, `detail` says what it did; both
	 * borrowed. NULL is fine: then it is only counted. */
	void (*on_refused)(void *ctx, const char *peer, enum reason why,
			   const char *detail);
};

WEIR_MUST_CHECK int bus_new(struct bus **out, struct loop *loop,
			    const struct bus_config *config,
			    const struct bus_events *events, void *ctx);

/* Close all without on_down, wait for nng's callbacks, free. Open questions are
 * not answered any more; requests of peers must not be answered after this. */
void bus_free(struct bus **b);

/* Accept links at an nng stream address ("tcp://127.0.0.1:0"); *out_url is what
 * was bound, with the port. Returns 0, WEIR_EINVAL, -errno. */
WEIR_MUST_CHECK int bus_listen(struct bus *b, const char *url,
			       char out_url[NODE_URL_SIZE]);

/* What the next HELLOs advertise, if bus_config.self.url was not known yet. */
void bus_set_url(struct bus *b, const char *url);

/* Keep a link to this node up, dialing again with back-off 50-500 ms; the
 * instance may change. While a link to that node is up, whoever dialed it, none
 * is dialed. Another node that answers at `url` is refused. Dialing twice the
 * same id with another url replaces it (and closes what the first dialed). bus_forget stops to dial, and closes
 * what was dialed. Names are resolved by nng, not by the loop. bus_dial returns
 * 0, WEIR_EINVAL or WEIR_ENOMEM. */
WEIR_MUST_CHECK int bus_dial(struct bus *b, const char *node, const char *url);
void bus_forget(struct bus *b, const char *node);

/* Queue a record (copied) on the media connection: behind what was already
 * taken from the feeds of its sid, ahead of what was not. false: the link is
 * not up. A peer that lets too much pile up is closed. */
bool bus_send(struct bus *b, link_id link, const struct record *r);
/* Pull from the feed until it is stopped or the link is gone. Its log must stay
 * until then. A link that is not up takes no feed. */
void bus_feed_start(struct bus *b, link_id link, struct feed *f);
void bus_feed_stop(struct bus *b, link_id link, struct feed *f);
/* The feed's log grew (the bus does not watch logs). Cheap; once per append. */
void bus_feed_kick(struct bus *b, struct feed *f);

/* Ask; `fn` is called exactly once, later: err 0, WEIR_ETIMEOUT, WEIR_ECLOSED;
 * json is borrowed, empty on an error. bus_ask returns 0; or, and fn is never
 * called, WEIR_ECLOSED: no such link; WEIR_ELIMIT: json too long; WEIR_ENOMEM.
 */
typedef void bus_answer_fn(void *ctx, int err, struct span json);
WEIR_MUST_CHECK int bus_ask(struct bus *b, link_id link, struct span json,
			    uint32_t deadline_ms, bus_answer_fn *fn, void *ctx);
/* Answer; takes rq. Too late, or the link gone, is fine: it is dropped. A
 * repeat of an answered request (same instance, same id) gets the same answer
 * from the bus for a while. An answer that is too long goes out as {}. */
void bus_answer(struct bus_request **rq, struct span json);

/* The link of a node id, 0: down; and all that are up, by role. */
link_id bus_link_to(const struct bus *b, const char *node);
size_t bus_nodes(const struct bus *b, const char *role, struct node_ref *out,
		 size_t max);
/* Who is at the other end; false: it is not up. */
bool bus_node(const struct bus *b, link_id link, struct node_ref *out);
/* How long a write is put off now, in ms: flush_ms when busy, else 0. Who brings
 * frames may bring together what comes in such a time instead; then what it has
 * brought in this pass is not put off once more, but goes at the end of it. */
uint32_t bus_put_off_ms(struct bus *b);
void bus_has_rested(struct bus *b);
/* Close a link with a reason (a peer that broke the rules of a machine). */
void bus_close_link(struct bus *b, link_id link, enum reason why);
/* All sent records are acknowledged (for draining). */
bool bus_is_drained(const struct bus *b);

struct bus_stats {
	uint64_t bytes_in, bytes_out, records_in, records_out, frames_in,
		frames_out, writes, put_off, unknown_records, refused_peers,
		skips;
	uint64_t backlog_bytes; /* queued, all links */
};
void bus_get_stats(const struct bus *b, struct bus_stats *out);

#endif
