/* services/edge/bytelog.h - the bytes of a wire: one after the other, counted by
 * a u64 offset from the first, and let go from the front.
 *
 * They stand in blocks; but a frame's payload may stay where it is, with a
 * reference to the frame. So they lie in pieces, which are numbered: a reader
 * keeps the number of the one that it read last, and finds its place at once.
 */
#ifndef WEIR_EDGE_BYTELOG_H
#define WEIR_EDGE_BYTELOG_H

#include "common/base/list.h"
#include "common/base/ring.h"
#include "common/media/frame.h"

/* Small, so that half a block that is empty and half a block that is not needed
 * any more are little beside the rest; of two sizes only, so that one that goes
 * is the next one's place. The lesser ones take what stands around payloads. */
#define BYTELOG_BLOCK_BYTES       (16u * 1024)
#define BYTELOG_SMALL_BLOCK_BYTES 1000u

struct bytelog_block;

/* Read-only to others. */
struct bytelog {
	struct list blocks;
	struct bytelog_block *filling; /* the newest; NULL: it is full */
	struct ring pieces;
	uint64_t start;   /* offset of the oldest piece's first byte */
	uint64_t dropped; /* pieces, ever: the number of the oldest one */
	uint64_t end;
	uint64_t kept_bytes;   /* memory of the blocks */
	uint64_t shared_bytes; /* payloads that it refers to */
};

void bytelog_init(struct bytelog *b);
void bytelog_fini(struct bytelog *b);

/* Append a copy of `s`; with `shared` (NULL: none) its payload, which is not
 * copied, at `at` of `s`. Returns 0 or WEIR_ENOMEM, and then nothing happened.
 */
WEIR_MUST_CHECK int bytelog_put(struct bytelog *b, struct span s,
				struct frame *shared, size_t at);

/* What lies together from `offset` on, which is kept or the end (then it is
 * empty). *piece is the reader's hint, anything at first. Borrowed until that
 * is dropped. */
struct span bytelog_peek(const struct bytelog *b, uint64_t offset,
			 uint64_t *piece);
/* The same, and what stands behind, until there are `max` spans or at least
 * `enough_bytes`. Returns how many spans. */
size_t bytelog_peek_all(const struct bytelog *b, uint64_t offset,
			uint64_t *piece, struct span *out, size_t max,
			size_t enough_bytes);

/* What the next put touches comes nearer. */
void bytelog_ahead(const struct bytelog *b);

/* Let go what is before `offset`, as far as whole pieces and blocks are. */
void bytelog_drop(struct bytelog *b, uint64_t offset);

#endif
