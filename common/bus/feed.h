/* common/bus/feed.h - one stream's frames toward one peer: what comes next.
 *
 * Pure. A feed is a cursor in a log, plus the state frames that the receiver
 * lacks. Whoever owns the link pulls from it; the order is STATE…, RESUME,
 * then FRAME, SKIP … in the log's order.
 */
#ifndef WEIR_BUS_FEED_H
#define WEIR_BUS_FEED_H

#include "common/base/list.h"
#include "common/bus/record.h"
#include "common/media/log.h"

enum feed_item_kind {
	FEED_NOTHING = 0, /* the log has no more for now */
	FEED_RECORD,      /* `record` (RESUME, SKIP, END, …) */
	FEED_STATE,       /* `frame` as STATE */
	FEED_FRAME,       /* `frame` as FRAME */
};

struct feed_item {
	uint8_t kind;
	struct record record;
	struct frame *frame; /* borrowed until the next call */
};

struct feed {
	struct list link; /* the bus's: its queue of feeds */
	struct log *log;  /* borrowed */
	uint32_t sid;
	uint64_t term_number; /* sent with every frame */
	uint64_t next;        /* ordinal */
	bool is_exact;        /* never skips: stops with REASON_retention */
	bool is_paused;       /* fenced or being re-validated */
	uint32_t max_lag_ms;  /* 0: none; else past it: SKIP to a JOIN */
	bool has_started;
	bool must_join;                       /* drops until the next JOIN */
	const struct stateset *pending_state; /* with a reference */
	uint32_t state_next;                  /* index in pending_state */
	struct record resume;                 /* sent after the states */
	bool owes_resume, owes_skip, owes_end;
	struct record skip, end;
	uint64_t skipped; /* frames, in all */
	void *owner;      /* the machine's */
	void *bus;        /* the bus's */
};

/* A feed that sends nothing yet. */
void feed_init(struct feed *f, struct log *log, uint32_t sid);
void feed_fini(struct feed *f);

/* Start right behind `after`; the receiver has the state of that place and is
 * sent what differs where it goes on. Returns 0; WEIR_EGONE or WEIR_ENOENT when
 * the log has not got that place (then start at a join). */
WEIR_MUST_CHECK int feed_start_after(struct feed *f,
				     const struct position *after);
/* Start at the newest join (or wait for the first), or at the oldest frame. */
void feed_start_join(struct feed *f);
void feed_start_oldest(struct feed *f);

/* The next thing to send; `now_dts` lag rules use the log's newest dts. */
void feed_next(struct feed *f, struct feed_item *out);

/* Is something there for feed_next? */
bool feed_is_ready(const struct feed *f);

/* How far behind the log's end: dts, and frames. */
uint32_t feed_lag_ms(const struct feed *f);
uint64_t feed_lag_frames(const struct feed *f);

#endif
