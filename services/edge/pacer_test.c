/* services/edge/pacer_test.c - when the delay rises and falls, whose turn it
 * is. */
#include "services/edge/pacer.h"

#include "common/base/err.h"
#include "common/test/check.h"

#define LOOK_US 250000u

/* A loop that is told how busy it is. */
struct scene {
	struct pacer pacer;
	uint64_t now_us;
	struct pacer_spent spent;
};

static void begin(struct scene *s, uint32_t budget_ms)
{
	*s = (struct scene){.now_us = 7000000};
	pacer_init(&s->pacer, budget_ms);
	pacer_look(&s->pacer, s->now_us, s->spent);
}

/* Others have the processor for what is not worked or waited. */
static bool look_shared(struct scene *s, unsigned worked_permille,
			unsigned waited_permille)
{
	s->now_us += LOOK_US;
	s->spent.worked_us += (uint64_t)LOOK_US * worked_permille / 1000;
	s->spent.waited_us += (uint64_t)LOOK_US * waited_permille / 1000;
	CHECK(pacer_wants_look(&s->pacer, s->now_us));
	return pacer_look(&s->pacer, s->now_us, s->spent);
}

static bool look(struct scene *s, unsigned busy_permille)
{
	return look_shared(s, busy_permille, 1000 - busy_permille);
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

TEST(a_loop_that_is_busy_for_more_than_a_moment_makes_the_delay_rise_by_half)
{
	struct scene s;

	begin(&s, 100);
	CHECK(!look(&s, 710));
	CHECK(!look(&s, 690));
	CHECK(!look(&s, 710));
	CHECK(look(&s, 710));
	CHECK_EQ(s.pacer.delay_us, 10000);
	CHECK(look(&s, 710));
	CHECK_EQ(s.pacer.delay_us, 15000);
}

TEST(a_full_loop_makes_it_rise_at_once)
{
	struct scene s;

	begin(&s, 100);
	CHECK(look(&s, 910));
	CHECK_EQ(s.pacer.delay_us, 10000);
}

TEST(where_others_have_the_processor_but_the_loop_has_little_to_do_nothing_waits)
{
	struct scene s;

	begin(&s, 100);
	for (unsigned i = 0; i < 100; i++)
		CHECK(!look_shared(&s, 250, 150));
	CHECK_EQ(s.pacer.busy_permille, 625);
	CHECK(!look_shared(&s, 0, 0));
	CHECK_EQ(s.pacer.busy_permille, 0);
}

TEST(where_they_leave_it_no_time_to_wait_fewer_sends_help_all)
{
	struct scene s;

	begin(&s, 100);
	CHECK(look_shared(&s, 300, 20));
	CHECK_EQ(s.pacer.delay_us, 10000);
}

TEST(the_delay_reaches_its_budget_within_two_seconds_and_stays)
{
	struct scene s;

	begin(&s, 100);
	look_often(&s, 1000, 7);
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
	CHECK_EQ(s.pacer.delay_us, 10000);
	look(&s, 600);
	CHECK_EQ(s.pacer.delay_us, 10000);
}

TEST(where_a_smaller_delay_would_be_too_small_it_stays)
{
	struct scene s;

	begin(&s, 100);
	look_often(&s, 1000, 6);
	for (unsigned i = 0; i < 60; i++)
		CHECK(!look(&s, 470 + i % 6 * 40));
}

TEST(with_time_to_spare_the_delay_falls_a_third_each_second_to_nothing)
{
	struct scene s;

	begin(&s, 100);
	look_often(&s, 1000, 7);
	look_often(&s, 450, 3);
	CHECK_EQ(s.pacer.delay_us, 100000);
	CHECK(look(&s, 450));
	CHECK_EQ(s.pacer.delay_us, 66666);
	look_often(&s, 450, 4 * 4);
	CHECK_EQ(s.pacer.delay_us, 13168);
	look_often(&s, 450, 4);
	CHECK_EQ(s.pacer.delay_us, 10000);
	look_often(&s, 590, 4);
	CHECK_EQ(s.pacer.delay_us, 0);
}

TEST(moments_with_time_are_not_a_second_of_it)
{
	struct scene s;

	begin(&s, 100);
	look_often(&s, 1000, 7);
	for (unsigned i = 0; i < 100; i++)
		CHECK(!look(&s, i % 2 ? 450 : 500));
}

/* Falls and has to rise again at once: how many looks until it falls? */
static unsigned looks_until_it_falls(struct scene *s)
{
	unsigned looks = 0;

	do
		looks++;
	while (!look(s, 400));
	look_often(s, 800, 2);
	return looks;
}

TEST(a_fall_that_was_too_much_is_tried_again_later_and_later)
{
	struct scene s;

	begin(&s, 100);
	look_often(&s, 1000, 6);
	CHECK_EQ(looks_until_it_falls(&s), 4);
	CHECK_EQ(looks_until_it_falls(&s), 8);
	CHECK_EQ(looks_until_it_falls(&s), 16);
	for (unsigned i = 0; i < 10; i++)
		looks_until_it_falls(&s);
	CHECK_EQ(looks_until_it_falls(&s), 128);
}

TEST(falls_that_were_right_make_the_next_come_sooner)
{
	struct scene s;

	begin(&s, 100);
	look_often(&s, 1000, 7);
	looks_until_it_falls(&s);
	looks_until_it_falls(&s);
	look_often(&s, 1000, 2);
	CHECK_EQ(s.pacer.hold_us, 4000000);
	look_often(&s, 400, 16 + 16 + 8);
	CHECK_EQ(s.pacer.hold_us, 1000000);
}

TEST(a_time_without_looks_counts_as_so_many)
{
	struct scene s;

	begin(&s, 100);
	look_often(&s, 1000, 11);
	s.now_us += 60 * 1000000u;
	s.spent.waited_us += 60 * 1000000u;
	CHECK(pacer_look(&s.pacer, s.now_us, s.spent));
	CHECK_EQ(s.pacer.delay_us, 0);
}

TEST(a_look_is_wanted_each_quarter_of_a_second)
{
	struct scene s;

	begin(&s, 100);
	look(&s, 1000);
	for (unsigned i = 0; i < 10; i++)
		CHECK(!pacer_wants_look(&s.pacer, s.now_us + i * 24000));
	CHECK(pacer_wants_look(&s.pacer, s.now_us + LOOK_US));
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

/* From 100 viewers to so many, by a storm in which the loop is full. Returns where
 * it settled. */
static uint64_t settled_after(unsigned viewers, unsigned storm_looks)
{
	struct scene s;
	uint64_t settled_us;

	begin(&s, 100);
	look_often(&s, busy_at(0, 100), 20);
	CHECK_EQ(s.pacer.delay_us, 0);
	look_often(&s, 1000, storm_looks);
	for (unsigned i = storm_looks; i < 20; i++)
		look(&s, busy_at(s.pacer.delay_us, viewers));
	settled_us = s.pacer.delay_us;
	for (unsigned i = 0; i < 400; i++)
		CHECK(!look(&s, busy_at(s.pacer.delay_us, viewers)));
	return settled_us;
}

TEST(after_a_jump_of_viewers_it_settles_within_five_seconds)
{
	uint64_t settled_us = settled_after(4000, 0);

	CHECK(settled_us > 20000 && settled_us < 60000);
	settled_us = settled_after(4000, 3);
	CHECK(settled_us > 20000 && settled_us < 60000);
	CHECK_EQ(settled_after(1000, 3), 0);
	CHECK_EQ(settled_after(1000, 0), 0);
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
