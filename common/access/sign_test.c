/* common/access/sign_test.c - also of the examples in docs/auth.md. */
#include "common/access/sign.h"

#include <stdio.h>

#include "common/test/check.h"
#include "common/test/vector.h"

#define SECRET "0123456789abcdefghij"

/* printf %s "$text" | openssl dgst -sha256 -hmac "$SECRET" */
#define TEXT "weir_kid=k1&weir_exp=1764000000&weir_stream=live/*"
#define SIG  "ac43448388c29c0fa2e110679fda41a3f86244eb7a7c1e19fddeee3491582150"

static struct sign_claims read(const char *query)
{
	struct sign_claims c = {.exp_ms = 0};
	const char *why = "";
	int err = sign_read(&c, span_str(query), &why);

	fprintf(stderr, "%s: %s\n", query, why);
	CHECK_EQ(err, 0);
	return c;
}

#define Z4  "0000"
#define Z16 Z4 Z4 Z4 Z4
#define Z64 Z16 Z16 Z16 Z16

TEST(a_query_says_what_it_claims)
{
	struct sign_claims c =
		read("weir_kid=k1&weir_exp=1764000000&weir_stream"
		     "=live/*&weir_op=both&weir_ip=192.0.2.0/24"
		     "&weir_user=b%C3%B6b&weir_sig=" Z64);
	char ip[CIDR_TEXT_SIZE];

	CHECK_STR(c.kid, "k1");
	CHECK_EQ(c.exp_ms, INT64_C(1764000000000));
	CHECK_STR(c.streams.text, "live/*");
	CHECK_EQ(c.ops, ACCESS_BOTH);
	CHECK(c.has_ip);
	CHECK_STR(cidr_text(ip, &c.ip), "192.0.2.0/24");
	CHECK_STR(c.user,
		  "b\xc3\xb6"
		  "b");
}

TEST(what_is_not_said_is_play_by_anybody_from_anywhere)
{
	struct sign_claims c =
		read("weir_kid=k1&weir_stream=live%2Fa&weir_exp=1"
		     "&weir_sig=" Z64);

	CHECK_EQ(c.ops, ACCESS_PLAY);
	CHECK(!c.has_ip);
	CHECK_STR(c.user, "");
	CHECK_STR(c.streams.text, "live/a");
}

TEST(what_is_signed_begins_at_the_key_and_ends_at_the_signature)
{
	static const char inner[] = "weir_kid=k&x=1&weir_exp=1&weir_stream=**";
	static const char query[] =
		"a=b&&weir_kid=k&x=1&weir_exp=1&weir_stream="
		"**&weir_sig=" Z64 "&c=d";
	struct sign_claims c = read(query);

	CHECK_SPAN(c.text, span_str(inner));
}

static void check_golden(const char *file)
{
	struct buf in = {0}, out = {0};
	struct sign_claims c;
	char name[128], ip[CIDR_TEXT_SIZE];
	int err;

	snprintf(name, sizeof(name), "%s.txt", file);
	vector_load(&in, file);
	err = sign_read(&c, buf_span(&in), NULL);
	if (!err)
		buf_printf(&out,
			   "kid=%s exp_ms=%" PRId64
			   " streams=%s ops=%s ip=%s "
			   "user=%s signed=%zu\n",
			   c.kid, c.exp_ms, c.streams.text,
			   access_ops_name(c.ops),
			   c.has_ip ? cidr_text(ip, &c.ip) : "-",
			   *c.user ? c.user : "-", c.text.len);
	buf_fini(&in);
	CHECK_EQ(err, 0);
	if (!buf_error(&out))
		vector_check(name, buf_span(&out));
	buf_fini(&out);
}

TEST(golden_queries_claim_what_their_files_say)
{
	check_golden("common/access/vectors/sign_least.query");
	check_golden("common/access/vectors/sign_most.query");
}

#define REST "&weir_stream=**&weir_exp=1&weir_sig=" Z64
static const char *const broken[] = {
	"weir_kid=k1",
	"weir_sig=" Z64,
	"weir_kid=k1&weir_stream=**&weir_sig=" Z64,
	"weir_kid=k1&weir_exp=1&weir_sig=" Z64,
	"weir_kid=k1&weir_exp=1&weir_stream=**",
	"weir_kid=k1&weir_exp=1&weir_stream=**&weir_sig=",
	"weir_kid=k1&weir_exp=1&weir_stream=**&weir_sig=" Z16,
	"weir_kid=k1&weir_exp=1&weir_stream=**&weir_sig=" Z64 "0",
	"weir_kid=k1&weir_exp=1&weir_stream=**&weir_sig=" Z16 Z16 Z16 Z4 Z4 Z4
	"000g",
	/* What restricts must not be passed over. */
	"weir_kid=k1&weir_nbf=1" REST,
	"weir_nbf=1&weir_kid=k1" REST,
	"weir_kid=k1" REST "&weir_nbf=1",
	"weir_=&weir_kid=k1" REST,
	/* Outside of what is signed, or twice. */
	"weir_user=bob&weir_kid=k1" REST,
	"weir_kid=k1" REST "&weir_user=bob",
	"weir_kid=k1&weir_kid=k1" REST,
	"weir_kid=k1" REST "&weir_sig=" Z64,
	"weir_kid=k1&weir_exp=2" REST,
	"weir_kid=k1" REST "&weir_kid=k2" REST,
	/* Values. */
	"weir_kid=" REST,
	"weir_kid=a%20b" REST,
	"weir_kid=123456789012345678901234567890123" REST,
	"weir_kid=k1&weir_op=none" REST,
	"weir_kid=k1&weir_op=" REST,
	"weir_kid=k1&weir_op=Play" REST,
	"weir_kid=k1&weir_ip=nowhere" REST,
	"weir_kid=k1&weir_ip=" REST,
	"weir_kid=k1&weir_ip" REST,
	"weir_kid=k1&weir_user=%" REST,
	"weir_kid=k1&weir_user=%0a" REST,
	"weir_kid=k1&weir_user=%ff" REST,
	"weir_kid=k1&weir_user=%00" REST,
	"weir_kid=k1&weir_user=1234567890123456789012345678901234567890"
	"123456789" REST,
	"weir_kid=k&weir_stream=*&weir_exp=1&weir_sig=" Z64,
	"weir_kid=k&weir_stream=&weir_exp=1&weir_sig=" Z64,
	"weir_kid=k&weir_stream=**&weir_exp=&weir_sig=" Z64,
	"weir_kid=k&weir_stream=**&weir_exp=-1&weir_sig=" Z64,
	"weir_kid=k&weir_stream=**&weir_exp=1e9&weir_sig=" Z64,
	"weir_kid=k&weir_stream=**&weir_exp=999999999999&weir_sig=" Z64,
	"weir_kid=k&weir_stream=**&weir_exp=9999999999999&weir_"
	"sig=" Z64,
};

TEST(broken_signatures_are_told_from_none)
{
	static const char *const none[] = {
		"", "a=b", "&&&", "x=weir_kid=k", "xweir_sig=1", "WEIR_SIG=1",
	};
	static const char signed_text[] = "weir_kid=k1" REST;
	struct sign_claims c = {.exp_ms = 7};
	char longest[SIGN_QUERY_MAX + 1];
	const char *why;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(broken); i++) {
		fprintf(stderr, "%s\n", broken[i]);
		why = NULL;
		CHECK_EQ(sign_read(&c, span_str(broken[i]), &why), WEIR_EPROTO);
		CHECK(why && *why);
	}
	for (size_t i = 0; i < WEIR_ARRAY_LEN(none); i++)
		CHECK_EQ(sign_read(&c, span_str(none[i]), NULL), WEIR_ENOENT);
	/* What is too long to be signed may still be without. */
	memset(longest, '&', sizeof(longest));
	CHECK_EQ(sign_read(&c, SPAN(longest), NULL), WEIR_ENOENT);
	memcpy(longest, signed_text, strlen(signed_text));
	CHECK_EQ(sign_read(&c, SPAN(longest), NULL), WEIR_EPROTO);
	CHECK_EQ(sign_read(&c, span_of(longest, SIGN_QUERY_MAX), NULL), 0);
	CHECK_EQ(c.exp_ms, 1000);
}

TEST(the_signature_is_the_one_that_openssl_makes)
{
	struct sign_claims c = read(TEXT "&weir_sig=" SIG);
	char hex[SIGN_HEX_SIZE];

	CHECK(sign_is_of(&c, SPAN_LIT(SECRET)));
	CHECK_EQ(sign_hex(hex, SPAN_LIT(TEXT), SPAN_LIT(SECRET)), 0);
	CHECK_STR(hex, SIG);
}

TEST(any_other_bit_breaks_the_signature)
{
	char query[] = TEXT "&x=1&weir_sig=" Z64;
	const size_t signed_len = strlen(TEXT "&x=1");
	struct sign_claims c;
	char hex[SIGN_HEX_SIZE];
	unsigned read_count = 0;

	CHECK_EQ(sign_hex(hex, span_of(query, signed_len), SPAN_LIT(SECRET)),
		 0);
	memcpy(query + sizeof(query) - SIGN_HEX_SIZE, hex, SIGN_HEX_SIZE);
	c = read(query);
	CHECK(sign_is_of(&c, SPAN_LIT(SECRET)));
	CHECK(!sign_is_of(&c, SPAN_LIT(SECRET "k")));
	CHECK(!sign_is_of(&c, SPAN_LIT("")));
	for (size_t i = 0; i < 8 * (sizeof(query) - 1); i++) {
		query[i / 8] = (char)(query[i / 8] ^ 1 << i % 8);
		if (!sign_read(&c, span_of(query, sizeof(query) - 1), NULL)) {
			bool is_case = i / 8 > signed_len + 9 && i % 8 == 5;

			CHECK_EQ(sign_is_of(&c, SPAN_LIT(SECRET)),
				 is_case && query[i / 8] >= 'A');
			read_count++;
		}
		query[i / 8] = (char)(query[i / 8] ^ 1 << i % 8);
	}
	CHECK(read_count > 100);
}

TEST(what_is_written_is_read_again)
{
	struct sign_claims c = {
		.kid = "key-2026_1.a:b~@",
		.exp_ms = INT64_C(1764000000000),
		.streams = {"live/\xc3\xa4 &=%/**"},
		.ops = ACCESS_PUBLISH,
		.has_ip = true,
		.user = "bob & co=%",
	};
	struct sign_claims got;
	struct buf b = {0};

	CHECK_EQ(cidr_parse(&c.ip, SPAN_LIT("2001:db8::/32")), 0);
	buf_printf(&b, "a=b&");
	CHECK_EQ(sign_write(&b, &c, SPAN_LIT(SECRET)), 0);
	got = read(buf_text(&b));
	CHECK(sign_is_of(&got, SPAN_LIT(SECRET)));
	CHECK_STR(got.kid, c.kid);
	CHECK_STR(got.streams.text, c.streams.text);
	CHECK_STR(got.user, c.user);
	CHECK_EQ(got.exp_ms, c.exp_ms);
	CHECK_EQ(got.ops, ACCESS_PUBLISH);
	CHECK_EQ(got.ip.bits, 32);
	buf_fini(&b);
}

TEST(lal_s_secret_is_an_md5_of_key_and_name_in_any_case)
{
	const struct span key = SPAN_LIT("q191201771");
	const struct span name = SPAN_LIT("test110");
	const struct span none = SPAN_LIT("");

	/* printf q191201771test110 | md5sum */
	CHECK(sign_lal_is_right(key, none, name,
				SPAN_LIT("700997e1595a06c9ffa60ebef79105b0")));
	CHECK(sign_lal_is_right(key, none, name,
				SPAN_LIT("700997E1595A06C9FFA60EBEF79105B0")));
	CHECK(!sign_lal_is_right(key, none, SPAN_LIT("test111"),
				 SPAN_LIT("700997e1595a06c9ffa60ebef79105b0")));
	CHECK(!sign_lal_is_right(SPAN_LIT("q"), none, name,
				 SPAN_LIT("700997e1595a06c9ffa60ebef79105b0")));
	CHECK(!sign_lal_is_right(key, none, name, none));
	CHECK(!sign_lal_is_right(
		key, none, name,
		span_first(SPAN_LIT("700997e1595a06c9ffa60ebef79105b0"), 31)));
	/* md5 of the name alone: without a key nothing is right. */
	CHECK(!sign_lal_is_right(none, none, name,
				 SPAN_LIT("c80b4f115a9d68c50bf013a1cb5ac7d2")));
}

TEST(a_master_secret_opens_everything_also_in_upper_case)
{
	const struct span key = SPAN_LIT("q191201771");
	const struct span name = SPAN_LIT("a");

	CHECK(sign_lal_is_right(key, SPAN_LIT("pengrl"), name,
				SPAN_LIT("pengrl")));
	/* lal compares it with a lower-case copy of what is given: its own
	 * upper-case master secret never fits. */
	CHECK(sign_lal_is_right(key, SPAN_LIT("PengRL"), name,
				SPAN_LIT("PengRL")));
	CHECK(!sign_lal_is_right(key, SPAN_LIT("pengrl"), name,
				 SPAN_LIT("pengr")));
	CHECK(!sign_lal_is_right(key, SPAN_LIT(""), name, SPAN_LIT("")));
}

TEST(the_first_of_a_parameter_is_found)
{
	struct span v = {0};

	CHECK(query_find(&v, SPAN_LIT("a=1&b=2&b=3"), "b"));
	CHECK_SPAN(v, SPAN_LIT("2"));
	CHECK(query_find(&v, SPAN_LIT("a&b=2"), "a"));
	CHECK_EQ(v.len, 0);
	CHECK(query_find(&v, SPAN_LIT("a=b=c"), "a"));
	CHECK_SPAN(v, SPAN_LIT("b=c"));
	CHECK(!query_find(&v, SPAN_LIT("ab=1"), "b"));
	CHECK(!query_find(&v, SPAN_LIT(""), "b"));
}
