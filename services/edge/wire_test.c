/* services/edge/wire_test.c - wires: places, headers, skips, retention. */
#include "services/edge/wire.h"

#include <stdlib.h>

#include "services/edge/story_test.h"

static const struct wire_limits limits = {
	.retain_ms = 1000,
	.max_bytes = 64 << 20,
	.audio_join_ms = 1000,
};

/* A story that is written into a wire as it goes on, and one who reads it. */
struct scene {
	struct story story;
	struct wire *wire;
	uint64_t written; /* ordinal */
	struct wire_cursor at;
	struct plain_reader reader;
};

static void begin(struct scene *s, bool has_video, bool has_audio)
{
	*s = (struct scene){.wire = NULL};
	CHECK(story_begin(&s->story, has_video, has_audio));
	CHECK_EQ(wire_new(&s->wire, &wire_plain, &limits), 0);
}

static void close_reader(struct plain_reader *r)
{
	CHECK_STR(r->fault ? r->fault : "well", "well");
	CHECK_EQ(buf_error(&r->in), 0);
	buf_fini(&r->in);
}

static void end(struct scene *s)
{
	close_reader(&s->reader);
	wire_free(&s->wire);
	log_free(&s->story.log);
}

/* Write what the log has and the wire has not. */
static void catch_up(struct scene *s)
{
	for (; s->written < log_next(s->story.log); s->written++)
		CHECK_EQ(wire_append(s->wire, s->story.log, s->written), 0);
}

static void video(struct scene *s, bool is_join, size_t len)
{
	CHECK(story_media(&s->story, FRAME_VIDEO, is_join, len));
	s->story.ms += 40;
	catch_up(s);
}

/* A group of pictures of 40 ms each. */
static void gop(struct scene *s, unsigned frames)
{
	for (unsigned i = 0; i < frames; i++)
		video(s, i == 0, 100);
}

static void start_at(struct scene *s, struct wire_cursor *c,
		     struct plain_reader *r)
{
	struct span prefix;

	*r = (struct plain_reader){.needs_join = true};
	CHECK_EQ(wire_start(s->wire, c, &prefix), 0);
	plain_read(r, prefix);
}

static void start(struct scene *s)
{
	start_at(s, &s->at, &s->reader);
}

/* A group of so many pictures, and one who begins to read it. */
static void begin_reading(struct scene *s, unsigned frames)
{
	begin(s, true, false);
	gop(s, frames);
	start(s);
}

/* Read at most `max` bytes. */
static size_t read_some_at(struct scene *s, struct wire_cursor *c,
			   struct plain_reader *r, size_t max)
{
	size_t total = 0;

	while (total < max) {
		struct span part =
			span_first(wire_peek(s->wire, c), max - total);

		if (!part.len)
			break;
		plain_read(r, part);
		wire_advance(s->wire, c, part.len);
		total += part.len;
	}
	return total;
}

static size_t read_some(struct scene *s, size_t max)
{
	return read_some_at(s, &s->at, &s->reader, max);
}

static void read_all_at(struct scene *s, struct wire_cursor *c,
			struct plain_reader *r)
{
	read_some_at(s, c, r, SIZE_MAX);
	CHECK_EQ(r->in.len, 0);
	CHECK(wire_at_unit_end(c));
}

static void read_all(struct scene *s)
{
	read_all_at(s, &s->at, &s->reader);
}

TEST(a_viewer_begins_with_the_headers_and_the_newest_join)
{
	struct scene s;

	begin(&s, true, true);
	gop(&s, 5);
	gop(&s, 3);
	start(&s);
	CHECK_EQ(s.reader.openings, 1);
	CHECK_EQ(s.reader.metas, 1);
	CHECK_EQ(s.reader.configs, 1);
	read_all(&s);
	CHECK_EQ(s.reader.first_number, 5);
	CHECK_EQ(s.reader.frames, 3);
	CHECK_EQ(s.reader.configs, 1);
	end(&s);
}

TEST(what_comes_before_the_first_join_is_not_written)
{
	struct scene s;
	struct wire_cursor c;
	struct span prefix;
	struct wire_stats stats;

	begin(&s, true, true);
	video(&s, false, 100);
	CHECK(story_media(&s.story, FRAME_AUDIO, false, 50));
	catch_up(&s);
	CHECK(!wire_is_ready(s.wire));
	CHECK_EQ(wire_start(s.wire, &c, &prefix), WEIR_EAGAIN);
	wire_get_stats(s.wire, &stats);
	CHECK_EQ(stats.written_bytes, 0);
	CHECK_EQ(stats.left_out, 0);
	end(&s);
}

TEST(viewers_at_one_join_share_one_prefix)
{
	struct scene s;
	struct wire_cursor a, b;
	struct span first, second;

	begin(&s, true, false);
	gop(&s, 2);
	CHECK_EQ(wire_start(s.wire, &a, &first), 0);
	CHECK_EQ(wire_start(s.wire, &b, &second), 0);
	CHECK(first.data == second.data);
	CHECK_SPAN(first, second);
	end(&s);
}

TEST(without_video_a_viewer_gets_the_last_second)
{
	struct scene s;

	begin(&s, false, true);
	for (int i = 0; i < 150; i++) {
		CHECK(story_media(&s.story, FRAME_AUDIO, true, 20));
		s.story.ms += 20;
	}
	catch_up(&s);
	start(&s);
	read_all(&s);
	CHECK(s.reader.frames >= 50); /* 1000 ms */
	CHECK(s.reader.frames <= 56); /* and no more than the joins are apart */
	CHECK_EQ(s.reader.last_number, 149);
	end(&s);
}

TEST(headers_that_change_stand_before_the_frames_that_need_them)
{
	struct scene s;

	begin_reading(&s, 3);
	read_all(&s);
	CHECK(story_config(&s.story));
	gop(&s, 3);
	CHECK(story_put(&s.story, FRAME_META, 0, 0, SPAN_LIT("title")));
	gop(&s, 3);
	read_all(&s);
	CHECK_EQ(s.reader.frames, 9);
	CHECK_EQ(s.reader.configs, 2);
	CHECK_EQ(s.reader.metas, 2);
	end(&s);
}

TEST(state_that_says_the_same_is_not_written_again)
{
	struct scene s;

	begin_reading(&s, 3);
	s.story.config--; /* the same CONFIG again, in a new epoch */
	CHECK(story_epoch(&s.story));
	CHECK(story_tracks(&s.story, true, false));
	CHECK(story_config(&s.story));
	gop(&s, 3);
	read_all(&s);
	CHECK_EQ(s.reader.frames, 6);
	CHECK_EQ(s.reader.configs, 1);
	CHECK_EQ(s.reader.metas, 1);
	end(&s);
}

static void skip(struct scene *s, uint64_t expected)
{
	struct wire_cursor *c = &s->at;
	struct plain_reader *r = &s->reader;
	struct span prefix;
	struct buf rest = {0};
	uint64_t skipped;

	CHECK_EQ(wire_take_rest(s->wire, c, &rest), 0);
	plain_read(r, buf_span(&rest));
	buf_fini(&rest);
	wire_leave(c);
	CHECK_EQ(wire_peek(s->wire, c).len, 0);
	CHECK_EQ(wire_rejoin(s->wire, c, &skipped, &prefix), 0);
	CHECK_EQ(skipped, expected);
	plain_read(r, prefix);
	r->needs_join = true;
}

TEST(a_skip_from_the_middle_of_a_unit_finishes_it_and_counts_exactly)
{
	struct scene s;

	begin_reading(&s, 10);
	CHECK_EQ(read_some(&s, 2 * 110 + 7), 227); /* in the third */
	CHECK(!wire_at_unit_end(&s.at));
	gop(&s, 10);
	gop(&s, 4);
	skip(&s, 24 - 3 - 4);
	read_all(&s);
	CHECK_EQ(s.reader.frames, 3 + 4);
	CHECK_EQ(s.reader.configs, 1); /* nothing had changed */
	end(&s);
}

TEST(after_a_skip_headers_come_first_if_they_differ)
{
	struct scene s;

	begin_reading(&s, 5);
	read_some(&s, 110);
	CHECK(story_config(&s.story));
	gop(&s, 5);
	gop(&s, 5);
	skip(&s, 9);
	CHECK_EQ(s.reader.configs, 2);
	read_all(&s);
	CHECK_EQ(s.reader.frames, 6);
	end(&s);
}

TEST(who_left_its_place_waits_for_a_join_that_is_not_behind)
{
	struct scene s;
	struct span prefix;
	uint64_t skipped;

	begin_reading(&s, 5);
	read_some(&s, 110);
	wire_leave(&s.at);
	CHECK_EQ(wire_rejoin(s.wire, &s.at, &skipped, &prefix), WEIR_EAGAIN);
	CHECK_EQ(wire_lag_ms(s.wire, &s.at, 0), 0);
	gop(&s, 1);
	CHECK_EQ(wire_rejoin(s.wire, &s.at, &skipped, &prefix), 0);
	CHECK_EQ(skipped, 4);
	end(&s);
}

TEST(who_stands_at_the_newest_join_skips_nothing)
{
	struct scene s;
	struct span prefix;
	uint64_t skipped;

	begin_reading(&s, 5);
	wire_leave(&s.at);
	CHECK_EQ(wire_rejoin(s.wire, &s.at, &skipped, &prefix), 0);
	CHECK_EQ(skipped, 0);
	read_all(&s);
	CHECK_EQ(s.reader.frames, 5);
	end(&s);
}

TEST(lag_is_time_of_the_stream_that_was_not_sent)
{
	struct scene s;

	begin_reading(&s, 11);
	CHECK_EQ(wire_lag_ms(s.wire, &s.at, 0), 400);
	read_some(&s, 5 * 110);
	CHECK_EQ(wire_lag_ms(s.wire, &s.at, 0), 200);
	CHECK_EQ(wire_lag_ms(s.wire, &s.at, 2 * 110), 280); /* in the kernel */
	CHECK_EQ(wire_lag_ms(s.wire, &s.at, UINT64_MAX), 400);
	read_all(&s);
	CHECK_EQ(wire_lag_ms(s.wire, &s.at, 0), 0);
	end(&s);
}

TEST(spare_is_what_is_old_and_before_the_newest_join)
{
	struct scene s;

	begin(&s, true, false);
	gop(&s, 50); /* 2 s, all behind the join */
	CHECK_EQ(wire_spare_end(s.wire), 0);
	gop(&s, 10); /* 400 ms: of the first, 600 ms are younger than 1 s */
	CHECK_EQ(wire_spare_end(s.wire), (60 - 26) * 110);
	wire_trim(s.wire, wire_spare_end(s.wire));
	CHECK_EQ(wire_spare_end(s.wire), (60 - 26) * 110);
	CHECK(wire_is_ready(s.wire));
	end(&s);
}

TEST(a_wire_never_holds_more_than_its_limit)
{
	const struct wire_limits small = {
		.retain_ms = 1000, .max_bytes = 100000, .audio_join_ms = 1000};
	struct wire_stats stats;
	struct scene s;
	uint64_t end_at;

	begin(&s, true, false);
	wire_free(&s.wire);
	CHECK_EQ(wire_new(&s.wire, &wire_plain, &small), 0);
	video(&s, true, 100);
	for (int i = 0; i < 1000; i++)
		video(&s, false, 990);
	end_at = wire_limit_end(s.wire);
	CHECK(end_at > 0);
	wire_trim(s.wire, end_at);
	wire_get_stats(s.wire, &stats);
	CHECK(stats.written_bytes - end_at <= 100000);
	CHECK(stats.kept_bytes <= 100000 + 2 * 65536);
	CHECK(!wire_is_ready(s.wire)); /* until the next join */
	video(&s, true, 100);
	CHECK(wire_is_ready(s.wire));
	end(&s);
}

/* The cursor goes to the end, whatever the bytes are. */
static void pass_all(struct scene *s)
{
	struct span part = wire_peek(s->wire, &s->at);

	for (; part.len; part = wire_peek(s->wire, &s->at))
		wire_advance(s->wire, &s->at, part.len);
}

TEST_NO_OOM(units_are_found_where_a_wire_passes_32_bits_of_bytes)
{
	const size_t len = 8 << 20;
	struct wire_stats stats = {0};
	struct scene s;

	begin(&s, true, false);
	wire_set_sharing(s.wire, true);
	video(&s, true, len);
	start(&s);
	while (stats.written_bytes < UINT32_MAX + UINT64_C(100) * len) {
		const uint64_t unit = len + 10;
		const unsigned behind = (unsigned)WEIR_MIN(stats.frames, 9);

		pass_all(&s);
		wire_get_stats(s.wire, &stats);
		CHECK_EQ(s.at.offset, stats.written_bytes);
		CHECK_EQ(s.at.unit_end, stats.frames * unit);
		CHECK_EQ(s.at.next_frame, stats.frames);
		CHECK_EQ(wire_lag_ms(s.wire, &s.at, behind * unit),
			 behind ? (behind - 1) * 40 : 0);
		wire_trim(s.wire, wire_spare_end(s.wire));
		video(&s, true, len);
	}
	end(&s);
}

TEST(a_place_at_the_end_of_a_block_outlives_that_block)
{
	struct scene s;

	begin(&s, true, false);
	video(&s, true, 65536 - 10); /* one whole block */
	start(&s);
	video(&s, true, 100);
	CHECK_EQ(read_some(&s, 65536), 65536);
	gop(&s, 40);
	wire_trim(s.wire, 65536);
	read_all(&s);
	CHECK_EQ(s.reader.frames, 42);
	end(&s);
}

TEST(while_it_shares_payloads_stay_with_their_frames)
{
	struct scene s;
	struct wire_stats stats;

	begin(&s, true, false);
	wire_set_sharing(s.wire, true);
	gop(&s, 30); /* of 110 bytes, 100 of them the payload */
	wire_get_stats(s.wire, &stats);
	CHECK_EQ(stats.shared_bytes, 30 * 100);
	CHECK_EQ(stats.written_bytes, 30 * 110);
	start(&s);
	read_some(&s, 10 * 110 + 5);
	wire_set_sharing(s.wire, false);
	gop(&s, 30); /* and others are copied behind them */
	read_all(&s);
	CHECK_EQ(s.reader.frames, 60);
	wire_trim(s.wire, wire_spare_end(s.wire));
	wire_get_stats(s.wire, &stats);
	CHECK_EQ(stats.shared_bytes, 0);
	end(&s);
}

TEST(what_a_wire_refers_to_outlives_the_log_s_own_frame)
{
	struct scene s;

	begin(&s, true, false);
	wire_set_sharing(s.wire, true);
	gop(&s, 10);
	start(&s);
	log_free(&s.story.log);
	read_all(&s);
	CHECK_EQ(s.reader.frames, 10);
	end(&s);
}

TEST(frames_that_are_missing_are_left_out_until_the_next_join)
{
	struct scene s;
	struct wire_stats stats;

	begin_reading(&s, 5);
	wire_gap(s.wire, 7);
	s.story.number += 7;
	video(&s, false, 100);
	video(&s, false, 100);
	gop(&s, 3);
	read_all(&s);
	wire_get_stats(s.wire, &stats);
	CHECK_EQ(stats.left_out, 9);
	CHECK_EQ(s.reader.frames, 8);
	CHECK_EQ(s.reader.last_number + 1, s.reader.frames + stats.left_out);
	end(&s);
}

TEST(an_epoch_that_begins_earlier_is_put_behind_the_last_one)
{
	struct scene s;

	begin_reading(&s, 50);
	read_all(&s);
	CHECK_EQ(s.reader.last_ms, 49 * 40);
	s.story.ms = 0; /* nobody knew the stream any more */
	CHECK(story_epoch(&s.story));
	CHECK(story_tracks(&s.story, true, false));
	CHECK(story_config(&s.story));
	gop(&s, 3);
	read_all(&s);
	CHECK_EQ(s.reader.last_ms, 50 * 40 + 2 * 40);
	end(&s);
}

TEST(an_epoch_with_an_equal_counter_is_put_behind_the_one_that_lost)
{
	struct scene s;

	begin_reading(&s, 50);
	read_all(&s);
	s.story.ms = 1000; /* the one that won had begun earlier */
	s.story.counter--;
	s.story.writer = 99;
	CHECK(story_epoch(&s.story));
	CHECK(story_tracks(&s.story, true, false));
	CHECK(story_config(&s.story));
	gop(&s, 3);
	read_all(&s);
	CHECK_EQ(s.reader.last_ms, 50 * 40 + 2 * 40);
	end(&s);
}

TEST(a_wire_that_begins_late_counts_from_near_0)
{
	const int64_t far_ms = (INT64_C(1) << 30) + 100;
	struct scene s;

	begin(&s, true, true);
	s.story.ms = far_ms - 1000;
	gop(&s, 30);
	CHECK(wire_is_old(s.wire));
	CHECK(!wire_is_over(s.wire));
	wire_free(&s.wire);
	CHECK_EQ(wire_new(&s.wire, &wire_plain, &limits), 0);
	gop(&s, 3);
	CHECK(!wire_is_old(s.wire));
	s.story.ms -= 300; /* sound that lags a little */
	CHECK(story_media(&s.story, FRAME_AUDIO, false, 50));
	catch_up(&s);
	start(&s);
	read_some(&s, 3 * 110);
	CHECK_EQ(s.reader.last_ms, 1000 + 2 * 40);
	s.reader.last_ms = 0;
	read_all(&s);
	CHECK_EQ(s.reader.last_ms, 1000 + 3 * 40 - 300);
	end(&s);
}

TEST(a_wire_is_over_before_its_time_passes_31_bits)
{
	struct scene s;

	begin(&s, true, false);
	gop(&s, 1);
	s.story.ms = (INT64_C(1) << 31) - 1000;
	gop(&s, 1);
	CHECK(wire_is_over(s.wire));
	end(&s);
}

static const char *only_sound_refusal(const struct track *track)
{
	return track->kind == FRAME_AUDIO ? NULL : "no pictures";
}

TEST(where_video_cannot_be_carried_sound_is_enough)
{
	struct wire_format only_sound = wire_plain;
	struct scene s;

	only_sound.refusal = only_sound_refusal;
	begin(&s, true, true);
	wire_free(&s.wire);
	CHECK_EQ(wire_new(&s.wire, &only_sound, &limits), 0);
	for (int i = 0; i < 10; i++) {
		CHECK(story_media(&s.story, FRAME_VIDEO, i == 0, 500));
		CHECK(story_media(&s.story, FRAME_AUDIO, false, 50));
		s.story.ms += 40;
	}
	catch_up(&s);
	start(&s);
	s.reader.needs_join = false;
	read_all(&s);
	CHECK_EQ(s.reader.frames, 10);
	CHECK_EQ(s.reader.configs, 0);
	end(&s);
}

TEST(where_nothing_can_be_carried_it_says_why)
{
	struct wire_format only_sound = wire_plain;
	struct wire_stats stats;
	struct scene s;

	only_sound.refusal = only_sound_refusal;
	begin(&s, true, false);
	wire_free(&s.wire);
	CHECK_EQ(wire_new(&s.wire, &only_sound, &limits), 0);
	CHECK(!wire_refusal(s.wire)); /* it has seen no tracks */
	gop(&s, 3);
	CHECK(!wire_is_ready(s.wire));
	CHECK_STR(wire_refusal(s.wire), "no pictures");
	wire_get_stats(s.wire, &stats);
	CHECK_EQ(stats.refused, 3);
	CHECK(story_tracks(&s.story, true, true));
	CHECK(story_media(&s.story, FRAME_AUDIO, false, 50));
	catch_up(&s);
	CHECK(!wire_refusal(s.wire));
	CHECK(wire_is_ready(s.wire));
	end(&s);
}

/* ---- many viewers against a model ---- */

#define VIEWERS 6

struct model {
	struct scene scene;
	struct {
		struct wire_cursor cursor;
		struct plain_reader reader;
		bool is_here;
		uint64_t skipped;
	} viewer[VIEWERS];
};

/* What a viewer got and what it skipped is all that it was there for. */
static void check_count(struct model *m, int i)
{
	struct plain_reader *r = &m->viewer[i].reader;
	struct wire_stats stats;
	uint64_t left_out;

	CHECK(!r->fault);
	if (!r->frames || m->viewer[i].cursor.must_join || r->in.len)
		return;
	wire_get_stats(m->scene.wire, &stats);
	left_out = stats.left_out - m->viewer[i].cursor.left_out;
	if (m->viewer[i].cursor.offset == stats.written_bytes)
		CHECK_EQ(r->frames + m->viewer[i].skipped + left_out,
			 m->scene.story.number - r->first_number);
}

static void model_leave(struct model *m, int i)
{
	struct buf rest = {0};

	CHECK_EQ(wire_take_rest(m->scene.wire, &m->viewer[i].cursor, &rest), 0);
	plain_read(&m->viewer[i].reader, buf_span(&rest));
	buf_fini(&rest);
	wire_leave(&m->viewer[i].cursor);
}

static void model_rejoin(struct model *m, int i)
{
	struct span prefix;
	uint64_t skipped;

	if (!m->viewer[i].cursor.must_join ||
	    wire_rejoin(m->scene.wire, &m->viewer[i].cursor, &skipped, &prefix))
		return;
	m->viewer[i].skipped += skipped;
	m->viewer[i].reader.needs_join = true;
	plain_read(&m->viewer[i].reader, prefix);
}

static void model_start(struct model *m, int i)
{
	if (!wire_is_ready(m->scene.wire))
		return;
	start_at(&m->scene, &m->viewer[i].cursor, &m->viewer[i].reader);
	m->viewer[i].is_here = true;
	m->viewer[i].skipped = 0;
	/* The counts begin with the first frame that it has whole. */
	while (!m->viewer[i].reader.frames)
		read_some_at(&m->scene, &m->viewer[i].cursor,
			     &m->viewer[i].reader, 1000);
}

static void model_trim(struct model *m)
{
	uint64_t spare = wire_spare_end(m->scene.wire);

	for (int i = 0; i < VIEWERS; i++)
		if (m->viewer[i].is_here &&
		    m->viewer[i].cursor.offset < spare &&
		    !m->viewer[i].cursor.must_join)
			model_leave(m, i);
	wire_trim(m->scene.wire, spare);
}

static void model_viewer(struct model *m, int i, unsigned what)
{
	if (!m->viewer[i].is_here) {
		model_start(m, i);
		return;
	}
	model_rejoin(m, i);
	if (what % 16 == 0 && !m->viewer[i].cursor.must_join)
		model_leave(m, i);
	read_some_at(&m->scene, &m->viewer[i].cursor, &m->viewer[i].reader,
		     what % 3 ? what % 4096 : SIZE_MAX);
	check_count(m, i);
	if (what % 97 == 0) {
		buf_fini(&m->viewer[i].reader.in);
		m->viewer[i].is_here = false;
	}
}

static void model_step(struct model *m, unsigned what, unsigned more)
{
	if (what % 50 == 0)
		CHECK(story_config(&m->scene.story));
	if (what % 61 == 0) {
		wire_gap(m->scene.wire, what % 5);
		m->scene.story.number += what % 5;
	}
	if (what % 17 == 0)
		wire_set_sharing(m->scene.wire, more % 2);
	video(&m->scene, what % 20 == 0, 8 + more % (what % 7 ? 2000 : 150000));
	if (what % 3 == 0)
		model_trim(m);
	model_viewer(m, (int)(more % VIEWERS), what / 7);
}

/* Long, and each step allocates: not repeated. */
TEST_NO_OOM(every_viewer_gets_whole_units_in_order_and_exact_counts)
{
	struct model m;

	for (unsigned seed = 1; seed <= 20; seed++) {
		memset(&m, 0, sizeof(m));
		srandom(seed);
		begin(&m.scene, true, false);
		for (int i = 0; i < 1500; i++)
			model_step(&m, (unsigned)random(), (unsigned)random());
		for (int i = 0; i < VIEWERS; i++)
			buf_fini(&m.viewer[i].reader.in);
		end(&m.scene);
	}
}
