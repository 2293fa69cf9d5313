/* common/base/uuid_test.c */
#include "common/base/uuid.h"

#include "common/test/check.h"

#define TEXT "00112233445566778899aabbccddeeff"

TEST(a_uuid_and_its_text_are_the_same)
{
	char text[UUID_TEXT_SIZE];
	struct uuid u;

	CHECK_EQ(uuid_parse(&u, SPAN_LIT(TEXT)), 0);
	CHECK_EQ(u.byte[0], 0x00);
	CHECK_EQ(u.byte[9], 0x99);
	CHECK_EQ(u.byte[15], 0xff);
	CHECK_STR(uuid_text(text, &u), TEXT);
}

TEST(anything_but_32_lower_case_digits_is_refused_and_changes_nothing)
{
	static const char *const bad[] = {
		"",
		"0",
		"00112233445566778899aabbccddeef",   /* 31 */
		"00112233445566778899aabbccddeeff0", /* 33 */
		"00112233445566778899aabbccddeefg",
		"00112233445566778899AABBCCDDEEFF",
		"0x112233445566778899aabbccddeeff",
		" 0112233445566778899aabbccddeeff",
		"00112233-4455-6677-8899-aabbccdd",
	};
	struct uuid u = {{1}};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		CHECK_EQ(uuid_parse(&u, span_str(bad[i])), WEIR_EINVAL);
		CHECK_EQ(u.byte[0], 1);
	}
}

TEST(uuids_are_ordered_by_their_bytes)
{
	struct uuid a = {{0x7f}}, b = {{0x80}}, zero = {{0}};

	CHECK(uuid_cmp(&a, &b) < 0);
	CHECK(uuid_cmp(&b, &a) > 0);
	CHECK(uuid_eq(&a, &a) && !uuid_eq(&a, &b));
	CHECK(uuid_is_zero(&zero) && !uuid_is_zero(&a));
}
