/* proto/ts/mux_test.c - what the mux makes of frames and tracks. */
#include "proto/ts/mux.h"

#include "proto/ts/mux_rig_test.h"

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

	for (size_t i = 0; i < WEIR_ARRAY_LEN(codecs); i++)
		t.track[t.count++] = (struct track){
			.id = (uint16_t)(i + 1),
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
