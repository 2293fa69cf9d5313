/* services/edge/crowd.h - how many connections come from one address. */
#ifndef WEIR_EDGE_CROWD_H
#define WEIR_EDGE_CROWD_H

#include "common/base/map.h"
#include "common/io/net.h"

/* max 0: nobody is counted. */
struct crowd {
	struct map by_ip;
	size_t max;
};

void crowd_init(struct crowd *c, size_t max, uint64_t seed);
void crowd_fini(struct crowd *c);

/* One more. Returns 0; WEIR_ELIMIT or WEIR_ENOMEM: it was not counted. */
WEIR_MUST_CHECK int crowd_enter(struct crowd *c, const struct net_addr *addr);
/* One less; for each enter that returned 0. */
void crowd_leave(struct crowd *c, const struct net_addr *addr);

#endif
