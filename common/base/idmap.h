/* common/base/idmap.h - 32-bit ids to pointers, looked up for each frame.
 *
 * One array, no memory of an entry's own: a look-up of an id that is there
 * touches one cache line, rarely two. Values are borrowed. Single-threaded.
 *
 * A peer chooses the ids. What is promised: as long as it does not know the
 * seed, no set of ids is worse than another, and ids in a row are as good as
 * random ones. Who has the seed can choose ids that stand in one row, and a
 * look-up then passes all of them: limit how many one peer may put.
 */
#ifndef WEIR_BASE_IDMAP_H
#define WEIR_BASE_IDMAP_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

struct idmap_slot {
	void *value; /* NULL: free */
	uint32_t id;
};

struct idmap {
	struct idmap_slot *slot;
	size_t slot_count; /* 0 or a power of two; up to 5/8 are taken */
	size_t count;
	uint64_t factor; /* of the hash: odd, from the seed */
	unsigned shift;  /* 64 less the bits of a place */
	size_t last;     /* where idmap_any found something */
};

/* An empty map. `seed` may be any number; it should be random (io_random) and
 * no peer should know it. */
void idmap_init(struct idmap *m, uint64_t seed);

/* Free the array, not the values. The map is empty then. */
void idmap_fini(struct idmap *m);

/* The value, or NULL. */
void *idmap_get(const struct idmap *m, uint32_t id);

/* A get of this id comes soon: have its place fetched (common/base/fetch.h). */
void idmap_ahead(const struct idmap *m, uint32_t id);

/* Put `value` (not NULL) at an id that must not be there yet; 0 is an id like
 * any other. Returns 0, WEIR_EEXIST, or WEIR_ENOMEM: nothing was put. */
WEIR_MUST_CHECK int idmap_put(struct idmap *m, uint32_t id, void *value);

/* Remove the id and return its value, or NULL. It needs no memory: a map that
 * became nearly empty gives some back if it can. */
void *idmap_remove(struct idmap *m, uint32_t id);

/* Some value that is in the map; NULL: it is empty. To empty a map, remove
 * what this returns until it is NULL: that looks at each place about once. */
void *idmap_any(struct idmap *m);

#endif
