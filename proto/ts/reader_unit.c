/* proto/ts/reader_unit.c - the access units of an audio PES. */
#include "common/base/reader.h"
#include "common/media/aac.h"
#include "common/media/audio.h"
#include "proto/ts/reader.h"

/* opus_control_header: 11 bits of prefix, then start_trim, end_trim and
 * control_extension, then two bits of nothing. */
enum {
	OPUS_PREFIX = 0x7fe0,
	OPUS_START_TRIM = 0x10,
	OPUS_END_TRIM = 0x08,
	OPUS_EXTENSION = 0x04,
};

static int next_opus(struct span *out, struct reader *r)
{
	uint16_t head = read_u16(r);
	size_t bytes = 0;
	uint8_t part;

	if ((head & 0xffe0) != OPUS_PREFIX)
		return WEIR_EPROTO;
	do {
		part = read_u8(r);
		bytes += part;
	} while (part == 255);
	if (head & OPUS_START_TRIM)
		(void)read_u16(r);
	if (head & OPUS_END_TRIM)
		(void)read_u16(r);
	if (head & OPUS_EXTENSION)
		(void)read_span(r, read_u8(r));
	*out = read_span(r, bytes);
	return reader_failed(r) ? WEIR_EPROTO : 0;
}

static int next_aac(struct span *out, struct reader *r, struct span rest)
{
	struct aac_adts adts;
	int err = aac_adts_parse(&adts, rest);

	if (err || adts.block_count != 1 || adts.frame_bytes < adts.head_bytes)
		return WEIR_EPROTO;
	(void)read_span(r, adts.head_bytes);
	*out = read_span(r, (size_t)adts.frame_bytes - adts.head_bytes);
	return reader_failed(r) ? WEIR_EPROTO : 0;
}

static int next_mp3(struct span *out, struct reader *r, struct span rest)
{
	struct mp3_header h;

	if (mp3_header_parse(&h, rest) || !h.frame_bytes)
		return WEIR_EPROTO;
	*out = read_span(r, h.frame_bytes);
	return reader_failed(r) ? WEIR_EPROTO : 0;
}

static int next_unit(struct span *out, struct reader *r, uint8_t codec,
		     struct span rest)
{
	switch (codec) {
	case CODEC_AAC:
		return next_aac(out, r, rest);
	case CODEC_OPUS:
		return next_opus(out, r);
	case CODEC_MP3:
		return next_mp3(out, r, rest);
	default:
		return WEIR_EUNSUPPORTED;
	}
}

int ts_audio_next(struct span *out, struct span *rest, uint8_t codec)
{
	struct reader r = reader_of(*rest);
	struct span unit;
	int err;

	if (!rest->len)
		return WEIR_ENOENT;
	err = next_unit(&unit, &r, codec, *rest);
	if (err)
		return err;
	*out = unit;
	*rest = read_rest(&r);
	return 0;
}
