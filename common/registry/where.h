/* common/registry/where.h - the address of the registry, taken apart. Pure. */
#ifndef WEIR_REGISTRY_WHERE_H
#define WEIR_REGISTRY_WHERE_H

#include "common/base/err.h"
#include "common/base/span.h"

#define WHERE_HOSTS_MAX 8

struct where_host {
	char host[128]; /* a name or an address, without brackets */
	unsigned port;
};

struct where {
	bool is_sentinel;
	struct where_host host[WHERE_HOSTS_MAX]; /* one, or the Sentinels */
	size_t host_count;
	char master[64]; /* the name that the Sentinels know */
	unsigned db;
};

/* "host:port", "host" (6379), "redis://host:port/2", "[::1]:6379",
 * "sentinel://a:26379,b:26379/mymaster/2". Returns 0, or WEIR_EINVAL and *why:
 * static words; *out is then untouched. */
WEIR_MUST_CHECK int where_parse(struct where *out, const char *url,
				const char **why);

#endif
