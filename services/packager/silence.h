/* services/packager/silence.h - sound that lasts as long as the picture, where a
 * publisher broke off.
 *
 * A new epoch begins at the latest end of any track of the old one; a track that
 * ended before leaves a hole there, and players that fill nothing themselves
 * have two buffered ranges. A hole in AAC is filled here with AUs of silence.
 */
#ifndef WEIR_PACKAGER_SILENCE_H
#define WEIR_PACKAGER_SILENCE_H

#include "common/media/aac.h"
#include "common/media/track.h"

/* Longer holes are what the publisher meant. */
#define SILENCE_MAX_NS NS_PER_S

/* The decoders in force; all zero: none. */
struct silence {
	struct tracks tracks;
	struct aac_config
		config[TRACKS_MAX]; /* of tracks.track[i]; rate 0: none */
};

void silence_set_tracks(struct silence *s, const struct tracks *tracks);
void silence_set_config(struct silence *s, uint16_t track, struct span config);

/* What to put behind the last AU of a track, which began at last_ns, when
 * others go on at until_ns. */
struct silence_fill {
	struct span au; /* static */
	int64_t from_ns;
	uint32_t count;   /* 0: nothing */
	uint32_t samples; /* of each AU, */
	uint32_t rate;    /* at so many a second */
};
struct silence_fill silence_fill(const struct silence *s, uint16_t track,
				 int64_t last_ns, int64_t until_ns);
/* When the AU number i < count begins. */
int64_t silence_at_ns(const struct silence_fill *f, uint32_t i);

#endif
