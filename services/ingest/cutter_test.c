/* services/ingest/cutter_test.c - segments and the wall clock. */
#include "services/ingest/cutter.h"

#include "common/test/check.h"

#define MS(n) ((n)*NS_PER_MS)

TEST(segments_begin_at_the_first_join_after_the_fragment_duration)
{
	struct cutter c;

	cutter_init(&c, 3000, 30000, 100, 7, 0);
	CHECK(!cutter_put(&c, MS(0), false, true));
	CHECK(cutter_put(&c, MS(0), true, true));
	CHECK_EQ(c.cut.segment, 100);
	CHECK(!cutter_put(&c, MS(2000), true, true));
	CHECK(!cutter_put(&c, MS(3500), false, true));
	CHECK(cutter_put(&c, MS(4000), true, true));
	CHECK_EQ(c.cut.segment, 101);
	CHECK_EQ(c.cut.discontinuity, 7);
	CHECK_EQ(c.cut.target_ms, 4000);
	CHECK(cutter_put(&c, MS(7000), true, true));
	CHECK_EQ(c.cut.target_ms, 4000);
}

TEST(a_segment_without_joins_is_forced)
{
	struct cutter c;

	cutter_init(&c, 3000, 10000, 0, 0, 0);
	CHECK(cutter_put(&c, MS(0), true, true));
	CHECK(!cutter_put(&c, MS(9999), false, true));
	CHECK(cutter_put(&c, MS(10000), false, true));
	CHECK_EQ(c.cut.segment, 1);
}

TEST(any_frame_may_begin_a_segment_without_video)
{
	struct cutter c;

	cutter_init(&c, 1000, 10000, 0, 0, 0);
	CHECK(cutter_put(&c, MS(0), false, false));
	CHECK(!cutter_put(&c, MS(980), false, false));
	CHECK(cutter_put(&c, MS(1001), false, false));
}

TEST(a_break_ends_the_segment_at_the_next_join_and_counts_once)
{
	struct cutter c;

	cutter_init(&c, 3000, 30000, 5, 0, 0);
	CHECK(cutter_put(&c, MS(0), true, true));
	cutter_break(&c);
	cutter_break(&c);
	CHECK(!cutter_put(&c, MS(500), false, true));
	CHECK(cutter_put(&c, MS(1000), true, true));
	CHECK_EQ(c.cut.segment, 6);
	CHECK_EQ(c.cut.discontinuity, 1);
	CHECK(!cutter_put(&c, MS(2000), true, true));
}

TEST(the_segment_that_an_epoch_left_open_counts_for_the_target)
{
	struct cutter c;

	cutter_init(&c, 3000, 30000, 6, 1, 3000);
	cutter_goes_on(&c, MS(100000));
	CHECK(cutter_put(&c, MS(104520), true, true));
	CHECK_EQ(c.cut.segment, 6);
	CHECK_EQ(c.cut.discontinuity, 1);
	CHECK_EQ(c.cut.target_ms, 4520);
	CHECK(cutter_put(&c, MS(107520), true, true));
	CHECK_EQ(c.cut.segment, 7);
	CHECK_EQ(c.cut.target_ms, 4520);
}

TEST(the_clock_stands_while_only_arrival_jitters)
{
	struct wall_clock w = {0};
	int64_t t0 = 1700000000000000;

	CHECK(wall_clock_put(&w, MS(0), t0));
	CHECK_EQ(w.clock.utc_us, t0);
	for (int64_t i = 1; i < 1000; i++) {
		int64_t jitter_us = i % 10 ? (i * 7919) % 90000 : 0;

		CHECK(!wall_clock_put(&w, MS(40 * i),
				      t0 + 40000 * i + jitter_us));
	}
}

TEST(the_clock_is_said_again_when_the_mapping_moved)
{
	struct wall_clock w = {0};
	int64_t t0 = 1700000000000000, said = 0;

	CHECK(wall_clock_put(&w, MS(0), t0));
	for (int64_t i = 1; i < 200; i++)
		said += wall_clock_put(&w, MS(40 * i), t0 + 40000 * i + 250000);
	CHECK_EQ(said, 1);
	CHECK_EQ(w.clock.utc_us - t0 - w.clock.dts_ns / 1000, 250000);
}
