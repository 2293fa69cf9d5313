/* common/member/calls_test.c - answers that come although memory does not. */
#include "common/io/loop_wait.h"
#include "common/member/internal.h"
#include "common/test/alloc.h"
#include "common/test/check.h"

struct scene {
	struct loop *loop;
	struct member m;
	unsigned answers, scripts;
	uint64_t tag;
	int err;
};

static bool on_answer(void *ctx, uint64_t tag, const struct answer *a,
		      int64_t now_ms)
{
	struct scene *s = ctx;

	(void)now_ms;
	s->answers++;
	s->tag = tag;
	s->err = a->err;
	return true;
}

static bool on_script(void *ctx, uint64_t tag, const struct script_result *r,
		      int64_t now_ms)
{
	struct scene *s = ctx;

	(void)now_ms;
	s->scripts++;
	s->tag = tag;
	s->err = r->err;
	return true;
}

static int64_t tick(void *ctx, int64_t now_ms)
{
	(void)ctx;
	(void)now_ms;
	return INT64_MAX;
}

static void on_timer(struct scene *s)
{
	(void)s;
}

/* As much of a member as an answer passes. */
static void begin(struct scene *s)
{
	static const struct member_events events = {
		.on_answer = on_answer,
		.on_script = on_script,
		.tick = tick,
	};

	*s = (struct scene){.m = {.events = &events, .ctx = s}};
	CHECK_EQ(loop_new(&s->loop), 0);
	s->m.loop = s->loop;
	list_init(&s->m.deferred);
	list_init(&s->m.scripts);
	list_init(&s->m.asked);
	list_init(&s->m.named);
	list_init(&s->m.dials);
	CHECK_EQ(timer_new(&s->m.timer, s->loop, on_timer, s), 0);
}

static void end(struct scene *s)
{
	pass_task_cancel(&s->m.pass_end);
	pass_task_cancel(&s->m.deferred_task);
	calls_fini(&s->m);
	timer_free(&s->m.timer);
	loop_free(&s->loop);
}

TEST(an_answer_comes_later_and_never_from_inside_the_question)
{
	struct scene s;

	begin(&s);
	calls_answer_later(&s.m, 7, &(struct answer){.err = WEIR_ECLOSED});
	CHECK_EQ(s.answers, 0);
	CHECK(LOOP_UNTIL(s.loop, s.answers == 1));
	CHECK_EQ(s.tag, 7);
	CHECK(test_is_starved() || s.err == WEIR_ECLOSED);
	end(&s);
}

/* TEST_NO_OOM: it has its own lack. */
TEST_NO_OOM(without_memory_an_answer_comes_all_the_same_and_says_so)
{
	const void *starved;
	struct scene s;

	begin(&s);
	alloc_begin(0, &starved);
	calls_answer_later(&s.m, 8, &(struct answer){.err = WEIR_ECLOSED});
	alloc_begin(ALLOC_NEVER, &starved);
	CHECK_EQ(s.answers, 0);
	CHECK(LOOP_UNTIL(s.loop, s.answers == 1));
	CHECK_EQ(s.tag, 8);
	CHECK_EQ(s.err, alloc_is_wrapped() ? WEIR_ENOMEM : WEIR_ECLOSED);
	end(&s);
}

TEST(a_script_that_had_no_memory_is_answered_once)
{
	struct scene s;

	begin(&s);
	calls_owe(&s.m, 9, true);
	CHECK_EQ(s.scripts, 0);
	CHECK(LOOP_UNTIL(s.loop, s.scripts == 1));
	CHECK_EQ(s.tag, 9);
	CHECK_EQ(s.err, WEIR_ETIMEOUT);
	CHECK_EQ(s.answers, 0);
	end(&s);
}

TEST(of_more_than_are_kept_the_rest_is_left_to_time_outs)
{
	struct scene s;

	begin(&s);
	for (uint64_t i = 0; i < OWED_MAX + 5; i++)
		calls_owe(&s.m, i, i % 2);
	CHECK(LOOP_UNTIL(s.loop, s.answers + s.scripts == OWED_MAX));
	CHECK_EQ(s.answers, OWED_MAX / 2);
	calls_owe(&s.m, 3, true); /* there is room again */
	CHECK(LOOP_UNTIL(s.loop, s.scripts == OWED_MAX / 2 + 1));
	end(&s);
}

/* Nobody listens at port 1 of this machine. */
static void open_store(struct scene *s)
{
	static const struct store_events events;
	const struct store_options o = {
		.url = "127.0.0.1:1",
		.self.ref = {.id = "a", .role = "origin", .instance = {{1}}},
	};

	CHECK_EQ(store_new(&s->m.store, s->loop, &o, &events, s, NULL), 0);
}

/* TEST_NO_OOM: store_alone_test has the store's own lacks. */
TEST_NO_OOM(a_script_is_answered_later)
{
	const struct script_call call = {.kind = SCRIPT_LOST};
	struct scene s;

	begin(&s);
	open_store(&s);
	calls_script(&s.m, 11, &call);
	CHECK_EQ(s.scripts, 0);
	CHECK(LOOP_UNTIL(s.loop, s.scripts == 1));
	CHECK_EQ(s.tag, 11);
	CHECK_EQ(s.err, WEIR_ETIMEOUT);
	store_free(&s.m.store);
	end(&s);
}

TEST(a_script_that_runs_when_all_ends_leaves_nothing_behind)
{
	const struct script_call call = {.kind = SCRIPT_LOST};
	struct scene s;

	begin(&s);
	open_store(&s);
	calls_script(&s.m, 12, &call);
	store_free(&s.m.store);
	end(&s);
	CHECK_EQ(s.scripts, 0);
}
