/* proto/flv/write_test.c - FLV tags and bodies at the edges of their fields. */
#include <stdlib.h>

#include "common/media/frame.h"
#include "common/test/check.h"
#include "proto/flv/flv.h"

static const struct track h264 = {.kind = FRAME_VIDEO, .codec = CODEC_H264};
static const struct track h265 = {
	.kind = FRAME_VIDEO, .codec = CODEC_H265, .form = FORM_LEGACY_ID12};
static const struct track aac = {.kind = FRAME_AUDIO, .codec = CODEC_AAC};

static int note_time(void *ctx, const struct flv_tag *tag)
{
	*(uint32_t *)ctx = tag->timestamp_ms;
	return 0;
}

TEST(tag_times_cross_24_and_31_bits_and_wrap_at_32)
{
	static const struct {
		uint32_t ms;
		struct span bytes; /* as they stand in the tag */
	} times[] = {
		{0, SPAN_LIT("\0\0\0\0")},
		{0xffffff, SPAN_LIT("\xff\xff\xff\0")},
		{0x1000000, SPAN_LIT("\0\0\0\1")},
		{0x1000001, SPAN_LIT("\0\0\1\1")},
		{0x7fffffff, SPAN_LIT("\xff\xff\xff\x7f")},
		{0x80000000, SPAN_LIT("\0\0\0\x80")},
		{0xffffffff, SPAN_LIT("\xff\xff\xff\xff")},
	};
	const struct flv_events events = {NULL, note_time};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(times); i++) {
		struct flv_reader *rd = NULL;
		struct buf out = {0};
		uint32_t read_ms = 1;

		flv_header_write(&out, &(struct tracks){0});
		CHECK_EQ(flv_tag_write(&out, FLV_AUDIO, times[i].ms,
				       SPAN_LIT("\xaf\1X")),
			 0);
		CHECK_SPAN(span_first(span_from(buf_span(&out),
						FLV_HEADER_BYTES + 4),
				      4),
			   times[i].bytes);
		CHECK_EQ(flv_reader_new(&rd, NULL, &events, &read_ms), 0);
		CHECK_EQ(flv_reader_feed(rd, buf_span(&out)), 0);
		CHECK_EQ(read_ms, times[i].ms);
		flv_reader_free(&rd);
		buf_fini(&out);
	}
}

TEST(the_header_tells_which_tracks_can_be_written)
{
	static const struct {
		struct tracks tracks;
		struct span head;
	} heads[] = {
		{{0}, SPAN_LIT("FLV\1\0\0\0\0\x09\0\0\0\0")},
		{{1, {{.kind = FRAME_AUDIO, .codec = CODEC_OPUS}}},
		 SPAN_LIT("FLV\1\4\0\0\0\x09\0\0\0\0")},
		{{1, {{.kind = FRAME_VIDEO, .codec = CODEC_H264}}},
		 SPAN_LIT("FLV\1\1\0\0\0\x09\0\0\0\0")},
		{{2,
		  {{.kind = FRAME_AUDIO, .codec = CODEC_AAC},
		   {.kind = FRAME_VIDEO, .codec = CODEC_H265}}},
		 SPAN_LIT("FLV\1\5\0\0\0\x09\0\0\0\0")},
		{{2,
		  {{.kind = FRAME_AUDIO, .codec = CODEC_AAC},
		   {.kind = FRAME_VIDEO, .codec = CODEC_AV1}}},
		 SPAN_LIT("FLV\1\4\0\0\0\x09\0\0\0\0")},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(heads); i++) {
		struct buf out = {0};

		flv_header_write(&out, &heads[i].tracks);
		CHECK_SPAN(buf_span(&out), heads[i].head);
		buf_fini(&out);
	}
}

static void check_body(const struct track *track, const struct frame *f,
		       struct span want)
{
	struct buf out = {0};

	CHECK_EQ(flv_body_from_frame(&out, track, f), 0);
	CHECK_SPAN(buf_span(&out), want);
	buf_fini(&out);
}

static struct frame frame_at(uint8_t kind, int64_t dts_ns, int64_t pts_ns)
{
	return (struct frame){.kind = kind,
			      .dts_ns = dts_ns,
			      .pts_ns = pts_ns,
			      .payload = SPAN_LIT("X")};
}

TEST(bodies_begin_as_the_format_says)
{
	struct frame config = frame_at(FRAME_CONFIG, 0, 0);
	struct frame video = frame_at(FRAME_VIDEO, 0, 0);
	struct frame audio = frame_at(FRAME_AUDIO, 0, 0);
	struct track t = {.kind = FRAME_AUDIO, .codec = CODEC_MP3};

	check_body(&h264, &config, SPAN_LIT("\x17\0\0\0\0X"));
	check_body(&h265, &config, SPAN_LIT("\x1c\0\0\0\0X"));
	check_body(&aac, &config, SPAN_LIT("\xaf\0X"));
	check_body(&h264, &video, SPAN_LIT("\x27\1\0\0\0X"));
	video.flags = FRAME_DISPOSABLE;
	check_body(&h264, &video, SPAN_LIT("\x27\1\0\0\0X"));
	video.flags = FRAME_JOIN;
	check_body(&h264, &video, SPAN_LIT("\x17\1\0\0\0X"));
	check_body(&h265, &video, SPAN_LIT("\x1c\1\0\0\0X"));
	check_body(&aac, &audio, SPAN_LIT("\xaf\1X"));
	t.rate = 44100;
	t.channels = 2;
	check_body(&t, &audio, SPAN_LIT("\x2fX"));
	t.rate = 48000;
	check_body(&t, &audio, SPAN_LIT("\x2fX"));
	t.rate = 24000;
	t.channels = 1;
	check_body(&t, &audio, SPAN_LIT("\x2aX"));
	t.rate = 11025;
	check_body(&t, &audio, SPAN_LIT("\x26X"));
	t.rate = 8000;
	check_body(&t, &audio, SPAN_LIT("\xe2X"));
	t.codec = CODEC_PCMA;
	check_body(&t, &audio, SPAN_LIT("\x72X"));
	t.codec = CODEC_PCMU;
	check_body(&t, &audio, SPAN_LIT("\x82X"));
	t.codec = CODEC_OPUS;
	check_body(&t, &audio, SPAN_LIT("\xdfX"));
}

TEST(composition_time_is_signed_and_made_from_rounded_absolute_times)
{
	static const struct {
		int64_t dts_ns;
		int64_t pts_ns;
		struct span body;
		int32_t read_ms;
	} times[] = {
		{0, 80000000, SPAN_LIT("\x27\1\0\0\x50X"), 80},
		/* 33.3 and 66.7 are 33 and 67 */
		{33333333, 66666667, SPAN_LIT("\x27\1\0\0\x22X"), 34},
		/* below dts: as it came */
		{40000000, 0, SPAN_LIT("\x27\1\xff\xff\xd8X"), -40},
		{1000000, 0, SPAN_LIT("\x27\1\xff\xff\xffX"), -1},
		/* held within 24 bits */
		{0, 9000 * NS_PER_S, SPAN_LIT("\x27\1\x7f\xff\xffX"), 0x7fffff},
		{9000 * NS_PER_S, 0, SPAN_LIT("\x27\1\x80\0\0X"), -0x800000},
		{INT64_MIN / 2, INT64_MAX / 2, SPAN_LIT("\x27\1\x7f\xff\xffX"),
		 0x7fffff},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(times); i++) {
		struct frame f =
			frame_at(FRAME_VIDEO, times[i].dts_ns, times[i].pts_ns);
		struct flv_unit u;

		check_body(&h264, &f, times[i].body);
		flv_body_parse(&u, FLV_VIDEO, times[i].body);
		CHECK_EQ(u.composition_ms, times[i].read_ms);
	}
}

TEST(what_flv_cannot_carry_is_refused)
{
	struct track t = {.kind = FRAME_VIDEO, .codec = CODEC_AV1};
	struct frame video = frame_at(FRAME_VIDEO, 0, 0);
	struct frame audio = frame_at(FRAME_AUDIO, 0, 0);
	struct frame config = frame_at(FRAME_CONFIG, 0, 0);
	struct buf out = {0};

	CHECK(!flv_can_carry(&t));
	CHECK_EQ(flv_body_from_frame(&out, &t, &video), WEIR_EUNSUPPORTED);
	CHECK_EQ(flv_body_end(&out, &t), WEIR_EUNSUPPORTED);
	t.codec = CODEC_H265;
	t.form = FORM_ENHANCED;
	CHECK_EQ(flv_body_from_frame(&out, &t, &video), WEIR_EUNSUPPORTED);
	CHECK_EQ(flv_body_from_frame(&out, &h264, &audio), WEIR_EINVAL);
	CHECK_EQ(flv_body_from_frame(&out, &aac, &video), WEIR_EINVAL);
	CHECK_EQ(flv_body_end(&out, &aac), WEIR_EINVAL);
	t = (struct track){.kind = FRAME_AUDIO, .codec = CODEC_OPUS};
	CHECK_EQ(flv_body_from_frame(&out, &t, &config), WEIR_EINVAL);
	t.kind = FRAME_RAW;
	CHECK_EQ(flv_body_from_frame(&out, &t, &audio), WEIR_EUNSUPPORTED);
	CHECK_EQ(flv_type_of(&t), 0);
	CHECK_EQ(flv_type_of(&h264), FLV_VIDEO);
	CHECK_EQ(flv_type_of(&aac), FLV_AUDIO);
	CHECK_EQ(out.len, 0);
	buf_fini(&out);
}

TEST(a_body_that_its_length_field_cannot_tell_is_refused)
{
	struct buf out = {0};
	struct span big;
	struct frame f = frame_at(FRAME_VIDEO, 0, 0);
	uint8_t *bytes = calloc(1, FLV_BODY_MAX + 1);

	CHECK(bytes);
	big = span_of(bytes, FLV_BODY_MAX + 1);
	CHECK_EQ(flv_tag_write(&out, FLV_VIDEO, 0, big), WEIR_ELIMIT);
	CHECK_EQ(flv_tag_head_write(&out, FLV_VIDEO, 0, big.len), WEIR_ELIMIT);
	f.payload = span_first(big, FLV_BODY_MAX - FLV_BODY_HEAD_MAX + 1);
	CHECK_EQ(flv_body_from_frame(&out, &h264, &f), WEIR_ELIMIT);
	CHECK_EQ(out.len, 0);
	CHECK_EQ(flv_tag_write(&out, FLV_VIDEO, 0,
			       span_first(big, FLV_BODY_MAX)),
		 0);
	CHECK_EQ(out.len,
		 FLV_TAG_HEAD_BYTES + FLV_BODY_MAX + FLV_TAG_TAIL_BYTES);
	CHECK_SPAN(span_from(buf_span(&out), out.len - 4),
		   SPAN_LIT("\1\0\0\x0a"));
	buf_fini(&out);
	free(bytes);
}

TEST(the_end_of_a_video_track_is_a_body_of_its_own)
{
	struct buf out = {0};
	struct flv_unit u;

	CHECK_EQ(flv_body_end(&out, &h264), 0);
	CHECK_EQ(flv_body_end(&out, &h265), 0);
	CHECK_SPAN(buf_span(&out), SPAN_LIT("\x17\2\0\0\0\x1c\2\0\0\0"));
	flv_body_parse(&u, FLV_VIDEO, span_first(buf_span(&out), 5));
	CHECK_EQ(u.what, FLV_END);
	buf_fini(&out);
}
