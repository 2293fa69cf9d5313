/* common/base/buf_test.c */
#include "common/base/buf.h"

#include "common/test/check.h"

TEST(numbers_are_written_in_the_order_their_name_says)
{
	static const uint8_t want[] = {
		1, 2, 3, 4, 5,    6,    7,    8,    9,    10,   3,    2,
		7, 6, 5, 4, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01};
	struct buf b = {0};

	buf_put_u8(&b, 0x01);
	buf_put_u16(&b, 0x0203);
	buf_put_u24(&b, 0x040506);
	buf_put_u32(&b, 0x0708090a);
	buf_put_u16_le(&b, 0x0203);
	buf_put_u32_le(&b, 0x04050607);
	buf_put_u64_le(&b, 0x0123456789abcdef);
	CHECK_EQ(buf_error(&b), 0);
	CHECK_SPAN(buf_span(&b), SPAN(want));
	buf_clear(&b);
	buf_put_u64(&b, 0x0102030405060708);
	CHECK_SPAN(buf_span(&b), span_first(SPAN(want), 8));
	buf_fini(&b);
}

TEST(a_write_past_the_limit_fails_the_buffer_until_it_is_cleared)
{
	struct buf b = {.limit_bytes = 4};

	buf_put_u32(&b, 1);
	CHECK_EQ(buf_error(&b), 0);
	buf_put_u8(&b, 1);
	CHECK_EQ(buf_error(&b), WEIR_ELIMIT);
	buf_put(&b, (struct span){0});
	CHECK(!buf_grow(&b, 0));
	CHECK_EQ(b.len, 4);
	buf_clear(&b);
	CHECK_EQ(buf_error(&b), 0);
	buf_put_u8(&b, 7);
	CHECK_EQ(b.len, 1);
	buf_fini(&b);
	CHECK_EQ(b.limit_bytes, 4);
}

TEST(a_buffer_without_memory_says_so_and_stays_whole)
{
	struct buf b = {0};
	int err;

	for (int i = 0; i < 100; i++)
		buf_put_u32(&b, 0x01020304);
	err = buf_error(&b);
	CHECK(err == 0 || err == WEIR_ENOMEM);
	CHECK_EQ(b.len % 4, 0);
	CHECK(err || b.len == 400);
	for (size_t i = 0; i < b.len; i++)
		CHECK_EQ(b.data[i], i % 4 + 1);
	buf_fini(&b);
	CHECK_EQ(b.len, 0);
}

TEST(an_absurd_length_is_refused_before_memory_is_asked_for)
{
	struct buf b = {0};

	CHECK_EQ(buf_reserve(&b, SIZE_MAX), WEIR_ELIMIT);
	CHECK_EQ(buf_error(&b), WEIR_ELIMIT);
	buf_fini(&b);
}

TEST(grown_bytes_are_zero_and_can_be_filled)
{
	static const uint8_t want[] = {9, 0, 5, 0};
	struct buf b = {0};
	uint8_t *at;

	buf_put_u32(&b, 0xffffffff);
	buf_clear(&b);
	buf_put_u8(&b, 9);
	at = buf_grow(&b, 3);
	CHECK(at);
	at[1] = 5;
	CHECK_SPAN(buf_span(&b), SPAN(want));
	buf_fini(&b);
}

TEST(dropping_takes_bytes_from_the_front)
{
	struct buf b = {0};

	buf_put(&b, SPAN_LIT("abcdef"));
	buf_drop(&b, 0);
	buf_drop(&b, 2);
	CHECK_SPAN(buf_span(&b), SPAN_LIT("cdef"));
	buf_drop(&b, 100);
	CHECK_EQ(b.len, 0);
	buf_fini(&b);
}

TEST(text_is_formatted_and_ended)
{
	struct buf b = {0};

	buf_printf(&b, "%s/%d", "live", 7);
	buf_printf(&b, "%0100d", 8);
	CHECK_EQ(buf_error(&b), 0);
	CHECK_EQ(b.len, 106);
	CHECK_EQ(strlen(buf_text(&b)), 106);
	CHECK(!strncmp(buf_text(&b), "live/7000", 9));
	CHECK_EQ(b.len, 106);
	buf_fini(&b);
}

TEST(the_nul_of_a_text_does_not_count_against_the_limit)
{
	struct buf b = {.limit_bytes = 4};

	buf_printf(&b, "live");
	CHECK_EQ(buf_error(&b), 0);
	CHECK_STR(buf_text(&b), "live");
	buf_printf(&b, "x");
	CHECK_EQ(buf_error(&b), WEIR_ELIMIT);
	CHECK_STR(buf_text(&b), "");
	buf_fini(&b);
}

TEST(a_text_of_exactly_the_room_still_gets_its_nul)
{
	struct buf b = {0};

	for (int i = 0; i < 64; i++)
		buf_put_u8(&b, 'x');
	CHECK_EQ(b.cap, 64);
	CHECK_EQ(strlen(buf_text(&b)), 64);
	buf_fini(&b);
}
