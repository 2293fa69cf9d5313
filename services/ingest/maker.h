/* services/ingest/maker.h - a publisher's units become the frames of an epoch.
 *
 * Pure. All that has memory happens here, once: tracks are settled, access
 * units rewritten to 4-byte lengths, JOIN told from the bitstream, times put on
 * the one timeline, CLOCK and CUT set. Everything downstream is a function of
 * the frames alone.
 */
#ifndef WEIR_INGEST_MAKER_H
#define WEIR_INGEST_MAKER_H

#include "common/media/reason.h"
#include "common/media/state.h"
#include "common/media/track.h"
#include "proto/flv/flv.h"

struct maker;

struct maker_limits {
	uint32_t
		tracks_settle_ms; /* wait for announced tracks, at most a GOP */
	uint32_t join_wait_max_ms; /* no key frame: then any access unit */
	uint32_t hold_bytes;       /* held back until the tracks are settled */
	uint32_t fragment_ms;
	uint32_t max_fragment_ms;
};

/* What the epoch goes on from (the writer knows). */
struct maker_start {
	struct epoch epoch;
	struct epoch_state open;
	const struct stateset *previous; /* of the epoch before; NULL none */
	uint32_t target_ms;
};

struct maker_stats {
	uint64_t frames;      /* media frames made */
	uint64_t dropped;     /* media before the first JOIN, early media */
	uint64_t corrupt;     /* units that could not be read */
	uint64_t unsupported; /* units of codecs that are not carried */
	uint64_t clamped;     /* times that went back a little */
	uint64_t jumps;       /* times that went far: DISCONTINUITY */
	uint64_t video_frames;
	uint32_t gop_ms;   /* between the last two video JOINs */
	uint32_t fps_x100; /* measured; 0 unknown */
};

struct maker_events {
	/* The next frame of the epoch; keep it with frame_ref. Anything but 0
	 * ends the call, which returns it. */
	int (*on_frame)(void *ctx, struct frame *f);
	/* Something that people should know of the stream: once each. */
	void (*on_notice)(void *ctx, enum reason why, const char *detail);
};

WEIR_MUST_CHECK int maker_new(struct maker **out,
			      const struct maker_limits *limits,
			      const struct maker_start *start,
			      const struct maker_events *events, void *ctx);
void maker_free(struct maker **m);

/* Units will come soon: what they will touch is to come nearer. */
void maker_ahead(const struct maker *m);

/* One unit of the publisher (flv_body_parse of it): raw_ms is its 32-bit time.
 * Returns 0, WEIR_ENOMEM, WEIR_ELIMIT (a payload over 16 MB), or on_frame's. */
WEIR_MUST_CHECK int maker_put(struct maker *m, const struct flv_unit *unit,
			      uint32_t raw_ms, int64_t arrival_us,
			      int64_t now_ms);

/* When maker_tick is due (INT64_MAX: not), and do what is. */
int64_t maker_due_ms(const struct maker *m);
WEIR_MUST_CHECK int maker_tick(struct maker *m, int64_t now_ms);

bool maker_is_settled(const struct maker *m);

/* maker_save.c: the maker as bytes, for another ingest of this machine to go on
 * with in the middle of the epoch: the next frame is the one that this maker
 * would have made. Versioned, little-endian. Only when it is steady: its tracks
 * are settled and nothing is held back. Errors of save are the buffer's; load
 * returns 0 and *out; WEIR_EPROTO: damaged; WEIR_EUNSUPPORTED: another version;
 * WEIR_ENOMEM. */
bool maker_is_steady(const struct maker *m);
void maker_save(const struct maker *m, struct buf *out);
WEIR_MUST_CHECK int maker_load(struct maker **out,
			       const struct maker_limits *limits,
			       const struct epoch *epoch,
			       const struct maker_events *events, void *ctx,
			       struct span saved);
/* The number of the frame that it makes next. */
uint64_t maker_next_sequence(const struct maker *m);
const struct tracks *maker_tracks(const struct maker *m);
void maker_get_stats(const struct maker *m, struct maker_stats *out);

#endif
