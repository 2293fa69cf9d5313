/* services/dispatch/api_guard_test.c - tokens, as the settings have them. */
#include <stdio.h>

#include "common/test/check.h"
#include "services/dispatch/internal.h"

TEST(a_token_has_a_name_a_role_and_whatever_is_behind)
{
	struct http_token t;
	char look[] = "monitor-1:read:a:b c";
	char act[] = "b:control:x";

	CHECK_EQ(api_token_read(&t, look), 0);
	CHECK_STR(t.name, "monitor-1");
	CHECK_STR(t.secret, "a:b c");
	CHECK(t.is_reader);
	CHECK_EQ(api_token_read(&t, act), 0);
	CHECK(!t.is_reader);
}

TEST(what_is_no_token_is_not_taken_for_one)
{
	static const char *const bad[] = {
		"",          ":",        "::",      "a",
		"a:read",    "a:read:",  ":read:x", "a b:read:x",
		"a:write:x", "a:READ:x", "a::x",    "a:rea:x",
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct http_token t;
		char text[128];

		snprintf(text, sizeof(text), "%s", bad[i]);
		CHECK_EQ(api_token_read(&t, text), WEIR_EINVAL);
	}
}

static int check_set(const char *json, char why[SVC_WHY_SIZE])
{
	static const struct conf_table *const tables[] = {&dispatch_conf};
	struct conf *c = NULL;
	int err;

	CHECK_EQ(conf_new(&c, "dispatch", tables, 1), 0);
	CHECK_EQ(conf_load_text(c, "t", span_str(json)), 0);
	err = dispatch_check(c, why);
	conf_free(&c);
	return err;
}

TEST_NO_OOM(a_wrong_token_is_told_by_its_place_and_not_shown)
{
	char why[SVC_WHY_SIZE] = "";

	CHECK_EQ(check_set("{\"dispatch\":{\"api.tokens\":[\"a:read:x\","
			   "\"b:all:s3cret\"]}}",
			   why),
		 WEIR_ECONF);
	CHECK(strstr(why, "dispatch.api.tokens: number 2 "));
	CHECK(!strstr(why, "s3cret"));
	CHECK_EQ(check_set("{\"dispatch\":{\"api.tokens\":[\"a:read:x\"]}}",
			   why),
		 0);
}

TEST_NO_OOM(open_and_with_a_token_is_a_contradiction)
{
	char why[SVC_WHY_SIZE] = "";

	CHECK_EQ(check_set("{\"dispatch\":{\"api.open\":true}}", why), 0);
	CHECK_EQ(check_set("{\"dispatch\":{\"api.open\":true,"
			   "\"api.token\":\"x\"}}",
			   why),
		 WEIR_ECONF);
	CHECK(strstr(why, "dispatch.api.open"));
}
