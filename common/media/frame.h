/* common/media/frame.h - one frame of a stream: what every process carries.
 *
 * A frame is written once, by its maker, and never changed again. It is shared
 * by reference within one loop (the count is not atomic). Frames with equal
 * positions are equal byte for byte, in every process, for ever: see
 * frame_digest_same().
 */
#ifndef WEIR_MEDIA_FRAME_H
#define WEIR_MEDIA_FRAME_H

#include "common/base/err.h"
#include "common/base/span.h"
#include "common/base/uuid.h"

#define FRAME_PAYLOAD_MAX (16u * 1024 * 1024) /* bytes */
#define NS_PER_MS         INT64_C(1000000)
#define NS_PER_S          INT64_C(1000000000)

/* Values are on the wire (common/bus/README.md): never renumber. */
enum frame_kind {
	FRAME_VIDEO = 1, /* one access unit; H.26x: 4-byte NAL lengths */
	FRAME_AUDIO = 2, /* one AU or packet */
	FRAME_DATA = 3,  /* u16 subtype, then its bytes */
	FRAME_RAW = 4,   /* one packet of a codec that is only carried */
	/* state frames */
	FRAME_EPOCH = 16, /* opens an epoch, always sequence 0: state.h */
	FRAME_TRACKS = 17,
	FRAME_CONFIG = 18, /* decoder configuration of one track */
	FRAME_META = 19,   /* the publisher's metadata, AMF0 */
	FRAME_CLOCK = 20,
	FRAME_CUT = 21,
};

enum frame_flags {
	FRAME_JOIN = 1 << 0,       /* a decoder can begin here */
	FRAME_DISPOSABLE = 1 << 1, /* no other frame needs it */
	FRAME_DISCONTINUITY = 1 << 2,
	FRAME_SYNTHETIC = 1 << 3, /* made by weir, not by the publisher */
	FRAME_CORRUPT = 1 << 4,
};

/* One publishing session of a stream. */
struct epoch {
	uint64_t counter; /* grows by at least 1 each session; 0: none */
	struct uuid writer;
};

/* Sequences start at 0 and are dense within an epoch. Positions of two epochs
 * are never compared by sequence. */
struct position {
	struct epoch epoch;
	uint64_t sequence;
};

struct frame {
	uint32_t refs; /* frame_ref and frame_unref only */
	uint8_t kind;  /* enum frame_kind */
	uint8_t flags; /* enum frame_flags */
	uint16_t track;
	struct position position;
	int64_t dts_ns;      /* on the stream's one timeline, unwrapped */
	int64_t pts_ns;      /* may be below dts: carried as it came */
	int64_t arrival_us;  /* UTC, at the ingest; for age histograms only */
	struct span payload; /* behind this struct, same allocation */
};

static inline bool frame_is_state(const struct frame *f)
{
	return f->kind >= FRAME_EPOCH;
}

static inline bool epoch_eq(const struct epoch *a, const struct epoch *b)
{
	return a->counter == b->counter && uuid_eq(&a->writer, &b->writer);
}

/* Make a frame with one reference: `head`'s fields but refs and payload, and a
 * copy of `payload`. Returns 0, WEIR_ELIMIT past FRAME_PAYLOAD_MAX, or
 * WEIR_ENOMEM. */
WEIR_MUST_CHECK int frame_new(struct frame **out, const struct frame *head,
			      struct span payload);

/* As frame_new, with `payload_len` bytes left for the maker to fill through
 * *payload, all of it, before anybody else sees the frame. */
WEIR_MUST_CHECK int frame_new_blank(struct frame **out,
				    const struct frame *head,
				    size_t payload_len, uint8_t **payload);

/* The frame whose payload begins there. */
static inline struct frame *frame_of_payload(const uint8_t *payload)
{
	return (struct frame *)(uintptr_t)payload - 1;
}

/* One more reference to `f` (not NULL); returns it. */
struct frame *frame_ref(struct frame *f);

/* Give up a reference and set *f to NULL; NULL is fine. */
void frame_unref(struct frame **f);

/* Do two frames with one position hold the same bytes in every field? (What a
 * replay or a replica must give.) Receivers check it where both are at hand. */
bool frame_digest_same(const struct frame *a, const struct frame *b);

/* Ticks of `rate` per second to nanoseconds and back, rounded to nearest, half
 * away from zero, by a 128-bit product: exact there and back for 0 < rate < 10^9.
 * Convert absolute values, never summed differences. What does not fit becomes
 * INT64_MAX or INT64_MIN; a rate of 0 gives 0. */
int64_t ns_from_ticks(int64_t ticks, uint32_t rate);
int64_t ns_to_ticks(int64_t ns, uint32_t rate);

#endif
