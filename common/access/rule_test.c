/* common/access/rule_test.c */
#include "common/access/rule.h"

#include <stdio.h>

#include <json-c/json.h>

#include "common/test/check.h"
#include "common/test/vector.h"

#define SECRET "0123456789abcdef"

#define VECTORS "common/access/vectors/"

/* As they came; beside each, as it is written: with all that was left out. */
static const char *const golden[] = {
	VECTORS "rule_deny.json",      VECTORS "rule_allow.json",
	VECTORS "rule_ban_user.json",  VECTORS "rule_ban_all.json",
	VECTORS "rule_key.json",       VECTORS "rule_pull.json",
	VECTORS "rule_pull_kept.json", VECTORS "rule_pull_once.json",
	VECTORS "rule_push.json",
};

static struct rule *read(const char *json)
{
	struct rule_fault fault = {"", ""};
	struct rule *r = NULL;
	int err = rule_read(&r, span_str(json), &fault);

	fprintf(stderr, "%s\n\t%s: %s\n", json, fault.where, fault.what);
	CHECK_EQ(err, 0);
	return r;
}

static void check_written(const struct rule *r, enum rule_form form,
			  const char *want)
{
	struct buf b = {0};

	rule_write(&b, r, form);
	if (!buf_error(&b))
		CHECK_STR(buf_text(&b), want);
	buf_fini(&b);
}

/* Read, written and read again it stays what the file says. */
static void check_golden(const char *file)
{
	struct buf in = {0}, out = {0};
	struct rule *r = NULL;
	char name[128];

	snprintf(name, sizeof(name), "%s.txt", file);
	vector_load(&in, file);
	for (int i = 0; i < 2; i++) {
		int err = rule_read(&r, buf_span(&in), NULL);

		if (!err) {
			buf_clear(&out);
			rule_write(&out, r, RULE_WHOLE);
			buf_put_u8(&out, '\n');
		}
		rule_unref(&r);
		buf_clear(&in);
		buf_put(&in, buf_span(&out));
		CHECK_EQ(err, 0);
		if (!buf_error(&out))
			vector_check(name, buf_span(&out));
	}
	buf_fini(&in);
	buf_fini(&out);
}

TEST(rules_come_back_as_they_were_read_with_all_defaults)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(golden); i++)
		check_golden(golden[i]);
}

TEST(what_is_shown_has_no_secret)
{
	struct rule *r = read(
		"{\"kind\":\"key\",\"id\":\"k1\",\"secret\":\"" SECRET "\"}");

	check_written(r, RULE_SHOWN,
		      "{\"kind\":\"key\",\"id\":\"k1\",\"ops\":\"both\","
		      "\"until_ms\":0,\"note\":\"\"}");
	rule_unref(&r);
	r = read(
		"{\"kind\":\"push\",\"id\":\"p\",\"streams\":\"**\",\"urls\":"
		"[\"rtmp://u:pw@a/$key?token=t&x=1\"]}");
	check_written(r, RULE_SHOWN,
		      "{\"kind\":\"push\",\"id\":\"p\",\"streams\":\"**\","
		      "\"urls\":[\"rtmp://u:***@a/$key?token=***&x=1\"],"
		      "\"forward_query\":false,\"until_ms\":0,\"note\":\"\"}");
	rule_unref(&r);
	/* What a server has given somebody to publish to. */
	r = read(
		"{\"kind\":\"push\",\"id\":\"p\",\"streams\":\"**\",\"urls\":"
		"[\"rtmp://a/live2/abcd-stream-key?x=1\"]}");
	check_written(r, RULE_SHOWN,
		      "{\"kind\":\"push\",\"id\":\"p\",\"streams\":\"**\","
		      "\"urls\":[\"rtmp://a/live2/***\"],"
		      "\"forward_query\":false,\"until_ms\":0,\"note\":\"\"}");
	rule_unref(&r);
}

/* Common beginnings. */
#define DENY "{\"kind\":\"deny\",\"id\":\"a\","
#define BAN  "{\"kind\":\"ban\",\"id\":\"a\","
#define KEY  "{\"kind\":\"key\",\"id\":\"a\","
#define PULL                                                                   \
	"{\"kind\":\"pull\",\"id\":\"a\",\"streams\":\"live/*\",\"urls\":"     \
	"[\"rtmp://o/$key\"],"
#define ONCE                                                                   \
	"{\"kind\":\"pull\",\"id\":\"a\",\"streams\":\"live/"                  \
	"a\",\"once\":true,"
#define PUSH "{\"kind\":\"push\",\"id\":\"a\",\"streams\":\"live/*\","

static const struct {
	const char *json, *where;
} wrong[] = {
	{"", ""},
	{"   ", ""},
	{"null", ""},
	{"[]", ""},
	{"1", ""},
	{"{", ""},
	{"{} {}", ""},
	{"{'kind':'deny'}", ""},
	{"// no comments\n{}", ""},
	{"{\"kind\":\"\xff\"}", ""},
	{"[[[[[[[[]]]]]]]]", ""},
	{"{}", "kind"},
	{"{\"kind\":null}", "kind"},
	{"{\"kind\":\"Deny\"}", "kind"},
	{"{\"kind\":[\"deny\"]}", "kind"},
	{"{\"kind\":\"deny\"}", "id"},
	{"{\"kind\":\"deny\",\"id\":\"\"}", "id"},
	{"{\"kind\":\"deny\",\"id\":\"a b\"}", "id"},
	{"{\"kind\":\"deny\",\"id\":\"a/b\"}", "id"},
	{"{\"kind\":\"deny\",\"id\":\"a\\u0000b\"}", "id"},
	{"{\"kind\":\"deny\",\"id\":7}", "id"},
	{DENY "\"cidr\":\"::1\",\"note\":\"a\\nb\"}", "note"},
	{DENY "\"cidr\":\"::1\",\"until_ms\":-1}", "until_ms"},
	{DENY "\"cidr\":\"::1\",\"until_ms\":\"1\"}", "until_ms"},
	{DENY "\"cidr\":\"::1\",\"until_ms\":1.5}", "until_ms"},
	{DENY "\"cidr\":\"::1\",\"until_ms\":99999999999999999999}",
	 "until_ms"},
	{DENY "\"cidr\":\"::1\",\"secret\":\"x\"}", "secret"},
	{DENY "\"cidr\":\"::1\",\"op\":\"play\"}", "op"},
	{DENY "\"cidr\":\"::1\",\"cidr|ops\":\"play\"}", "cidr|ops"},
	{DENY "\"cidr\":\"::1\",\"\":\"play\"}", ""},
	{DENY "\"cidr\":\"::1\",\"ops\":\"none\"}", "ops"},
	{DENY "\"cidr\":\"::1\",\"ops\":3}", "ops"},
	{DENY "\"note\":\"\"}", "cidr"},
	{DENY "\"cidr\":\"nowhere\"}", "cidr"},
	{DENY "\"cidr\":[]}", "cidr"},
	{DENY "\"cidr\":[\"::1\",7]}", "cidr[1]"},
	{DENY "\"cidr\":[\"::1\",\"::1/200\"]}", "cidr[1]"},
	{BAN "\"ops\":\"play\"}", ""},
	{BAN "\"session\":\"\"}", "session"},
	{BAN "\"session\":\"a b\"}", "session"},
	{BAN "\"user\":\"\"}", "user"},
	{BAN "\"user\":null}", "user"},
	{BAN "\"user\":\"1234567890123456789012345678901234567890"
	     "123456789\"}",
	 "user"},
	{BAN "\"stream\":\"*\"}", "stream"},
	{BAN "\"stream\":null}", "stream"},
	{BAN "\"ip\":\"\"}", "ip"},
	{BAN "\"ip\":[\"::1\"]}", "ip"},
	{KEY "\"ops\":\"both\"}", "secret"},
	{KEY "\"secret\":\"0123456789abcde\"}", "secret"},
	{KEY "\"secret\":\"0123456789abcd f\"}", "secret"},
	{KEY "\"secret\":\"0123456789abcd\\u00e4\"}", "secret"},
	{"{\"kind\":\"key\",\"id\":\"123456789012345678901234567890123"
	 "\",\"secret\":\"" SECRET "\"}",
	 "id"},
	{PULL "\"on_demand\":1}", "on_demand"},
	{PULL "\"on_demand\":false}", "streams"},
	{PULL "\"pull_timeout_ms\":0}", "pull_timeout_ms"},
	{PULL "\"pull_timeout_ms\":600001}", "pull_timeout_ms"},
	{PULL "\"retry_num\":-2}", "retry_num"},
	{PULL "\"auto_stop_ms\":-2}", "auto_stop_ms"},
	{PULL "\"forward_query\":true}", "forward_query"},
	{PULL "\"once\":1}", "once"},
	{PULL "\"once\":true,\"on_demand\":true}", "on_demand"},
	{PULL "\"once\":true,\"pull_timeout_ms\":-1}", "pull_timeout_ms"},
	{PULL "\"once\":true,\"retry_num\":2147483648}", "retry_num"},
	{ONCE "\"urls\":[\"gopher://o/a\"]}", "urls[0]"},
	{ONCE "\"urls\":[\"http://\"]}", "urls[0]"},
	{"{\"kind\":\"pull\",\"id\":\"a\",\"once\":true,"
	 "\"streams\":\"a/../b\",\"urls\":[\"http://o\"]}",
	 "streams"},
	{"{\"kind\":\"pull\",\"id\":\"123456789012345678901234567890123"
	 "456789012345678\",\"once\":true,\"streams\":\"a/b\","
	 "\"urls\":[\"http://o\"]}",
	 "id"},
	{PUSH "\"urls\":[]}", "urls"},
	{PUSH "\"urls\":[\"rtmp://a/b\"],\"keep_pull\":1}", "keep_pull"},
	{PUSH "\"urls\":\"rtmp://a/b\"}", "urls"},
	{PUSH "\"urls\":[\"rtmp://a/b\",\"http://a/b\"]}", "urls[1]"},
	{PUSH "\"urls\":[\"rtmp://a/b\",null]}", "urls[1]"},
	{PUSH "\"urls\":[\"rtmp://$name/b\"]}", "urls[0]"},
	{PUSH "\"urls\":[\"rtmp://a/b\",\"rtmp://a/b\",\"rtmp://a/b\","
	      "\"rtmp://a/b\",\"rtmp://a/b\",\"rtmp://a/b\","
	      "\"rtmp://a/b\",\"rtmp://a/b\",\"rtmp://a/b\"]}",
	 "urls"},
	{"{\"kind\":\"push\",\"id\":\"a\",\"urls\":[\"rtmp://a/b\"]}",
	 "streams"},
};

static bool keeps_pull(const char *streams, const char *more)
{
	struct buf json = {0}, again = {0};
	struct rule *r = NULL, *same = NULL;
	bool keeps = false;

	buf_printf(&json,
		   "{\"kind\":\"push\",\"id\":\"a\",\"urls\":"
		   "[\"rtmp://o/a/b\"],\"streams\":\"%s\"%s}",
		   streams, more);
	if (!buf_error(&json))
		CHECK_EQ(rule_read(&r, buf_span(&json), NULL), 0);
	if (r) {
		keeps = r->push.keeps_pull;
		rule_write(&again, r, RULE_WHOLE);
	}
	if (r && !buf_error(&again)) {
		CHECK_EQ(rule_read(&same, buf_span(&again), NULL), 0);
		if (same)
			CHECK_EQ(same->push.keeps_pull, keeps);
	}
	rule_unref(&r);
	rule_unref(&same);
	buf_fini(&json);
	buf_fini(&again);
	return keeps;
}

TEST(a_push_holds_a_pull_if_it_names_the_stream_or_says_so)
{
	CHECK(keeps_pull("live/a", ""));
	CHECK(!keeps_pull("live/*", ""));
	CHECK(!keeps_pull("**", ""));
	CHECK(keeps_pull("**", ",\"keep_pull\":true"));
	CHECK(!keeps_pull("live/a", ",\"keep_pull\":false"));
}

TEST(whatever_is_wrong_is_named_with_its_place)
{
	struct rule *r = NULL;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(wrong); i++) {
		struct rule_fault fault = {"?", ""};

		fprintf(stderr, "%s\n", wrong[i].json);
		CHECK_EQ(rule_read(&r, span_str(wrong[i].json), &fault),
			 WEIR_EINVAL);
		CHECK_STR(fault.where, wrong[i].where);
		CHECK(*fault.what);
	}
	CHECK(!r);
}

TEST(a_rule_that_is_too_long_is_not_looked_at)
{
	static const char rule_text[] = DENY "\"cidr\":\"::1\"}";
	static char text[RULE_BYTES_MAX + 2];
	struct rule_fault fault;
	struct rule *r = NULL;

	memset(text, ' ', sizeof(text));
	memcpy(text, rule_text, strlen(rule_text));
	CHECK_EQ(rule_read(&r, span_of(text, RULE_BYTES_MAX + 1), &fault),
		 WEIR_ELIMIT);
	CHECK(!r);
	CHECK_EQ(rule_read(&r, span_of(text, RULE_BYTES_MAX), NULL), 0);
	rule_unref(&r);
}

TEST(nothing_may_stand_behind_a_rule)
{
	static const char text[] = DENY "\"cidr\":\"::1\"}\0{";
	struct rule *r = NULL;

	CHECK_EQ(rule_read(&r, span_of(text, sizeof(text) - 1), NULL),
		 WEIR_EINVAL);
	CHECK_EQ(rule_read(&r, span_of(text, sizeof(text) - 2), NULL),
		 WEIR_EINVAL);
}

TEST(kind_and_id_may_come_from_elsewhere)
{
	struct json_object *o =
		json_tokener_parse("{\"cidr\":\"192.0.2.0/24\"}");
	struct rule *r = NULL;

	CHECK_EQ(rule_read_json(&r, o, NULL, "x", NULL), WEIR_EINVAL);
	CHECK_EQ(rule_read_json(&r, o, "deny", NULL, NULL), WEIR_EINVAL);
	CHECK_EQ(rule_read_json(&r, o, "key", "x", NULL), WEIR_EINVAL);
	CHECK_EQ(rule_read_json(&r, NULL, "deny", "x", NULL), WEIR_EINVAL);
	if (rule_read_json(&r, o, "deny", "x", NULL) == 0)
		CHECK_STR(r->id, "x");
	json_object_put(o);
	CHECK(r);
	rule_unref(&r);
}

TEST(a_rule_lives_as_long_as_somebody_has_it)
{
	struct rule *r =
		read("{\"kind\":\"pull\",\"id\":\"p\",\"streams\":\"live/"
		     "*\",\"urls\":[\"rtmp://o/live/$name\"]}");
	struct rule *mine = rule_ref(r);

	rule_unref(&r);
	CHECK(!r);
	CHECK_STR(mine->pull.url[0], "rtmp://o/live/$name");
	rule_unref(&mine);
	rule_unref(&mine);
}

TEST(a_rule_is_over_from_its_time_on)
{
	struct rule r = {.until_ms = 1000};

	CHECK(!rule_is_over(&r, 999));
	CHECK(rule_is_over(&r, 1000));
	r.until_ms = 0;
	CHECK(!rule_is_over(&r, INT64_MAX));
}
