/* proto/registry.h - the protocols that weir speaks, from registry.def. */
#ifndef WEIR_PROTO_REGISTRY_H
#define WEIR_PROTO_REGISTRY_H

#include "common/media/session.h"

enum transport { TRANSPORT_TCP, TRANSPORT_UDP };

struct registry_entry {
	const struct session_ops *ops; /* static */
	enum transport transport;
	uint16_t port; /* the default */
};

#define REGISTRY_MAX 32

/* Zero it to begin with. */
struct registry {
	size_t count;
	struct registry_entry entry[REGISTRY_MAX];
};

/* Returns 0; WEIR_EINVAL: a mandatory slot of the table is empty, or the port
 * is 0; WEIR_EEXIST: the name is taken; WEIR_ELIMIT: the registry is full. */
WEIR_MUST_CHECK int registry_add(struct registry *r,
				 const struct registry_entry *e);

/* Add every line of registry.def. Errors as above. */
WEIR_MUST_CHECK int registry_fill(struct registry *r);

/* By name ("rtmp"); NULL: no such protocol. */
const struct registry_entry *registry_find(const struct registry *r,
					   const char *name);

#endif
