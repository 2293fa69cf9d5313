/* services/edge/format_ws.c - units in frames of WebSocket. A server masks
 * nothing, so the head stands in the wire like all else. */
#include "proto/ws/frame.h"
#include "services/edge/wire.h"

void wire_ws_wrap(struct buf *out, size_t at, size_t more)
{
	size_t len = out->len - at;
	uint8_t head[WS_HEAD_MAX];
	size_t head_len = ws_head_write(head, WS_BINARY, len + more);

	if (!len || !buf_grow(out, head_len))
		return;
	memmove(out->data + at + head_len, out->data + at, len);
	memcpy(out->data + at, head, head_len);
}
