/* services/ingest/timeline_test.c - times onto the one timeline. */
#include "services/ingest/timeline.h"

#include "common/media/frame.h"
#include "common/test/check.h"

#define V 1
#define A 2

static struct timeline_time put(struct timeline *t, uint16_t track,
				uint32_t raw_ms, int64_t now_ms)
{
	struct timeline_time out;
	int64_t in_ms = timeline_unwrap(t, track, raw_ms);

	if (!t->is_open)
		timeline_open(t, in_ms, 0);
	timeline_put(t, &out, track, in_ms, 0, now_ms);
	return out;
}

TEST(the_first_epoch_starts_at_zero_wherever_the_publisher_stands)
{
	struct timeline t = {0};

	CHECK_EQ(put(&t, V, 123456, 0).dts_ns, 0);
	CHECK_EQ(put(&t, A, 123470, 14).dts_ns, 14 * NS_PER_MS);
	CHECK_EQ(put(&t, V, 123489, 33).dts_ns, 33 * NS_PER_MS);
}

TEST(time_goes_on_when_32_bits_wrap)
{
	struct timeline t = {0};

	CHECK_EQ(put(&t, V, 0xfffffff0u, 0).dts_ns, 0);
	CHECK_EQ(put(&t, A, 0xfffffffcu, 12).dts_ns, 12 * NS_PER_MS);
	CHECK_EQ(put(&t, V, 0x00000010u, 32).dts_ns, 32 * NS_PER_MS);
	CHECK_EQ(put(&t, A, 0x00000020u, 48).dts_ns, 48 * NS_PER_MS);
	CHECK_EQ(t.jump_count, 0);
}

TEST(a_later_epoch_begins_at_the_old_end_rounded_up_to_a_millisecond)
{
	struct timeline t = {0};
	struct timeline_time out;

	timeline_open(&t, timeline_unwrap(&t, V, 500),
		      timeline_base_ns(1000 * NS_PER_MS + 1));
	timeline_put(&t, &out, V, 500, 66, 0);
	CHECK_EQ(out.dts_ns, 1001 * NS_PER_MS);
	CHECK_EQ(out.pts_ns, 1067 * NS_PER_MS);
	timeline_put(&t, &out, A, 480, 0, 0);
	CHECK(out.is_early);
}

TEST(small_steps_back_are_clamped_and_counted)
{
	struct timeline t = {0};

	put(&t, V, 1000, 0);
	put(&t, V, 1100, 100);
	CHECK_EQ(put(&t, V, 1090, 110).dts_ns, 100 * NS_PER_MS);
	CHECK_EQ(t.clamped_count, 1);
	CHECK(!put(&t, V, 1133, 133).is_discontinuity);
}

TEST(a_step_far_back_makes_a_new_offset_for_all_tracks)
{
	struct timeline t = {0};
	struct timeline_time out;

	for (uint32_t i = 0; i < 10; i++) {
		put(&t, V, 100000 + 40 * i, 40 * i);
		put(&t, A, 100000 + 40 * i, 40 * i);
	}
	out = put(&t, V, 0, 400);
	CHECK(out.is_discontinuity);
	CHECK_EQ(out.dts_ns, 400 * NS_PER_MS);
	out = put(&t, A, 0, 400);
	CHECK(!out.is_discontinuity);
	CHECK_EQ(out.dts_ns, 400 * NS_PER_MS);
	CHECK_EQ(put(&t, V, 40, 440).dts_ns, 440 * NS_PER_MS);
	CHECK_EQ(t.jump_count, 1);
}

TEST(a_track_that_has_not_jumped_keeps_its_offset)
{
	struct timeline t = {0};

	put(&t, V, 50000, 0);
	put(&t, A, 50000, 0);
	CHECK(put(&t, V, 90000, 40).is_discontinuity);
	CHECK_EQ(put(&t, A, 50023, 41).dts_ns, 23 * NS_PER_MS);
	CHECK(!put(&t, V, 90040, 80).is_discontinuity);
	CHECK_EQ(t.jump_count, 1);
}

TEST(a_step_forward_is_no_jump_when_that_much_time_passed)
{
	struct timeline t = {0};

	put(&t, V, 0, 0);
	CHECK(!put(&t, V, 60000, 55000).is_discontinuity);
	CHECK(put(&t, V, 90000, 55040).is_discontinuity);
}

TEST(dts_never_goes_back_within_a_track_whatever_comes)
{
	struct timeline t = {0};
	uint32_t x = 1;
	int64_t last[3] = {0};

	for (int i = 0; i < 20000; i++) {
		uint16_t track = (uint16_t)(1 + (i & 1));
		struct timeline_time out;

		x = x * 1664525 + 1013904223;
		out = put(&t, track, x >> (x >> 30), i);
		if (out.is_early)
			continue;
		CHECK(out.dts_ns >= last[track]);
		last[track] = out.dts_ns;
	}
}
