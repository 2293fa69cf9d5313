/* common/base/reader_test.c - also of spans. */
#include "common/base/reader.h"

#include "common/test/check.h"

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

TEST(numbers_are_read_in_the_order_their_name_says)
{
	struct reader r = reader_of(SPAN(bytes));

	CHECK_EQ(read_u8(&r), 0x01);
	CHECK_EQ(read_u16(&r), 0x0203);
	CHECK_EQ(read_u24(&r), 0x040506);
	CHECK_EQ(read_u32(&r), 0x0708090a);
	CHECK_EQ(reader_left(&r), 0);
	r = reader_of(SPAN(bytes));
	CHECK_EQ(read_u16_le(&r), 0x0201);
	CHECK_EQ(read_u64_le(&r), 0x0a09080706050403);
	r = reader_of(SPAN(bytes));
	CHECK_EQ(read_u32_le(&r), 0x04030201);
	r = reader_of(SPAN(bytes));
	CHECK_EQ(read_u64(&r), 0x0102030405060708);
	CHECK(!reader_failed(&r));
}

TEST(reading_past_the_end_fails_for_good)
{
	struct reader r = reader_of(SPAN(bytes));

	read_u64(&r);
	CHECK_EQ(read_u24(&r), 0);
	CHECK(reader_failed(&r));
	CHECK_EQ(read_u8(&r), 0); /* though two bytes are left */
	CHECK_EQ(reader_left(&r), 0);
	CHECK_EQ(read_rest(&r).len, 0);
	CHECK_EQ(read_span(&r, 1).len, 0);
	CHECK(reader_failed(&r));
}

TEST(an_empty_input_can_be_asked_but_gives_nothing)
{
	struct reader r = reader_of((struct span){0});

	CHECK_EQ(read_span(&r, 0).len, 0);
	CHECK_EQ(read_rest(&r).len, 0);
	CHECK(!reader_failed(&r));
	CHECK_EQ(read_u8(&r), 0);
	CHECK(reader_failed(&r));
}

TEST(a_length_near_the_largest_does_not_wrap)
{
	struct reader r = reader_of(SPAN(bytes));

	read_u8(&r);
	CHECK_EQ(read_span(&r, SIZE_MAX).len, 0);
	CHECK(reader_failed(&r));
}

TEST(spans_are_borrowed_from_the_input)
{
	struct reader r = reader_of(SPAN(bytes));
	struct span a = read_span(&r, 3);
	struct span b = read_rest(&r);

	CHECK(a.data == bytes && a.len == 3);
	CHECK(b.data == bytes + 3 && b.len == 7);
	CHECK(!reader_failed(&r));
}

TEST(parts_of_a_span_stay_inside_it)
{
	struct span s = SPAN(bytes);

	CHECK_EQ(span_from(s, 4).len, 6);
	CHECK_EQ(span_from(s, 10).len, 0);
	CHECK_EQ(span_from(s, 11).len, 0);
	CHECK_EQ(span_first(s, 4).len, 4);
	CHECK_EQ(span_first(s, 11).len, 10);
}

TEST(spans_are_equal_by_their_bytes)
{
	CHECK(span_eq(SPAN_LIT("a"), span_str("a")));
	CHECK(span_eq_str(SPAN_LIT("ab"), "ab"));
	CHECK(span_eq((struct span){0}, SPAN_LIT("")));
	CHECK(!span_eq(SPAN_LIT("ab"), SPAN_LIT("a")));
	CHECK(!span_eq(SPAN_LIT("ab"), SPAN_LIT("ac")));
}
