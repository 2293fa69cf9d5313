/* proto/ts/ts.c - MPEG transport stream: what writer and reader share. */
#include "proto/ts/ts.h"

const char *ts_refusal(const struct track *track)
{
	if (track->kind == FRAME_VIDEO)
		return track->codec == CODEC_H264 || track->codec == CODEC_H265
			       ? NULL
			       : "only H.264 and H.265 video is carried in TS";
	if (track->kind != FRAME_AUDIO)
		return "only video and audio are carried in TS";
	switch (track->codec) {
	case CODEC_AAC:
	case CODEC_MP3:
		return NULL;
	case CODEC_OPUS:
		return track->channels <= 8 ? NULL
					    : "Opus in TS has 8 channels at "
					      "most";
	case CODEC_PCMA:
	case CODEC_PCMU:
		return "TS has no stream type for G.711 that players know";
	default:
		return "this audio codec is not carried in TS";
	}
}

uint64_t ts_stamp_90k(int64_t ns)
{
	uint64_t ticks = (uint64_t)ns_to_ticks(ns, TS_CLOCK_90K);

	return (ticks + TS_MARGIN_90K) & (uint64_t)(TS_WRAP_90K - 1);
}

uint32_t ts_crc32(struct span s)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < s.len; i++) {
		crc ^= (uint32_t)s.data[i] << 24;
		for (int bit = 0; bit < 8; bit++)
			crc = crc << 1 ^ (crc >> 31 ? 0x04c11db7 : 0);
	}
	return crc;
}
