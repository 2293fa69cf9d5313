/* services/edge/format_rtmp.c - the wire form of RTMP play: whole messages in
 * chunks that depend on nothing sent before. */
#include "proto/flv/flv.h"
#include "proto/rtmp/message.h"
#include "services/edge/wire.h"

#define MESSAGE_STREAM 1

static int put_message(struct buf *out, uint8_t type, uint32_t ms,
		       struct buf *body)
{
	int err = buf_error(body);

	if (!err)
		rtmp_chunk_write(out, rtmp_csid_of(type), ms, type,
				 MESSAGE_STREAM, buf_span(body),
				 RTMP_CHUNK_BYTES_SENT);
	else if (!out->err)
		out->err = err;
	buf_fini(body);
	return buf_error(out);
}

static const char *rtmp_refusal(const struct track *track)
{
	return flv_can_carry(track) ? NULL : "RTMP has no such codec";
}

static int rtmp_metadata(void *memory, struct buf *out,
			 const struct tracks *tracks, struct span meta)
{
	struct buf body = {0};

	(void)memory;
	/* Its error is the buffer's, which put_message passes on. */
	(void)!flv_metadata_write(&body, tracks, meta);
	return put_message(out, RTMP_DATA, 0, &body);
}

/* One chunk takes most messages whole; in longer ones heads of chunks stand
 * inside the payload. */
static int rtmp_unit(void *memory, struct buf *out, const struct track *track,
		     const struct frame *f, const struct wire_time *at,
		     bool *is_join, size_t *payload_at)
{
	const uint8_t type = flv_type_of(track);
	const uint32_t csid = rtmp_csid_of(type);
	uint8_t store[FLV_BODY_HEAD_MAX];
	struct buf head = {.data = store, .cap = sizeof(store)};
	struct span body[2];
	int err = flv_body_head_from_frame(&head, track, f);

	(void)memory;
	(void)is_join;
	if (err)
		return err;
	body[0] = buf_span(&head);
	body[1] = f->payload;
	if (!payload_at || head.len + f->payload.len > RTMP_CHUNK_BYTES_SENT) {
		rtmp_chunk_write_all(out, csid, at->ms, type, MESSAGE_STREAM,
				     body, 2, RTMP_CHUNK_BYTES_SENT);
		return buf_error(out);
	}
	rtmp_chunk_begin(out, csid, at->ms, type, MESSAGE_STREAM,
			 head.len + f->payload.len);
	buf_put(out, body[0]);
	*payload_at = out->len;
	return buf_error(out);
}

const struct wire_format wire_rtmp = {
	.name = "rtmp",
	.refusal = rtmp_refusal,
	.metadata = rtmp_metadata,
	.unit = rtmp_unit,
};
