/* common/http/rate.h - how often each address may do something.
 *
 * Every address may do it `count` times at once, and again as time passes, so
 * that in the long run it does it `count` times in each interval. Addresses of
 * one IPv6 /64 are one. Bounded: RATE_PLACES addresses are remembered, the one
 * that has been quiet for longest is forgotten first. Pure: the time is given.
 */
#ifndef WEIR_HTTP_RATE_H
#define WEIR_HTTP_RATE_H

#include "common/io/net.h"

#define RATE_PLACES 4096

struct rate;

/* `seed` hides from peers who shares a place. `count` and `interval_ms` are
 * above 0. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int rate_new(struct rate **out, unsigned count,
			     uint64_t interval_ms, uint64_t seed);
void rate_free(struct rate **r); /* NULL is fine */

/* May it do it now? Then that is counted. Peers by Unix sockets always may. */
bool rate_take(struct rate *r, const struct net_addr *who, uint64_t now_ms);
/* The same, without counting. */
bool rate_may(struct rate *r, const struct net_addr *who, uint64_t now_ms);

#endif
