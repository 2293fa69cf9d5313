/* common/base/hash.c - SipHash-2-4 (Aumasson, Bernstein 2012). */
#include "common/base/hash.h"

#include "common/base/order.h"

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

static uint64_t load_le(const uint8_t *p, size_t len)
{
	uint64_t v = 0;

	for (size_t i = len; i-- > 0;)
		v = v << 8 | p[i];
	return v;
}

static void absorb(struct sip *s, uint64_t m)
{
	s->v3 ^= m;
	sip_round(s);
	sip_round(s);
	s->v0 ^= m;
}

uint64_t hash_bytes(uint64_t seed, struct span in)
{
	struct sip s = {
		seed ^ 0x736f6d6570736575ULL,
		~seed ^ 0x646f72616e646f6dULL,
		seed ^ 0x6c7967656e657261ULL,
		~seed ^ 0x7465646279746573ULL,
	};
	size_t whole = in.len & ~(size_t)7;

	for (size_t i = 0; i < whole; i += 8)
		absorb(&s, load_u64_le(in.data + i));
	absorb(&s, (uint64_t)in.len << 56 |
			   (in.len > whole
				    ? load_le(in.data + whole, in.len - whole)
				    : 0));
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t hash_rendezvous(struct span key, struct span node)
{
	uint64_t h = hash_bytes(0, key);

	return hash_bytes(h, node);
}
