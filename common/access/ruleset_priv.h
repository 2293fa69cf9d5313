/* common/access/ruleset_priv.h - the inside of a set, for this room only.
 *
 * Rules stand twice: in order, by source and kind; and in the index, under
 * everything by which they are looked for.
 */
#ifndef WEIR_ACCESS_RULESET_PRIV_H
#define WEIR_ACCESS_RULESET_PRIV_H

#include "common/access/rule_index.h"
#include "common/access/ruleset.h"

/* Rules of one kind and source, each with a reference. Those of the registry by
 * id. */
struct rule_row {
	struct rule **at;
	size_t count;
	size_t cap;
};

struct ruleset {
	struct rule_row row[RULE_SOURCE_COUNT][RULE_KIND_COUNT];
	struct rule_index index;
	/* Allow rules by operation (as a bit): never over, and over some time. */
	size_t allow_always[ACCESS_BOTH + 1], allow_timed[ACCESS_BOTH + 1];
	uint64_t version;
	int64_t next_over_ms; /* nothing is over before; INT64_MAX: never */
};

/* The key of a rule's name in the index. */
struct rule_name {
	uint8_t byte[2 + RULE_ID_MAX];
};

struct span rule_name_key(struct rule_name *out, enum rule_source source,
			  enum rule_kind kind, const char *id);

/* Where a rule of the set stands: ruleset_at's number of it. */
size_t ruleset_place(const struct ruleset *rs, const struct rule *r);

#endif
