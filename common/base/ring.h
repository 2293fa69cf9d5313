/* common/base/ring.h - a queue of equal items in one growing array.
 *
 * Room is made by a quarter (small ones: doubled) and given back when the queue is
 * nearly empty, so that pushing and dropping cost no allocation each. Items are
 * plain bytes: whoever drops one gives up what it holds. Index 0 is the oldest.
 */
#ifndef WEIR_BASE_RING_H
#define WEIR_BASE_RING_H

#include "common/base/err.h"
#include "common/base/span.h"

struct ring {
	uint8_t *data;
	size_t item_bytes;
	size_t cap; /* items */
	size_t head;
	size_t count; /* items */
};

/* An empty queue, without memory yet. */
void ring_init(struct ring *r, size_t item_bytes);

/* Free the memory, not what the items hold. The queue is then empty. */
void ring_fini(struct ring *r);

/* More room, all of which is in use (ring_reserve). */
WEIR_MUST_CHECK int ring_grow(struct ring *r);

/* Forget the `count` oldest items (at most all). Pointers to items die. */
void ring_drop(struct ring *r, size_t count);

/* Make sure that the next push finds room. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK static inline int ring_reserve(struct ring *r)
{
	return r->count < r->cap ? 0 : ring_grow(r);
}

/* The item at an index below count; dies with the next reserve or drop. */
static inline void *ring_at(const struct ring *r, size_t index)
{
	size_t i = r->head + index;

	if (i >= r->cap)
		i -= r->cap;
	return r->data + i * r->item_bytes;
}

/* The newest item, or NULL. */
static inline void *ring_last(const struct ring *r)
{
	return r->count ? ring_at(r, r->count - 1) : NULL;
}

/* A new last item, for the caller to fill; room must have been reserved. */
static inline void *ring_push(struct ring *r)
{
	BUG_ON(r->count >= r->cap);
	return ring_at(r, r->count++);
}

#endif
