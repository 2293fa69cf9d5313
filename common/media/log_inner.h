/* common/media/log_inner.h - the inside of a log, shared by log.c (append and
 * retain) and log_find.c (every question). Nobody else includes it.
 */
#ifndef WEIR_MEDIA_LOG_INNER_H
#define WEIR_MEDIA_LOG_INNER_H

#include "common/base/ring.h"
#include "common/media/log.h"
#include "common/media/log_time.h"

struct slot {
	struct frame *frame;
	int64_t time_ns; /* of log_time; never decreases */
};

struct join {
	uint64_t ordinal;
	int64_t dts_ns;
	bool is_audio;
};

/* `set` is in force before ordinal `begin` and all behind it, up to the next
 * entry. The oldest entry goes once the next one begins at or before the tail,
 * so every ordinal from the tail on has its set, and a join keeps its own. */
struct state {
	uint64_t begin; /* ordinal */
	struct stateset *set;
};

/* Frames of one epoch without a gap. */
struct run {
	struct epoch epoch;
	uint64_t first_ordinal;
	uint64_t first_sequence;
};

struct log {
	struct log_limits limits;
	struct ring slots;  /* struct slot, from ordinal `tail` on */
	struct ring joins;  /* struct join, of frames that are kept */
	struct ring states; /* struct state; one begins at or before tail */
	struct ring runs;   /* struct run */
	struct run newest;  /* the last of runs; counter 0: there is none */
	uint64_t tail;
	uint64_t bytes;
	uint64_t join_ordinal; /* newest JOIN, kept or not */
	bool has_join;
	bool has_video_join;
	bool is_telling; /* watchers are being called */
	uint64_t evicted_past_join;
	struct log_time time;
	struct list watchers; /* struct log_watch */
};

#endif
