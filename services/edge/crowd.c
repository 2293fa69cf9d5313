/* services/edge/crowd.c - how many connections come from one address. */
#include "services/edge/crowd.h"

#include <stdlib.h>

void crowd_init(struct crowd *c, size_t max, uint64_t seed)
{
	map_init(&c->by_ip, seed);
	c->max = max;
}

void crowd_fini(struct crowd *c)
{
	map_each (slot, &c->by_ip)
		free(slot->value);
	map_fini(&c->by_ip);
}

static struct span ip_of(char text[NET_ADDR_TEXT_SIZE],
			 const struct net_addr *addr)
{
	return span_str(net_addr_ip_text(text, addr));
}

int crowd_enter(struct crowd *c, const struct net_addr *addr)
{
	char text[NET_ADDR_TEXT_SIZE];
	struct span ip = ip_of(text, addr);
	size_t *count;
	int err;

	if (!c->max)
		return 0;
	count = map_get(&c->by_ip, ip);
	if (count) {
		if (*count >= c->max)
			return WEIR_ELIMIT;
		++*count;
		return 0;
	}
	count = malloc(sizeof(*count));
	if (!count)
		return WEIR_ENOMEM;
	*count = 1;
	err = map_put(&c->by_ip, ip, count);
	if (err)
		free(count);
	return err;
}

void crowd_leave(struct crowd *c, const struct net_addr *addr)
{
	char text[NET_ADDR_TEXT_SIZE];
	struct span ip = ip_of(text, addr);
	size_t *count = map_get(&c->by_ip, ip);

	if (!count || --*count)
		return;
	map_remove(&c->by_ip, ip);
	free(count);
}
