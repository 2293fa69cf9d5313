/* services/edge/pacer_test.c - when the delay rises and falls, whose turn it
 * is. */
#include "services/edge/pacer.h"

#include "common/base/err.h"
#include "common/test/check.h"

#define LOOK_US 250000u

/* A loop that is told how busy it is. */
struct scene {
	struct pacer pacer;
	uint64_t now_us, waited_us;
};

static void begin(struct scene *s, uint32_t budget_ms)
{
	*s = (struct scene){.now_us = 7000000};
	pacer_init(&s->pacer, budget_ms);
	pacer_look(&s->pacer, s->now_us, s->waited_us);
}

static bool look(struct scene *s, unsigned busy_permille)
{
	s->now_us += LOOK_US;
	s->waited_us += (uint64_t)LOOK_US * (1000 - busy_permille) / 1000;
	return pacer_look(&s->pacer, s->now_us, s->waited_us);
}

static void look_often(struct scene *s, unsigned busy_permille, unsigned times)
{
	while (times-- > 0)
		look(s, busy_permille);
}

TEST(while_the_loop_has_time_nothing_waits)
{
	struct scene s;

	begin(&s, 100);
	look_often(&s, 700, 100);
	CHECK_EQ(s.pacer.delay_us, 0);
	CHECK_EQ(s.pacer.busy_permille, 700);
}

TEST(a_busy_loop_makes_the_delay_rise_by_half)
{
	struct scene s;

	begin(&s, 100);
	CHECK(look(&s, 710));
	CHECK_EQ(s.pacer.delay_us, 2000);
	CHECK(look(&s, 1000));
	CHECK_EQ(s.pacer.delay_us, 3000);
	CHECK(look(&s, 1000));
	CHECK_EQ(s.pacer.delay_us, 4500);
}

TEST(the_delay_reaches_its_budget_within_three_seconds_and_stays)
{
	struct scene s;

	begin(&s, 100);
	look_often(&s, 1000, 11);
	CHECK_EQ(s.pacer.delay_us, 100000);
	CHECK(!look(&s, 1000));
	CHECK_EQ(s.pacer.delay_us, 100000);
}

TEST(a_late_pass_makes_the_delay_rise_once)
{
	struct scene s;

	begin(&s, 100);
	pacer_late(&s.pacer);
	pacer_late(&s.pacer);
	look(&s, 600);
	CHECK_EQ(s.pacer.delay_us, 2000);
	look(&s, 600);
	CHECK_EQ(s.pacer.delay_us, 2000);
}

TEST(between_the_two_marks_the_delay_stays)
{
	struct scene s;

	begin(&s, 100);
	look_often(&s, 1000, 6);
	for (unsigned busy = 500; busy <= 700; busy += 50)
		CHECK(!look(&s, busy));
}

TEST(with_time_to_spare_the_delay_falls_slowly_to_nothing)
{
	struct scene s;
	uint64_t before;

	begin(&s, 100);
	look_often(&s, 1000, 11);
	before = s.pacer.delay_us;
	CHECK(look(&s, 490));
	CHECK_EQ(s.pacer.delay_us, before - before / 16);
	look_often(&s, 490, 8); /* two seconds */
	CHECK(s.pacer.delay_us > before / 2);
	look_often(&s, 100, 80);
	CHECK_EQ(s.pacer.delay_us, 0);
}

TEST(a_time_without_looks_counts_as_so_many)
{
	struct scene s;

	begin(&s, 100);
	look_often(&s, 1000, 11);
	s.now_us += 60 * 1000000u;
	s.waited_us += 60 * 1000000u;
	CHECK(pacer_look(&s.pacer, s.now_us, s.waited_us));
	CHECK_EQ(s.pacer.delay_us, 0);
}

TEST(looks_within_a_quarter_of_a_second_change_nothing)
{
	struct scene s;

	begin(&s, 100);
	look(&s, 1000);
	for (unsigned i = 0; i < 10; i++)
		CHECK(!pacer_look(&s.pacer, s.now_us + i * 24000, s.waited_us));
	CHECK_EQ(s.pacer.delay_us, 2000);
}

TEST(without_a_budget_nothing_ever_waits)
{
	struct scene s;

	begin(&s, 0);
	look_often(&s, 1000, 20);
	CHECK_EQ(s.pacer.delay_us, 0);
	CHECK_EQ(pacer_turn(&s.pacer, s.now_us), PACER_ALL);
}

/* A load that costs so much for each send: where does it settle? */
static unsigned busy_at(uint64_t delay_us, unsigned viewers)
{
	const uint64_t frame_us = 13700; /* between two frames */
	uint64_t each_us = WEIR_MAX(delay_us, frame_us);
	uint64_t busy = viewers * 1000ull * 5 / each_us + viewers / 24;

	return (unsigned)WEIR_MIN(busy, 1000);
}

TEST(after_a_jump_of_viewers_it_settles_within_five_seconds)
{
	struct scene s;
	uint64_t settled_us;

	begin(&s, 100);
	look_often(&s, busy_at(0, 100), 20);
	CHECK_EQ(s.pacer.delay_us, 0);
	for (unsigned i = 0; i < 20; i++)
		look(&s, busy_at(s.pacer.delay_us, 4000));
	settled_us = s.pacer.delay_us;
	CHECK(settled_us > 20000 && settled_us < 60000);
	for (unsigned i = 0; i < 100; i++) {
		look(&s, busy_at(s.pacer.delay_us, 4000));
		CHECK(s.pacer.delay_us >= settled_us * 8 / 10);
		CHECK(s.pacer.delay_us <= settled_us * 12 / 10);
	}
}

/* ---- turns ---- */

TEST(each_slot_comes_round_once_in_the_delay)
{
	struct scene s;
	unsigned count[PACER_SLOTS] = {0};

	begin(&s, 100);
	look_often(&s, 1000, 11);
	pacer_start(&s.pacer, s.now_us);
	for (unsigned ms = 0; ms < 1000; ms += 3) {
		unsigned slots = pacer_turn(&s.pacer, s.now_us + ms * 1000);

		for (unsigned i = 0; i < PACER_SLOTS; i++)
			count[i] += slots >> i & 1;
	}
	for (unsigned i = 0; i < PACER_SLOTS; i++)
		CHECK(count[i] == 9 || count[i] == 10);
}

TEST(slots_come_one_after_the_other)
{
	struct scene s;

	begin(&s, 16);
	look_often(&s, 1000, 11);
	CHECK_EQ(s.pacer.delay_us, 16000);
	pacer_start(&s.pacer, 0);
	CHECK_EQ(pacer_turn(&s.pacer, 500), 0);
	CHECK_EQ(pacer_turn(&s.pacer, 1000), 1u << 0);
	CHECK_EQ(pacer_turn(&s.pacer, 3999), 1u << 1 | 1u << 2);
	CHECK_EQ(pacer_turn(&s.pacer, 4000), 1u << 3);
	CHECK(!s.pacer.was_late);
}

TEST(after_a_long_absence_all_have_their_turn_and_it_was_late)
{
	struct scene s;

	begin(&s, 16);
	look_often(&s, 1000, 11);
	pacer_start(&s.pacer, 0);
	CHECK_EQ(pacer_turn(&s.pacer, 16000), PACER_ALL);
	CHECK(!s.pacer.was_late);
	CHECK_EQ(pacer_turn(&s.pacer, 16000 + 50000), PACER_ALL);
	CHECK(s.pacer.was_late);
}

TEST(turns_are_as_frequent_as_slots_but_wake_nobody_all_the_time)
{
	struct pacer p;

	pacer_init(&p, 100);
	CHECK_EQ(pacer_turn_ms(&p), 2);
	p.delay_us = 16000;
	CHECK_EQ(pacer_turn_ms(&p), 2);
	p.delay_us = 100000;
	CHECK_EQ(pacer_turn_ms(&p), 6);
}
