/* common/media/audio.h - facts of the audio codecs that need no configuration.
 *
 * Spec: ISO/IEC 11172-3 and 13818-3 (MP3), RFC 6716 section 3 (Opus packets),
 * ITU-T G.711. Pure code; nothing is allocated.
 */
#ifndef WEIR_MEDIA_AUDIO_H
#define WEIR_MEDIA_AUDIO_H

#include "common/base/err.h"
#include "common/base/span.h"

#define OPUS_RATE 48000 /* clock of Opus, whatever it was made from */
#define G711_RATE 8000  /* samples, one byte each */

struct mp3_header {
	uint8_t layer; /* 1-3 */
	uint8_t channels;
	uint16_t frame_samples;
	uint32_t rate;        /* samples per second */
	uint32_t bitrate_bps; /* 0: free format */
	uint32_t frame_bytes; /* header included; 0: free format */
};

/* Parse the 4 bytes at the start of a frame. Returns 0, or WEIR_EPROTO. */
WEIR_MUST_CHECK int mp3_header_parse(struct mp3_header *out, struct span in);

/* Samples at OPUS_RATE in a packet (at most 5760); 0 for a broken one. */
uint32_t opus_packet_samples(struct span packet);

/* 1 or 2, from the first byte; 0 for an empty packet. */
uint8_t opus_packet_channels(struct span packet);

#endif
