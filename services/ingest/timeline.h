/* services/ingest/timeline.h - a publisher's times on the stream's one timeline.
 *
 * Pure. Times come as 32-bit milliseconds that wrap (RTMP, FLV) and leave as
 * unwrapped nanoseconds that never go back within a track. The first frame of an
 * epoch is put at its base; a step back of more than 500 ms, or forward of more
 * than 10 s beyond the time that passed, begins a new offset (DISCONTINUITY);
 * smaller steps back are clamped and counted.
 */
#ifndef WEIR_INGEST_TIMELINE_H
#define WEIR_INGEST_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/media/track.h"

struct timeline_track {
	bool has_raw, has_out;
	uint32_t raw_ms; /* as it came last */
	int64_t in_ms;   /* unwrapped */
	int64_t out_ns;  /* last dts given */
	int64_t step_ns; /* between the last two */
	int64_t at_ms;   /* now_ms of the last frame */
};

struct timeline {
	struct timeline_track track[TRACKS_MAX + 1]; /* by track id */
	bool is_open;
	int64_t base_ns;
	int64_t offset_ms[2]; /* the one in force, and the one before */
	uint64_t clamped_count, jump_count;
};

/* All zero is a timeline that waits for timeline_open. */

/* The publisher's time of a frame, unwrapped (ms, at the publisher's own zero).
 * Call once for each frame, in order of arrival. */
int64_t timeline_unwrap(struct timeline *t, uint16_t track, uint32_t raw_ms);

/* Where an epoch may begin that goes on from end_ns: the next whole millisecond,
 * and no later. Players with media source extensions play over a hole of at most
 * two frames: at 60 pictures a second that is 33 ms. */
int64_t timeline_base_ns(int64_t end_ns);

/* Begin: the frame at in_ms is put at base_ns, whole milliseconds. */
void timeline_open(struct timeline *t, int64_t in_ms, int64_t base_ns);

/* What a frame gets. */
struct timeline_time {
	int64_t dts_ns;
	int64_t pts_ns;
	bool is_discontinuity;
	bool is_early; /* before the base: drop it */
};
void timeline_put(struct timeline *t, struct timeline_time *out, uint16_t track,
		  int64_t in_ms, int32_t composition_ms, int64_t now_ms);

/* The latest end of any track: where another epoch may go on. */
int64_t timeline_end_ns(const struct timeline *t);

#endif
