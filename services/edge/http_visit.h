/* services/edge/http_visit.h - one request for a live stream, as the files of
 * the HTTP door share it. Nobody else includes it.
 */
#ifndef WEIR_EDGE_HTTP_VISIT_H
#define WEIR_EDGE_HTTP_VISIT_H

#include "proto/http/head.h"
#include "proto/ws/reader.h"
#include "services/edge/internal.h"

/* guest->protocol from its request on; NULL before. */
struct http_visit {
	struct buf cors;      /* fields that each answer to it has */
	struct buf switching; /* WebSocket: all of the 101; else empty */
	struct ws_reader *ws; /* likewise; else NULL */
	/* Until it is accepted, of a plain request: path, query and Host, each
	 * with a NUL behind it. */
	struct buf asked;
};

/* Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int http_visit_begin(struct guest *g,
				     const struct http_head *head);
void http_visit_end(struct guest *g);

/* ---- answers (http_answer.c) ---- */

/* Send 200 and what a live answer has. Returns 0 or an error. */
WEIR_MUST_CHECK int http_answer_live(struct guest *g);

/* Send a status, with the reason as JSON. `detail` is ours, and plain. */
void http_answer_reason(struct guest *g, unsigned status, enum reason why,
			const char *detail);

/* Send 302 to another edge that has room. false: there is none, or it is not
 * that which is lacking, and nothing was sent. */
bool http_answer_elsewhere(struct guest *g, enum reason why);

/* What a page is told that asks first. */
void http_answer_preflight(struct guest *g);

/* Status line and fields that every answer has. */
void http_answer_head(const struct guest *g, struct buf *out, unsigned status);

/* Send what is in `out`, and free it. Returns 0 or an error. */
WEIR_MUST_CHECK int http_answer_send(struct guest *g, struct buf *out);

/* ---- WebSocket (http_socket.c) ---- */

/* The status to refuse it with; 0: it is one now. */
unsigned http_socket_open(struct guest *g, const struct http_head *head);

/* Send the 101. Returns 0 or an error. */
WEIR_MUST_CHECK int http_socket_accept(struct guest *g);

/* Bytes of the peer. Returns 0; WEIR_ESTOP: it said goodbye; or an error. */
WEIR_MUST_CHECK int http_socket_feed(struct guest *g, struct span in);

/* Say goodbye. */
void http_socket_finish(struct guest *g, enum reason why);

#endif
