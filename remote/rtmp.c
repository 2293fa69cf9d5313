/* remote/rtmp.c - an RTMP server that we publish to or play from. */
#include "remote/rtmp.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/io/clock.h"
#include "common/io/conn.h"
#include "common/io/tls.h"
#include "proto/rtmp/auth.h"
#include "proto/rtmp/url.h"

#define SEND_BYTES_MAX ((size_t)64 << 20)
#define WORDS_SIZE     320
#define FAREWELL_MS    1500 /* for what the server says of a publisher's leave */

struct remote_rtmp {
	struct loop *loop;
	struct conn *conn;
	struct rtmp_client *client;
	struct timer *deadline; /* until it is ready; of the farewell */
	struct tls_trust *trust;
	char *host; /* for TLS; NULL: none */
	struct remote_rtmp_events events;
	void *ctx;
	uint64_t dialed_ms;
	char *url;
	char *via;       /* NULL: none */
	struct buf auth; /* goes behind app and tcUrl; empty: nothing */
	unsigned auth_rounds;
	bool must_redial; /* with `auth`, once this connection is closed */
	unsigned connect_ms;
	int rcvbuf_bytes;
	bool is_publish, is_ready, is_stopping;
	enum remote_end end;
	char words[WORDS_SIZE];
};

const char *remote_end_name(enum remote_end end)
{
	static const char *const name[] = {"done", "eof", "refused", "lost"};

	return name[end];
}

/* ---- the session's callbacks ---- */

static int on_send(void *ctx, struct span bytes)
{
	struct remote_rtmp *p = ctx;

	return conn_send(p->conn, bytes);
}

static int on_ready(void *ctx)
{
	struct remote_rtmp *p = ctx;

	p->is_ready = true;
	timer_stop(p->deadline);
	p->events.on_ready(p->ctx);
	return 0;
}

static int on_media(void *ctx, const struct rtmp_media *m)
{
	struct remote_rtmp *p = ctx;

	if (!p->is_stopping && p->events.on_media)
		p->events.on_media(p->ctx, m);
	return 0;
}

/* Does the server want a password, and have we one? */
static void hear_auth(struct remote_rtmp *p, struct span said)
{
	struct buf user = {0}, password = {0};
	struct rtmp_url url;
	uint32_t nonce;

	if (!p->is_publish || p->is_ready || p->auth_rounds == RTMP_AUTH_ROUNDS)
		return;
	if (rtmp_url_parse(&url, span_str(p->url)) || !url.user.len)
		return;
	io_random(&nonce, sizeof(nonce));
	rtmp_url_put_decoded(&user, url.user);
	rtmp_url_put_decoded(&password, url.password);
	buf_clear(&p->auth);
	if (!buf_error(&user) && !buf_error(&password) &&
	    !rtmp_auth_answer(&p->auth, said, buf_span(&user),
			      buf_span(&password), nonce)) {
		p->must_redial = true;
		p->auth_rounds++;
	}
	buf_fini(&user);
	buf_fini(&password);
}

static int on_status(void *ctx, struct span code, struct span level,
		     struct span description)
{
	struct remote_rtmp *p = ctx;

	(void)level;
	snprintf(p->words, sizeof(p->words), "%.*s%s%.*s", (int)code.len,
		 (const char *)code.data, description.len ? ": " : "",
		 (int)description.len, (const char *)description.data);
	hear_auth(p, description);
	return 0;
}

static int on_end(void *ctx, enum rtmp_end reason)
{
	struct remote_rtmp *p = ctx;

	if (reason != RTMP_END_UNPUBLISH) /* else it knows that we stop */
		p->end = reason == RTMP_END_REFUSED ? REMOTE_REFUSED
						    : REMOTE_EOF;
	return WEIR_ECLOSED; /* and on_data ends the connection */
}

/* ---- the connection's callbacks ---- */

static int begin_tls(struct remote_rtmp *p)
{
	struct tls *tls;
	int err = tls_new_client(&tls, p->trust, conn_fd(p->conn), p->host);

	if (!err)
		conn_set_tls(p->conn, tls);
	return err;
}

static void on_open(void *ctx)
{
	struct remote_rtmp *p = ctx;
	int err = p->host ? begin_tls(p) : 0;

	if (p->rcvbuf_bytes)
		setsockopt(conn_fd(p->conn), SOL_SOCKET, SO_RCVBUF,
			   &p->rcvbuf_bytes, sizeof(p->rcvbuf_bytes));
	net_set_nodelay(conn_fd(p->conn));
	if (!err)
		err = rtmp_client_start(p->client);
	if (err)
		conn_abort(p->conn, err);
}

static int64_t on_data(void *ctx, struct span in)
{
	struct remote_rtmp *p = ctx;
	size_t used;
	int err = rtmp_client_feed(p->client, in, &used);

	if (err == WEIR_EPROTO || err == WEIR_ELIMIT)
		snprintf(p->words, sizeof(p->words), "the server sent: %s",
			 rtmp_client_fault(p->client));
	return err ? err : (int64_t)in.len;
}

static void on_drained(void *ctx)
{
	struct remote_rtmp *p = ctx;

	if (p->is_ready && !p->is_stopping && p->events.on_drained)
		p->events.on_drained(p->ctx);
}

static int redial(struct remote_rtmp *p);

static void on_close(void *ctx, int reason)
{
	struct remote_rtmp *p = ctx;

	if (p->must_redial && !p->is_stopping && redial(p) == 0)
		return;
	timer_stop(p->deadline);
	if (conn_fault(p->conn) && !p->words[0])
		snprintf(p->words, sizeof(p->words), "TLS: %s",
			 conn_fault(p->conn));
	if (p->is_stopping && p->end == REMOTE_LOST)
		p->end = REMOTE_DONE;
	if (p->end == REMOTE_LOST && !p->words[0])
		snprintf(p->words, sizeof(p->words), "%s",
			 weir_strerror(reason));
	else if (p->end == REMOTE_LOST && p->is_ready)
		snprintf(p->words, sizeof(p->words), "connection lost: %s",
			 weir_strerror(reason));
	p->events.on_end(p->ctx, p->end);
}

static void on_deadline(struct remote_rtmp *p)
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

static int make_client(struct remote_rtmp *p, const struct rtmp_url *url)
{
	const struct rtmp_client_events events = {
		.ctx = p,
		.on_send = on_send,
		.on_ready = on_ready,
		.on_media = on_media,
		.on_status = on_status,
		.on_end = on_end,
	};
	char *name = text_of(url->name);
	struct buf app = {0}, tc_url = {0};
	int err = WEIR_ENOMEM;
	uint64_t seed;

	io_random(&seed, sizeof(seed));
	buf_put(&app, url->app);
	buf_put(&app, buf_span(&p->auth));
	rtmp_url_put_tc_url(&tc_url, url);
	buf_put(&tc_url, buf_span(&p->auth));
	if (name) {
		const struct rtmp_client_desc desc = {
			.is_publish = p->is_publish,
			.app = buf_text(&app),
			.tc_url = buf_text(&tc_url),
			.name = name,
			.via = p->via,
		};

		err = buf_error(&app) ? buf_error(&app) : buf_error(&tc_url);
		if (!err)
			err = rtmp_client_new(&p->client, &desc, &events, seed,
					      (uint32_t)io_mono_ms());
	}
	buf_fini(&app);
	buf_fini(&tc_url);
	free(name);
	return err;
}

static int dial(struct remote_rtmp *p, const struct rtmp_url *url)
{
	static const struct conn_ops ops = {
		.on_open = on_open,
		.on_data = on_data,
		.on_drained = on_drained,
		.on_close = on_close,
	};
	static const struct conn_limits limits = {
		.send_bytes = SEND_BYTES_MAX,
		.linger_ms = 500,
	};
	char *host = text_of(url->host);
	int err = WEIR_ENOMEM;

	if (host)
		err = conn_dial(&p->conn, p->loop, host, url->port,
				p->connect_ms, &limits, &ops, p);
	if (!err && url->is_tls) {
		free(p->host);
		p->host = host;
	} else {
		free(host);
	}
	return err;
}

/* The same server again, which wants more to be said. */
static int redial(struct remote_rtmp *p)
{
	struct rtmp_client *old_client = p->client;
	struct conn *old = p->conn;
	struct rtmp_url url;
	int err = rtmp_url_parse(&url, span_str(p->url));

	p->must_redial = false;
	p->client = NULL;
	if (!err)
		err = make_client(p, &url);
	if (!err)
		err = dial(p, &url);
	if (err) { /* it is over, as it stands */
		rtmp_client_free(&p->client);
		p->client = old_client;
		return err;
	}
	p->end = REMOTE_LOST;
	rtmp_client_free(&old_client);
	conn_free(&old);
	return 0;
}

static int start(struct remote_rtmp *p, const struct remote_rtmp_options *o)
{
	struct rtmp_url url;
	int err = rtmp_url_parse(&url, span_str(o->url));

	if (!err && url.is_tls && !o->trust)
		err = WEIR_EUNSUPPORTED;
	if (!err && !url.name.len)
		err = WEIR_EINVAL;
	p->url = text_of(span_str(o->url));
	p->via = o->via ? text_of(span_str(o->via)) : NULL;
	if (!err && (!p->url || (o->via && !p->via)))
		err = WEIR_ENOMEM;
	if (!err)
		err = timer_new(&p->deadline, p->loop, on_deadline, p);
	if (!err)
		err = make_client(p, &url);
	if (!err)
		err = dial(p, &url);
	if (!err && o->ready_ms)
		timer_start(p->deadline, o->ready_ms);
	return err;
}

int remote_rtmp_new(struct remote_rtmp **out, struct loop *loop,
		    const struct remote_rtmp_options *options,
		    const struct remote_rtmp_events *events, void *ctx)
{
	struct remote_rtmp *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return WEIR_ENOMEM;
	p->loop = loop;
	p->events = *events;
	p->ctx = ctx;
	p->is_publish = options->is_publish;
	p->rcvbuf_bytes = options->rcvbuf_bytes;
	p->trust = options->trust;
	p->connect_ms = options->connect_ms;
	p->dialed_ms = io_mono_ms();
	p->end = REMOTE_LOST;
	err = start(p, options);
	if (err)
		remote_rtmp_free(&p);
	else
		*out = p;
	return err;
}

void remote_rtmp_free(struct remote_rtmp **pp)
{
	struct remote_rtmp *p = *pp;

	if (!p)
		return;
	conn_free(&p->conn);
	rtmp_client_free(&p->client);
	timer_free(&p->deadline);
	free(p->host);
	buf_fini(&p->auth);
	free(p->url);
	free(p->via);
	free(p);
	*pp = NULL;
}

/* ---- use ---- */

int remote_rtmp_write(struct remote_rtmp *p, const struct rtmp_media *m)
{
	return rtmp_client_write_media(p->client, m);
}

size_t remote_rtmp_queued_bytes(const struct remote_rtmp *p)
{
	return conn_queued_bytes(p->conn);
}

void remote_rtmp_stop(struct remote_rtmp *p)
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

void remote_rtmp_pause(struct remote_rtmp *p, bool is_paused)
{
	if (is_paused)
		conn_pause(p->conn);
	else
		conn_resume(p->conn);
}

const char *remote_rtmp_words(const struct remote_rtmp *p)
{
	return p->words;
}

const char *remote_rtmp_addr_text(const struct remote_rtmp *p)
{
	return conn_peer_text(p->conn);
}

const struct net_addr *remote_rtmp_addr(const struct remote_rtmp *p)
{
	return conn_peer_addr(p->conn);
}

struct span remote_rtmp_cluster(const struct remote_rtmp *p)
{
	return rtmp_client_cluster(p->client);
}

uint64_t remote_rtmp_in_bytes(const struct remote_rtmp *p)
{
	struct conn_stats s;

	conn_stats(p->conn, &s);
	return s.in_bytes;
}

void remote_rtmp_stats(const struct remote_rtmp *p, struct conn_stats *out)
{
	conn_stats(p->conn, out);
}

uint64_t remote_rtmp_age_ms(const struct remote_rtmp *p)
{
	return io_mono_ms() - p->dialed_ms;
}
