/* common/media/audio.c - facts of MP3, Opus and G.711. */
#include "common/media/audio.h"

#include "common/base/bits.h"

enum mpeg_version { MPEG_25 = 0, MPEG_RESERVED = 1, MPEG_2 = 2, MPEG_1 = 3 };

/* kbit/s by [MPEG-1?][layer - 1][index]; 0 is free format. */
static const uint16_t bitrates[2][3][15] = {
	{{0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},
	 {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
	 {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}},
	{{0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448},
	 {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
	 {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}},
};

static uint32_t mp3_rate(uint32_t version, uint32_t index)
{
	static const uint32_t mpeg1[3] = {44100, 48000, 32000};

	if (version == MPEG_1)
		return mpeg1[index];
	return mpeg1[index] / (version == MPEG_2 ? 2 : 4);
}

static uint16_t mp3_samples(bool is_mpeg1, uint8_t layer)
{
	if (layer == 1)
		return 384;
	return layer == 3 && !is_mpeg1 ? 576 : 1152;
}

static uint32_t mp3_bytes(const struct mp3_header *h, bool is_padded)
{
	unsigned slot = h->layer == 1 ? 4 : 1; /* bytes */

	if (!h->bitrate_bps)
		return 0;
	return (h->frame_samples / (8 * slot) * h->bitrate_bps / h->rate +
		is_padded) *
	       slot;
}

int mp3_header_parse(struct mp3_header *out, struct span in)
{
	struct bits b = bits_of(in);
	struct mp3_header h = {0};
	uint32_t sync = bits_u(&b, 11);
	uint32_t version = bits_u(&b, 2);
	uint32_t layer = bits_u(&b, 2);
	uint32_t bitrate_index;
	uint32_t rate_index;
	bool is_padded;

	bits_skip(&b, 1); /* checksum */
	bitrate_index = bits_u(&b, 4);
	rate_index = bits_u(&b, 2);
	is_padded = bits_flag(&b);
	bits_skip(&b, 1); /* private */
	h.channels = bits_u(&b, 2) == 3 ? 1 : 2;
	bits_skip(&b, 6);
	if (bits_failed(&b) || sync != 0x7ff || version == MPEG_RESERVED ||
	    !layer || bitrate_index == 15 || rate_index == 3)
		return WEIR_EPROTO;
	h.layer = (uint8_t)(4 - layer);
	h.rate = mp3_rate(version, rate_index);
	h.frame_samples = mp3_samples(version == MPEG_1, h.layer);
	h.bitrate_bps =
		bitrates[version == MPEG_1][h.layer - 1][bitrate_index] * 1000u;
	h.frame_bytes = mp3_bytes(&h, is_padded);
	*out = h;
	return 0;
}

/* Samples at 48 kHz in one frame of a packet, by its configuration number. */
static uint32_t opus_frame_samples(uint8_t config)
{
	static const uint16_t silk[4] = {480, 960, 1920, 2880};
	static const uint16_t hybrid[2] = {480, 960};
	static const uint16_t celt[4] = {120, 240, 480, 960};

	if (config < 12)
		return silk[config & 3];
	return config < 16 ? hybrid[config & 1] : celt[config & 3];
}

uint32_t opus_packet_samples(struct span packet)
{
	uint32_t count;
	uint32_t samples;

	if (!packet.len)
		return 0;
	switch (packet.data[0] & 3) {
	case 0:
		count = 1;
		break;
	case 3: /* any number, told in the second byte */
		count = packet.len > 1 ? packet.data[1] & 0x3f : 0;
		break;
	default:
		count = 2;
		break;
	}
	samples = count * opus_frame_samples(packet.data[0] >> 3);
	return samples <= OPUS_RATE * 120 / 1000 ? samples : 0;
}

uint8_t opus_packet_channels(struct span packet)
{
	if (!packet.len)
		return 0;
	return packet.data[0] & 4 ? 2 : 1;
}
