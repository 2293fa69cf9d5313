/* services/edge/format_flv.c - the wire form of HTTP-FLV, tags of a file; and of
 * WS-FLV, the same in frames of WebSocket. */
#include "proto/flv/flv.h"
#include "services/edge/wire.h"

static const char *flv_refusal(const struct track *track)
{
	return flv_can_carry(track) ? NULL : "FLV has no such codec";
}

static int flv_metadata(void *memory, struct buf *out,
			const struct tracks *tracks, struct span meta)
{
	struct buf body = {0};
	int err = flv_metadata_write(&body, tracks, meta);

	(void)memory;
	if (!err)
		err = flv_tag_write(out, FLV_SCRIPT, 0, buf_span(&body));
	if (err && !out->err)
		out->err = err;
	buf_fini(&body);
	return err;
}

static int flv_unit(void *memory, struct buf *out, const struct track *track,
		    const struct frame *f, const struct wire_time *at,
		    bool *is_join, size_t *payload_at)
{
	uint8_t store[FLV_BODY_HEAD_MAX];
	struct buf head = {.data = store, .cap = sizeof(store)};
	size_t body_len;
	int err = flv_body_head_from_frame(&head, track, f);

	(void)memory;
	(void)is_join;
	if (err)
		return err;
	body_len = head.len + f->payload.len;
	err = flv_tag_head_write(out, flv_type_of(track), at->ms, body_len);
	if (err)
		return err;
	buf_put(out, buf_span(&head));
	if (payload_at)
		*payload_at = out->len;
	else
		buf_put(out, f->payload);
	flv_tag_tail_write(out, body_len);
	return buf_error(out);
}

const struct wire_format wire_flv = {
	.name = "flv",
	.refusal = flv_refusal,
	.opening = flv_header_write,
	.metadata = flv_metadata,
	.unit = flv_unit,
};

const struct wire_format wire_ws_flv = {
	.name = "ws-flv",
	.refusal = flv_refusal,
	.opening = flv_header_write,
	.metadata = flv_metadata,
	.unit = flv_unit,
	.wrap = wire_ws_wrap,
};
