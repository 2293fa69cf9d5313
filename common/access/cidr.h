/* common/access/cidr.h - IP addresses, and blocks of them.
 *
 * IPv4 and IPv6. An IPv4 address inside IPv6 (::ffff:192.0.2.1) is that IPv4
 * address: what a socket on [::] says of its peers and what people write is one
 * and the same. A block holds addresses of its own family only: 0.0.0.0/0 is all
 * of IPv4, ::/0 all of IPv6. Pure code.
 */
#ifndef WEIR_ACCESS_CIDR_H
#define WEIR_ACCESS_CIDR_H

#include <sys/socket.h>

#include "common/base/err.h"
#include "common/base/span.h"

#define CIDR_TEXT_SIZE 52 /* the longest block as text, with its NUL */

struct ip_addr {
	uint8_t byte[16]; /* IPv6, network order; IPv4 as ::ffff:a.b.c.d */
};

struct cidr {
	struct ip_addr first; /* what is behind the prefix is zero */
	uint8_t bits;         /* of all 128 that count: IPv4's /24 is 120 */
};

/* "192.0.2.1", "2001:db8::1"; no port, no brackets, no scope, no blanks.
 * Returns 0 or WEIR_EINVAL. */
WEIR_MUST_CHECK int ip_addr_parse(struct ip_addr *out, struct span text);

/* The address of a peer. Returns 0; WEIR_EINVAL: it has none (a Unix socket). */
WEIR_MUST_CHECK int ip_addr_of(struct ip_addr *out,
			       const struct sockaddr_storage *ss);

bool ip_addr_is_v4(const struct ip_addr *ip);

/* As ip_addr_parse reads it. Returns `out`. */
char *ip_addr_text(char out[CIDR_TEXT_SIZE], const struct ip_addr *ip);

/* "192.0.2.0/24", "2001:db8::/32"; a bare address is a block of one. Bits behind
 * the prefix are cleared. Returns 0 or WEIR_EINVAL. */
WEIR_MUST_CHECK int cidr_parse(struct cidr *out, struct span text);

/* "192.0.2.0/24"; a block of one is written without its length. Returns `out`. */
char *cidr_text(char out[CIDR_TEXT_SIZE], const struct cidr *block);

bool cidr_contains(const struct cidr *block, const struct ip_addr *ip);

/* The first `bits` (at most 128) of an address, the others zero. */
struct ip_addr ip_addr_prefix(const struct ip_addr *ip, unsigned bits);

#endif
