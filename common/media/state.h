/* common/media/state.h - payloads of the EPOCH, CLOCK and CUT state frames, and
 * the set of state frames in force at a place of a log.
 *
 * All little-endian.
 * EPOCH  u8 version (1), u8 flags (1: new incarnation), u16 0,
 *        previous epoch {u64 counter, 16 bytes writer}, u64 its last sequence,
 *        u64 incarnation (start, UTC ms), i64 dts base ns,
 *        u64 first segment number, u64 discontinuity number,
 *        i64 start UTC us
 * CLOCK  i64 dts ns, i64 utc us, u8 source
 * CUT    u64 segment number, u64 discontinuity number,
 *        u32 target duration so far ms, u32 part target ms
 */
#ifndef WEIR_MEDIA_STATE_H
#define WEIR_MEDIA_STATE_H

#include "common/base/buf.h"
#include "common/media/frame.h"

struct epoch_state {
	bool is_new_incarnation;
	struct epoch previous;  /* counter 0: there was none */
	uint64_t last_sequence; /* of previous, as far as the home knew */
	uint64_t incarnation;   /* start of the incarnation, UTC ms */
	int64_t dts_base_ns;    /* media of this epoch starts here */
	uint64_t segment;       /* number of the epoch's first segment */
	uint64_t discontinuity; /* number in force from here */
	int64_t start_us;       /* UTC */
};

enum clock_source {
	CLOCK_ARRIVAL = 1, /* the ingest's own clock at arrival */
	CLOCK_RTCP = 2,    /* the publisher's sender report */
	CLOCK_STREAM = 3,  /* a time code in the stream */
};

struct clock_state {
	int64_t dts_ns;
	int64_t utc_us;
	uint8_t source; /* enum clock_source */
};

struct cut_state {
	uint64_t segment;
	uint64_t discontinuity;
	uint32_t target_ms; /* longest segment so far, never shrinks */
	uint32_t part_ms;
};

void epoch_state_write(struct buf *out, const struct epoch_state *s);
void clock_state_write(struct buf *out, const struct clock_state *s);
void cut_state_write(struct buf *out, const struct cut_state *s);

/* Each returns 0; WEIR_EPROTO (too short, too long, a bit that means nothing);
 * or WEIR_EUNSUPPORTED (a version or clock source not known here). What was
 * read gives the same bytes when written. */
WEIR_MUST_CHECK int epoch_state_read(struct epoch_state *out, struct span in);
WEIR_MUST_CHECK int clock_state_read(struct clock_state *out, struct span in);
WEIR_MUST_CHECK int cut_state_read(struct cut_state *out, struct span in);

/* The newest state frame of each (kind, track) at one place of a log.
 * Immutable and shared: a new set is made when a state frame is appended. */
#define STATESET_MAX (5 + 16) /* one of each kind, and CONFIG per track */

struct stateset {
	uint32_t refs;
	uint32_t count;
	struct frame *frame[STATESET_MAX]; /* by kind, then by track */
};

/* The set that holds `f` in place of what it replaces in `old` (NULL: empty).
 * An EPOCH frame of another epoch empties the set first; a TRACKS frame drops
 * the CONFIGs of tracks that are not in it (one that cannot be read drops
 * none). Takes references of its own. Returns 0, WEIR_ELIMIT (it would hold
 * more than STATESET_MAX) or WEIR_ENOMEM. */
WEIR_MUST_CHECK int stateset_with(struct stateset **out,
				  const struct stateset *old, struct frame *f);

struct stateset *stateset_ref(struct stateset *s); /* NULL is fine */
void stateset_unref(struct stateset **s);

/* The frame of that kind and track (track 0 but for CONFIG), or NULL. */
struct frame *stateset_get(const struct stateset *s, uint8_t kind,
			   uint16_t track);

#endif
