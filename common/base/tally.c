/* common/base/tally.c - how many there are of each name. */
#include "common/base/tally.h"

#include <stdlib.h>

void tally_init(struct tally *t, uint64_t seed)
{
	map_init(&t->counts, seed);
}

void tally_fini(struct tally *t)
{
	map_each (slot, &t->counts)
		free(slot->value);
	map_fini(&t->counts);
}

int tally_enter(struct tally *t, struct span name, size_t max)
{
	size_t *count = map_get(&t->counts, name);
	int err;

	if (count) {
		if (max && *count >= max)
			return WEIR_ELIMIT;
		++*count;
		return 0;
	}
	count = malloc(sizeof(*count));
	if (!count)
		return WEIR_ENOMEM;
	*count = 1;
	err = map_put(&t->counts, name, count);
	if (err)
		free(count);
	return err;
}

void tally_leave(struct tally *t, struct span name)
{
	size_t *count = map_get(&t->counts, name);

	if (!count || --*count)
		return;
	map_remove(&t->counts, name);
	free(count);
}

size_t tally_of(const struct tally *t, struct span name)
{
	const size_t *count = map_get(&t->counts, name);

	return count ? *count : 0;
}
