/* common/media/outlet.h - a stream as a receiver of one container gets it.
 *
 * Whoever writes a log out frame by frame (a wire log, a relay push) asks here
 * what a frame is to its receiver. An outlet carries one track of a kind: the
 * first that the container can. It begins with a JOIN, says which headers are
 * not those that were written last, and gives times in ms that never go back
 * from one epoch to the next. Where a publisher broke off and came back, it says
 * how much silence belongs before the first sound.
 *
 * Pure. Allocates nothing; frames and state are held by reference.
 */
#ifndef WEIR_MEDIA_OUTLET_H
#define WEIR_MEDIA_OUTLET_H

#include "common/media/log.h"
#include "common/media/silence.h"
#include "common/media/track.h"

/* Time has come far, and is over: 32-bit players count it signed. */
#define OUTLET_OLD_MS  (INT64_C(1) << 30)
#define OUTLET_OVER_MS ((INT64_C(1) << 31) - 60000)

/* Why the container cannot carry a track, in words; NULL: it can. */
typedef const char *outlet_refusal_fn(const struct track *track);

/* Read-only to others, but where it says so. */
struct outlet {
	outlet_refusal_fn *refusal;
	struct tracks tracks;
	struct frame *tracks_frame; /* which says: `tracks` */
	struct stateset *set;       /* whose headers were written last */
	uint16_t video, audio;      /* ids of the tracks that it carries; 0 */
	const char *why_not;        /* refusal of a track, when there is none */
	bool must_join;             /* nothing is written until the next JOIN */
	bool has_base;
	int64_t base_ms;          /* stream time of the outlet's 0 */
	int64_t newest_ms;        /* never goes back; owner: raise it */
	struct epoch epoch;       /* of the newest frame; 0: none */
	struct epoch sound_epoch; /* of its newest sound; 0: none, or a gap */
	int64_t sound_dts_ns;     /* of that, on the outlet's time */
};

void outlet_init(struct outlet *o, outlet_refusal_fn *refusal);
void outlet_fini(struct outlet *o);

enum outlet_what {
	OUTLET_NOTHING = 0, /* no media, or of a track beside the one carried */
	OUTLET_REFUSED,     /* of a track that the container cannot carry */
	OUTLET_EARLY,       /* a JOIN must come before */
	OUTLET_FRAME,       /* write it */
};

/* Borrowed from log and outlet; `track` until the next one is taken. */
struct outlet_item {
	const struct frame *frame;
	const struct track *track;
	struct stateset *set; /* in force there */
	int64_t ms;
	bool is_join; /* a receiver could begin here */
};

/* What the frame at `ordinal` of the log is. *out is filled for OUTLET_FRAME,
 * its set also for OUTLET_EARLY. */
enum outlet_what outlet_take(struct outlet *o, struct outlet_item *out,
			     const struct log *log, uint64_t ordinal);

enum outlet_header { OUTLET_META = 1, OUTLET_VIDEO = 2, OUTLET_AUDIO = 4 };

/* Which headers of `set` (of tracks that are carried) are not those that were
 * written last; bits of enum outlet_header. */
unsigned outlet_changes(const struct outlet *o, const struct stateset *set);
/* They are written, or need not be. */
void outlet_wrote_headers(struct outlet *o, struct stateset *set);

/* AUs of silence that belong before the item; count 0: none. */
struct silence outlet_hole(const struct outlet *o,
			   const struct outlet_item *item);
/* The time of one of them. */
int64_t outlet_ms(const struct outlet *o, const struct frame *quiet);

/* The item is written. The owner clears must_join when it could begin. */
void outlet_wrote(struct outlet *o, const struct outlet_item *item);

/* Frames are missing here: what follows begins with the next JOIN. */
void outlet_gap(struct outlet *o);

/* The track of that kind which the container carries, or NULL. */
const struct track *outlet_track(outlet_refusal_fn *refusal,
				 const struct tracks *tracks, uint8_t kind);

/* The payload of a state frame; empty when there is none. */
struct span outlet_payload(const struct stateset *set, uint8_t kind,
			   uint16_t track);

#endif
