/* services/edge/http_socket.c - players by WebSocket: what they say, and what
 * they hear besides media. */
#include <stdio.h>

#include "proto/ws/handshake.h"
#include "services/edge/http_visit.h"

static struct http_visit *visit_of(const struct guest *g)
{
	return g->protocol;
}

static int on_event(void *ctx, const struct ws_event *e)
{
	struct guest *g = ctx;
	struct buf out = {0};

	if (e->opcode == WS_CLOSE)
		return WEIR_ESTOP;
	/* Before the 101 nothing can be answered; players have no other words.
	 */
	if (e->opcode != WS_PING || !g->viewer)
		return 0;
	ws_frame_put(&out, WS_PONG, e->payload);
	return http_answer_send(g, &out);
}

/* A page's WebSocket is not bound by CORS: whoever we let read nothing gets no
 * socket either. Programs send no Origin. */
static bool is_welcome(const struct guest *g, const struct http_head *head)
{
	return !head->origin.len ||
	       http_cors_allows(&g->edge->origins, head->origin);
}

unsigned http_socket_open(struct guest *g, const struct http_head *head)
{
	const struct ws_limits limits = {.message_bytes = 16 * 1024};
	struct http_visit *v = visit_of(g);
	struct ws_request req;

	switch (ws_request_check(&req, head)) {
	case 0:
		break;
	case WEIR_EUNSUPPORTED:
		return 426;
	default:
		return 400;
	}
	if (!is_welcome(g, head))
		return 403;
	ws_answer_put(&v->switching, &req, (struct span){0});
	http_field_put_str(&v->switching, "Server", "weir");
	http_head_end(&v->switching);
	if (buf_error(&v->switching) ||
	    ws_reader_new(&v->ws, WS_FROM_CLIENT, &limits, on_event, g))
		return 503;
	return 0;
}

int http_socket_accept(struct guest *g)
{
	return http_answer_send(g, &visit_of(g)->switching);
}

int http_socket_feed(struct guest *g, struct span in)
{
	struct http_visit *v = visit_of(g);
	int err =
		ws_reader_feed(v->ws, (int64_t)loop_now_ms(g->edge->loop), in);

	if (err && err != WEIR_ESTOP)
		snprintf(g->detail, sizeof(g->detail), "WebSocket: %u",
			 ws_reader_code(v->ws));
	return err;
}

static uint16_t code_for(const struct http_visit *v, enum reason why)
{
	switch (why) {
	case REASON_peer_end:
	case REASON_protocol_error:
		return ws_reader_code(v->ws);
	case REASON_draining:
		return WS_CODE_GOING_AWAY;
	case REASON_kicked:
	case REASON_unauthorized:
		return WS_CODE_POLICY;
	case REASON_stream_ended:
		return WS_CODE_NORMAL;
	default:
		return WS_CODE_TRY_AGAIN;
	}
}

void http_socket_finish(struct guest *g, enum reason why)
{
	const struct http_visit *v = visit_of(g);
	struct buf out = {0};

	/* The peer knows why it says goodbye. */
	ws_close_put(&out, code_for(v, why),
		     why == REASON_peer_end ? NULL : reason_text(why));
	(void)!http_answer_send(g, &out);
}
