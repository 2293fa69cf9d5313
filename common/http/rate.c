/* common/http/rate.c - how often each address may do something. */
#include "common/http/rate.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "common/base/hash.h"

#define WAYS      4 /* places that an address may have */
#define KEY_BYTES 8

/* Of an address that has used up everything, `full_us` is now + the interval;
 * of one that has been quiet for that long, it is past. */
struct place {
	uint64_t key; /* 0: nobody's */
	uint64_t full_us;
};

struct rate {
	uint64_t seed;
	uint64_t each_us; /* what one costs */
	uint64_t interval_us;
	struct place place[RATE_PLACES];
};

int rate_new(struct rate **out, unsigned count, uint64_t interval_ms,
	     uint64_t seed)
{
	struct rate *r = calloc(1, sizeof(*r));

	BUG_ON(!count || !interval_ms);
	if (!r)
		return WEIR_ENOMEM;
	r->seed = seed;
	r->interval_us = interval_ms * 1000;
	r->each_us = WEIR_MAX(r->interval_us / count, 1u);
	*out = r;
	return 0;
}

void rate_free(struct rate **r)
{
	free(*r);
	*r = NULL;
}

/* IPv4 (also as IPv6 writes it) whole, of IPv6 the network. Empty: neither. */
static struct span network_of(const struct net_addr *who)
{
	const struct sockaddr_in *v4 = (const void *)&who->ss;
	const struct sockaddr_in6 *v6 = (const void *)&who->ss;

	if (who->ss.ss_family == AF_INET)
		return span_of(&v4->sin_addr, 4);
	if (who->ss.ss_family != AF_INET6)
		return (struct span){0};
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return span_of(v6->sin6_addr.s6_addr + 12, 4);
	return span_of(&v6->sin6_addr, KEY_BYTES);
}

/* Its own place, else the one that was quiet for longest. */
static struct place *find(struct rate *r, uint64_t key)
{
	struct place *set = &r->place[key % (RATE_PLACES / WAYS) * WAYS];
	struct place *best = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (set[i].full_us < best->full_us)
			best = &set[i];
	}
	*best = (struct place){.key = key};
	return best;
}

static bool ask(struct rate *r, const struct net_addr *who, uint64_t now_ms,
		bool is_taken)
{
	uint64_t now_us = now_ms * 1000;
	struct span network = network_of(who);
	struct place *p;
	uint64_t full_us;

	if (!network.len)
		return true;
	p = find(r, hash_bytes(r->seed, network) | 1);
	full_us = WEIR_MAX(p->full_us, now_us) + r->each_us;
	if (full_us > now_us + r->interval_us)
		return false;
	if (is_taken)
		p->full_us = full_us;
	return true;
}

bool rate_take(struct rate *r, const struct net_addr *who, uint64_t now_ms)
{
	return ask(r, who, now_ms, true);
}

bool rate_may(struct rate *r, const struct net_addr *who, uint64_t now_ms)
{
	return ask(r, who, now_ms, false);
}
