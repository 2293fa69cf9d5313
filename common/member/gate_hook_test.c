/* common/member/gate_hook_test.c - what the webhook is asked, and what its answers
 * do.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/member/gate_visitor_test.h"

#define HOOK_SETTINGS                                                          \
	{                                                                      \
		.on_publish_auth = "http://a/publish",                         \
		.on_play_auth = "http://a/play", .webhook_timeout_ms = 3000,   \
		.webhook_cache_ms = 1000                                       \
	}

/* The answer to the n-th question. */
static void answer(struct gate_rig *r, size_t n, const char *json)
{
	struct json_object *o = json_tokener_parse(json);

	gate_hook_answer(r->gate, r->asked[n].tag, 0, o);
	json_object_put(o);
	rig_tick(r);
}

static void fail(struct gate_rig *r, size_t n)
{
	gate_hook_answer(r->gate, r->asked[n].tag, WEIR_ECLOSED, NULL);
	rig_tick(r);
}

TEST(it_is_asked_with_what_is_known_but_our_secrets)
{
	struct gate_rig rig = {.settings = HOOK_SETTINGS};
	struct visitor v;
	char *text;

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit_as(&v, &rig, ACCESS_PLAY, "live/a/b", "10.0.0.1",
			  "token=t&lal_secret=x&n=1"),
		 GATE_WAITS);
	CHECK_EQ(rig.asked_count, 1);
	text = rig.asked[0].text;
	CHECK(strstr(text, "\"op\":\"play\""));
	CHECK(strstr(text, "\"protocol\":\"FLV\""));
	CHECK(strstr(text, "\"base_type\":\"SUB\""));
	CHECK(strstr(text, "\"app_name\":\"live\""));
	CHECK(strstr(text, "\"stream_name\":\"a/b\""));
	CHECK(strstr(text, "\"stream\":\"live/a/b\""));
	CHECK(strstr(text, "\"url_param\":\"token=t&n=1\""));
	CHECK(strstr(text, "\"remote_addr\":\"10.0.0.1:4711\""));
	CHECK(strstr(text, v.session.id));
	CHECK(rig.asked[0].deadline_ms >= 3000);
	go(&v);
	rig_end(&rig);
}

TEST(its_word_counts)
{
	static const struct {
		const char *json;
		enum reason why;
		const char *detail;
	} word[] = {
		{"{\"allow\":true}", REASON_none, ""},
		{"{\"allow\":false}", REASON_unauthorized, ""},
		{"{\"allow\":false,\"reason\":\"no \\\"money\\\"\"}",
		 REASON_unauthorized, "no ?money?"},
		{"{\"error\":\"late\"}", REASON_unauthorized,
		 "who decides did not answer in time"},
		{"{\"allow\":\"yes\"}", REASON_unauthorized,
		 "who decides did not answer in time"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(word); i++) {
		struct gate_rig rig = {.settings = HOOK_SETTINGS};
		struct visitor v;

		CHECK_EQ(rig_begin(&rig), 0);
		CHECK_EQ(visit_as(&v, &rig, ACCESS_PUBLISH, "live/a",
				  "10.0.0.1", ""),
			 GATE_WAITS);
		answer(&rig, 0, word[i].json);
		go(&v);
		rig_end(&rig);
		CHECK_EQ(v.words, 1);
		CHECK_EQ(v.why.why, word[i].why);
		CHECK_STR(v.why.detail, word[i].detail);
	}
}

TEST(one_question_is_asked_for_all_who_wait_for_the_same_answer)
{
	struct gate_rig rig = {.settings = HOOK_SETTINGS};
	struct visitor a, b, other;

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit(&a, &rig, "live/a", "10.0.0.1"), GATE_WAITS);
	CHECK_EQ(visit(&b, &rig, "live/a", "10.0.0.1"), GATE_WAITS);
	CHECK_EQ(rig.asked_count, 1);
	CHECK_EQ(visit(&other, &rig, "live/b", "10.0.0.1"), GATE_WAITS);
	CHECK_EQ(rig.asked_count, 2);
	answer(&rig, 0, "{\"allow\":true}");
	go(&a);
	go(&b);
	go(&other);
	rig_end(&rig);
	CHECK(a.words == 1 && !a.why.why);
	CHECK(b.words == 1 && !b.why.why);
	CHECK_EQ(other.words, 0);
}

TEST(long_tokens_that_differ_at_their_ends_are_two_questions)
{
	struct gate_rig rig = {.settings = HOOK_SETTINGS};
	char query[4000];
	struct visitor a, b;

	memset(query, 't', sizeof(query));
	query[sizeof(query) - 1] = '\0';
	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit_as(&a, &rig, ACCESS_PLAY, "live/a", "10.0.0.1", query),
		 GATE_WAITS);
	query[sizeof(query) - 2] = 'u';
	CHECK_EQ(visit_as(&b, &rig, ACCESS_PLAY, "live/a", "10.0.0.1", query),
		 GATE_WAITS);
	CHECK_EQ(rig.asked_count, 2);
	go(&a);
	go(&b);
	rig_end(&rig);
}

TEST(an_answer_holds_for_a_moment)
{
	struct gate_rig rig = {.settings = HOOK_SETTINGS};
	struct visitor first, second, third;

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit(&first, &rig, "live/a", "10.0.0.1"), GATE_WAITS);
	answer(&rig, 0, "{\"allow\":true}");
	rig.now_ms += 999;
	rig_tick(&rig);
	CHECK_EQ(visit(&second, &rig, "live/a", "10.0.0.1"), GATE_YES);
	rig.now_ms += 1;
	rig_tick(&rig);
	CHECK_EQ(visit(&third, &rig, "live/a", "10.0.0.1"), GATE_WAITS);
	CHECK_EQ(rig.asked_count, 2);
	go(&first);
	go(&second);
	go(&third);
	rig_end(&rig);
}

TEST(without_a_dispatch_it_is_tried_again_until_it_is_late)
{
	for (int allow = 0; allow < 2; allow++) {
		struct gate_rig rig = {.settings = HOOK_SETTINGS};
		struct visitor v;
		size_t tries = 0;

		rig.settings.webhook_on_timeout =
			allow ? ACCESS_TIMEOUT_ALLOW : ACCESS_TIMEOUT_DENY;
		CHECK_EQ(rig_begin(&rig), 0);
		CHECK_EQ(visit(&v, &rig, "live/a", "10.0.0.1"), GATE_WAITS);
		while (!v.words && rig.now_ms < 10000) {
			if (tries < rig.asked_count)
				fail(&rig, tries++);
			rig.now_ms = WEIR_MAX(rig.due_ms, rig.now_ms);
			rig_tick(&rig);
		}
		go(&v);
		rig_end(&rig);
		CHECK(tries > 10);
		CHECK(rig.now_ms >= 3000 && rig.now_ms < 4000);
		CHECK_EQ(v.why.why, allow ? REASON_none : REASON_unauthorized);
	}
}

TEST(a_second_dispatch_may_answer)
{
	struct gate_rig rig = {.settings = HOOK_SETTINGS};
	struct visitor v;

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit(&v, &rig, "live/a", "10.0.0.1"), GATE_WAITS);
	fail(&rig, 0);
	rig.now_ms = rig.due_ms;
	rig_tick(&rig);
	CHECK_EQ(rig.asked_count, 2);
	answer(&rig, 0, "{\"allow\":false}"); /* of the first, much too late */
	CHECK_EQ(v.words, 0);
	answer(&rig, 1, "{\"allow\":true}");
	go(&v);
	rig_end(&rig);
	CHECK(v.words == 1 && !v.why.why);
}

/* Too much is under way there, it ends, it has no memory. */
TEST(a_dispatch_that_did_not_ask_is_asked_again)
{
	static const char *const word[] = {
		"{\"busy\":true,\"error\":\"this dispatch ends\"}", "{}"};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(word); i++) {
		struct gate_rig rig = {.settings = HOOK_SETTINGS};
		struct visitor v;
		unsigned words;

		CHECK_EQ(rig_begin(&rig), 0);
		CHECK_EQ(visit(&v, &rig, "live/a", "10.0.0.1"), GATE_WAITS);
		answer(&rig, 0, word[i]);
		words = v.words;
		rig.now_ms = rig.due_ms;
		rig_tick(&rig);
		CHECK_EQ(rig.asked_count, 2);
		answer(&rig, 1, "{\"allow\":true}");
		go(&v);
		rig_end(&rig);
		CHECK_EQ(words, 0);
		CHECK(v.words == 1 && !v.why.why);
	}
}

/* Who asks for ever something else, and is refused each time, keeps nobody out
 * who comes then. */
TEST_NO_OOM(answers_that_are_remembered_make_room_for_questions)
{
	struct gate_rig rig = {.settings = HOOK_SETTINGS};
	unsigned refused = 0;

	CHECK_EQ(rig_begin(&rig), 0);
	for (unsigned i = 0; i < 10100; i++) {
		struct visitor v;
		char query[32];

		snprintf(query, sizeof(query), "n=%u", i);
		refused += visit_as(&v, &rig, ACCESS_PLAY, "live/a", "10.0.0.1",
				    query) != GATE_WAITS;
		answer(&rig, 0, "{\"allow\":false}");
		go(&v);
		while (rig.asked_count)
			free(rig.asked[--rig.asked_count].text);
	}
	rig_end(&rig);
	CHECK_EQ(refused, 0);
}

TEST(a_user_that_is_no_text_is_nobody)
{
	struct gate_rig rig = {.settings = HOOK_SETTINGS};
	struct visitor v;
	char user[16];

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit(&v, &rig, "live/a", "10.0.0.1"), GATE_WAITS);
	answer(&rig, 0, "{\"allow\":true,\"user\":\"b\xff\"}");
	snprintf(user, sizeof(user), "%s", gate_user(&v.pass));
	go(&v);
	rig_end(&rig);
	CHECK(v.words == 1 && !v.why.why);
	CHECK_STR(user, "");
}

/* Tokens are long, and end in what proves them. */
TEST(a_long_token_is_asked_about_whole)
{
	struct gate_rig rig = {.settings = HOOK_SETTINGS};
	struct visitor v;
	char query[3000];

	memset(query, 'x', sizeof(query));
	memcpy(query, "jwt=", 4);
	memcpy(query + sizeof(query) - 8, ".proof!", 8);
	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit_as(&v, &rig, ACCESS_PLAY, "live/a", "10.0.0.1", query),
		 GATE_WAITS);
	CHECK(strstr(rig.asked[0].text, ".proof!\""));
	go(&v);
	rig_end(&rig);
}

TEST(a_silent_dispatch_is_late_too)
{
	struct gate_rig rig = {.settings = HOOK_SETTINGS};
	struct visitor v;

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit(&v, &rig, "live/a", "10.0.0.1"), GATE_WAITS);
	rig.now_ms = rig.due_ms;
	rig_tick(&rig);
	go(&v);
	rig_end(&rig);
	CHECK_EQ(v.words, 1);
	CHECK_EQ(v.why.why, REASON_unauthorized);
}

TEST(who_left_hears_nothing_and_the_answer_is_for_the_next)
{
	struct gate_rig rig = {.settings = HOOK_SETTINGS};
	struct visitor gone, next;

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit(&gone, &rig, "live/a", "10.0.0.1"), GATE_WAITS);
	go(&gone);
	answer(&rig, 0, "{\"allow\":true}");
	CHECK_EQ(visit(&next, &rig, "live/a", "10.0.0.1"), GATE_YES);
	go(&next);
	rig_end(&rig);
	CHECK_EQ(gone.words, 0);
}

TEST(a_ban_counts_before_the_webhook_and_while_it_is_asked)
{
	struct gate_rig rig = {.settings = HOOK_SETTINGS};
	struct visitor waits, late;

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit(&waits, &rig, "live/a", "10.0.0.1"), GATE_WAITS);
	CHECK_EQ(rig_rule(&rig,
			  "{\"kind\":\"ban\",\"id\":\"x\","
			  "\"ip\":\"10.0.0.1\"}"),
		 0);
	gate_on_rules(rig.gate);
	rig_tick(&rig);
	CHECK_EQ(visit(&late, &rig, "live/a", "10.0.0.1"), GATE_NO);
	CHECK_EQ(rig.asked_count, 1);
	answer(&rig, 0, "{\"allow\":true}");
	go(&waits);
	go(&late);
	rig_end(&rig);
	CHECK_EQ(waits.words, 1);
	CHECK_EQ(waits.why.why, REASON_banned);
	CHECK_EQ(late.why.why, REASON_banned);
}

TEST(it_may_say_who_somebody_is_and_bans_of_that_one_count)
{
	struct gate_rig rig = {.settings = HOOK_SETTINGS};
	const struct gate_match bob = {.user = "bob"};
	struct visitor first, second, late;
	char user[16];

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit(&first, &rig, "live/a", "10.0.0.1"), GATE_WAITS);
	answer(&rig, 0, "{\"allow\":true,\"user\":\"bob\"}");
	snprintf(user, sizeof(user), "%s", gate_user(&first.pass));
	CHECK_EQ(gate_kick(rig.gate, &bob), 1);
	CHECK_EQ(rig_rule(&rig,
			  "{\"kind\":\"ban\",\"id\":\"x\","
			  "\"user\":\"bob\"}"),
		 0);
	gate_on_rules(rig.gate);
	rig_tick(&rig);
	CHECK_EQ(visit(&second, &rig, "live/a", "10.0.0.1"), GATE_NO);
	CHECK_EQ(visit(&late, &rig, "live/b", "10.0.0.1"), GATE_WAITS);
	answer(&rig, 1, "{\"allow\":true,\"user\":\"bob\"}");
	go(&first);
	go(&second);
	go(&late);
	rig_end(&rig);
	CHECK_STR(user, "bob");
	CHECK_EQ(second.why.why, REASON_banned);
	CHECK_EQ(late.words, 1);
	CHECK_EQ(late.why.why, REASON_banned);
}

TEST(who_waits_is_counted_already)
{
	struct gate_rig rig = {
		.settings = HOOK_SETTINGS,
		.limits = {.viewers_per_stream = 1},
	};
	struct visitor first, second, third;

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit(&first, &rig, "live/a", "10.0.0.1"), GATE_WAITS);
	CHECK_EQ(visit(&second, &rig, "live/a", "10.0.0.2"), GATE_NO);
	answer(&rig, 0, "{\"allow\":false}");
	CHECK_EQ(visit(&third, &rig, "live/a", "10.0.0.2"), GATE_WAITS);
	go(&first);
	go(&second);
	go(&third);
	rig_end(&rig);
	CHECK_EQ(first.why.why, REASON_unauthorized);
	CHECK_EQ(second.why.why, REASON_too_many);
}

TEST(a_kick_finds_who_waits)
{
	const struct gate_match who = {.stream = "live/a"};
	struct gate_rig rig = {.settings = HOOK_SETTINGS};
	struct visitor v;
	size_t kicked;

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit(&v, &rig, "live/a", "10.0.0.1"), GATE_WAITS);
	kicked = gate_kick(rig.gate, &who);
	answer(&rig, 0, "{\"allow\":true}");
	go(&v);
	rig_end(&rig);
	CHECK_EQ(kicked, 1);
	CHECK_EQ(v.ends, 1);
	CHECK_EQ(v.words, 0);
}
