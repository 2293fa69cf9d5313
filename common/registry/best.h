/* common/registry/best.h - which nodes should get what is new: where there is
 * room, near, and little to do.
 *
 * Pure. What nodes say of their load is up to a second old, and everybody sees
 * the same: so the order among equals is drawn by lot, two at a time, of which the
 * one with less to do goes first (the power of two choices).
 */
#ifndef WEIR_REGISTRY_BEST_H
#define WEIR_REGISTRY_BEST_H

#include "common/registry/copy.h"

#define BEST_MAX 256 /* nodes that are looked at */

/* Has `a` less to do than `b`? < 0: yes, > 0: more, 0: the same. Who is full has
 * most; then tenths of the processor's time count, then sessions and streams,
 * then bits sent. */
int load_order(const struct node_load *a, const struct node_load *b);
/* The first two of these alone: a full node, tenths of the processor's time. */
int load_band(const struct node_load *l);

struct best_wish {
	const char *role;
	const char *address; /* it has one of that name; NULL: any */
	const char *zone;    /* those of it first; NULL, "": none is near */
	const char *without; /* not the node of that id; NULL */
	/* Ids of those that come first of the near ones, as long as they are
	 * neither full nor busy. */
	const char (*first)[NODE_ID_SIZE];
	size_t first_count;
	bool is_free;  /* none that is full */
	uint64_t seed; /* of the lot */
};

/* Those that take work, the best first, at most `max` (at most BEST_MAX). The
 * pointers live until the copy's next change. Returns how many there are. */
size_t best_nodes(const struct copy *c, const struct best_wish *wish,
		  const struct node **out, size_t max);

/* Append "host:port" by which clients reach the node's address of that name: the
 * host that the node tells (cluster.public_host, its address "host"), else that
 * of the address; where that is this machine or any, the host by which whoever
 * asks came here (`came_by`: "example.org" or "[::1]"; may be empty). Returns
 * false, and nothing is appended: it has no such address, or nobody knows its
 * host. Errors are the buffer's. */
bool node_put_public(struct buf *out, const struct node *n, const char *name,
		     struct span came_by);

#endif
