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
 * counted in log_stats.evicted_past_join).
 *
 * Whoever appends calls log_append; watchers are told at once, in the order in
 * which they came. A watcher may add or remove watchers, itself included, and
 * must not append to or free the log.
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
	const struct stateset *state; /* in force there; lives with the join */
};

struct log_watch {
	struct list link; /* list_init before log_watch_add */
	void (*on_append)(void *ctx, struct log *log, uint64_t ordinal);
	void *ctx;
};

WEIR_MUST_CHECK int log_new(struct log **out, const struct log_limits *limits);
void log_free(struct log **log); /* watchers are unlinked, not told */

/* Append; the log takes a reference of its own. Returns 0;
 * WEIR_EDUP: this position is here or was here (nothing happened);
 * WEIR_EGAP: frames are missing before it (nothing happened; a log that must
 * go on calls log_append_gap);
 * WEIR_ESTALE: its epoch is older than the log's (counter lower, or a past
 * epoch of this log);
 * WEIR_EPROTO: a new epoch that does not start with its EPOCH frame;
 * WEIR_ENOMEM. */
WEIR_MUST_CHECK int log_append(struct log *log, struct frame *f);

/* As log_append, but frames may be missing before `f`: the sender SKIPped them
 * or started us in the middle. An epoch may begin without its EPOCH frame. */
WEIR_MUST_CHECK int log_append_gap(struct log *log, struct frame *f);

/* A state frame sent again: it becomes the state in force for what is appended
 * from now on; no cursor moves, and it has no ordinal. */
WEIR_MUST_CHECK int log_set_state(struct log *log, struct frame *f);

uint64_t log_next(const struct log *log); /* ordinal of the next append */
uint64_t log_tail(const struct log *log); /* oldest kept; = next if empty */

/* The frame at an ordinal in [tail, next); NULL outside. Borrowed. */
struct frame *log_at(const struct log *log, uint64_t ordinal);

/* Where the next frame after position `after` stands or will stand. Returns 0;
 * WEIR_EGONE: it left from the tail; WEIR_ENOENT: the log never knew that
 * epoch, or has not come so far. */
WEIR_MUST_CHECK int log_find_after(const struct log *log, uint64_t *out,
				   const struct position *after);

/* The newest join, or the newest not later than dts_ns (what an audio joiner
 * gets). Returns 0 or WEIR_ENOENT. */
WEIR_MUST_CHECK int log_newest_join(const struct log *log,
				    struct log_join *out);
WEIR_MUST_CHECK int log_join_at_dts(const struct log *log, struct log_join *out,
				    int64_t dts_ns);

/* The oldest join at or after an ordinal; the oldest kept: from log_tail. */
WEIR_MUST_CHECK int log_join_from(const struct log *log, struct log_join *out,
				  uint64_t ordinal);

/* State in force just before `ordinal` (in [tail, next]); borrowed until the
 * next append. NULL: none. */
const struct stateset *log_state_before(const struct log *log,
					uint64_t ordinal);

/* Position of the newest frame; false while there is none. */
bool log_last_position(const struct log *log, struct position *out);

/* Is there a JOIN with video, ever; dts of the newest frame of any track and
 * the latest end (dts + duration guessed from the frame before); bytes kept. */
struct log_stats {
	uint64_t bytes;
	uint64_t frames;
	uint64_t joins;
	int64_t first_dts_ns; /* of what is kept */
	int64_t last_dts_ns;  /* latest of any media frame, ever */
	int64_t end_dts_ns;   /* latest end of any track */
	uint64_t evicted_past_join;
};
void log_stats(const struct log *log, struct log_stats *out);

void log_watch_add(struct log *log, struct log_watch *w);
void log_watch_remove(struct log_watch *w);

#endif
