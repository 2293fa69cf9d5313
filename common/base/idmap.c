/* common/base/idmap.c - 32-bit ids to pointers, open addressing.
 *
 * Linear probing; what is removed leaves no mark: those behind it move up.
 */
#include "common/base/idmap.h"

#include <stdlib.h>

#include "common/base/fetch.h"
#include "common/base/hash.h"

#define SLOTS_MIN  8
#define SHIFT_MIN  (64 - 3) /* of SLOTS_MIN */
#define SHRINK_LOW 8        /* less than one in so many is taken */

void idmap_init(struct idmap *m, uint64_t seed)
{
	*m = (struct idmap){.factor = hash_bytes(seed, (struct span){0}) | 1};
}

void idmap_fini(struct idmap *m)
{
	free(m->slot);
	*m = (struct idmap){.factor = m->factor};
}

/* Where an id would stand if it were alone. One multiplication is not enough:
 * with one factor in twenty it lays ids in a row onto few places. */
static size_t home_of(const struct idmap *m, uint32_t id)
{
	uint64_t h = id * m->factor;

	h ^= h >> 32;
	return (size_t)(h * m->factor >> m->shift);
}

static size_t next_of(const struct idmap *m, size_t at)
{
	return (at + 1) & (m->slot_count - 1);
}

/* The slot of `id`, or the free one where it would go. */
static struct idmap_slot *find(const struct idmap *m, uint32_t id)
{
	size_t at = home_of(m, id);

	while (m->slot[at].value && m->slot[at].id != id)
		at = next_of(m, at);
	return &m->slot[at];
}

void *idmap_get(const struct idmap *m, uint32_t id)
{
	return m->count ? find(m, id)->value : NULL;
}

void idmap_ahead(const struct idmap *m, uint32_t id)
{
	if (m->count)
		fetch(&m->slot[home_of(m, id)]);
}

/* Without memory all stays as it is. */
static int resize(struct idmap *m, size_t slot_count, unsigned shift)
{
	const struct idmap old = *m;
	struct idmap_slot *slot = calloc(slot_count, sizeof(*slot));

	if (!slot)
		return WEIR_ENOMEM;
	m->slot = slot;
	m->slot_count = slot_count;
	m->shift = shift;
	m->last = 0;
	for (size_t i = 0; i < old.slot_count; i++)
		if (old.slot[i].value)
			*find(m, old.slot[i].id) = old.slot[i];
	free(old.slot);
	return 0;
}

static int make_room(struct idmap *m)
{
	if (m->count < m->slot_count / 8 * 5)
		return 0;
	return m->slot_count ? resize(m, m->slot_count * 2, m->shift - 1)
			     : resize(m, SLOTS_MIN, SHIFT_MIN);
}

int idmap_put(struct idmap *m, uint32_t id, void *value)
{
	BUG_ON(!value);
	if (idmap_get(m, id))
		return WEIR_EEXIST;
	if (make_room(m))
		return WEIR_ENOMEM;
	*find(m, id) = (struct idmap_slot){.value = value, .id = id};
	m->count++;
	return 0;
}

/* Of those behind the gap, up to the next free slot, each that may stand so
 * far up moves into it, and leaves the gap where it was. */
static void close_gap(struct idmap *m, size_t gap)
{
	const size_t mask = m->slot_count - 1;

	for (size_t at = next_of(m, gap); m->slot[at].value;
	     at = next_of(m, at)) {
		const size_t home = home_of(m, m->slot[at].id);

		if (((at - home) & mask) < ((at - gap) & mask))
			continue;
		m->slot[gap] = m->slot[at];
		gap = at;
	}
	m->slot[gap] = (struct idmap_slot){0};
}

void *idmap_remove(struct idmap *m, uint32_t id)
{
	struct idmap_slot *s;
	void *value;

	if (!m->count)
		return NULL;
	s = find(m, id);
	value = s->value;
	if (!value)
		return NULL;
	close_gap(m, (size_t)(s - m->slot));
	m->count--;
	if (m->slot_count > SLOTS_MIN && m->count < m->slot_count / SHRINK_LOW)
		(void)!resize(m, m->slot_count / 2, m->shift + 1);
	return value;
}

void *idmap_any(struct idmap *m)
{
	if (!m->count)
		return NULL;
	while (!m->slot[m->last].value)
		m->last = next_of(m, m->last);
	return m->slot[m->last].value;
}
