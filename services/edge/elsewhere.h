/* services/edge/elsewhere.h - where a player may go whom this edge has no room
 * for: to another edge, by a redirect (302), once.
 */
#ifndef WEIR_EDGE_ELSEWHERE_H
#define WEIR_EDGE_ELSEWHERE_H

#include "common/media/reason.h"
#include "common/registry/best.h"

/* What its request was, borrowed. */
struct elsewhere_request {
	bool has_tls;
	struct span came_by; /* its Host, with or without a port */
	struct span path;    /* raw */
	struct span query;   /* raw, without '?' */
};

/* Who this edge is. */
struct elsewhere_self {
	const struct copy *copy; /* NULL: nobody else is known */
	const char *id, *zone;
};

/* Is that a reason to go elsewhere? */
bool elsewhere_helps(enum reason why);

/* Append the whole address of the request at the best other edge that has room,
 * one of this zone if there is. Returns false, and nothing is appended: there is
 * none, or the player was sent on before. Errors are the buffer's. */
bool elsewhere_put(struct buf *out, const struct elsewhere_self *self,
		   const struct elsewhere_request *rq, uint64_t seed);

#endif
