/* tests/chaos/viewer.c - plays a stream in one protocol, and writes down what
 * came. It never dials again. */
#include <stdlib.h>
#include <string.h>

#include "common/io/conn.h"
#include "proto/flv/flv.h"
#include "services/cli/http_peer.h"
#include "tests/chaos/load.h"

#define CONNECT_MS    2000
#define WS_HEAD_BYTES 10 /* at most, without a mask */
#define UNREAD_BYTES  (4u << 20)

struct viewer {
	struct loop *loop;
	struct tracer tracer;
	struct remote_rtmp *rtmp; /* one of the two */
	struct conn *conn;
	struct buf request;
	bool is_ts, is_ws;
	bool has_head, is_chunked, is_open, is_over;
	struct unchunk unchunk;
	uint64_t ws_left; /* of a frame's payload */
	bool ws_is_media;
	struct flv_reader *flv;
	struct tsread ts;
	char words[120];
};

static void take_tag(struct viewer *v, uint8_t type, uint32_t ms,
		     struct span body)
{
	struct flv_unit u;

	flv_body_parse(&u, type, body);
	if (u.what == FLV_FRAME)
		tracer_unit(&v->tracer,
			    type == FLV_VIDEO ? TRACE_VIDEO : TRACE_AUDIO, ms,
			    u.payload);
	else if (u.what == FLV_UNSUPPORTED)
		tracer_put(&v->tracer, TRACE_WRONG, 0, 0, 0, ms);
}

static void opened(struct viewer *v)
{
	v->is_open = true;
	tracer_put(&v->tracer, TRACE_OPEN, 0, 0, 0, 0);
}

static void ended(struct viewer *v, const char *words)
{
	v->is_over = true;
	tsread_end(&v->ts);
	snprintf(v->words, sizeof(v->words), "%s", words);
	tracer_put(&v->tracer, TRACE_END, 0, 0, 0, 0);
}

/* ---- RTMP ---- */

static void on_rtmp_ready(void *ctx)
{
	opened(ctx);
}

static void on_rtmp_media(void *ctx, const struct rtmp_media *m)
{
	take_tag(ctx, m->type, m->timestamp_ms, m->payload);
}

static void on_rtmp_end(void *ctx, enum remote_end end)
{
	struct viewer *v = ctx;
	char words[sizeof(v->words)];

	snprintf(words, sizeof(words), "%s: %.100s", remote_end_name(end),
		 remote_rtmp_words(v->rtmp));
	ended(v, words);
}

static int dial_rtmp(struct viewer *v, const char *url)
{
	static const struct remote_rtmp_events events = {
		.on_ready = on_rtmp_ready,
		.on_media = on_rtmp_media,
		.on_end = on_rtmp_end,
	};
	const struct remote_rtmp_options o = {.url = url,
					      .connect_ms = CONNECT_MS};

	return remote_rtmp_new(&v->rtmp, v->loop, &o, &events, v);
}

/* ---- HTTP and WebSocket ---- */

static int on_tag(void *ctx, const struct flv_tag *t)
{
	take_tag(ctx, t->type, t->timestamp_ms, t->body);
	return 0;
}

static int give(struct viewer *v, struct span media)
{
	if (!v->is_ts)
		return flv_reader_feed(v->flv, media);
	tsread_feed(&v->ts, media);
	return 0;
}

/* Returns how much of it was used, or an error. */
static int64_t take_chunked(struct viewer *v, struct span in)
{
	size_t len = in.len;
	int err = 0;

	while (!err && in.len && !v->unchunk.has_ended) {
		struct span piece;

		err = unchunk_next(&v->unchunk, &in, &piece);
		if (!err && piece.len)
			err = give(v, piece);
	}
	if (!err && v->unchunk.has_ended)
		err = WEIR_ECLOSED;
	return err ? err : (int64_t)len;
}

/* The head of a frame: how long it is; 0: not all there. */
static size_t ws_head(struct viewer *v, struct span in)
{
	uint64_t len = in.len > 1 ? in.data[1] & 0x7f : 0;
	size_t bytes = len == 126 ? 2 : len == 127 ? 8 : 0;

	if (in.len < 2 + bytes)
		return 0;
	if (bytes)
		len = 0;
	for (size_t i = 0; i < bytes; i++)
		len = len << 8 | in.data[2 + i];
	v->ws_left = len;
	v->ws_is_media = (in.data[0] & 0x0f) <= 2;
	return 2 + bytes;
}

static int64_t take_ws(struct viewer *v, struct span in)
{
	size_t used = 0;

	while (used < in.len) {
		struct span part;
		int err;

		if (!v->ws_left) {
			size_t head = ws_head(v, span_from(in, used));

			if (!head)
				break;
			used += head;
			continue;
		}
		part = span_first(span_from(in, used), v->ws_left);
		err = v->ws_is_media ? give(v, part) : 0;
		if (err)
			return err;
		v->ws_left -= part.len;
		used += part.len;
	}
	return (int64_t)used;
}

static int64_t take_head(struct viewer *v, struct span in)
{
	const uint8_t *end = memmem(in.data, in.len, "\r\n\r\n", 4);
	const char *want = v->is_ws ? "HTTP/1.1 101" : "HTTP/1.1 200";

	if (!end)
		return 0;
	snprintf(v->words, sizeof(v->words), "%.*s",
		 (int)WEIR_MIN(in.len, (size_t)40), (const char *)in.data);
	if (!span_eq_str(span_first(in, strlen(want)), want))
		return WEIR_EPROTO;
	v->has_head = true;
	v->is_chunked = memmem(in.data, (size_t)(end - in.data), "chunked", 7);
	opened(v);
	return end - in.data + 4;
}

static int64_t take(struct viewer *v, struct span in)
{
	int err;

	if (!v->has_head)
		return take_head(v, in);
	if (v->is_ws)
		return take_ws(v, in);
	if (v->is_chunked)
		return take_chunked(v, in);
	err = give(v, in);
	return err ? err : (int64_t)in.len;
}

static int64_t on_data(void *ctx, struct span in)
{
	struct viewer *v = ctx;
	size_t used = 0;

	while (used < in.len) {
		int64_t n = take(v, span_from(in, used));

		if (n < 0)
			return n;
		if (!n)
			break;
		used += (size_t)n;
	}
	return (int64_t)used;
}

static void on_open(void *ctx)
{
	struct viewer *v = ctx;

	if (conn_send(v->conn, buf_span(&v->request)))
		conn_abort(v->conn, WEIR_ENOMEM);
}

static void on_close(void *ctx, int reason)
{
	struct viewer *v = ctx;
	char words[sizeof(v->words)];

	if (v->has_head)
		snprintf(words, sizeof(words), "%s", weir_strerror(reason));
	else
		snprintf(words, sizeof(words), "%.80s %s", v->words,
			 weir_strerror(reason));
	ended(v, words);
}

static void put_request(struct viewer *v, const struct http_url *u)
{
	buf_printf(&v->request, "GET %.*s HTTP/1.1\r\nHost: %.*s\r\n",
		   (int)u->target.len, (const char *)u->target.data,
		   (int)u->authority.len, (const char *)u->authority.data);
	if (v->is_ws)
		buf_printf(&v->request,
			   "Upgrade: websocket\r\nConnection: Upgrade\r\n"
			   "Sec-WebSocket-Version: 13\r\n"
			   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
	buf_printf(&v->request, "\r\n");
}

static int dial_http(struct viewer *v, const char *url)
{
	static const struct conn_ops ops = {
		.on_open = on_open, .on_data = on_data, .on_close = on_close};
	static const struct conn_limits limits = {.unread_bytes = UNREAD_BYTES,
						  .linger_ms = 1};
	static const struct flv_events tags = {.on_tag = on_tag};
	struct http_url u;
	char host[256];
	int err = http_url_parse(&u, url);

	if (err)
		return err;
	snprintf(host, sizeof(host), "%.*s", (int)u.host.len,
		 (const char *)u.host.data);
	put_request(v, &u);
	err = flv_reader_new(&v->flv, NULL, &tags, v);
	if (!err)
		err = conn_dial(&v->conn, v->loop, host, u.port, CONNECT_MS,
				&limits, &ops, v);
	return err;
}

/* ---- life ---- */

int viewer_new(struct viewer **out, struct loop *loop, uint16_t stream,
	       const char *proto, const char *url, const char *trace)
{
	struct viewer *v = calloc(1, sizeof(*v));
	int err;

	if (!v)
		return WEIR_ENOMEM;
	v->loop = loop;
	v->is_ws = !strncmp(proto, "ws", 2);
	v->is_ts = !strcmp(proto, "ts") || !strcmp(proto, "wsts");
	tsread_init(&v->ts, &v->tracer);
	err = tracer_open(&v->tracer, trace, stream);
	if (!err)
		err = strcmp(proto, "rtmp") ? dial_http(v, url)
					    : dial_rtmp(v, url);
	if (err)
		viewer_free(&v);
	else
		*out = v;
	return err;
}

void viewer_say(struct viewer *v, struct buf *out)
{
	buf_printf(out, "{\"open\":%s,\"over\":%s,",
		   v->is_open ? "true" : "false",
		   v->is_over ? "true" : "false");
	tracer_say(&v->tracer, out);
	buf_printf(out, ",\"words\":\"");
	say_text(out, v->words);
	buf_printf(out, "\"}");
}

void viewer_free(struct viewer **vp)
{
	struct viewer *v = *vp;

	if (!v)
		return;
	remote_rtmp_free(&v->rtmp);
	conn_free(&v->conn);
	flv_reader_free(&v->flv);
	tsread_fini(&v->ts);
	buf_fini(&v->request);
	tracer_close(&v->tracer);
	free(v);
	*vp = NULL;
}
