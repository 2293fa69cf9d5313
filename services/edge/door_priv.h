/* services/edge/door_priv.h - the inside of a door, shared by door.c (all guests)
 * and guest.c (one of them). Nobody else includes it.
 */
#ifndef WEIR_EDGE_DOOR_PRIV_H
#define WEIR_EDGE_DOOR_PRIV_H

#include "services/edge/door.h"

#define DOOR_ENTRANCES 4

/* One socket that a door listens on. */
struct entrance {
	struct door *door;
	struct listener *listener;
	struct tls_identity *identity; /* borrowed; NULL: without TLS */
};

struct door {
	struct edge *edge;
	const struct door_ops *ops;
	struct entrance entrance[DOOR_ENTRANCES];
	size_t entrances;
	struct list half_open, waiting, viewing, leaving;
	uint64_t half_open_count;
	size_t guests;
};

/* ---- guest.c ---- */

/* The first reason stays, and is counted; NULL: the detail is there already, or
 * none. */
void guest_set_why(struct guest *g, enum reason why, const char *detail);
/* End one that waits or views, in the words of its protocol. */
void guest_end(struct guest *g, enum reason why, const char *detail);
/* Read its first bytes, behind `unread`: by itself, or by a peek where the door
 * needs one. `fd` is taken. Returns 0 or an error, without a socket then. */
WEIR_MUST_CHECK int guest_look_at(struct guest *g, int fd, struct span unread);
/* The same of one that speaks TLS: it is ours. */
WEIR_MUST_CHECK int guest_greet(struct guest *g, int fd,
				struct tls_identity *identity);
/* It is one of the door's from now on. `l`: NULL when it came another way. */
void guest_let_in(struct guest *g, struct listener *l);

#endif
