/* common/base/map.h - byte keys to pointers.
 *
 * Open hashing with a seed, so that a peer that chooses keys cannot choose
 * collisions. Keys are copied; values are borrowed. Single-threaded.
 */
#ifndef WEIR_BASE_MAP_H
#define WEIR_BASE_MAP_H

#include "common/base/err.h"
#include "common/base/span.h"

struct map_slot {
	struct map_slot *next;
	void *value;
	uint64_t hash;
	size_t key_len;
	uint8_t key[];
};

struct map {
	struct map_slot **bucket;
	size_t bucket_count; /* 0 or a power of two */
	size_t count;
	uint64_t seed;
};

/* An empty map. `seed` should be random per process (io_random). */
void map_init(struct map *m, uint64_t seed);

/* Free the table and its keys, not the values. */
void map_fini(struct map *m);

/* The value, or NULL. */
void *map_get(const struct map *m, struct span key);

/* Put `value` (not NULL) at a key that must not be there yet.
 * Returns 0, WEIR_EEXIST or WEIR_ENOMEM. */
WEIR_MUST_CHECK int map_put(struct map *m, struct span key, void *value);

/* Remove the key and return its value, or NULL. */
void *map_remove(struct map *m, struct span key);

/* Walk, in no order: start with NULL; NULL ends. Nothing may be put or removed
 * on the way: collect first, then remove. */
struct map_slot *map_next(const struct map *m, const struct map_slot *slot);

#define map_each(slot, m)                                                      \
	for (struct map_slot *slot = map_next((m), NULL); slot;                \
	     slot = map_next((m), slot))

#endif
