/* services/edge/hls_hold_test.c - HLS viewers want a stream that nobody has yet. */
#include "services/edge/hls_hold.h"

#include <stdio.h>

#include "common/access/ruleset.h"
#include "services/edge/lonely_test.h"

#define LONG_MS 600000

static const struct streams_limits limits = {
	.fanout = {.wires_max = 8, .keep_idle_ms = 1000},
	.streams_max = HLS_HOLDS_MAX + 100,
	.idle_keep_ms = 0,
};

static const struct stream_key tv = {"tv/a"}, radio = {"radio/a"};

struct scene {
	struct lonely lonely;
	struct edge_stats stats;
	struct ruleset *rules;
	bool is_unknown;
	struct hls_holds holds;
};

static const struct ruleset *rules_of(void *ctx)
{
	struct scene *s = ctx;

	return s->is_unknown ? NULL : s->rules;
}

static void begin(struct scene *s)
{
	static const struct span json = SPAN_LIT(
		"[{\"kind\":\"pull\",\"streams\":\"tv/*\","
		"\"urls\":[\"rtmp://o/$key\"]}]");
	struct hls_holds_world world = {.ctx = s, .rules = rules_of};

	*s = (struct scene){0};
	lonely_begin(&s->lonely, &limits, &s->stats);
	CHECK_EQ(ruleset_new(&s->rules, 1), 0);
	CHECK_EQ(ruleset_load(s->rules, RULES_SETTINGS, json, NULL), 0);
	world.loop = s->lonely.loop;
	world.streams = s->lonely.streams;
	hls_holds_init(&s->holds, &world);
}

static void end(struct scene *s)
{
	hls_holds_fini(&s->holds);
	ruleset_free(&s->rules);
	lonely_end(&s->lonely);
}

/* How many streams the edge has, once those that nobody uses are gone. */
static uint64_t streams(struct scene *s)
{
	streams_tick(s->lonely.streams, loop_now_ms(s->lonely.loop) + LONG_MS);
	streams_measure(s->lonely.streams);
	return s->stats.streams;
}

TEST(a_stream_that_a_rule_may_fetch_is_wanted_by_who_asks_for_its_playlist)
{
	struct scene s;

	begin(&s);
	CHECK(!hls_is_held(&s.holds, &tv));
	CHECK(hls_hold(&s.holds, &tv, LONG_MS));
	CHECK(hls_is_held(&s.holds, &tv));
	CHECK_EQ(streams(&s), 1);
	hls_holds_tick(&s.holds);
	CHECK(hls_is_held(&s.holds, &tv));
	end(&s);
}

TEST(what_no_rule_may_fetch_is_not_wanted)
{
	struct scene s;

	begin(&s);
	CHECK(!hls_hold(&s.holds, &radio, LONG_MS));
	CHECK(!hls_is_held(&s.holds, &radio));
	s.is_unknown = true;
	CHECK(!hls_hold(&s.holds, &tv, LONG_MS));
	CHECK_EQ(streams(&s), 0);
	end(&s);
}

TEST(it_is_let_go_when_nobody_has_asked_for_so_long)
{
	struct scene s;

	begin(&s);
	CHECK(hls_hold(&s.holds, &tv, 0));
	hls_holds_tick(&s.holds);
	CHECK(!hls_is_held(&s.holds, &tv));
	CHECK_EQ(streams(&s), 0);
	/* The last who asks counts, also when the rule is gone. */
	CHECK(hls_hold(&s.holds, &tv, 0));
	s.is_unknown = true;
	CHECK(hls_hold(&s.holds, &tv, LONG_MS));
	CHECK_EQ(s.holds.count, 1);
	hls_holds_tick(&s.holds);
	CHECK(hls_is_held(&s.holds, &tv));
	CHECK_EQ(streams(&s), 1);
	end(&s);
	CHECK_EQ(s.holds.count, 0);
}

/* TEST_NO_OOM: a thousand streams for each allocation that fails would be long. */
TEST_NO_OOM(there_are_so_many_and_no_more_until_one_is_let_go)
{
	struct stream_key key;
	struct scene s;

	begin(&s);
	for (int i = 0; i < HLS_HOLDS_MAX; i++) {
		snprintf(key.text, sizeof(key.text), "tv/%d", i);
		CHECK(hls_hold(&s.holds, &key, i ? LONG_MS : 0));
	}
	CHECK(!hls_hold(&s.holds, &tv, LONG_MS));
	CHECK(hls_hold(&s.holds, &key, LONG_MS)); /* one of them */
	hls_holds_tick(&s.holds);
	CHECK(hls_hold(&s.holds, &tv, LONG_MS));
	CHECK_EQ(streams(&s), HLS_HOLDS_MAX);
	end(&s);
}
