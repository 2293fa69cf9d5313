/* proto/ws/reader.h - WebSocket frames: bytes in, messages out.
 *
 * Spec: RFC 6455, sections 5 to 7. Pure code: no socket, clock or log. Strict
 * in both roles: a wrong mask, a reserved bit or opcode, a control frame that
 * is long or in fragments, text that is not UTF-8 end the connection.
 */
#ifndef WEIR_WS_READER_H
#define WEIR_WS_READER_H

#include "proto/ws/frame.h"

struct ws_reader; /* one per connection; reads what the other side sends */

enum ws_role {                     /* whose frames come in */
	       WS_FROM_CLIENT = 0, /* we are the server: all are masked */
	       WS_FROM_SERVER = 1, /* we are the client: none is */
};

/* What a peer may make us hold or do; going past one is WEIR_ELIMIT. */
struct ws_limits {
	uint32_t message_bytes;  /* one message, all its fragments; 0: 64 kB */
	uint32_t frame_bytes;    /* one data frame; 0: message_bytes */
	uint32_t fragments;      /* frames of one message; 0: 1024 */
	uint32_t controls_per_s; /* control frames, and data frames without
				  * payload; as many at once; 0: 50 */
};

struct ws_event {
	uint8_t opcode;      /* TEXT, BINARY: a whole message; CLOSE, PING or
			      * PONG (a ping is answered by the caller with a
			      * PONG of the same payload) */
	uint16_t close_code; /* CLOSE: WS_CODE_NONE when it came without */
	struct span payload; /* CLOSE: the reason, UTF-8; borrowed: dies when
			      * on_event returns */
};

/* Return 0 to go on; any other value ends the feed, which returns it. */
typedef int ws_event_fn(void *ctx, const struct ws_event *event);

/* `limits` is copied; NULL: the defaults. Returns 0 and *out, owned by the
 * caller; or WEIR_ENOMEM. */
WEIR_MUST_CHECK int ws_reader_new(struct ws_reader **out, enum ws_role role,
				  const struct ws_limits *limits,
				  ws_event_fn *on_event, void *ctx);

/* Free *rd and set it to NULL; NULL is fine. Never from inside on_event. */
void ws_reader_free(struct ws_reader **rd);

/* Read all of `in` (borrowed, cut anywhere) and report each message and each
 * control frame. `now_ms` never goes back; it serves controls_per_s alone.
 * What follows a CLOSE is passed over. After an error the reader is spent: send
 * a close with ws_reader_code() and end the connection. Returns 0; WEIR_EPROTO;
 * WEIR_ELIMIT; WEIR_ENOMEM; or the value with which on_event ended the feed. */
WEIR_MUST_CHECK int ws_reader_feed(struct ws_reader *rd, int64_t now_ms,
				   struct span in);

/* The code for our close: after an error of the feed the one that says why; after
 * a CLOSE the peer's own (or NONE), to be echoed; else WS_CODE_NORMAL. */
uint16_t ws_reader_code(const struct ws_reader *rd);

/* Has the peer's CLOSE been read? */
bool ws_reader_is_closed(const struct ws_reader *rd);

#endif
