/* common/base/hash_test.c - nodes of all versions must agree on these numbers.
 *
 * The expected values come from OpenSSL's SIPHASH with the same keys, and are
 * given as it prints them: the 64 bits as little-endian bytes.
 */
#include "common/base/hash.h"

#include "common/base/err.h"
#include "common/test/check.h"

static void check_hash(uint64_t hash, const char *want)
{
	static const char hex[] = "0123456789ABCDEF";
	char text[17] = "";

	for (unsigned i = 0; i < 8; i++) {
		uint8_t byte = (uint8_t)(hash >> (8 * i));

		text[2 * i] = hex[byte >> 4];
		text[2 * i + 1] = hex[byte & 15];
	}
	CHECK_STR(text, want);
}

TEST(hashes_are_siphash_for_ever)
{
	const struct span text =
		SPAN_LIT("live/cam1 and a longer text, over thirty bytes");

	check_hash(hash_bytes(0, SPAN_LIT("")), "7B73F88CE417064D");
	check_hash(hash_bytes(0, (struct span){0}), "7B73F88CE417064D");
	check_hash(hash_bytes(0, SPAN_LIT("a")), "A0169DC49D17E0DE");
	check_hash(hash_bytes(0, SPAN_LIT("01234567")), "8896A4B6E704DC7E");
	check_hash(hash_bytes(0, SPAN_LIT("live/cam1")), "2C663BAE34C23747");
	check_hash(hash_bytes(0, text), "40C135F58BEBFB51");
	check_hash(hash_bytes(0x0123456789abcdef, text), "F0D43F5C6139AB3C");
}

TEST(rendezvous_weights_are_the_same_for_ever)
{
	const struct span key = SPAN_LIT("live/cam1");

	check_hash(hash_rendezvous(key, SPAN_LIT("origin-1")),
		   "4EE5B95A9CFE78E1");
	check_hash(hash_rendezvous(key, SPAN_LIT("origin-2")),
		   "F1D4FF28FCBFD9B8");
	check_hash(hash_rendezvous(key, SPAN_LIT("origin-3")),
		   "0DF2E7A803191922");
}

/* The node with the highest weight among the first `count`. */
static unsigned chosen(uint8_t key, unsigned count)
{
	unsigned best = 0;
	uint64_t best_weight = 0;

	for (unsigned i = 0; i < count; i++) {
		uint8_t node = (uint8_t)i;
		uint64_t w =
			hash_rendezvous(span_of(&key, 1), span_of(&node, 1));

		if (w >= best_weight) {
			best = i;
			best_weight = w;
		}
	}
	return best;
}

TEST(a_node_that_comes_takes_its_share_and_moves_nothing_else)
{
	unsigned moved = 0;

	for (unsigned key = 0; key < 256; key++) {
		unsigned before = chosen((uint8_t)key, 4);
		unsigned after = chosen((uint8_t)key, 5);

		CHECK(after == before || after == 4);
		moved += after == 4;
	}
	CHECK(moved > 256 / 5 / 2 && moved < 256 / 5 * 2);
}
