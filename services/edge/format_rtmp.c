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

static int rtmp_metadata(struct buf *out, const struct tracks *tracks,
			 struct span meta)
{
	struct buf body = {0};

	/* Its error is the buffer's, which put_message passes on. */
	(void)!flv_metadata_write(&body, tracks, meta);
	return put_message(out, RTMP_DATA, 0, &body);
}

static int rtmp_unit(struct buf *out, const struct track *track,
		     const struct frame *f, uint32_t ms)
{
	struct buf body = {0};
	int err = flv_body_from_frame(&body, track, f);

	if (err && !buf_error(&body)) {
		buf_fini(&body);
		return err;
	}
	return put_message(out, flv_type_of(track), ms, &body);
}

const struct wire_format wire_rtmp = {
	.name = "rtmp",
	.carries = flv_can_carry,
	.metadata = rtmp_metadata,
	.unit = rtmp_unit,
};
