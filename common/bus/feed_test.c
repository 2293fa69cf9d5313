/* common/bus/feed_test.c - what a feed gives, in which order, and leaves out. */
#include "common/bus/feed.h"
#include "common/bus/testing.h"

static struct feed_item next(struct feed *f)
{
	struct feed_item item;

	feed_next(f, &item);
	return item;
}

/* The next item is that frame of epoch `counter`. */
static void check_item(struct feed *f, uint8_t kind, uint64_t counter,
		       uint64_t sequence)
{
	struct feed_item item = next(f);

	CHECK_EQ(item.kind, kind);
	CHECK_EQ(item.frame->position.epoch.counter, counter);
	CHECK_EQ(item.frame->position.sequence, sequence);
}

static void check_frames(struct feed *f, uint64_t counter, uint64_t from,
			 uint64_t to)
{
	for (uint64_t s = from; s <= to; s++)
		check_item(f, FEED_FRAME, counter, s);
}

static struct record check_record(struct feed *f, uint16_t type)
{
	struct feed_item item = next(f);

	CHECK_EQ(item.kind, FEED_RECORD);
	CHECK_EQ(item.record.type, type);
	CHECK_EQ(item.record.sid, f->sid);
	return item.record;
}

static void check_nothing(struct feed *f)
{
	CHECK(!feed_is_ready(f));
	CHECK_EQ(next(f).kind, FEED_NOTHING);
}

static void finish(struct feed *f, struct log **log)
{
	feed_fini(f);
	log_free(log);
}

TEST(a_joiner_gets_state_then_resume_then_the_newest_join)
{
	struct log *log = test_log(1, 25, 10);
	struct record r;
	struct feed f;

	feed_init(&f, log, 7);
	check_nothing(&f);
	feed_start_join(&f);
	feed_owe_resume(&f, &(struct feed_resume){.flags = RESUME_KNOWN});
	check_item(&f, FEED_STATE, 1, 0);
	r = check_record(&f, RECORD_RESUME);
	CHECK_EQ(r.flags, RESUME_KNOWN | RESUME_AT_JOIN);
	CHECK_EQ(r.position.sequence, 25);
	check_frames(&f, 1, 21, 25);
	check_nothing(&f);
	test_video(log, 1, 26, 27, 10);
	CHECK(feed_is_ready(&f));
	check_frames(&f, 1, 26, 26);
	finish(&f, &log);
}

TEST(a_joiner_without_a_join_waits_for_the_first_and_is_told_nothing_before)
{
	struct log *log = test_log(1, 0, 10);
	struct feed f;

	feed_init(&f, log, 7);
	feed_start_join(&f);
	feed_owe_resume(&f, &(struct feed_resume){.flags = RESUME_KNOWN});
	CHECK_EQ(next(&f).kind, FEED_NOTHING);
	check_nothing(&f);
	test_video(log, 1, 1, 3, 10);
	check_item(&f, FEED_STATE, 1, 0);
	check_record(&f, RECORD_RESUME);
	check_frames(&f, 1, 1, 2);
	CHECK_EQ(f.skipped, 0);
	finish(&f, &log);
}

TEST(who_asks_for_what_follows_gets_exactly_that)
{
	struct log *log = test_log(1, 25, 10);
	struct position after = test_position(1, 13);
	struct record r;
	struct feed f;

	feed_init(&f, log, 7);
	f.max_lag_ms = 100; /* a backlog at the start is no lag */
	CHECK_EQ(feed_start_after(&f, &after), 0);
	feed_owe_resume(&f, &(struct feed_resume){.flags = RESUME_KNOWN});
	r = check_record(&f, RECORD_RESUME);
	CHECK_EQ(r.flags, RESUME_KNOWN | RESUME_GOES_ON);
	check_frames(&f, 1, 14, 25);
	check_nothing(&f);
	finish(&f, &log);
}

TEST(a_place_that_is_still_to_come_is_worth_waiting_for)
{
	struct log *log = NULL;
	struct position after = test_position(1, 13);
	struct feed f;

	CHECK_EQ(log_new(&log, &test_limits), 0);
	feed_init(&f, log, 7);
	CHECK_EQ(feed_start_after(&f, &after), WEIR_EAGAIN);
	CHECK_EQ(test_append(log, test_epoch_frame(1, 0, 0, 0), false), 0);
	test_video(log, 1, 1, 12, 10);
	CHECK_EQ(feed_start_after(&f, &after), WEIR_EAGAIN);
	test_video(log, 1, 12, 16, 10);
	CHECK_EQ(feed_start_after(&f, &after), 0);
	check_frames(&f, 1, 14, 15);
	after = test_position(2, 3);
	CHECK_EQ(feed_start_after(&f, &after), WEIR_EAGAIN);
	finish(&f, &log);
}

TEST(an_epoch_that_follows_on_mine_goes_on_without_a_gap)
{
	struct log *log = NULL;
	struct position after = test_position(1, 13);
	struct feed f;

	CHECK_EQ(log_new(&log, &test_limits), 0);
	CHECK_EQ(test_append(log, test_epoch_frame(2, 0, 1, 13), false), 0);
	test_video(log, 2, 1, 5, 10);
	CHECK_EQ(test_append(log, test_epoch_frame(3, 9000, 2, 4), false), 0);
	feed_init(&f, log, 7);
	CHECK_EQ(feed_start_after(&f, &after), 0);
	check_frames(&f, 2, 0, 4);
	check_item(&f, FEED_FRAME, 3, 0);
	after.sequence = 12; /* one of mine is missing in between */
	CHECK_EQ(feed_start_after(&f, &after), WEIR_EGONE);
	after = (struct position){{1, {{9}}}, 13};
	CHECK_EQ(feed_start_after(&f, &after), WEIR_ENOENT);
	finish(&f, &log);
}

/* A receiver that has got all there is from the newest join on, and may lag for a
 * second. */
static struct log *begin_to_lag(struct feed *f, uint64_t frames, unsigned gop,
				uint64_t join)
{
	struct log *log = test_log(1, frames, gop);

	feed_init(f, log, 7);
	f->max_lag_ms = 1000;
	feed_start_join(f);
	check_item(f, FEED_STATE, 1, 0);
	check_frames(f, 1, join, frames);
	check_nothing(f);
	return log;
}

TEST(a_lagging_receiver_goes_to_the_newest_join_and_is_told_how_much)
{
	struct record r;
	struct feed f;
	struct log *log = begin_to_lag(&f, 25, 10, 21);

	test_video(log, 1, 26, 60, 10);
	CHECK(feed_lag_ms(&f) > 1000);
	CHECK_EQ(feed_lag_frames(&f), 34);
	r = check_record(&f, RECORD_SKIP);
	CHECK_EQ(r.reason, REASON_lag);
	CHECK_EQ(r.count, 51 - 26);
	CHECK_EQ(r.position.sequence, 50);
	check_frames(&f, 1, 51, 59);
	CHECK_EQ(f.skipped, 25);
	finish(&f, &log);
}

TEST(with_no_join_ahead_the_rest_is_dropped_until_one_comes)
{
	struct record r;
	struct feed f;
	struct log *log = begin_to_lag(&f, 5, 1000, 1);

	test_video(log, 1, 6, 60, 1000);
	CHECK_EQ(next(&f).kind, FEED_NOTHING);
	test_video(log, 1, 60, 70, 1000);
	CHECK_EQ(next(&f).kind, FEED_NOTHING);
	CHECK_EQ(test_append(log,
			     test_frame(FRAME_VIDEO, FRAME_JOIN, 1, 70, 102800,
					(struct span){0}),
			     false),
		 0);
	r = check_record(&f, RECORD_SKIP);
	CHECK_EQ(r.count, 70 - 6);
	check_frames(&f, 1, 70, 70);
	finish(&f, &log);
}

/* It keeps next to nothing. */
static struct log *small_log(void)
{
	struct log_limits small = {400, 1 << 20, 1 << 20, 500};
	struct log *log = NULL;

	CHECK_EQ(log_new(&log, &small), 0);
	CHECK_EQ(test_append(log, test_epoch_frame(1, 100000, 0, 0), false), 0);
	test_video(log, 1, 1, 6, 5);
	return log;
}

TEST(an_exact_receiver_is_never_moved_and_is_ended_when_frames_are_gone)
{
	struct position after = test_position(1, 1);
	struct log *log = small_log();
	struct feed f;

	feed_init(&f, log, 7);
	f.is_exact = true;
	f.max_lag_ms = 1;
	CHECK_EQ(feed_start_after(&f, &after), 0);
	check_frames(&f, 1, 2, 5);
	check_nothing(&f);
	test_video(log, 1, 6, 12, 5);
	check_frames(&f, 1, 6, 6);
	test_video(log, 1, 12, 60, 5);
	CHECK_EQ(check_record(&f, RECORD_END).reason, REASON_retention);
	check_nothing(&f);
	finish(&f, &log);
}

TEST(frames_that_left_the_log_are_skipped_with_new_state_before_the_join)
{
	struct position after = test_position(1, 1);
	struct log *log = small_log();
	struct record r;
	struct feed f;

	feed_init(&f, log, 7);
	CHECK_EQ(feed_start_after(&f, &after), 0);
	check_frames(&f, 1, 2, 5);
	CHECK_EQ(test_append(log, test_epoch_frame(2, 101000, 1, 5), false), 0);
	test_video(log, 2, 1, 60, 5);
	r = check_record(&f, RECORD_SKIP);
	CHECK_EQ(r.reason, REASON_retention);
	CHECK_EQ(r.count, 56);
	check_item(&f, FEED_STATE, 2, 0);
	check_frames(&f, 2, 56, 59);
	finish(&f, &log);
}

TEST(who_wants_all_that_is_kept_gets_it_though_the_oldest_leave_before_its_turn)
{
	struct log_limits small = {4000, 1 << 20, 1 << 20, 500};
	struct log *log = NULL;
	uint64_t tail;
	struct feed f;

	CHECK_EQ(log_new(&log, &small), 0);
	CHECK_EQ(test_append(log, test_epoch_frame(1, 100000, 0, 0), false), 0);
	test_video(log, 1, 1, 300, 10);
	feed_init(&f, log, 7);
	f.is_exact = true; /* nothing is missing in what it was given */
	feed_start_oldest(&f);
	check_item(&f, FEED_STATE, 1, 0);
	tail = log_tail(log);
	test_video(log, 1, 300, 315, 10);
	CHECK(log_tail(log) > tail);
	tail = log_at(log, log_tail(log))->position.sequence;
	check_item(&f, FEED_STATE, 1, 0);
	check_frames(&f, 1, tail, 314);
	check_nothing(&f);
	CHECK_EQ(f.skipped, 0);
	finish(&f, &log);
}

TEST(who_wants_all_and_was_overtaken_goes_on_at_the_oldest_join)
{
	struct log_limits small = {4000, 1 << 20, 1 << 20, 500};
	struct position after = test_position(1, 220);
	struct log *log = NULL;
	uint64_t tail;
	struct record r;
	struct feed f;

	CHECK_EQ(log_new(&log, &small), 0);
	CHECK_EQ(test_append(log, test_epoch_frame(1, 100000, 0, 0), false), 0);
	test_video(log, 1, 1, 300, 10);
	feed_init(&f, log, 7);
	CHECK_EQ(feed_start_after(&f, &after), 0);
	f.wants_all = true;
	check_frames(&f, 1, 221, 230);
	test_video(log, 1, 300, 400, 10);
	tail = log_at(log, log_tail(log))->position.sequence;
	CHECK(tail > 231);
	r = check_record(&f, RECORD_SKIP);
	CHECK_EQ(r.reason, REASON_retention);
	CHECK(r.position.sequence + 1 - tail < 10);
	CHECK_EQ(r.count, r.position.sequence - 230);
	check_frames(&f, 1, r.position.sequence + 1, 399);
	finish(&f, &log);
}

TEST(a_hole_in_the_log_is_told_as_a_skip_to_the_next_join)
{
	struct log *log = test_log(1, 12, 10);
	struct position after = test_position(1, 11);
	struct record r;
	struct feed f;

	CHECK_EQ(test_append(log,
			     test_frame(FRAME_VIDEO, 0, 1, 20, 100800,
					(struct span){0}),
			     true),
		 0);
	test_video(log, 1, 21, 24, 10);
	feed_init(&f, log, 7);
	CHECK_EQ(feed_start_after(&f, &after), 0);
	check_frames(&f, 1, 12, 12);
	r = check_record(&f, RECORD_SKIP);
	CHECK_EQ(r.reason, REASON_gap);
	CHECK_EQ(r.count, 8); /* 13 to 20 */
	check_frames(&f, 1, 21, 23);
	finish(&f, &log);
}

TEST(a_paused_feed_gives_nothing_and_an_end_comes_behind_all_frames)
{
	struct log *log = test_log(1, 3, 10);
	struct feed f;

	feed_init(&f, log, 7);
	feed_start_oldest(&f);
	feed_owe_end(&f, REASON_peer_left, 10000);
	f.is_paused = true;
	check_nothing(&f);
	f.is_paused = false;
	check_frames(&f, 1, 0, 3);
	CHECK_EQ(check_record(&f, RECORD_END).ms, 10000);
	check_nothing(&f);
	finish(&f, &log);
}

TEST(a_feed_of_state_alone_stops_behind_resume)
{
	struct log *log = test_log(1, 3, 10);
	struct feed f;

	feed_init(&f, log, 7);
	feed_start_state_only(&f);
	feed_owe_resume(&f, &(struct feed_resume){.flags = RESUME_KNOWN});
	check_item(&f, FEED_STATE, 1, 0);
	CHECK_EQ(check_record(&f, RECORD_RESUME).flags, RESUME_KNOWN);
	check_nothing(&f);
	test_video(log, 1, 4, 6, 10);
	check_nothing(&f);
	finish(&f, &log);
}
