/* common/access/verdict_test.c */
#include "common/access/verdict.h"

#include <stdio.h>

#include "common/test/check.h"

#define NOW_MS INT64_C(1763999999000)
#define SECRET "0123456789abcdefghij"

/* Who asks, and of whom; changed by each test as it needs. */
struct scene {
	struct access_settings settings;
	struct ruleset *rules;
	struct access_request rq;
	struct stream_key key;
	struct ip_addr ip;
	char query[1024];
	struct access_decision got;
};

static void begin(struct scene *s)
{
	*s = (struct scene){
		.settings = {.lal_key = "",
			     .dangerous_lal_secret = "",
			     .on_publish_auth = "",
			     .on_play_auth = ""},
		.rq = {.op = ACCESS_PLAY, .protocol = ACCESS_FLV},
		.key = {"live/test110"},
	};
	CHECK_EQ(ip_addr_parse(&s->ip, SPAN_LIT("192.0.2.7")), 0);
	CHECK_EQ(ruleset_new(&s->rules, 1), 0);
}

static void end(struct scene *s)
{
	ruleset_free(&s->rules);
}

static void rules(struct scene *s, const char *text)
{
	struct rule_fault fault = {"", ""};
	char json[2048];

	snprintf(json, sizeof(json), "[%s]", text);
	for (char *p = json; *p; p++)
		if (*p == '\'')
			*p = '"';
	CHECK_EQ(ruleset_load(s->rules, RULES_REGISTRY, span_str(json), &fault),
		 0);
}

/* Sign as weir_… parameters say, with this secret. */
static void sign(struct scene *s, const char *text, const char *secret)
{
	char hex[SIGN_HEX_SIZE];

	CHECK_EQ(sign_hex(hex, span_str(text), span_str(secret)), 0);
	snprintf(s->query, sizeof(s->query), "%s&weir_sig=%s", text, hex);
}

static enum access_verdict decide(struct scene *s)
{
	s->rq.key = &s->key;
	s->rq.ip = &s->ip;
	s->rq.query = span_str(s->query);
	access_decide(&s->got, &s->rq, &s->settings, s->rules, NOW_MS);
	CHECK(s->got.detail);
	CHECK_EQ(s->got.verdict == ACCESS_NO, *s->got.detail != '\0');
	return s->got.verdict;
}

static void check_no(struct scene *s, enum reason reason, const char *detail)
{
	CHECK_EQ(decide(s), ACCESS_NO);
	CHECK_STR(s->got.detail, detail);
	CHECK_EQ(s->got.reason, reason);
}

#define KEY  "{'kind':'key','id':'k1','secret':'" SECRET "'}"
#define GOOD "weir_kid=k1&weir_exp=1764000000&weir_stream=live/*"

TEST(without_settings_and_rules_everybody_may)
{
	struct scene s;

	begin(&s);
	CHECK_EQ(decide(&s), ACCESS_YES);
	s.rq.op = ACCESS_PUBLISH;
	s.rq.protocol = ACCESS_RTMP;
	CHECK_EQ(decide(&s), ACCESS_YES);
	CHECK_STR(s.got.credential, "");
	end(&s);
}

TEST(lists_come_before_everything_but_the_cluster_itself)
{
	struct scene s;

	begin(&s);
	rules(&s, KEY ",{'kind':'deny','id':'d','cidr':'192.0.2.0/24'}");
	sign(&s, GOOD, SECRET);
	check_no(&s, REASON_denied, "the address is on a list of denied");
	s.rq.protocol = ACCESS_SEGMENT;
	CHECK_EQ(decide(&s), ACCESS_NO);
	s.rq.is_inner = true;
	CHECK_EQ(decide(&s), ACCESS_YES);
	s.rq.is_inner = false;
	rules(&s, "{'kind':'allow','id':'a','cidr':'10.0.0.0/8'}");
	check_no(&s, REASON_denied, "the address is on no list of allowed");
	rules(&s,
	      "{'kind':'ban','id':'b','ip':'192.0.2.7','stream':"
	      "'live/test110'}");
	check_no(&s, REASON_banned, "kicked out for some time");
	end(&s);
}

TEST(a_right_signature_says_who_it_is)
{
	struct scene s;

	begin(&s);
	rules(&s, KEY);
	s.settings.signature = ACCESS_NEEDED_BOTH;
	sign(&s, GOOD "&weir_user=bob", SECRET);
	CHECK_EQ(decide(&s), ACCESS_YES);
	CHECK_STR(s.got.user, "bob");
	CHECK_STR(s.got.kid, "k1");
	CHECK_STR(s.got.credential, "user:bob");
	sign(&s, GOOD, SECRET);
	CHECK_EQ(decide(&s), ACCESS_YES);
	CHECK_STR(s.got.credential, "");
	end(&s);
}

TEST(a_signature_must_be_right_also_where_none_is_needed)
{
	static const struct {
		const char *text, *secret, *detail;
	} cases[] = {
		{GOOD, SECRET "x", "the signature is wrong"},
		{"weir_kid=k2&weir_exp=1764000000&weir_stream=live/*", SECRET,
		 "the key of the signature is not known"},
		{"weir_kid=old&weir_exp=1764000000&weir_stream=live/*", SECRET,
		 "the key of the signature is not known"},
		{"weir_kid=pub&weir_exp=1764000000&weir_stream=live/*", SECRET,
		 "the key is not for this"},
		{"weir_kid=k1&weir_exp=1763999999&weir_stream=live/*", SECRET,
		 "the signed address has expired"},
		{"weir_kid=k1&weir_exp=1764000000&weir_stream=vod/*", SECRET,
		 "the signature is for other streams"},
		{GOOD "&weir_op=publish", SECRET,
		 "the signature is not for playing"},
		{GOOD "&weir_ip=192.0.2.8", SECRET,
		 "the signature is for another address"},
		{"weir_kid=k1&weir_stream=live/*", SECRET,
		 "weir_exp is missing"},
	};
	struct scene s;

	begin(&s);
	rules(&s, KEY ",{'kind':'key','id':'old','secret':'" SECRET
		      "',"
		      "'until_ms':1},{'kind':'key','id':'pub','secret':'" SECRET
		      "','ops':'publish'}");
	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		fprintf(stderr, "%s\n", cases[i].text);
		sign(&s, cases[i].text, cases[i].secret);
		check_no(&s, REASON_unauthorized, cases[i].detail);
		CHECK_STR(s.got.user, "");
	}
	sign(&s, GOOD "&weir_ip=192.0.2.0/24&weir_op=both", SECRET);
	CHECK_EQ(decide(&s), ACCESS_YES);
	s.rq.op = ACCESS_PUBLISH;
	CHECK_EQ(decide(&s), ACCESS_YES);
	sign(&s, GOOD, SECRET);
	check_no(&s, REASON_unauthorized,
		 "the signature is not for publishing");
	end(&s);
}

TEST(one_who_is_banned_by_name_is_known_by_the_signature)
{
	struct scene s;

	begin(&s);
	rules(&s, KEY ",{'kind':'ban','id':'b','user':'bob'}");
	sign(&s, GOOD "&weir_user=bob", SECRET);
	check_no(&s, REASON_banned, "kicked out for some time");
	sign(&s, GOOD "&weir_user=alice", SECRET);
	CHECK_EQ(decide(&s), ACCESS_YES);
	end(&s);
}

TEST(two_keys_hold_at_once_so_that_they_can_be_changed)
{
	struct scene s;

	begin(&s);
	rules(&s, KEY ",{'kind':'key','id':'k2','secret':'another" SECRET "'}");
	sign(&s, GOOD, SECRET);
	CHECK_EQ(decide(&s), ACCESS_YES);
	sign(&s, "weir_kid=k2&weir_exp=1764000000&weir_stream=**",
	     "another" SECRET);
	CHECK_EQ(decide(&s), ACCESS_YES);
	end(&s);
}

TEST(signatures_are_demanded_for_what_the_settings_say)
{
	static const struct {
		int needed;
		bool play, publish;
	} cases[] = {
		{ACCESS_NEEDED_NONE, true, true},
		{ACCESS_NEEDED_PUBLISH, true, false},
		{ACCESS_NEEDED_PLAY, false, true},
		{ACCESS_NEEDED_BOTH, false, false},
	};
	struct scene s;

	begin(&s);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		s.settings.signature = cases[i].needed;
		s.rq.op = ACCESS_PLAY;
		CHECK_EQ(decide(&s) == ACCESS_YES, cases[i].play);
		s.rq.op = ACCESS_PUBLISH;
		CHECK_EQ(decide(&s) == ACCESS_YES, cases[i].publish);
	}
	CHECK_STR(s.got.detail, "the address must be signed for this");
	/* A segment has the right of its playlist. */
	s.rq.op = ACCESS_PLAY;
	s.rq.protocol = ACCESS_SEGMENT;
	CHECK_EQ(decide(&s), ACCESS_YES);
	end(&s);
}

TEST(lal_s_switches_are_for_one_protocol_and_role_each)
{
	struct access_settings *t;
	struct scene s;

	begin(&s);
	t = &s.settings;
	t->lal_key = "q191201771";
	const struct {
		bool *on;
		enum access_op op;
		enum access_protocol protocol;
	} cases[] = {
		{&t->pub_rtmp_enable, ACCESS_PUBLISH, ACCESS_RTMP},
		{&t->sub_rtmp_enable, ACCESS_PLAY, ACCESS_RTMP},
		{&t->sub_httpflv_enable, ACCESS_PLAY, ACCESS_FLV},
		{&t->sub_httpts_enable, ACCESS_PLAY, ACCESS_TS},
		{&t->hls_m3u8_enable, ACCESS_PLAY, ACCESS_HLS},
		{&t->pub_rtsp_enable, ACCESS_PUBLISH, ACCESS_RTSP},
		{&t->sub_rtsp_enable, ACCESS_PLAY, ACCESS_RTSP},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		*cases[i].on = true;
		for (size_t k = 0; k < WEIR_ARRAY_LEN(cases); k++) {
			s.rq.op = cases[k].op;
			s.rq.protocol = cases[k].protocol;
			CHECK_EQ(decide(&s) == ACCESS_NO, i == k);
		}
		*cases[i].on = false;
	}
	end(&s);
}

TEST(lal_s_secret_opens_what_it_shut)
{
	struct scene s;

	begin(&s);
	s.settings.lal_key = "q191201771";
	s.settings.dangerous_lal_secret = "PengRL";
	s.settings.sub_httpflv_enable = true;
	check_no(&s, REASON_unauthorized, "lal_secret is missing or wrong");
	snprintf(s.query, sizeof(s.query),
		 "a=b&lal_secret=700997e1595a06c9ffa60ebef79105b0");
	CHECK_EQ(decide(&s), ACCESS_YES);
	snprintf(s.query, sizeof(s.query), "lal_secret=PengRL");
	CHECK_EQ(decide(&s), ACCESS_YES);
	snprintf(s.query, sizeof(s.query), "lal_secret=");
	CHECK_EQ(decide(&s), ACCESS_NO);
	end(&s);
}

TEST(where_lal_s_secret_is_demanded_a_signature_does_as_well_and_the_reverse)
{
	struct scene s;

	begin(&s);
	rules(&s, KEY);
	s.settings.lal_key = "q191201771";
	s.settings.sub_httpflv_enable = true;
	sign(&s, GOOD, SECRET);
	CHECK_EQ(decide(&s), ACCESS_YES);
	s.settings.signature = ACCESS_NEEDED_BOTH;
	snprintf(s.query, sizeof(s.query),
		 "lal_secret=700997e1595a06c9ffa60ebef79105b0");
	CHECK_EQ(decide(&s), ACCESS_YES);
	/* But not where lal's switch is off. */
	s.rq.protocol = ACCESS_TS;
	CHECK_EQ(decide(&s), ACCESS_NO);
	end(&s);
}

TEST(pages_are_judged_by_their_host)
{
	static const char *const hosts[] = {"example.com", "*.example.org",
					    "[::1]"};
	static const struct {
		const char *referer;
		bool may;
	} cases[] = {
		{"https://example.com/page?x", true},
		{"http://EXAMPLE.com:8000/", true},
		{"https://u:p@example.com", true},
		{"https://www.example.com/", false},
		{"https://example.com.evil.net/", false},
		{"https://evil.net/https://example.com/", false},
		{"https://example.com@evil.net/", false},
		{"https://evil.net?example.com", false},
		{"https://evil.net#@example.com", false},
		{"https://a.b.example.org/", true},
		{"https://example.org/", false},
		{"https://badexample.org/", false},
		{"http://[::1]:8000/", true},
		{"http://[::2]/", false},
		{"null", false},
		{"https://", false},
		{"", true},
	};
	struct scene s;

	begin(&s);
	s.settings.referers = (struct conf_list){hosts, 3};
	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		fprintf(stderr, "%s\n", cases[i].referer);
		s.rq.referer = span_str(cases[i].referer);
		CHECK_EQ(decide(&s) == ACCESS_YES, cases[i].may);
	}
	s.settings.needs_referer = true;
	check_no(&s, REASON_denied, "no page is named");
	s.rq.referer = SPAN_LIT("https://evil.net/");
	s.rq.protocol = ACCESS_SEGMENT;
	check_no(&s, REASON_denied, "the page is not one of those that may");
	s.rq.protocol = ACCESS_RTMP;
	CHECK_EQ(decide(&s), ACCESS_YES);
	end(&s);
}

TEST(who_was_let_in_elsewhere_is_judged_as_of_then)
{
	struct scene s;

	begin(&s);
	rules(&s, KEY);
	s.settings.signature = ACCESS_NEEDED_BOTH;
	s.settings.on_play_auth = "http://127.0.0.1:1/";
	sign(&s, "weir_kid=k1&weir_exp=1763999999&weir_stream=live/*", SECRET);
	check_no(&s, REASON_unauthorized, "the signed address has expired");
	s.rq.since_ms = INT64_C(1763999999000);
	check_no(&s, REASON_unauthorized, "the signed address has expired");
	s.rq.since_ms--;
	CHECK_EQ(decide(&s), ACCESS_YES); /* and nobody is asked again */
	rules(&s, KEY ",{'kind':'ban','id':'b','ip':'192.0.2.7'}");
	check_no(&s, REASON_banned, "kicked out for some time");
	end(&s);
}

TEST(the_webhook_is_asked_about_those_whom_nothing_else_refuses)
{
	struct scene s;

	begin(&s);
	rules(&s, KEY);
	s.settings.on_play_auth = "http://127.0.0.1:1/";
	CHECK_EQ(decide(&s), ACCESS_ASK);
	s.rq.op = ACCESS_PUBLISH;
	CHECK_EQ(decide(&s), ACCESS_YES);
	s.rq.op = ACCESS_PLAY;
	sign(&s, GOOD "&weir_user=bob", SECRET);
	CHECK_EQ(decide(&s), ACCESS_ASK);
	CHECK_STR(s.got.credential, "user:bob");
	sign(&s, GOOD, "another" SECRET);
	CHECK_EQ(decide(&s), ACCESS_NO);
	s.rq.protocol = ACCESS_SEGMENT;
	CHECK_EQ(decide(&s), ACCESS_YES);
	end(&s);
}
