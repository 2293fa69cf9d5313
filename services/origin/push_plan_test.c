/* services/origin/push_plan_test.c - where a stream is to be pushed. */
#include "services/origin/push_plan.h"

#include <stdio.h>

#include "common/test/check.h"

struct scene {
	struct ruleset *rules;
	struct push_plan plan;
};

static int begin(struct scene *s, const char *json)
{
	*s = (struct scene){0};
	return ruleset_new(&s->rules, 1) == 0
		       ? ruleset_load(s->rules, RULES_SETTINGS, span_str(json),
				      NULL)
		       : WEIR_ENOMEM;
}

static int plan(struct scene *s, const char *text)
{
	struct stream_key key;

	snprintf(key.text, sizeof(key.text), "%s", text);
	push_plan_fini(&s->plan);
	return push_plan_make(&s->plan, s->rules, &key, 1000);
}

static void end(struct scene *s)
{
	push_plan_fini(&s->plan);
	ruleset_free(&s->rules);
}

TEST(each_rule_that_fits_names_addresses_of_the_stream)
{
	struct scene s;

	CHECK_EQ(begin(&s,
		       "[{\"kind\":\"push\",\"id\":\"a\",\"streams\":"
		       "\"live/*\",\"urls\":[\"rtmp://h/$app/$name\","
		       "\"rtmp://k/x/$name?t=1\"]},"
		       "{\"kind\":\"push\",\"id\":\"b\",\"streams\":\"**\","
		       "\"urls\":[\"rtmp://all/$key\"],"
		       "\"forward_query\":true}]"),
		 0);
	CHECK_EQ(plan(&s, "live/cam1"), 0);
	CHECK_EQ(s.plan.count, 3);
	CHECK_STR(s.plan.want[0].url, "rtmp://h/live/cam1");
	CHECK_STR(s.plan.want[0].rule, "a");
	CHECK(!s.plan.want[0].is_query_forwarded);
	CHECK_STR(s.plan.want[1].url, "rtmp://k/x/cam1?t=1");
	CHECK_STR(s.plan.want[2].url, "rtmp://all/live/cam1");
	CHECK_STR(s.plan.want[2].rule, "b");
	CHECK(s.plan.want[2].is_query_forwarded);
	CHECK_EQ(plan(&s, "other/cam1"), 0);
	CHECK_EQ(s.plan.count, 1);
	end(&s);
}

TEST(an_address_that_two_rules_name_is_pushed_to_once)
{
	struct scene s;

	CHECK_EQ(begin(&s,
		       "[{\"kind\":\"push\",\"id\":\"a\",\"streams\":"
		       "\"live/*\",\"urls\":[\"rtmp://h/live/$name\"]},"
		       "{\"kind\":\"push\",\"id\":\"b\",\"streams\":\"**\","
		       "\"urls\":[\"rtmp://h/$key\"]},"
		       "{\"kind\":\"push\",\"id\":\"c\",\"streams\":"
		       "\"live/cam2\",\"urls\":[\"rtmp://h/live/cam2\"]}]"),
		 0);
	CHECK_EQ(plan(&s, "live/cam2"), 0);
	CHECK_EQ(s.plan.count, 1);
	CHECK(s.plan.want[0].keeps_pull); /* one of them does */
	CHECK_EQ(plan(&s, "live/cam1"), 0);
	CHECK_EQ(s.plan.count, 1);
	CHECK(!s.plan.want[0].keeps_pull);
	CHECK_STR(s.plan.want[0].rule, "a");
	CHECK_EQ(s.plan.left_out, 0);
	end(&s);
}

TEST(passwords_tokens_and_names_that_are_keys_are_not_shown)
{
	struct scene s;

	CHECK_EQ(begin(&s,
		       "[{\"kind\":\"push\",\"id\":\"a\",\"streams\":"
		       "\"live/*\",\"urls\":[\"rtmp://h/live2/abcd-efgh\","
		       "\"rtmp://u:pw@h/live/$name?token=x\"]}]"),
		 0);
	CHECK_EQ(plan(&s, "live/cam1"), 0);
	CHECK_STR(s.plan.want[0].url, "rtmp://h/live2/abcd-efgh");
	CHECK_STR(s.plan.want[0].shown, "rtmp://h/live2/***");
	CHECK_STR(s.plan.want[1].url, "rtmp://u:pw@h/live/cam1?token=x");
	CHECK_STR(s.plan.want[1].shown, "rtmp://u:***@h/live/cam1?token=***");
	end(&s);
}

TEST(more_addresses_than_may_be_are_left_out)
{
	struct scene s;
	struct buf json = {0};

	for (int i = 0; i < 5; i++) {
		buf_printf(&json,
			   "%s{\"kind\":\"push\",\"id\":\"r%d\",\"streams\":"
			   "\"**\",\"urls\":[",
			   i ? "," : "[", i);
		for (int k = 0; k < RULE_URLS_MAX; k++)
			buf_printf(&json, "%s\"rtmp://h%d.%d/$key\"",
				   k ? "," : "", i, k);
		buf_printf(&json, "]}");
	}
	buf_printf(&json, "]");
	CHECK_EQ(begin(&s, buf_text(&json)), 0);
	CHECK_EQ(plan(&s, "live/cam1"), 0);
	CHECK_EQ(s.plan.count, PUSH_TARGETS_MAX);
	CHECK_EQ(s.plan.left_out, 5 * RULE_URLS_MAX - PUSH_TARGETS_MAX);
	buf_fini(&json);
	end(&s);
}

static void check_query(const char *url, const char *query, const char *whole)
{
	struct buf b = {0};

	push_url_put(&b, url, span_str(query));
	if (!buf_error(&b))
		CHECK_STR(buf_text(&b), whole);
	buf_fini(&b);
}

TEST(a_publishers_query_goes_behind_the_address_without_its_secrets)
{
	check_query("rtmp://h/a/b", "", "rtmp://h/a/b");
	check_query("rtmp://h/a/b", "x=1&y=2", "rtmp://h/a/b?x=1&y=2");
	check_query("rtmp://h/a/b?t=1", "x=1", "rtmp://h/a/b?t=1&x=1");
	check_query("rtmp://h/a/b", "lal_secret=s&x=1&weir_sig=z",
		    "rtmp://h/a/b?x=1");
	check_query("rtmp://h/a/b", "token=***&x=***", "rtmp://h/a/b?x=***");
	check_query("rtmp://h/a/b", "weir_kid=k&weir_exp=1&weir_sig=z",
		    "rtmp://h/a/b");
	check_query("rtmp://h/a/b", "&&x&", "rtmp://h/a/b?x");
}

TEST(pauses_double_up_to_the_longest)
{
	uint32_t before = 0;

	for (unsigned failures = 1; failures < 40; failures++) {
		uint32_t ms = push_backoff_ms(200, 2000, failures, failures);
		uint32_t most = failures > 4 ? 2000 : 100u << failures;

		CHECK(ms <= most && ms >= most - most / 8);
		CHECK(ms + ms / 7 + 1 >= before);
		before = ms;
	}
}
