/* proto/flv/ids.h - the numbers inside FLV, for this folder's own use.
 *
 * Spec: Adobe Flash Video File Format 10.1, sections E.4.2 and E.4.3.
 */
#ifndef WEIR_FLV_IDS_H
#define WEIR_FLV_IDS_H

#include "common/media/track.h"

enum flv_header_flags { FLV_HAS_VIDEO = 1, FLV_HAS_AUDIO = 4 };

enum flv_frame_type {
	FLV_FRAME_KEY = 1,
	FLV_FRAME_INTER = 2,
	FLV_FRAME_DISPOSABLE = 3,
	FLV_FRAME_GENERATED_KEY = 4,
	FLV_FRAME_COMMAND = 5,
};

enum flv_packet {
	FLV_PACKET_CONFIG = 0,
	FLV_PACKET_FRAME = 1,
	FLV_PACKET_END = 2, /* video only */
};

enum flv_sound {
	FLV_SOUND_MP3 = 2,
	FLV_SOUND_PCMA = 7,
	FLV_SOUND_PCMU = 8,
	FLV_SOUND_ENHANCED = 9, /* a FourCC follows */
	FLV_SOUND_AAC = 10,
	FLV_SOUND_OPUS = 13, /* not of the spec; lal and others */
	FLV_SOUND_MP3_8K = 14,
};

enum flv_video_codec {
	FLV_VIDEO_H264 = 7,
	FLV_VIDEO_H265 = 12, /* not of the spec; common in the field */
};

/* 0 when FLV has no number for it. */
static inline uint8_t flv_video_id(uint8_t codec)
{
	switch (codec) {
	case CODEC_H264:
		return FLV_VIDEO_H264;
	case CODEC_H265:
		return FLV_VIDEO_H265;
	default:
		return 0;
	}
}

static inline uint8_t flv_audio_id(uint8_t codec)
{
	switch (codec) {
	case CODEC_AAC:
		return FLV_SOUND_AAC;
	case CODEC_MP3:
		return FLV_SOUND_MP3;
	case CODEC_OPUS:
		return FLV_SOUND_OPUS;
	case CODEC_PCMA:
		return FLV_SOUND_PCMA;
	case CODEC_PCMU:
		return FLV_SOUND_PCMU;
	default:
		return 0;
	}
}

#endif
