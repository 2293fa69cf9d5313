/* common/registry/rank.h - which nodes of a role serve a stream, in which order.
 *
 * Pure. Rendezvous hashing over the nodes of the copy that take work: everybody
 * who knows the same nodes finds the same order, and a node that comes or goes
 * moves only the streams that are its own.
 */
#ifndef WEIR_REGISTRY_RANK_H
#define WEIR_REGISTRY_RANK_H

#include "common/registry/copy.h"

#define RANK_MAX 16

/* The first nodes, at most `max` (at most RANK_MAX). The pointers live until the
 * copy's next change. Returns how many there are. */
size_t rank_nodes(const struct copy *c, const char *role,
		  const struct stream_key *key, const struct node **out,
		  size_t max);

/* The first of `count` nodes that somebody has at hand; `may` leaves some out
 * (NULL: none). It points into `node`; NULL: nobody is left. */
typedef bool rank_may_fn(const void *ctx, const struct node_ref *node);
const struct node_ref *rank_best(const struct node_ref *node, size_t count,
				 const struct stream_key *key, rank_may_fn *may,
				 const void *ctx);

/* How many come before the node with that id, which need not be known. */
size_t rank_before(const struct copy *c, const char *role,
		   const struct stream_key *key, const char *id);

#endif
