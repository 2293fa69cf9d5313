/* tests/bench/viewer.c - one viewer of a load. */
#include "tests/bench/viewer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/flv/flv.h"
#include "proto/rtmp/client.h"

#define READ_BYTES  65536
#define THROW_BYTES (4u << 20)
#define TS_PACKET   188

void viewer_target_parse(struct viewer_target *t, const char *text)
{
	static const char *const form[] = {"rtmp:", "flv:", "ts:", "ws:"};
	char ip[32] = "";
	unsigned port = 0;

	*t = (struct viewer_target){.addr.sin_family = AF_INET};
	for (size_t i = 0; i < WEIR_ARRAY_LEN(form); i++) {
		size_t n = strlen(form[i]) - 1;
		const char *rest = text + n;

		if (strncmp(text, form[i], n) || !strchr("s:", *rest))
			continue;
		t->form = (enum viewer_form)i;
		t->has_tls = *rest == 's';
		snprintf(t->host, sizeof(t->host), "%s", rest + 1 + t->has_tls);
	}
	if (sscanf(t->host, "%31[0-9.]:%u", ip, &port) != 2 ||
	    inet_pton(AF_INET, ip, &t->addr.sin_addr) != 1 ||
	    ntohl(t->addr.sin_addr.s_addr) >> 24 != 127) {
		fprintf(stderr, "load: %s: form:127.0.0.1:port\n", text);
		exit(2);
	}
	t->addr.sin_port = htons((uint16_t)port);
}

/* All that reading needs. */
static void forget(struct viewer *v)
{
	rtmp_client_free(&v->rtmp);
	flv_reader_free(&v->flv);
	buf_fini(&v->in);
	buf_fini(&v->pictures);
	SSL_free(v->tls);
	v->tls = NULL;
}

void viewer_close(struct viewer *v)
{
	forget(v);
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
}

static void fault(struct viewer *v)
{
	if (v->samples)
		v->samples->faults++;
	viewer_close(v);
}

static bool send_all(struct viewer *v, const void *bytes, size_t len)
{
	if (v->tls)
		return SSL_write(v->tls, bytes, (int)len) == (int)len;
	return send(v->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* ---- pictures ---- */

static void sample(struct viewer *v, const struct stamp *s)
{
	struct samples *to = v->samples;
	int64_t us = (clock_ns() - s->sent_ns) / 1000;

	if (v->has_number && s->number > v->last_number + 1)
		to->missed += s->number - v->last_number - 1;
	v->has_number = true;
	v->last_number = s->number;
	if (to->count < to->room)
		to->us[to->count++] = (uint32_t)WEIR_MAX(us, 0);
}

static void on_key(struct viewer *v)
{
	if (v->has_key)
		return;
	v->has_key = true;
	v->key_ns = clock_ns();
}

static int on_picture(struct viewer *v, uint8_t type, struct span body)
{
	struct stamp s;

	if (type != FLV_VIDEO || body.len < 6 || body.data[1] != 1)
		return 0;
	if (body.data[0] >> 4 == 1)
		on_key(v);
	if (v->samples && stamp_find(&s, span_first(body, 1024)))
		sample(v, &s);
	return 0;
}

/* ---- RTMP ---- */

static int on_send(void *ctx, struct span bytes)
{
	return send_all(ctx, bytes.data, bytes.len) ? 0 : WEIR_ECLOSED;
}

static int on_ready(void *ctx)
{
	(void)ctx;
	return 0;
}

static int on_media(void *ctx, const struct rtmp_media *m)
{
	return on_picture(ctx, m->type, m->payload);
}

static int on_status(void *ctx, struct span code, struct span level,
		     struct span description)
{
	(void)ctx, (void)code, (void)level, (void)description;
	return 0;
}

static int on_rtmp_end(void *ctx, enum rtmp_end reason)
{
	(void)ctx, (void)reason;
	return WEIR_ECLOSED;
}

static bool begin_rtmp(struct viewer *v)
{
	const struct rtmp_client_events events = {
		v, on_send, on_ready, on_media, on_status, on_rtmp_end,
	};
	char url[64], name[16];
	const struct rtmp_client_desc desc = {
		.app = "live",
		.tc_url = url,
		.name = name,
	};

	snprintf(url, sizeof(url), "rtmp://%s/live", v->target->host);
	snprintf(name, sizeof(name), "s%u", v->stream);
	return !rtmp_client_new(&v->rtmp, &desc, &events, 1, 0) &&
	       !rtmp_client_start(v->rtmp);
}

static void read_rtmp(struct viewer *v, struct span in)
{
	size_t used;

	if (rtmp_client_feed(v->rtmp, in, &used))
		fault(v);
}

/* ---- HTTP ---- */

static int on_tag(void *ctx, const struct flv_tag *tag)
{
	return on_picture(ctx, tag->type, tag->body);
}

static bool begin_http(struct viewer *v)
{
	static const char upgrade[] =
		"Connection: Upgrade\r\nUpgrade: websocket\r\n"
		"Sec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: d2VpcmJlbmNod2VpcmJlbg==\r\n";
	const struct flv_events events = {.on_tag = on_tag};
	char ask[512];
	int len = snprintf(ask, sizeof(ask),
			   "GET /live/s%u.%s HTTP/1.1\r\nHost: %s\r\n%s\r\n",
			   v->stream, v->target->form == FORM_TS ? "ts" : "flv",
			   v->target->host,
			   v->target->form == FORM_WS ? upgrade : "");

	return !flv_reader_new(&v->flv, NULL, &events, v) &&
	       send_all(v, ask, (size_t)len);
}

static void read_flv(struct viewer *v, struct span in)
{
	if (flv_reader_feed(v->flv, in))
		fault(v);
}

static uint64_t be(const uint8_t *p, unsigned bytes)
{
	uint64_t n = 0;

	while (bytes-- > 0)
		n = n << 8 | *p++;
	return n;
}

/* The head of a frame of a server: never masked. Returns its length; 0: it is
 * not all there. */
static size_t ws_head(struct viewer *v, struct span s)
{
	unsigned code = s.len > 1 ? s.data[1] & 127 : 0;
	unsigned more = code == 126 ? 2 : code == 127 ? 8 : 0;

	if (s.len < 2 + more)
		return 0;
	v->ws_left = more ? be(s.data + 2, more) : code;
	return 2 + more;
}

static void read_ws(struct viewer *v, struct span in)
{
	struct span s;

	buf_put(&v->in, in);
	while (v->fd >= 0 && v->in.len) {
		size_t n = v->ws_left ? 0 : ws_head(v, buf_span(&v->in));

		if (!v->ws_left)
			return;
		buf_drop(&v->in, n);
		s = span_first(buf_span(&v->in), v->ws_left);
		v->ws_left -= s.len;
		read_flv(v, s);
		if (v->fd >= 0)
			buf_drop(&v->in, s.len);
	}
}

/* The stamp stands at the head of a picture: here a picture counts as there
 * when its head is. */
static void on_ts_packet(struct viewer *v, const uint8_t *p)
{
	size_t at = 4 + (p[3] & 0x20 ? p[4] + 1u : 0);
	bool is_key = p[3] & 0x20 && p[4] && p[5] & 0x40;
	struct stamp s;

	if (p[0] != 0x47 || at > TS_PACKET) {
		fault(v);
		return;
	}
	if (p[1] & 0x40) {
		buf_clear(&v->pictures);
		if (at + 4 <= TS_PACKET && p[at + 3] >> 4 == 0xe && is_key)
			on_key(v);
	}
	if (!v->samples || v->pictures.len > 1024)
		return;
	buf_put(&v->pictures, span_of(p + at, TS_PACKET - at));
	if (stamp_find(&s, buf_span(&v->pictures)) &&
	    !(v->has_number && s.number == v->last_number))
		sample(v, &s);
}

static void read_ts(struct viewer *v, struct span in)
{
	size_t at = 0;

	buf_put(&v->in, in);
	while (v->fd >= 0 && v->in.len - at >= TS_PACKET) {
		on_ts_packet(v, v->in.data + at);
		at += TS_PACKET;
	}
	if (v->fd >= 0)
		buf_drop(&v->in, at);
}

/* Behind the head; empty while it is not whole. */
static struct span behind_head(struct viewer *v, struct span in)
{
	const uint8_t *end;
	struct span s;

	buf_put(&v->in, in);
	s = buf_span(&v->in);
	end = memmem(s.data, s.len, "\r\n\r\n", 4);
	if (!end)
		return (struct span){0};
	if (s.len < 12 || (memcmp(s.data + 9, "200", 3) != 0 &&
			   memcmp(s.data + 9, "101", 3) != 0)) {
		fault(v);
		return (struct span){0};
	}
	v->has_head = true;
	return span_from(s, (size_t)(end + 4 - s.data));
}

static void read_body(struct viewer *v, struct span in)
{
	if (v->target->form == FORM_FLV)
		read_flv(v, in);
	else if (v->target->form == FORM_WS)
		read_ws(v, in);
	else
		read_ts(v, in);
}

static void read_http(struct viewer *v, struct span in)
{
	struct buf rest = {0};

	if (v->has_head) {
		read_body(v, in);
		return;
	}
	in = behind_head(v, in);
	if (!v->has_head)
		return;
	buf_put(&rest, in);
	buf_clear(&v->in);
	read_body(v, buf_span(&rest));
	buf_fini(&rest);
}

/* ---- the socket ---- */

bool viewer_open(struct viewer *v, const struct viewer_target *target,
		 unsigned stream, struct samples *samples)
{
	int one = 1;

	*v = (struct viewer){
		.target = target,
		.samples = samples,
		.stream = stream,
		.opened_ns = clock_ns(),
	};
	v->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (v->fd < 0)
		return false;
	setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!connect(v->fd, (const void *)&target->addr,
		     sizeof(target->addr)) ||
	    errno == EINPROGRESS)
		return true;
	viewer_close(v);
	return false;
}

/* As recv. */
static ssize_t read_tls(struct viewer *v, uint8_t *out, int size)
{
	int n = SSL_read(v->tls, out, size);

	if (n > 0)
		return n;
	errno = SSL_get_error(v->tls, n) == SSL_ERROR_WANT_READ ? EAGAIN
								: ECONNRESET;
	return -1;
}

static void read_some(struct viewer *v)
{
	static _Thread_local uint8_t bytes[READ_BYTES];
	bool counts_only = v->has_key && !v->samples;
	ssize_t n = counts_only ? recv(v->fd, NULL, THROW_BYTES,
				       MSG_TRUNC | MSG_DONTWAIT)
		    : v->tls    ? read_tls(v, bytes, sizeof(bytes))
			     : recv(v->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		viewer_close(v);
		return;
	}
	v->bytes += (size_t)n;
	v->heard_ns = clock_ns();
	if (counts_only) {
		forget(v);
		return;
	}
	if (v->rtmp)
		read_rtmp(v, span_of(bytes, (size_t)n));
	else
		read_http(v, span_of(bytes, (size_t)n));
}

static bool begin_tls(struct viewer *v)
{
	static SSL_CTX *ctx;

	if (!ctx)
		ctx = SSL_CTX_new(TLS_client_method());
	if (ctx)
		v->tls = SSL_new(ctx);
	if (!v->tls || !SSL_set_fd(v->tls, v->fd))
		return false;
	SSL_set_connect_state(v->tls);
	return true;
}

/* Until we may speak. */
static void greet(struct viewer *v)
{
	bool is_rtmp = v->target->form == FORM_RTMP;
	int n;

	if (v->target->has_tls && !v->tls && !begin_tls(v)) {
		viewer_close(v);
		return;
	}
	n = v->tls ? SSL_do_handshake(v->tls) : 1;
	if (n != 1) {
		if (SSL_get_error(v->tls, n) != SSL_ERROR_WANT_READ)
			viewer_close(v);
		return;
	}
	v->is_greeted = true;
	if (!(is_rtmp ? begin_rtmp(v) : begin_http(v)))
		viewer_close(v);
}

void viewer_run(struct viewer *v)
{
	if (v->fd < 0)
		return;
	v->is_connected = true;
	if (v->is_greeted)
		read_some(v);
	else
		greet(v);
}
