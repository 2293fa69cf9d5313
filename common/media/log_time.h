/* common/media/log_time.h - how much stream has passed, whatever the dts do.
 *
 * A log measures its length in the dts of its media. Several tracks interleave,
 * one of them may lag, and an epoch may put the dts somewhere else. This clock
 * goes by the track that is furthest, never goes back, and lays epochs end to
 * end. Within an epoch a track whose dts goes back by more than 500 ms or
 * forward by more than 10 s has jumped: nothing passed by that.
 *
 * Used by log.c alone.
 */
#ifndef WEIR_MEDIA_LOG_TIME_H
#define WEIR_MEDIA_LOG_TIME_H

#include "common/media/frame.h"
#include "common/media/track.h"

struct log_time_track {
	uint16_t id;
	bool is_known; /* a frame of it came in this epoch */
	int64_t dts_ns;
	int64_t duration_ns; /* the last one seen, kept over epochs */
	int64_t shift_ns;    /* add to its dts: time on this clock */
	int64_t delay_ns;    /* pts - dts of its newest JOIN */
};

/* All zero: nothing passed yet. */
struct log_time {
	int64_t now_ns;      /* from 0 */
	int64_t shift_ns;    /* for a track that is new in this epoch */
	int64_t last_dts_ns; /* highest dts of any media frame, ever */
	int64_t end_dts_ns;  /* highest dts + duration, ever; a picture that is
			      * shown later than others counts from its pts,
			      * less the delay of a JOIN: a JOIN that is put
			      * there is shown behind it */
	bool has_media;
	bool is_epoch_known; /* a media frame came in this epoch */
	unsigned count;
	struct log_time_track track[TRACKS_MAX];
};

/* What follows belongs to a new epoch. */
void log_time_begin_epoch(struct log_time *t);

/* Take a frame into account; returns the time at which it stands. */
int64_t log_time_add(struct log_time *t, const struct frame *f);

#endif
