/* proto/ts/reader_test.c - streams of ffmpeg, of our own, and broken ones. */
#include "proto/ts/reader.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/media/aac.h"
#include "common/media/codec.h"
#include "common/media/h264.h"
#include "common/media/h265.h"
#include "common/test/vector.h"
#include "proto/ts/mux.h"
#include "proto/ts/text_test.h"

#define VECTORS "proto/ts/vectors/"

static const char *const names[] = {"h264_aac", "h265_opus", "h264_mp3"};

static void load(struct buf *out, const char *name, const char *suffix)
{
	char path[128];

	snprintf(path, sizeof(path), VECTORS "%s%s", name, suffix);
	vector_load(out, path);
}

static void check_vector(const char *name, const char *suffix)
{
	char path[128];
	struct buf file = {0};
	struct buf text = {0};

	load(&file, name, suffix);
	CHECK_EQ(text_of(&text, buf_span(&file)), 0);
	snprintf(path, sizeof(path), VECTORS "%s%s.txt", name, suffix);
	vector_check(path, buf_span(&text));
	buf_fini(&file);
	buf_fini(&text);
}

TEST(streams_of_ffmpeg_are_read)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(names); i++)
		check_vector(names[i], ".ts");
}

/* ---- Writing them again ---- */

/* What was read from a stream, written by our mux. */
struct again {
	struct ts_mux *mux;
	struct buf out;
	struct tracks tracks;
	struct buf config[2]; /* of tracks 1 and 2 */
	int64_t clock_ns;     /* of the audio PES that is taken apart */
	uint32_t frames;
};

static uint8_t kind_of(uint8_t codec)
{
	return codec < CODEC_AAC ? FRAME_VIDEO : FRAME_AUDIO;
}

static int again_pmt(void *ctx, const struct ts_program *p, bool is_new,
		     uint64_t offset)
{
	struct again *a = ctx;

	(void)offset;
	if (!is_new)
		return 0;
	for (uint8_t i = 0; i < p->count; i++)
		a->tracks.track[a->tracks.count++] = (struct track){
			.id = i + 1,
			.kind = kind_of(p->stream[i].codec),
			.codec = p->stream[i].codec,
			.channels = p->stream[i].channels,
			.rate = p->stream[i].stream_type == TS_TYPE_MPEG2_AUDIO
					? 22050
					: 0};
	return ts_mux_set_tracks(a->mux, &a->out, &a->tracks);
}

static int set_config(struct again *a, uint16_t id, struct span config)
{
	struct buf *old = &a->config[id - 1];

	if (span_eq(buf_span(old), config))
		return 0;
	buf_clear(old);
	buf_put(old, config);
	if (buf_error(old))
		return buf_error(old);
	return ts_mux_set_config(a->mux, &a->out, id, config);
}

static int video_again(struct again *a, uint16_t id, const struct ts_pes *pes)
{
	struct buf plain = {0};
	struct buf config = {0};
	struct unit_facts facts = {0};
	bool is_changed = false;
	struct frame f = {.kind = FRAME_VIDEO, .track = id};
	uint8_t codec = pes->stream->codec;
	int err = nal_rewrite(&plain, pes->payload, NAL_ANNEXB);

	f.payload = buf_span(&plain);
	if (!err)
		err = codec_config_update(&config, &is_changed, codec,
					  buf_span(&a->config[id - 1]),
					  f.payload);
	if (!err && is_changed)
		err = set_config(a, id, buf_span(&config));
	if (!err)
		err = codec_unit_classify(&facts, codec, buf_span(&config),
					  f.payload);
	f.flags = facts.is_join ? FRAME_JOIN : 0;
	f.dts_ns =
		ns_from_ticks(pes->dts_long_90k - TS_MARGIN_90K, TS_CLOCK_90K);
	f.pts_ns =
		ns_from_ticks(pes->pts_long_90k - TS_MARGIN_90K, TS_CLOCK_90K);
	if (!err)
		err = ts_mux_write(a->mux, &a->out, &f, NULL);
	buf_fini(&plain);
	buf_fini(&config);
	return err;
}

/* The facts that ADTS repeats in each header. */
static int adts_config(struct again *a, uint16_t id, struct span payload)
{
	struct aac_adts adts;
	struct buf asc = {0};
	int err = aac_adts_parse(&adts, payload);

	if (!err)
		err = aac_config_build(&asc, &adts.config);
	if (!err)
		err = set_config(a, id, buf_span(&asc));
	buf_fini(&asc);
	return err;
}

static int audio_again(struct again *a, uint16_t id, const struct ts_pes *pes)
{
	struct span rest = pes->payload;
	uint8_t codec = pes->stream->codec;
	struct frame f = {.kind = FRAME_AUDIO, .track = id};
	int err = 0;

	f.dts_ns =
		ns_from_ticks(pes->pts_long_90k - TS_MARGIN_90K, TS_CLOCK_90K);
	if (codec == CODEC_AAC)
		err = adts_config(a, id, rest);
	while (!err && rest.len) {
		err = ts_audio_next(&f.payload, &rest, codec);
		f.pts_ns = f.dts_ns;
		if (!err)
			err = ts_mux_write(a->mux, &a->out, &f, NULL);
		f.dts_ns += codec_frame_duration_ns(
			codec, buf_span(&a->config[id - 1]), f.payload);
	}
	return err;
}

static int again_pes(void *ctx, const struct ts_pes *pes)
{
	struct again *a = ctx;
	uint16_t id = pes->stream->pid - TS_PID_VIDEO + 1;

	a->frames++;
	return kind_of(pes->stream->codec) == FRAME_VIDEO
		       ? video_again(a, id, pes)
		       : audio_again(a, id, pes);
}

/* Our stream of the same frames; the caller ends it with buf_fini. */
static struct buf write_again(struct span file, uint32_t gather_ms)
{
	const struct ts_reader_events events = {.on_pmt = again_pmt,
						.on_pes = again_pes};
	struct again a = {0};
	struct ts_reader *rd = NULL;

	CHECK_EQ(ts_mux_new(&a.mux, &(struct ts_mux_options){gather_ms}), 0);
	CHECK_EQ(ts_reader_new(&rd, NULL, &events, &a), 0);
	CHECK_EQ(ts_reader_feed(rd, file), 0);
	CHECK_EQ(ts_reader_end(rd), 0);
	CHECK_EQ(ts_mux_flush(a.mux, &a.out), 0);
	CHECK(a.frames > 20);
	ts_reader_free(&rd);
	ts_mux_free(&a.mux);
	buf_fini(&a.config[0]);
	buf_fini(&a.config[1]);
	return a.out;
}

/* When the mux is changed on purpose: WEIR_NEW_VECTORS=1 keeps what it writes
 * now in place of the vector. */
static void keep_vector(const char *name, struct span bytes)
{
	char path[128];
	FILE *f;

	if (!getenv("WEIR_NEW_VECTORS"))
		return;
	snprintf(path, sizeof(path), VECTORS "%s.weir.ts", name);
	f = fopen(path, "wb");
	CHECK(f && fwrite(bytes.data, 1, bytes.len, f) == bytes.len);
	fclose(f);
}

TEST(our_streams_of_the_same_frames_stay_as_they_are_byte_for_byte)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(names); i++) {
		struct buf file = {0};
		struct buf want = {0};
		struct buf out;

		load(&file, names[i], ".ts");
		out = write_again(buf_span(&file), 100);
		keep_vector(names[i], buf_span(&out));
		load(&want, names[i], ".weir.ts");
		CHECK_SPAN(buf_span(&out), buf_span(&want));
		check_rules(buf_span(&out));
		check_vector(names[i], ".weir.ts");
		buf_fini(&file);
		buf_fini(&want);
		buf_fini(&out);
	}
}

/* Once its times stand on ticks of 90 kHz, PCRs come back too. */
TEST(a_stream_of_ours_read_and_written_again_is_the_same)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(names); i++) {
		struct buf file = {0};
		struct buf once;
		struct buf twice;
		struct buf thrice;

		load(&file, names[i], ".ts");
		once = write_again(buf_span(&file), 0);
		twice = write_again(buf_span(&once), 0);
		thrice = write_again(buf_span(&twice), 0);
		CHECK_SPAN(buf_span(&thrice), buf_span(&twice));
		buf_fini(&thrice);
		buf_fini(&file);
		buf_fini(&once);
		buf_fini(&twice);
	}
}

/* ---- Cut anywhere ---- */

static int feed_cut(struct buf *text, struct span in, size_t cut, size_t part)
{
	const struct ts_reader_events events = {.on_pmt = text_pmt,
						.on_pes = text_pes,
						.on_mistake = text_mistake};
	struct ts_reader *rd = NULL;
	int err;

	CHECK_EQ(ts_reader_new(&rd, NULL, &events, text), 0);
	err = ts_reader_feed(rd, span_first(in, cut));
	for (size_t at = cut; !err && at < in.len; at += part)
		err = ts_reader_feed(rd, span_first(span_from(in, at), part));
	if (!err)
		err = ts_reader_end(rd);
	ts_reader_free(&rd);
	return err;
}

/* Thousands of allocations: repeating it with each failing takes too long. */
TEST_NO_OOM(it_does_not_matter_where_a_stream_is_cut)
{
	struct buf file = {0};
	struct buf want = {0};
	struct buf text = {0};

	load(&file, "h264_aac", ".weir.ts");
	CHECK_EQ(text_of(&want, buf_span(&file)), 0);
	for (size_t cut = 0; cut < 600; cut++) {
		buf_clear(&text);
		CHECK_EQ(feed_cut(&text, buf_span(&file), cut, SIZE_MAX / 2),
			 0);
		CHECK_SPAN(buf_span(&text), buf_span(&want));
	}
	buf_clear(&text);
	CHECK_EQ(feed_cut(&text, buf_span(&file), 0, 1), 0);
	CHECK_SPAN(buf_span(&text), buf_span(&want));
	buf_fini(&file);
	buf_fini(&want);
	buf_fini(&text);
}

/* ---- Mistakes ---- */

#define P TS_PACKET_BYTES

/* A stream of ours with something done to it. */
static void spoil_sync(struct buf *b)
{
	b->data[5 * P] = 0x46;
}

static void spoil_end(struct buf *b)
{
	b->len--;
}

static void spoil_counter(struct buf *b)
{
	memmove(b->data + 3 * P, b->data + 4 * P, b->len - 4 * P);
	b->len -= P;
}

static void spoil_crc(struct buf *b)
{
	b->data[P + 20] ^= 1;
}

static void spoil_adaptation(struct buf *b)
{
	b->data[2 * P + 4] = 184;
}

static void spoil_pcr(struct buf *b)
{
	b->data[2 * P + 10] = 0x7f; /* extension of 300 and more */
	b->data[2 * P + 11] = 0xff;
}

static void spoil_start_code(struct buf *b)
{
	b->data[2 * P + 12 + 2] = 2;
}

static void spoil_marker(struct buf *b)
{
	b->data[2 * P + 12 + 9] &= 0xfe;
}

static void spoil_length(struct buf *b)
{
	b->data[2 * P + 12 + 5] += 1;
}

static void spoil_pid(struct buf *b)
{
	b->data[2 * P + 1] = 0x42;
}

static void spoil_scrambling(struct buf *b)
{
	b->data[2 * P + 3] |= 0x80;
}

static void spoil_pointer(struct buf *b)
{
	b->data[P + 6] = 200;
}

static const struct {
	void (*spoil)(struct buf *b);
	int err;
	const char *says;
} mistakes[] = {
	{spoil_sync, WEIR_EPROTO, "no sync byte"},
	{spoil_end, WEIR_EPROTO, "half a packet at the end"},
	{spoil_counter, 0, "continuity_counter does not go on"},
	{spoil_crc, 0, "the CRC of a section does not agree"},
	{spoil_adaptation, 0, "an adaptation field past its packet"},
	{spoil_pcr, 0, "a PCR that cannot be read"},
	{spoil_start_code, 0, "no PES start code"},
	{spoil_marker, 0, "broken time stamp in a PES header"},
	{spoil_length, 0, "a PES is not as long as it says"},
	{spoil_pid, 0, "a PID that no table names"},
	{spoil_scrambling, 0, "a packet with an error or scrambled"},
	{spoil_pointer, 0, "a pointer past its packet"},
};

struct first_mistake {
	const char *text;
};

static int keep_mistake(void *ctx, const struct ts_mistake_event *e)
{
	struct first_mistake *first = ctx;

	if (!first->text)
		first->text = e->text;
	return 0;
}

TEST(each_mistake_is_told_in_words)
{
	const struct ts_reader_events events = {.on_mistake = keep_mistake};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(mistakes); i++) {
		struct first_mistake first = {0};
		struct ts_reader *rd = NULL;
		struct ts_reader_stats stats;
		struct buf file = {0};
		int err;

		load(&file, "h264_aac", ".weir.ts");
		mistakes[i].spoil(&file);
		CHECK_EQ(ts_reader_new(&rd, NULL, &events, &first), 0);
		err = ts_reader_feed(rd, buf_span(&file));
		if (!err)
			err = ts_reader_end(rd);
		CHECK_EQ(err, mistakes[i].err);
		CHECK_STR(err ? ts_reader_fault(rd) : first.text,
			  mistakes[i].says);
		ts_reader_get_stats(rd, &stats);
		CHECK_EQ(stats.mistakes > 0, !err);
		ts_reader_free(&rd);
		buf_fini(&file);
	}
}

TEST(a_pes_with_a_hole_is_not_told)
{
	struct buf file = {0};
	struct buf whole = {0};
	struct buf holed = {0};

	load(&file, "h264_aac", ".weir.ts");
	CHECK_EQ(text_of(&whole, buf_span(&file)), 0);
	spoil_counter(&file);
	CHECK_EQ(text_of(&holed, buf_span(&file)), 0);
	CHECK(strstr(buf_text(&whole), " random discontinuity "));
	CHECK(!strstr(buf_text(&holed), " random discontinuity "));
	buf_fini(&file);
	buf_fini(&whole);
	buf_fini(&holed);
}

TEST(limits_hold)
{
	static const struct ts_reader_limits limits[] = {{400, 0}, {0, 400}};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(limits); i++) {
		const struct ts_reader_events events = {0};
		struct ts_reader *rd = NULL;
		struct buf file = {0};

		load(&file, "h264_aac", ".weir.ts");
		CHECK_EQ(ts_reader_new(&rd, &limits[i], &events, NULL), 0);
		CHECK_EQ(ts_reader_feed(rd, buf_span(&file)), WEIR_ELIMIT);
		CHECK(ts_reader_fault(rd)[0]);
		ts_reader_free(&rd);
		buf_fini(&file);
	}
}

static int stop(void *ctx, const struct ts_pes *pes)
{
	(void)pes;
	return --*(int *)ctx ? 0 : WEIR_ESTOP;
}

TEST(a_callback_may_stop_the_feed)
{
	const struct ts_reader_events events = {.on_pes = stop};
	struct ts_reader *rd = NULL;
	struct buf file = {0};
	int left = 5;

	load(&file, "h265_opus", ".ts");
	CHECK_EQ(ts_reader_new(&rd, NULL, &events, &left), 0);
	CHECK_EQ(ts_reader_feed(rd, buf_span(&file)), WEIR_ESTOP);
	CHECK_EQ(left, 0);
	ts_reader_free(&rd);
	buf_fini(&file);
}

TEST(broken_audio_is_refused)
{
	static const struct {
		uint8_t codec;
		int err;
		struct span in;
	} bad[] = {
		{CODEC_AAC, WEIR_EPROTO, SPAN_LIT("\xff\xf1\x50")},
		{CODEC_AAC, WEIR_EPROTO,
		 SPAN_LIT("\xff\xf1\x50\x80\x01\x7f\xfc\x21")},
		{CODEC_OPUS, WEIR_EPROTO, SPAN_LIT("\x7f")},
		{CODEC_OPUS, WEIR_EPROTO, SPAN_LIT("\x3f\xe0\1\1")},
		{CODEC_OPUS, WEIR_EPROTO, SPAN_LIT("\x7f\xe0\xff\xff")},
		{CODEC_OPUS, WEIR_EPROTO, SPAN_LIT("\x7f\xf0\1")},
		{CODEC_MP3, WEIR_EPROTO, SPAN_LIT("\xff\xf3\x40\xc4")},
		{CODEC_H264, WEIR_EUNSUPPORTED, SPAN_LIT("\0\0\1")},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct span rest = bad[i].in;
		struct span unit;

		CHECK_EQ(ts_audio_next(&unit, &rest, bad[i].codec), bad[i].err);
		CHECK_EQ(rest.len, bad[i].in.len);
	}
}

TEST(opus_trims_and_extensions_are_passed_over)
{
	static const struct span in =
		SPAN_LIT("\x7f\xfc\2\0\1\0\2\3xyzab\x7f\xe0\1c");
	struct span rest = in;
	struct span unit;

	CHECK_EQ(ts_audio_next(&unit, &rest, CODEC_OPUS), 0);
	CHECK_SPAN(unit, SPAN_LIT("ab"));
	CHECK_EQ(ts_audio_next(&unit, &rest, CODEC_OPUS), 0);
	CHECK_SPAN(unit, SPAN_LIT("c"));
	CHECK_EQ(rest.len, 0);
}
