/* common/member/gate_counts_test.c - what a gate tells dispatches, and what it
 * makes of their answers.
 */
#include "common/member/gate_counts.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/test/check.h"

#define ASKED_MAX 16

struct rig {
	struct gate_counts counts;
	struct counts_world world;
	link_id link[COUNTS_PEERS_MAX + 2];
	size_t link_count;
	int64_t now_ms, due_ms;
	struct {
		link_id link;
		uint64_t tag;
		char text[512];
	} asked[ASKED_MAX];
	size_t asked_count; /* the last of them is the last one */
};

static size_t rig_dispatches(void *ctx, link_id *out, size_t max)
{
	struct rig *r = ctx;
	size_t count = WEIR_MIN(r->link_count, max);

	memcpy(out, r->link, count * sizeof(*out));
	return count;
}

static int rig_ask(void *ctx, link_id link, uint64_t tag,
		   struct json_object *args, uint32_t deadline_ms)
{
	struct rig *r = ctx;
	size_t i = r->asked_count++ % ASKED_MAX;
	const char *text = json_object_to_json_string_ext(
		args, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	CHECK_EQ(deadline_ms, COUNTS_ANSWER_MS);
	r->asked[i].link = link;
	r->asked[i].tag = tag;
	snprintf(r->asked[i].text, sizeof(r->asked[i].text), "%s",
		 text ? text : "");
	return 0;
}

static void rig_wake_at(void *ctx, int64_t due_ms)
{
	struct rig *r = ctx;

	r->due_ms = WEIR_MIN(r->due_ms, due_ms);
}

/* Until nothing is due by then. */
static void run_until(struct rig *r, int64_t ms)
{
	while (r->due_ms <= ms) {
		r->now_ms = WEIR_MAX(r->now_ms, r->due_ms);
		r->due_ms = INT64_MAX;
		rig_wake_at(r, gate_counts_tick(&r->counts, r->now_ms));
	}
	r->now_ms = ms;
}

/* With so many dispatches, and these limits. */
static void begin(struct rig *r, size_t links, uint32_t streams,
		  uint32_t viewers)
{
	const uint32_t limit[COUNTS_KINDS] = {streams, viewers, 0};

	*r = (struct rig){.now_ms = 10000, .due_ms = INT64_MAX};
	r->world =
		(struct counts_world){r, rig_dispatches, rig_ask, rig_wake_at};
	for (; r->link_count < links; r->link_count++)
		r->link[r->link_count] = (link_id)(100 + r->link_count);
	gate_counts_init(&r->counts, limit, 1);
	gate_counts_start(&r->counts, &r->world);
	run_until(r, r->now_ms);
}

static void end(struct rig *r)
{
	gate_counts_fini(&r->counts);
}

static const char *text_of(const struct rig *r, size_t back)
{
	return r->asked[(r->asked_count - 1 - back) % ASKED_MAX].text;
}

/* The last question but `back` is answered so. */
static void answer_at(struct rig *r, size_t back, const char *json)
{
	struct json_object *o = json_tokener_parse(json);

	CHECK(o);
	gate_counts_answer(
		&r->counts,
		r->asked[(r->asked_count - 1 - back) % ASKED_MAX].tag, 0, o,
		r->now_ms);
	json_object_put(o);
}

static void answer(struct rig *r, const char *json)
{
	answer_at(r, 0, json);
}

static void fail(struct rig *r, int err)
{
	gate_counts_answer(&r->counts,
			   r->asked[(r->asked_count - 1) % ASKED_MAX].tag, err,
			   NULL, r->now_ms);
}

static int enter(struct rig *r, const char *stream)
{
	return gate_counts_enter(&r->counts, COUNTS_STREAMS, span_str(stream));
}

static void leave(struct rig *r, const char *stream)
{
	gate_counts_leave(&r->counts, COUNTS_STREAMS, span_str(stream));
}

static struct gate_counts_stats stats_of(const struct rig *r)
{
	struct gate_counts_stats s;

	gate_counts_read(&r->counts, &s);
	return s;
}

static bool says(const struct rig *r, const char *part)
{
	return strstr(text_of(r, 0), part);
}

TEST(without_limits_nothing_is_counted_and_nobody_is_told)
{
	struct rig r;

	begin(&r, 1, 0, 0);
	CHECK_EQ(enter(&r, "live/a"), 0);
	run_until(&r, 20000);
	leave(&r, "live/a");
	CHECK_EQ(r.asked_count, 0);
	CHECK_EQ(stats_of(&r).names, 0);
	end(&r);
}

TEST(without_a_dispatch_its_own_are_counted)
{
	struct rig r;

	begin(&r, 0, 2, 0);
	CHECK_EQ(enter(&r, "live/a"), 0);
	CHECK_EQ(enter(&r, "live/a"), 0);
	CHECK_EQ(enter(&r, "live/a"), WEIR_ELIMIT);
	CHECK_EQ(enter(&r, "live/b"), 0);
	CHECK_EQ(gate_counts_enter(&r.counts, COUNTS_VIEWERS,
				   SPAN_LIT("10.0.0.1")),
		 0); /* has no limit */
	run_until(&r, 20000);
	leave(&r, "live/a");
	CHECK_EQ(enter(&r, "live/a"), 0);
	CHECK_EQ(r.asked_count, 0);
	CHECK_EQ(stats_of(&r).names, 2);
	CHECK_EQ(stats_of(&r).refused, 0); /* because of others */
	end(&r);
}

TEST(a_dispatch_is_told_all_and_then_what_changes)
{
	struct rig r;

	begin(&r, 0, 9, 0);
	CHECK_EQ(enter(&r, "live/a"), 0);
	CHECK_EQ(enter(&r, "live/b"), 0);
	r.link[r.link_count++] = 7;
	run_until(&r, 11000);
	CHECK_EQ(r.asked_count, 1);
	CHECK_EQ(r.asked[0].link, 7);
	CHECK(says(&r, "{\"streams\":{\"live/a\":1,\"live/b\":1},"));
	CHECK(says(&r, "\"seq\":0,\"limits\":{\"streams\":9,"));
	CHECK_EQ(stats_of(&r).dispatches, 0);
	answer(&r, "{\"seq\":0}");
	CHECK_EQ(stats_of(&r).dispatches, 1);
	CHECK_EQ(enter(&r, "live/b"), 0);
	run_until(&r, 11200);
	CHECK_EQ(r.asked_count, 2);
	CHECK(says(&r, "{\"streams\":{\"live/b\":2},"));
	CHECK(says(&r, "\"seq\":1}"));
	CHECK_EQ(enter(&r, "live/b"), 0); /* it is asked: this waits */
	leave(&r, "live/a");
	run_until(&r, 11900);
	CHECK_EQ(r.asked_count, 2);
	answer(&r, "{\"seq\":1}");
	run_until(&r, 11900);
	CHECK_EQ(r.asked_count, 3);
	CHECK(says(&r, "{\"streams\":{\"live/b\":3,\"live/a\":0},"));
	end(&r);
}

TEST(without_news_it_tells_once_a_second)
{
	struct rig r;

	begin(&r, 1, 9, 0);
	CHECK_EQ(r.asked_count, 1);
	answer(&r, "{\"seq\":0}");
	run_until(&r, r.now_ms + COUNTS_EACH_MS - 1);
	CHECK_EQ(r.asked_count, 1);
	run_until(&r, r.now_ms + 1);
	CHECK_EQ(r.asked_count, 2);
	answer(&r, "{\"seq\":1}");
	run_until(&r, r.now_ms + 500);
	CHECK_EQ(enter(&r, "live/a"), 0);
	run_until(&r, r.now_ms); /* there was rest enough: at once */
	CHECK_EQ(r.asked_count, 3);
	end(&r);
}

TEST(what_others_have_counts_here)
{
	struct rig r;

	begin(&r, 1, 3, 0);
	CHECK_EQ(enter(&r, "live/a"), 0);
	answer(&r, "{\"seq\":0,\"streams\":{\"live/a\":1,\"live/full\":3}}");
	CHECK_EQ(stats_of(&r).full, 1);
	CHECK_EQ(enter(&r, "live/full"), WEIR_ELIMIT);
	CHECK_EQ(enter(&r, "live/a"), 0);
	CHECK_EQ(stats_of(&r).full, 2);
	CHECK_EQ(enter(&r, "live/a"), WEIR_ELIMIT);
	CHECK_EQ(stats_of(&r).refused, 2);
	CHECK_EQ(stats_of(&r).names, 1);
	run_until(&r, r.now_ms + COUNTS_GAP_MS);
	answer(&r, "{\"seq\":1,\"streams\":{\"live/a\":0,\"live/full\":0}}");
	CHECK_EQ(stats_of(&r).full, 0);
	CHECK_EQ(enter(&r, "live/a"), 0);
	CHECK_EQ(enter(&r, "live/full"), 0);
	CHECK_EQ(enter(&r, "live/a"), WEIR_ELIMIT); /* its own */
	CHECK_EQ(stats_of(&r).refused, 2);
	end(&r);
}

TEST(while_something_is_full_it_asks_more_often)
{
	struct rig r;

	begin(&r, 1, 3, 0);
	answer(&r, "{\"seq\":0,\"streams\":{\"live/a\":3}}");
	run_until(&r, r.now_ms + COUNTS_GAP_MS);
	CHECK_EQ(r.asked_count, 2);
	CHECK(!says(&r, "live/a"));
	answer(&r, "{\"seq\":1,\"streams\":{\"live/a\":0}}");
	run_until(&r, r.now_ms + COUNTS_GAP_MS);
	CHECK_EQ(r.asked_count, 2);
	end(&r);
}

TEST(who_is_in_already_is_counted_beyond_the_limit)
{
	struct rig r;

	begin(&r, 0, 1, 0);
	CHECK_EQ(enter(&r, "live/a"), 0);
	CHECK_EQ(gate_counts_adopt(&r.counts, COUNTS_STREAMS,
				   SPAN_LIT("live/a")),
		 0);
	leave(&r, "live/a");
	CHECK_EQ(enter(&r, "live/a"), WEIR_ELIMIT);
	leave(&r, "live/a");
	CHECK_EQ(enter(&r, "live/a"), 0);
	end(&r);
}

TEST(who_moves_here_has_room_where_others_may_still_count_it)
{
	struct rig r;

	begin(&r, 1, 2, 0);
	answer(&r, "{\"seq\":0,\"streams\":{\"live/a\":2}}");
	CHECK_EQ(enter(&r, "live/a"), WEIR_ELIMIT);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(gate_counts_move(&r.counts, COUNTS_STREAMS,
					  SPAN_LIT("live/a")),
			 0);
	CHECK_EQ(
		gate_counts_move(&r.counts, COUNTS_STREAMS, SPAN_LIT("live/a")),
		WEIR_ELIMIT); /* its own */
	end(&r);
}

TEST(of_two_dispatches_the_one_that_knows_more_is_believed)
{
	struct rig r;

	begin(&r, 2, 5, 0);
	CHECK_EQ(r.asked_count, 2);
	answer_at(&r, 1, "{\"seq\":0,\"streams\":{\"live/a\":5}}");
	answer_at(&r, 0, "{\"seq\":0,\"streams\":{\"live/b\":5}}");
	CHECK_EQ(stats_of(&r).dispatches, 2);
	CHECK_EQ(enter(&r, "live/a"), WEIR_ELIMIT);
	CHECK_EQ(enter(&r, "live/b"), WEIR_ELIMIT);
	CHECK_EQ(enter(&r, "live/c"), 0);
	run_until(&r, r.now_ms + COUNTS_GAP_MS);
	CHECK_EQ(r.asked_count, 4); /* each hears of it */
	CHECK(strstr(text_of(&r, 0), "live/c"));
	CHECK(strstr(text_of(&r, 1), "live/c"));
	end(&r);
}

/* All that it is asked is answered so, as the seq goes on. */
static void answer_each(struct rig *r, int64_t until_ms)
{
	while (r->now_ms < until_ms) {
		size_t before = r->asked_count;
		char text[32];

		run_until(r, r->now_ms + COUNTS_GAP_MS);
		for (size_t i = r->asked_count - before; i > 0; i--) {
			const char *seq = strstr(text_of(r, i - 1), "\"seq\":");

			CHECK(seq);
			snprintf(text, sizeof(text), "{\"seq\":%lu}",
				 strtoul(seq + 6, NULL, 10));
			answer_at(r, i - 1, text);
		}
	}
}

TEST(the_word_of_a_dispatch_that_is_gone_holds_for_a_while)
{
	struct rig r;

	begin(&r, 1, 2, 0);
	answer(&r, "{\"seq\":0,\"streams\":{\"live/a\":2}}");
	r.link_count = 0;
	run_until(&r, r.now_ms + COUNTS_EACH_MS);
	CHECK_EQ(stats_of(&r).dispatches, 0);
	CHECK_EQ(enter(&r, "live/a"), WEIR_ELIMIT);
	run_until(&r, r.now_ms + COUNTS_KEEP_MS);
	CHECK_EQ(enter(&r, "live/a"), 0);
	end(&r);
}

TEST(a_dispatch_that_came_again_is_believed_once_it_has_heard_of_all)
{
	struct rig r;

	begin(&r, 1, 2, 0);
	answer(&r, "{\"seq\":0,\"streams\":{\"live/a\":2}}");
	r.link[0]++; /* it is another link */
	answer_each(&r, r.now_ms + 2000);
	CHECK_EQ(stats_of(&r).dispatches, 1);
	CHECK_EQ(enter(&r, "live/a"), WEIR_ELIMIT);
	answer_each(&r, r.now_ms + 2000);
	CHECK_EQ(enter(&r, "live/a"), 0);
	end(&r);
}

TEST(a_talk_that_breaks_off_begins_anew_with_all)
{
	static const char *const bad[] = {
		"{}",
		"{\"seq\":2}",
		"{\"seq\":1,\"again\":true}",
		"{\"seq\":1,\"streams\":[]}",
		NULL, /* no answer */
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		uint64_t tag;
		struct rig r;

		begin(&r, 1, 9, 0);
		answer(&r, "{\"seq\":0}");
		CHECK_EQ(enter(&r, "live/a"), 0);
		run_until(&r, r.now_ms + COUNTS_GAP_MS);
		CHECK_EQ(r.asked_count, 2);
		tag = r.asked[1].tag;
		if (bad[i])
			answer(&r, bad[i]);
		else
			fail(&r, WEIR_ETIMEOUT);
		CHECK_EQ(stats_of(&r).failed, 1);
		CHECK_EQ(stats_of(&r).dispatches, 0);
		run_until(&r, r.now_ms + COUNTS_EACH_MS);
		CHECK_EQ(r.asked_count, 3);
		CHECK(says(&r, "{\"streams\":{\"live/a\":1},"));
		CHECK(says(&r, "\"seq\":0,\"limits\":"));
		CHECK(r.asked[2].tag != tag);
		gate_counts_answer(&r.counts, tag, WEIR_ECLOSED, NULL,
				   r.now_ms); /* of the old one */
		CHECK_EQ(stats_of(&r).failed, 1);
		end(&r);
	}
}

TEST(names_go_when_nobody_is_here_and_all_know_that)
{
	struct rig r;

	begin(&r, 1, 9, 0);
	answer(&r, "{\"seq\":0}");
	CHECK_EQ(enter(&r, "live/a"), 0);
	run_until(&r, r.now_ms + COUNTS_GAP_MS);
	answer(&r, "{\"seq\":1,\"streams\":{\"live/a\":4}}");
	leave(&r, "live/a");
	CHECK_EQ(r.counts.names.count, 1);
	run_until(&r, r.now_ms + COUNTS_GAP_MS);
	CHECK(says(&r, "{\"streams\":{\"live/a\":0},"));
	CHECK_EQ(r.counts.names.count, 1); /* others have it */
	answer(&r, "{\"seq\":2,\"streams\":{\"live/a\":0}}");
	CHECK_EQ(r.counts.names.count, 0);
	/* Nor does one stay that only a dispatch that is gone should hear of. */
	CHECK_EQ(enter(&r, "live/b"), 0);
	run_until(&r, r.now_ms + COUNTS_GAP_MS);
	leave(&r, "live/b");
	CHECK_EQ(r.counts.names.count, 1);
	fail(&r, WEIR_ECLOSED);
	r.link_count = 0;
	run_until(&r, r.now_ms + COUNTS_KEEP_MS);
	CHECK_EQ(r.counts.names.count, 0);
	end(&r);
}

TEST(a_dispatch_that_comes_and_goes_often_is_told_each_time)
{
	struct rig r;

	begin(&r, 1, 2, 0);
	for (unsigned i = 0; i < 3 * COUNTS_PEERS_MAX; i++) {
		size_t asked = r.asked_count;

		answer(&r, "{\"seq\":0,\"streams\":{\"live/a\":2}}");
		CHECK_EQ(enter(&r, "live/a"), WEIR_ELIMIT);
		r.link[0]++;
		run_until(&r, r.now_ms + 2 * COUNTS_EACH_MS);
		CHECK(r.asked_count > asked);
		CHECK(says(&r, "\"seq\":0,"));
	}
	end(&r);
}

/* TEST_NO_OOM: thousands of allocations. */
TEST_NO_OOM(much_that_was_said_is_forgotten_in_turns)
{
	enum { MANY = 3 * COUNTS_CLEAR_NAMES };
	struct rig r;
	unsigned ticks = 0;

	begin(&r, 1, 2, 0);
	for (unsigned i = 0; i < MANY; i++) {
		char name[16];

		snprintf(name, sizeof(name), "live/%u", i);
		CHECK_EQ(gate_counts_hear(&r.counts, 0, COUNTS_STREAMS,
					  span_str(name), 2),
			 0);
	}
	answer(&r, "{\"seq\":0}");
	CHECK_EQ(stats_of(&r).full, MANY);
	r.link_count = 0;
	run_until(&r, r.now_ms + COUNTS_EACH_MS);
	run_until(&r, r.now_ms + COUNTS_KEEP_MS - COUNTS_EACH_MS);
	CHECK_EQ(stats_of(&r).full, MANY);
	for (; stats_of(&r).full && ticks < 2000; ticks++)
		run_until(&r, r.now_ms + 1);
	CHECK(ticks >= COUNTS_MORE_MS && ticks < 2000);
	CHECK_EQ(r.counts.names.count, 0);
	end(&r);
}

TEST(what_is_long_is_told_in_parts_without_delay)
{
	char name[64];
	struct rig r;

	begin(&r, 0, 9, 0);
	for (unsigned i = 0; i < COUNTS_PAGE_NAMES + 3; i++) {
		snprintf(name, sizeof(name), "live/%u", i);
		if (enter(&r, name))
			break; /* without memory */
	}
	CHECK_EQ(stats_of(&r).names, COUNTS_PAGE_NAMES + 3);
	r.link_count = 1;
	run_until(&r, r.now_ms + COUNTS_GAP_MS);
	CHECK_EQ(r.asked_count, 1);
	answer(&r, "{\"seq\":0}");
	CHECK_EQ(stats_of(&r).dispatches, 0);
	run_until(&r, r.now_ms + COUNTS_MORE_MS);
	CHECK_EQ(r.asked_count, 2);
	CHECK(says(&r,
		   "{\"streams\":{\"live/1000\":1,\"live/1001\":1,"
		   "\"live/1002\":1},"));
	answer(&r, "{\"seq\":1,\"more\":true}");
	run_until(&r, r.now_ms + COUNTS_MORE_MS);
	CHECK_EQ(r.asked_count, 3);
	CHECK_EQ(stats_of(&r).dispatches, 0);
	answer(&r, "{\"seq\":2}");
	CHECK_EQ(stats_of(&r).dispatches, 1);
	end(&r);
}

TEST(more_dispatches_than_are_needed_are_left_alone)
{
	struct rig r;

	begin(&r, 0, 9, 0);
	r.link_count = WEIR_ARRAY_LEN(r.link);
	for (size_t i = 0; i < r.link_count; i++)
		r.link[i] = (link_id)(1 + i);
	run_until(&r, r.now_ms + COUNTS_GAP_MS);
	CHECK_EQ(r.asked_count, COUNTS_PEERS_MAX);
	end(&r);
}

TEST(names_that_only_others_have_have_an_end)
{
	struct rig r;

	begin(&r, 1, 2, 0);
	r.counts.foreign_count = COUNTS_FOREIGN_MAX - 1; /* as if they were */
	answer(&r, "{\"seq\":0,\"streams\":{\"live/a\":2,\"live/b\":2}}");
	CHECK_EQ(r.counts.names.count, 1);
	CHECK_EQ(stats_of(&r).left_out, 1);
	CHECK_EQ(enter(&r, "live/a"), WEIR_ELIMIT);
	CHECK_EQ(enter(&r, "live/b"), 0); /* what is here has room */
	CHECK_EQ(r.counts.names.count, 2);
	end(&r);
}

TEST(once_stopped_it_tells_nobody)
{
	struct rig r;

	begin(&r, 1, 9, 0);
	gate_counts_stop(&r.counts);
	r.due_ms = INT64_MAX;
	CHECK_EQ(enter(&r, "live/a"), 0);
	leave(&r, "live/a");
	CHECK_EQ(r.due_ms, INT64_MAX);
	CHECK_EQ(gate_counts_tick(&r.counts, r.now_ms + 5000), INT64_MAX);
	end(&r);
}
