/* services/edge/hls_token_test.c */
#include "services/edge/hls_token.h"

#include "common/test/check.h"

static const struct stream_key cam = {"live/cam"}, other = {"live/other"};
static const struct hls_token token = {123456789, 0x19ab3c4d5e6};

static struct ip_addr ip_of(const char *text)
{
	struct ip_addr ip = {0};

	CHECK_EQ(ip_addr_parse(&ip, span_str(text)), 0);
	return ip;
}

static struct hls_token_use use_of(const char *secret,
				   const struct stream_key *key,
				   const struct ip_addr *ip)
{
	return (struct hls_token_use){span_str(secret), key, ip};
}

TEST(a_token_is_known_by_whoever_has_the_key)
{
	struct ip_addr ip = ip_of("192.0.2.1");
	const struct hls_token_use use = use_of("secret", &cam, &ip);
	struct hls_token back = {0};
	char text[HLS_TOKEN_SIZE] = "";
	int err = hls_token_write(text, &token, &use);

	CHECK_EQ(err, 0);
	CHECK(err || hls_token_read(&back, span_str(text)));
	CHECK_EQ(back.number, token.number);
	CHECK_EQ(back.start_ms, token.start_ms);
	CHECK(err ||
	      hls_token_check(&back, span_str(text), &use) == HLS_TOKEN_OWN);
}

TEST(a_token_says_for_which_stream_and_address_it_is)
{
	struct ip_addr ip = ip_of("192.0.2.1"), far = ip_of("192.0.2.2");
	const struct hls_token_use made = use_of("secret", &cam, &ip);
	const struct hls_token_use moved = use_of("secret", &cam, &far);
	const struct hls_token_use nowhere = use_of("secret", &cam, NULL);
	const struct hls_token_use wrong[] = {
		use_of("secret", &other, &ip),
		use_of("other", &cam, &ip),
		use_of("", &cam, &ip),
	};
	char text[HLS_TOKEN_SIZE];
	struct hls_token t;

	if (hls_token_write(text, &token, &made))
		return;
	CHECK(hls_token_read(&t, span_str(text)));
	CHECK(hls_token_check(&t, span_str(text), &moved) != HLS_TOKEN_OWN);
	CHECK(hls_token_check(&t, span_str(text), &nowhere) != HLS_TOKEN_OWN);
	CHECK_EQ(hls_token_check(&t, span_str(text), &moved), HLS_TOKEN_MOVED);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(wrong); i++)
		CHECK_EQ(hls_token_check(&t, span_str(text), &wrong[i]),
			 HLS_TOKEN_BAD);
}

TEST(each_part_of_a_token_is_covered)
{
	const struct hls_token_use use = use_of("secret", &cam, NULL);
	char text[HLS_TOKEN_SIZE];

	if (hls_token_write(text, &token, &use))
		return;
	for (size_t i = 0; text[i]; i++) {
		char was = text[i];
		struct hls_token t;

		text[i] = was == '1' ? '2' : '1';
		CHECK(!hls_token_read(&t, span_str(text)) ||
		      hls_token_check(&t, span_str(text), &use) !=
			      HLS_TOKEN_OWN);
		text[i] = was;
	}
}

TEST(a_token_is_itself_alone)
{
	static const char one[] = "1-2-0123456789abcdef01234567";

	CHECK(hls_token_is(one, SPAN_LIT("1-2-0123456789abcdef01234567")));
	CHECK(!hls_token_is(one, SPAN_LIT("1-2-0123456789abcdef01234568")));
	CHECK(!hls_token_is(one, SPAN_LIT("1-2-0123456789abcdef0123456")));
	CHECK(!hls_token_is(one, SPAN_LIT("1-2-0123456789abcdef012345678")));
	CHECK(!hls_token_is(one, (struct span){0}));
}

TEST(a_token_has_one_form_and_no_other)
{
	static const char *const bad[] = {
		"",
		"-",
		"1-2",
		"1-2-",
		"1-2-0123456789abcdef0123456",
		"1-2-0123456789abcdef012345678",
		"1-2-0123456789ABCDEF01234567",
		"1-2-0123456789abcdef0123456g",
		"01-2-0123456789abcdef01234567",
		"1-02-0123456789abcdef01234567",
		"a-2-0123456789abcdef01234567",
		"1-G-0123456789abcdef01234567",
		"-2-0123456789abcdef01234567",
		"1--0123456789abcdef01234567",
		" 1-2-0123456789abcdef01234567",
		"1-2-0123456789abcdef01234567 ",
		"9007199254740992-2-0123456789abcdef01234567",
		"1-20000000000000-0123456789abcdef01234567",
		"99999999999999999999-2-0123456789abcdef01234567",
	};
	struct hls_token t = {7, 7};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++)
		CHECK(!hls_token_read(&t, span_str(bad[i])));
	CHECK_EQ(t.number, 7);
	CHECK(hls_token_read(&t, SPAN_LIT("1-2-0123456789abcdef01234567")));
}
