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

/* Is `head` a right upgrade to WebSocket? Origin is the caller's business. Returns 0; WEIR_EUNSUPPORTED: another version, to be
 * answered with 426 and ws_version_put(); WEIR_EPROTO: 400. *out is set only on 0. */
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

/* The value of Sec-WebSocket-Accept that answers `key` (24 characters), with a
 * NUL, in `out`, which is returned. */
char *ws_accept(char out[WS_ACCEPT_SIZE], struct span key);

/* ---- The side that dials ---- */

/* Append the request. `host` is the Host field, `target` the path with its
 * query; `key` is random; `protocol`: the subprotocol offered, empty: none.
 * Errors are the buffer's. */
void ws_request_put(struct buf *out, struct span host, struct span target,
		    const uint8_t key[WS_KEY_BYTES], struct span protocol);

/* The answer of a server. */
struct ws_answer {
	unsigned status;   /* 101: the connection is open */
	size_t head_bytes; /* frames begin behind so many bytes */
	bool has_protocol; /* the subprotocol that was offered is taken */
};

/* Read the answer at the start of `in`. Returns 0 and *out, also for another
 * status than 101 (whose fields are not judged); WEIR_ESHORT while the head is
 * not whole; WEIR_ELIMIT: it is longer than 8192 bytes; WEIR_ENOMEM; WEIR_EPROTO: no HTTP/1,
 * or a 101 that RFC 6455 section 4.1 tells to fail: no Upgrade or Connection, a
 * wrong accept, an extension, or a subprotocol that was not `offered`. */
WEIR_MUST_CHECK int ws_answer_read(struct ws_answer *out, struct span in,
				   const uint8_t key[WS_KEY_BYTES],
				   struct span offered);

#endif
