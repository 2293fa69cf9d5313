/* proto/ts/mux_test.c - frames in, transport streams out. */
#include "proto/ts/mux.h"

#include "proto/ts/text_test.h"

#define MS NS_PER_MS

static const uint8_t avcc[] = {1, 0x42, 0, 30, 0xff, 0xe1, 0,   4, 0x67, 0x42,
			       0, 0x1e, 1, 0,  2,    0x68, 0xce};
static const uint8_t asc[] = {0x12, 0x10}; /* LC, 44.1 kHz, stereo */
static const uint8_t idr[] = {0, 0, 0, 4, 0x65, 1, 2, 3};
static const uint8_t slice[] = {0, 0, 0, 3, 0x41, 4, 5};
static const uint8_t au[] = {0x21, 9, 8, 7};

static const struct track video = {
	.id = 1, .kind = FRAME_VIDEO, .codec = CODEC_H264};
static const struct track sound = {.id = 2,
				   .kind = FRAME_AUDIO,
				   .codec = CODEC_AAC,
				   .rate = 44100,
				   .channels = 2};

static struct tracks tracks_of(const struct track *a, const struct track *b)
{
	struct tracks t = {0};

	if (a)
		t.track[t.count++] = *a;
	if (b)
		t.track[t.count++] = *b;
	return t;
}

static struct ts_mux *mux_with(const struct track *a, const struct track *b,
			       uint32_t gather_ms)
{
	struct tracks t = tracks_of(a, b);
	struct ts_mux *m = NULL;
	struct buf none = {0};

	CHECK_EQ(ts_mux_new(&m, &(struct ts_mux_options){gather_ms}), 0);
	CHECK_EQ(ts_mux_set_tracks(m, &none, &t), 0);
	for (uint8_t i = 0; i < t.count; i++) {
		if (t.track[i].codec == CODEC_H264)
			CHECK_EQ(ts_mux_set_config(m, &none, t.track[i].id,
						   SPAN(avcc)),
				 0);
		if (t.track[i].codec == CODEC_AAC)
			CHECK_EQ(ts_mux_set_config(m, &none, t.track[i].id,
						   SPAN(asc)),
				 0);
	}
	CHECK_EQ(none.len, 0);
	return m;
}

static struct frame video_frame(int64_t dts_ns, int64_t pts_ns, bool is_join)
{
	return (struct frame){.kind = FRAME_VIDEO,
			      .flags = is_join ? FRAME_JOIN : 0,
			      .track = 1,
			      .dts_ns = dts_ns,
			      .pts_ns = pts_ns,
			      .payload = is_join ? SPAN(idr) : SPAN(slice)};
}

static struct frame audio_frame(int64_t ns)
{
	return (struct frame){.kind = FRAME_AUDIO,
			      .track = 2,
			      .dts_ns = ns,
			      .pts_ns = ns,
			      .payload = SPAN(au)};
}

static void write(struct ts_mux *m, struct buf *out, struct frame f)
{
	CHECK_EQ(ts_mux_write(m, out, &f, NULL), 0);
}

/* A stream of `ms` from `start_ns`, GOPs of a second; fps_x100 0: no video. */
struct story {
	int64_t start_ns;
	int64_t ms;
	uint32_t fps_x100;
	uint32_t rate; /* of AAC; 0: no audio */
};

/* Returns the number of frames. */
static uint32_t tell(struct ts_mux *m, struct buf *out, const struct story *s)
{
	int64_t v_ns = s->fps_x100 ? 0 : INT64_MAX;
	int64_t a_ns = s->rate ? 0 : INT64_MAX;
	int64_t second = -1;
	int64_t v = 0;
	int64_t a = 0;

	while (WEIR_MIN(v_ns, a_ns) < s->ms * MS) {
		if (v_ns <= a_ns) {
			write(m, out,
			      video_frame(s->start_ns + v_ns,
					  s->start_ns + v_ns + 80 * MS,
					  v_ns / NS_PER_S != second));
			second = v_ns / NS_PER_S;
			v_ns = ns_from_ticks(++v * 100, s->fps_x100);
		} else {
			write(m, out, audio_frame(s->start_ns + a_ns));
			a_ns = ns_from_ticks(++a * 1024, s->rate);
		}
	}
	return (uint32_t)(v + a);
}

static void free_all(struct ts_mux **m, struct buf *out)
{
	ts_mux_free(m);
	CHECK(!*m);
	buf_fini(out);
}

/* ---- What is in it ---- */

static void check_text(struct span in, const char *want)
{
	struct buf text = {0};

	CHECK_EQ(text_of(&text, in), 0);
	CHECK_STR(buf_text(&text), want);
	buf_fini(&text);
}

TEST(a_stream_begins_with_its_tables_and_has_every_frame)
{
	struct ts_mux *m = mux_with(&video, &sound, 0);
	struct buf out = {0};

	write(m, &out, video_frame(0, 40 * MS, true));
	write(m, &out, audio_frame(0));
	write(m, &out, video_frame(40 * MS, 40 * MS, false));
	CHECK_EQ(out.len % TS_PACKET_BYTES, 0);
	CHECK_EQ(out.data[2], TS_PID_PAT);
	CHECK_EQ(out.data[TS_PACKET_BYTES + 2], TS_PID_PMT & 0xff);
	check_text(buf_span(&out),
		   "program 1 pmt=1001 pcr=100 version=27\n"
		   "stream 100 type=1b H.264 channels=0\n"
		   "stream 101 type=0f AAC channels=0\n"
		   "100 pts=66600 dts=63000 random discontinuity 28 "
		   "9e175192f303529b\n"
		   "101 pts=63000 discontinuity 11 2b2a0ef9c1d77d4c\n"
		   "100 pts=66600 13 a29eff423f0aff34\n");
	free_all(&m, &out);
}

/* The payloads of all PES of one PID, one behind the other. */
struct collector {
	uint16_t pid;
	struct buf all;
	int count;
	uint64_t pts_90k[64];
};

static int collect(void *ctx, const struct ts_pes *pes)
{
	struct collector *c = ctx;

	if (pes->stream->pid != c->pid)
		return 0;
	if (c->count < 64)
		c->pts_90k[c->count] = pes->pts_90k;
	c->count++;
	buf_put(&c->all, pes->payload);
	return buf_error(&c->all);
}

static void collect_all(struct collector *c, struct span in)
{
	const struct ts_reader_events events = {.on_pes = collect,
						.on_mistake = rules_mistake};
	struct ts_reader *rd = NULL;

	CHECK_EQ(ts_reader_new(&rd, NULL, &events, c), 0);
	CHECK_EQ(ts_reader_feed(rd, in), 0);
	CHECK_EQ(ts_reader_end(rd), 0);
	ts_reader_free(&rd);
}

struct unit_case {
	uint8_t codec;
	bool is_join;
	struct span payload;
	struct span want;
};

/* A hvcC with one VPS, SPS and PPS; its head says nothing. */
static const uint8_t hvcc[] = {1,    0, 0, 0,  0,    0, 0, 0,  0,    0, 0, 0,
			       0,    0, 0, 0,  0,    0, 0, 0,  0,    3, 3, 32,
			       0,    1, 0, 3,  0x40, 1, 7, 33, 0,    1, 0, 3,
			       0x42, 1, 8, 34, 0,    1, 0, 3,  0x44, 1, 9};

#define SC "\0\0\0\1"
static const struct unit_case units[] = {
	/* delimiter and sets are put in */
	{CODEC_H264, true, SPAN_LIT("\0\0\0\2\x65\1"),
	 SPAN_LIT(SC "\x09\xf0" SC "\x67\x42\0\x1e" SC "\x68\xce" SC "\x65\1")},
	/* no sets without JOIN */
	{CODEC_H264, false, SPAN_LIT("\0\0\0\2\x65\1"),
	 SPAN_LIT(SC "\x09\xf0" SC "\x65\1")},
	/* its own delimiter stays; the sets come behind it */
	{CODEC_H264, true, SPAN_LIT("\0\0\0\2\x09\x10\0\0\0\2\x65\1"),
	 SPAN_LIT(SC "\x09\x10" SC "\x67\x42\0\x1e" SC "\x68\xce" SC "\x65\1")},
	/* a delimiter that is not first is put there */
	{CODEC_H264, false,
	 SPAN_LIT("\0\0\0\2\x06\5\0\0\0\2\x09\x30\0\0\0\2\x41\1"),
	 SPAN_LIT(SC "\x09\x30" SC "\x06\5" SC "\x41\1")},
	/* sets in the access unit are enough */
	{CODEC_H264, true,
	 SPAN_LIT("\0\0\0\2\x67\1\0\0\0\2\x68\1\0\0\0\2\x65\1"),
	 SPAN_LIT(SC "\x09\xf0" SC "\x67\1" SC "\x68\1" SC "\x65\1")},
	/* half of them is not: those in the access unit come last and win */
	{CODEC_H264, true, SPAN_LIT("\0\0\0\2\x68\1\0\0\0\2\x65\1"),
	 SPAN_LIT(SC "\x09\xf0" SC "\x67\x42\0\x1e" SC "\x68\xce" SC "\x68\1" SC
		     "\x65\1")},
	{CODEC_H265, true, SPAN_LIT("\0\0\0\3\x26\1\2"),
	 SPAN_LIT(SC "\x46\1\x50" SC "\x40\1\7" SC "\x42\1\x8" SC "\x44\1\x9" SC
		     "\x26\1\2")},
	{CODEC_H265, false, SPAN_LIT("\0\0\0\3\x46\1\x10\0\0\0\3\2\1\2"),
	 SPAN_LIT(SC "\x46\1\x10" SC "\2\1\2")},
	{CODEC_H265, true,
	 SPAN_LIT("\0\0\0\3\x40\1\1\0\0\0\3\x42\1\1\0\0\0\3\x44\1\1"
		  "\0\0\0\3\x26\1\2"),
	 SPAN_LIT(SC "\x46\1\x50" SC "\x40\1\1" SC "\x42\1\1" SC "\x44\1\1" SC
		     "\x26\1\2")},
};

static void check_unit(const struct unit_case *c)
{
	struct track t = video;
	struct ts_mux *m;
	struct collector got = {.pid = TS_PID_VIDEO};
	struct buf out = {0};
	struct frame f = video_frame(0, 0, c->is_join);

	t.codec = c->codec;
	m = mux_with(&t, NULL, 0);
	if (c->codec == CODEC_H265)
		CHECK_EQ(ts_mux_set_config(m, &out, 1, SPAN(hvcc)), 0);
	f.payload = c->payload;
	write(m, &out, f);
	collect_all(&got, buf_span(&out));
	CHECK_SPAN(buf_span(&got.all), c->want);
	buf_fini(&got.all);
	free_all(&m, &out);
}

TEST(video_has_start_codes_a_delimiter_and_sets_before_joins)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(units); i++)
		check_unit(&units[i]);
}

TEST(aac_has_adts_headers_that_say_its_config)
{
	static const uint8_t want[] = {0xff, 0xf1, 0x50, 0x80, 0x01, 0x7f,
				       0xfc, 0x21, 9,    8,    7};
	struct ts_mux *m = mux_with(NULL, &sound, 0);
	struct collector got = {.pid = TS_PID_AUDIO};
	struct buf out = {0};
	struct span rest;
	struct span unit;

	write(m, &out, audio_frame(0));
	collect_all(&got, buf_span(&out));
	CHECK_SPAN(buf_span(&got.all), SPAN(want));
	rest = buf_span(&got.all);
	CHECK_EQ(ts_audio_next(&unit, &rest, CODEC_AAC), 0);
	CHECK_SPAN(unit, SPAN(au));
	CHECK_EQ(ts_audio_next(&unit, &rest, CODEC_AAC), WEIR_ENOENT);
	buf_fini(&got.all);
	free_all(&m, &out);
}

/* Opus packets of 20 ms (configuration 31) of every size around 255. */
TEST(opus_packets_of_all_sizes_come_back)
{
	static const struct track opus = {.id = 2,
					  .kind = FRAME_AUDIO,
					  .codec = CODEC_OPUS,
					  .channels = 2};
	static uint8_t bytes[800] = {0xfc};
	struct ts_mux *m = mux_with(NULL, &opus, 0);
	struct collector got = {.pid = TS_PID_AUDIO};
	struct buf out = {0};
	struct span rest;
	struct span unit;

	for (size_t len = 1; len < sizeof(bytes); len += 127) {
		struct frame f = audio_frame((int64_t)len * 20 * MS / 127);

		f.payload = span_of(bytes, len);
		write(m, &out, f);
	}
	collect_all(&got, buf_span(&out));
	rest = buf_span(&got.all);
	for (size_t len = 1; len < sizeof(bytes); len += 127) {
		CHECK_EQ(ts_audio_next(&unit, &rest, CODEC_OPUS), 0);
		CHECK_SPAN(unit, span_of(bytes, len));
	}
	CHECK_EQ(rest.len, 0);
	buf_fini(&got.all);
	free_all(&m, &out);
}

TEST(payloads_of_all_sizes_fit_into_packets)
{
	static uint8_t bytes[400];
	struct ts_mux *m = mux_with(&video, NULL, 0);
	struct collector got = {.pid = TS_PID_VIDEO};
	struct buf out = {0};
	size_t at = 0;

	memset(bytes, 0x41, sizeof(bytes));
	memset(bytes, 0, 4);
	for (size_t len = 5; len < sizeof(bytes); len++) {
		struct frame f =
			video_frame((int64_t)len * 40 * MS,
				    (int64_t)len * 40 * MS, len % 50 == 5);

		bytes[2] = (uint8_t)((len - 4) >> 8);
		bytes[3] = (uint8_t)(len - 4);
		f.payload = span_of(bytes, len);
		write(m, &out, f);
	}
	check_rules(buf_span(&out));
	collect_all(&got, buf_span(&out));
	for (size_t len = 5; len < sizeof(bytes); len++)
		at += 6 + (len % 50 == 5 ? 14 : 0) + len;
	CHECK_EQ(got.all.len, at);
	buf_fini(&got.all);
	free_all(&m, &out);
}

TEST(a_large_frame_has_no_length_and_is_whole)
{
	const uint32_t len = 3 * 1024 * 1024;
	struct ts_mux *m = mux_with(&video, NULL, 0);
	struct collector got = {.pid = TS_PID_VIDEO};
	struct buf out = {0};
	struct buf unit = {0};
	struct frame f = video_frame(0, 0, false);
	uint8_t *bytes;

	buf_put_u32(&unit, len);
	bytes = buf_grow(&unit, len);
	CHECK(bytes);
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 7 | 1);
	f.payload = buf_span(&unit);
	write(m, &out, f);
	check_rules(buf_span(&out));
	collect_all(&got, buf_span(&out));
	CHECK_SPAN(span_from(buf_span(&got.all), 10),
		   span_from(buf_span(&unit), 4));
	buf_fini(&got.all);
	buf_fini(&unit);
	free_all(&m, &out);
}

/* ---- Time ---- */

TEST(stamps_are_the_time_rounded_to_the_tick_700_ms_later)
{
	static const struct {
		int64_t ns;
		uint64_t want;
	} cases[] = {
		{0, 63000},
		{5555, 63000},
		{5556, 63001},
		{40 * MS, 66600},
		{-700 * MS, 0},
		{-700 * MS - 11111, (1ull << 33) - 1},
		{33333333, 66000},
		{INT64_C(95443717688888889), 63000 - 1 + 1}, /* 2^33 ticks */
		{INT64_C(95443717688889), 63000},
		{INT64_C(95443017688889), 0},
	};

	for (size_t i = 0; i < 7; i++)
		CHECK_EQ(ts_stamp_90k(cases[i].ns), cases[i].want);
	CHECK_EQ(ts_stamp_90k(cases[8].ns), cases[8].want);
	CHECK_EQ(ts_stamp_90k(cases[9].ns), cases[9].want);
}

TEST(pcrs_and_tables_come_often_enough_whatever_the_frame_rate)
{
	static const uint32_t fps_x100[] = {0,    50,   100,  700,  1500,
					    2400, 2500, 2997, 6000, 12000};
	static const uint32_t rates[] = {0, 8000, 44100, 48000};
	static const uint32_t gathers[] = {0, 100, 500};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(fps_x100) * 12; i++) {
		struct story s = {NS_PER_S, 5000, fps_x100[i / 12],
				  rates[i % 4]};
		struct ts_mux *m;
		struct buf out = {0};
		struct rules r;
		uint32_t frames;

		if (!s.fps_x100 && !s.rate)
			continue;
		m = mux_with(s.fps_x100 ? &video : NULL, s.rate ? &sound : NULL,
			     gathers[i / 4 % 3]);
		frames = tell(m, &out, &s);
		CHECK_EQ(ts_mux_flush(m, &out), 0);
		r = check_rules(buf_span(&out));
		CHECK(r.pcr_count >= 3960 / 40);
		CHECK(r.pmt_count >= 8);
		if (gathers[i / 4 % 3])
			CHECK(r.pes_count <= frames);
		else
			CHECK_EQ(r.pes_count, frames);
		CHECK_EQ(r.new_bases, 1);
		free_all(&m, &out);
	}
}

TEST(times_may_pass_the_33_bits)
{
	struct story s = {INT64_C(95443717688889) - 2 * NS_PER_S, 4000, 2500,
			  48000};
	struct ts_mux *m = mux_with(&video, &sound, 100);
	struct buf text = {0};
	struct buf out = {0};

	tell(m, &out, &s);
	CHECK_EQ(text_of(&text, buf_span(&out)), 0);
	CHECK(!strstr(buf_text(&text), "mistake"));
	CHECK(strstr(buf_text(&text), "100 pts=8589824792 "));
	CHECK(strstr(buf_text(&text), "100 pts=1800 dts=8589929192 "));
	buf_fini(&text);
	free_all(&m, &out);
}

TEST(a_pts_below_its_dts_is_raised_and_counted)
{
	struct ts_mux *m = mux_with(&video, NULL, 0);
	struct ts_mux_stats stats;
	struct buf out = {0};

	write(m, &out, video_frame(40 * MS, 0, true));
	check_rules(buf_span(&out));
	ts_mux_get_stats(m, &stats);
	CHECK_EQ(stats.raised_pts, 1);
	CHECK_EQ(stats.time_jumps, 0);
	free_all(&m, &out);
}

TEST(a_far_step_of_time_is_a_new_time_base)
{
	static const int64_t steps_ms[] = {-3600000, -5001, 5001, 3600000};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(steps_ms); i++) {
		int64_t at = 3600 * NS_PER_S;
		struct ts_mux *m = mux_with(&video, &sound, 100);
		struct ts_mux_stats stats;
		struct buf out = {0};

		write(m, &out, video_frame(at, at, true));
		write(m, &out, audio_frame(at));
		at += steps_ms[i] * MS;
		/* Audio first: the new PCR stands in a packet of its own. */
		write(m, &out, audio_frame(at));
		write(m, &out, video_frame(at, at, false));
		ts_mux_get_stats(m, &stats);
		CHECK_EQ(stats.time_jumps, 1);
		CHECK_EQ(check_rules(buf_span(&out)).new_bases, 2);
		free_all(&m, &out);
	}
}

TEST(frames_of_one_time_have_pcrs_that_grow)
{
	struct ts_mux *m = mux_with(&video, &sound, 0);
	struct buf out = {0};
	struct buf text = {0};

	for (int i = 0; i < 10; i++)
		write(m, &out, video_frame(0, i, i % 3 == 0));
	CHECK_EQ(text_of(&text, buf_span(&out)), 0);
	CHECK(!strstr(buf_text(&text), "PCR goes back"));
	buf_fini(&text);
	free_all(&m, &out);
}

/* ---- Gathering ---- */

static struct collector gathered(uint32_t gather_ms, int count,
				 int64_t late_from, int64_t late_ns)
{
	struct ts_mux *m = mux_with(NULL, &sound, gather_ms);
	struct collector got = {.pid = TS_PID_AUDIO};
	struct buf out = {0};

	for (int i = 0; i < count; i++)
		write(m, &out,
		      audio_frame(ns_from_ticks(i * 1024, 44100) +
				  (i >= late_from ? late_ns : 0)));
	CHECK_EQ(ts_mux_flush(m, &out), 0);
	check_rules(buf_span(&out));
	collect_all(&got, buf_span(&out));
	free_all(&m, &out);
	CHECK_EQ(got.all.len, (size_t)count * 11);
	buf_fini(&got.all);
	return got;
}

TEST(audio_is_gathered_up_to_the_limit_with_the_first_ones_time)
{
	struct collector got = gathered(0, 10, 99, 0);

	CHECK_EQ(got.count, 10);
	CHECK_EQ(got.pts_90k[1], 63000 + 2090);
	got = gathered(100, 10, 99, 0); /* 4 are 92.9 ms */
	CHECK_EQ(got.count, 3);
	CHECK_EQ(got.pts_90k[0], 63000);
	CHECK_EQ(got.pts_90k[1], 63000 + 8359);
	CHECK_EQ(got.pts_90k[2], 63000 + 16718);
}

TEST(an_au_that_is_off_by_more_than_a_ms_has_its_own_time)
{
	CHECK_EQ(gathered(100, 4, 2, MS).count, 1);
	CHECK_EQ(gathered(100, 4, 2, MS + 1).count, 2);
	CHECK_EQ(gathered(100, 4, 2, 30 * MS).count, 2);
	CHECK_EQ(gathered(100, 4, 2, -2 * MS).count, 2);
}

TEST(gathered_audio_is_written_before_joins_and_when_video_passes)
{
	struct ts_mux *m = mux_with(&video, &sound, 200);
	struct ts_place before;
	struct ts_place after;
	struct buf out = {0};
	size_t len;

	write(m, &out, video_frame(0, 0, true));
	len = out.len;
	write(m, &out, audio_frame(0));
	CHECK_EQ(out.len, len);
	write(m, &out, video_frame(40 * MS, 40 * MS, false));
	ts_mux_place(m, &before);
	write(m, &out, video_frame(80 * MS, 80 * MS, true)); /* join */
	ts_mux_place(m, &after);
	CHECK(!(before.used & 8) && after.used & 8);
	write(m, &out, audio_frame(80 * MS));
	write(m, &out, video_frame(279 * MS, 279 * MS, false));
	ts_mux_place(m, &before);
	CHECK_EQ(before.counter[3], after.counter[3]);
	write(m, &out, video_frame(280 * MS, 280 * MS, false)); /* passes */
	ts_mux_place(m, &after);
	CHECK_EQ(after.counter[3], before.counter[3] + 1);
	check_rules(buf_span(&out));
	free_all(&m, &out);
}

/* ---- Joining and resuming ---- */

struct join_place {
	size_t at;
	struct ts_place place;
};

/* A wire of 8 s; returns the number of joins. */
static int lay_wire(struct buf *wire, struct join_place *joins, int max,
		    const struct track *a, uint32_t gather_ms)
{
	struct ts_mux *m = mux_with(a, &sound, gather_ms);
	int count = 0;

	for (int64_t i = 0; i < 375; i++) {
		struct frame f = audio_frame(ns_from_ticks(i * 1024, 48000));
		struct join_place j = {.at = wire->len};
		bool is_join = false;

		if (a && i % 2 == 0)
			write(m, wire,
			      video_frame(f.dts_ns, f.pts_ns, i % 100 == 50));
		j.at = wire->len;
		ts_mux_place(m, &j.place);
		if (a && i % 100 == 0)
			f = video_frame(f.dts_ns + MS, f.pts_ns + MS, true);
		f.flags = a && f.kind == FRAME_AUDIO ? 0 : FRAME_JOIN;
		CHECK_EQ(ts_mux_write(m, wire, &f, &is_join), 0);
		if (is_join && count < max)
			joins[count++] = j;
	}
	CHECK_EQ(ts_mux_flush(m, wire), 0);
	ts_mux_free(&m);
	return count;
}

static void check_resume(struct span wire, size_t left_at,
			 const struct join_place *j)
{
	struct buf seen = {0};

	buf_put(&seen, span_first(wire, left_at));
	ts_resume_write(&seen, &j->place);
	CHECK_EQ(seen.len, left_at + ts_resume_bytes(&j->place));
	buf_put(&seen, span_from(wire, j->at));
	CHECK_EQ(buf_error(&seen), 0);
	check_rules(buf_span(&seen));
	buf_fini(&seen);
}

static void check_wire(const struct track *a, uint32_t gather_ms, int want)
{
	struct join_place joins[32];
	struct buf wire = {0};
	int count = lay_wire(&wire, joins, 32, a, gather_ms);

	CHECK_EQ(count, want);
	for (int i = 0; i < count; i++) {
		check_rules(span_from(buf_span(&wire), joins[i].at));
		for (int k = 0; k <= i; k++)
			check_resume(buf_span(&wire), joins[k].at, &joins[i]);
	}
	buf_fini(&wire);
}

TEST(a_viewer_may_begin_or_resume_at_every_join)
{
	check_wire(&video, 0, 4);
	check_wire(&video, 150, 4);
}

TEST(without_video_there_is_a_join_in_each_500_ms)
{
	check_wire(NULL, 0, 19);
	check_wire(NULL, 200, 19);
}

/* ---- Segments ---- */

TEST(a_segment_depends_on_nothing_before_its_cut)
{
	static const uint32_t gathers[] = {0, 120};
	const struct story before = {7 * NS_PER_S, 3123, 2500, 44100};
	const struct story segment = {20 * NS_PER_S, 4000, 2500, 44100};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(gathers); i++) {
		struct ts_mux *old = mux_with(&video, &sound, gathers[i]);
		struct ts_mux *fresh = mux_with(&video, &sound, gathers[i]);
		struct buf a = {0};
		struct buf b = {0};

		tell(old, &a, &before);
		CHECK_EQ(ts_mux_flush(old, &a), 0);
		ts_mux_reset(old);
		buf_clear(&a);
		tell(old, &a, &segment);
		tell(fresh, &b, &segment);
		CHECK_EQ(ts_mux_flush(old, &a), 0);
		CHECK_EQ(ts_mux_flush(fresh, &b), 0);
		CHECK_SPAN(buf_span(&a), buf_span(&b));
		check_rules(buf_span(&a));
		free_all(&old, &a);
		free_all(&fresh, &b);
	}
}

/* In each PID's first packet: an adaptation field that says so. */
TEST(the_first_packet_of_each_pid_of_a_segment_says_discontinuity)
{
	const struct story s = {0, 1000, 2500, 44100};
	struct ts_mux *m = mux_with(&video, &sound, 0);
	struct buf out = {0};

	for (int round = 0; round < 2; round++) {
		uint32_t seen = 0;

		buf_clear(&out);
		tell(m, &out, &s);
		for (size_t at = 0; at < out.len; at += TS_PACKET_BYTES) {
			const uint8_t *p = out.data + at;
			uint32_t pid = (p[1] & 0x1fu) << 8 | p[2];
			uint32_t bit = 1u << (pid % 31);
			bool says = p[3] & 0x20 && p[4] && p[5] & 0x80;

			CHECK_EQ(says, !(seen & bit));
			seen |= bit;
		}
		CHECK_EQ(__builtin_popcount(seen), 4);
		CHECK_EQ(ts_mux_flush(m, &out), 0);
		ts_mux_reset(m);
	}
	free_all(&m, &out);
}

/* ---- Tracks ---- */

static int keep_program(void *ctx, const struct ts_program *p, bool is_new,
			uint64_t offset)
{
	(void)is_new;
	(void)offset;
	*(struct ts_program *)ctx = *p;
	return 0;
}

static struct ts_program program_of(struct span in)
{
	const struct ts_reader_events events = {.on_pmt = keep_program,
						.on_mistake = rules_mistake};
	struct ts_program p = {0};
	struct ts_reader *rd = NULL;

	CHECK_EQ(ts_reader_new(&rd, NULL, &events, &p), 0);
	CHECK_EQ(ts_reader_feed(rd, in), 0);
	ts_reader_free(&rd);
	return p;
}

TEST(tracks_that_change_have_a_new_version_and_their_counters_go_on)
{
	struct tracks both = tracks_of(&video, &sound);
	struct tracks only = tracks_of(&video, NULL);
	struct ts_mux *m = mux_with(&video, &sound, 100);
	struct buf out = {0};
	uint8_t version;

	write(m, &out, video_frame(0, 0, true));
	write(m, &out, audio_frame(0));
	version = program_of(buf_span(&out)).version;
	CHECK_EQ(ts_mux_set_tracks(m, &out, &both), 0); /* no change */
	write(m, &out, video_frame(40 * MS, 40 * MS, true));
	CHECK_EQ(program_of(buf_span(&out)).version, version);
	CHECK_EQ(ts_mux_set_tracks(m, &out, &only), 0);
	CHECK_EQ(ts_mux_write(m, &out,
			      &(struct frame){.kind = FRAME_AUDIO, .track = 2},
			      NULL),
		 WEIR_ENOENT);
	write(m, &out, video_frame(80 * MS, 80 * MS, false));
	CHECK_EQ(program_of(buf_span(&out)).version, (version + 1) & 31);
	CHECK_EQ(program_of(buf_span(&out)).count, 1);
	CHECK_EQ(ts_mux_set_tracks(m, &out, &both), 0);
	CHECK_EQ(ts_mux_set_config(m, &out, 2, SPAN(asc)), 0);
	write(m, &out, audio_frame(100 * MS));
	write(m, &out, video_frame(120 * MS, 120 * MS, false));
	CHECK_EQ(ts_mux_flush(m, &out), 0);
	CHECK_EQ(program_of(buf_span(&out)).version, (version + 2) & 31);
	check_rules(buf_span(&out));
	free_all(&m, &out);
}

TEST(pids_follow_from_the_tracks)
{
	static const uint8_t codecs[] = {CODEC_OPUS, CODEC_PCMA, CODEC_H265,
					 CODEC_AAC, CODEC_H264};
	static const uint16_t pids[] = {0x101, 0x100, 0x102, 0x103};
	struct ts_mux *m = NULL;
	struct tracks t = {0};
	struct ts_program p;
	struct buf out = {0};

	for (uint8_t i = 0; i < WEIR_ARRAY_LEN(codecs); i++)
		t.track[t.count++] = (struct track){
			.id = i + 1,
			.kind = codecs[i] < CODEC_AAC ? FRAME_VIDEO
						      : FRAME_AUDIO,
			.codec = codecs[i]};
	CHECK_EQ(ts_mux_new(&m, NULL), 0);
	CHECK_EQ(ts_mux_set_tracks(m, &out, &t), 0);
	CHECK_EQ(ts_mux_tables(m, &out), 0);
	p = program_of(buf_span(&out));
	CHECK_EQ(p.count, WEIR_ARRAY_LEN(pids));
	CHECK_EQ(p.pcr_pid, 0x100);
	for (uint8_t i = 0; i < p.count; i++)
		CHECK_EQ(p.stream[i].pid, pids[i]);
	CHECK_EQ(p.stream[0].codec, CODEC_OPUS);
	CHECK_EQ(p.stream[0].channels, 2);
	free_all(&m, &out);
}

TEST(sixteen_tracks_have_a_pmt_of_two_packets)
{
	struct ts_mux *m = NULL;
	struct tracks t = {.count = TRACKS_MAX};
	struct buf out = {0};
	struct ts_program p;

	for (uint8_t i = 0; i < TRACKS_MAX; i++)
		t.track[i] = (struct track){.id = i + 1,
					    .kind = FRAME_AUDIO,
					    .codec = CODEC_OPUS,
					    .channels = 1};
	CHECK_EQ(ts_mux_new(&m, NULL), 0);
	CHECK_EQ(ts_mux_set_tracks(m, &out, &t), 0);
	CHECK_EQ(ts_mux_tables(m, &out), 0);
	CHECK_EQ(ts_mux_tables(m, &out), 0);
	CHECK_EQ(out.len, 6 * TS_PACKET_BYTES);
	p = program_of(buf_span(&out));
	CHECK_EQ(p.count, TRACKS_MAX);
	CHECK_EQ(p.stream[TRACKS_MAX - 1].pid, 0x110);
	CHECK_EQ(p.pcr_pid, 0x101);
	for (uint8_t i = 0; i < TRACKS_MAX; i++) {
		struct frame f = audio_frame(i * MS);

		f.track = i + 1;
		write(m, &out, f);
	}
	check_rules(buf_span(&out));
	free_all(&m, &out);
}

TEST(mp3_of_low_rates_is_mpeg_2_audio)
{
	struct track t = {.id = 2, .kind = FRAME_AUDIO, .codec = CODEC_MP3};
	static const uint32_t rates[] = {0, 22050, 32000};
	static const uint8_t types[] = {3, 4, 3};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(rates); i++) {
		struct ts_mux *m;
		struct buf out = {0};

		t.rate = rates[i];
		m = mux_with(NULL, &t, 0);
		CHECK_EQ(ts_mux_tables(m, &out), 0);
		CHECK_EQ(program_of(buf_span(&out)).stream[0].stream_type,
			 types[i]);
		free_all(&m, &out);
	}
}

TEST(what_ts_cannot_carry_has_a_reason_and_the_rest_goes_on)
{
	static const struct track refused[] = {
		{.kind = FRAME_AUDIO, .codec = CODEC_PCMA},
		{.kind = FRAME_AUDIO, .codec = CODEC_PCMU},
		{.kind = FRAME_AUDIO, .codec = CODEC_OPUS, .channels = 9},
		{.kind = FRAME_VIDEO, .codec = CODEC_AV1},
		{.kind = FRAME_DATA},
	};
	struct track alaw = {.id = 2, .kind = FRAME_AUDIO, .codec = CODEC_PCMA};
	struct ts_mux *m = mux_with(&video, &alaw, 0);
	struct frame f = audio_frame(0);
	struct buf out = {0};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(refused); i++)
		CHECK(ts_refusal(&refused[i]) && !ts_can_carry(&refused[i]));
	CHECK(ts_can_carry(&video) && ts_can_carry(&sound));
	CHECK_EQ(ts_mux_write(m, &out, &f, NULL), WEIR_ENOENT);
	write(m, &out, video_frame(0, 0, true));
	CHECK_EQ(program_of(buf_span(&out)).count, 1);
	free_all(&m, &out);
}

TEST(aac_that_adts_cannot_say_leaves_the_tables)
{
	static const uint8_t pce[] = {0x12, 0x00};          /* channels 0 */
	static const uint8_t short_frames[] = {0x12, 0x14}; /* 960 samples */
	struct ts_mux *m = mux_with(&video, &sound, 0);
	struct frame f = audio_frame(0);
	struct buf out = {0};

	CHECK_EQ(ts_mux_set_config(m, &out, 2, SPAN(pce)), WEIR_EUNSUPPORTED);
	CHECK_EQ(ts_mux_set_config(m, &out, 2, SPAN(short_frames)),
		 WEIR_EUNSUPPORTED);
	CHECK_EQ(ts_mux_write(m, &out, &f, NULL), WEIR_EUNSUPPORTED);
	write(m, &out, video_frame(0, 0, true));
	CHECK_EQ(program_of(buf_span(&out)).count, 1);
	CHECK_EQ(ts_mux_set_config(m, &out, 2, SPAN(asc)), 0);
	write(m, &out, f);
	CHECK_EQ(program_of(buf_span(&out)).count, 2);
	CHECK_EQ(ts_mux_set_config(m, &out, 2, span_of(asc, 1)), WEIR_EPROTO);
	CHECK_EQ(ts_mux_write(m, &out, &f, NULL), WEIR_EAGAIN);
	check_rules(buf_span(&out));
	free_all(&m, &out);
}

/* ---- Refusals ---- */

TEST(a_frame_that_is_refused_changes_nothing)
{
	static const uint8_t broken[] = {0, 0, 0, 9, 0x65};
	static uint8_t large[8192];
	const struct {
		int err;
		struct frame f;
	} bad[] = {
		{WEIR_EPROTO, {.kind = FRAME_VIDEO, .track = 1}},
		{WEIR_EPROTO,
		 {.kind = FRAME_VIDEO, .track = 1, .payload = SPAN(broken)}},
		{WEIR_EPROTO, {.kind = FRAME_AUDIO, .track = 2}},
		{WEIR_ELIMIT,
		 {.kind = FRAME_AUDIO, .track = 2, .payload = SPAN(large)}},
		{WEIR_EINVAL, {.kind = FRAME_AUDIO, .track = 1}},
		{WEIR_EINVAL, {.kind = FRAME_CUT}},
		{WEIR_ENOENT, {.kind = FRAME_VIDEO, .track = 3}},
		{WEIR_EINVAL,
		 {.kind = FRAME_VIDEO, .track = 1, .dts_ns = INT64_MAX}},
		{WEIR_EINVAL,
		 {.kind = FRAME_VIDEO, .track = 1, .pts_ns = INT64_MIN}},
	};
	struct ts_mux *m = mux_with(&video, &sound, 100);
	struct ts_mux *calm = mux_with(&video, &sound, 100);
	struct buf out = {0};
	struct buf want = {0};

	for (int64_t i = 0; i < 9; i++) {
		bool is_join = true;
		struct frame f = bad[i].f;

		f.dts_ns = f.dts_ns ? f.dts_ns : i * 3000 * MS;
		write(m, &out, audio_frame(i * 3000 * MS));
		write(calm, &want, audio_frame(i * 3000 * MS));
		CHECK_EQ(ts_mux_write(m, &out, &f, &is_join), bad[i].err);
		CHECK(is_join);
		write(m, &out, video_frame(i * 3000 * MS, i * 3000 * MS, true));
		write(calm, &want,
		      video_frame(i * 3000 * MS, i * 3000 * MS, true));
		CHECK_SPAN(buf_span(&out), buf_span(&want));
	}
	free_all(&m, &out);
	free_all(&calm, &want);
}

TEST(a_buffer_without_room_changes_nothing)
{
	struct ts_mux *m = mux_with(&video, &sound, 100);
	struct ts_mux *calm = mux_with(&video, &sound, 100);
	struct buf small = {.limit_bytes = 3 * TS_PACKET_BYTES};
	struct buf out = {0};
	struct buf want = {0};

	for (int64_t i = 0; i < 100; i++) {
		struct frame f = i % 3 ? audio_frame(i * 21 * MS)
				       : video_frame(i * 21 * MS, i * 21 * MS,
						     i % 30 == 0);

		buf_clear(&small);
		CHECK_EQ(ts_mux_write(m, &small, &f, NULL), WEIR_ELIMIT);
		CHECK_EQ(small.len, 0);
		write(m, &out, f);
		write(calm, &want, f);
	}
	CHECK_SPAN(buf_span(&out), buf_span(&want));
	buf_fini(&small);
	free_all(&m, &out);
	free_all(&calm, &want);
}

TEST(options_past_their_limits_are_refused)
{
	struct ts_mux *m = NULL;

	CHECK_EQ(ts_mux_new(&m, &(struct ts_mux_options){501}), WEIR_EINVAL);
	CHECK(!m);
	ts_mux_free(&m);
}
