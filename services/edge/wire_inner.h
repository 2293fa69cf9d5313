/* services/edge/wire_inner.h - the inside of a wire, shared by wire.c (writing,
 * letting go) and wire_cursor.c (reading). Nobody else includes it.
 */
#ifndef WEIR_EDGE_WIRE_INNER_H
#define WEIR_EDGE_WIRE_INNER_H

#include "common/base/ring.h"
#include "common/media/outlet.h"
#include "services/edge/bytelog.h"
#include "services/edge/wire.h"

/* There is one for each frame that is kept: of what counts for ever it has the
 * lower bits. A wire holds less than 2^32 bytes. */
struct wire_unit {
	uint32_t end;   /* offset: wire_unit_end */
	uint32_t frame; /* number of the first behind it: wire_unit_frame */
	uint32_t ms;
	uint32_t state; /* headers in force behind it */
};

struct wire_join {
	uint64_t offset;
	int64_t ms;
	uint64_t frame;
	uint64_t left_out;
	uint32_t state;
	struct stateset *set;
	struct wire_mark mark;
	struct buf opening; /* both made when first asked for */
	struct buf headers;
};

struct wire {
	const struct wire_format *format;
	void *memory; /* the format's; NULL: it has none */
	struct wire_limits limits;
	struct bytelog bytes;
	struct ring units; /* struct wire_unit: from tail to end */
	struct ring joins; /* struct wire_join */
	uint64_t tail;     /* offset of the oldest kept unit */
	struct outlet out; /* tracks, headers, times */
	bool is_torn;      /* a unit is missing that memory knows of */
	bool is_sharing;
	uint32_t state;
	uint64_t frames, groups, left_out, refused;
	int64_t newest_arrival_us;
	struct buf own;      /* scratch, if it is not shared */
	struct buf *scratch; /* the unit that is being made */
};

static inline uint64_t wire_unit_end(const struct wire *w,
				     const struct wire_unit *u)
{
	return w->bytes.end - (uint32_t)((uint32_t)w->bytes.end - u->end);
}

static inline uint64_t wire_unit_frame(const struct wire *w,
				       const struct wire_unit *u)
{
	return w->frames - (uint32_t)((uint32_t)w->frames - u->frame);
}

/* Metadata and CONFIGs of `set`, as a viewer that begins there needs them. Of
 * formats without a memory. */
WEIR_MUST_CHECK int wire_put_headers(const struct wire *w, struct buf *out,
				     const struct stateset *set, int64_t ms);

/* The join where a new viewer begins; NULL: none. */
struct wire_join *wire_start_join(const struct wire *w);

#endif
