/* common/media/log_time_test.c - what a log takes for time. */
#include "common/media/log_time.h"

#include "common/media/testing.h"

/* Add a frame of `track` at `ms`; the time in ms at which it stands. */
static int64_t add(struct log_time *t, uint16_t track, int64_t ms)
{
	struct frame f = HEAD(FRAME_VIDEO, 1, 1, .track = track,
			      .dts_ns = ms * NS_PER_MS);

	return log_time_add(t, &f) / NS_PER_MS;
}

TEST(time_begins_at_zero_and_goes_with_the_dts)
{
	struct log_time t = {0};

	CHECK_EQ(add(&t, 1, 5000), 0);
	CHECK_EQ(add(&t, 1, 5040), 40);
	CHECK_EQ(add(&t, 2, 5030), 40); /* never back */
	CHECK_EQ(add(&t, 2, 5051), 51);
	CHECK_EQ(add(&t, 1, 14999), 9999);
}

TEST(state_frames_stand_where_time_is_and_move_nothing)
{
	struct frame f = HEAD(FRAME_CUT, 1, 1, .dts_ns = INT64_MAX);
	struct log_time t = {0};

	CHECK_EQ(log_time_add(&t, &f), 0);
	CHECK_EQ(add(&t, 1, 100), 0);
	CHECK_EQ(add(&t, 1, 140), 40);
	CHECK_EQ(log_time_add(&t, &f), 40 * NS_PER_MS);
	CHECK_EQ(t.last_dts_ns, 140 * NS_PER_MS);
}

TEST(epochs_are_laid_end_to_end)
{
	struct log_time t = {0};

	add(&t, 1, 0);
	CHECK_EQ(add(&t, 1, 40), 40);
	log_time_begin_epoch(&t);
	CHECK_EQ(add(&t, 2, -777000), 40);
	CHECK_EQ(add(&t, 1, -776980), 60);
	CHECK_EQ(add(&t, 1, -776940), 100);
}

TEST(a_track_that_jumps_stays_at_now_and_the_others_follow_their_own_way)
{
	struct log_time t = {0};

	add(&t, 1, 0);
	add(&t, 2, 0);
	CHECK_EQ(add(&t, 1, 10001), 0); /* more than 10 s: a jump */
	CHECK_EQ(add(&t, 1, 10041), 40);
	CHECK_EQ(add(&t, 2, 50), 50);
	CHECK_EQ(add(&t, 1, 9540), 50); /* 501 ms back: a jump, too */
	CHECK_EQ(add(&t, 1, 9580), 90);
	CHECK_EQ(add(&t, 2, 100), 100);
}

TEST(a_small_step_back_is_no_jump)
{
	struct log_time t = {0};

	add(&t, 1, 1000);
	CHECK_EQ(add(&t, 1, 1040), 40);
	CHECK_EQ(add(&t, 1, 540), 40);
	CHECK_EQ(add(&t, 1, 1080), 80);
}

TEST(more_tracks_than_a_stream_may_have_share_places_and_do_no_harm)
{
	struct log_time t = {0};
	int64_t last = 0;

	for (int64_t i = 0; i < 1000; i++) {
		int64_t now = add(&t, (uint16_t)(i * 7), i);

		CHECK(now >= last && now <= i);
		last = now;
	}
	CHECK(last > 900);
	CHECK_EQ(t.count, TRACKS_MAX);
}

TEST(script_data_end_where_they_stand)
{
	struct log_time t = {0};
	struct frame f = HEAD(FRAME_DATA, 1, 1, .track = 3);

	log_time_add(&t, &f);
	f.dts_ns = 9 * NS_PER_S;
	log_time_add(&t, &f);
	CHECK_EQ(t.end_dts_ns, 9 * NS_PER_S);
}
