/* common/base/tally.h - how many there are of each name, up to a limit. */
#ifndef WEIR_BASE_TALLY_H
#define WEIR_BASE_TALLY_H

#include "common/base/map.h"

struct tally {
	struct map counts; /* name → size_t * */
};

/* `seed` as for map_init. */
void tally_init(struct tally *t, uint64_t seed);
void tally_fini(struct tally *t);

/* One more, unless there are `max` already (0: no limit). Returns 0; WEIR_ELIMIT
 * or WEIR_ENOMEM: it was not counted. */
WEIR_MUST_CHECK int tally_enter(struct tally *t, struct span name, size_t max);
/* One less; for each enter that returned 0. */
void tally_leave(struct tally *t, struct span name);

size_t tally_of(const struct tally *t, struct span name);

#endif
