/* services/origin/push_feed_test.c - what a server gets that is published to. */
#include "services/origin/push_feed.h"

#include "common/media/story_test.h"

struct scene {
	struct story story;
	struct push_feed feed;
	struct buf scratch;
	struct buf said;    /* "data 0", "video 40 join", … */
	int answer;         /* of put */
	bool names_cluster; /* the last metadata does */
};

static void begin(struct scene *s, bool has_video, bool has_audio)
{
	*s = (struct scene){0};
	CHECK(story_begin(&s->story, has_video, has_audio));
	s->story.ms = 7000;
	push_feed_init(&s->feed, s->story.log, "paris");
}

static void end(struct scene *s)
{
	push_feed_fini(&s->feed);
	log_free(&s->story.log);
	buf_fini(&s->scratch);
	buf_fini(&s->said);
}

static void tell(struct scene *s, uint8_t kind, bool is_join)
{
	CHECK(story_media(&s->story, kind, is_join, 8));
	s->story.ms += 40;
}

static void gop(struct scene *s, unsigned frames)
{
	for (unsigned i = 0; i < frames; i++)
		tell(s, FRAME_VIDEO, i == 0);
}

static bool holds(struct span in, struct span what)
{
	for (size_t i = 0; i + what.len <= in.len; i++)
		if (!memcmp(in.data + i, what.data, what.len))
			return true;
	return false;
}

static int put(void *ctx, const struct rtmp_media *m)
{
	struct scene *s = ctx;
	const uint8_t *b = m->payload.data;
	const char *what = m->type == RTMP_DATA    ? "data"
			   : m->type == RTMP_AUDIO ? "audio"
			   : b[1] == 0             ? "config"
			   : b[0] >> 4 == 1        ? "key"
						   : "video";

	buf_printf(&s->said, "%s %u\n", what, m->timestamp_ms);
	if (m->type == RTMP_DATA)
		s->names_cluster =
			holds(m->payload, SPAN_LIT("weirVia\2\0\5paris"));
	return s->answer;
}

/* All that there is; returns why it ended. */
static int run(struct scene *s)
{
	int err;

	buf_clear(&s->said);
	do
		err = push_feed_next(&s->feed, &s->scratch, put, s);
	while (!err);
	return err;
}

static void check_said(struct scene *s, const char *expected)
{
	if (!buf_error(&s->said))
		CHECK_STR(buf_text(&s->said), expected);
}

TEST(it_begins_at_the_newest_join_with_metadata_and_headers)
{
	struct scene s;

	begin(&s, true, false);
	CHECK_EQ(run(&s), WEIR_EAGAIN);
	check_said(&s, "");
	gop(&s, 3);
	gop(&s, 2);
	CHECK_EQ(run(&s), WEIR_EAGAIN);
	check_said(&s, "data 0\nconfig 7120\nkey 7120\nvideo 7160\n");
	CHECK(s.names_cluster);
	tell(&s, FRAME_VIDEO, false);
	CHECK_EQ(run(&s), WEIR_EAGAIN);
	check_said(&s, "video 7200\n");
	CHECK_EQ(s.feed.frames, 3);
	CHECK_EQ(s.feed.skipped, 0);
	end(&s);
}

TEST(headers_that_change_are_sent_again_before_the_frame)
{
	struct scene s;

	begin(&s, true, false);
	gop(&s, 1);
	CHECK_EQ(run(&s), WEIR_EAGAIN);
	CHECK(story_config(&s.story));
	gop(&s, 1);
	CHECK_EQ(run(&s), WEIR_EAGAIN);
	check_said(&s, "config 7040\nkey 7040\n");
	end(&s);
}

TEST(a_publisher_that_comes_back_goes_on_in_the_same_time)
{
	struct scene s;

	begin(&s, true, false);
	gop(&s, 2);
	CHECK_EQ(run(&s), WEIR_EAGAIN);
	CHECK(story_epoch(&s.story));
	CHECK(story_tracks(&s.story, true, false));
	CHECK(story_config(&s.story));
	gop(&s, 1);
	CHECK_EQ(run(&s), WEIR_EAGAIN);
	check_said(&s, "config 7080\nkey 7080\n");
	end(&s);
}

TEST(who_lags_goes_on_at_the_newest_join)
{
	struct scene s;
	uint64_t frames = 0;

	begin(&s, true, false);
	gop(&s, 5);
	CHECK(!push_feed_skip(&s.feed, &frames));
	CHECK_EQ(push_feed_next(&s.feed, &s.scratch, put, &s), 0);
	gop(&s, 5);
	gop(&s, 5);
	CHECK_EQ(push_feed_lag_ms(&s.feed), 13 * 40);
	CHECK(push_feed_skip(&s.feed, &frames));
	CHECK_EQ(frames, 9);
	CHECK_EQ(push_feed_lag_ms(&s.feed), 4 * 40);
	CHECK(!push_feed_skip(&s.feed, &frames));
	CHECK_EQ(run(&s), WEIR_EAGAIN);
	check_said(
		&s,
		"key 7400\nvideo 7440\nvideo 7480\nvideo 7520\nvideo 7560\n");
	CHECK_EQ(s.feed.skipped, 9);
	end(&s);
}

TEST(what_left_the_log_before_it_was_sent_is_left_out_up_to_a_join)
{
	static const struct log_limits small = {
		.retain_ms = 1000,
		.retain_bytes = 1 << 20,
		.gop_max_bytes = 1 << 20,
	};
	struct scene s;

	begin(&s, true, false);
	log_free(&s.story.log);
	CHECK_EQ(log_new(&s.story.log, &small), 0);
	s.story = (struct story){.log = s.story.log, .ms = 0};
	s.feed.log = s.story.log;
	CHECK(story_epoch(&s.story) && story_tracks(&s.story, true, false));
	CHECK(story_config(&s.story));
	gop(&s, 2);
	CHECK_EQ(push_feed_next(&s.feed, &s.scratch, put, &s), 0);
	for (int i = 0; i < 20; i++)
		gop(&s, 5);
	CHECK(log_tail(s.story.log) > s.feed.next);
	CHECK_EQ(run(&s), WEIR_EAGAIN);
	CHECK(s.feed.skipped > 50);
	CHECK_EQ(s.feed.skipped + s.feed.frames, 102);
	if (!buf_error(&s.said))
		CHECK(!strncmp(buf_text(&s.said), "key ", 4));
	end(&s);
}

TEST(a_message_that_was_not_taken_is_given_again)
{
	struct scene s;

	begin(&s, true, false);
	gop(&s, 1);
	s.answer = WEIR_ELIMIT;
	CHECK_EQ(run(&s), WEIR_ELIMIT);
	s.answer = 0;
	CHECK_EQ(run(&s), WEIR_EAGAIN);
	check_said(&s, "data 0\nconfig 7000\nkey 7000\n");
	end(&s);
}
