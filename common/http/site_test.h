/* common/http/site_test.h - a server on loopback, and a peer that asks it with
 * raw bytes, for the tests of this room.
 */
#ifndef WEIR_HTTP_SITE_TEST_H
#define WEIR_HTTP_SITE_TEST_H

#include <errno.h>
#include <unistd.h>

#include "common/http/server.h"
#include "common/io/loop_wait.h"
#include "common/test/check.h"

struct site {
	struct loop *loop;
	struct http_server *server;
	struct net_addr addr;
	struct http_request *held; /* to be answered later */
	unsigned asked_count;
	unsigned gone_count;
	unsigned freed_count;
};

static inline void open_site(struct site *s,
			     const struct http_server_options *o,
			     const struct http_route *routes, size_t count)
{
	int fd;

	CHECK_EQ(loop_new(&s->loop), 0);
	CHECK_EQ(http_server_new(&s->server, s->loop, o), 0);
	CHECK_EQ(http_server_route(s->server, routes, count), 0);
	CHECK_EQ(net_addr_parse(&s->addr, "127.0.0.1:0"), 0);
	CHECK_EQ(net_listen(&fd, &s->addr), 0);
	CHECK_EQ(http_server_listen(s->server, fd, &s->addr), 0);
}

#define OPEN_SITE(s, options, ...)                                             \
	const struct http_route routes_[] = {__VA_ARGS__};                     \
	open_site((s), (options), routes_, WEIR_ARRAY_LEN(routes_))

static inline void close_site(struct site *s)
{
	http_server_free(&s->server);
	loop_free(&s->loop);
}

/* ---- a peer ---- */

struct peer {
	int fd;
	struct buf seen;
	bool is_over;
};

static inline struct peer dial(const struct site *s)
{
	struct peer p = {0};

	p.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(connect(p.fd, (const struct sockaddr *)&s->addr.ss,
			 s->addr.len),
		 0);
	return p;
}

static inline void say(struct peer *p, const char *text)
{
	CHECK_EQ(send(p->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static inline bool has_ended(struct peer *p)
{
	char block[4096];
	ssize_t n;

	while ((n = recv(p->fd, block, sizeof(block), MSG_DONTWAIT)) > 0)
		buf_put(&p->seen, span_of(block, (size_t)n));
	p->is_over = n == 0 || (n < 0 && errno != EAGAIN);
	return p->is_over;
}

static inline bool has_seen(struct peer *p, const char *text)
{
	(void)has_ended(p);
	return strstr(buf_text(&p->seen), text) != NULL;
}

static inline void hang_up(struct peer *p)
{
	close(p->fd);
	buf_fini(&p->seen);
}

/* Ask once, and check how the answer begins and ends. */
static inline void check_answer(struct site *s, const char *question,
				const char *status, const char *end)
{
	struct peer p = dial(s);
	const char *text;
	size_t len;

	say(&p, question);
	CHECK(LOOP_UNTIL(s->loop, has_ended(&p)));
	text = buf_text(&p.seen);
	len = strlen(text);
	if (strncmp(text, status, strlen(status)) != 0 || len < strlen(end) ||
	    strcmp(text + len - strlen(end), end) != 0) {
		CHECK_STR(text, status);
		CHECK_STR(text, end);
	}
	hang_up(&p);
}

#define HEAD "HTTP/1.1\r\nHost: localhost:80\r\nConnection: close\r\n"

#endif
