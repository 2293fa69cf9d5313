/* services/cli/rtmp_peer.c - an RTMP server that we publish to or play from. */
#include "services/cli/rtmp_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/io/clock.h"
#include "common/io/conn.h"
#include "proto/rtmp/url.h"

#define SEND_BYTES_MAX ((size_t)64 << 20)
#define WORDS_SIZE     320
#define FAREWELL_MS    1500 /* for what the server says of a publisher's leave */

struct rtmp_peer {
	struct loop *loop;
	struct conn *conn;
	struct rtmp_client *client;
	struct timer *deadline; /* until it is ready; of the farewell */
	struct rtmp_peer_events events;
	void *ctx;
	uint64_t dialed_ms;
	int rcvbuf_bytes;
	bool is_publish, is_ready, is_stopping;
	enum peer_end end;
	char words[WORDS_SIZE];
};

const char *peer_end_name(enum peer_end end)
{
	static const char *const name[] = {"done", "eof", "refused", "lost"};

	return name[end];
}

/* ---- the session's callbacks ---- */

static int on_send(void *ctx, struct span bytes)
{
	struct rtmp_peer *p = ctx;

	return conn_send(p->conn, bytes);
}

static int on_ready(void *ctx)
{
	struct rtmp_peer *p = ctx;

	p->is_ready = true;
	timer_stop(p->deadline);
	p->events.on_ready(p->ctx);
	return 0;
}

static int on_media(void *ctx, const struct rtmp_media *m)
{
	struct rtmp_peer *p = ctx;

	if (!p->is_stopping && p->events.on_media)
		p->events.on_media(p->ctx, m);
	return 0;
}

static int on_status(void *ctx, struct span code, struct span level,
		     struct span description)
{
	struct rtmp_peer *p = ctx;

	(void)level;
	snprintf(p->words, sizeof(p->words), "%.*s%s%.*s", (int)code.len,
		 (const char *)code.data, description.len ? ": " : "",
		 (int)description.len, (const char *)description.data);
	return 0;
}

static int on_end(void *ctx, enum rtmp_end reason)
{
	struct rtmp_peer *p = ctx;

	if (reason != RTMP_END_UNPUBLISH) /* else it knows that we stop */
		p->end = reason == RTMP_END_REFUSED ? PEER_REFUSED : PEER_EOF;
	return WEIR_ECLOSED; /* and on_data ends the connection */
}

/* ---- the connection's callbacks ---- */

static void on_open(void *ctx)
{
	struct rtmp_peer *p = ctx;

	if (p->rcvbuf_bytes)
		setsockopt(conn_fd(p->conn), SOL_SOCKET, SO_RCVBUF,
			   &p->rcvbuf_bytes, sizeof(p->rcvbuf_bytes));
	net_set_nodelay(conn_fd(p->conn));
	if (rtmp_client_start(p->client))
		conn_abort(p->conn, WEIR_ENOMEM);
}

static int64_t on_data(void *ctx, struct span in)
{
	struct rtmp_peer *p = ctx;
	size_t used;
	int err = rtmp_client_feed(p->client, in, &used);

	if (err == WEIR_EPROTO || err == WEIR_ELIMIT)
		snprintf(p->words, sizeof(p->words), "the server sent: %s",
			 rtmp_client_fault(p->client));
	return err ? err : (int64_t)in.len;
}

static void on_drained(void *ctx)
{
	struct rtmp_peer *p = ctx;

	if (p->is_ready && !p->is_stopping && p->events.on_drained)
		p->events.on_drained(p->ctx);
}

static void on_close(void *ctx, int reason)
{
	struct rtmp_peer *p = ctx;

	timer_stop(p->deadline);
	if (p->is_stopping && p->end == PEER_LOST)
		p->end = PEER_DONE;
	if (p->end == PEER_LOST && !p->words[0])
		snprintf(p->words, sizeof(p->words), "%s",
			 weir_strerror(reason));
	else if (p->end == PEER_LOST && p->is_ready)
		snprintf(p->words, sizeof(p->words), "connection lost: %s",
			 weir_strerror(reason));
	p->events.on_end(p->ctx, p->end);
}

static void on_deadline(struct rtmp_peer *p)
{
	if (p->is_stopping) { /* not every server answers a leave */
		conn_close(p->conn, WEIR_ECLOSED);
		return;
	}
	snprintf(p->words, sizeof(p->words),
		 "the server did not say yes or no in time");
	conn_abort(p->conn, WEIR_ETIMEOUT);
}

/* ---- life ---- */

static char *text_of(struct span s)
{
	char *t = malloc(s.len + 1);

	if (!t)
		return NULL;
	if (s.len)
		memcpy(t, s.data, s.len);
	t[s.len] = '\0';
	return t;
}

static int make_client(struct rtmp_peer *p, const struct rtmp_url *url)
{
	const struct rtmp_client_events events = {
		.ctx = p,
		.on_send = on_send,
		.on_ready = on_ready,
		.on_media = on_media,
		.on_status = on_status,
		.on_end = on_end,
	};
	char *app = text_of(url->app), *name = text_of(url->name);
	struct buf tc_url = {0};
	int err = WEIR_ENOMEM;
	uint64_t seed;

	io_random(&seed, sizeof(seed));
	rtmp_url_put_tc_url(&tc_url, url);
	if (app && name) {
		const struct rtmp_client_desc desc = {
			.is_publish = p->is_publish,
			.app = app,
			.tc_url = buf_text(&tc_url),
			.name = name,
		};

		err = buf_error(&tc_url);
		if (!err)
			err = rtmp_client_new(&p->client, &desc, &events, seed,
					      (uint32_t)io_mono_ms());
	}
	buf_fini(&tc_url);
	free(app);
	free(name);
	return err;
}

static int dial(struct rtmp_peer *p, const struct rtmp_url *url,
		unsigned connect_ms)
{
	static const struct conn_ops ops = {on_open, on_data, on_drained,
					    on_close};
	static const struct conn_limits limits = {
		.send_bytes = SEND_BYTES_MAX,
		.linger_ms = 500,
	};
	char *host = text_of(url->host);
	int err = WEIR_ENOMEM;

	if (host)
		err = conn_dial(&p->conn, p->loop, host, url->port, connect_ms,
				&limits, &ops, p);
	free(host);
	return err;
}

static int start(struct rtmp_peer *p, const struct rtmp_peer_options *o)
{
	struct rtmp_url url;
	int err = rtmp_url_parse(&url, span_str(o->url));

	if (!err && url.is_tls)
		err = WEIR_EUNSUPPORTED;
	if (!err && !url.name.len)
		err = WEIR_EINVAL;
	if (!err)
		err = timer_new(&p->deadline, p->loop, on_deadline, p);
	if (!err)
		err = make_client(p, &url);
	if (!err)
		err = dial(p, &url, o->connect_ms);
	if (!err && o->ready_ms)
		timer_start(p->deadline, o->ready_ms);
	return err;
}

int rtmp_peer_new(struct rtmp_peer **out, struct loop *loop,
		  const struct rtmp_peer_options *options,
		  const struct rtmp_peer_events *events, void *ctx)
{
	struct rtmp_peer *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return WEIR_ENOMEM;
	p->loop = loop;
	p->events = *events;
	p->ctx = ctx;
	p->is_publish = options->is_publish;
	p->rcvbuf_bytes = options->rcvbuf_bytes;
	p->dialed_ms = io_mono_ms();
	p->end = PEER_LOST;
	err = start(p, options);
	if (err)
		rtmp_peer_free(&p);
	else
		*out = p;
	return err;
}

void rtmp_peer_free(struct rtmp_peer **pp)
{
	struct rtmp_peer *p = *pp;

	if (!p)
		return;
	conn_free(&p->conn);
	rtmp_client_free(&p->client);
	timer_free(&p->deadline);
	free(p);
	*pp = NULL;
}

/* ---- use ---- */

int rtmp_peer_write(struct rtmp_peer *p, const struct rtmp_media *m)
{
	return rtmp_client_write_media(p->client, m);
}

size_t rtmp_peer_queued_bytes(const struct rtmp_peer *p)
{
	return conn_queued_bytes(p->conn);
}

void rtmp_peer_stop(struct rtmp_peer *p)
{
	if (p->is_stopping)
		return;
	p->is_stopping = true;
	if (rtmp_client_stop(p->client))
		conn_abort(p->conn, WEIR_ENOMEM);
	else if (p->is_publish && p->is_ready)
		timer_start(p->deadline, FAREWELL_MS);
	else
		conn_close(p->conn, WEIR_ECLOSED);
}

void rtmp_peer_pause(struct rtmp_peer *p, bool is_paused)
{
	if (is_paused)
		conn_pause(p->conn);
	else
		conn_resume(p->conn);
}

const char *rtmp_peer_words(const struct rtmp_peer *p)
{
	return p->words;
}

uint64_t rtmp_peer_age_ms(const struct rtmp_peer *p)
{
	return io_mono_ms() - p->dialed_ms;
}
