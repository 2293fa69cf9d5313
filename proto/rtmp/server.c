/* proto/rtmp/server.c - the server's side of one RTMP connection: its life, and
 * what the owner may say. */
#include "proto/rtmp/server.h"

#include <stdlib.h>

#include "common/base/fetch.h"
#include "proto/rtmp/server_state.h"

const char *rtmp_end_name(enum rtmp_end reason)
{
	switch (reason) {
	case RTMP_END_DELETE:
		return "deleteStream";
	case RTMP_END_CLOSE:
		return "closeStream";
	case RTMP_END_UNPUBLISH:
		return "FCUnpublish";
	case RTMP_END_EOF:
		return "end of stream";
	case RTMP_END_REFUSED:
		return "refused";
	}
	return "";
}

void rtmp_request_query(struct buf *out, const struct rtmp_request *r)
{
	buf_put(out, r->query);
	if (r->query.len && r->app_query.len)
		buf_put_u8(out, '&');
	buf_put(out, r->app_query);
}

static int on_part(void *ctx, const struct rtmp_media *m)
{
	struct rtmp_server *s = ctx;

	/* the part before it may have made the owner refuse */
	if (s->phase != RTMP_PHASE_PUBLISHES)
		return 0;
	return s->events.on_media(s->events.ctx, m);
}

static int on_media(struct rtmp_server *s, const struct rtmp_message *msg)
{
	int err;

	if (s->phase == RTMP_PHASE_PUBLISHES) {
		err = rtmp_link_flush(&s->link);
		if (err)
			return err;
		err = rtmp_media_each(msg, on_part, s);
		return err == WEIR_EPROTO && msg->type == RTMP_AGGREGATE
			       ? rtmp_link_fail(&s->link, err,
						"broken aggregate")
			       : err;
	}
	if (s->drops_media)
		return 0;
	return rtmp_link_fail(&s->link, WEIR_EPROTO,
			      s->phase == RTMP_PHASE_PLAYS
				      ? "media from a player"
				      : "media before publish");
}

static int on_message(void *ctx, const struct rtmp_message *msg)
{
	struct rtmp_server *s = ctx;

	if (s->phase == RTMP_PHASE_REFUSED)
		return 0;
	if (rtmp_type_is_media(msg->type))
		return on_media(s, msg);
	if (msg->type == RTMP_COMMAND || msg->type == RTMP_COMMAND_AMF3)
		return rtmp_server_on_command(s, msg);
	return 0; /* shared objects, and what nobody knows */
}

int rtmp_server_new(struct rtmp_server **out,
		    const struct rtmp_server_events *events, uint64_t seed,
		    uint32_t time_ms)
{
	struct rtmp_server *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return WEIR_ENOMEM;
	s->events = *events;
	s->link.on_send = events->on_send;
	s->link.send_ctx = events->ctx;
	s->link.on_message = on_message;
	s->link.ctx = s;
	err = rtmp_link_init(&s->link, &rtmp_limits_small);
	if (!err)
		err = rtmp_handshake_new_server(&s->link.handshake, seed,
						time_ms);
	if (err)
		rtmp_server_free(&s);
	else
		*out = s;
	return err;
}

void rtmp_server_ahead(const struct rtmp_server *s, unsigned step)
{
	if (step == 0)
		fetch_bytes(s, offsetof(struct rtmp_server, connect));
	else if (s->link.reader)
		rtmp_chunk_reader_ahead(s->link.reader, step - 1);
}

void rtmp_server_free(struct rtmp_server **out)
{
	struct rtmp_server *s = *out;

	if (!s)
		return;
	rtmp_link_fini(&s->link);
	buf_fini(&s->connect_text);
	buf_fini(&s->request_text);
	free(s);
	*out = NULL;
}

void rtmp_server_set_cluster(struct rtmp_server *s, const char *id)
{
	s->cluster = id;
}

int rtmp_server_feed(struct rtmp_server *s, struct span in, size_t *used)
{
	int err;

	*used = 0;
	if (s->phase == RTMP_PHASE_ASKS_PUBLISH && !s->link.err)
		return 0;
	err = rtmp_link_feed(&s->link, in, used);
	if (s->is_parked && err == WEIR_ESTOP)
		err = 0;
	s->is_parked = false;
	return err;
}

const char *rtmp_server_fault(const struct rtmp_server *s)
{
	return s->link.fault;
}

enum rtmp_wait rtmp_server_waits_for(const struct rtmp_server *s)
{
	if (s->phase == RTMP_PHASE_ASKS_PUBLISH)
		return RTMP_WAIT_PUBLISH;
	return s->phase == RTMP_PHASE_ASKS_PLAY ? RTMP_WAIT_PLAY
						: RTMP_WAIT_NONE;
}

const struct rtmp_request *rtmp_server_request(const struct rtmp_server *s)
{
	return s->request_text.data ? &s->request : NULL;
}

const struct rtmp_connect *rtmp_server_connect(const struct rtmp_server *s)
{
	return s->phase != RTMP_PHASE_NEW || s->is_connecting ? &s->connect
							      : NULL;
}

int rtmp_server_accept_publish(struct rtmp_server *s)
{
	uint32_t stream_id = s->request.stream_id;
	struct buf payload = {0};

	if (s->phase != RTMP_PHASE_ASKS_PUBLISH)
		return WEIR_EINVAL;
	s->phase = RTMP_PHASE_PUBLISHES;
	rtmp_chunk_reader_limit(s->link.reader, &rtmp_limits_media);
	if (s->wants_fcpublish) {
		rtmp_status_payload(&payload, "onFCPublish", 0, "status",
				    "NetStream.Publish.Start", "");
		rtmp_link_take_command(&s->link, stream_id, &payload);
	}
	rtmp_server_put_status(s, stream_id, "status",
			       "NetStream.Publish.Start", "Publishing.");
	return rtmp_link_flush(&s->link);
}

int rtmp_server_accept_play(struct rtmp_server *s)
{
	uint32_t stream_id = s->request.stream_id;

	if (s->phase != RTMP_PHASE_ASKS_PLAY)
		return WEIR_EINVAL;
	s->phase = RTMP_PHASE_PLAYS;
	rtmp_put_user_event(&s->link.out, RTMP_STREAM_BEGIN, stream_id);
	rtmp_server_put_status(s, stream_id, "status", "NetStream.Play.Reset",
			       "Playing from the start of the list.");
	rtmp_server_put_status(s, stream_id, "status", "NetStream.Play.Start",
			       "Playing.");
	return rtmp_link_flush(&s->link);
}

static int refuse_connect(struct rtmp_server *s, const char *code,
			  const char *description)
{
	struct buf payload = {0};

	s->phase = RTMP_PHASE_REFUSED;
	rtmp_status_payload(&payload, "_error", s->transaction, "error", code,
			    description);
	rtmp_link_take_command(&s->link, 0, &payload);
	return rtmp_link_flush(&s->link);
}

int rtmp_server_refuse(struct rtmp_server *s, const char *code,
		       const char *description)
{
	if (s->is_connecting && s->phase == RTMP_PHASE_NEW)
		return refuse_connect(s, code, description);
	if (s->phase != RTMP_PHASE_ASKS_PUBLISH &&
	    s->phase != RTMP_PHASE_ASKS_PLAY &&
	    s->phase != RTMP_PHASE_PUBLISHES)
		return WEIR_EINVAL;
	s->drops_media |= s->phase != RTMP_PHASE_ASKS_PLAY;
	s->phase = RTMP_PHASE_IDLE;
	rtmp_server_put_status(s, s->request.stream_id, "error", code,
			       description);
	return rtmp_link_flush(&s->link);
}

int rtmp_server_ask_reconnect(struct rtmp_server *s, const char *description)
{
	if (s->phase != RTMP_PHASE_PUBLISHES)
		return WEIR_EINVAL;
	if (!s->connect.can_reconnect)
		return WEIR_EUNSUPPORTED;
	rtmp_server_put_status(s, 0, "status",
			       "NetConnection.Connect.ReconnectRequest",
			       description);
	return rtmp_link_flush(&s->link);
}

int rtmp_server_retire(struct rtmp_server *s, const char *code,
		       const char *description)
{
	if (s->phase != RTMP_PHASE_PUBLISHES)
		return WEIR_EINVAL;
	rtmp_server_put_status(s, s->request.stream_id, "error", code,
			       description);
	return rtmp_link_flush(&s->link);
}

int rtmp_server_play_eof(struct rtmp_server *s)
{
	if (s->phase != RTMP_PHASE_PLAYS)
		return WEIR_EINVAL;
	s->phase = RTMP_PHASE_IDLE;
	rtmp_put_user_event(&s->link.out, RTMP_STREAM_EOF,
			    s->request.stream_id);
	rtmp_server_put_status(s, s->request.stream_id, "status",
			       "NetStream.Play.UnpublishNotify",
			       "The publisher has left.");
	return rtmp_link_flush(&s->link);
}

int rtmp_server_write_media(struct rtmp_server *s, const struct rtmp_media *m)
{
	if (s->phase != RTMP_PHASE_PLAYS)
		return WEIR_EINVAL;
	if (m->payload.len > RTMP_MESSAGE_BYTES_MAX)
		return WEIR_ELIMIT;
	rtmp_link_put(&s->link, m->type, m->timestamp_ms, s->request.stream_id,
		      m->payload);
	return rtmp_link_flush(&s->link);
}
