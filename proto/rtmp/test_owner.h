/* proto/rtmp/test_owner.h - for the tests of the server session: an owner that
 * writes down what it is told, and a client's bytes.
 */
#ifndef WEIR_RTMP_TEST_OWNER_H
#define WEIR_RTMP_TEST_OWNER_H

#include <stdio.h>

#include "common/base/hash.h"
#include "proto/rtmp/handshake.h"
#include "proto/rtmp/server.h"

/* An owner: writes down what it is told, and decides as it is set to. */
struct owner {
	struct rtmp_server *server;
	struct buf log;  /* a line an event */
	struct buf sent; /* since the last owner_answers() */
	bool accepts_at_once;
	bool refuses_connect;
	const char *stop_at; /* end the feed at that event */
};

static inline int note(struct owner *o, const char *event)
{
	return o->stop_at && !strcmp(o->stop_at, event) ? WEIR_ESTOP : 0;
}

static inline int on_send(void *ctx, struct span bytes)
{
	struct owner *o = ctx;

	buf_put(&o->sent, bytes);
	return note(o, "send");
}

static inline int on_connect(void *ctx, const struct rtmp_connect *c)
{
	struct owner *o = ctx;

	buf_printf(&o->log, "connect %.*s|%u\n", (int)c->app.len,
		   (const char *)c->app.data, c->object_encoding);
	if (o->refuses_connect)
		return rtmp_server_refuse(o->server,
					  "NetConnection.Connect.Rejected",
					  "No such app.");
	return note(o, "connect");
}

static inline void put_request(struct owner *o, const char *what,
			       const struct rtmp_request *r)
{
	buf_printf(&o->log, "%s ", what);
	buf_put(&o->log, r->app);
	buf_put(&o->log, SPAN_LIT("|"));
	buf_put(&o->log, r->app_query);
	buf_put(&o->log, SPAN_LIT("|"));
	buf_put(&o->log, r->name);
	buf_put(&o->log, SPAN_LIT("|"));
	buf_put(&o->log, r->query);
	buf_put(&o->log, SPAN_LIT("|"));
	buf_put(&o->log, r->type);
	buf_printf(&o->log, "|%u\n", r->stream_id);
}

static inline int on_publish(void *ctx, const struct rtmp_request *r)
{
	struct owner *o = ctx;

	put_request(o, "publish", r);
	if (o->accepts_at_once)
		return rtmp_server_accept_publish(o->server);
	return note(o, "publish");
}

static inline int on_play(void *ctx, const struct rtmp_request *r)
{
	struct owner *o = ctx;

	put_request(o, "play", r);
	if (o->accepts_at_once)
		return rtmp_server_accept_play(o->server);
	return note(o, "play");
}

static inline int on_media(void *ctx, const struct rtmp_media *m)
{
	struct owner *o = ctx;

	buf_printf(&o->log, "media %u %u %zu %08x\n", m->type, m->timestamp_ms,
		   m->payload.len, (uint32_t)hash_bytes(0, m->payload));
	return note(o, "media");
}

static inline int on_end(void *ctx, enum rtmp_end reason)
{
	struct owner *o = ctx;

	buf_printf(&o->log, "end %s\n", rtmp_end_name(reason));
	return note(o, "end");
}

static inline struct rtmp_server_events events_of(struct owner *o)
{
	return (struct rtmp_server_events){
		o, on_send, on_connect, on_publish, on_play, on_media, on_end};
}

static inline int owner_open(struct owner *o)
{
	const struct rtmp_server_events events = events_of(o);

	return rtmp_server_new(&o->server, &events, 1, 0);
}

static inline void owner_close(struct owner *o)
{
	rtmp_server_free(&o->server);
	buf_fini(&o->log);
	buf_fini(&o->sent);
}

/* A client's bytes. */
struct script {
	struct buf wire;
	uint32_t chunk_bytes;
	unsigned caps; /* capsEx of Enhanced RTMP; 0: not told */
};

static inline void say(struct script *s, uint8_t type, uint32_t time,
		       uint32_t msid, struct span payload)
{
	rtmp_chunk_write(
		&s->wire, rtmp_csid_of(type), time, type, msid, payload,
		s->chunk_bytes ? s->chunk_bytes : RTMP_CHUNK_BYTES_DEFAULT);
}

static inline void say_handshake(struct script *s)
{
	buf_put_u8(&s->wire, 3);
	buf_grow(&s->wire, (size_t)2 * RTMP_HANDSHAKE_PART);
}

static inline void say_connect(struct script *s)
{
	struct buf p = {0};

	rtmp_command_begin(&p, "connect", 1);
	amf0_put_object(&p);
	amf0_put_key(&p, "app");
	amf0_put_text(&p, "live?vhost=v");
	amf0_put_key(&p, "objectEncoding");
	amf0_put_number(&p, 3);
	if (s->caps) {
		amf0_put_key(&p, "capsEx");
		amf0_put_number(&p, s->caps);
	}
	amf0_put_object_end(&p);
	say(s, RTMP_COMMAND, 0, 0, buf_span(&p));
	buf_fini(&p);
}

/* A command with null and up to two texts. */
static inline void say_command(struct script *s, const char *name,
			       double transaction, uint32_t msid, const char *a,
			       const char *b)
{
	struct buf p = {0};

	rtmp_command_begin(&p, name, transaction);
	amf0_put_null(&p);
	if (a)
		amf0_put_text(&p, a);
	if (b)
		amf0_put_text(&p, b);
	say(s, RTMP_COMMAND, 0, msid, buf_span(&p));
	buf_fini(&p);
}

static inline void say_delete(struct script *s, double id)
{
	struct buf p = {0};

	rtmp_command_begin(&p, "deleteStream", 0);
	amf0_put_null(&p);
	amf0_put_number(&p, id);
	say(s, RTMP_COMMAND, 0, 0, buf_span(&p));
	buf_fini(&p);
}

static inline void say_start(struct script *s)
{
	say_handshake(s);
	say_connect(s);
	say_command(s, "createStream", 2, 0, NULL, NULL);
}

static inline void say_publish(struct script *s)
{
	say_start(s);
	say_command(s, "publish", 3, 1, "cam1?token=a?b", "live");
}

/* Feed all, accepting what asks. */
static inline int feed_all(struct owner *o, struct span in)
{
	size_t used;
	int err;

	do {
		err = rtmp_server_feed(o->server, in, &used);
		in = span_from(in, used);
		if (err)
			break;
		if (rtmp_server_waits_for(o->server) == RTMP_WAIT_PUBLISH)
			err = rtmp_server_accept_publish(o->server);
		else if (rtmp_server_waits_for(o->server) == RTMP_WAIT_PLAY)
			err = rtmp_server_accept_play(o->server);
	} while (!err && in.len);
	return err;
}

static inline int play_script(struct owner *o, struct script *s)
{
	int err = buf_error(&s->wire);

	if (!err)
		err = owner_open(o);
	if (!err)
		err = feed_all(o, buf_span(&s->wire));
	if (!err)
		err = buf_error(&o->log) ? WEIR_ENOMEM : buf_error(&o->sent);
	return err;
}

static inline void finish(struct owner *o, struct script *s)
{
	owner_close(o);
	buf_fini(&s->wire);
}

#endif
