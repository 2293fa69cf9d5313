/* common/member/gate_test.c - who is let in, who may stay, who is kicked. */
#include <stdio.h>
#include <stdlib.h>

#include "common/member/gate_visitor_test.h"

#define SECRET "0123456789abcdef"

TEST(without_rules_everybody_is_let_in)
{
	struct gate_rig rig = {0};
	struct visitor a, b;
	enum gate_word play, publish;

	CHECK_EQ(rig_begin(&rig), 0);
	play = visit(&a, &rig, "live/a", "10.0.0.1");
	publish = visit_as(&b, &rig, ACCESS_PUBLISH, "live/a", "10.0.0.2", "");
	go(&a);
	go(&b);
	rig_end(&rig);
	CHECK_EQ(play, GATE_YES);
	CHECK_EQ(publish, GATE_YES);
}

TEST(rules_refuse_who_comes_and_end_who_is_in)
{
	static const struct {
		const char *rule;
		enum reason why;
	} rule[] = {
		{"{\"kind\":\"ban\",\"id\":\"x\",\"ip\":\"10.0.0.1\"}",
		 REASON_banned},
		{"{\"kind\":\"ban\",\"id\":\"x\",\"stream\":\"live/a\"}",
		 REASON_banned},
		{"{\"kind\":\"deny\",\"id\":\"x\",\"cidr\":\"10.0.0.0/31\"}",
		 REASON_denied},
		{"{\"kind\":\"allow\",\"id\":\"x\",\"cidr\":\"10.0.0.2\","
		 "\"ops\":\"play\"}",
		 REASON_denied},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(rule); i++) {
		struct gate_rig rig = {0};
		struct visitor in, other, late;
		enum gate_word word;

		CHECK_EQ(rig_begin(&rig), 0);
		CHECK_EQ(visit(&in, &rig, "live/a", "10.0.0.1"), GATE_YES);
		CHECK_EQ(visit(&other, &rig, "live/b", "10.0.0.2"), GATE_YES);
		CHECK_EQ(rig_rule(&rig, rule[i].rule), 0);
		gate_on_rules(rig.gate);
		CHECK_EQ(in.ends, 0); /* not from inside */
		rig_tick(&rig);
		word = visit(&late, &rig, "live/a", "10.0.0.1");
		go(&in);
		go(&other);
		go(&late);
		rig_end(&rig);
		CHECK_EQ(in.ends, 1);
		CHECK_EQ(in.end, rule[i].why);
		CHECK_EQ(other.ends, 0);
		CHECK_EQ(word, GATE_NO);
		CHECK_EQ(late.why.why, rule[i].why);
	}
}

TEST(a_rule_of_another_operation_ends_nobody)
{
	struct gate_rig rig = {0};
	struct visitor v;

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit(&v, &rig, "live/a", "10.0.0.1"), GATE_YES);
	CHECK_EQ(rig_rule(&rig,
			  "{\"kind\":\"deny\",\"id\":\"x\","
			  "\"cidr\":\"10.0.0.1\",\"ops\":\"publish\"}"),
		 0);
	gate_on_rules(rig.gate);
	rig_tick(&rig);
	go(&v);
	rig_end(&rig);
	CHECK_EQ(v.ends, 0);
}

/* ---- signatures ---- */

static int sign(struct buf *out, const char *kid, const char *user)
{
	struct sign_claims c = {.exp_ms = 2000000, .ops = ACCESS_PLAY};

	snprintf(c.kid, sizeof(c.kid), "%s", kid);
	snprintf(c.user, sizeof(c.user), "%s", user);
	if (stream_pattern_parse(&c.streams, SPAN_LIT("live/*"), NULL))
		return WEIR_EINVAL;
	return sign_write(out, &c, SPAN_LIT(SECRET));
}

static int add_key(struct gate_rig *rig, const char *kid)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "{\"kind\":\"key\",\"id\":\"%s\",\"secret\":\"" SECRET "\"}",
		 kid);
	return rig_rule(rig, text);
}

TEST(a_signature_says_who_it_is_until_its_key_is_gone)
{
	struct gate_rig rig = {0};
	struct buf one = {0}, two = {0};
	struct visitor a, b;
	char user[16], credential[80];

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(add_key(&rig, "k1"), 0);
	CHECK_EQ(add_key(&rig, "k2"), 0);
	CHECK_EQ(sign(&one, "k1", "bob"), 0);
	CHECK_EQ(sign(&two, "k2", ""), 0);
	CHECK_EQ(visit_as(&a, &rig, ACCESS_PLAY, "live/a", "10.0.0.1",
			  buf_text(&one)),
		 GATE_YES);
	CHECK_EQ(visit_as(&b, &rig, ACCESS_PLAY, "live/a", "10.0.0.1",
			  buf_text(&two)),
		 GATE_YES);
	snprintf(user, sizeof(user), "%s", gate_user(&a.pass));
	snprintf(credential, sizeof(credential), "%s",
		 gate_credential(&a.pass));
	CHECK(ruleset_remove(rig.rules, RULES_REGISTRY, RULE_KEY, "k1"));
	gate_on_rules(rig.gate);
	rig_tick(&rig);
	CHECK_STR(gate_user(&b.pass), "");
	go(&a);
	go(&b);
	buf_fini(&one);
	buf_fini(&two);
	rig_end(&rig);
	CHECK_STR(user, "bob");
	CHECK(credential[0]);
	CHECK_EQ(a.ends, 1);
	CHECK_EQ(a.end, REASON_unauthorized);
	CHECK_EQ(b.ends, 0);
}

/* ---- kicking ---- */

TEST(a_kick_finds_sessions_streams_addresses_and_users)
{
	struct gate_rig rig = {0};
	struct buf signed_as_bob = {0};
	struct visitor v;
	unsigned kicked[7];

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(add_key(&rig, "k1"), 0);
	CHECK_EQ(sign(&signed_as_bob, "k1", "bob"), 0);
	for (unsigned i = 0; i < WEIR_ARRAY_LEN(kicked); i++) {
		struct gate_match who = {0};

		CHECK_EQ(visit_as(&v, &rig, ACCESS_PLAY, "live/a", "10.0.0.1",
				  buf_text(&signed_as_bob)),
			 GATE_YES);
		who.session_id = i == 0 ? v.session.id : NULL;
		who.stream = i == 1 ? "live/*" : i == 5 ? "live/b" : NULL;
		who.ip = i == 2 || i == 5 ? "10.0.0.0/24" : NULL;
		who.user = i == 3 ? "bob" : i == 4 ? "alice" : NULL;
		kicked[i] = (unsigned)gate_kick(rig.gate, &who); /* 6: none */
		CHECK_EQ(v.ends, kicked[i]);
		CHECK(!v.ends || v.end == REASON_kicked);
		go(&v);
	}
	buf_fini(&signed_as_bob);
	rig_end(&rig);
	CHECK_EQ(kicked[0] + kicked[1] + kicked[2] + kicked[3], 4);
	CHECK_EQ(kicked[4] + kicked[5] + kicked[6], 0);
}

TEST(the_call_of_dispatch_says_how_many_were_kicked)
{
	struct gate_rig rig = {0};
	struct json_object *args, *answer;
	struct visitor a, b;
	int64_t kicked;

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit(&a, &rig, "live/a", "10.0.0.1"), GATE_YES);
	CHECK_EQ(visit(&b, &rig, "live/a", "10.0.0.2"), GATE_YES);
	args = json_object_new_object();
	json_object_object_add(args, "stream",
			       json_object_new_string("live/a"));
	answer = gate_kick_json(rig.gate, args);
	kicked = member_json_int(answer, "kicked");
	json_object_put(args);
	json_object_put(answer);
	go(&a);
	go(&b);
	rig_end(&rig);
	CHECK_EQ(kicked, 2);
}

TEST(what_is_ours_is_kicked_but_not_put_out_by_rules)
{
	static const struct gate_names nobody = {"", "", ""};
	const struct gate_match who = {.stream = "live/a"};
	struct gate_rig rig = {0};
	struct visitor v = {.key = {"live/a"}};
	unsigned by_rule;

	CHECK_EQ(rig_begin(&rig), 0);
	session_init(&v.session, "RTMPPULL", "RTMP", "PULL", &v.key, &v.addr,
		     (struct span){0}, 0);
	CHECK_EQ(gate_adopt(rig.gate, &v.pass, ACCESS_PUBLISH, &v.session,
			    &v.addr, &nobody, &visitor_owner, &v),
		 0);
	v.pass.is_ours = true;
	CHECK_EQ(rig_rule(&rig,
			  "{\"kind\":\"ban\",\"id\":\"x\","
			  "\"stream\":\"live/a\"}"),
		 0);
	gate_on_rules(rig.gate);
	rig_tick(&rig);
	by_rule = v.ends;
	gate_kick(rig.gate, &who);
	go(&v);
	rig_end(&rig);
	CHECK_EQ(by_rule, 0);
	CHECK_EQ(v.ends, 1);
}

TEST(who_comes_from_another_process_is_judged_by_the_rules_of_now)
{
	static const struct gate_names bob = {"bob", "user:bob", ""};
	struct gate_rig rig = {0};
	struct visitor v = {.key = {"live/a"}};
	unsigned at_once;

	CHECK_EQ(rig_begin(&rig), 0);
	session_init(&v.session, "RTMPPUBSUB", "RTMP", "PUB", &v.key, &v.addr,
		     (struct span){0}, 0);
	CHECK_EQ(rig_rule(&rig,
			  "{\"kind\":\"ban\",\"id\":\"x\","
			  "\"user\":\"bob\"}"),
		 0);
	gate_on_rules(rig.gate);
	rig_tick(&rig);
	CHECK_EQ(gate_adopt(rig.gate, &v.pass, ACCESS_PUBLISH, &v.session,
			    &v.addr, &bob, &visitor_owner, &v),
		 0);
	at_once = v.ends;
	rig_tick(&rig);
	go(&v);
	rig_end(&rig);
	CHECK_EQ(at_once, 0);
	CHECK_EQ(v.ends, 1);
	CHECK_EQ(v.end, REASON_banned);
}

TEST_NO_OOM(many_are_checked_in_turns) /* many allocations */
{
	enum { MANY = 2500 };
	struct gate_rig rig = {0};
	struct visitor *v = calloc(MANY, sizeof(*v));
	unsigned ticks = 0, ended = 0;

	CHECK(v);
	CHECK_EQ(rig_begin(&rig), 0);
	for (unsigned i = 0; i < MANY; i++)
		CHECK_EQ(visit(&v[i], &rig, i % 2 ? "live/a" : "live/b",
			       "10.0.0.1"),
			 GATE_YES);
	CHECK_EQ(rig_rule(&rig,
			  "{\"kind\":\"ban\",\"id\":\"x\","
			  "\"stream\":\"live/a\"}"),
		 0);
	gate_on_rules(rig.gate);
	while (rig.due_ms <= rig.now_ms) {
		rig.due_ms = INT64_MAX;
		gate_tick(rig.gate);
		ticks++;
	}
	for (unsigned i = 0; i < MANY; i++) {
		ended += v[i].ends;
		CHECK_EQ(v[i].ends, i % 2);
		go(&v[i]);
	}
	rig_end(&rig);
	free(v);
	CHECK_EQ(ended, MANY / 2);
	CHECK(ticks >= 3);
}

/* ---- limits ---- */

TEST(one_stream_or_address_has_so_many_and_who_leaves_makes_room)
{
	struct gate_rig rig = {
		.limits = {.viewers_per_stream = 2,
			   .viewers_per_ip = 1,
			   .publishers_per_ip = 1},
	};
	struct visitor v[7];

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit(&v[0], &rig, "live/a", "10.0.0.1"), GATE_YES);
	CHECK_EQ(visit(&v[1], &rig, "live/a", "10.0.0.1"), GATE_NO);
	CHECK_EQ(visit(&v[2], &rig, "live/a", "10.0.0.2"), GATE_YES);
	CHECK_EQ(visit(&v[3], &rig, "live/a", "10.0.0.3"), GATE_NO);
	CHECK_EQ(visit(&v[4], &rig, "live/b", "10.0.0.3"), GATE_YES);
	CHECK_EQ(
		visit_as(&v[5], &rig, ACCESS_PUBLISH, "live/c", "10.0.0.1", ""),
		GATE_YES);
	CHECK_EQ(
		visit_as(&v[6], &rig, ACCESS_PUBLISH, "live/d", "10.0.0.1", ""),
		GATE_NO);
	CHECK_EQ(v[1].why.why, REASON_too_many);
	CHECK_STR(v[1].why.detail, "viewers from this address");
	CHECK_STR(v[3].why.detail, "viewers of this stream");
	CHECK_STR(v[6].why.detail, "publishers from this address");
	go(&v[0]);
	go(&v[1]);
	CHECK_EQ(visit(&v[0], &rig, "live/a", "10.0.0.1"), GATE_YES);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(v); i++)
		if (i != 1)
			go(&v[i]);
	rig_end(&rig);
}

TEST(who_is_handed_over_counts_beyond_the_limit)
{
	static const struct gate_names nobody = {"", "", ""};
	struct gate_rig rig = {.limits = {.publishers_per_ip = 1}};
	struct visitor first, handed = {.key = {"live/b"}}, third, fourth;

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit_as(&first, &rig, ACCESS_PUBLISH, "live/a", "10.0.0.1",
			  ""),
		 GATE_YES);
	CHECK_EQ(net_addr_parse(&handed.addr, "10.0.0.1:4712"), 0);
	session_init(&handed.session, "RTMPPUBSUB", "RTMP", "PUB", &handed.key,
		     &handed.addr, (struct span){0}, 0);
	CHECK_EQ(gate_adopt(rig.gate, &handed.pass, ACCESS_PUBLISH,
			    &handed.session, &handed.addr, &nobody,
			    &visitor_owner, &handed),
		 0);
	gate_count(&handed.pass);
	go(&first);
	CHECK_EQ(visit_as(&third, &rig, ACCESS_PUBLISH, "live/c", "10.0.0.1",
			  ""),
		 GATE_NO);
	CHECK_EQ(third.why.why, REASON_too_many);
	go(&third);
	go(&handed);
	CHECK_EQ(visit_as(&fourth, &rig, ACCESS_PUBLISH, "live/c", "10.0.0.1",
			  ""),
		 GATE_YES);
	go(&fourth);
	rig_end(&rig);
}

/* What comes of it when that address comes with that query. */
static enum reason try_by(struct gate_rig *rig, const char *ip,
			  const char *query)
{
	struct visitor v;
	enum reason why;

	visit_as(&v, rig, ACCESS_PLAY, "live/a", ip, query);
	why = v.why.why;
	go(&v);
	return why;
}

#define GUESS "lal_secret=guess"

TEST(who_guesses_is_refused_unseen_for_a_while)
{
	struct gate_rig rig = {.limits = {.failures_per_ip = 3}};
	enum reason tried[6];
	enum reason later;
	enum gate_word other;

	CHECK_EQ(rig_begin(&rig), 0);
	rig.settings.sub_httpflv_enable = true;
	for (size_t i = 0; i < WEIR_ARRAY_LEN(tried); i++)
		/* Of IPv6 all of a /64 are one. */
		tried[i] = try_by(
			&rig, i % 2 ? "[2001:db8::1]" : "[2001:db8::2]", GUESS);
	other = try_by(&rig, "[2001:db8:0:1::1]", GUESS) == REASON_unauthorized;
	rig.now_ms += 10000;
	later = try_by(&rig, "[2001:db8::1]", GUESS);
	rig_end(&rig);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(tried); i++)
		CHECK_EQ(tried[i],
			 i < 3 ? REASON_unauthorized : REASON_too_many);
	CHECK(other);
	CHECK_EQ(later, REASON_unauthorized);
}

/* Many share an address: what some of them guess keeps nobody out who is right,
 * and whose address has become old guesses nothing. */
TEST(who_guesses_keeps_out_nobody_who_is_right)
{
	struct gate_rig rig = {.limits = {.failures_per_ip = 2}};
	struct buf right = {0};
	enum reason after_old, after_guesses, other;

	CHECK_EQ(rig_begin(&rig), 0);
	rig.settings.signature = ACCESS_NEEDED_PLAY;
	CHECK_EQ(add_key(&rig, "k1"), 0);
	CHECK_EQ(sign(&right, "k1", ""), 0);
	rig.utc_ms = 2000000; /* it is old from now on */
	for (unsigned i = 0; i < 4; i++) {
		try_by(&rig, "10.0.0.1", buf_text(&right));
		try_by(&rig, "10.0.0.1", "");
	}
	after_old = try_by(&rig, "10.0.0.1", "");
	rig.utc_ms = 1000000;
	for (unsigned i = 0; i < 4; i++)
		try_by(&rig, "10.0.0.1", "weir_kid=k1&weir_sig=0");
	other = try_by(&rig, "10.0.0.1", "");
	after_guesses = try_by(&rig, "10.0.0.1", buf_text(&right));
	buf_fini(&right);
	rig_end(&rig);
	CHECK_EQ(after_old, REASON_unauthorized);
	CHECK_EQ(other, REASON_too_many);
	CHECK_EQ(after_guesses, REASON_none);
}

static enum gate_word load_and_visit(struct gate_rig *rig,
				     const struct node_load *load,
				     enum access_op op, struct visitor *v)
{
	gate_on_load(rig->gate, load);
	return visit_as(v, rig, op, "live/a", "10.0.0.1", "");
}

TEST(a_node_at_its_limit_lets_nobody_new_in)
{
	static const struct {
		struct node_load load;
		struct gate_usage usage;
		const char *detail; /* "": they are let in */
		bool is_publish;
	} at[] = {
		{{.out_bps = 999}, {0}, "", false},
		{{.out_bps = 1000}, {0}, "what it sends", false},
		{{.out_bps = 1000}, {0}, "", true},
		{{.memory_bytes = 4999}, {0}, "", false},
		{{.memory_bytes = 5000}, {0}, "memory", false},
		{{.memory_bytes = 5000}, {0}, "memory", true},
		{{.memory_bytes = 1799}, {0, 0, 2000}, "", false},
		{{.memory_bytes = 1800}, {0, 0, 2000}, "memory", false},
		{{.memory_bytes = 1800}, {0, 0, 2000}, "memory", true},
		{{0}, {94, 100, 0}, "", false},
		{{0}, {95, 100, 0}, "descriptors", false},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(at); i++) {
		struct gate_rig rig = {
			.limits = {.out_bps = 1000,
				   .memory_bytes = 5000,
				   .memory_percent = 90,
				   .descriptors_percent = 95},
			.usage = at[i].usage,
		};
		enum access_op op =
			at[i].is_publish ? ACCESS_PUBLISH : ACCESS_PLAY;
		enum reason full;
		struct visitor v;
		enum gate_word word;

		CHECK_EQ(rig_begin(&rig), 0);
		word = load_and_visit(&rig, &at[i].load, op, &v);
		full = gate_is_full(rig.gate, op);
		go(&v);
		rig_end(&rig);
		CHECK_EQ(word, at[i].detail[0] ? GATE_NO : GATE_YES);
		CHECK_STR(v.why.detail, at[i].detail);
		CHECK_EQ(full,
			 at[i].detail[0] ? REASON_overloaded : REASON_none);
	}
}

/* Each letter is a second: 'l' at the limit, 'b' just below it, 'i' idle enough. */
TEST(a_loop_is_too_busy_after_ten_seconds_until_it_is_clearly_less)
{
	static const struct {
		const char *seconds;
		bool is_full;
	} rows[] = {
		{"lllllllll", false},
		{"llllllllll", true},
		{"lllllllllblllllllll", false}, /* one after the other */
		{"llllllllllb", true},
		{"llllllllllbbbbbbbbbb", true},
		{"lllllllllli", false},
		{"llllllllllil", false},
		{"lllllllllliblllllllll", false},
		{"llllllllllillllllllll", true},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(rows); i++) {
		struct gate_rig rig = {.limits = {.busy_percent = 80}};
		struct node_load load = {0};
		enum gate_word word;
		struct visitor v;
		bool is_right;

		CHECK_EQ(rig_begin(&rig), 0);
		for (const char *s = rows[i].seconds; *s; s++) {
			load.busy_permille = *s == 'l'   ? 800
					     : *s == 'b' ? 750
							 : 749;
			gate_on_load(rig.gate, &load);
		}
		word = visit(&v, &rig, "live/a", "10.0.0.1");
		is_right = word == (rows[i].is_full ? GATE_NO : GATE_YES) &&
			   (!rows[i].is_full || !strcmp(v.why.detail, "time"));
		go(&v);
		rig_end(&rig);
		CHECK(is_right);
	}
}

/* Ten send 100 each: five more than that may come before the next second. */
TEST(viewers_of_this_second_count_as_what_they_will_be_sent)
{
	static const struct node_load load = {.out_bps = 1000};
	struct gate_rig rig = {.limits = {.out_bps = 1500}};
	struct visitor v[20];
	unsigned let_in = 0;

	CHECK_EQ(rig_begin(&rig), 0);
	for (size_t i = 0; i < 10; i++)
		CHECK_EQ(visit(&v[i], &rig, "live/a", "10.0.0.1"), GATE_YES);
	gate_on_load(rig.gate, &load);
	for (size_t i = 10; i < 20; i++)
		let_in += visit(&v[i], &rig, "live/a", "10.0.0.1") == GATE_YES;
	for (size_t i = 0; i < 20; i++) {
		CHECK_EQ(v[i].ends, 0);
		go(&v[i]);
	}
	rig_end(&rig);
	CHECK_EQ(let_in, 5);
}

/* ---- rules that are not known yet ---- */

TEST(who_comes_before_the_rules_are_known_waits_for_them)
{
	struct gate_rig rig = {.is_unknown = true};
	struct visitor in, out;
	enum gate_word word;

	CHECK_EQ(rig_begin(&rig), 0);
	word = visit(&in, &rig, "live/a", "10.0.0.1");
	CHECK_EQ(visit(&out, &rig, "live/a", "10.0.0.2"), GATE_WAITS);
	rig_tick(&rig);
	CHECK_EQ(in.words, 0);
	CHECK_EQ(rig_rule(&rig,
			  "{\"kind\":\"ban\",\"id\":\"x\","
			  "\"ip\":\"10.0.0.2\"}"),
		 0);
	rig.is_unknown = false;
	gate_on_rules(rig.gate);
	rig_tick(&rig);
	go(&in);
	go(&out);
	rig_end(&rig);
	CHECK_EQ(word, GATE_WAITS);
	CHECK_EQ(in.words, 1);
	CHECK_EQ(in.why.why, REASON_none);
	CHECK_EQ(out.words, 1);
	CHECK_EQ(out.why.why, REASON_banned);
}

TEST(rules_that_never_come_hold_nobody_for_ever)
{
	struct gate_rig rig = {.is_unknown = true};
	struct visitor v, late, gone;

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit(&v, &rig, "live/a", "10.0.0.1"), GATE_WAITS);
	CHECK_EQ(visit(&gone, &rig, "live/a", "10.0.0.1"), GATE_WAITS);
	go(&gone);
	CHECK_EQ(rig.due_ms, GATE_HOLD_MS);
	rig.now_ms = GATE_HOLD_MS;
	rig_tick(&rig);
	CHECK_EQ(visit(&late, &rig, "live/a", "10.0.0.1"), GATE_YES);
	go(&v);
	go(&late);
	rig_end(&rig);
	CHECK_EQ(v.words, 1);
	CHECK_EQ(v.why.why, REASON_none);
	CHECK_EQ(gone.words, 0);
}

TEST(a_gate_may_end_while_somebody_waits)
{
	struct gate_rig rig = {.is_unknown = true};
	struct visitor v;

	CHECK_EQ(rig_begin(&rig), 0);
	CHECK_EQ(visit(&v, &rig, "live/a", "10.0.0.1"), GATE_WAITS);
	rig_end(&rig);
	go(&v);
	CHECK_EQ(v.words, 0);
}
