/* common/io/dial.c - a connection that we begin: name, addresses, connect. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io/conn_priv.h"
#include "common/io/loop_priv.h"

#define ADDR_MAX 8 /* addresses of a name that are tried */

/* Lives until libuv has called back, whether the connection still does. */
struct lookup {
	uv_getaddrinfo_t req;
	struct conn *conn; /* NULL: nobody waits any more */
	unsigned port;
	struct net_addr addr[ADDR_MAX];
	unsigned addr_count;
	unsigned next;
};

void conn_lookup_cancel(struct conn *c)
{
	if (!c->lookup)
		return;
	c->lookup->conn = NULL;
	/* While the look-up runs its callback frees it. */
	if (c->lookup->req.data)
		uv_cancel((uv_req_t *)&c->lookup->req);
	else
		free(c->lookup);
	c->lookup = NULL;
}

static void try_next(struct conn *c, int last_err);

static void on_connected(struct conn *c)
{
	int fd = c->fd;
	int err = net_socket_error(fd);

	loop_remove(&c->watch);
	c->fd = -1;
	if (err) {
		close(fd);
		try_next(c, err);
		return;
	}
	conn_lookup_cancel(c);
	timer_stop(c->timer);
	err = conn_open(c, fd);
	if (err) {
		conn_finish(c, err);
		return;
	}
	if (c->ops->on_open)
		c->ops->on_open(c->ctx);
	if (c->state == CONN_OPEN)
		conn_schedule(c); /* sends what was queued meanwhile */
}

static void on_writable(struct conn *c, unsigned events)
{
	(void)events;
	conn_enter(c);
	on_connected(c);
	conn_leave(c);
}

static int begin_connect(struct conn *c, const struct net_addr *addr)
{
	int fd;
	int err = net_connect(&fd, addr);

	if (err)
		return err;
	err = loop_add(&c->watch, c->loop, fd, LOOP_WRITABLE, on_writable, c);
	if (err) {
		close(fd);
		return err;
	}
	c->fd = fd;
	return 0;
}

static void try_next(struct conn *c, int last_err)
{
	struct lookup *look = c->lookup;

	while (look->next < look->addr_count) {
		last_err = begin_connect(c, &look->addr[look->next++]);
		if (!last_err)
			return;
	}
	conn_finish(c, last_err);
}

static void take_addresses(struct lookup *look, const struct addrinfo *ai)
{
	for (; ai && look->addr_count < ADDR_MAX; ai = ai->ai_next) {
		struct net_addr *a = &look->addr[look->addr_count];

		if (ai->ai_addrlen > sizeof(a->ss))
			continue;
		memcpy(&a->ss, ai->ai_addr, ai->ai_addrlen);
		a->len = ai->ai_addrlen;
		net_addr_set_port(a, look->port);
		look->addr_count++;
	}
}

static void on_lookup(uv_getaddrinfo_t *req, int status, struct addrinfo *ai)
{
	struct lookup *look = req->data;
	struct conn *c = look->conn;

	loop_enter(loop_of(req->loop));
	req->data = NULL;
	if (!c || !look->conn) {
		free(look);
	} else if (status) {
		conn_finish(c, WEIR_ENOENT);
	} else {
		take_addresses(look, ai);
		try_next(c, WEIR_ENOENT);
	}
	uv_freeaddrinfo(ai);
}

static int set_literal(struct lookup *look, const char *host)
{
	struct net_addr *a = &look->addr[0];
	struct sockaddr_in *four = (struct sockaddr_in *)&a->ss;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&a->ss;

	if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
		a->ss.ss_family = AF_INET;
		a->len = sizeof(*four);
	} else if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
		a->ss.ss_family = AF_INET6;
		a->len = sizeof(*six);
	} else {
		return WEIR_ENOENT;
	}
	net_addr_set_port(a, look->port);
	look->addr_count = 1;
	return 0;
}

static int look_up(struct conn *c, const char *host)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	int err;

	c->lookup->req.data = c->lookup;
	err = uv_getaddrinfo(&c->loop->uv, &c->lookup->req, on_lookup, host,
			     NULL, &hints);
	if (err)
		c->lookup->req.data = NULL;
	return err == UV_ENOMEM ? WEIR_ENOMEM : err;
}

static int begin(struct conn *c, const char *host, unsigned port,
		 unsigned timeout_ms)
{
	c->lookup = calloc(1, sizeof(*c->lookup));
	if (!c->lookup)
		return WEIR_ENOMEM;
	c->lookup->conn = c;
	c->lookup->port = port;
	timer_start(c->timer, timeout_ms);
	if (set_literal(c->lookup, host))
		return look_up(c, host);
	try_next(c, WEIR_ENOENT);
	return 0;
}

int conn_dial(struct conn **out, struct loop *loop, const char *host,
	      unsigned port, unsigned timeout_ms,
	      const struct conn_limits *limits, const struct conn_ops *ops,
	      void *ctx)
{
	struct conn *c;
	int err;

	if (!host[0] || strlen(host) > 255 || port < 1 || port > 65535)
		return WEIR_EINVAL;
	err = conn_make(&c, loop, limits, ops, ctx);
	if (err)
		return err;
	snprintf(c->peer_text, sizeof(c->peer_text), "%.50s:%u", host, port);
	err = begin(c, host, port, timeout_ms);
	if (err) {
		conn_free(&c);
		return err;
	}
	*out = c;
	return 0;
}
