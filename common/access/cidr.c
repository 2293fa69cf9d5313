/* common/access/cidr.c - addresses and blocks: read, write, compare. */
#include "common/access/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#define V4_BITS 96 /* of ::ffff:0:0/96, in which IPv4 lies */

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static struct ip_addr of_v4(const void *four)
{
	struct ip_addr ip;

	memcpy(ip.byte, v4_prefix, sizeof(v4_prefix));
	memcpy(ip.byte + sizeof(v4_prefix), four, 4);
	return ip;
}

int ip_addr_parse(struct ip_addr *out, struct span text)
{
	char z[INET6_ADDRSTRLEN];
	uint8_t bytes[16];

	if (text.len == 0 || text.len >= sizeof(z) ||
	    memchr(text.data, 0, text.len))
		return WEIR_EINVAL;
	memcpy(z, text.data, text.len);
	z[text.len] = '\0';
	if (inet_pton(AF_INET, z, bytes) == 1)
		*out = of_v4(bytes);
	else if (inet_pton(AF_INET6, z, bytes) == 1)
		memcpy(out->byte, bytes, sizeof(bytes));
	else
		return WEIR_EINVAL;
	return 0;
}

int ip_addr_of(struct ip_addr *out, const struct sockaddr_storage *ss)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (ss->ss_family == AF_INET) {
		memcpy(&v4, ss, sizeof(v4));
		*out = of_v4(&v4.sin_addr);
		return 0;
	}
	if (ss->ss_family != AF_INET6)
		return WEIR_EINVAL;
	memcpy(&v6, ss, sizeof(v6));
	memcpy(out->byte, &v6.sin6_addr, sizeof(out->byte));
	return 0;
}

bool ip_addr_is_v4(const struct ip_addr *ip)
{
	return !memcmp(ip->byte, v4_prefix, sizeof(v4_prefix));
}

char *ip_addr_text(char out[CIDR_TEXT_SIZE], const struct ip_addr *ip)
{
	const void *bytes = ip->byte;
	int family = AF_INET6;

	if (ip_addr_is_v4(ip)) {
		bytes = ip->byte + sizeof(v4_prefix);
		family = AF_INET;
	}
	if (!inet_ntop(family, bytes, out, CIDR_TEXT_SIZE))
		out[0] = '\0';
	return out;
}

/* One to three digits, at most `max`; -1: something else. */
static int read_bits(struct span text, int max)
{
	int n = 0;

	if (text.len == 0 || text.len > 3)
		return -1;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return -1;
		n = n * 10 + text.data[i] - '0';
	}
	return n <= max ? n : -1;
}

int cidr_parse(struct cidr *out, struct span text)
{
	const uint8_t *slash =
		text.len ? memchr(text.data, '/', text.len) : NULL;
	size_t len = slash ? (size_t)(slash - text.data) : text.len;
	bool is_dotted = len && !memchr(text.data, ':', len);
	int max = is_dotted ? 128 - V4_BITS : 128;
	struct ip_addr ip;
	int bits = max;

	if (ip_addr_parse(&ip, span_first(text, len)))
		return WEIR_EINVAL;
	if (slash)
		bits = read_bits(span_from(text, len + 1), max);
	if (bits < 0)
		return WEIR_EINVAL;
	out->bits = (uint8_t)(is_dotted ? bits + V4_BITS : bits);
	out->first = ip_addr_prefix(&ip, out->bits);
	return 0;
}

/* A block of IPv6 that is larger than all of IPv4 may begin as IPv4 does. */
static bool is_v4_block(const struct cidr *block)
{
	return block->bits >= V4_BITS && ip_addr_is_v4(&block->first);
}

char *cidr_text(char out[CIDR_TEXT_SIZE], const struct cidr *block)
{
	size_t len;

	ip_addr_text(out, &block->first);
	len = strlen(out);
	if (block->bits < 128)
		snprintf(out + len, CIDR_TEXT_SIZE - len, "/%d",
			 block->bits - (is_v4_block(block) ? V4_BITS : 0));
	return out;
}

struct ip_addr ip_addr_prefix(const struct ip_addr *ip, unsigned bits)
{
	struct ip_addr out = {{0}};

	memcpy(out.byte, ip->byte, bits / 8);
	if (bits % 8)
		out.byte[bits / 8] =
			(uint8_t)(ip->byte[bits / 8] & (0xff00 >> bits % 8));
	return out;
}

bool cidr_contains(const struct cidr *block, const struct ip_addr *ip)
{
	struct ip_addr p;

	if (ip_addr_is_v4(ip) != is_v4_block(block))
		return false;
	p = ip_addr_prefix(ip, block->bits);
	return !memcmp(p.byte, block->first.byte, sizeof(p.byte));
}
