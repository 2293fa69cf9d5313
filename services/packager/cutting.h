/* services/packager/cutting.h - frames in, segments out.
 *
 * Pure. A segment is what stands between two CUTs. At each the mux begins anew,
 * with nothing but the state in force there: so it does not matter when a
 * packager began to read. The first CUT that is read begins the first segment.
 *
 * A segment of which a frame is missing is a gap: it has no bytes, so that
 * nobody has other bytes under that name. Segments that are missing altogether
 * are gaps too; they share the time that lies between their neighbours.
 */
#ifndef WEIR_PACKAGER_CUTTING_H
#define WEIR_PACKAGER_CUTTING_H

#include "common/media/state.h"
#include "services/packager/segment.h"

/* AUs of audio in one PES, at most so much time. */
#define SEGMENT_GATHER_MS   150
#define SEGMENT_GATHER_TEXT "gather 150"

struct cutting;

/* The callee owns `s`. Never from inside cutting_free. */
typedef void cutting_fn(void *ctx, struct segment *s);

struct cutting_stats {
	uint64_t left_out; /* frames that TS cannot carry, or broken ones */
	uint64_t too_long; /* segments that became gaps by segment_bytes */
	uint64_t starved;  /* segments that became gaps for lack of memory */
};

/* `segment_bytes`: a segment that would be longer becomes a gap. Returns 0 or
 * WEIR_ENOMEM. */
WEIR_MUST_CHECK int cutting_new(struct cutting **out, size_t segment_bytes,
				cutting_fn *on_segment, void *ctx);
void cutting_free(struct cutting **c); /* NULL is fine */

/* The next frame of the log, and the state in force before it. */
void cutting_put(struct cutting *c, const struct frame *f,
		 const struct stateset *before);
/* Frames are missing before the next one. */
void cutting_gap(struct cutting *c);
/* The stream is over: the open segment ends with its last frame. */
void cutting_end(struct cutting *c);
/* Forget the open segment; the next CUT begins anew. */
void cutting_forget(struct cutting *c);

/* Number of the open segment; false: none is open. */
bool cutting_open(const struct cutting *c, struct hls_name *out);
size_t cutting_bytes(const struct cutting *c); /* of the open one */
void cutting_get_stats(const struct cutting *c, struct cutting_stats *out);

#endif
