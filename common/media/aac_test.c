/* common/media/aac_test.c - AudioSpecificConfig and ADTS. */
#include "common/media/aac.h"

#include <stdio.h>

#include "common/test/check.h"

static void put_text(struct buf *out, const struct aac_config *c)
{
	buf_printf(out,
		   "type %u core %u rate %u config %u channels %u "
		   "samples %u%s%s",
		   c->object_type, c->core_rate, c->rate, c->channel_config,
		   c->channels, c->frame_samples, c->has_sbr ? " sbr" : "",
		   c->has_ps ? " ps" : "");
}

TEST(configs_of_real_encoders_are_understood)
{
	static const struct {
		const char *who;
		struct span asc;
		const char *facts;
	} good[] = {
		{"ffmpeg, 44.1 kHz stereo; says that there is no SBR",
		 SPAN_LIT("\x12\x10\x56\xe5\0"),
		 "type 2 core 44100 rate 44100 config 2 channels 2 samples "
		 "1024"},
		{"OBS: two bytes", SPAN_LIT("\x11\x90"),
		 "type 2 core 48000 rate 48000 config 2 channels 2 samples "
		 "1024"},
		{"ffmpeg, 48 kHz mono", SPAN_LIT("\x11\x88\x56\xe5\0"),
		 "type 2 core 48000 rate 48000 config 1 channels 1 samples "
		 "1024"},
		{"ffmpeg, 5.1", SPAN_LIT("\x11\xb0\x56\xe5\0"),
		 "type 2 core 48000 rate 48000 config 6 channels 6 samples "
		 "1024"},
		{"ffmpeg, 7.1, 96 kHz", SPAN_LIT("\x10\x38\x56\xe5\0"),
		 "type 2 core 96000 rate 96000 config 7 channels 8 samples "
		 "1024"},
		{"ffmpeg, Main", SPAN_LIT("\x0a\x10\x56\xe5\0"),
		 "type 1 core 44100 rate 44100 config 2 channels 2 samples "
		 "1024"},
		{"ffmpeg, 8 kHz mono", SPAN_LIT("\x15\x88\x56\xe5\0"),
		 "type 2 core 8000 rate 8000 config 1 channels 1 samples "
		 "1024"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(good); i++) {
		struct buf text = {0};
		struct aac_config c;

		CHECK_EQ(aac_config_parse(&c, good[i].asc), 0);
		put_text(&text, &c);
		CHECK_STR(buf_text(&text), good[i].facts);
		buf_fini(&text);
	}
}

/* Bits as text; blanks are for the eye. */
static struct span asc_of(uint8_t asc[64], const char *bits)
{
	size_t count = 0;

	memset(asc, 0, 64);
	for (; *bits; bits++) {
		if (*bits == '1')
			asc[count / 8] |= (uint8_t)(0x80 >> count % 8);
		count += *bits != ' ';
	}
	return span_of(asc, (count + 7) / 8);
}

TEST(every_form_of_config_is_understood)
{
	static const struct {
		const char *why;
		const char *bits;
		const char *facts;
	} good[] = {
		{"960 samples", "00010 0011 0001 1 0 0",
		 "type 2 core 48000 rate 48000 config 1 channels 1 samples "
		 "960"},
		{"a rate of its own: 12345",
		 "00010 1111 "
		 "000000000011000000111001 0010 000",
		 "type 2 core 12345 rate 12345 config 2 channels 2 samples "
		 "1024"},
		{"HE-AAC told in front", "00101 0111 0010 0100 00010 000",
		 "type 2 core 22050 rate 44100 config 2 channels 2 samples "
		 "1024 sbr"},
		{"HE-AAC v2 told in front", "11101 0111 0001 0100 00010 000",
		 "type 2 core 22050 rate 44100 config 1 channels 2 samples "
		 "1024 sbr ps"},
		{"HE-AAC told behind",
		 "00010 0111 0010 000 01010110111 00101 1 0100",
		 "type 2 core 22050 rate 44100 config 2 channels 2 samples "
		 "1024 sbr"},
		{"HE-AAC v2 told behind",
		 "00010 0111 0001 000 01010110111 00101 1 0100 10101001000 1",
		 "type 2 core 22050 rate 44100 config 1 channels 2 samples "
		 "1024 sbr ps"},
		{"object type by escape: 34 is layer 3",
		 "11111 000010 0100 0010",
		 "type 34 core 44100 rate 44100 config 2 channels 2 samples "
		 "1024"},
		{"low delay", "10111 0011 0001 0",
		 "type 23 core 48000 rate 48000 config 1 channels 1 samples "
		 "512"},
		{"7.1 by config 12", "00010 0011 1100 000",
		 "type 2 core 48000 rate 48000 config 12 channels 8 samples "
		 "1024"},
		{"channels told in a program: a pair, one, and a deep one",
		 "00010 0011 0000 000 0000 01 0011 0001 0000 0001 01 000 0000 "
		 "000 1 0000 0 0001 0000 000 00000000 01010110111 00101 0",
		 "type 2 core 48000 rate 48000 config 0 channels 4 samples "
		 "1024"},
		{"core coder, then HE-AAC behind",
		 "00010 0111 0010 010 00000000000000 01010110111 00101 1 0100",
		 "type 2 core 22050 rate 44100 config 2 channels 2 samples "
		 "1024 sbr"},
		{"cut behind the channels", "00010 0011 0010",
		 "type 2 core 48000 rate 48000 config 2 channels 2 samples "
		 "1024"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(good); i++) {
		struct buf text = {0};
		uint8_t asc[64];
		struct aac_config c;

		CHECK_EQ(aac_config_parse(&c, asc_of(asc, good[i].bits)), 0);
		put_text(&text, &c);
		CHECK_STR(buf_text(&text), good[i].facts);
		buf_fini(&text);
	}
}

TEST(configs_that_make_no_decoder_are_refused)
{
	static const struct {
		const char *why;
		const char *bits;
	} bad[] = {
		{"empty", ""},
		{"one byte", "00010 001"},
		{"object type 0", "00000 0011 0010 000"},
		{"reserved rate", "00010 1101 0010 000"},
		{"a rate of 0", "00010 1111 000000000000000000000000 0010 000"},
		{"cut within its rate", "00010 1111 0000000"},
		{"SBR with a reserved rate", "00101 0111 0010 1110 00010 000"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct aac_config c = {.rate = 7};
		uint8_t asc[64];

		CHECK_EQ(aac_config_parse(&c, asc_of(asc, bad[i].bits)),
			 WEIR_EPROTO);
		CHECK_EQ(c.rate, 7);
	}
}

TEST(a_config_that_is_built_is_understood_again)
{
	static const struct aac_config configs[] = {
		{AAC_LC, false, false, 2, 2, 1024, 44100, 44100},
		{AAC_MAIN, false, false, 1, 1, 960, 12345, 12345},
		{AAC_LC, true, false, 2, 2, 1024, 24000, 48000},
		{AAC_LC, true, true, 1, 2, 1024, 22050, 44100},
		{AAC_LTP, true, true, 1, 2, 1024, 12345, 24690},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(configs); i++) {
		struct buf asc = {0};
		struct buf want = {0};
		struct buf got = {0};
		struct aac_config c;

		CHECK_EQ(aac_config_build(&asc, &configs[i]), 0);
		CHECK_EQ(aac_config_parse(&c, buf_span(&asc)), 0);
		put_text(&want, &configs[i]);
		put_text(&got, &c);
		CHECK_STR(buf_text(&got), buf_text(&want));
		buf_fini(&asc);
		buf_fini(&want);
		buf_fini(&got);
	}
}

TEST(what_a_config_cannot_say_is_not_built)
{
	const struct aac_config lc = {AAC_LC, false, false, 2,
				      2,      1024,  48000, 48000};
	struct aac_config c;
	struct buf out = {0};

	CHECK_EQ(aac_config_build(&out, &lc), 0);
	CHECK_SPAN(buf_span(&out), SPAN_LIT("\x11\x90"));
	c = lc;
	c.object_type = 39;
	CHECK_EQ(aac_config_build(&out, &c), WEIR_EINVAL);
	c = lc;
	c.channel_config = 0;
	CHECK_EQ(aac_config_build(&out, &c), WEIR_EINVAL);
	c = lc;
	c.frame_samples = 512;
	CHECK_EQ(aac_config_build(&out, &c), WEIR_EINVAL);
	c = lc;
	c.core_rate = 0;
	CHECK_EQ(aac_config_build(&out, &c), WEIR_EINVAL);
	CHECK_EQ(out.len, 2);
	buf_fini(&out);
}

TEST(configs_are_equal_when_they_make_the_same_decoder)
{
	CHECK(aac_config_eq(SPAN_LIT("\x12\x10"),
			    SPAN_LIT("\x12\x10\x56\xe5\0")));
	CHECK(!aac_config_eq(SPAN_LIT("\x12\x10"), SPAN_LIT("\x11\x90")));
	CHECK(!aac_config_eq(SPAN_LIT("\x12\x10"), SPAN_LIT("\x12\x08")));
	CHECK(!aac_config_eq(SPAN_LIT("\x12\x10"), SPAN_LIT("\x12")));
	CHECK(aac_config_eq(SPAN_LIT("\x12"), SPAN_LIT("\x12")));
	CHECK(aac_config_eq((struct span){0}, (struct span){0}));
	/* HE-AAC, told in front and told behind */
	CHECK(aac_config_eq(SPAN_LIT("\x2b\x92\x08\0"),
			    SPAN_LIT("\x13\x90\x56\xe5\xa0")));
	/* the layout lies in what is not compared */
	CHECK(!aac_config_eq(SPAN_LIT("\x11\x80\4\xc4\4\0"),
			     SPAN_LIT("\x11\x80\4\xc8\4\0")));
}

TEST(an_adts_header_of_ffmpeg_is_understood_and_written_again)
{
	const uint8_t head[] = {0xff, 0xf1, 0x50, 0x80, 0x2b, 0x3f, 0xfc};
	struct aac_adts adts;
	struct buf out = {0};

	CHECK_EQ(aac_adts_parse(&adts, SPAN(head)), 0);
	CHECK_EQ(adts.head_bytes, 7);
	CHECK_EQ(adts.frame_bytes, 345);
	CHECK_EQ(adts.block_count, 1);
	CHECK_EQ(adts.config.object_type, AAC_LC);
	CHECK_EQ(adts.config.rate, 44100);
	CHECK_EQ(adts.config.channels, 2);
	CHECK_EQ(aac_adts_write(&out, &adts.config, 345 - 7), 0);
	CHECK_SPAN(buf_span(&out), SPAN(head));
	buf_fini(&out);
}

TEST(adts_headers_that_are_cut_or_broken_are_told_apart)
{
	static const struct {
		struct span in;
		int err;
	} bad[] = {
		{SPAN_LIT(""), WEIR_ESHORT},
		{SPAN_LIT("\xff\xf1\x50\x80\x2b\x3f"), WEIR_ESHORT},
		/* a checksum that is cut */
		{SPAN_LIT("\xff\xf0\x50\x80\x2b\x3f\xfc\1"), WEIR_ESHORT},
		{SPAN_LIT("\xfe\xf1\x50\x80\x2b\x3f\xfc"), WEIR_EPROTO},
		/* layer */
		{SPAN_LIT("\xff\xf3\x50\x80\x2b\x3f\xfc"), WEIR_EPROTO},
		/* reserved rate, and an escape that ADTS has not */
		{SPAN_LIT("\xff\xf1\x74\x80\x2b\x3f\xfc"), WEIR_EPROTO},
		{SPAN_LIT("\xff\xf1\x7c\x80\x2b\x3f\xfc"), WEIR_EPROTO},
		/* shorter than its own header */
		{SPAN_LIT("\xff\xf1\x50\x80\x00\xdf\xfc"), WEIR_EPROTO},
	};
	struct aac_adts adts;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++)
		CHECK_EQ(aac_adts_parse(&adts, bad[i].in), bad[i].err);
	CHECK_EQ(aac_adts_parse(&adts, SPAN_LIT("\xff\xf0\x50\x80\x2b\x3f\xfc"
						"\1\2")),
		 0);
	CHECK_EQ(adts.head_bytes, 9);
}

TEST(what_adts_cannot_say_is_not_written)
{
	const struct aac_config lc = {AAC_LC, false, false, 2,
				      2,      1024,  48000, 48000};
	struct aac_config c = lc;
	struct buf out = {0};

	CHECK_EQ(aac_adts_write(&out, &lc, 8185), WEIR_EINVAL);
	c.core_rate = 12345;
	CHECK_EQ(aac_adts_write(&out, &c, 1), WEIR_EINVAL);
	c = lc;
	c.object_type = 23;
	CHECK_EQ(aac_adts_write(&out, &c, 1), WEIR_EINVAL);
	c = lc;
	c.channel_config = 11;
	CHECK_EQ(aac_adts_write(&out, &c, 1), WEIR_EINVAL);
	CHECK_EQ(out.len, 0);
	CHECK_EQ(aac_adts_write(&out, &lc, 8184), 0);
	buf_fini(&out);
}

TEST(silence_is_one_element_without_bands)
{
	static const uint8_t mono[] = {0, 0, 0, 0x07};
	static const uint8_t stereo[] = {0x21, 0, 0, 0, 0, 0x1c};
	struct aac_config c = {.object_type = AAC_LC, .channel_config = 1};

	CHECK_SPAN(aac_silence(&c), SPAN(mono));
	c.channel_config = 2;
	c.has_sbr = true;
	CHECK_SPAN(aac_silence(&c), SPAN(stereo));
	c.has_ps = true;
	CHECK_EQ(aac_silence(&c).len, 0);
	c = (struct aac_config){.object_type = AAC_LC, .channel_config = 6};
	CHECK_EQ(aac_silence(&c).len, 0);
	c = (struct aac_config){.object_type = AAC_MAIN, .channel_config = 2};
	CHECK_EQ(aac_silence(&c).len, 0);
}
