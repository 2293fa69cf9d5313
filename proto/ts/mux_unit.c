/* proto/ts/mux_unit.c - payloads as they stand in elementary streams: Annex B,
 * ADTS, Opus access units.
 */
#include "common/media/audio.h"
#include "common/media/h264.h"
#include "common/media/h265.h"
#include "proto/ts/mux_priv.h"

static const uint8_t start_code[4] = {0, 0, 0, 1};
/* "Any slice type may follow". */
static const uint8_t h264_delimiter[] = {H264_NAL_AUD, 0xf0};
static const uint8_t h265_delimiter[] = {H265_NAL_AUD << 1, 1, 0x50};

/* ---- Video ---- */

struct nal_seen {
	bool is_picture;
	bool is_delimiter;
	uint8_t set; /* bit of enum param_kind; 0: none */
};

static struct nal_seen look_h264(struct span nal)
{
	uint8_t type = h264_nal_type(nal);

	return (struct nal_seen){
		type && type <= H264_NAL_IDR, type == H264_NAL_AUD,
		(uint8_t)((type == H264_NAL_SPS) << PARAM_SPS |
			  (type == H264_NAL_PPS) << PARAM_PPS)};
}

static struct nal_seen look_h265(struct span nal)
{
	uint8_t type = h265_nal_type(nal);

	return (struct nal_seen){
		type < H265_NAL_VPS, type == H265_NAL_AUD,
		(uint8_t)((type == H265_NAL_VPS) << PARAM_VPS |
			  (type == H265_NAL_SPS) << PARAM_SPS |
			  (type == H265_NAL_PPS) << PARAM_PPS)};
}

static struct nal_seen look(uint8_t codec, struct span nal)
{
	return codec == CODEC_H264 ? look_h264(nal) : look_h265(nal);
}

static uint8_t all_sets(uint8_t codec)
{
	uint8_t sets = 1 << PARAM_SPS | 1 << PARAM_PPS;

	return codec == CODEC_H264 ? sets : sets | 1 << PARAM_VPS;
}

int video_unit_scan(struct ts_video_unit *out, const struct ts_es *es,
		    const struct frame *f)
{
	struct ts_video_unit u = {.payload = f->payload};
	struct nal_iter it = nal_iter_of(f->payload, 4);
	bool is_picture_seen = false;
	uint8_t sets = 0;
	struct span nal;

	while (nal_next(&it, &nal)) {
		struct nal_seen seen = look(es->codec, nal);

		is_picture_seen |= seen.is_picture;
		sets |= seen.set;
		u.bytes += sizeof(start_code) + nal.len;
		if (seen.is_delimiter && !is_picture_seen && !u.delimiter.len)
			u.delimiter = nal;
	}
	if (it.err || !u.bytes)
		return WEIR_EPROTO;
	if (!u.delimiter.len) {
		u.delimiter = es->codec == CODEC_H264 ? SPAN(h264_delimiter)
						      : SPAN(h265_delimiter);
		u.bytes += sizeof(start_code) + u.delimiter.len;
	}
	if (f->flags & FRAME_JOIN && sets != all_sets(es->codec))
		u.sets = buf_span(&es->sets);
	u.bytes += u.sets.len;
	*out = u;
	return 0;
}

/* The delimiter first, wherever it stood, then the sets that are put in. */
void video_unit_put(const struct ts_video_unit *u, struct packets *p)
{
	struct nal_iter it = nal_iter_of(u->payload, 4);
	struct span nal;

	packets_put(p, SPAN(start_code));
	packets_put(p, u->delimiter);
	packets_put(p, u->sets);
	while (nal_next(&it, &nal)) {
		if (nal.data == u->delimiter.data)
			continue;
		packets_put(p, SPAN(start_code));
		packets_put(p, nal);
	}
}

/* ---- Audio ---- */

static size_t adts_head(const struct ts_es *es, size_t payload_bytes,
			uint8_t *head)
{
	size_t bytes = payload_bytes + ADTS_HEAD_BYTES;

	memcpy(head, es->adts, ADTS_HEAD_BYTES);
	head[3] = (uint8_t)((head[3] & ~3u) | bytes >> 11);
	head[4] = (uint8_t)(bytes >> 3);
	head[5] = (uint8_t)((head[5] & 0x1f) | bytes << 5);
	return ADTS_HEAD_BYTES;
}

/* opus_control_header without trims: 11 bits of prefix, then the size in bytes
 * of 255 and a last one below. */
static size_t opus_head(size_t payload_bytes, uint8_t *head)
{
	size_t len = 0;

	head[len++] = 0x7f;
	head[len++] = 0xe0;
	for (; payload_bytes >= 255; payload_bytes -= 255)
		head[len++] = 255;
	head[len++] = (uint8_t)payload_bytes;
	return len;
}

size_t audio_unit_head(const struct ts_es *es, size_t payload_bytes,
		       uint8_t *head)
{
	switch (es->codec) {
	case CODEC_AAC:
		return adts_head(es, payload_bytes, head);
	case CODEC_OPUS:
		return opus_head(payload_bytes, head);
	default:
		return 0;
	}
}

uint32_t audio_unit_samples(const struct ts_es *es, struct span payload,
			    uint32_t *rate)
{
	struct mp3_header mp3;

	switch (es->codec) {
	case CODEC_AAC:
		*rate = es->rate;
		return es->frame_samples;
	case CODEC_OPUS:
		*rate = OPUS_RATE;
		return opus_packet_samples(payload);
	default:
		if (mp3_header_parse(&mp3, payload))
			return 0;
		*rate = mp3.rate;
		return mp3.frame_samples;
	}
}
