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

#define CENSUS_NODES_MAX   1024
#define CENSUS_ENTRIES_MAX 1000000 /* names, once for each node */
#define CENSUS_NODE_MAX    250000  /* of these */
#define CENSUS_SILENT_MS   5000

struct census;

struct census_stats {
	uint64_t nodes, names;
	uint64_t left_out; /* that there was no room for */
};

/* `seed` as for map_init. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int census_new(struct census **out, uint64_t seed);
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
