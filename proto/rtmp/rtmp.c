/* proto/rtmp/rtmp.c - RTMP in the registry of protocols: a server session whose
 * owner accepts whatever is asked, and tells it in lines of text. */
#include "proto/rtmp/rtmp.h"

#include <stdlib.h>

#include "common/base/hash.h"
#include "proto/rtmp/server.h"

struct session {
	struct session_events events;
	struct rtmp_server *server;
};

/* " key=text", with what is not printable as %XX. */
static void put_fact(struct buf *line, const char *key, struct span text)
{
	buf_printf(line, " %s=", key);
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (c > ' ' && c < 0x7f && c != '%')
			buf_put_u8(line, c);
		else
			buf_printf(line, "%%%02X", c);
	}
}

static int tell(struct session *s, struct buf *line)
{
	const char *text = buf_text(line);
	int err = buf_error(line);

	if (!err && !*text)
		err = WEIR_ENOMEM;
	if (!err)
		err = s->events.on_event(s->events.ctx, text);
	buf_fini(line);
	return err;
}

static int on_send(void *ctx, struct span bytes)
{
	struct session *s = ctx;

	return s->events.on_send(s->events.ctx, bytes);
}

static int on_connect(void *ctx, const struct rtmp_connect *c)
{
	struct buf line = {0};

	buf_printf(&line, "connect");
	put_fact(&line, "app", c->app);
	put_fact(&line, "tc_url", c->tc_url);
	put_fact(&line, "flash_ver", c->flash_ver);
	buf_printf(&line, " encoding=%u", c->object_encoding);
	return tell(ctx, &line);
}

static void put_request(struct buf *line, const struct rtmp_request *r)
{
	put_fact(line, "app", r->app);
	put_fact(line, "app_query", r->app_query);
	put_fact(line, "name", r->name);
	put_fact(line, "query", r->query);
	buf_printf(line, " stream=%u", r->stream_id);
}

static int on_publish(void *ctx, const struct rtmp_request *r)
{
	struct buf line = {0};

	buf_printf(&line, "publish");
	put_request(&line, r);
	put_fact(&line, "type", r->type);
	return tell(ctx, &line);
}

static int on_play(void *ctx, const struct rtmp_request *r)
{
	struct buf line = {0};

	buf_printf(&line, "play");
	put_request(&line, r);
	buf_printf(&line, " start_raw=%.3f", r->start_raw);
	return tell(ctx, &line);
}

static int on_media(void *ctx, const struct rtmp_media *m)
{
	struct buf line = {0};

	buf_printf(&line, "media type=%u time_ms=%u bytes=%zu hash=%016llx",
		   m->type, m->timestamp_ms, m->payload.len,
		   (unsigned long long)hash_bytes(0, m->payload));
	return tell(ctx, &line);
}

static int on_end(void *ctx, enum rtmp_end reason)
{
	struct buf line = {0};

	buf_printf(&line, "end reason=%s", rtmp_end_name(reason));
	return tell(ctx, &line);
}

static void session_close(void **out)
{
	struct session *s = *out;

	if (!s)
		return;
	rtmp_server_free(&s->server);
	free(s);
	*out = NULL;
}

static int session_open(void **out, const struct session_events *events,
			uint64_t seed)
{
	struct session *s = calloc(1, sizeof(*s));
	const struct rtmp_server_events mine = {
		.ctx = s,
		.on_send = on_send,
		.on_connect = on_connect,
		.on_publish = on_publish,
		.on_play = on_play,
		.on_media = on_media,
		.on_end = on_end,
	};
	int err;

	if (!s)
		return WEIR_ENOMEM;
	s->events = *events;
	err = rtmp_server_new(&s->server, &mine, seed, 0);
	if (err)
		free(s);
	else
		*out = s;
	return err;
}

static int accept_what_waits(struct rtmp_server *server)
{
	switch (rtmp_server_waits_for(server)) {
	case RTMP_WAIT_PUBLISH:
		return rtmp_server_accept_publish(server);
	case RTMP_WAIT_PLAY:
		return rtmp_server_accept_play(server);
	case RTMP_WAIT_NONE:
		break;
	}
	return 0;
}

static int session_feed(void *session, struct span in)
{
	struct session *s = session;
	size_t used;
	int err;

	do {
		err = rtmp_server_feed(s->server, in, &used);
		in = span_from(in, used);
		if (!err)
			err = accept_what_waits(s->server);
	} while (!err && in.len);
	return err;
}

const struct session_ops rtmp_session = {
	.name = "rtmp",
	.open = session_open,
	.feed = session_feed,
	.close = session_close,
};
