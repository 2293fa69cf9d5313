/* services/cli/http_peer.c - an HTTP server that we record a stream from. */
#include "services/cli/http_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/base/buf.h"
#include "common/io/conn.h"

#define HEAD_BYTES_MAX 16384
#define WORDS_SIZE     160

struct http_peer {
	struct conn *conn;
	struct http_peer_events events;
	void *ctx;
	struct buf request;
	int rcvbuf_bytes;
	bool has_head, is_chunked, is_stopping;
	struct unchunk unchunk;
	enum remote_end end;
	char words[WORDS_SIZE];
};

/* ---- the address ---- */

static bool cut_prefix(struct span *s, const char *prefix)
{
	size_t len = strlen(prefix);

	if (!span_eq_str(span_first(*s, len), prefix))
		return false;
	*s = span_from(*s, len);
	return true;
}

static size_t find(struct span s, char c)
{
	const uint8_t *at = s.len ? memchr(s.data, c, s.len) : NULL;

	return at ? (size_t)(at - s.data) : s.len;
}

static bool read_port(unsigned *out, struct span s)
{
	unsigned port = 0;

	if (!s.len || s.len > 5)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
		port = port * 10 + (s.data[i] - '0');
	}
	*out = port;
	return port && port <= 65535;
}

static bool is_printable(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] <= 0x20 || s.data[i] == 0x7f)
			return false;
	return true;
}

int http_url_parse(struct http_url *out, const char *url)
{
	struct span s = span_str(url), rest;
	struct http_url u = {.port = 80};

	if (!is_printable(s) || !cut_prefix(&s, "http://"))
		return WEIR_EINVAL;
	u.authority = span_first(s, find(s, '/'));
	u.target = span_from(s, u.authority.len);
	if (!u.target.len)
		u.target = SPAN_LIT("/");
	rest = u.authority;
	if (cut_prefix(&rest, "[")) {
		u.host = span_first(rest, find(rest, ']'));
		rest = span_from(rest, u.host.len + 1);
	} else {
		u.host = span_first(rest, find(rest, ':'));
		rest = span_from(rest, u.host.len);
	}
	if (!u.host.len || find(u.host, '@') != u.host.len)
		return WEIR_EINVAL;
	if (rest.len && (!cut_prefix(&rest, ":") || !read_port(&u.port, rest)))
		return WEIR_EINVAL;
	*out = u;
	return 0;
}

/* ---- chunks ---- */

enum { CHUNK_SIZE, CHUNK_SKIP, CHUNK_DATA, CHUNK_END };

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of a size line: "1a;x=y\r\n". */
static int take_size(struct unchunk *u, uint8_t c)
{
	int digit = hex_digit(c);

	if (u->state == CHUNK_SIZE && digit >= 0) {
		if (u->left >> 40)
			return WEIR_EPROTO;
		u->left = u->left << 4 | (unsigned)digit;
	} else if (c == '\n') {
		u->state = CHUNK_DATA;
		u->has_ended = u->left == 0;
	} else {
		u->state = CHUNK_SKIP;
	}
	return 0;
}

int unchunk_next(struct unchunk *u, struct span *in, struct span *out)
{
	*out = (struct span){0};
	while (in->len && !u->has_ended) {
		uint8_t c = in->data[0];
		int err = 0;

		if (u->state == CHUNK_DATA) {
			*out = span_first(*in, u->left);
			*in = span_from(*in, out->len);
			u->left -= out->len;
			if (!u->left)
				u->state = CHUNK_END;
			return 0;
		}
		*in = span_from(*in, 1);
		if (u->state != CHUNK_END)
			err = take_size(u, c);
		else if (c == '\n') /* the one behind the data */
			u->state = CHUNK_SIZE;
		else if (c != '\r')
			err = WEIR_EPROTO;
		if (err)
			return err;
	}
	return 0;
}

/* ---- the answer ---- */

static int give_body(struct http_peer *p, struct span in)
{
	int err = 0;

	if (!p->is_chunked) {
		p->events.on_body(p->ctx, in);
		return 0;
	}
	while (!err && in.len && !p->unchunk.has_ended && !p->is_stopping) {
		struct span piece;

		err = unchunk_next(&p->unchunk, &in, &piece);
		if (!err && piece.len)
			p->events.on_body(p->ctx, piece);
	}
	if (!err && p->unchunk.has_ended) {
		p->end = REMOTE_EOF;
		err = WEIR_ECLOSED;
	}
	return err;
}

static bool has_line(struct span head, const char *start)
{
	size_t len = strlen(start);

	for (size_t i = 0; i + len <= head.len; i++)
		if ((!i || head.data[i - 1] == '\n') &&
		    !strncasecmp((const char *)head.data + i, start, len))
			return true;
	return false;
}

/* Returns 0, or why it is over. */
static int take_head(struct http_peer *p, struct span head)
{
	struct span line = span_first(head, find(head, '\r'));
	bool is_http = cut_prefix(&line, "HTTP/1.1 ") ||
		       cut_prefix(&line, "HTTP/1.0 ");

	snprintf(p->words, sizeof(p->words), "%.*s",
		 (int)WEIR_MIN(line.len, (size_t)WORDS_SIZE - 1),
		 (const char *)line.data);
	if (!is_http)
		return WEIR_EPROTO;
	p->has_head = true;
	p->is_chunked = has_line(head, "transfer-encoding: chunked");
	if (cut_prefix(&line, "200"))
		return 0;
	p->end = REMOTE_REFUSED;
	return WEIR_ECLOSED;
}

static size_t head_len(struct span in)
{
	const uint8_t *end = memmem(in.data, in.len, "\r\n\r\n", 4);

	return end ? (size_t)(end - in.data) + 4 : 0;
}

static int64_t on_data(void *ctx, struct span in)
{
	struct http_peer *p = ctx;
	size_t len = 0;
	int err = 0;

	if (p->is_stopping)
		return (int64_t)in.len;
	if (!p->has_head) {
		len = head_len(in);
		if (!len)
			return in.len > HEAD_BYTES_MAX ? WEIR_ELIMIT : 0;
		err = take_head(p, span_first(in, len));
	}
	if (!err && in.len > len)
		err = give_body(p, span_from(in, len));
	return err ? err : (int64_t)in.len;
}

/* ---- the connection ---- */

static void on_open(void *ctx)
{
	struct http_peer *p = ctx;

	if (p->rcvbuf_bytes)
		setsockopt(conn_fd(p->conn), SOL_SOCKET, SO_RCVBUF,
			   &p->rcvbuf_bytes, sizeof(p->rcvbuf_bytes));
	if (conn_send(p->conn, buf_span(&p->request)))
		conn_abort(p->conn, WEIR_ENOMEM);
}

static void on_close(void *ctx, int reason)
{
	struct http_peer *p = ctx;

	if (p->is_stopping)
		p->end = REMOTE_DONE;
	else if (p->end == REMOTE_LOST && p->has_head && !p->is_chunked &&
		 reason == WEIR_ECLOSED)
		p->end = REMOTE_EOF;
	if (p->end == REMOTE_LOST)
		snprintf(p->words, sizeof(p->words), "%s",
			 weir_strerror(reason));
	p->events.on_end(p->ctx, p->end);
}

static int dial(struct http_peer *p, struct loop *loop,
		const struct http_url *u, unsigned connect_ms)
{
	static const struct conn_ops ops = {
		.on_open = on_open, .on_data = on_data, .on_close = on_close};
	static const struct conn_limits limits = {
		.unread_bytes = 65536,
		.linger_ms = 1,
	};
	char host[256];

	if (u->host.len >= sizeof(host))
		return WEIR_EINVAL;
	memcpy(host, u->host.data, u->host.len);
	host[u->host.len] = '\0';
	return conn_dial(&p->conn, loop, host, u->port, connect_ms, &limits,
			 &ops, p);
}

static void put_request(struct buf *out, const struct http_url *u)
{
	buf_printf(out, "GET ");
	buf_put(out, u->target);
	buf_printf(out, " HTTP/1.1\r\nHost: ");
	buf_put(out, u->authority);
	buf_printf(out,
		   "\r\nUser-Agent: weir\r\nAccept: */*\r\n"
		   "Connection: close\r\n\r\n");
}

int http_peer_new(struct http_peer **out, struct loop *loop, const char *url,
		  unsigned connect_ms, int rcvbuf_bytes,
		  const struct http_peer_events *events, void *ctx)
{
	struct http_peer *p = calloc(1, sizeof(*p));
	struct http_url u;
	int err;

	if (!p)
		return WEIR_ENOMEM;
	p->events = *events;
	p->ctx = ctx;
	p->rcvbuf_bytes = rcvbuf_bytes;
	p->end = REMOTE_LOST;
	err = http_url_parse(&u, url);
	if (!err) {
		put_request(&p->request, &u);
		err = buf_error(&p->request);
	}
	if (!err)
		err = dial(p, loop, &u, connect_ms);
	if (err)
		http_peer_free(&p);
	else
		*out = p;
	return err;
}

void http_peer_free(struct http_peer **pp)
{
	struct http_peer *p = *pp;

	if (!p)
		return;
	conn_free(&p->conn);
	buf_fini(&p->request);
	free(p);
	*pp = NULL;
}

void http_peer_stop(struct http_peer *p)
{
	p->is_stopping = true;
	conn_abort(p->conn, WEIR_ECLOSED);
}

void http_peer_pause(struct http_peer *p, bool is_paused)
{
	if (is_paused)
		conn_pause(p->conn);
	else
		conn_resume(p->conn);
}

const char *http_peer_words(const struct http_peer *p)
{
	return p->words;
}
