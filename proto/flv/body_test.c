/* proto/flv/body_test.c - FLV bodies: good ones, short ones, foreign ones. */
#include "common/test/check.h"
#include "proto/flv/flv.h"

TEST(bodies_that_can_be_carried_are_taken_apart)
{
	static const struct {
		uint8_t type;
		struct span body;
		uint8_t what;
		uint8_t codec;
		uint8_t form;
		bool is_key;
		struct span payload;
	} good[] = {
		{FLV_VIDEO, SPAN_LIT("\x17\0\0\0\0avcC"), FLV_CONFIG,
		 CODEC_H264, FORM_PLAIN, true, SPAN_LIT("avcC")},
		{FLV_VIDEO, SPAN_LIT("\x27\1\0\0\0NAL"), FLV_FRAME, CODEC_H264,
		 FORM_PLAIN, false, SPAN_LIT("NAL")},
		{FLV_VIDEO, SPAN_LIT("\x47\1\0\0\0NAL"), FLV_FRAME, CODEC_H264,
		 FORM_PLAIN, true, SPAN_LIT("NAL")},
		{FLV_VIDEO, SPAN_LIT("\x1c\1\0\0\0NAL"), FLV_FRAME, CODEC_H265,
		 FORM_LEGACY_ID12, true, SPAN_LIT("NAL")},
		{FLV_VIDEO, SPAN_LIT("\x17\2\0\0\0"), FLV_END, CODEC_H264,
		 FORM_PLAIN, true, SPAN_LIT("")},
		{FLV_VIDEO, SPAN_LIT("\x17\2"), FLV_END, CODEC_H264, FORM_PLAIN,
		 true, SPAN_LIT("")},
		{FLV_AUDIO, SPAN_LIT("\xaf\0\x12\x10"), FLV_CONFIG, CODEC_AAC,
		 FORM_PLAIN, false, SPAN_LIT("\x12\x10")},
		{FLV_AUDIO, SPAN_LIT("\xaf\1raw"), FLV_FRAME, CODEC_AAC,
		 FORM_PLAIN, false, SPAN_LIT("raw")},
		{FLV_AUDIO, SPAN_LIT("\x2fmp3"), FLV_FRAME, CODEC_MP3,
		 FORM_PLAIN, false, SPAN_LIT("mp3")},
		{FLV_AUDIO, SPAN_LIT("\x72x"), FLV_FRAME, CODEC_PCMA,
		 FORM_PLAIN, false, SPAN_LIT("x")},
		{FLV_AUDIO, SPAN_LIT("\x82x"), FLV_FRAME, CODEC_PCMU,
		 FORM_PLAIN, false, SPAN_LIT("x")},
		{FLV_AUDIO, SPAN_LIT("\xdfx"), FLV_FRAME, CODEC_OPUS,
		 FORM_PLAIN, false, SPAN_LIT("x")},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(good); i++) {
		struct flv_unit u;

		flv_body_parse(&u, good[i].type, good[i].body);
		CHECK_EQ(u.what, good[i].what);
		CHECK_EQ(u.kind,
			 good[i].type == FLV_VIDEO ? FRAME_VIDEO : FRAME_AUDIO);
		CHECK_EQ(u.codec, good[i].codec);
		CHECK_EQ(u.form, good[i].form);
		CHECK_EQ(u.is_key, good[i].is_key);
		CHECK(!u.is_enhanced);
		CHECK_STR(u.name, codec_name(good[i].codec));
		CHECK_SPAN(u.payload, good[i].payload);
	}
}

TEST(short_bodies_and_commands_are_ignored)
{
	static const struct {
		uint8_t type;
		struct span body;
	} short_ones[] = {
		{FLV_VIDEO, SPAN_LIT("")},
		{FLV_VIDEO, SPAN_LIT("\x17")},
		{FLV_VIDEO, SPAN_LIT("\x17\0")},
		{FLV_VIDEO, SPAN_LIT("\x17\1\0\0")},
		{FLV_VIDEO, SPAN_LIT("\x17\1\0\0\0")},
		{FLV_VIDEO, SPAN_LIT("\x17\0\0\0\0")},
		{FLV_VIDEO, SPAN_LIT("\x17\3\0\0\0NAL")}, /* packet type */
		{FLV_VIDEO, SPAN_LIT("\x57\0")}, /* command: seek begins */
		{FLV_VIDEO, SPAN_LIT("\x90")},   /* a FourCC that is cut */
		{FLV_VIDEO, SPAN_LIT("\x90hvc")},
		{FLV_AUDIO, SPAN_LIT("")},
		{FLV_AUDIO, SPAN_LIT("\xaf")},
		{FLV_AUDIO, SPAN_LIT("\xaf\0")},
		{FLV_AUDIO, SPAN_LIT("\xaf\1")},
		{FLV_AUDIO, SPAN_LIT("\xaf\2x")},
		{FLV_AUDIO, SPAN_LIT("\x2f")},
		{FLV_AUDIO, SPAN_LIT("\x91Op")},
		{FLV_SCRIPT, SPAN_LIT("")},
		{15, SPAN_LIT("abc")},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(short_ones); i++) {
		struct flv_unit u;

		flv_body_parse(&u, short_ones[i].type, short_ones[i].body);
		CHECK_EQ(u.what, FLV_IGNORE);
		CHECK_EQ(u.payload.len, 0);
	}
}

TEST(foreign_codecs_are_named)
{
	static const struct {
		uint8_t type;
		struct span body;
		const char *name;
		uint8_t codec;
		bool is_enhanced;
	} foreign[] = {
		{FLV_VIDEO, SPAN_LIT("\x12xx"), "Sorenson H.263", 0, false},
		{FLV_VIDEO, SPAN_LIT("\x14"), "VP6", 0, false},
		{FLV_VIDEO, SPAN_LIT("\x1d\0\0\0\0x"), "AV1 id 13", 0, false},
		{FLV_VIDEO, SPAN_LIT("\x1b\0"), "unknown video", 0, false},
		{FLV_VIDEO, SPAN_LIT("\x90hvc1x"), "hvc1", CODEC_H265, true},
		{FLV_VIDEO,
		 SPAN_LIT("\xa1"
			  "av01\0\0\0x"),
		 "av01", CODEC_AV1, true},
		{FLV_VIDEO, SPAN_LIT("\x93vp09x"), "vp09", 0, true},
		{FLV_VIDEO, SPAN_LIT("\x90\0\n\xffx"), "???x", 0, true},
		{FLV_VIDEO, SPAN_LIT("\x96\1hvc1"), "multitrack", 0, true},
		{FLV_AUDIO, SPAN_LIT("\x90Opusx"), "Opus", CODEC_OPUS, true},
		{FLV_AUDIO, SPAN_LIT("\x95\1mp4a"), "multitrack", 0, true},
		{FLV_AUDIO, SPAN_LIT("\xb2x"), "Speex", 0, false},
		{FLV_AUDIO, SPAN_LIT("\x6ax"), "Nellymoser", 0, false},
		{FLV_AUDIO, SPAN_LIT("\x3ex"), "PCM", 0, false},
		{FLV_AUDIO, SPAN_LIT("\xc0x"), "unknown audio", 0, false},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(foreign); i++) {
		struct flv_unit u;

		flv_body_parse(&u, foreign[i].type, foreign[i].body);
		CHECK_EQ(u.what, FLV_UNSUPPORTED);
		CHECK_STR(u.name, foreign[i].name);
		CHECK_EQ(u.codec, foreign[i].codec);
		CHECK_EQ(u.is_enhanced, foreign[i].is_enhanced);
	}
}

TEST(sound_flags_tell_rate_size_and_channels)
{
	static const struct {
		uint8_t flags;
		uint32_t rate;
		uint8_t bits;
		uint8_t channels;
	} sounds[] = {
		{0x2f, 44100, 16, 2}, {0x2a, 22050, 16, 1}, {0x25, 11025, 8, 2},
		{0x20, 5512, 8, 1},   {0xe2, 8000, 16, 1},  {0x72, 8000, 16, 1},
		{0x83, 8000, 16, 2},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(sounds); i++) {
		const uint8_t body[] = {sounds[i].flags, 'x'};
		struct flv_unit u;

		flv_body_parse(&u, FLV_AUDIO, SPAN(body));
		CHECK_EQ(u.rate, sounds[i].rate);
		CHECK_EQ(u.sample_bits, sounds[i].bits);
		CHECK_EQ(u.channels, sounds[i].channels);
	}
}

#define NAME "\2\0\x0aonMetaData"
#define SET  "\2\0\x0d@setDataFrame"

TEST(metadata_is_told_from_other_scripts)
{
	static const struct {
		struct span body;
		uint8_t what;
		struct span payload;
	} scripts[] = {
		{SPAN_LIT(NAME "\3\0\1a\5\0\0\x09"), FLV_META,
		 SPAN_LIT("\3\0\1a\5\0\0\x09")},
		{SPAN_LIT(SET NAME "\x08\0\0\0\0\0\0\x09more"), FLV_META,
		 SPAN_LIT("\x08\0\0\0\0\0\0\x09")},
		{SPAN_LIT(NAME "\5"), FLV_DATA, SPAN_LIT(NAME "\5")},
		{SPAN_LIT(NAME), FLV_DATA, SPAN_LIT(NAME)},
		{SPAN_LIT("\2\0\6onText\5"), FLV_DATA,
		 SPAN_LIT("\2\0\6onText\5")},
		{SPAN_LIT("\xff"), FLV_DATA, SPAN_LIT("\xff")},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(scripts); i++) {
		struct flv_unit u;

		flv_body_parse(&u, FLV_SCRIPT, scripts[i].body);
		CHECK_EQ(u.what, scripts[i].what);
		CHECK_SPAN(u.payload, scripts[i].payload);
		CHECK_EQ(u.kind, 0);
	}
}
