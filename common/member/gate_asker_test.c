/* common/member/gate_asker_test.c - dispatches that answer, are slow, freeze, go. */
#include "common/member/gate_priv.h"
#include "common/test/check.h"

#define CALLS_MAX 64
#define SIGN_MS   250

/* What was called, and is not answered yet. */
struct called {
	link_id link;
	bool is_sign;
	uint32_t deadline_ms;
	member_answer_fn *fn; /* NULL: answered */
	void *ctx;
};

struct scene {
	struct gate_asker asker;
	struct asker_world world;
	int64_t now_ms, due_ms;
	link_id dispatch[ASKER_DISPATCHES_MAX];
	size_t dispatch_count;
	bool is_broken; /* calls fail */
	struct called call[CALLS_MAX];
	size_t call_count;
	/* The last one. */
	unsigned answers;
	uint64_t tag;
	int err;
};

static int64_t now_ms(void *ctx)
{
	return ((struct scene *)ctx)->now_ms;
}

static size_t dispatches(void *ctx, link_id *out, size_t max)
{
	struct scene *s = ctx;

	CHECK(s->dispatch_count <= max);
	memcpy(out, s->dispatch, s->dispatch_count * sizeof(*out));
	return s->dispatch_count;
}

static int call(void *ctx, link_id link, const char *name,
		struct json_object *args, uint32_t deadline_ms,
		member_answer_fn *fn, void *fn_ctx)
{
	struct scene *s = ctx;

	(void)args;
	if (s->is_broken)
		return WEIR_ENOMEM;
	BUG_ON(s->call_count == CALLS_MAX);
	s->call[s->call_count++] = (struct called){link, !strcmp(name, "alive"),
						   deadline_ms, fn, fn_ctx};
	return 0;
}

static void answered(void *ctx, uint64_t tag, int err, struct json_object *json)
{
	struct scene *s = ctx;

	(void)json;
	s->answers++;
	s->tag = tag;
	s->err = err;
}

static void wake_at(void *ctx, int64_t due_ms)
{
	struct scene *s = ctx;

	s->due_ms = WEIR_MIN(s->due_ms, due_ms);
}

static void begin(struct scene *s, size_t dispatch_count)
{
	*s = (struct scene){
		.due_ms = INT64_MAX,
		.dispatch = {11, 12, 13},
		.dispatch_count = dispatch_count,
		.world = {s, now_ms, dispatches, call, answered, wake_at},
	};
	asker_init(&s->asker, &s->world, SIGN_MS);
}

/* Until nothing is due now. */
static void tick(struct scene *s)
{
	while (s->due_ms <= s->now_ms) {
		s->due_ms = INT64_MAX;
		wake_at(s, asker_tick(&s->asker));
	}
}

static void say(struct scene *s, struct called *c, int err)
{
	member_answer_fn *fn = c->fn;

	c->fn = NULL;
	fn(c->ctx, err, NULL);
	tick(s);
}

static void wait_ms(struct scene *s, int64_t ms)
{
	s->now_ms += ms;
	tick(s);
}

/* The newest call to it that is not answered; NULL: none. */
static struct called *last_to(struct scene *s, link_id link, bool is_sign)
{
	for (size_t i = s->call_count; i-- > 0;) {
		struct called *c = &s->call[i];

		if (c->fn && c->link == link && c->is_sign == is_sign)
			return c;
	}
	return NULL;
}

static bool is_asked(struct scene *s, link_id link)
{
	return last_to(s, link, false) != NULL;
}

/* It does not answer what it was last asked for a sign of life. */
static void stay_silent(struct scene *s, link_id link)
{
	struct called *c = last_to(s, link, true);

	CHECK(c);
	s->now_ms += c->deadline_ms;
	say(s, c, WEIR_ETIMEOUT);
}

/* Whoever was asked answers when it is over. */
static void end(struct scene *s)
{
	unsigned before = s->answers;

	asker_fini(&s->asker);
	for (size_t i = 0; i < s->call_count; i++)
		if (s->call[i].fn)
			s->call[i].fn(s->call[i].ctx, WEIR_ECLOSED, NULL);
	CHECK_EQ(s->answers, before);
}

static void ask(struct scene *s, uint64_t tag)
{
	asker_ask(&s->asker, tag, NULL, 3000);
	tick(s);
}

TEST_NO_OOM(each_try_goes_to_the_next_one)
{
	struct scene s;

	begin(&s, 2);
	ask(&s, 2);
	CHECK(is_asked(&s, 11) && !is_asked(&s, 12));
	CHECK_EQ(last_to(&s, 11, false)->deadline_ms, 3000);
	ask(&s, 3);
	CHECK(is_asked(&s, 12));
	say(&s, last_to(&s, 12, false), 0);
	CHECK(s.answers == 1 && s.tag == 3 && !s.err);
	end(&s);
}

TEST(without_a_dispatch_or_a_way_to_ask_it_fails_later)
{
	for (int is_broken = 0; is_broken < 2; is_broken++) {
		struct scene s;
		unsigned before;

		begin(&s, is_broken ? 1 : 0);
		s.is_broken = is_broken;
		asker_ask(&s.asker, 7, NULL, 3000);
		before = s.answers;
		tick(&s);
		end(&s);
		CHECK_EQ(before, 0);
		CHECK_EQ(s.answers, 1);
		CHECK(s.tag == 7 && s.err == WEIR_ECLOSED);
	}
}

/* A webhook takes its time: that is no reason to ask it twice. */
TEST_NO_OOM(a_slow_one_that_lives_keeps_its_questions)
{
	struct scene s;

	begin(&s, 2);
	ask(&s, 2);
	for (int i = 0; i < 10; i++) {
		CHECK(last_to(&s, 11, true));
		say(&s, last_to(&s, 11, true), 0);
		wait_ms(&s, SIGN_MS);
	}
	CHECK_EQ(s.answers, 0);
	say(&s, last_to(&s, 11, false), 0);
	CHECK(s.answers == 1 && !s.err);
	end(&s);
}

TEST_NO_OOM(nobody_is_looked_at_who_has_no_question)
{
	struct scene s;
	size_t before;

	begin(&s, 1);
	ask(&s, 1);
	say(&s, last_to(&s, 11, false), 0);
	say(&s, last_to(&s, 11, true), 0);
	before = s.call_count;
	wait_ms(&s, 10 * SIGN_MS);
	CHECK_EQ(s.call_count, before);
	CHECK_EQ(s.due_ms, INT64_MAX);
	end(&s);
}

TEST_NO_OOM(a_silent_one_loses_its_questions_to_who_is_awake)
{
	struct scene s;

	begin(&s, 2);
	ask(&s, 2);
	stay_silent(&s, 11);
	CHECK(s.answers == 1 && s.tag == 2 && s.err == WEIR_ETIMEOUT);
	for (uint64_t tag = 3; tag < 6; tag++)
		ask(&s, tag);
	CHECK_EQ(s.answers, 1);
	CHECK_EQ(last_to(&s, 11, false)->ctx, s.call[0].ctx); /* no other */
	say(&s, &s.call[0], 0); /* it wakes up: much too late */
	CHECK_EQ(s.answers, 1);
	end(&s);
}

TEST_NO_OOM(a_silent_one_is_asked_again_once_it_is_back)
{
	struct scene s;

	begin(&s, 2);
	ask(&s, 2);
	stay_silent(&s, 11);
	stay_silent(&s, 11); /* without a question it is looked at, too */
	say(&s, last_to(&s, 11, true), 0);
	ask(&s, 4);
	CHECK(last_to(&s, 11, false)->ctx != s.call[0].ctx);
	end(&s);
}

/* Where nobody else is, it may still answer in time. */
TEST_NO_OOM(of_silent_ones_alone_an_answer_is_waited_for)
{
	struct scene s;

	begin(&s, 2);
	ask(&s, 2);
	ask(&s, 3);
	stay_silent(&s, 11);
	CHECK_EQ(s.answers, 1); /* 12 was not silent yet */
	ask(&s, 4);
	CHECK_EQ(s.call[s.call_count - 1].link, 12);
	stay_silent(&s, 12);
	stay_silent(&s, 11);
	CHECK_EQ(s.answers, 1);
	say(&s, last_to(&s, 12, false), 0);
	CHECK(s.answers == 2 && !s.err);
	say(&s, last_to(&s, 11, true), 0); /* 11 is back: 12 is not */
	stay_silent(&s, 12);
	CHECK(s.answers == 3 && s.err == WEIR_ETIMEOUT);
	end(&s);
}

TEST_NO_OOM(one_whose_link_goes_is_forgotten)
{
	struct scene s;

	begin(&s, 2);
	ask(&s, 2);
	stay_silent(&s, 11);
	s.dispatch_count = 1;
	s.dispatch[0] = 12;
	say(&s, last_to(&s, 11, true), WEIR_ECLOSED);
	say(&s, last_to(&s, 11, false), WEIR_ECLOSED);
	CHECK_EQ(s.answers, 1);
	CHECK_EQ(s.due_ms, INT64_MAX);
	CHECK(list_is_empty(&s.asker.peers));
	end(&s);
}

TEST(lacks_of_memory_leave_nothing_behind)
{
	struct scene s;

	begin(&s, 2);
	for (uint64_t tag = 0; tag < 6; tag++)
		ask(&s, tag);
	wait_ms(&s, SIGN_MS);
	end(&s);
	CHECK_EQ(s.answers, 0);
}
