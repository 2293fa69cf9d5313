/* proto/ws/frame.c - WebSocket frames: writing. */
#include "proto/ws/frame.h"

#include "common/base/utf8.h"

#define FIN    0x80
#define MASKED 0x80

size_t ws_head_write(uint8_t out[WS_HEAD_MAX], enum ws_opcode opcode,
		     uint64_t payload_bytes)
{
	unsigned more = payload_bytes < 126 ? 0 : payload_bytes < 65536 ? 2 : 8;

	out[0] = (uint8_t)(FIN | opcode);
	out[1] = (uint8_t)(more == 0 ? payload_bytes : more == 2 ? 126 : 127);
	for (unsigned i = 0; i < more; i++)
		out[2 + i] = (uint8_t)(payload_bytes >> (8 * (more - 1 - i)));
	return 2 + more;
}

void ws_head_put(struct buf *out, enum ws_opcode opcode, uint64_t payload_bytes)
{
	uint8_t head[WS_HEAD_MAX];

	buf_put(out, span_of(head, ws_head_write(head, opcode, payload_bytes)));
}

static struct span cut_control(enum ws_opcode opcode, struct span payload)
{
	return opcode & 8 ? span_first(payload, WS_CONTROL_MAX) : payload;
}

void ws_frame_put(struct buf *out, enum ws_opcode opcode, struct span payload)
{
	payload = cut_control(opcode, payload);
	ws_head_put(out, opcode, payload.len);
	buf_put(out, payload);
}

void ws_frame_put_masked(struct buf *out, enum ws_opcode opcode,
			 struct span payload, uint32_t mask)
{
	uint8_t head[WS_HEAD_MAX];
	uint8_t *at;
	size_t len;

	payload = cut_control(opcode, payload);
	len = ws_head_write(head, opcode, payload.len);
	head[1] |= MASKED;
	buf_put(out, span_of(head, len));
	buf_put_u32(out, mask);
	at = buf_grow(out, payload.len);
	for (size_t i = 0; at && i < payload.len; i++)
		at[i] = (uint8_t)(payload.data[i] ^ mask >> (24 - 8 * (i % 4)));
}

/* The payload of a close, in `out`; returns its length (section 5.5.1). */
static size_t close_payload(uint8_t out[WS_CONTROL_MAX], uint16_t code,
			    const char *reason)
{
	struct span words = span_str(reason ? reason : "");

	if (code == 0 || code == WS_CODE_NONE)
		return 0;
	words = span_first(words, WS_CONTROL_MAX - 2);
	words.len = utf8_valid_len(words);
	out[0] = (uint8_t)(code >> 8);
	out[1] = (uint8_t)code;
	if (words.len)
		memcpy(out + 2, words.data, words.len);
	return 2 + words.len;
}

void ws_close_put(struct buf *out, uint16_t code, const char *reason)
{
	uint8_t payload[WS_CONTROL_MAX];
	size_t len = close_payload(payload, code, reason);

	ws_frame_put(out, WS_CLOSE, span_of(payload, len));
}

void ws_close_put_masked(struct buf *out, uint16_t code, const char *reason,
			 uint32_t mask)
{
	uint8_t payload[WS_CONTROL_MAX];
	size_t len = close_payload(payload, code, reason);

	ws_frame_put_masked(out, WS_CLOSE, span_of(payload, len), mask);
}
