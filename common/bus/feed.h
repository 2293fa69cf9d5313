/* common/bus/feed.h - one stream's frames toward one peer: what comes next.
 *
 * Pure. A feed is a cursor in a log, plus the state frames that the receiver
 * lacks. Whoever owns the link pulls from it; the order is STATE…, RESUME,
 * then FRAMEs in the log's order. Where frames are left out: SKIP, STATE…, and
 * a FRAME that is a JOIN. It never skips before it has caught up once, but for
 * frames that the log no longer has.
 */
#ifndef WEIR_BUS_FEED_H
#define WEIR_BUS_FEED_H

#include "common/base/list.h"
#include "common/bus/record.h"
#include "common/media/log.h"
#include "common/media/reason.h"

enum feed_item_kind {
	FEED_NOTHING = 0, /* the log has no more for now */
	FEED_RECORD,      /* `record` (RESUME, SKIP, END, …) */
	FEED_STATE,       /* `frame` as STATE */
	FEED_FRAME,       /* `frame` as FRAME */
};

struct feed_item {
	uint8_t kind;
	struct frame *frame;  /* STATE, FRAME; borrowed until the next call */
	struct record record; /* RECORD; else it is left as it was */
};

/* What a RESUME says beside the log's end; a feed is many times smaller than a
 * record, and makes one when its turn has come. */
struct feed_resume {
	struct term term;
	uint64_t incarnation, segment, discontinuity;
	uint32_t target_ms;
	uint16_t flags; /* RESUME_… */
};

struct feed_skip {
	uint64_t count;           /* frames left out */
	struct position position; /* the last of them */
	enum reason why;
};

/* What each frame needs stands in front, what is owed behind. */
struct feed {
	struct list link; /* the bus's: of those that have something */
	struct list all;  /* the bus's: of one connection */
	void *bus;        /* the bus's */
	struct log *log;  /* borrowed */
	uint32_t sid;
	uint32_t max_lag_ms;  /* 0: none; else past it: SKIP to a JOIN */
	uint64_t term_number; /* sent with every frame */
	uint64_t next;        /* ordinal */
	bool is_exact;        /* never skips: stops with REASON_retention */
	bool is_paused;       /* fenced or being re-validated */
	bool wants_all;       /* goes on at the oldest when it is overtaken */
	bool has_started;
	bool is_state_only; /* nothing behind states and RESUME */
	bool has_caught_up; /* was at the log's end since the last start */
	bool must_join;     /* drops until the next JOIN */
	bool owes_resume, owes_skip, owes_end;
	bool has_last;         /* `last` is what the receiver had last */
	uint16_t resume_flags; /* RESUME_GOES_ON, RESUME_AT_JOIN */
	struct position last;  /* it has all state up to there */
	const struct stateset *pending_state; /* with a reference */
	uint64_t join;    /* ordinal to which a skip went; UINT64_MAX: none */
	uint64_t skipped; /* frames, in all */
	void *owner;      /* the machine's */
	uint32_t state_next; /* index in pending_state */
	uint32_t end_ms;     /* of END */
	enum reason end_why;
	struct feed_resume resume; /* sent after the states */
	struct feed_skip skip;
};

/* A feed that sends nothing yet. */
void feed_init(struct feed *f, struct log *log, uint32_t sid);
void feed_fini(struct feed *f);

/* Start right behind `after`; the receiver has the state of that place. An epoch
 * that says that it follows on `after` goes on behind it, too. Returns 0;
 * WEIR_EAGAIN: the log may come to that place, ask again when it has grown;
 * WEIR_EGONE or WEIR_ENOENT: it has not got it (then start at a join). */
WEIR_MUST_CHECK int feed_start_after(struct feed *f,
				     const struct position *after);
/* Start at the newest join (or wait for the first), or at what is the oldest
 * frame when its turn comes; then it wants_all. */
void feed_start_join(struct feed *f);
void feed_start_oldest(struct feed *f);
/* Start at the first join that is appended from now on. */
void feed_start_next_join(struct feed *f);
/* Start right at an ordinal of the log; the receiver lacks all state. */
void feed_start_at(struct feed *f, uint64_t ordinal);
/* Send the state in force at the log's end and RESUME, and nothing behind. */
void feed_start_state_only(struct feed *f);

/* RESUME in front of what comes next; its position, end and flags AT_JOIN and
 * GOES_ON are filled in when it is sent. END behind all that the log has. */
void feed_owe_resume(struct feed *f, const struct feed_resume *resume);
void feed_owe_end(struct feed *f, enum reason why, uint32_t ms);

/* The next thing to send; `now_dts` lag rules use the log's newest dts. */
void feed_next(struct feed *f, struct feed_item *out);

/* Is something there for feed_next? */
bool feed_is_ready(const struct feed *f);

/* How far behind the log's end: dts, and frames. */
uint32_t feed_lag_ms(const struct feed *f);
uint64_t feed_lag_frames(const struct feed *f);

#endif
