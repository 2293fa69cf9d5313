/* proto/ws/frame.h - WebSocket frames: writing.
 *
 * Spec: RFC 6455, section 5. Pure code. Every frame written is a whole message
 * (FIN set, no extension bits). A server's frames are not masked, so the same
 * bytes may go to any number of clients; a client's are.
 */
#ifndef WEIR_WS_FRAME_H
#define WEIR_WS_FRAME_H

#include "common/base/buf.h"

#define WS_HEAD_MAX    10  /* bytes before an unmasked payload, at most */
#define WS_CONTROL_MAX 125 /* bytes of payload of a control frame */

enum ws_opcode {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

enum ws_code { /* of a close: section 7.4.1 and the registry it opened */
	       WS_CODE_NORMAL = 1000,
	       WS_CODE_GOING_AWAY = 1001, /* we stop, or drain */
	       WS_CODE_PROTOCOL = 1002,
	       WS_CODE_UNSUPPORTED = 1003,
	       WS_CODE_NONE = 1005,     /* a close without a code */
	       WS_CODE_BAD_TEXT = 1007, /* not UTF-8 */
	       WS_CODE_POLICY = 1008,
	       WS_CODE_TOO_BIG = 1009,
	       WS_CODE_INTERNAL = 1011,
	       WS_CODE_TRY_AGAIN = 1013,
};

/* ---- A server's ---- */

/* Write the head of a frame to `out`: 2, 4 or 10 bytes, which is returned. The
 * payload follows it unchanged. */
size_t ws_head_write(uint8_t out[WS_HEAD_MAX], enum ws_opcode opcode,
		     uint64_t payload_bytes);

/* Append that head; errors are the buffer's. */
void ws_head_put(struct buf *out, enum ws_opcode opcode,
		 uint64_t payload_bytes);

/* Append a whole frame. A control frame's payload is cut at WS_CONTROL_MAX. */
void ws_frame_put(struct buf *out, enum ws_opcode opcode, struct span payload);

/* Append a close. `code` WS_CODE_NONE or 0: without code and reason. `reason`
 * is UTF-8, may be NULL, and is cut to fit between two characters. */
void ws_close_put(struct buf *out, uint16_t code, const char *reason);

/* ---- A client's: the same, masked ---- */

/* `mask` must be unpredictable, and another one for each frame (5.3). */
void ws_frame_put_masked(struct buf *out, enum ws_opcode opcode,
			 struct span payload, uint32_t mask);
void ws_close_put_masked(struct buf *out, uint16_t code, const char *reason,
			 uint32_t mask);

#endif
