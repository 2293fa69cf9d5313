/* common/base/utf8_test.c */
#include "common/base/utf8.h"

#include "common/base/err.h"
#include "common/test/check.h"

static size_t encode(uint8_t out[4], uint32_t c)
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

TEST(every_code_point_but_the_surrogates_is_read)
{
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		bool is_surrogate = c >= 0xd800 && c <= 0xdfff;
		uint8_t bytes[4];
		struct span s = span_of(bytes, encode(bytes, c));

		if (utf8_next(&s) != (is_surrogate ? UTF8_BAD : c))
			CHECK_EQ(c, -1);
		if (!is_surrogate && s.len)
			CHECK_EQ(c, -1);
	}
}

TEST(what_is_not_utf8_is_refused_and_stays)
{
	static const char *const bad[] = {
		"\x80",             /* a continuation alone */
		"\xbf",             /* */
		"\xc0\x80",         /* U+0000, overlong */
		"\xc1\xbf",         /* U+007F, overlong */
		"\xe0\x9f\xbf",     /* U+07FF, overlong */
		"\xf0\x8f\xbf\xbf", /* U+FFFF, overlong */
		"\xed\xa0\x80",     /* the first surrogate */
		"\xed\xbf\xbf",     /* the last one */
		"\xf4\x90\x80\x80", /* U+110000 */
		"\xf5\x80\x80\x80", /* leads nothing */
		"\xff",             /* */
		"\xc3",             /* cut off */
		"\xe2\x82",         /* */
		"\xf0\x9f\x98",     /* */
		"\xc3(",            /* a continuation is missing */
		"\xe2\x82(",        /* */
		"\xe2(\xac",        /* */
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct span s = span_str(bad[i]);

		CHECK_EQ(utf8_next(&s), UTF8_BAD);
		CHECK_EQ(s.len, strlen(bad[i]));
	}
}

TEST(the_valid_beginning_ends_before_the_first_bad_byte)
{
	CHECK_EQ(utf8_valid_len(SPAN_LIT("")), 0);
	CHECK_EQ(utf8_valid_len((struct span){0}), 0);
	CHECK_EQ(utf8_valid_len(SPAN_LIT("caf\xc3\xa9")), 5);
	CHECK_EQ(utf8_valid_len(SPAN_LIT("caf\xc3")), 3);
	CHECK_EQ(utf8_valid_len(SPAN_LIT("a\0b\xff")), 3);
}
