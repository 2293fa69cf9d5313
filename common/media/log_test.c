/* common/media/log_test.c - logs: what is taken and kept, and who is told. */
#include "common/media/log_scene_test.h"

/* ---- what is taken ---- */

TEST(an_empty_log_has_nothing_but_its_next_ordinal)
{
	struct log_join join;
	struct position p = position_of(1, 0);
	struct log *log = NULL;
	uint64_t ordinal;

	CHECK_EQ(log_new(&log, &roomy), 0);
	CHECK_EQ(log_next(log), 0);
	CHECK_EQ(log_tail(log), 0);
	CHECK(!log_at(log, 0));
	CHECK(!log_last_position(log, &p));
	CHECK(!log_state_before(log, 0));
	CHECK_EQ(log_newest_join(log, &join), WEIR_ENOENT);
	CHECK_EQ(log_join_from(log, &join, 0), WEIR_ENOENT);
	CHECK_EQ(log_join_at_dts(log, &join, 0), WEIR_ENOENT);
	CHECK_EQ(log_find_after(log, &ordinal, &p), WEIR_ENOENT);
	CHECK_EQ(stats_of(log).frames, 0);
	log_free(&log);
	log_free(&log);
}

TEST(frames_get_ordinals_and_keep_their_positions)
{
	struct log *log = open_log(&roomy, 5);
	struct position p;

	CHECK_EQ(feed(log, KEY(5, 1, 0)), 0);
	CHECK_EQ(feed(log, VIDEO(5, 2, 40)), 0);
	CHECK_EQ(log_next(log), 3);
	CHECK_EQ(log_at(log, 0)->kind, FRAME_EPOCH);
	CHECK_EQ(log_at(log, 2)->dts_ns, 40 * NS_PER_MS);
	CHECK(!log_at(log, 3));
	CHECK(log_last_position(log, &p));
	CHECK(p.sequence == 2 && p.epoch.counter == 5);
	log_free(&log);
}

TEST(a_log_holds_its_own_reference)
{
	struct log *log = open_log(&roomy, 5);
	struct frame *f = frame_of(KEY(5, 1, 0), SPAN_LIT("abc"));

	CHECK(f);
	CHECK_EQ(log_append(log, f), 0);
	CHECK_EQ(f->refs, 2);
	log_free(&log);
	CHECK_EQ(f->refs, 1);
	frame_unref(&f);
}

TEST(an_epoch_opens_with_its_epoch_frame)
{
	struct log *log = NULL;

	CHECK_EQ(log_new(&log, &roomy), 0);
	CHECK_EQ(feed(log, KEY(5, 0, 0)), WEIR_EPROTO);
	CHECK_EQ(feed(log, HEAD(FRAME_EPOCH, 5, 1)), WEIR_EPROTO);
	CHECK_EQ(feed(log, HEAD(FRAME_EPOCH, 0, 0)), WEIR_EPROTO);
	CHECK_EQ(feed_gap(log, KEY(0, 7, 0)), WEIR_EPROTO);
	CHECK_EQ(feed_gap(log, KEY(5, UINT64_MAX, 0)), WEIR_EPROTO);
	CHECK_EQ(log_next(log), 0);
	CHECK_EQ(feed(log, HEAD(FRAME_EPOCH, 5, 0)), 0);
	CHECK_EQ(feed(log, KEY(6, 0, 0)), WEIR_EPROTO);
	CHECK_EQ(feed(log, KEY(6, 1, 0)), WEIR_EPROTO);
	CHECK_EQ(feed(log, HEAD(FRAME_EPOCH, 6, 0)), 0);
	CHECK_EQ(log_next(log), 2);
	log_free(&log);
}

TEST(frames_out_of_order_are_refused_and_nothing_happens)
{
	struct log *log = open_log(&roomy, 5);

	feed_video(log, 5, 1, 4, 10, 0);
	CHECK_EQ(feed(log, VIDEO(5, 3, 0)), WEIR_EDUP);
	CHECK_EQ(feed(log, HEAD(FRAME_EPOCH, 5, 0)), WEIR_EDUP);
	CHECK_EQ(feed(log, VIDEO(5, 5, 0)), WEIR_EGAP);
	CHECK_EQ(feed_gap(log, VIDEO(5, 2, 0)), WEIR_EDUP);
	CHECK_EQ(log_next(log), 4);
	CHECK_EQ(stats_of(log).bytes, 4 * LOG_FRAME_COST);
	CHECK_EQ(feed(log, VIDEO(5, 4, 160)), 0);
	log_free(&log);
}

TEST(frames_of_older_epochs_are_stale)
{
	struct log *log = open_log(&roomy, 5);
	struct frame rival = HEAD(FRAME_EPOCH, 6, 0);

	rival.position.epoch.writer.byte[15] = 1;
	CHECK_EQ(feed(log, HEAD(FRAME_EPOCH, 6, 0)), 0);
	CHECK_EQ(feed(log, KEY(5, 1, 0)), WEIR_ESTALE);
	CHECK_EQ(feed_gap(log, KEY(5, 1, 0)), WEIR_ESTALE);
	CHECK_EQ(feed(log, HEAD(FRAME_EPOCH, 5, 0)), WEIR_ESTALE);
	CHECK_EQ(feed(log, HEAD(FRAME_EPOCH, 4, 0)), WEIR_ESTALE);
	/* as high a counter, another writer: another epoch */
	CHECK_EQ(feed(log, rival), 0);
	CHECK_EQ(feed(log, KEY(6, 1, 0)), WEIR_ESTALE);
	CHECK_EQ(log_next(log), 3);
	log_free(&log);
}

TEST(a_log_that_must_go_on_takes_frames_behind_a_gap)
{
	struct log *log = NULL;

	CHECK_EQ(log_new(&log, &roomy), 0);
	CHECK_EQ(feed_gap(log, KEY(5, 100, 0)), 0); /* in the middle */
	CHECK_EQ(feed(log, VIDEO(5, 101, 40)), 0);
	CHECK_EQ(feed_gap(log, KEY(5, 200, 80)), 0);
	CHECK_EQ(feed(log, VIDEO(5, 150, 80)), WEIR_EDUP);
	CHECK_EQ(feed_gap(log, VIDEO(5, 201, 90)), 0); /* no gap at all */
	CHECK_EQ(feed_gap(log, KEY(6, 3, 100)), 0);
	CHECK_EQ(log_next(log), 5);
	CHECK_EQ(log_at(log, 2)->position.sequence, 200);
	log_free(&log);
}

TEST(an_append_without_memory_changes_nothing)
{
	struct frame *f[40] = {NULL};
	struct log *log = NULL;

	CHECK_EQ(log_new(&log, &roomy), 0);
	for (uint64_t i = 0; i < 40; i++) {
		f[i] = frame_of(i % 4 ? KEY(5, i, 0) : HEAD(FRAME_META, 5, i),
				SPAN_LIT("x"));
		CHECK(f[i]);
	}
	f[0]->kind = FRAME_EPOCH;
	for (uint64_t i = 0; i < 40; i++) {
		struct log_stats before = stats_of(log);
		int err = log_append(log, f[i]);

		CHECK(err == 0 || err == WEIR_ENOMEM);
		if (!err)
			continue;
		CHECK_EQ(log_next(log), i);
		CHECK_EQ(stats_of(log).bytes, before.bytes);
		CHECK_EQ(stats_of(log).joins, before.joins);
		CHECK_EQ(f[i]->refs, 1);
		CHECK_EQ(log_append(log, f[i]), 0); /* and then it works */
	}
	CHECK_EQ(log_next(log), 40);
	CHECK_EQ(stats_of(log).joins, 30);
	CHECK_EQ(log_state_before(log, 40)->count, 2);
	log_free(&log);
	for (size_t i = 0; i < 40; i++)
		frame_unref(&f[i]);
}

/* ---- what is kept ---- */

TEST(frames_leave_when_the_log_is_longer_than_retain_ms)
{
	const struct log_limits limits = {1000, PLENTY, PLENTY, 0};
	struct log *log = open_log(&limits, 5);

	feed_video(log, 5, 1, 101, 5, 10);
	/* 1000 ms behind the newest, whose sequence is 100 */
	CHECK_EQ(log_at(log, log_tail(log))->position.sequence, 75);
	CHECK_EQ(stats_of(log).first_dts_ns, 3000 * NS_PER_MS);
	CHECK_EQ(stats_of(log).frames, 26);
	CHECK_EQ(stats_of(log).bytes, 26 * (10 + LOG_FRAME_COST));
	CHECK_EQ(stats_of(log).evicted_past_join, 0);
	CHECK(!log_at(log, log_tail(log) - 1));
	log_free(&log);
}

TEST(frames_leave_when_the_log_is_larger_than_retain_bytes)
{
	const struct log_limits limits = {3600000, 20 * (1000 + LOG_FRAME_COST),
					  PLENTY, 0};
	struct log *log = open_log(&limits, 5);

	feed_video(log, 5, 1, 101, 5, 1000);
	CHECK_EQ(stats_of(log).frames, 20);
	CHECK_EQ(log_at(log, log_tail(log))->position.sequence, 81);
	log_free(&log);
}

TEST(the_newest_join_and_what_follows_it_stay_below_gop_max_bytes)
{
	const struct log_limits limits = {1000, 10 * LOG_FRAME_COST, PLENTY, 0};
	struct log *log = open_log(&limits, 5);
	struct log_join join;

	feed_video(log, 5, 1, 1000, 5000, 0); /* a GOP of 40 s */
	CHECK_EQ(log_newest_join(log, &join), 0);
	CHECK_EQ(join.ordinal, log_tail(log));
	CHECK_EQ(log_at(log, log_tail(log))->position.sequence, 1);
	CHECK_EQ(stats_of(log).frames, 999);
	CHECK_EQ(feed(log, KEY(5, 1000, 40000)), 0);
	/* now nothing holds it any more */
	CHECK_EQ(stats_of(log).frames, 10);
	CHECK_EQ(stats_of(log).evicted_past_join, 0);
	log_free(&log);
}

TEST(a_gop_past_gop_max_bytes_loses_its_oldest_frames_and_they_are_counted)
{
	const struct log_limits limits = {1000, 10 * LOG_FRAME_COST,
					  100 * LOG_FRAME_COST, 0};
	struct log *log = open_log(&limits, 5);
	struct log_join join;

	feed_video(log, 5, 1, 101, 5000, 0);
	CHECK_EQ(stats_of(log).frames, 100);
	CHECK_EQ(stats_of(log).evicted_past_join, 0);
	CHECK_EQ(log_newest_join(log, &join), 0);
	feed_video(log, 5, 101, 111, 5000, 0);
	CHECK_EQ(stats_of(log).frames, 100);
	CHECK_EQ(stats_of(log).evicted_past_join, 10);
	CHECK_EQ(log_newest_join(log, &join), WEIR_ENOENT);
	CHECK_EQ(log_join_from(log, &join, log_tail(log)), WEIR_ENOENT);
	CHECK(stats_of(log).has_video_join);
	CHECK_EQ(feed(log, KEY(5, 111, 4440)), 0);
	CHECK_EQ(log_newest_join(log, &join), 0);
	CHECK_EQ(stats_of(log).frames, 10);
	log_free(&log);
}

TEST(a_log_without_any_join_keeps_to_the_plain_limits)
{
	const struct log_limits limits = {1000, PLENTY, PLENTY, 0};
	struct log *log = open_log(&limits, 5);

	for (uint64_t s = 1; s < 101; s++)
		CHECK_EQ(feed(log, VIDEO(5, s, (int64_t)s * 40)), 0);
	CHECK_EQ(stats_of(log).frames, 26);
	CHECK(!stats_of(log).has_video_join);
	log_free(&log);
}

TEST(the_newest_frame_stays_however_large_it_is)
{
	const struct log_limits none = {0, 0, 0, 0};
	struct log *log = open_log(&none, 5);

	for (uint64_t s = 1; s < 10; s++) {
		CHECK_EQ(feed_by(log_append, log, KEY(5, s, (int64_t)s), 9999),
			 0);
		CHECK_EQ(stats_of(log).frames, 1);
		CHECK_EQ(log_at(log, s)->position.sequence, s);
	}
	log_free(&log);
}

/* How many frames a log of 1000 ms keeps when the second epoch's dts, and a
 * jump within it, are as given. */
static uint64_t kept_over(int64_t second_epoch_ms, int64_t jump_ms)
{
	const struct log_limits limits = {1000, PLENTY, PLENTY, 0};
	struct log *log = open_log(&limits, 5);
	uint64_t frames;

	for (int64_t s = 1; s <= 50; s++)
		CHECK_EQ(feed(log, KEY(5, (uint64_t)s, s * 40)), 0);
	CHECK_EQ(feed(log, HEAD(FRAME_EPOCH, 6, 0)), 0);
	for (int64_t s = 1; s <= 10; s++)
		CHECK_EQ(feed(log,
			      KEY(6, (uint64_t)s, second_epoch_ms + s * 40)),
			 0);
	for (int64_t s = 11; s <= 20; s++)
		CHECK_EQ(feed(log, KEY(6, (uint64_t)s,
				       second_epoch_ms + jump_ms + s * 40)),
			 0);
	frames = stats_of(log).frames;
	log_free(&log);
	return frames;
}

TEST(length_goes_on_over_an_epoch_or_a_jump_in_either_direction)
{
	static const int64_t hour = 3600000;
	uint64_t even = kept_over(2000, 0);

	CHECK(even >= 26 && even <= 28);
	CHECK_EQ(kept_over(2000 + hour, 0), even);
	CHECK_EQ(kept_over(2000 - hour, 0), even);
	CHECK_EQ(kept_over(0, 0), even);
	/* a jump is a step of no length: one frame more */
	CHECK_EQ(kept_over(2000, hour), even + 1);
	CHECK_EQ(kept_over(2000, -hour), even + 1);
}

TEST(a_track_that_lags_does_not_stop_the_eviction)
{
	const struct log_limits limits = {1000, PLENTY, PLENTY, 0};
	struct log *log = open_log(&limits, 5);
	uint64_t s = 1;

	for (int64_t ms = 0; ms < 60000; ms += 40) {
		CHECK_EQ(feed(log, KEY(5, s++, ms)), 0);
		if (ms >= 30000) /* audio, 30 s late */
			CHECK_EQ(feed(log,
				      HEAD(FRAME_AUDIO, 5, s++, .track = 2,
					   .dts_ns = (ms - 30000) * NS_PER_MS)),
				 0);
	}
	CHECK_EQ(stats_of(log).frames, 52);
	CHECK_EQ(stats_of(log).last_dts_ns, 59960 * NS_PER_MS);
	log_free(&log);
}

/* A picture of 40 ms, shown so many ms after its dts. */
static int put_shown(struct log *log, uint64_t sequence, uint8_t flags,
		     int64_t dts_ms, int64_t ahead_ms)
{
	return feed(log, HEAD(FRAME_VIDEO, 5, sequence, .track = 1,
			      .flags = flags, .dts_ns = dts_ms * NS_PER_MS,
			      .pts_ns = (dts_ms + ahead_ms) * NS_PER_MS));
}

TEST(a_picture_that_is_shown_after_others_ends_when_it_is_shown)
{
	struct log *log = open_log(&roomy, 5);

	CHECK_EQ(put_shown(log, 1, FRAME_JOIN, 0, 80), 0);
	CHECK_EQ(put_shown(log, 2, 0, 40, 200), 0);
	/* A JOIN at 200 is shown at 280, behind what is shown at 240. */
	CHECK_EQ(stats_of(log).end_dts_ns, 200 * NS_PER_MS);
	CHECK_EQ(put_shown(log, 3, 0, 80, 40), 0);
	CHECK_EQ(stats_of(log).end_dts_ns, 200 * NS_PER_MS);
	CHECK_EQ(put_shown(log, 4, 0, 120, 5000), 0); /* a mistake */
	CHECK_EQ(stats_of(log).end_dts_ns, 200 * NS_PER_MS);
	CHECK_EQ(put_shown(log, 5, 0, 200, 0), 0);
	CHECK_EQ(stats_of(log).last_dts_ns, 200 * NS_PER_MS);
	log_free(&log);
}

TEST(the_latest_end_is_the_dts_and_a_duration_like_the_one_before)
{
	struct log *log = open_log(&roomy, 5);

	CHECK_EQ(stats_of(log).end_dts_ns, 0);
	CHECK_EQ(feed(log, KEY(5, 1, -500)), 0);
	CHECK_EQ(stats_of(log).last_dts_ns, -500 * NS_PER_MS);
	CHECK_EQ(stats_of(log).end_dts_ns, -500 * NS_PER_MS);
	CHECK_EQ(feed(log, VIDEO(5, 2, 1000)), 0);
	CHECK_EQ(feed(log, VIDEO(5, 3, 1040)), 0);
	CHECK_EQ(feed(log, AUDIO(5, 4, 1021)), 0);
	CHECK_EQ(stats_of(log).last_dts_ns, 1040 * NS_PER_MS);
	CHECK_EQ(stats_of(log).end_dts_ns, 2500 * NS_PER_MS);
	CHECK_EQ(feed(log, VIDEO(5, 5, 2490)), 0);
	CHECK_EQ(feed(log, VIDEO(5, 6, 2530)), 0);
	CHECK_EQ(feed(log, HEAD(FRAME_CUT, 5, 7, .dts_ns = PLENTY)), 0);
	CHECK_EQ(stats_of(log).last_dts_ns, 2530 * NS_PER_MS);
	log_free(&log);
}

TEST(times_at_the_ends_of_the_range_do_no_harm)
{
	static const int64_t dts[] = {0, INT64_MAX, INT64_MIN, INT64_MAX,
				      5, INT64_MIN, -1,        INT64_MAX};
	const struct log_limits limits = {1000, PLENTY, PLENTY, 1000};
	struct log *log = open_log(&limits, 5);

	for (uint64_t s = 0; s < 8; s++) {
		CHECK_EQ(feed(log,
			      HEAD(FRAME_AUDIO, 5, s + 1, .flags = FRAME_JOIN,
				   .track = 1, .dts_ns = dts[s])),
			 0);
		CHECK(log_at(log, s + 1));
	}
	log_free(&log);
}

/* ---- watchers ---- */

struct watcher {
	struct log_watch watch;
	struct watcher *removes; /* in its callback */
	struct watcher *adds;
	int *journal; /* decimal digits */
	int number;
};

static void on_append(struct watcher *w, struct log *log, uint64_t ordinal)
{
	CHECK(log_at(log, ordinal));
	CHECK_EQ(log_next(log), ordinal + 1);
	*w->journal = *w->journal * 10 + w->number;
	if (w->removes)
		log_watch_remove(&w->removes->watch);
	if (w->adds)
		log_watch_add(log, &w->adds->watch);
	w->adds = NULL;
}

static void on_append_v(void *ctx, struct log *log, uint64_t ordinal)
{
	on_append(ctx, log, ordinal);
}

/* Four watchers that write their numbers, 1 to 4, into *journal. */
static void make_watchers(struct watcher w[4], int *journal)
{
	for (int i = 0; i < 4; i++) {
		w[i] = (struct watcher){.journal = journal, .number = i + 1};
		w[i].watch.on_append = on_append_v;
		w[i].watch.ctx = &w[i];
		list_init(&w[i].watch.link);
	}
}

/* What the watchers wrote during the next append. */
static int journal_of_append(struct log *log, int *journal)
{
	*journal = 0;
	CHECK_EQ(feed(log, KEY(5, log_next(log), 0)), 0);
	return *journal;
}

TEST(watchers_are_told_at_once_in_the_order_in_which_they_came)
{
	struct log *log = open_log(&roomy, 5);
	struct watcher w[4];
	int journal = 0;

	make_watchers(w, &journal);
	log_watch_add(log, &w[2].watch);
	log_watch_add(log, &w[0].watch);
	log_watch_add(log, &w[1].watch);
	CHECK_EQ(journal_of_append(log, &journal), 312);
	CHECK_EQ(feed(log, KEY(5, 0, 0)), WEIR_EDUP);
	CHECK_EQ(feed_by(log_set_state, log, HEAD(FRAME_META, 5, 9), 0), 0);
	CHECK_EQ(journal, 312); /* nothing was appended */
	log_watch_remove(&w[0].watch);
	log_watch_remove(&w[0].watch);
	CHECK_EQ(journal_of_append(log, &journal), 32);
	log_free(&log);
	log_watch_remove(&w[1].watch); /* after the log: fine */
}

TEST(a_watcher_may_remove_any_watcher_itself_included)
{
	for (int who = 0; who < 3; who++)
		for (int whom = 0; whom < 3; whom++) {
			struct log *log = open_log(&roomy, 5);
			struct watcher w[4];
			int journal, want = 0, later = 0;

			make_watchers(w, &journal);
			w[who].removes = &w[whom];
			for (int i = 0; i < 3; i++) {
				log_watch_add(log, &w[i].watch);
				if (i != whom || whom <= who)
					want = want * 10 + i + 1;
				if (i != whom)
					later = later * 10 + i + 1;
			}
			CHECK_EQ(journal_of_append(log, &journal), want);
			CHECK_EQ(journal_of_append(log, &journal), later);
			log_free(&log);
		}
}

TEST(a_watcher_that_is_added_by_another_hears_of_the_next_frame)
{
	struct log *log = open_log(&roomy, 5);
	struct watcher w[4];
	int journal;

	make_watchers(w, &journal);
	log_watch_add(log, &w[0].watch);
	log_watch_add(log, &w[1].watch);
	w[1].adds = &w[2];
	w[0].adds = &w[3];
	CHECK_EQ(journal_of_append(log, &journal), 12);
	CHECK_EQ(journal_of_append(log, &journal), 1243);
	log_free(&log);
}

TEST(a_watcher_that_leaves_and_comes_back_stands_last)
{
	struct log *log = open_log(&roomy, 5);
	struct watcher w[4];
	int journal;

	make_watchers(w, &journal);
	log_watch_add(log, &w[0].watch);
	log_watch_add(log, &w[1].watch);
	w[0].removes = &w[0];
	w[0].adds = &w[0];
	CHECK_EQ(journal_of_append(log, &journal), 12);
	w[0].removes = NULL;
	CHECK_EQ(journal_of_append(log, &journal), 21);
	log_free(&log);
}

/* ---- looking ahead ---- */

static void on_ahead(void *ctx, unsigned step)
{
	int *journal = ctx;

	*journal = *journal * 10 + (int)step + 1;
}

TEST(all_steps_ahead_reach_watchers_in_order_and_change_nothing)
{
	int journal[2] = {0};
	struct log_watch w[3] = {
		{.on_ahead = on_ahead, .ctx = &journal[0]},
		{.on_ahead = NULL},
		{.on_ahead = on_ahead, .ctx = &journal[1]},
	};
	struct log *logs[3] = {NULL, open_log(&roomy, 5), NULL};

	CHECK_EQ(log_new(&logs[2], &roomy), 0); /* it stays empty */
	CHECK_EQ(feed(logs[1], KEY(5, 1, 0)), 0);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(w); i++)
		list_init(&w[i].link);
	log_watch_add(logs[1], &w[0]);
	log_watch_add(logs[1], &w[1]);
	log_watch_add(logs[2], &w[2]);
	for (unsigned step = 0; step < LOG_STEPS; step++)
		log_ahead(logs[1], step);
	CHECK_EQ(journal[0], 1234);
	CHECK_EQ(journal[1], 0);
	logs_ahead(logs, WEIR_ARRAY_LEN(logs));
	CHECK_EQ(journal[0], 12341234);
	CHECK_EQ(journal[1], 1234);
	CHECK_EQ(log_next(logs[1]), 2);
	CHECK_EQ(log_next(logs[2]), 0);
	log_free(&logs[1]);
	log_free(&logs[2]);
}
