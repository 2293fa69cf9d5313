/* common/bus/pipe_open.c - pipes: dialing and listening. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/bus/pipe_priv.h"
#include "common/io/net.h"

/* ---- opening ---- */

static void set_addr(struct pipe *p)
{
	char host[INET6_ADDRSTRLEN] = "?";
	nng_sockaddr sa;

	snprintf(p->addr, sizeof(p->addr), "ipc");
	if (nng_stream_get_addr(p->stream, NNG_OPT_REMADDR, &sa))
		return;
	if (sa.s_family == NNG_AF_INET) {
		inet_ntop(AF_INET, &sa.s_in.sa_addr, host, sizeof(host));
		snprintf(p->addr, sizeof(p->addr), "%s:%u", host,
			 ntohs(sa.s_in.sa_port));
	} else if (sa.s_family == NNG_AF_INET6) {
		inet_ntop(AF_INET6, sa.s_in6.sa_addr, host, sizeof(host));
		snprintf(p->addr, sizeof(p->addr), "[%s]:%u", host,
			 ntohs(sa.s_in6.sa_port));
	}
}

static void set_stream(struct pipe *p, nng_stream *stream, bool is_plain)
{
	p->stream = stream;
	p->is_plain = is_plain;
	/* Fails for Unix sockets, which have no Nagle. */
	(void)nng_stream_set_bool(stream, NNG_OPT_TCP_NODELAY, true);
	set_addr(p);
}

static bool to_net(struct net_addr *out, const nng_sockaddr *a)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->ss;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&out->ss;

	*out = (struct net_addr){0};
	if (a->s_family == NNG_AF_INET) {
		v4->sin_family = AF_INET;
		v4->sin_port = a->s_in.sa_port;
		v4->sin_addr.s_addr = a->s_in.sa_addr;
		out->len = sizeof(*v4);
	} else if (a->s_family == NNG_AF_INET6) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = a->s_in6.sa_port;
		memcpy(&v6->sin6_addr, a->s_in6.sa_addr, 16);
		out->len = sizeof(*v6);
	}
	return out->len > 0;
}

static bool ends_of(nng_stream *stream, struct net_addr *self,
		    struct net_addr *peer)
{
	nng_sockaddr a, b;

	if (nng_stream_get_addr(stream, NNG_OPT_LOCADDR, &a) ||
	    nng_stream_get_addr(stream, NNG_OPT_REMADDR, &b))
		return false;
	return to_net(self, &a) && to_net(peer, &b);
}

int pipe_find_fd(const struct pipe *p)
{
	struct net_addr self, peer;

	if (!p->is_plain || !ends_of(p->stream, &self, &peer))
		return -1;
	return net_find_socket(&self, &peer);
}

/* What the loop can watch: nothing lies between the bytes and the socket. */
static bool is_plain_url(const char *url)
{
	return !strncmp(url, "tcp", 3);
}

/* ---- dialing ---- */

void dialer_reap(struct pipe_dialer *d)
{
	if (!d->is_freed || d->dial_count)
		return;
	list_remove(&d->link);
	nng_stream_dialer_free(d->nng);
	free(d);
}

int pipe_dialer_new(struct pipe_dialer **out, struct pipes *ps, const char *url)
{
	struct pipe_dialer *d = calloc(1, sizeof(*d));
	int rv;

	if (!d)
		return WEIR_ENOMEM;
	rv = nng_stream_dialer_alloc(&d->nng, url);
	if (rv) {
		free(d);
		return rv == NNG_ENOMEM ? WEIR_ENOMEM : WEIR_EINVAL;
	}
	d->pipes = ps;
	d->is_plain = is_plain_url(url);
	list_append(&ps->dialers, &d->link);
	*out = d;
	return 0;
}

void pipe_dialer_free(struct pipe_dialer **pd)
{
	struct pipe_dialer *d = *pd;

	*pd = NULL;
	if (!d)
		return;
	d->is_freed = true;
	if (d->dial_count)
		nng_stream_dialer_close(d->nng);
	dialer_reap(d);
}

static void on_dialed(struct op *op)
{
	struct pipe *p = op->owner;
	struct pipe_dialer *d = p->dialer;
	const int rv = nng_aio_result(op->aio);
	const bool is_plain = d->is_plain;

	p->dialer = NULL;
	d->dial_count--;
	dialer_reap(d);
	if (!rv)
		set_stream(p, nng_aio_get_output(op->aio, 0), is_plain);
	if (pipe_is_over(p)) {
		if (p->stream)
			nng_stream_close(p->stream);
		return;
	}
	if (rv) {
		pipe_fail(p, pipe_error_of(rv));
		return;
	}
	nng_aio_set_timeout(op->aio, NNG_DURATION_INFINITE);
	op->on_done = pipe_on_received;
	p->events->on_open(p->ctx);
	pipe_receive(p);
}

int pipe_dial(struct pipe **out, struct pipe_dialer *d, uint32_t timeout_ms,
	      const struct pipe_events *events, void *ctx)
{
	struct pipe *p;
	int err = pipe_new(&p, d->pipes, on_dialed);

	if (err)
		return err;
	p->events = events;
	p->ctx = ctx;
	p->dialer = d;
	d->dial_count++;
	p->in_op.is_busy = true;
	nng_aio_set_timeout(p->in_op.aio, (nng_duration)timeout_ms);
	nng_stream_dialer_dial(d->nng, p->in_op.aio);
	*out = p;
	return 0;
}

/* ---- listening ---- */

static void accept_next(struct acceptor *a)
{
	if (a->op.is_busy)
		return;
	a->op.is_busy = true;
	nng_stream_listener_accept(a->nng, a->op.aio);
}

static void on_accepted(struct op *op)
{
	struct acceptor *a = op->owner;
	struct pipes *ps = a->pipes;
	struct pipe *p;

	/* A lack of descriptors comes at once, again and again: the next try
	 * is pipes_tick's. */
	if (nng_aio_result(op->aio))
		return;
	if (pipe_new(&p, ps, pipe_on_received)) {
		nng_stream_free(nng_aio_get_output(op->aio, 0));
		return;
	}
	set_stream(p, nng_aio_get_output(op->aio, 0), a->is_plain);
	accept_next(a);
	ps->on_accept(ps->ctx, p);
}

void pipes_tick(struct pipes *ps)
{
	list_each (it, &ps->acceptors)
		accept_next(list_entry(it, struct acceptor, link));
}

static void acceptor_free(struct acceptor *a)
{
	list_remove(&a->link);
	op_fini(&a->op);
	if (a->nng)
		nng_stream_listener_free(a->nng);
	free(a);
}

/* Is a port said, where there are ports? */
static bool is_listen_url(const char *url)
{
	const char *host = strstr(url, "://");

	if (!host || strlen(url) >= PIPE_URL_SIZE - 5)
		return false;
	return !strncmp(url, "ipc", 3) || strrchr(host + 3, ':');
}

/* `url` with the port that was bound in place of a 0. */
static void bound_url(struct acceptor *a, const char *url,
		      char out[PIPE_URL_SIZE])
{
	const char *colon = strrchr(url, ':');
	int port;

	if (nng_stream_listener_get_int(a->nng, NNG_OPT_TCP_BOUND_PORT, &port))
		snprintf(out, PIPE_URL_SIZE, "%s", url);
	else
		snprintf(out, PIPE_URL_SIZE, "%.*s:%d", (int)(colon - url), url,
			 port);
}

int pipes_listen(struct pipes *ps, const char *url, char out[PIPE_URL_SIZE])
{
	struct acceptor *a = calloc(1, sizeof(*a));
	int rv;

	if (!a)
		return WEIR_ENOMEM;
	a->pipes = ps;
	a->is_plain = is_plain_url(url);
	list_append(&ps->acceptors, &a->link);
	rv = is_listen_url(url) ? 0 : NNG_EADDRINVAL;
	if (!rv)
		rv = op_init(&a->op, ps, on_accepted, a) ? NNG_ENOMEM : 0;
	if (!rv)
		rv = nng_stream_listener_alloc(&a->nng, url);
	if (!rv)
		rv = nng_stream_listener_listen(a->nng);
	if (rv) {
		acceptor_free(a);
		return pipe_error_of(rv);
	}
	bound_url(a, url, out);
	accept_next(a);
	return 0;
}

void acceptor_stop(struct acceptor *a)
{
	nng_stream_listener_close(a->nng);
	nng_aio_stop(a->op.aio);
	if (a->op.is_busy && !nng_aio_result(a->op.aio))
		nng_stream_free(nng_aio_get_output(a->op.aio, 0));
	acceptor_free(a);
}
