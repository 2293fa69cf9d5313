/* services/dispatch/census.h - how many the whole cluster has of what is limited.
 *
 * Gates tell what they count by the call "counts" (common/member/counts.h); each
 * hears how many others have of what it has itself, and of what is full for it.
 * A gate that goes, or is silent, takes along what it told.
 *
 * Every dispatch has its own, made of what it was told, and asks nobody. Pure but
 * for memory.
 */
#ifndef WEIR_DISPATCH_CENSUS_H
#define WEIR_DISPATCH_CENSUS_H

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/member/counts.h"

#define CENSUS_SILENT_MS 5000

struct census;

struct census_limits {
	size_t nodes;
	size_t entries;      /* names, once for each node */
	size_t node_entries; /* of these */
};

struct census_stats {
	uint64_t nodes, names;
	uint64_t left_out; /* that there was no room for */
};

/* `limits` is copied; NULL: 1024, 1,000,000, 250,000. `seed` as for map_init.
 * Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int census_new(struct census **out,
			       const struct census_limits *limits,
			       uint64_t seed);
void census_free(struct census **c);

/* The call "counts" of a node. The answer is the caller's; NULL: there was no
 * memory, or the report was none: the node begins anew. */
struct json_object *census_serve(struct census *c, const char *node,
				 struct json_object *args, int64_t now_ms);
/* Its link is down. A part of what it told may go with the next ticks. */
void census_forget(struct census *c, const char *node);
/* Forget who is silent; when to be called again (INT64_MAX: nobody is there).
 * After each of the others, too. */
int64_t census_tick(struct census *c, int64_t now_ms);

void census_read(const struct census *c, struct census_stats *out);

#endif
