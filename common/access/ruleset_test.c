/* common/access/ruleset_test.c */
#include "common/access/ruleset.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/test/check.h"

#define SECRET "0123456789abcdef"

static struct ruleset *new_set(void)
{
	struct ruleset *rs = NULL;

	CHECK_EQ(ruleset_new(&rs, 7), 0);
	return rs;
}

/* With ' for ". */
static struct rule *rule(const char *text)
{
	struct rule_fault fault = {"", ""};
	struct rule *r = NULL;
	char json[1024];

	snprintf(json, sizeof(json), "%s", text);
	for (char *p = json; *p; p++)
		if (*p == '\'')
			*p = '"';
	if (rule_read(&r, span_str(json), &fault))
		fprintf(stderr, "%s %s: %s\n", text, fault.where, fault.what);
	CHECK(r);
	return r;
}

static void put(struct ruleset *rs, enum rule_source source, const char *text)
{
	struct rule *r = rule(text);
	int err = ruleset_put(rs, source, r);

	rule_unref(&r);
	CHECK_EQ(err, 0);
}

static void put_own(struct ruleset *rs, const char *text)
{
	put(rs, RULES_SETTINGS, text);
}

static void put_all(struct ruleset *rs, const char *text)
{
	put(rs, RULES_REGISTRY, text);
}

static struct ip_addr ip(const char *text)
{
	struct ip_addr out = {{0}};

	CHECK_EQ(ip_addr_parse(&out, span_str(text)), 0);
	return out;
}

static struct stream_key key(const char *text)
{
	struct stream_key out = {""};

	CHECK_EQ(stream_key_from_path(&out, span_str(text), IDENTITY_PATH), 0);
	return out;
}

static const char *id_of(const struct rule *r)
{
	return r ? r->id : "none";
}

static const char *denies(const struct ruleset *rs, const char *addr,
			  enum access_op op, int64_t now_ms)
{
	struct ip_addr a = ip(addr);

	return id_of(ruleset_denies(rs, &a, op, now_ms));
}

static bool allows(const struct ruleset *rs, const char *addr,
		   enum access_op op, int64_t now_ms)
{
	struct ip_addr a = ip(addr);

	return ruleset_allows(rs, &a, op, now_ms);
}

TEST(an_address_is_denied_by_any_block_that_has_it)
{
	struct ruleset *rs = new_set();

	CHECK_STR(denies(rs, "10.0.0.1", ACCESS_PLAY, 0), "none");
	put_all(rs, "{'kind':'deny','id':'net','cidr':['10.0.0.0/8','::/0']}");
	put_own(rs, "{'kind':'deny','id':'one','cidr':'192.0.2.1'}");
	put_all(rs,
		"{'kind':'deny','id':'pub','cidr':'198.51.100.0/24',"
		"'ops':'publish'}");
	CHECK_STR(denies(rs, "10.255.0.1", ACCESS_PLAY, 0), "net");
	CHECK_STR(denies(rs, "11.0.0.1", ACCESS_PLAY, 0), "none");
	CHECK_STR(denies(rs, "2001:db8::1", ACCESS_PUBLISH, 0), "net");
	CHECK_STR(denies(rs, "::ffff:10.0.0.1", ACCESS_PUBLISH, 0), "net");
	CHECK_STR(denies(rs, "192.0.2.1", ACCESS_PUBLISH, 0), "one");
	CHECK_STR(denies(rs, "192.0.2.2", ACCESS_PUBLISH, 0), "none");
	CHECK_STR(denies(rs, "198.51.100.7", ACCESS_PUBLISH, 0), "pub");
	CHECK_STR(denies(rs, "198.51.100.7", ACCESS_PLAY, 0), "none");
	ruleset_free(&rs);
}

TEST(allow_rules_shut_everybody_else_out_of_their_operation)
{
	struct ruleset *rs = new_set();

	CHECK(allows(rs, "10.0.0.1", ACCESS_PUBLISH, 0));
	put_all(rs,
		"{'kind':'allow','id':'a','cidr':'10.0.0.0/8',"
		"'ops':'publish','until_ms':1000}");
	CHECK(allows(rs, "10.0.0.1", ACCESS_PUBLISH, 0));
	CHECK(!allows(rs, "11.0.0.1", ACCESS_PUBLISH, 0));
	CHECK(allows(rs, "11.0.0.1", ACCESS_PLAY, 0));
	CHECK(allows(rs, "11.0.0.1", ACCESS_PUBLISH, 1000));
	put_own(rs, "{'kind':'allow','id':'b','cidr':'11.0.0.1'}");
	CHECK(allows(rs, "11.0.0.1", ACCESS_PUBLISH, 0));
	CHECK(!allows(rs, "10.0.0.1", ACCESS_PLAY, 0));
	ruleset_free(&rs);
}

TEST(a_rule_takes_the_place_of_its_namesake_of_the_same_source)
{
	struct ruleset *rs = new_set();
	uint64_t version = ruleset_version(rs);

	put_all(rs, "{'kind':'deny','id':'x','cidr':'10.0.0.1'}");
	CHECK(ruleset_version(rs) != version);
	version = ruleset_version(rs);
	put_all(rs, "{'kind':'deny','id':'x','cidr':'10.0.0.2'}");
	CHECK(ruleset_version(rs) != version);
	CHECK_EQ(ruleset_count(rs, RULE_DENY), 1);
	CHECK_STR(denies(rs, "10.0.0.1", ACCESS_PLAY, 0), "none");
	CHECK_STR(denies(rs, "10.0.0.2", ACCESS_PLAY, 0), "x");
	/* Others of that name. */
	put_own(rs, "{'kind':'deny','id':'x','cidr':'10.0.0.3'}");
	put_all(rs, "{'kind':'allow','id':'x','cidr':'10.0.0.0/8'}");
	CHECK_EQ(ruleset_count(rs, RULE_DENY), 2);
	CHECK(ruleset_remove(rs, RULES_REGISTRY, RULE_DENY, "x"));
	CHECK(!ruleset_remove(rs, RULES_REGISTRY, RULE_DENY, "x"));
	CHECK_STR(denies(rs, "10.0.0.2", ACCESS_PLAY, 0), "none");
	CHECK_STR(denies(rs, "10.0.0.3", ACCESS_PLAY, 0), "x");
	CHECK_EQ(ruleset_count(rs, RULE_ALLOW), 1);
	ruleset_free(&rs);
}

#define PULL "'urls':['rtmp://o/$key']}"

TEST(the_first_pull_rule_counts_those_of_settings_before_others)
{
	struct ruleset *rs = new_set();
	struct stream_key cam = key("live/cam"), vod = key("vod/x");
	struct stream_key one = key("one/cam");
	enum rule_source source;

	put_all(rs, "{'kind':'pull','id':'b','streams':'live/*'," PULL);
	put_all(rs, "{'kind':'pull','id':'c','streams':'**'," PULL);
	put_all(rs,
		"{'kind':'pull','id':'a','streams':'live/cam',"
		"'until_ms':5," PULL);
	CHECK_STR(id_of(ruleset_pull(rs, &cam, 0)), "a");
	CHECK_STR(id_of(ruleset_pull(rs, &cam, 5)), "b");
	CHECK_STR(id_of(ruleset_pull(rs, &vod, 0)), "c");
	put_own(rs, "{'kind':'pull','id':'z','streams':'live/*'," PULL);
	put_own(rs, "{'kind':'pull','id':'y','streams':'live/*'," PULL);
	CHECK_STR(id_of(ruleset_pull(rs, &cam, 0)), "z");
	CHECK_STR(ruleset_at(rs, RULE_PULL, 1, &source)->id, "y");
	CHECK_EQ(source, RULES_SETTINGS);
	CHECK_STR(ruleset_at(rs, RULE_PULL, 2, &source)->id, "a");
	CHECK_EQ(source, RULES_REGISTRY);
	CHECK_STR(ruleset_at(rs, RULE_PULL, 4, NULL)->id, "c");
	CHECK(!ruleset_at(rs, RULE_PULL, 5, NULL));
	put_own(rs,
		"{'kind':'pull','id':'o','streams':'one/cam','once':true,"
		"'urls':['rtmp://o/a/b']}");
	CHECK_STR(id_of(ruleset_pull(rs, &one, 0)), "c");
	ruleset_free(&rs);
}

TEST(every_push_rule_of_a_stream_is_told)
{
	struct ruleset *rs = new_set();
	struct stream_key cam = key("live/cam");
	size_t at = 0;

	put_all(rs, "{'kind':'push','id':'a','streams':'live/*'," PULL);
	put_all(rs, "{'kind':'push','id':'b','streams':'vod/*'," PULL);
	put_all(rs,
		"{'kind':'push','id':'c','streams':'**','until_ms':9," PULL);
	put_own(rs, "{'kind':'push','id':'d','streams':'live/cam'," PULL);
	CHECK_STR(id_of(ruleset_push(rs, &cam, &at, 0)), "d");
	CHECK_STR(id_of(ruleset_push(rs, &cam, &at, 0)), "a");
	CHECK_STR(id_of(ruleset_push(rs, &cam, &at, 0)), "c");
	CHECK(!ruleset_push(rs, &cam, &at, 0));
	CHECK(!ruleset_push(rs, &cam, &at, 0));
	at = 2;
	CHECK(!ruleset_push(rs, &cam, &at, 9));
	ruleset_free(&rs);
}

TEST(keys_are_found_by_their_id_until_they_are_over)
{
	struct ruleset *rs = new_set();

	put_all(rs, "{'kind':'key','id':'k','secret':'" SECRET
		    "',"
		    "'until_ms':100}");
	CHECK_STR(id_of(ruleset_key(rs, "k", 99)), "k");
	CHECK(!ruleset_key(rs, "k", 100));
	CHECK(!ruleset_key(rs, "K", 0));
	CHECK(!ruleset_key(rs, "", 0));
	put_own(rs, "{'kind':'key','id':'k','secret':'another" SECRET "'}");
	CHECK_STR(ruleset_key(rs, "k", 0)->key.secret, "another" SECRET);
	ruleset_free(&rs);
}

static const char *ban(const struct ruleset *rs, const char *session,
		       const char *stream, const char *addr, const char *user,
		       enum access_op op)
{
	struct ip_addr a = ip(addr);
	struct stream_key k = key(stream);
	const struct rule_subject who = {
		.op = op,
		.session = session,
		.key = &k,
		.ip = &a,
		.user = user,
	};

	return id_of(ruleset_ban(rs, &who, 0));
}

TEST(a_ban_is_for_whoever_fits_all_that_it_says)
{
	struct ruleset *rs = new_set();

	put_all(rs, "{'kind':'ban','id':'s','session':'RTMPPUBSUB7'}");
	put_all(rs, "{'kind':'ban','id':'u','user':'bob','ops':'publish'}");
	put_all(rs,
		"{'kind':'ban','id':'i','ip':'10.0.0.0/8',"
		"'stream':'live/secret'}");
	put_all(rs, "{'kind':'ban','id':'k','stream':'live/gone'}");
	put_all(rs,
		"{'kind':'ban','id':'p','stream':'adult/**',"
		"'ops':'play'}");
	CHECK_STR(ban(rs, "RTMPPUBSUB7", "live/a", "::1", "", ACCESS_PLAY),
		  "s");
	CHECK_STR(ban(rs, "RTMPPUBSUB71", "live/a", "::1", "", ACCESS_PLAY),
		  "none");
	CHECK_STR(ban(rs, NULL, "live/a", "::1", "bob", ACCESS_PUBLISH), "u");
	CHECK_STR(ban(rs, NULL, "live/a", "::1", "bob", ACCESS_PLAY), "none");
	CHECK_STR(ban(rs, NULL, "live/secret", "10.1.1.1", NULL, ACCESS_PLAY),
		  "i");
	CHECK_STR(ban(rs, NULL, "live/other", "10.1.1.1", NULL, ACCESS_PLAY),
		  "none");
	CHECK_STR(ban(rs, NULL, "live/secret", "11.1.1.1", NULL, ACCESS_PLAY),
		  "none");
	CHECK_STR(ban(rs, NULL, "live/gone", "::1", NULL, ACCESS_PUBLISH), "k");
	CHECK_STR(ban(rs, NULL, "adult/x/y", "::1", NULL, ACCESS_PLAY), "p");
	CHECK_STR(ban(rs, NULL, "adult/x/y", "::1", NULL, ACCESS_PUBLISH),
		  "none");
	CHECK(ruleset_remove(rs, RULES_REGISTRY, RULE_BAN, "i"));
	CHECK(ruleset_remove(rs, RULES_REGISTRY, RULE_BAN, "p"));
	CHECK_STR(ban(rs, NULL, "live/secret", "10.1.1.1", NULL, ACCESS_PLAY),
		  "none");
	CHECK_STR(ban(rs, NULL, "adult/x/y", "::1", NULL, ACCESS_PLAY), "none");
	ruleset_free(&rs);
}

TEST(what_is_not_known_of_somebody_fits_no_ban_that_asks_for_it)
{
	const struct rule_subject nobody = {.op = ACCESS_PLAY};
	struct ruleset *rs = new_set();

	put_all(rs, "{'kind':'ban','id':'u','user':'bob','ip':'::1'}");
	put_all(rs, "{'kind':'ban','id':'k','stream':'**'}");
	CHECK(!ruleset_ban(rs, &nobody, 0));
	ruleset_free(&rs);
}

TEST(what_is_over_is_removed_and_the_next_time_is_told)
{
	struct ruleset *rs = new_set();
	uint64_t version;

	CHECK_EQ(ruleset_expire(rs, 0), INT64_MAX);
	put_all(rs, "{'kind':'deny','id':'a','cidr':'::1','until_ms':100}");
	put_all(rs, "{'kind':'ban','id':'b','user':'x','until_ms':200}");
	put_own(rs, "{'kind':'deny','id':'c','cidr':'::1'}");
	CHECK_EQ(ruleset_expire(rs, 99), 100);
	version = ruleset_version(rs);
	CHECK_STR(denies(rs, "::1", ACCESS_PLAY, 100), "c");
	CHECK_EQ(ruleset_version(rs), version);
	CHECK_EQ(ruleset_expire(rs, 100), 200);
	CHECK(ruleset_version(rs) != version);
	CHECK_EQ(ruleset_count(rs, RULE_DENY), 1);
	CHECK_EQ(ruleset_expire(rs, 200), INT64_MAX);
	CHECK_EQ(ruleset_count(rs, RULE_BAN), 0);
	ruleset_free(&rs);
}

TEST(one_source_can_be_replaced_and_the_other_stays)
{
	struct rule *first = rule("{'kind':'deny','id':'b','cidr':'10.0.0.2'}");
	struct rule *second =
		rule("{'kind':'deny','id':'a','cidr':'10.0.0.1',"
		     "'until_ms':50}");
	struct rule *third = rule("{'kind':'deny','id':'b','cidr':'10.0.0.3'}");
	const struct rule *all[] = {first, second, third};
	struct ruleset *rs = new_set();
	uint64_t version;
	int err;

	put_own(rs, "{'kind':'deny','id':'mine','cidr':'10.0.0.9'}");
	put_all(rs, "{'kind':'deny','id':'old','cidr':'10.0.0.8'}");
	version = ruleset_version(rs);
	err = ruleset_replace(rs, RULES_REGISTRY, all, 3);
	if (err)
		CHECK_STR(denies(rs, "10.0.0.8", ACCESS_PLAY, 0), "old");
	rule_unref(&first);
	rule_unref(&second);
	rule_unref(&third);
	CHECK_EQ(err, 0);
	CHECK(ruleset_version(rs) != version);
	CHECK_EQ(ruleset_count(rs, RULE_DENY), 3);
	CHECK_STR(denies(rs, "10.0.0.9", ACCESS_PLAY, 0), "mine");
	CHECK_STR(denies(rs, "10.0.0.8", ACCESS_PLAY, 0), "none");
	CHECK_STR(denies(rs, "10.0.0.1", ACCESS_PLAY, 0), "a");
	CHECK_STR(denies(rs, "10.0.0.2", ACCESS_PLAY, 0), "none");
	CHECK_STR(denies(rs, "10.0.0.3", ACCESS_PLAY, 0), "b");
	CHECK_STR(ruleset_at(rs, RULE_DENY, 1, NULL)->id, "a");
	CHECK_EQ(ruleset_expire(rs, 0), 50);
	CHECK_EQ(ruleset_replace(rs, RULES_REGISTRY, NULL, 0), 0);
	CHECK_EQ(ruleset_count(rs, RULE_DENY), 1);
	ruleset_free(&rs);
}

TEST(rules_of_settings_come_as_a_list_and_may_be_nameless)
{
	static const char text[] =
		"[{\"kind\":\"deny\",\"cidr\":\"10.0.0.1\"},"
		"{\"kind\":\"deny\",\"id\":\"x\",\"cidr\":\"10.0.0.2\"},"
		"{\"kind\":\"deny\",\"cidr\":\"10.0.0.3\"}]";
	struct rule_fault fault;
	struct ruleset *rs = new_set();

	put_all(rs, "{'kind':'deny','id':'r','cidr':'10.0.0.4'}");
	CHECK_EQ(ruleset_load(rs, RULES_SETTINGS, span_str(text), &fault), 0);
	CHECK_STR(denies(rs, "10.0.0.1", ACCESS_PLAY, 0), "conf-1");
	CHECK_STR(denies(rs, "10.0.0.3", ACCESS_PLAY, 0), "conf-3");
	CHECK_STR(denies(rs, "10.0.0.4", ACCESS_PLAY, 0), "r");
	CHECK_EQ(ruleset_load(rs, RULES_SETTINGS, SPAN_LIT("[]"), NULL), 0);
	CHECK_EQ(ruleset_count(rs, RULE_DENY), 1);
	ruleset_free(&rs);
}

TEST(a_list_with_a_fault_changes_nothing_and_is_told_where)
{
	static const struct {
		const char *text, *where;
	} cases[] = {
		{"", ""},
		{"{}", ""},
		{"[", ""},
		{"[] x", ""},
		{"[{\"kind\":\"deny\",\"cidr\":\"::1\"},7]", "[1]"},
		{"[{\"kind\":\"deny\",\"cidr\":[\"::1\",\"x\"]}]",
		 "[0].cidr[1]"},
		{"[{\"kind\":\"deny\",\"cidr\":\"::1\"},{\"kind\":\"deny\","
		 "\"id\":\"conf-1\",\"cidr\":\"::1\"}]",
		 "[1].id"},
	};
	struct ruleset *rs = new_set();

	put_own(rs, "{'kind':'deny','id':'r','cidr':'10.0.0.4'}");
	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		struct rule_fault fault = {"?", ""};

		fprintf(stderr, "%s\n", cases[i].text);
		CHECK_EQ(ruleset_load(i % 2 ? rs : NULL, RULES_SETTINGS,
				      span_str(cases[i].text), &fault),
			 WEIR_EINVAL);
		CHECK_STR(fault.where, cases[i].where);
		CHECK(*fault.what);
	}
	CHECK_STR(denies(rs, "10.0.0.4", ACCESS_PLAY, 0), "r");
	ruleset_free(&rs);
}

/* Against a list that is walked: whatever is put and removed, the answers are
 * the same. */
#define MANY 40

static void check_same(const struct ruleset *rs, struct rule *const *model)
{
	for (unsigned a = 0; a < 64; a++) {
		char text[32];
		struct ip_addr addr;
		bool want = false;

		snprintf(text, sizeof(text), "10.0.%u.%u", a / 8, a % 8);
		addr = ip(text);
		for (unsigned i = 0; i < MANY; i++)
			for (unsigned c = 0;
			     model[i] && c < model[i]->list.cidr_count; c++)
				want |= cidr_contains(&model[i]->list.cidr[c],
						      &addr);
		CHECK_EQ(ruleset_denies(rs, &addr, ACCESS_PLAY, 0) != NULL,
			 want);
	}
}

/* Thousands of steps: repeating all of it per allocation would take minutes. */
TEST_NO_OOM(after_any_changes_the_answers_are_those_of_a_plain_list)
{
	struct rule *model[MANY] = {NULL};
	struct ruleset *rs = new_set();
	unsigned random = 12345;

	for (unsigned step = 0; step < 2000; step++) {
		unsigned n[4];
		char text[200];

		for (unsigned i = 0; i < 4; i++) {
			random = random * 1103515245 + 12345;
			n[i] = random >> 16;
		}
		snprintf(text, sizeof(text),
			 "{'kind':'deny','id':'r%u','cidr':['10.0.%u.%u/%u',"
			 "'10.0.%u.0/32']}",
			 n[0] % MANY, n[1] % 8, n[2] % 8, 24 + n[3] % 9,
			 n[3] % 8);
		rule_unref(&model[n[0] % MANY]);
		if (n[1] % 3) {
			model[n[0] % MANY] = rule(text);
			put_all(rs, text);
		} else {
			snprintf(text, sizeof(text), "r%u", n[0] % MANY);
			ruleset_remove(rs, RULES_REGISTRY, RULE_DENY, text);
		}
		if (step % 10 == 0)
			check_same(rs, model);
	}
	for (unsigned i = 0; i < MANY; i++)
		rule_unref(&model[i]);
	ruleset_free(&rs);
}

/* ---- patterns, against rows that are walked ---- */

static const char *const element[] = {"a", "b", "c", "*", "**"};

static unsigned draw(unsigned *random, unsigned below)
{
	*random = *random * 1103515245 + 12345;
	return (*random >> 16) % below;
}

static void draw_pattern(char out[16], unsigned *random)
{
	unsigned count = 2 + draw(random, 2);
	size_t len = 0;

	for (unsigned i = 0; i < count; i++)
		len += (size_t)snprintf(
			out + len, 16 - len, "%s%s", i ? "/" : "",
			element[draw(random, i + 1 < count ? 4 : 5)]);
}

/* Not by the index. */
static const struct rule *walk(const struct ruleset *rs, enum rule_kind kind,
			       const struct stream_key *k, size_t *at)
{
	const struct rule *r;

	while ((r = ruleset_at(rs, kind, (*at)++, NULL)))
		if (stream_pattern_matches(kind == RULE_PULL ? &r->pull.streams
					   : kind == RULE_PUSH
						   ? &r->push.streams
						   : &r->ban.streams,
					   k))
			return r;
	return NULL;
}

static void check_stream(const struct ruleset *rs, const struct stream_key *k)
{
	const struct rule_subject who = {.op = ACCESS_PLAY, .key = k};
	size_t at = 0, by_index = 0, from = 0, ban = 0;
	const struct rule *r;

	CHECK(ruleset_pull(rs, k, 0) == walk(rs, RULE_PULL, k, &from));
	do {
		r = walk(rs, RULE_PUSH, k, &at);
		CHECK(ruleset_push(rs, k, &by_index, 0) == r);
	} while (r);
	CHECK_EQ(ruleset_ban(rs, &who, 0) != NULL,
		 walk(rs, RULE_BAN, k, &ban) != NULL);
}

static void check_streams(const struct ruleset *rs)
{
	for (unsigned n = 0; n < 64; n++) {
		struct stream_key k;

		snprintf(k.text, sizeof(k.text), "%s/%s%s%s",
			 element[n % 4 % 3], element[n / 4 % 4 % 3],
			 n < 32 ? "/" : "", n < 32 ? element[n % 3] : "");
		check_stream(rs, &k);
	}
}

TEST_NO_OOM(after_any_changes_patterns_are_found_in_their_order)
{
	struct ruleset *rs = new_set();
	unsigned random = 4711;

	for (unsigned step = 0; step < 2000; step++) {
		enum rule_source source =
			draw(&random, 2) ? RULES_SETTINGS : RULES_REGISTRY;
		unsigned id = draw(&random, 12);
		char text[200], pattern[16];

		draw_pattern(pattern, &random);
		snprintf(text, sizeof(text),
			 step % 3 ? "{'kind':'%s','id':'r%u','streams':'%s',"
				    "'urls':['rtmp://h/$key']}"
				  : "{'kind':'%s','id':'r%u','stream':'%s'}",
			 step % 3 == 0   ? "ban"
			 : step % 3 == 1 ? "pull"
					 : "push",
			 id, pattern);
		if (draw(&random, 3)) {
			put(rs, source, text);
		} else {
			snprintf(text, sizeof(text), "r%u", id);
			ruleset_remove(rs, source,
				       step % 3 == 0   ? RULE_BAN
				       : step % 3 == 1 ? RULE_PULL
						       : RULE_PUSH,
				       text);
		}
		if (step % 10 == 0)
			check_streams(rs);
	}
	ruleset_free(&rs);
}

TEST(allow_rules_that_are_over_shut_nobody_out)
{
	struct ruleset *rs = new_set();

	put_all(rs,
		"{'kind':'allow','id':'a','cidr':'10.0.0.0/8',"
		"'until_ms':9,'ops':'play'}");
	CHECK(!allows(rs, "192.0.2.1", ACCESS_PLAY, 8));
	CHECK(allows(rs, "192.0.2.1", ACCESS_PLAY, 9));
	put_all(rs, "{'kind':'allow','id':'a','cidr':'10.0.0.0/8'}");
	CHECK(!allows(rs, "192.0.2.1", ACCESS_PLAY, 9));
	CHECK(!allows(rs, "192.0.2.1", ACCESS_PUBLISH, 9));
	CHECK(ruleset_remove(rs, RULES_REGISTRY, RULE_ALLOW, "a"));
	CHECK(allows(rs, "192.0.2.1", ACCESS_PLAY, 9));
	put_all(rs,
		"{'kind':'allow','id':'b','cidr':'10.0.0.0/8',"
		"'until_ms':9}");
	CHECK_EQ(ruleset_expire(rs, 9), INT64_MAX);
	CHECK(allows(rs, "192.0.2.1", ACCESS_PLAY, 8));
	ruleset_free(&rs);
}
