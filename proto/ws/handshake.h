/* proto/ws/handshake.h - WebSocket: the HTTP request and answer that open it.
 *
 * Spec: RFC 6455, sections 4.1 and 4.2. Pure code: randomness is a parameter.
 * No extensions are taken, so none is answered.
 */
#ifndef WEIR_WS_HANDSHAKE_H
#define WEIR_WS_HANDSHAKE_H

#include "proto/http/head.h"

#define WS_KEY_BYTES   16
#define WS_KEY_SIZE    25 /* 24 characters of base64 and a NUL */
#define WS_ACCEPT_SIZE 29 /* 28 characters of base64 and a NUL */

/* ---- The side that listens ---- */

struct ws_request {
	struct span key;      /* borrowed from the head: 24 characters */
	struct span protocol; /* the first subprotocol that the client offers;
			       * empty: none */
};

/* Is `head` a right upgrade to WebSocket? Of `head` only
 * is_websocket_upgrade, and the Sec-WebSocket-* fields are looked at; Origin is
 * the caller's business. Returns 0; WEIR_EUNSUPPORTED: another version, to be
 * answered with 426 and ws_version_put(); WEIR_EPROTO: 400. */
WEIR_MUST_CHECK int ws_request_check(struct ws_request *out,
				     const struct http_head *head);

/* Does the client offer this subprotocol? Case matters. */
bool ws_offers(const struct http_head *head, const char *protocol);

/* Append status 101 and the fields that WebSocket needs. `protocol`: the
 * subprotocol taken, one of those offered; empty: none. Further fields may be
 * put behind; http_head_end() ends the head. Errors are the buffer's. */
void ws_answer_put(struct buf *out, const struct ws_request *req,
		   struct span protocol);

/* Append "Sec-WebSocket-Version: 13", for the answer 426. */
void ws_version_put(struct buf *out);

/* The value of Sec-WebSocket-Accept that answers `key` (any bytes), with a
 * NUL, in `out`, which is returned. */
char *ws_accept(char out[WS_ACCEPT_SIZE], struct span key);

#endif
