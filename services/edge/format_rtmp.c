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

static int rtmp_unit(void *memory, struct buf *out, const struct track *track,
		     const struct frame *f, const struct wire_time *at,
		     bool *is_join)
{
	struct buf body = {0};
	int err = flv_body_from_frame(&body, track, f);

	(void)memory;
	(void)is_join;
	if (err && !buf_error(&body)) {
		buf_fini(&body);
		return err;
	}
	return put_message(out, flv_type_of(track), at->ms, &body);
}

const struct wire_format wire_rtmp = {
	.name = "rtmp",
	.refusal = rtmp_refusal,
	.metadata = rtmp_metadata,
	.unit = rtmp_unit,
};
