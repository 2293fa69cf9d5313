/* common/media/codec_test.c - one door to all codecs' headers. */
#include "common/media/codec.h"

#include "common/base/reader.h"
#include "common/media/nal.h"
#include "common/test/check.h"
#include "common/test/vector.h"

#define VECTORS "common/media/vectors/"

static struct span first_unit(struct buf *file, const char *path)
{
	struct reader r;

	vector_load(file, path);
	r = reader_of(buf_span(file));
	return read_span(&r, read_u32(&r));
}

TEST(facts_of_a_config_fill_in_the_track)
{
	struct buf file = {0};
	struct track t = {.id = 1, .rate = 7};

	vector_load(&file, VECTORS "h264_1080p.avcc");
	CHECK_EQ(codec_config_facts(&t, CODEC_H264, buf_span(&file)), 0);
	CHECK_EQ(t.width, 1920);
	CHECK_EQ(t.height, 1080);
	CHECK_EQ(t.fps_x100, 2997);
	CHECK_EQ(t.rate, 7);
	buf_clear(&file);
	vector_load(&file, VECTORS "h265_422.hvcc");
	CHECK_EQ(codec_config_facts(&t, CODEC_H265, buf_span(&file)), 0);
	CHECK_EQ(t.width, 130);
	CHECK_EQ(t.height, 66);
	CHECK_EQ(t.fps_x100, 5000);
	CHECK_EQ(codec_config_facts(&t, CODEC_AAC, SPAN_LIT("\x12\x08")), 0);
	CHECK_EQ(t.rate, 44100);
	CHECK_EQ(t.channels, 1);
	CHECK_EQ(t.width, 130);
	buf_fini(&file);
}

TEST(a_broken_sps_makes_dimensions_unknown_and_fails_nothing)
{
	struct track t = {.width = 1, .height = 1, .fps_x100 = 1};

	CHECK_EQ(codec_config_facts(&t, CODEC_H264,
				    SPAN_LIT("\1\x64\0\12\xff\xe1\0\5\x67\x64"
					     "\0\12\xff\0")),
		 0);
	CHECK_EQ(t.width, 0);
	CHECK_EQ(t.height, 0);
	CHECK_EQ(t.fps_x100, 0);
	t.width = 1;
	CHECK_EQ(codec_config_facts(&t, CODEC_H264, SPAN_LIT("\1\x64\0")),
		 WEIR_EPROTO);
	CHECK_EQ(t.width, 1);
	CHECK_EQ(codec_config_facts(&t, CODEC_AV1, SPAN_LIT("\x81")),
		 WEIR_EUNSUPPORTED);
}

TEST(codecs_without_config_tell_their_facts_in_a_frame)
{
	struct track t = {0};

	CHECK_EQ(codec_frame_facts(&t, CODEC_MP3, SPAN_LIT("\xff\xfb\x54\xc4")),
		 0);
	CHECK_EQ(t.rate, 48000);
	CHECK_EQ(t.channels, 1);
	CHECK_EQ(codec_frame_facts(&t, CODEC_OPUS, SPAN_LIT("\xff\x83")), 0);
	CHECK_EQ(t.rate, 48000);
	CHECK_EQ(t.channels, 2);
	CHECK_EQ(codec_frame_facts(&t, CODEC_PCMU, SPAN_LIT("x")), 0);
	CHECK_EQ(t.rate, 8000);
	CHECK_EQ(t.channels, 1);
	CHECK_EQ(codec_frame_facts(&t, CODEC_MP3, SPAN_LIT("ID3")),
		 WEIR_EPROTO);
	CHECK_EQ(codec_frame_facts(&t, CODEC_AAC, SPAN_LIT("x")),
		 WEIR_EUNSUPPORTED);
}

TEST(audio_frames_last_as_long_as_their_samples)
{
	const struct span none = {0};

	CHECK_EQ(codec_frame_duration_ns(CODEC_AAC, SPAN_LIT("\x11\x90"), none),
		 21333333);
	CHECK_EQ(codec_frame_duration_ns(CODEC_AAC, none, none), 0);
	CHECK_EQ(codec_frame_duration_ns(CODEC_MP3, none,
					 SPAN_LIT("\xff\xfb\x54\xc4")),
		 24000000);
	CHECK_EQ(codec_frame_duration_ns(CODEC_OPUS, none, SPAN_LIT("\xf8")),
		 20000000);
	CHECK_EQ(
		codec_frame_duration_ns(CODEC_PCMA, none, SPAN_LIT("12345678")),
		1000000);
	CHECK_EQ(codec_frame_duration_ns(CODEC_H264, none, SPAN_LIT("x")), 0);
}

TEST(units_are_classified_by_their_codec)
{
	struct buf file = {0};
	struct buf config = {0};
	struct unit_facts facts;
	struct span unit = first_unit(&file, VECTORS "h265_bframes.au");

	vector_load(&config, VECTORS "h265_bframes.hvcc");
	CHECK_EQ(codec_unit_classify(&facts, CODEC_H265, buf_span(&config),
				     unit),
		 0);
	CHECK(facts.is_join && facts.is_idr && facts.has_parameter_sets);
	/* not referred to, in the only layer; then nothing is known of layers */
	CHECK_EQ(codec_unit_classify(&facts, CODEC_H265, buf_span(&config),
				     SPAN_LIT("\0\0\0\2\0\1")),
		 0);
	CHECK(facts.is_disposable);
	CHECK_EQ(codec_unit_classify(&facts, CODEC_H265, (struct span){0},
				     SPAN_LIT("\0\0\0\2\0\1")),
		 0);
	CHECK(!facts.is_disposable);
	CHECK_EQ(codec_unit_classify(&facts, CODEC_OPUS, (struct span){0},
				     SPAN_LIT("x")),
		 0);
	CHECK(facts.is_join);
	CHECK_EQ(codec_unit_classify(&facts, CODEC_AV1, (struct span){0}, unit),
		 WEIR_EUNSUPPORTED);
	buf_fini(&file);
	buf_fini(&config);
}

TEST(a_config_is_normalised_to_lengths_of_4_bytes)
{
	struct buf file = {0};
	struct buf out = {0};
	uint8_t size = 9;

	vector_load(&file, VECTORS "h264_bframes.avcc");
	file.data[4] = 0xfd; /* the publisher has 2 */
	CHECK_EQ(codec_config_normalise(&out, &size, CODEC_H264,
					buf_span(&file)),
		 0);
	CHECK_EQ(size, 2);
	file.data[4] = 0xff;
	CHECK_SPAN(buf_span(&out), buf_span(&file));
	buf_clear(&file);
	buf_clear(&out);
	vector_load(&file, VECTORS "h265_bframes.hvcc");
	file.data[21] &= 0xfc;
	CHECK_EQ(codec_config_normalise(&out, &size, CODEC_H265,
					buf_span(&file)),
		 0);
	CHECK_EQ(size, 1);
	file.data[21] |= 3;
	CHECK_SPAN(buf_span(&out), buf_span(&file));
	buf_clear(&out);
	CHECK_EQ(codec_config_normalise(&out, &size, CODEC_AAC,
					SPAN_LIT("\x12\x10")),
		 0);
	CHECK_EQ(size, 0);
	CHECK_SPAN(buf_span(&out), SPAN_LIT("\x12\x10"));
	CHECK_EQ(codec_config_normalise(&out, &size, CODEC_AAC,
					SPAN_LIT("\x12")),
		 WEIR_EPROTO);
	CHECK_EQ(codec_config_normalise(&out, &size, CODEC_H264,
					SPAN_LIT("\1\x42")),
		 WEIR_EPROTO);
	CHECK_EQ(codec_config_normalise(&out, &size, CODEC_OPUS, SPAN_LIT("x")),
		 WEIR_EUNSUPPORTED);
	buf_fini(&file);
	buf_fini(&out);
}

TEST(parameter_sets_in_annex_b_become_a_config)
{
	struct buf file = {0};
	struct buf annexb = {0};
	struct buf out = {0};
	struct buf want = {0};
	struct span unit = first_unit(&file, VECTORS "h265_bframes.au");
	uint8_t size = 9;
	bool is_changed;

	CHECK_EQ(nal_to_annexb(&annexb, unit), 0);
	CHECK_EQ(codec_config_normalise(&out, &size, CODEC_H265,
					buf_span(&annexb)),
		 0);
	CHECK_EQ(size, NAL_ANNEXB);
	CHECK_EQ(codec_config_update(&want, &is_changed, CODEC_H265,
				     (struct span){0}, unit),
		 0);
	CHECK(is_changed);
	CHECK_SPAN(buf_span(&out), buf_span(&want));
	CHECK_EQ(codec_config_normalise(&out, &size, CODEC_H264,
					SPAN_LIT("\0\0\1\x68\xff")),
		 WEIR_EINVAL);
	buf_fini(&file);
	buf_fini(&annexb);
	buf_fini(&out);
	buf_fini(&want);
}

/* Baseline SPS of 16x16 (id 0), and of 32x16; PPS with ids 0 and 1. */
#define SPS_A "\0\0\0\6\x67\x42\0\12\xda\xf9"
#define SPS_B "\0\0\0\7\x67\x42\0\12\xda\x4f\x20"
#define PPS_0 "\0\0\0\2\x68\xc0"
#define PPS_1 "\0\0\0\2\x68\x50"
#define IDR   "\0\0\0\2\x65\x88"

TEST(in_band_sets_replace_those_with_their_id)
{
	struct buf first = {0};
	struct buf next = {0};
	bool is_changed = false;
	const struct span none = {0};

	CHECK_EQ(codec_config_update(&first, &is_changed, CODEC_H264, none,
				     SPAN_LIT(SPS_A PPS_0 IDR)),
		 0);
	CHECK(is_changed);
	CHECK_SPAN(buf_span(&first),
		   SPAN_LIT("\1\x42\0\12\xff\xe1\0\6\x67\x42\0\12\xda\xf9"
			    "\1\0\2\x68\xc0"));
	/* The same again, or none at all, changes nothing. */
	CHECK_EQ(codec_config_update(&next, &is_changed, CODEC_H264,
				     buf_span(&first),
				     SPAN_LIT(SPS_A PPS_0 IDR)),
		 0);
	CHECK(!is_changed);
	CHECK_EQ(codec_config_update(&next, &is_changed, CODEC_H264,
				     buf_span(&first), SPAN_LIT(IDR)),
		 0);
	CHECK(!is_changed);
	CHECK_EQ(next.len, 0);
	/* Another SPS takes its place, another PPS is added. */
	CHECK_EQ(codec_config_update(&next, &is_changed, CODEC_H264,
				     buf_span(&first),
				     SPAN_LIT(SPS_B PPS_1 IDR)),
		 0);
	CHECK(is_changed);
	CHECK_SPAN(buf_span(&next),
		   SPAN_LIT("\1\x42\0\12\xff\xe1\0\7\x67\x42\0\12\xda\x4f\x20"
			    "\2\0\2\x68\xc0\0\2\x68\x50"));
	buf_fini(&first);
	buf_fini(&next);
}

TEST(updates_that_cannot_be_made_are_refused)
{
	struct buf out = {0};
	bool is_changed = false;
	const struct span none = {0};

	CHECK_EQ(codec_config_update(&out, &is_changed, CODEC_H264, none,
				     SPAN_LIT(PPS_0 IDR)),
		 WEIR_EINVAL);
	CHECK_EQ(codec_config_update(&out, &is_changed, CODEC_H264,
				     SPAN_LIT("\1\x42"), SPAN_LIT(SPS_A)),
		 WEIR_EPROTO);
	CHECK_EQ(codec_config_update(&out, &is_changed, CODEC_H264, none,
				     SPAN_LIT("\0\0\0\2\x67")),
		 WEIR_EPROTO);
	CHECK_EQ(codec_config_update(&out, &is_changed, CODEC_AAC, none,
				     SPAN_LIT("x")),
		 0);
	CHECK(!is_changed);
	CHECK_EQ(out.len, 0);
	buf_fini(&out);
}

TEST(configs_are_compared_by_what_they_say)
{
	struct buf a = {0};
	struct buf b = {0};

	vector_load(&a, VECTORS "h264_bframes.avcc");
	vector_load(&b, VECTORS "h264_bframes.avcc");
	CHECK(codec_config_eq(CODEC_H264, buf_span(&a), buf_span(&b)));
	/* without the tail that old muxers leave out */
	CHECK(codec_config_eq(CODEC_H264, buf_span(&a),
			      span_of(b.data, b.len - 4)));
	b.data[4] &= 0xfc;
	CHECK(!codec_config_eq(CODEC_H264, buf_span(&a), buf_span(&b)));
	buf_clear(&b);
	vector_load(&b, VECTORS "h264_1080p.avcc");
	CHECK(!codec_config_eq(CODEC_H264, buf_span(&a), buf_span(&b)));
	CHECK(codec_config_eq(CODEC_AAC, SPAN_LIT("\x12\x10"),
			      SPAN_LIT("\x12\x10\x56\xe5\0")));
	CHECK(!codec_config_eq(CODEC_OPUS, SPAN_LIT("a"), SPAN_LIT("b")));
	buf_fini(&a);
	buf_fini(&b);
}
