/* proto/ts/ts.h - MPEG transport stream: the numbers that writer and reader
 * share.
 *
 * Spec: ISO/IEC 13818-1 (H.222.0) section 2.4; Opus: the draft "Opus Interactive
 * Audio Codec; Transport Multiplexing Standard" 0.1.3, which became no standard
 * but is what everybody does. Pure code.
 */
#ifndef WEIR_TS_TS_H
#define WEIR_TS_TS_H

#include "common/media/track.h"

#define TS_PACKET_BYTES 188
#define TS_SYNC         0x47
#define TS_PID_PAT      0
#define TS_PID_PMT      0x1001 /* as our mux has it */
#define TS_PID_VIDEO    0x100  /* the first video track */
#define TS_PID_AUDIO    0x101  /* the first audio track; others follow */
#define TS_PID_NULL     0x1fff
#define TS_CLOCK_90K    90000u
#define TS_CLOCK_27M    27000000u
#define TS_WRAP_90K     (INT64_C(1) << 33) /* of PTS, DTS, the base of PCR */
/* PTS and DTS stand so far ahead of PCR, which is a frame's own dts: 700 ms. */
#define TS_MARGIN_90K 63000

enum ts_stream_type {
	TS_TYPE_MPEG1_AUDIO = 0x03, /* MP3 of 32 kHz and more */
	TS_TYPE_MPEG2_AUDIO = 0x04, /* MP3 of less */
	TS_TYPE_PRIVATE = 0x06,     /* Opus, told by a descriptor */
	TS_TYPE_AAC_ADTS = 0x0f,
	TS_TYPE_H264 = 0x1b,
	TS_TYPE_H265 = 0x24,
};

/* Why a track cannot be in a transport stream, in words; NULL: it can. (An AAC
 * track may still turn out not to fit into ADTS when its CONFIG is known:
 * ts_mux_set_config.) */
const char *ts_refusal(const struct track *track);

static inline bool ts_can_carry(const struct track *track)
{
	return !ts_refusal(track);
}

/* What stands in PTS and DTS for a time of the stream: rounded to the tick from
 * the absolute value, TS_MARGIN_90K later, modulo 2^33. */
uint64_t ts_stamp_90k(int64_t ns);

/* CRC-32/MPEG-2 (annex A): 0 over a section that ends in its own CRC. */
uint32_t ts_crc32(struct span s);

#endif
