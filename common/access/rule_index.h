/* common/access/rule_index.h - rules by what they ask for, for this room only.
 *
 * A multimap from bytes to rules (borrowed), with two things more: blocks of
 * addresses are found by an address, in one look per length of block in use; and
 * patterns by a stream's key, in one look per shape of pattern in use.
 */
#ifndef WEIR_ACCESS_RULE_INDEX_H
#define WEIR_ACCESS_RULE_INDEX_H

#include "common/access/rule.h"
#include "common/base/map.h"

/* Each has keys of its own. */
enum rule_index_of {
	INDEX_NAME, /* source, kind and id */
	INDEX_DENY, /* blocks */
	INDEX_ALLOW,
	INDEX_BAN_IP,
	INDEX_BAN_SESSION,
	INDEX_BAN_USER,
	INDEX_BAN_STREAM, /* patterns */
	INDEX_PULL,
	INDEX_PUSH,
	INDEX_COUNT,
};

/* A rule under a key. */
struct rule_ref {
	struct rule_ref *next;
	const struct rule *rule;
};

/* A shape of patterns in use. */
struct rule_shape {
	struct rule_shape *next;
	size_t count; /* rules */
	char text[STREAM_SHAPE_SIZE];
};

struct rule_index {
	struct map map;
	struct map shapes; /* index and text → struct rule_shape, ours */
	struct rule_shape *shape[INDEX_COUNT]; /* the first */
	/* Blocks in use, by length. */
	uint32_t block_count[INDEX_COUNT][129];
};

void rule_index_init(struct rule_index *ix, uint64_t seed);
void rule_index_fini(struct rule_index *ix);

/* Returns 0 or WEIR_ENOMEM. The newest comes first. */
WEIR_MUST_CHECK int rule_index_add(struct rule_index *ix, enum rule_index_of of,
				   struct span key, const struct rule *rule);
WEIR_MUST_CHECK int rule_index_add_block(struct rule_index *ix,
					 enum rule_index_of of,
					 const struct cidr *block,
					 const struct rule *rule);

WEIR_MUST_CHECK int rule_index_add_pattern(struct rule_index *ix,
					   enum rule_index_of of,
					   const struct stream_pattern *pattern,
					   const struct rule *rule);

/* Remove it once; it need not be there. */
void rule_index_remove(struct rule_index *ix, enum rule_index_of of,
		       struct span key, const struct rule *rule);
void rule_index_remove_block(struct rule_index *ix, enum rule_index_of of,
			     const struct cidr *block, const struct rule *rule);

void rule_index_remove_pattern(struct rule_index *ix, enum rule_index_of of,
			       const struct stream_pattern *pattern,
			       const struct rule *rule);

/* Those under a key, or NULL. */
const struct rule_ref *rule_index_find(const struct rule_index *ix,
				       enum rule_index_of of, struct span key);

/* Those of the block of `bits` that has the address. */
const struct rule_ref *rule_index_find_block(const struct rule_index *ix,
					     enum rule_index_of of,
					     const struct ip_addr *ip,
					     unsigned bits);

/* Those whose pattern may match the key (look again), shape by shape: *at is NULL
 * at first. NULL: no more. */
const struct rule_ref *rule_index_next_pattern(const struct rule_index *ix,
					       enum rule_index_of of,
					       const struct stream_key *key,
					       const struct rule_shape **at);

#endif
