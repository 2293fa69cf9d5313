/* proto/rtmp/auth_test.c - the answers to a server that wants a password. */
#include "proto/rtmp/auth.h"

#include "common/test/check.h"

#define REJECT "[ AccessManager.Reject ] : [ "

static int answer(struct buf *out, const char *said)
{
	return rtmp_auth_answer(out, span_str(said), SPAN_LIT("bob"),
				SPAN_LIT("s3cret"), 0xbeef);
}

static void check_answer(const char *said, const char *query)
{
	struct buf b = {0};
	int err = answer(&b, said);

	CHECK_EQ(err, 0);
	if (!err)
		CHECK_STR(buf_text(&b), query);
	buf_fini(&b);
}

TEST(first_the_user_is_named)
{
	check_answer(REJECT "code=403 need auth; authmod=adobe ] : ",
		     "?authmod=adobe&user=bob");
}

/* The responses were computed by python's hashlib and base64. */
TEST(then_the_challenge_is_answered)
{
	check_answer(REJECT
		     "authmod=adobe ] : ?reason=needauth&user=bob"
		     "&salt=mgJzzw==&challenge=rmxAdw==&opaque=vgoAAA==",
		     "?authmod=adobe&user=bob&challenge=0000beef"
		     "&response=SHON53bnBFqEGniUQCsZIQ==&opaque=vgoAAA==");
	check_answer(REJECT
		     "authmod=adobe ] : ?reason=needauth&user=bob"
		     "&salt=mgJzzw==&challenge=rmxAdw==",
		     "?authmod=adobe&user=bob&challenge=0000beef"
		     "&response=fBMnbRkT3SQ/95TxpBd23Q==");
}

TEST(what_asks_for_nothing_is_not_answered)
{
	static const struct {
		const char *said;
		int err;
	} all[] = {
		{"", WEIR_ENOENT},
		{"Stream already publishing", WEIR_ENOENT},
		{REJECT "authmod=adobe ] : ?reason=authfailed&opaque=vgoAAA==",
		 WEIR_ENOENT},
		{REJECT "authmod=adobe ] : ?reason=nosuchuser", WEIR_ENOENT},
		{REJECT "code=403 need auth; authmod=llnw ] : ",
		 WEIR_EUNSUPPORTED},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(all); i++) {
		struct buf b = {0};

		CHECK_EQ(answer(&b, all[i].said), all[i].err);
		CHECK_EQ(b.len, 0);
		buf_fini(&b);
	}
}

TEST(a_challenge_has_a_limit)
{
	struct buf said = {0}, out = {0};

	buf_printf(&said, REJECT "authmod=adobe ] : ?reason=needauth&salt=");
	for (int i = 0; i < 300; i++)
		buf_put_u8(&said, 'x');
	if (!buf_error(&said))
		CHECK_EQ(rtmp_auth_answer(&out, buf_span(&said),
					  SPAN_LIT("bob"), SPAN_LIT("pw"), 1),
			 WEIR_ELIMIT);
	buf_fini(&said);
	buf_fini(&out);
}
