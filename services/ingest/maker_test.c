/* services/ingest/maker_test.c - units into the frames of an epoch. */
#include "services/ingest/maker.h"

#include <stdio.h>

#include "common/media/amf0.h"
#include "common/test/check.h"
#include "common/test/vector.h"

/* Units of a made-up publisher. The avcC is a real one; the pictures are just
 * NAL headers, which is all that is looked at. */
static const uint8_t idr[] = {0, 0, 0, 2, 0x65, 0x88};
static const uint8_t inter[] = {0, 0, 0, 2, 0x41, 0x9a};
static const uint8_t asc_44100[] = {0x12, 0x10};
static const uint8_t asc_48000[] = {0x11, 0x90};
static const uint8_t aac[] = {0x21, 0x10, 0x04, 0x60};

struct seen {
	char text[4096]; /* one letter or word a frame */
	size_t len;
	uint64_t next_sequence;
	int64_t last_dts_ms;
	struct epoch_state epoch;
	struct cut_state cut;
	struct tracks tracks;
	enum reason notice;
	struct stateset *state;
};

static void say(struct seen *s, const char *word)
{
	s->len += (size_t)snprintf(s->text + s->len, sizeof(s->text) - s->len,
				   "%s%s", s->len ? " " : "", word);
}

static int on_frame(void *ctx, struct frame *f)
{
	static const char *const state[] = {"EPOCH", "TRACKS", "CONFIG",
					    "META",  "CLOCK",  "CUT"};
	struct seen *s = ctx;
	char word[32];
	int err = 0;

	CHECK_EQ(f->position.sequence, s->next_sequence++);
	s->last_dts_ms = f->dts_ns / NS_PER_MS;
	if (!frame_is_state(f)) {
		snprintf(word, sizeof(word), "%s%s%s%d",
			 f->kind == FRAME_VIDEO ? "v" : "a",
			 f->flags & FRAME_JOIN ? "!" : "",
			 f->flags & FRAME_DISCONTINUITY ? "~" : "",
			 (int)s->last_dts_ms);
		say(s, word);
		return 0;
	}
	say(s, state[f->kind - FRAME_EPOCH]);
	if (f->kind == FRAME_EPOCH)
		err = epoch_state_read(&s->epoch, f->payload);
	if (f->kind == FRAME_CUT)
		err = cut_state_read(&s->cut, f->payload);
	if (f->kind == FRAME_TRACKS)
		err = tracks_read(&s->tracks, f->payload);
	CHECK_EQ(err, 0);
	if (f->kind <= FRAME_CONFIG) {
		struct stateset *old = s->state;

		CHECK_EQ(stateset_with(&s->state, old, f), 0);
		stateset_unref(&old);
	}
	return 0;
}

static void on_notice(void *ctx, enum reason why, const char *detail)
{
	struct seen *s = ctx;

	(void)detail;
	s->notice = why;
}

static const struct maker_events events = {on_frame, on_notice};

static struct maker *make(struct seen *s, const struct maker_start *start)
{
	const struct maker_limits limits = {500, 10000, 1 << 20, 3000, 30000};
	const struct maker_start first = {.epoch = {.counter = 1}};
	struct maker *m;

	CHECK_EQ(maker_new(&m, &limits, start ? start : &first, &events, s), 0);
	return m;
}

static void put(struct maker *m, struct flv_unit u, uint32_t ms)
{
	CHECK_EQ(maker_put(m, &u, ms, 1700000000000000 + ms * 1000, ms), 0);
}

static void video_config(struct maker *m, const char *file, uint32_t ms)
{
	struct buf b = {0};

	vector_load(&b, file);
	put(m,
	    (struct flv_unit){.what = FLV_CONFIG,
			      .kind = FRAME_VIDEO,
			      .codec = CODEC_H264,
			      .payload = buf_span(&b)},
	    ms);
	buf_fini(&b);
}

#define AVCC "common/media/vectors/h264_baseline.avcc"

static void video(struct maker *m, bool is_key, uint32_t ms)
{
	put(m,
	    (struct flv_unit){.what = FLV_FRAME,
			      .kind = FRAME_VIDEO,
			      .codec = CODEC_H264,
			      .is_key = is_key,
			      .payload = is_key ? SPAN(idr) : SPAN(inter)},
	    ms);
}

static void audio_config(struct maker *m, struct span asc, uint32_t ms)
{
	put(m,
	    (struct flv_unit){.what = FLV_CONFIG,
			      .kind = FRAME_AUDIO,
			      .codec = CODEC_AAC,
			      .payload = asc},
	    ms);
}

static void audio(struct maker *m, uint32_t ms)
{
	put(m,
	    (struct flv_unit){.what = FLV_FRAME,
			      .kind = FRAME_AUDIO,
			      .codec = CODEC_AAC,
			      .payload = SPAN(aac)},
	    ms);
}

static void done(struct maker *m, struct seen *s)
{
	maker_free(&m);
	stateset_unref(&s->state);
}

TEST(media_waits_until_both_kinds_have_shown)
{
	struct seen s = {0};
	struct maker *m = make(&s, NULL);

	video_config(m, AVCC, 1000);
	video(m, true, 1000);
	video(m, false, 1033);
	CHECK_STR(s.text, "");
	audio_config(m, SPAN(asc_44100), 1040);
	audio(m, 1040);
	CHECK_STR(s.text, "EPOCH TRACKS CONFIG CONFIG CLOCK CUT v!0 v33 a40");
	CHECK_EQ(s.tracks.count, 2);
	CHECK_EQ(s.tracks.track[1].rate, 44100);
	done(m, &s);
}

TEST(who_announces_one_kind_settles_at_once)
{
	struct seen s = {0};
	struct maker *m = make(&s, NULL);
	struct buf meta = {0};

	amf0_put_ecma_array(&meta, 1);
	amf0_put_key(&meta, "audiocodecid");
	amf0_put_number(&meta, 10);
	amf0_put_object_end(&meta);
	CHECK_EQ(buf_error(&meta), 0);
	put(m, (struct flv_unit){.what = FLV_META, .payload = buf_span(&meta)},
	    0);
	audio_config(m, SPAN(asc_44100), 0);
	audio(m, 0);
	audio(m, 23);
	CHECK_STR(s.text, "EPOCH TRACKS CONFIG META CLOCK CUT a!0 a!23");
	buf_fini(&meta);
	done(m, &s);
}

TEST(what_does_not_come_is_waited_for_only_so_long)
{
	struct seen s = {0};
	struct maker *m = make(&s, NULL);

	video_config(m, AVCC, 0);
	video(m, true, 0);
	CHECK_EQ(maker_due_ms(m), 500);
	CHECK_EQ(maker_tick(m, 499), 0);
	CHECK_STR(s.text, "");
	CHECK_EQ(maker_tick(m, 500), 0);
	CHECK_STR(s.text, "EPOCH TRACKS CONFIG CLOCK CUT v!0");
	CHECK_EQ(maker_due_ms(m), INT64_MAX);
	done(m, &s);
}

TEST(a_second_key_frame_ends_the_waiting)
{
	struct seen s = {0};
	struct maker *m = make(&s, NULL);

	video_config(m, AVCC, 0);
	video(m, true, 0);
	video(m, true, 200);
	CHECK_STR(s.text, "EPOCH TRACKS CONFIG CLOCK CUT v!0 v!200");
	done(m, &s);
}

TEST(media_before_the_first_join_is_dropped)
{
	struct seen s = {0};
	struct maker *m = make(&s, NULL);
	struct maker_stats stats;

	video_config(m, AVCC, 0);
	audio_config(m, SPAN(asc_44100), 0);
	audio(m, 0);
	video(m, false, 0);
	audio(m, 23);
	video(m, false, 40);
	video(m, true, 80);
	audio(m, 90);
	CHECK_STR(s.text, "EPOCH TRACKS CONFIG CONFIG CLOCK CUT v!0 a10");
	maker_get_stats(m, &stats);
	CHECK_EQ(stats.dropped, 4);
	done(m, &s);
}

TEST(late_audio_makes_a_new_list_and_a_new_segment)
{
	struct seen s = {0};
	struct maker *m = make(&s, NULL);

	video_config(m, AVCC, 0);
	video(m, true, 0);
	CHECK_EQ(maker_tick(m, 600), 0);
	audio_config(m, SPAN(asc_44100), 700);
	audio(m, 700);
	video(m, true, 1000);
	CHECK_STR(s.text,
		  "EPOCH TRACKS CONFIG CLOCK CUT v!0 TRACKS CONFIG "
		  "a700 CUT v!1000");
	CHECK_EQ(s.cut.discontinuity, 1);
	CHECK_EQ(s.cut.segment, 1);
	done(m, &s);
}

TEST(a_configuration_said_again_is_not_repeated)
{
	struct seen s = {0};
	struct maker *m = make(&s, NULL);

	audio_config(m, SPAN(asc_44100), 0);
	audio(m, 0);
	CHECK_EQ(maker_tick(m, 500), 0);
	audio_config(m, SPAN(asc_44100), 23);
	audio(m, 23);
	CHECK_STR(s.text, "EPOCH TRACKS CONFIG CLOCK CUT a!0 a!23");
	audio_config(m, SPAN(asc_48000), 46);
	audio(m, 46);
	CHECK_STR(s.text,
		  "EPOCH TRACKS CONFIG CLOCK CUT a!0 a!23 "
		  "TRACKS CONFIG CUT a!46");
	done(m, &s);
}

TEST(a_publisher_that_returns_settles_at_once_and_goes_on_in_time)
{
	struct seen before = {0}, s = {0};
	struct maker *m = make(&before, NULL);
	struct maker_start start = {
		.epoch = {.counter = 2},
		.open = {.previous = {.counter = 1},
			 .dts_base_ns = 1234 * NS_PER_MS - 1,
			 .segment = 9,
			 .discontinuity = 3},
	};

	video_config(m, AVCC, 0);
	video(m, true, 0);
	CHECK_EQ(maker_tick(m, 500), 0);
	start.previous = before.state;
	maker_free(&m);

	m = make(&s, &start);
	video_config(m, AVCC, 77000);
	video(m, true, 77000);
	CHECK_STR(s.text, "EPOCH TRACKS CONFIG CLOCK CUT v!1234");
	CHECK_EQ(s.cut.segment, 9);
	CHECK_EQ(s.cut.discontinuity, 3);
	stateset_unref(&before.state);
	done(m, &s);
}

TEST(without_key_frames_a_stream_begins_at_any_picture_and_says_so)
{
	struct seen s = {0};
	struct maker *m = make(&s, NULL);

	video_config(m, AVCC, 0);
	for (uint32_t ms = 0; ms < 10400; ms += 100)
		video(m, false, ms);
	CHECK_EQ(s.notice, 0);
	video(m, false, 10500);
	CHECK_EQ(s.notice, REASON_no_key_frame);
	CHECK_STR(s.text, "EPOCH TRACKS CONFIG CLOCK CUT v!0");
	video(m, false, 10600);
	CHECK_STR(s.text, "EPOCH TRACKS CONFIG CLOCK CUT v!0 v100");
	done(m, &s);
}

TEST(an_unsupported_codec_is_said_once_and_does_no_harm)
{
	struct seen s = {0};
	struct maker *m = make(&s, NULL);
	struct maker_stats stats;

	for (int i = 0; i < 3; i++)
		put(m,
		    (struct flv_unit){.what = FLV_UNSUPPORTED,
				      .kind = FRAME_VIDEO,
				      .name = "VP6"},
		    0);
	maker_get_stats(m, &stats);
	CHECK_EQ(stats.unsupported, 3);
	CHECK_EQ(s.notice, REASON_unsupported);
	CHECK_STR(s.text, "");
	done(m, &s);
}

TEST(broken_units_are_counted_and_left_out)
{
	static const uint8_t bad[] = {0, 0, 9, 0, 0x65};
	struct seen s = {0};
	struct maker *m = make(&s, NULL);
	struct maker_stats stats;

	video_config(m, AVCC, 0);
	put(m,
	    (struct flv_unit){.what = FLV_FRAME,
			      .kind = FRAME_VIDEO,
			      .codec = CODEC_H264,
			      .payload = SPAN(bad)},
	    0);
	put(m,
	    (struct flv_unit){.what = FLV_CONFIG,
			      .kind = FRAME_VIDEO,
			      .codec = CODEC_H264,
			      .payload = SPAN(bad)},
	    0);
	maker_get_stats(m, &stats);
	CHECK_EQ(stats.corrupt, 2);
	CHECK_STR(s.text, "");
	done(m, &s);
}

TEST(times_that_jump_are_marked_and_break_the_segment)
{
	struct seen s = {0};
	struct maker *m = make(&s, NULL);

	video_config(m, AVCC, 50000);
	video(m, true, 50000);
	CHECK_EQ(maker_tick(m, 50500), 0);
	video(m, false, 50040);
	video(m, true, 0);
	CHECK_STR(s.text, "EPOCH TRACKS CONFIG CLOCK CUT v!0 v40 CUT v!~80");
	CHECK_EQ(s.cut.discontinuity, 1);
	done(m, &s);
}

/* ---- in another process ---- */

static const struct maker_limits passed_limits = {500, 10000, 1 << 20, 3000,
						  30000};
static const struct epoch passed_epoch = {.counter = 1};

/* Both kinds, some seconds of them. */
static void play(struct maker *m, uint32_t from_ms, uint32_t to_ms)
{
	for (uint32_t ms = from_ms; ms < to_ms; ms += 40) {
		video(m, ms % 2000 == 0, ms);
		audio(m, ms);
	}
}

static struct maker *make_steady(struct seen *s)
{
	struct maker *m = make(s, NULL);

	video_config(m, AVCC, 0);
	audio_config(m, SPAN(asc_44100), 0);
	play(m, 0, 1000);
	CHECK(maker_is_steady(m));
	return m;
}

TEST(a_maker_goes_on_elsewhere_as_if_nothing_had_been)
{
	struct seen here = {0}, there = {0};
	struct maker *stays = make_steady(&here), *moved = NULL;
	struct buf saved = {0};

	maker_save(stays, &saved);
	CHECK_EQ(buf_error(&saved), 0);
	there.next_sequence = maker_next_sequence(stays);
	CHECK_EQ(there.next_sequence, here.next_sequence);
	CHECK_EQ(maker_load(&moved, &passed_limits, &passed_epoch, &events,
			    &there, buf_span(&saved)),
		 0);
	here.len = 0;
	play(stays, 1000, 4000);
	play(moved, 1000, 4000);
	/* A new sound, times that jump: what it remembers matters. */
	audio_config(stays, SPAN(asc_48000), 4000);
	audio_config(moved, SPAN(asc_48000), 4000);
	play(stays, 90000, 91000);
	play(moved, 90000, 91000);
	CHECK(there.len > 300);
	CHECK_STR(there.text, here.text);
	CHECK_EQ(there.next_sequence, here.next_sequence);
	buf_fini(&saved);
	maker_free(&stays);
	maker_free(&moved);
	stateset_unref(&here.state);
	stateset_unref(&there.state);
}

static void check_can_move(const struct maker *m, struct seen *s)
{
	struct maker *moved = NULL;
	struct buf saved = {0};

	maker_save(m, &saved);
	CHECK_EQ(maker_load(&moved, &passed_limits, &passed_epoch, &events, s,
			    buf_span(&saved)),
		 0);
	maker_free(&moved);
	buf_fini(&saved);
}

/* TEST_NO_OOM: hundreds of makers. */
TEST_NO_OOM(a_maker_can_go_elsewhere_behind_any_frame)
{
	struct seen s = {0};
	struct maker *m = make_steady(&s);

	s.len = 0;
	for (uint32_t ms = 1000; ms < 6000; ms += 40) {
		video(m, ms % 2000 == 0, ms);
		check_can_move(m, &s);
		audio(m, ms);
		check_can_move(m, &s);
		s.len = 0;
	}
	maker_free(&m);
	stateset_unref(&s.state);
}

TEST(a_maker_that_waits_for_tracks_is_not_steady)
{
	struct seen s = {0};
	struct maker *m = make(&s, NULL);

	CHECK(!maker_is_steady(m));
	video_config(m, AVCC, 0);
	video(m, true, 0);
	CHECK(!maker_is_steady(m));
	maker_free(&m);
	stateset_unref(&s.state);
}

/* TEST_NO_OOM: thousands of makers. */
TEST_NO_OOM(what_was_saved_and_damaged_is_refused_or_harmless)
{
	struct seen s = {0};
	struct maker *m = make_steady(&s), *other = NULL;
	struct buf saved = {0};

	maker_save(m, &saved);
	for (size_t len = 0; len < saved.len; len++)
		CHECK(maker_load(&other, &passed_limits, &passed_epoch, &events,
				 &s, span_of(saved.data, len)) != 0);
	CHECK(other == NULL);
	for (size_t i = 0; i < saved.len; i++) {
		saved.data[i] ^= 0xff;
		if (!maker_load(&other, &passed_limits, &passed_epoch, &events,
				&s, buf_span(&saved)))
			maker_free(&other);
		saved.data[i] ^= 0xff;
	}
	saved.data[0]++;
	CHECK_EQ(maker_load(&other, &passed_limits, &passed_epoch, &events, &s,
			    buf_span(&saved)),
		 WEIR_EUNSUPPORTED);
	buf_fini(&saved);
	maker_free(&m);
	stateset_unref(&s.state);
}
