/* services/edge/wire_ts_test.c - wires of transport streams, as a strict reader
 * sees them at each viewer: from a join, over skips, by WebSocket. */
#include "proto/ts/reader.h"
#include "proto/ws/reader.h"
#include "services/edge/story_test.h"
#include "services/edge/wire_inner.h"

static const struct wire_limits limits = {
	.retain_ms = 1000,
	.max_bytes = 64 << 20,
	.audio_join_ms = 1000,
};

struct scene {
	struct story story;
	struct wire *wire;
	uint64_t written; /* ordinal */
};

/* avcC with an SPS and a PPS of four bytes. */
static const uint8_t avcc[] = {1, 0x64, 0,    0x1f, 0xff, 0xe1, 0,
			       4, 0x67, 0x64, 0,    0x1f, 1,    0,
			       4, 0x68, 0xee, 0x3c, 0x80};
static const uint8_t asc[] = {0x12, 0x10}; /* AAC LC, 44.1 kHz, stereo */

static void catch_up(struct scene *s)
{
	for (; s->written < log_next(s->story.log); s->written++)
		CHECK_EQ(wire_append(s->wire, s->story.log, s->written), 0);
}

static void begin(struct scene *s, const struct wire_format *format,
		  bool has_video)
{
	*s = (struct scene){0};
	CHECK_EQ(log_new(&s->story.log, &story_log_limits), 0);
	CHECK(story_epoch(&s->story));
	CHECK(story_tracks(&s->story, has_video, true));
	if (has_video)
		CHECK(story_put(&s->story, FRAME_CONFIG, 0, STORY_VIDEO,
				SPAN(avcc)));
	CHECK(story_put(&s->story, FRAME_CONFIG, 0, STORY_AUDIO, SPAN(asc)));
	CHECK_EQ(wire_new(&s->wire, format, &limits), 0);
}

static void end(struct scene *s)
{
	wire_free(&s->wire);
	log_free(&s->story.log);
}

/* A picture of one slice, and a sound 20 ms behind it. */
static void tell_picture(struct scene *s, bool is_join, size_t len)
{
	struct buf nal = {0};
	uint8_t *slice;

	buf_put_u32(&nal, (uint32_t)len);
	slice = buf_grow(&nal, len);
	CHECK(slice);
	memset(slice, 0xab, len);
	slice[0] = is_join ? 0x65 : 0x41;
	CHECK(story_put(&s->story, FRAME_VIDEO, is_join ? FRAME_JOIN : 0,
			STORY_VIDEO, buf_span(&nal)));
	buf_fini(&nal);
}

static void tell_sound(struct scene *s)
{
	uint8_t au[40];

	memset(au, 0x21, sizeof(au));
	CHECK(story_put(&s->story, FRAME_AUDIO, FRAME_JOIN, STORY_AUDIO,
			SPAN(au)));
}

static void gop(struct scene *s, unsigned pictures)
{
	for (unsigned i = 0; i < pictures; i++) {
		tell_picture(s, i == 0, i == 0 ? 3000 : 500);
		s->story.ms += 20;
		tell_sound(s);
		s->story.ms += 20;
	}
	catch_up(s);
}

/* ---- a viewer ---- */

struct viewer {
	struct wire_cursor cursor;
	struct ts_reader *ts;
	struct ws_reader *ws; /* NULL: it plays by HTTP */
	unsigned pictures, sounds, pats;
	uint64_t first_pat; /* offset */
	int64_t first_dts_90k, last_dts_90k;
	bool is_first_join;
	const char *mistake; /* the first */
};

static int on_pat(void *ctx, uint64_t offset)
{
	struct viewer *v = ctx;

	if (!v->pats++)
		v->first_pat = offset;
	return 0;
}

static int on_pes(void *ctx, const struct ts_pes *pes)
{
	struct viewer *v = ctx;

	if (!v->pictures && !v->sounds) {
		v->first_dts_90k = pes->dts_long_90k;
		v->is_first_join = pes->is_random_access;
	}
	v->last_dts_90k = WEIR_MAX(v->last_dts_90k, pes->dts_long_90k);
	v->pictures += pes->stream->codec == CODEC_H264;
	v->sounds += pes->stream->codec == CODEC_AAC;
	return 0;
}

static int on_mistake(void *ctx, const struct ts_mistake_event *e)
{
	struct viewer *v = ctx;

	if (!v->mistake)
		v->mistake = e->text;
	return 0;
}

static int on_frame(void *ctx, const struct ws_event *e)
{
	struct viewer *v = ctx;

	CHECK_EQ(e->opcode, WS_BINARY);
	CHECK_EQ(e->payload.len % TS_PACKET_BYTES, 0);
	return ts_reader_feed(v->ts, e->payload);
}

static void take(struct viewer *v, struct span bytes)
{
	CHECK_EQ(v->ws ? ws_reader_feed(v->ws, 0, bytes)
		       : ts_reader_feed(v->ts, bytes),
		 0);
}

static void join(struct scene *s, struct viewer *v)
{
	const struct ts_reader_events events = {
		.on_pat = on_pat, .on_pes = on_pes, .on_mistake = on_mistake};
	const struct ws_limits ws_limits = {.message_bytes = 1 << 20};
	struct span prefix;

	*v = (struct viewer){0};
	CHECK_EQ(ts_reader_new(&v->ts, NULL, &events, v), 0);
	if (s->wire->format->wrap)
		CHECK_EQ(ws_reader_new(&v->ws, WS_FROM_SERVER, &ws_limits,
				       on_frame, v),
			 0);
	CHECK_EQ(wire_start(s->wire, &v->cursor, &prefix), 0);
	CHECK_EQ(prefix.len, 0); /* the wire has all */
}

static void read_some(struct scene *s, struct viewer *v, size_t max)
{
	while (max) {
		struct span part =
			span_first(wire_peek(s->wire, &v->cursor), max);

		if (!part.len)
			return;
		take(v, part);
		wire_advance(s->wire, &v->cursor, part.len);
		max -= part.len;
	}
}

/* Leave where it is, at the end of the unit. */
static void step_out(struct scene *s, struct viewer *v)
{
	struct buf rest = {0};

	CHECK_EQ(wire_take_rest(s->wire, &v->cursor, &rest), 0);
	take(v, buf_span(&rest));
	buf_fini(&rest);
	wire_leave(&v->cursor);
}

/* Go on at the newest join, if one lies ahead. Returns what is skipped. */
static uint64_t step_in(struct scene *s, struct viewer *v)
{
	struct span prefix;
	uint64_t skipped = 0;
	int err = wire_rejoin(s->wire, &v->cursor, &skipped, &prefix);

	if (err == WEIR_EAGAIN)
		return 0;
	CHECK_EQ(err, 0);
	CHECK(prefix.len > 0);
	take(v, prefix);
	return skipped;
}

static void leave(struct viewer *v)
{
	CHECK_EQ(ts_reader_end(v->ts), 0);
	CHECK_STR(v->mistake ? v->mistake : "none", "none");
	ts_reader_free(&v->ts);
	ws_reader_free(&v->ws);
}

/* ---- tests ---- */

TEST(a_viewer_begins_with_the_tables_before_the_newest_join)
{
	struct scene s;
	struct viewer v;

	begin(&s, &wire_ts, true);
	gop(&s, 10);
	gop(&s, 5);
	join(&s, &v);
	read_some(&s, &v, SIZE_MAX);
	leave(&v);
	CHECK_EQ(v.first_pat, 0);
	CHECK(v.is_first_join);
	CHECK_EQ(v.pictures, 5);
	CHECK_EQ(v.sounds, 5);
	CHECK_EQ(v.first_dts_90k, 400 * 90 + TS_MARGIN_90K);
	CHECK_EQ(v.last_dts_90k - v.first_dts_90k, (4 * 40 + 20) * 90);
	end(&s);
}

static void skips_are_legal(const struct wire_format *format)
{
	struct ts_reader_stats stats;
	struct scene s;
	struct viewer v;

	begin(&s, format, true);
	gop(&s, 10);
	join(&s, &v);
	read_some(&s, &v, 1000); /* in the middle of a unit */
	gop(&s, 10);
	gop(&s, 3);
	step_out(&s, &v);
	CHECK_EQ(step_in(&s, &v), 20 + 19);
	read_some(&s, &v, SIZE_MAX);
	ts_reader_get_stats(v.ts, &stats);
	/* PAT, PMT and pictures where it began; where it went on, sound too. */
	CHECK_EQ(stats.discontinuities, 3 + 4);
	leave(&v);
	CHECK_EQ(v.pictures, 1 + 3);
	CHECK_EQ(v.sounds, 3);
	end(&s);
}

TEST(who_skips_is_told_of_the_discontinuity)
{
	skips_are_legal(&wire_ts);
}

TEST(by_websocket_it_is_the_same_in_frames)
{
	skips_are_legal(&wire_ws_ts);
}

TEST(counters_go_on_for_every_viewer_whatever_it_skips)
{
	enum { VIEWERS = 8 };
	struct scene s;
	struct viewer v[VIEWERS];
	uint64_t skipped = 0;
	uint32_t seed = 7;

	begin(&s, &wire_ts, true);
	gop(&s, 4);
	for (int i = 0; i < VIEWERS; i++)
		join(&s, &v[i]);
	for (int round = 0; round < 30; round++) {
		gop(&s, 1 + (unsigned)round % 7);
		for (int i = 0; i < VIEWERS; i++) {
			seed = seed * 1664525 + 1013904223;
			if (v[i].cursor.must_join)
				skipped += step_in(&s, &v[i]);
			read_some(&s, &v[i], seed >> 20);
			if ((seed >> 8 & 3) == 0)
				step_out(&s, &v[i]);
		}
	}
	for (int i = 0; i < VIEWERS; i++) {
		read_some(&s, &v[i], SIZE_MAX);
		leave(&v[i]);
	}
	CHECK(skipped > 100);
	end(&s);
}

TEST(sound_alone_can_be_joined_where_the_tables_are)
{
	struct scene s;
	struct viewer v;

	begin(&s, &wire_ts, false);
	for (int i = 0; i < 100; i++) {
		tell_sound(&s);
		s.story.ms += 23;
	}
	catch_up(&s);
	CHECK(s.wire->joins.count <= 6); /* of 2.3 s */
	join(&s, &v);
	read_some(&s, &v, SIZE_MAX);
	leave(&v);
	CHECK_EQ(v.first_pat, 0);
	CHECK(v.sounds >= 40 && v.sounds <= 70);
	end(&s);
}

/* Memory ran out between making a unit and keeping it. */
static void lose_a_picture(struct scene *s)
{
	const struct wire_time at = {0};
	struct buf lost = {0};
	bool is_join = false;

	tell_picture(s, false, 500);
	CHECK_EQ(wire_ts.unit(s->wire->memory, &lost,
			      tracks_find(&s->wire->out.tracks, STORY_VIDEO),
			      log_at(s->story.log, s->written++), &at, &is_join,
			      NULL),
		 0);
	CHECK(lost.len > 0);
	buf_fini(&lost);
	s->story.ms += 40;
	s->wire->is_torn = true;
	wire_gap(s->wire, 1);
}

TEST(a_unit_that_could_not_be_kept_breaks_no_counter)
{
	struct scene s;
	struct viewer v;

	begin(&s, &wire_ts, true);
	gop(&s, 4);
	join(&s, &v);
	lose_a_picture(&s);
	gop(&s, 4);
	read_some(&s, &v, SIZE_MAX);
	leave(&v);
	CHECK_EQ(v.pictures, 8);
	join(&s, &v);
	read_some(&s, &v, SIZE_MAX);
	leave(&v);
	CHECK_EQ(v.pictures, 4);
	end(&s);
}

/* Another epoch, with the same tracks; its sound begins 20 ms in. */
static void epoch_with_sound(struct scene *s)
{
	CHECK(story_epoch(&s->story));
	CHECK(story_tracks(&s->story, true, true));
	CHECK(story_put(&s->story, FRAME_CONFIG, 0, STORY_VIDEO, SPAN(avcc)));
	CHECK(story_put(&s->story, FRAME_CONFIG, 0, STORY_AUDIO, SPAN(asc)));
	gop(s, 4);
}

TEST(an_epoch_that_begins_anew_goes_on_in_time)
{
	struct scene s;
	struct viewer v;

	begin(&s, &wire_ts, true);
	s.story.ms = 60000;
	gop(&s, 4);
	join(&s, &v);
	s.story.ms = 1000; /* nobody knew the stream any more */
	epoch_with_sound(&s);
	read_some(&s, &v, SIZE_MAX);
	leave(&v);
	CHECK_EQ(v.pictures, 8);
	CHECK_EQ(v.sounds, 8 + 2); /* and silence between the epochs' */
	CHECK_EQ(v.last_dts_90k - v.first_dts_90k,
		 (3 * 40 + 20 + 40 + 3 * 40 + 20) * 90);
	end(&s);
}

static uint64_t sounds_over(int64_t away_ms, bool is_gap)
{
	struct scene s;
	struct viewer v;

	begin(&s, &wire_ts, true);
	gop(&s, 4);
	join(&s, &v);
	s.story.ms += away_ms;
	if (is_gap)
		wire_gap(s.wire, 1);
	epoch_with_sound(&s);
	read_some(&s, &v, SIZE_MAX);
	leave(&v);
	end(&s);
	return v.sounds - 8;
}

TEST(sound_goes_on_in_silence_over_a_seam)
{
	/* AUs of 23.2 ms, 40 ms apart: after the last one 16.8 are missing. */
	CHECK_EQ(sounds_over(0, false), 1);
	CHECK_EQ(sounds_over(100, false), 5);
	CHECK_EQ(sounds_over(100, true), 0);   /* nobody goes on there */
	CHECK_EQ(sounds_over(1000, false), 0); /* that was meant */
}
