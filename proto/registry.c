/* proto/registry.c - the protocols that weir speaks, from registry.def. */
#include "proto/registry.h"

#define SESSION(name, transport, port)                                         \
	extern const struct session_ops name##_session;
#include "proto/registry.def"
#undef SESSION

static bool is_whole(const struct registry_entry *e)
{
	return e->ops && e->ops->name && e->ops->name[0] && e->ops->open &&
	       e->ops->feed && e->ops->close && e->port;
}

int registry_add(struct registry *r, const struct registry_entry *e)
{
	if (!is_whole(e))
		return WEIR_EINVAL;
	if (registry_find(r, e->ops->name))
		return WEIR_EEXIST;
	if (r->count == REGISTRY_MAX)
		return WEIR_ELIMIT;
	r->entry[r->count++] = *e;
	return 0;
}

int registry_fill(struct registry *r)
{
	static const struct registry_entry listed[] = {
#define SESSION(name, transport, port)                                         \
	{&name##_session, TRANSPORT_##transport, (port)},
#include "proto/registry.def"
#undef SESSION
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(listed); i++) {
		int err = registry_add(r, &listed[i]);

		if (err)
			return err;
	}
	return 0;
}

const struct registry_entry *registry_find(const struct registry *r,
					   const char *name)
{
	for (size_t i = 0; i < r->count; i++)
		if (!strcmp(r->entry[i].ops->name, name))
			return &r->entry[i];
	return NULL;
}
