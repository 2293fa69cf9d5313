/* common/base/ring.c - room for a ring: more of it, less of it. */
#include "common/base/ring.h"

#include <stdlib.h>

#define RING_MIN   2  /* items */
#define RING_KEPT  8  /* so many places are not given back before the end */
#define RING_SMALL 64 /* doubled up to this */

void ring_init(struct ring *r, size_t item_bytes)
{
	*r = (struct ring){.item_bytes = item_bytes};
}

void ring_fini(struct ring *r)
{
	free(r->data);
	ring_init(r, r->item_bytes);
}

/* Copy all items, which may go round the end, in order. */
static void copy_out(const struct ring *r, uint8_t *to)
{
	size_t first = WEIR_MIN(r->count, r->cap - r->head);

	if (!r->count)
		return;
	memcpy(to, r->data + r->head * r->item_bytes, first * r->item_bytes);
	memcpy(to + first * r->item_bytes, r->data,
	       (r->count - first) * r->item_bytes);
}

static int resize(struct ring *r, size_t cap)
{
	uint8_t *data;

	if (cap > SIZE_MAX / 2 / r->item_bytes)
		return WEIR_ENOMEM;
	data = malloc(cap * r->item_bytes);
	if (!data)
		return WEIR_ENOMEM;
	copy_out(r, data);
	free(r->data);
	r->data = data;
	r->cap = cap;
	r->head = 0;
	return 0;
}

int ring_grow(struct ring *r)
{
	const size_t more = r->cap < RING_SMALL ? r->cap : r->cap / 4;

	return resize(r, r->cap ? r->cap + more : RING_MIN);
}

void ring_drop(struct ring *r, size_t count)
{
	count = WEIR_MIN(count, r->count);
	if (!count)
		return;
	r->head += count;
	if (r->head >= r->cap)
		r->head -= r->cap;
	r->count -= count;
	/* Halved at an eighth: after that it takes many pushes to grow again.
	 * Without memory for a smaller one, the larger one stays. */
	if (r->cap > RING_KEPT && r->count < r->cap / 8)
		(void)!resize(r, r->cap / 2);
}
