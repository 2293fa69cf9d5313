/* common/media/silence.h - sound that lasts where a publisher broke off.
 *
 * An epoch that goes on begins at the latest end of any track of the old one,
 * and its sound with its own first AU. Sound that ended before leaves a hole,
 * which MSE players do not pass when it is longer than two AUs. Outputs put AUs
 * of silence there; the log has what was published, and nothing else.
 */
#ifndef WEIR_MEDIA_SILENCE_H
#define WEIR_MEDIA_SILENCE_H

#include "common/media/aac.h"
#include "common/media/frame.h"

/* A longer hole is what the publisher meant. */
#define SILENCE_MAX_NS NS_PER_S

/* AUs one after another. */
struct silence {
	struct span au; /* static */
	int64_t from_ns;
	uint32_t count;   /* 0: nothing is to be filled, or nothing can be */
	uint32_t samples; /* of each, */
	uint32_t rate;    /* at so many per second */
};

/* What fits best between two times. */
struct silence silence_between(const struct aac_config *c, int64_t from_ns,
			       int64_t until_ns);

/* Number i < count of them, as a frame on loan: no references, no position. */
struct frame silence_frame(const struct silence *s, uint16_t track, uint32_t i);

/* How long an AU lasts; 0 when the config does not say. */
int64_t aac_au_ns(const struct aac_config *c);

#endif
