/* common/access/rule_test.c */
#include "common/access/rule.h"

#include <stdio.h>

#include <json-c/json.h>

#include "common/test/check.h"

#define SECRET "0123456789abcdef"

/* What comes in; and what it is, with all that was left out. */
static const struct {
	const char *in, *out;
} golden[] = {
	{"{\"kind\":\"deny\",\"id\":\"a\",\"cidr\":\"10.1.2.3/8\"}",
	 "{\"kind\":\"deny\",\"id\":\"a\",\"cidr\":\"10.0.0.0/8\","
	 "\"ops\":\"both\",\"until_ms\":0,\"note\":\"\"}"},
	{" {\"note\":\"h\\u00e4\\\"\",\"until_ms\":1764000000000,\"kind\":"
	 "\"allow\",\"id\":\"a.B-9_:~@\",\"ops\":\"publish\",\"cidr\":"
	 "[\"::1\",\"192.0.2.1/32\"]} \n",
	 "{\"kind\":\"allow\",\"id\":\"a.B-9_:~@\",\"cidr\":[\"::1\","
	 "\"192.0.2.1\"],\"ops\":\"publish\",\"until_ms\":1764000000000,"
	 "\"note\":\"h\xc3\xa4\\\"\"}"},
	{"{\"kind\":\"ban\",\"id\":\"b\",\"user\":\"bob\"}",
	 "{\"kind\":\"ban\",\"id\":\"b\",\"user\":\"bob\",\"ops\":\"both\","
	 "\"until_ms\":0,\"note\":\"\"}"},
	{"{\"kind\":\"ban\",\"id\":\"b\",\"session\":\"FLVPUBSUB12\",\"ip\":"
	 "\"::ffff:10.0.0.1\",\"stream\":\"cam1\",\"user\":\"b\","
	 "\"ops\":\"play\"}",
	 "{\"kind\":\"ban\",\"id\":\"b\",\"session\":\"FLVPUBSUB12\","
	 "\"stream\":\"live/cam1\",\"ip\":\"10.0.0.1\",\"user\":\"b\","
	 "\"ops\":\"play\",\"until_ms\":0,\"note\":\"\"}"},
	{"{\"kind\":\"key\",\"id\":\"k1\",\"secret\":\"" SECRET "\"}",
	 "{\"kind\":\"key\",\"id\":\"k1\",\"secret\":\"" SECRET "\","
	 "\"ops\":\"both\",\"until_ms\":0,\"note\":\"\"}"},
	{"{\"kind\":\"pull\",\"id\":\"p\",\"streams\":\"live/*\","
	 "\"urls\":[\"rtmp://o/live/$name\",\"https://u:pw@o/$key.flv\"]}",
	 "{\"kind\":\"pull\",\"id\":\"p\",\"streams\":\"live/*\","
	 "\"urls\":[\"rtmp://o/live/$name\",\"https://u:pw@o/$key.flv\"],"
	 "\"on_demand\":true,\"pull_timeout_ms\":10000,\"retry_num\":-1,"
	 "\"auto_stop_ms\":0,\"until_ms\":0,\"note\":\"\"}"},
	{"{\"kind\":\"pull\",\"id\":\"p\",\"streams\":\"live/a\",\"urls\":"
	 "[\"rtmps://o/live/a?token=t\"],\"on_demand\":false,"
	 "\"pull_timeout_ms\":1,\"retry_num\":3,\"auto_stop_ms\":-1}",
	 "{\"kind\":\"pull\",\"id\":\"p\",\"streams\":\"live/a\",\"urls\":"
	 "[\"rtmps://o/live/a?token=t\"],\"on_demand\":false,"
	 "\"pull_timeout_ms\":1,\"retry_num\":3,\"auto_stop_ms\":-1,"
	 "\"until_ms\":0,\"note\":\"\"}"},
	{"{\"kind\":\"push\",\"id\":\"p\",\"streams\":\"**\",\"urls\":"
	 "[\"rtmp://a/$key\",\"rtmp://b/$app/$name\"],\"forward_query\":true}",
	 "{\"kind\":\"push\",\"id\":\"p\",\"streams\":\"**\",\"urls\":"
	 "[\"rtmp://a/$key\",\"rtmp://b/$app/$name\"],\"forward_query\":true,"
	 "\"until_ms\":0,\"note\":\"\"}"},
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

TEST(rules_come_back_as_they_were_read_with_all_defaults)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(golden); i++) {
		struct rule *r = read(golden[i].in);

		check_written(r, RULE_WHOLE, golden[i].out);
		rule_unref(&r);
		r = read(golden[i].out);
		check_written(r, RULE_WHOLE, golden[i].out);
		rule_unref(&r);
	}
}

TEST(what_is_shown_has_no_secret)
{
	struct rule *r = read(golden[4].in);

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
}

/* Common beginnings. */
#define DENY "{\"kind\":\"deny\",\"id\":\"a\","
#define BAN  "{\"kind\":\"ban\",\"id\":\"a\","
#define KEY  "{\"kind\":\"key\",\"id\":\"a\","
#define PULL                                                                   \
	"{\"kind\":\"pull\",\"id\":\"a\",\"streams\":\"live/*\",\"urls\":"     \
	"[\"rtmp://o/$key\"],"
#define PUSH "{\"kind\":\"push\",\"id\":\"a\",\"streams\":\"live/*\","

TEST(whatever_is_wrong_is_named_with_its_place)
{
	static const struct {
		const char *json, *where;
	} cases[] = {
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
		{PUSH "\"urls\":[]}", "urls"},
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
	struct rule *r = NULL;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		struct rule_fault fault = {"?", ""};

		fprintf(stderr, "%s\n", cases[i].json);
		CHECK_EQ(rule_read(&r, span_str(cases[i].json), &fault),
			 WEIR_EINVAL);
		CHECK_STR(fault.where, cases[i].where);
		CHECK(*fault.what);
	}
	CHECK(!r);
}

TEST(a_rule_that_is_too_long_is_not_looked_at)
{
	static char text[RULE_BYTES_MAX + 2];
	struct rule_fault fault;
	struct rule *r = NULL;

	memset(text, ' ', sizeof(text));
	memcpy(text, golden[0].in, strlen(golden[0].in));
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
	struct rule *r = read(golden[5].in);
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
