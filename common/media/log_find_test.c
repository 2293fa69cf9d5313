/* common/media/log_find_test.c - logs: joins, state and positions are found. */
#include "common/media/log_scene_test.h"

/* ---- joins ---- */

TEST(joins_are_found_from_either_end_and_by_dts)
{
	struct log *log = open_log(&roomy, 5);
	struct log_join join;

	feed_video(log, 5, 1, 100, 10, 0); /* joins: 1, 11, … 91 */
	CHECK_EQ(log_newest_join(log, &join), 0);
	CHECK_EQ(join.ordinal, 91);
	CHECK_EQ(join.dts_ns, 3640 * NS_PER_MS);
	CHECK_EQ(join.state->count, 1);
	CHECK_EQ(log_join_from(log, &join, log_tail(log)), 0);
	CHECK_EQ(join.ordinal, 1);
	CHECK_EQ(log_join_from(log, &join, 11), 0);
	CHECK_EQ(join.ordinal, 11);
	CHECK_EQ(log_join_from(log, &join, 12), 0);
	CHECK_EQ(join.ordinal, 21);
	CHECK_EQ(log_join_from(log, &join, 92), WEIR_ENOENT);
	CHECK_EQ(log_join_at_dts(log, &join, 840 * NS_PER_MS - 1), 0);
	CHECK_EQ(join.ordinal, 11);
	CHECK_EQ(log_join_at_dts(log, &join, 840 * NS_PER_MS), 0);
	CHECK_EQ(join.ordinal, 21);
	CHECK_EQ(log_join_at_dts(log, &join, 39 * NS_PER_MS), WEIR_ENOENT);
	log_free(&log);
}

TEST(a_join_flag_on_a_state_frame_is_no_join)
{
	struct log *log = open_log(&roomy, 5);
	struct log_join join;

	CHECK_EQ(feed(log, HEAD(FRAME_CUT, 5, 1, .flags = FRAME_JOIN)), 0);
	CHECK_EQ(log_newest_join(log, &join), WEIR_ENOENT);
	log_free(&log);
}

TEST(of_audio_joins_the_newest_is_known_exactly_and_older_ones_are_sparse)
{
	const struct log_limits limits = {10000, PLENTY, PLENTY, 200};
	struct log *log = open_log(&limits, 5);
	int64_t before_ns = -NS_PER_S;
	struct log_join join;
	uint64_t from = 0;

	for (uint64_t s = 1; s <= 400; s++) {
		CHECK_EQ(feed(log, AUDIO(5, s, (int64_t)s * 20)), 0);
		CHECK_EQ(log_newest_join(log, &join), 0);
		CHECK_EQ(join.ordinal, s);
	}
	CHECK_EQ(stats_of(log).joins, 41);
	while (!log_join_from(log, &join, from) && join.ordinal < 400) {
		CHECK(join.dts_ns - before_ns >= 200 * NS_PER_MS);
		before_ns = join.dts_ns;
		from = join.ordinal + 1;
	}
	CHECK_EQ(from, 392);
	CHECK(!stats_of(log).has_video_join);
	log_free(&log);
}

TEST(video_joins_are_all_kept_however_near_they_are)
{
	const struct log_limits limits = {10000, PLENTY, PLENTY, 1000};
	struct log *log = open_log(&limits, 5);

	for (uint64_t s = 1; s <= 20; s++)
		CHECK_EQ(feed(log, KEY(5, s, (int64_t)s * 40)), 0);
	CHECK_EQ(stats_of(log).joins, 20);
	log_free(&log);
}

/* ---- state ---- */

static uint64_t state_sequence(const struct log *log, uint64_t ordinal,
			       uint8_t kind)
{
	const struct stateset *s = log_state_before(log, ordinal);
	struct frame *f = stateset_get(s, kind, 0);

	return f ? f->position.sequence : UINT64_MAX;
}

TEST(the_state_in_force_is_known_before_every_ordinal)
{
	struct log *log = open_log(&roomy, 5);

	CHECK_EQ(feed(log, HEAD(FRAME_CUT, 5, 1)), 0);
	CHECK_EQ(feed(log, KEY(5, 2, 0)), 0);
	CHECK_EQ(feed(log, HEAD(FRAME_CUT, 5, 3)), 0);
	CHECK_EQ(feed(log, KEY(5, 4, 40)), 0);
	CHECK(!log_state_before(log, 0));
	CHECK_EQ(log_state_before(log, 1)->count, 1);
	CHECK_EQ(state_sequence(log, 1, FRAME_CUT), UINT64_MAX);
	CHECK_EQ(state_sequence(log, 2, FRAME_CUT), 1);
	CHECK_EQ(state_sequence(log, 3, FRAME_CUT), 1);
	CHECK_EQ(state_sequence(log, 4, FRAME_CUT), 3);
	CHECK_EQ(state_sequence(log, 5, FRAME_CUT), 3);
	CHECK(!log_state_before(log, 6));
	CHECK(log_state_before(log, 2) == log_state_before(log, 3));
	log_free(&log);
}

TEST(state_outlives_the_frames_around_it)
{
	const struct log_limits limits = {200, PLENTY, PLENTY, 0};
	struct log *log = open_log(&limits, 5);
	struct log_join join;

	CHECK_EQ(feed(log, HEAD(FRAME_META, 5, 1)), 0);
	for (uint64_t s = 2; s < 50; s++)
		CHECK_EQ(feed(log, KEY(5, s, (int64_t)s * 40)), 0);
	CHECK(log_tail(log) > 40);
	CHECK_EQ(state_sequence(log, log_tail(log), FRAME_META), 1);
	CHECK_EQ(state_sequence(log, log_tail(log), FRAME_EPOCH), 0);
	CHECK(!log_state_before(log, log_tail(log) - 1));
	CHECK_EQ(log_join_from(log, &join, log_tail(log)), 0);
	CHECK(join.state == log_state_before(log, join.ordinal));
	log_free(&log);
}

TEST(state_sent_again_counts_for_what_comes_and_has_no_ordinal)
{
	struct log *log = open_log(&roomy, 5);

	CHECK_EQ(feed(log, HEAD(FRAME_META, 5, 1)), 0);
	CHECK_EQ(feed(log, KEY(5, 2, 0)), 0);
	CHECK_EQ(feed_by(log_set_state, log, HEAD(FRAME_META, 5, 70), 0), 0);
	CHECK_EQ(feed_by(log_set_state, log, HEAD(FRAME_CUT, 5, 71), 0), 0);
	CHECK_EQ(log_next(log), 3);
	CHECK_EQ(feed_gap(log, KEY(5, 80, 40)), 0);
	CHECK_EQ(state_sequence(log, 2, FRAME_META), 1);
	CHECK_EQ(state_sequence(log, 2, FRAME_CUT), UINT64_MAX);
	CHECK_EQ(state_sequence(log, 3, FRAME_META), 70);
	CHECK_EQ(state_sequence(log, 3, FRAME_CUT), 71);
	CHECK_EQ(feed_by(log_set_state, log, KEY(5, 81, 0), 0), WEIR_EINVAL);
	log_free(&log);
}

TEST(a_configuration_too_many_is_refused_and_nothing_happens)
{
	struct log *log = open_log(&roomy, 5);
	uint64_t s = 1;

	while (s <= STATESET_MAX - 1) {
		CHECK_EQ(feed(log,
			      HEAD(FRAME_CONFIG, 5, s, .track = (uint16_t)s)),
			 0);
		s++;
	}
	CHECK_EQ(feed(log, HEAD(FRAME_CONFIG, 5, s, .track = 999)),
		 WEIR_ELIMIT);
	CHECK_EQ(feed_by(log_set_state, log, HEAD(FRAME_CUT, 5, s), 0),
		 WEIR_ELIMIT);
	CHECK_EQ(log_next(log), s);
	CHECK_EQ(feed(log, KEY(5, s, 0)), 0);
	log_free(&log);
}

/* ---- positions ---- */

struct found {
	uint64_t counter;
	uint64_t sequence;
	int64_t result; /* an ordinal, or an error */
};

static void check_found(const struct log *log, const struct found *f,
			size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct position p = position_of(f[i].counter, f[i].sequence);
		uint64_t ordinal = 12345;
		int err = log_find_after(log, &ordinal, &p);

		CHECK_EQ(err ? err : (int64_t)ordinal, f[i].result);
		if (err)
			CHECK_EQ(ordinal, 12345);
	}
}

TEST(the_place_after_a_position_is_found_over_epochs_and_gaps)
{
	static const struct found want[] = {
		{5, 0, 1},
		{5, 3, 4},
		{5, 4, 5},  /* the next epoch's first */
		{5, 99, 5}, /* whoever saw more of it goes on there, too */
		{6, 0, 6},
		{6, 1, WEIR_EGONE}, /* skipped over */
		{6, 8, WEIR_EGONE},
		{6, 9, 7},
		{6, 10, 8}, /* will stand there */
		{6, 11, WEIR_ENOENT},
		{6, UINT64_MAX, WEIR_ENOENT},
		{7, 0, WEIR_ENOENT},
		{4, 0, WEIR_ENOENT},
		{0, 0, WEIR_ENOENT},
	};
	struct log *log = open_log(&roomy, 5);

	feed_video(log, 5, 1, 5, 10, 0);
	CHECK_EQ(feed(log, HEAD(FRAME_EPOCH, 6, 0)), 0);
	CHECK_EQ(feed(log, KEY(6, 1, 200)), 0);
	CHECK_EQ(feed_gap(log, KEY(6, 10, 240)), 0);
	check_found(log, want, WEIR_ARRAY_LEN(want));
	log_free(&log);
}

TEST(an_epoch_that_was_met_in_the_middle_leaves_nothing_to_go_on_with)
{
	static const struct found want[] = {
		{5, 3, WEIR_EGONE}, /* 4 may be the last of its epoch */
		{5, 4, WEIR_EGONE}, /* 0 to 6 of the next are not here */
		{6, 0, WEIR_EGONE}, {6, 6, 4}, {6, 7, 5},
	};
	struct log *log = open_log(&roomy, 5);

	feed_video(log, 5, 1, 4, 10, 0);
	CHECK_EQ(feed_gap(log, KEY(6, 7, 200)), 0);
	check_found(log, want, WEIR_ARRAY_LEN(want));
	log_free(&log);
}

TEST(positions_whose_successors_left_the_tail_are_gone)
{
	const struct log_limits limits = {3600000, 4 * LOG_FRAME_COST, 0, 0};
	static const struct found want[] = {
		{5, 0, WEIR_EGONE}, {5, 3, WEIR_EGONE}, {6, 0, WEIR_EGONE},
		{6, 4, WEIR_EGONE}, {6, 5, 10},         {6, 9, 14},
	};
	struct log *log = open_log(&limits, 5);

	feed_video(log, 5, 1, 4, 10, 0);
	CHECK_EQ(feed(log, HEAD(FRAME_EPOCH, 6, 0)), 0);
	for (uint64_t s = 1; s < 10; s++)
		CHECK_EQ(feed(log, VIDEO(6, s, (int64_t)(s + 4) * 40)), 0);
	CHECK_EQ(log_tail(log), 10);
	check_found(log, want, WEIR_ARRAY_LEN(want));
	log_free(&log);
}

TEST_NO_OOM(at_least_16_epochs_are_remembered) /* too many allocations */
{
	const struct log_limits limits = {3600000, 0, 0, 0};
	struct log *log = open_log(&limits, 1);
	struct position p;
	uint64_t ordinal;

	for (uint64_t counter = 2; counter <= 100; counter++)
		CHECK_EQ(feed(log, HEAD(FRAME_EPOCH, counter, 0)), 0);
	p = position_of(84, 0);
	CHECK_EQ(log_find_after(log, &ordinal, &p), WEIR_EGONE);
	p = position_of(83, 0);
	CHECK_EQ(log_find_after(log, &ordinal, &p), WEIR_ENOENT);
	CHECK_EQ(feed(log, HEAD(FRAME_EPOCH, 83, 0)), WEIR_ESTALE);
	log_free(&log);
}
