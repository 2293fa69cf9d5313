/* common/media/audio_test.c - MP3 and Opus headers of real encoders. */
#include "common/media/audio.h"

#include "common/test/check.h"

TEST(headers_of_mp3_frames_tell_rate_channels_and_size)
{
	static const struct {
		struct span in; /* lame's, and by hand from the standard */
		uint8_t layer;
		uint8_t channels;
		uint16_t samples;
		uint32_t rate;
		uint32_t bitrate_bps;
		uint32_t bytes;
	} good[] = {
		{SPAN_LIT("\xff\xfb\x90\x64"), 3, 2, 1152, 44100, 128000, 417},
		{SPAN_LIT("\xff\xfb\x92\x64"), 3, 2, 1152, 44100, 128000, 418},
		{SPAN_LIT("\xff\xfb\x54\xc4"), 3, 1, 1152, 48000, 64000, 192},
		{SPAN_LIT("\xff\xf3\x40\x64"), 3, 2, 576, 22050, 32000, 104},
		{SPAN_LIT("\xff\xe3\x18\xc4"), 3, 1, 576, 8000, 8000, 72},
		{SPAN_LIT("\xff\xfb\x00\x64"), 3, 2, 1152, 44100, 0, 0},
		{SPAN_LIT("\xff\xfd\x84\0"), 2, 2, 1152, 48000, 128000, 384},
		{SPAN_LIT("\xff\xff\x44\0"), 1, 2, 384, 48000, 128000, 128},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(good); i++) {
		struct mp3_header h;

		CHECK_EQ(mp3_header_parse(&h, good[i].in), 0);
		CHECK_EQ(h.layer, good[i].layer);
		CHECK_EQ(h.channels, good[i].channels);
		CHECK_EQ(h.frame_samples, good[i].samples);
		CHECK_EQ(h.rate, good[i].rate);
		CHECK_EQ(h.bitrate_bps, good[i].bitrate_bps);
		CHECK_EQ(h.frame_bytes, good[i].bytes);
	}
}

TEST(what_is_no_mp3_header_is_refused)
{
	static const struct span bad[] = {
		SPAN_LIT(""),
		SPAN_LIT("\xff\xfb\x90"),     /* cut */
		SPAN_LIT("\x7f\xfb\x90\x64"), /* no sync */
		SPAN_LIT("\xff\xeb\x90\x64"), /* reserved version */
		SPAN_LIT("\xff\xf9\x90\x64"), /* reserved layer: ADTS */
		SPAN_LIT("\xff\xfb\xf0\x64"), /* bad bitrate */
		SPAN_LIT("\xff\xfb\x9c\x64"), /* reserved rate */
	};
	struct mp3_header h;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++)
		CHECK_EQ(mp3_header_parse(&h, bad[i]), WEIR_EPROTO);
}

TEST(opus_packets_tell_how_long_they_are)
{
	static const struct {
		const char *who; /* libopus unless said */
		struct span packet;
		uint32_t samples;
		uint8_t channels;
	} packets[] = {
		{"20 ms", SPAN_LIT("\xf8\xb4\xaf\xca"), 960, 1},
		{"60 ms, stereo", SPAN_LIT("\xff\x83\xfe\x37"), 2880, 2},
		{"2.5 ms", SPAN_LIT("\xe0\x73\xf6\x70"), 120, 1},
		{"40 ms of speech", SPAN_LIT("\x50\xc1\x17\x5b"), 1920, 1},
		{"120 ms", SPAN_LIT("\xfb\x86\xfd\x10"), 5760, 1},
		{"two hybrid frames, by hand", SPAN_LIT("\x79\0"), 1920, 1},
		{"none", SPAN_LIT(""), 0, 0},
		{"a number that is missing", SPAN_LIT("\xfb"), 0, 1},
		{"more than 120 ms", SPAN_LIT("\xfb\x87"), 0, 1},
		{"63 frames of 60 ms", SPAN_LIT("\x1b\x3f"), 0, 1},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(packets); i++) {
		CHECK_EQ(opus_packet_samples(packets[i].packet),
			 packets[i].samples);
		CHECK_EQ(opus_packet_channels(packets[i].packet),
			 packets[i].channels);
	}
}
