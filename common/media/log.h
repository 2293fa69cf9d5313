/* common/media/log.h - a stream as an append-only log of frames.
 *
 * Places in a log are ordinals: u64, local to this log in this process, dense,
 * never reused. They order frames across epochs; a frame's identity is its
 * position. The log takes frames only in the order in which they were numbered:
 * dense within an epoch, each epoch opened by its EPOCH frame.
 *
 * Retention: frames leave from the tail when the log is longer than
 * `retain_ms` (of dts) or larger than `retain_bytes`; but never the newest JOIN
 * and what follows it, up to `gop_max_bytes` (then the log drops from the tail
 * although no joiner can start before the next JOIN; frames evicted so are
 * counted in log_stats.evicted_past_join), and never the newest frame. Length
 * is what log_time.h makes of the dts: epochs are laid end to end, and a dts
 * that jumps within one neither empties the log nor stops the eviction.
 *
 * Joins: a frame with FRAME_JOIN that is not a state frame. Of AUDIO ones (a
 * stream without video: each frame is one) the log remembers the newest, always
 * exactly, and before it those at least `join_spacing_ms` apart.
 *
 * Whoever appends calls log_append; watchers are told at once, in the order in
 * which they came, after what had to leave has left. A watcher may add or
 * remove watchers, itself included (one that was just added hears of the next
 * frame on), and must not append to, set state of or free the log.
 */
#ifndef WEIR_MEDIA_LOG_H
#define WEIR_MEDIA_LOG_H

#include "common/base/list.h"
#include "common/media/frame.h"
#include "common/media/state.h"

struct log;

struct log_limits {
	uint32_t retain_ms;
	uint64_t retain_bytes; /* payload + LOG_FRAME_COST each */
	uint64_t gop_max_bytes;
	uint32_t join_spacing_ms; /* audio-only: how far apart joins are kept */
};

#define LOG_FRAME_COST 160 /* bytes reckoned per frame beside its payload */

/* A place where a consumer can start. */
struct log_join {
	uint64_t ordinal; /* of the JOIN frame */
	int64_t dts_ns;
	/* In force there, NULL: none; lives with the join. */
	const struct stateset *state;
};

struct log_watch {
	struct list link; /* list_init before log_watch_add */
	void (*on_append)(void *ctx, struct log *log, uint64_t ordinal);
	/* Something will be appended soon: what on_append will touch is to come
	 * nearer (common/base/fetch.h). Steps 0 to LOG_AHEAD_STEPS - 1, each when
	 * what the one before asked for is there. May be NULL. */
	void (*on_ahead)(void *ctx, unsigned step);
	void *ctx;
};

#define LOG_AHEAD_STEPS 4

WEIR_MUST_CHECK int log_new(struct log **out, const struct log_limits *limits);
void log_free(struct log **log); /* watchers are unlinked, not told */

/* Append; the log takes a reference of its own. Returns 0; or, and then nothing
 * happened,
 * WEIR_EDUP: in its epoch, which is the log's newest, this position is here,
 * was here or was skipped over;
 * WEIR_EGAP: frames are missing before it (a log that must go on calls
 * log_append_gap);
 * WEIR_ESTALE: its epoch is older than the log's (counter lower, or a past
 * epoch of this log, also if the frame is here);
 * WEIR_EPROTO: a new epoch that does not start with its EPOCH frame, an epoch
 * whose counter is 0, sequence 2^64 - 1;
 * WEIR_ELIMIT: a state frame past STATESET_MAX;
 * WEIR_ENOMEM. */
WEIR_MUST_CHECK int log_append(struct log *log, struct frame *f);

/* As log_append, but frames may be missing before `f`: the sender SKIPped them
 * or started us in the middle. An epoch may begin without its EPOCH frame. */
WEIR_MUST_CHECK int log_append_gap(struct log *log, struct frame *f);

/* A state frame sent again: it becomes the state in force for what is appended
 * from now on; no cursor moves, and it has no ordinal. Returns 0, WEIR_EINVAL
 * (not a state frame), WEIR_ELIMIT or WEIR_ENOMEM. */
WEIR_MUST_CHECK int log_set_state(struct log *log, struct frame *f);

uint64_t log_next(const struct log *log); /* ordinal of the next append */
uint64_t log_tail(const struct log *log); /* oldest kept; = next if empty */

/* The frame at an ordinal in [tail, next); NULL outside. Borrowed. */
struct frame *log_at(const struct log *log, uint64_t ordinal);

/* Where the next frame after position `after` stands or will stand: the next
 * sequence, else the first of the next epoch. So 0 means that nothing this log
 * knows of lies between. WEIR_EGONE: it left from the tail, or was skipped
 * over; WEIR_ENOENT: the log never knew that epoch (it remembers 16 runs whose
 * frames have left), or has not come so far. */
WEIR_MUST_CHECK int log_find_after(const struct log *log, uint64_t *out,
				   const struct position *after);

/* The newest join, or the newest not later than dts_ns (what an audio joiner
 * gets; when all are later, the caller asks log_join_from(log_tail)). Returns 0
 * or WEIR_ENOENT: none is kept. */
WEIR_MUST_CHECK int log_newest_join(const struct log *log,
				    struct log_join *out);
WEIR_MUST_CHECK int log_join_at_dts(const struct log *log, struct log_join *out,
				    int64_t dts_ns);

/* The oldest join at or after an ordinal; the oldest kept: from log_tail. */
WEIR_MUST_CHECK int log_join_from(const struct log *log, struct log_join *out,
				  uint64_t ordinal);

/* State in force just before `ordinal` (in [tail, next]), right for every one
 * of them, wherever its frames are now; borrowed until the next append or
 * log_set_state. NULL: none. O(log of the state frames kept). */
const struct stateset *log_state_before(const struct log *log,
					uint64_t ordinal);

/* Position of the newest frame; false while there is none. */
bool log_last_position(const struct log *log, struct position *out);

/* All dts are of media frames; 0 while there was none. */
struct log_stats {
	uint64_t bytes;       /* kept: payload + LOG_FRAME_COST each */
	uint64_t frames;      /* kept */
	uint64_t joins;       /* kept; of audio ones those remembered */
	bool has_video_join;  /* was there a JOIN with video, ever? */
	int64_t first_dts_ns; /* of the oldest kept */
	int64_t last_dts_ns;  /* latest of any track, ever */
	int64_t end_dts_ns;   /* latest end of any track, ever: dts + duration
				 guessed from the frame before (DATA: none) */
	uint64_t evicted_past_join; /* frames, ever */
};
void log_stats(const struct log *log, struct log_stats *out);
/* last_dts_ns of these alone: cheap. */
int64_t log_last_dts_ns(const struct log *log);

/* Frames will be appended to these logs (NULL: none) soon: what that touches
 * comes nearer. For many at a time: while one waits, the next asks. log_ahead is
 * one of its steps, 0 to LOG_STEPS - 1, for who has more to ask for between. */
#define LOG_STEPS (3 + LOG_AHEAD_STEPS)
void log_ahead(const struct log *log, unsigned step);
void logs_ahead(struct log *const *logs, size_t count);

/* `w` is the caller's and must stay until it is removed or the log is freed;
 * removing it twice, or after the log, is fine. */
void log_watch_add(struct log *log, struct log_watch *w);
void log_watch_remove(struct log_watch *w);

#endif
