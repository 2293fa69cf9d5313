/* common/base/bits_test.c - the bit reader. */
#include "common/base/bits.h"

#include "common/test/check.h"

TEST(bits_come_from_the_most_significant_end)
{
	const uint8_t in[] = {0xa5, 0x0f, 0xff, 0x00, 0x12, 0x34};
	struct bits b = bits_of(SPAN(in));

	CHECK_EQ(bits_u(&b, 1), 1);
	CHECK_EQ(bits_u(&b, 3), 2);
	CHECK_EQ(bits_u(&b, 0), 0);
	CHECK_EQ(bits_u(&b, 12), 0x50f);
	CHECK_EQ(bits_u(&b, 32), 0xff001234);
	CHECK(!bits_failed(&b));
	CHECK_EQ(bits_u(&b, 1), 0);
	CHECK(bits_failed(&b));
}

TEST(a_failed_bit_reader_stays_failed_and_gives_zero)
{
	const uint8_t in[] = {0xff, 0xff};
	struct bits b = bits_of(SPAN(in));

	CHECK_EQ(bits_u(&b, 17), 0);
	CHECK(bits_failed(&b));
	CHECK_EQ(bits_u(&b, 1), 0);
	CHECK_EQ(bits_ue(&b), 0);
	CHECK_EQ(bits_se(&b), 0);
	b = bits_of((struct span){0});
	CHECK_EQ(bits_flag(&b), 0);
	CHECK(bits_failed(&b));
}

TEST(skipping_more_than_a_word_of_bits_works)
{
	uint8_t in[20] = {0};
	struct bits b;

	in[12] = 0x40;
	b = bits_of(SPAN(in));
	bits_skip(&b, 97);
	CHECK_EQ(bits_flag(&b), 1);
	bits_skip(&b, 62);
	CHECK(!bits_failed(&b));
	bits_skip(&b, 1);
	CHECK(bits_failed(&b));
}

TEST(bytes_are_skipped_as_their_bits_would_be)
{
	const uint8_t in[] = {1, 0, 0, 3, 0, 0, 3, 9, 8, 7, 6,
			      5, 0, 3, 0, 0, 0, 3, 3, 0, 0};

	for (unsigned i = 0; i < 2 * 8 * 24; i++) {
		const unsigned before = i / 2 % 8, count = i / 16;
		struct bits a =
			i % 2 ? bits_of(SPAN(in)) : bits_of_rbsp(SPAN(in));
		struct bits b = a;

		bits_skip(&a, before);
		bits_skip(&a, 8 * count);
		bits_skip(&b, before);
		bits_skip_bytes(&b, count);
		CHECK_EQ(bits_failed(&a), bits_failed(&b));
		CHECK_EQ(bits_u(&a, 12), bits_u(&b, 12));
		CHECK_EQ(bits_failed(&a), bits_failed(&b));
	}
}

TEST(exp_golomb_codes_have_the_values_of_the_spec)
{
	/* 1 010 011 00100 00101 00110 00111 0001000 -> 0 1 2 3 4 5 6 7 */
	const uint8_t in[] = {0xa6, 0x42, 0x98, 0xe2, 0x20};
	static const int se[] = {0, 1, -1, 2, -2, 3, -3, 4};
	struct bits b = bits_of(SPAN(in));
	struct bits s = b;

	for (unsigned i = 0; i < 8; i++) {
		CHECK_EQ(bits_ue(&b), i);
		CHECK_EQ(bits_se(&s), se[i]);
	}
	CHECK(!bits_failed(&b));
}

TEST(the_longest_exp_golomb_code_is_read_and_longer_ones_fail)
{
	const uint8_t most[] = {0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe};
	const uint8_t more[] = {0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0};
	const uint8_t cut[] = {0, 0, 0, 1, 0xff};
	struct bits b = bits_of(SPAN(most));

	CHECK_EQ(bits_ue(&b), 0xfffffffe);
	b = bits_of(SPAN(most));
	CHECK_EQ(bits_se(&b), -0x7fffffff);
	b = bits_of(SPAN(more));
	CHECK_EQ(bits_ue(&b), 0);
	CHECK(bits_failed(&b));
	b = bits_of(SPAN(cut));
	CHECK_EQ(bits_ue(&b), 0);
	CHECK(bits_failed(&b));
}

TEST(a_value_above_its_maximum_fails_the_bit_reader)
{
	const uint8_t in[] = {0x28}; /* 00101: 4 */
	struct bits b = bits_of(SPAN(in));

	CHECK_EQ(bits_ue_max(&b, 4), 4);
	b = bits_of(SPAN(in));
	CHECK_EQ(bits_ue_max(&b, 3), 0);
	CHECK(bits_failed(&b));
}

TEST(emulation_prevention_bytes_are_left_out_of_an_rbsp_only)
{
	const uint8_t in[] = {0, 0, 3, 1, 0, 0, 3, 0, 0, 3};
	struct bits b = bits_of_rbsp(SPAN(in));

	CHECK_EQ(bits_u(&b, 24), 1);
	CHECK_EQ(bits_u(&b, 32), 0);
	CHECK(!bits_failed(&b));
	CHECK_EQ(bits_u(&b, 1), 0); /* only a last 3 was there */
	CHECK(bits_failed(&b));
	b = bits_of(SPAN(in));
	CHECK_EQ(bits_u(&b, 32), 0x301);
}
