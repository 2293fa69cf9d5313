/* services/edge/wire.h - a wire log: exactly the bytes that every viewer of one
 * form (container, codec form, tracks) of a stream gets.
 *
 * Bytes stand in reference-counted blocks and are counted by a u64 offset from
 * the start of the wire. They come in units (an FLV tag, an RTMP message): a
 * viewer stops, skips, and gets inserts at unit ends only. Joins are the places
 * where a viewer can begin; what it needs before (headers in force there) is
 * its prefix, made once per join.
 *
 * Pure: no sockets; the only clock is the stream's own time.
 */
#ifndef WEIR_EDGE_WIRE_H
#define WEIR_EDGE_WIRE_H

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/media/log.h"
#include "common/media/track.h"

struct wire;

/* How frames become bytes. Stateless; `ms` is already relative to the wire. */
struct wire_format {
	const char *name;
	/* What a connection gets before anything (FLV: the file header). */
	void (*opening)(struct buf *out, const struct tracks *tracks);
	/* Metadata that agrees with the tracks; meta may be empty. */
	int (*metadata)(struct buf *out, const struct tracks *tracks,
			struct span meta, uint32_t ms);
	/* One CONFIG, VIDEO or AUDIO frame as one unit; nothing when the format
	 * cannot carry the track. */
	int (*unit)(struct buf *out, const struct track *track,
		    const struct frame *f, uint32_t ms);
};

extern const struct wire_format wire_flv;
extern const struct wire_format wire_rtmp;

struct wire_limits {
	uint32_t retain_ms;     /* viewers may lag so far */
	uint64_t gop_max_bytes; /* kept behind the newest join, at most */
	uint32_t audio_join_ms; /* without video: what a joiner gets */
};

/* A place in a wire, never behind its tail: before wire_trim the owner moves
 * those that lag (wire_spare_end). */
struct wire_cursor {
	struct wire_block *block; /* a hint; NULL: look it up */
	uint64_t offset;
	uint64_t unit_end; /* of the unit that offset is in; = offset at a unit
			    * end */
	uint64_t next_frame; /* number of the next frame that it gets */
	uint32_t state;      /* which headers the viewer has */
	bool must_join;      /* skipped past the end: waits for a join */
};

WEIR_MUST_CHECK int wire_new(struct wire **out,
			     const struct wire_format *format,
			     const struct wire_limits *limits);
void wire_free(struct wire **w); /* its cursors are then void */

/* Write what the frame at `ordinal` of the log becomes. Frames before the first
 * JOIN give nothing. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int wire_append(struct wire *w, const struct log *log,
				uint64_t ordinal);

/* Frames were left out of the log: the next unit comes with the next JOIN.
 * `frames` of them count as skipped for every viewer. */
void wire_gap(struct wire *w, uint64_t frames);

/* Can a viewer begin (is there a join)? */
bool wire_is_ready(const struct wire *w);

/* Place a cursor at the join where a new viewer begins and give the bytes that
 * it gets before: opening and headers (borrowed until the next append).
 * Returns 0, WEIR_EAGAIN: not ready, WEIR_ENOMEM. */
WEIR_MUST_CHECK int wire_start(struct wire *w, struct wire_cursor *c,
			       struct span *prefix);

/* The next bytes, all of one block; empty at the end or while must_join. */
struct span wire_peek(struct wire *w, struct wire_cursor *c);
/* `len` of them were sent. */
void wire_advance(struct wire *w, struct wire_cursor *c, size_t len);

/* In the middle of a unit: append what is left of it and move to its end, so
 * that the cursor may skip. Returns 0 or the buffer's error. */
WEIR_MUST_CHECK int wire_take_rest(struct wire *w, struct wire_cursor *c,
				   struct buf *out);

/* What wire_trim would let go ends here: cursors before it must skip first. */
uint64_t wire_spare_end(const struct wire *w);
void wire_trim(struct wire *w);

/* Is the cursor between two units? */
static inline bool wire_at_unit_end(const struct wire_cursor *c)
{
	return c->offset == c->unit_end;
}

/* What is not yet sent, in ms of the stream's time. */
uint32_t wire_lag_ms(const struct wire *w, const struct wire_cursor *c);

/* At a unit end: move forward to the newest join ahead, else wait for the next
 * (must_join, then wire_rejoin). *skipped: frames left out. prefix: headers
 * that differ there (else empty), to be sent first; borrowed until the next
 * append. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int wire_skip(struct wire *w, struct wire_cursor *c,
			      uint64_t *skipped, struct span *prefix);

/* A cursor that waits for a join: is there one now? Then it is placed there, as
 * by wire_skip. WEIR_EAGAIN: not yet. */
WEIR_MUST_CHECK int wire_rejoin(struct wire *w, struct wire_cursor *c,
				uint64_t *skipped, struct span *prefix);

/* New viewers should get a new wire: time has come far (2^30 ms). The old one
 * ends (is_over) before 2^31 ms. */
bool wire_is_old(const struct wire *w);
bool wire_is_over(const struct wire *w);

struct wire_stats {
	uint64_t bytes;         /* kept in blocks of the wire */
	uint64_t written_bytes; /* ever */
	uint64_t frames;        /* ever */
	uint64_t end_offset;
	int64_t newest_arrival_us;
};
void wire_get_stats(const struct wire *w, struct wire_stats *out);

#endif
