/* common/bus/link.h - flow of one connection: what goes out next, what came in.
 *
 * Pure: bytes and times in, bytes out. The order is README.md's: queued records
 * first, then the feeds that are near their log's end, then those that catch
 * up, in turns by bytes. Frames wait for the window; records do not. At most
 * two frames are open (begun and not ended) at any time, one of each kind of
 * feed, and nothing else of their streams goes between their fragments.
 */
#ifndef WEIR_BUS_LINK_H
#define WEIR_BUS_LINK_H

#include "common/bus/feed.h"

#define LINK_BATCH_BYTES 65536u /* a batch is full from here on */
#define LINK_CATCHUP_MS  500u   /* a feed that lags by more catches up */
#define LINK_ACK_BYTES   65536u
#define LINK_ACK_US      100000u
#define LINK_ACK_IDLE_US 10000u
#define LINK_OPEN_MAX    8u /* frames open at once, of one peer */
#define LINK_OPEN_BYTES  (2 * FRAME_PAYLOAD_MAX) /* of all of them */
#define LINK_QUEUE_US    50000u /* the delay that the window allows for */

/* ---- sending ---- */

struct link_limits {
	uint32_t window_min_bytes, window_max_bytes;
	uint32_t queue_max_bytes; /* records that wait; past it WEIR_ELIMIT */
};

enum link_lane_kind { LANE_LIVE, LANE_CATCHUP, LANE_IDLE, LANE_COUNT };

struct link_sender;

struct link_lane {
	struct list feeds; /* of LANE_IDLE: none, they stand in no queue */
	struct link_sender *sender;
};

/* A frame that was taken from its feed and is not all sent. */
struct link_partial {
	struct frame *frame; /* with a reference; NULL: none */
	uint32_t offset;
	uint32_t sid;
	uint16_t type;
	uint64_t term_number;
	struct buf after; /* records of its sid, to follow it */
};

struct link_stats {
	uint64_t bytes, records, frames;
	uint64_t skips;   /* sent: SKIP records */
	uint64_t unknown; /* received: records of unknown types */
};

struct link_sender {
	struct link_limits limits;
	struct list feeds; /* all, by feed.all */
	struct buf queue;  /* encoded records that go first */
	struct link_lane lane[LANE_COUNT];
	struct link_partial partial[LANE_IDLE];
	uint32_t turn_bytes; /* of the feed whose turn it is */
	uint64_t sent;       /* bytes of the connection, all batches */
	uint64_t owed;       /* the peer will acknowledge up to here */
	uint64_t acked;
	uint32_t window_bytes;
	uint64_t mark, mark_us;     /* acknowledged when? 0: none under way */
	uint64_t rtt_us, rtt_at_us; /* shortest of late */
	uint64_t rate;              /* bytes per second */
	uint64_t rate_from, rate_from_us;
	struct link_stats stats;
	/* A frame was written to its end; NULL: nobody asks. */
	void (*on_frame)(void *ctx, const struct frame *f);
	void *ctx;
};

/* It has pointers to itself: do not move it. */
void link_sender_init(struct link_sender *s, const struct link_limits *limits);
/* Stops all feeds; frees. */
void link_sender_fini(struct link_sender *s);

/* Queue a record (copied). Returns 0, WEIR_ELIMIT, WEIR_ENOMEM; after an error
 * the order is broken: close the connection. */
WEIR_MUST_CHECK int link_send(struct link_sender *s, const struct record *r);

/* The sender's until link_feed_stop; f->bus says whose it is. */
void link_feed_start(struct link_sender *s, struct feed *f);
/* Its frame under way is sent to its end. Fine when it is not started. */
void link_feed_stop(struct feed *f);
void link_stop_feeds(struct link_sender *s); /* all of them */
/* There may be something in it. Returns the sender, NULL: not started. */
struct link_sender *link_feed_kick(struct feed *f);

/* Append to `out` (which is the one batch under way) until it is full, the
 * window is, or nothing is left. Errors are the buffer's. */
void link_fill(struct link_sender *s, struct buf *out, uint64_t now_us);

/* Might link_fill append something? (A large frame may find no room.) */
bool link_has_work(const struct link_sender *s);

/* An ACK came. Returns 0, or WEIR_EPROTO: it is no number of ours. */
WEIR_MUST_CHECK int link_on_ack(struct link_sender *s, uint64_t bytes,
				uint64_t now_us);

/* Bytes sent and not acknowledged; all was, and nothing waits. */
uint64_t link_in_flight(const struct link_sender *s);
bool link_is_drained(const struct link_sender *s);

/* ---- receiving ---- */

struct link_open {
	uint32_t sid;
	struct reassembly ra;
};

struct link_receiver {
	uint8_t connection;  /* 1 media, 2 control: what may come */
	uint32_t record_max; /* bytes; small until the peer has proven itself */
	struct link_open open[LINK_OPEN_MAX];
	uint32_t open_count;
	uint64_t taken; /* bytes of the connection */
	uint64_t owed;  /* we will acknowledge up to here */
	uint64_t acked;
	uint64_t acked_at_us;
	struct link_stats stats;
};

/* Each returns 0 to go on; anything else ends link_receive, which returns it.
 * The record then does not count as taken, but with WEIR_ESTOP it does. */
struct link_events {
	int (*on_record)(void *ctx, const struct record *r);
	int (*on_frame)(void *ctx, const struct record *r, struct frame *f);
};

/* Whose frames stand at the front of `in`, as far as records there are whole: the
 * first `max`, in their order. Returns how many. */
size_t link_look_ahead(struct span in, uint32_t *sids, size_t max);

void link_receiver_init(struct link_receiver *rc, uint8_t connection,
			uint32_t record_max);
void link_receiver_fini(struct link_receiver *rc);

/* Take the whole records at the front of `in`; *used says how much that was.
 * Returns 0; WEIR_EPROTO or WEIR_ELIMIT with *why (static); WEIR_ENOMEM; or
 * what a callback returned. */
WEIR_MUST_CHECK int link_receive(struct link_receiver *rc, size_t *used,
				 struct span in,
				 const struct link_events *events, void *ctx,
				 const char **why);

/* Should an ACK go out now? If so *out is it. `is_idle`: there is time. */
bool link_ack(struct link_receiver *rc, struct record *out, uint64_t now_us,
	      bool is_idle);

#endif
