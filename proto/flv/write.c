/* proto/flv/write.c - FLV: file header, tags, bodies made from frames. */
#include "proto/flv/flv.h"

#include "proto/flv/ids.h"

/* ---- File header and tags ---- */

static bool has_kind(const struct tracks *tracks, uint8_t kind)
{
	for (uint8_t i = 0; i < tracks->count; i++)
		if (tracks->track[i].kind == kind &&
		    flv_can_carry(&tracks->track[i]))
			return true;
	return false;
}

void flv_header_write(struct buf *out, const struct tracks *tracks)
{
	uint8_t flags = 0;

	if (has_kind(tracks, FRAME_AUDIO))
		flags |= FLV_HAS_AUDIO;
	if (has_kind(tracks, FRAME_VIDEO))
		flags |= FLV_HAS_VIDEO;
	buf_put(out, SPAN_LIT("FLV\1"));
	buf_put_u8(out, flags);
	buf_put_u32(out, FLV_HEADER_BYTES - FLV_TAG_TAIL_BYTES);
	buf_put_u32(out, 0); /* PreviousTagSize0 */
}

int flv_tag_head_write(struct buf *out, uint8_t type, uint32_t timestamp_ms,
		       size_t body_len)
{
	if (body_len > FLV_BODY_MAX)
		return WEIR_ELIMIT;
	buf_put_u8(out, type);
	buf_put_u24(out, (uint32_t)body_len);
	/* The upper 8 bits came to the format later, behind the lower 24. */
	buf_put_u24(out, timestamp_ms & 0xffffff);
	buf_put_u8(out, (uint8_t)(timestamp_ms >> 24));
	buf_put_u24(out, 0); /* StreamID */
	return buf_error(out);
}

void flv_tag_tail_write(struct buf *out, size_t body_len)
{
	buf_put_u32(out, (uint32_t)(FLV_TAG_HEAD_BYTES + body_len));
}

int flv_tag_write(struct buf *out, uint8_t type, uint32_t timestamp_ms,
		  struct span body)
{
	int err = flv_tag_head_write(out, type, timestamp_ms, body.len);

	if (err)
		return err;
	buf_put(out, body);
	flv_tag_tail_write(out, body.len);
	return buf_error(out);
}

/* ---- Bodies ---- */

int64_t flv_ms(int64_t ns)
{
	return ns_to_ticks(ns, 1000);
}

uint8_t flv_type_of(const struct track *track)
{
	switch (track->kind) {
	case FRAME_AUDIO:
		return FLV_AUDIO;
	case FRAME_VIDEO:
		return FLV_VIDEO;
	default:
		return 0;
	}
}

bool flv_can_carry(const struct track *track)
{
	if (track->form == FORM_ENHANCED)
		return false;
	if (track->kind == FRAME_VIDEO)
		return flv_video_id(track->codec) != 0;
	return track->kind == FRAME_AUDIO && flv_audio_id(track->codec) != 0;
}

static int32_t composition_ms(const struct frame *f)
{
	int64_t ms = flv_ms(f->pts_ns) - flv_ms(f->dts_ns);

	return (int32_t)WEIR_MIN(WEIR_MAX(ms, -0x800000), 0x7fffff);
}

static void put_video_head(struct buf *out, const struct track *track,
			   bool is_key, uint8_t packet, int32_t composition)
{
	/* 3, "disposable", is for H.263 only. */
	uint8_t type = is_key ? FLV_FRAME_KEY : FLV_FRAME_INTER;

	buf_put_u8(out, (uint8_t)(type << 4 | flv_video_id(track->codec)));
	buf_put_u8(out, packet);
	buf_put_u24(out, (uint32_t)composition & 0xffffff);
}

static int video_head(struct buf *out, const struct track *track,
		      const struct frame *f)
{
	switch (f->kind) {
	case FRAME_CONFIG:
		put_video_head(out, track, true, FLV_PACKET_CONFIG, 0);
		return buf_error(out);
	case FRAME_VIDEO:
		put_video_head(out, track, f->flags & FRAME_JOIN,
			       FLV_PACKET_FRAME, composition_ms(f));
		return buf_error(out);
	default:
		return WEIR_EINVAL;
	}
}

/* 0: 5.5 kHz, 1: 11, 2: 22, 3: 44; decoders of MP3 look into the frame. */
static uint8_t rate_index(uint32_t rate)
{
	if (rate >= 32000 || !rate)
		return 3;
	if (rate >= 16000)
		return 2;
	return rate >= 8000 ? 1 : 0;
}

static uint8_t sound_flags(const struct track *track)
{
	uint8_t id = flv_audio_id(track->codec);
	uint8_t stereo = track->channels != 1;

	switch (track->codec) {
	case CODEC_MP3:
		if (track->rate == 8000)
			return (uint8_t)(FLV_SOUND_MP3_8K << 4 | 2 | stereo);
		return (uint8_t)(id << 4 | rate_index(track->rate) << 2 | 2 |
				 stereo);
	case CODEC_PCMA:
	case CODEC_PCMU: /* 8 kHz, which the two bits cannot say */
		return (uint8_t)(id << 4 | 2 | (track->channels == 2));
	default: /* AAC and Opus: always 44 kHz, 16 bits, stereo */
		return (uint8_t)(id << 4 | 0xf);
	}
}

static int audio_head(struct buf *out, const struct track *track,
		      const struct frame *f)
{
	bool is_aac = track->codec == CODEC_AAC;
	bool is_config = f->kind == FRAME_CONFIG;

	if (f->kind != FRAME_AUDIO && !(is_aac && is_config))
		return WEIR_EINVAL;
	buf_put_u8(out, sound_flags(track));
	if (is_aac)
		buf_put_u8(out,
			   is_config ? FLV_PACKET_CONFIG : FLV_PACKET_FRAME);
	return buf_error(out);
}

int flv_body_head_from_frame(struct buf *out, const struct track *track,
			     const struct frame *frame)
{
	if (!flv_can_carry(track))
		return WEIR_EUNSUPPORTED;
	if (frame->payload.len > FLV_BODY_MAX - FLV_BODY_HEAD_MAX)
		return WEIR_ELIMIT;
	return track->kind == FRAME_VIDEO ? video_head(out, track, frame)
					  : audio_head(out, track, frame);
}

int flv_body_from_frame(struct buf *out, const struct track *track,
			const struct frame *frame)
{
	int err = flv_body_head_from_frame(out, track, frame);

	if (err)
		return err;
	buf_put(out, frame->payload);
	return buf_error(out);
}

int flv_body_end(struct buf *out, const struct track *track)
{
	if (!flv_can_carry(track))
		return WEIR_EUNSUPPORTED;
	if (track->kind != FRAME_VIDEO)
		return WEIR_EINVAL;
	put_video_head(out, track, true, FLV_PACKET_END, 0);
	return buf_error(out);
}
