/* common/bus/pipe.c - byte streams over nng, on the loop. */
#include "common/bus/pipe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <nng/nng.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/list.h"

#define SMALL_RECEIVES 8 /* so many in a row, and the buffer shrinks */

struct op;
typedef void op_fn(struct op *op);

/* One thing that nng is asked to do at a time. */
struct op {
	struct list link; /* in pipes.done */
	struct pipes *pipes;
	nng_aio *aio;
	op_fn *on_done; /* on the loop */
	void *owner;
	bool is_busy; /* nng has it, or it waits in the queue */
};

struct pipes {
	struct loop *loop;
	struct wake *wake;
	pipe_accept_fn *on_accept;
	void *ctx;
	struct list all;
	struct list dialers;
	struct list acceptors;
	struct list dead; /* closed; nng may still have them */
	struct pass_task reap;
	pthread_mutex_t lock;
	struct list done; /* struct op; under the lock */
};

struct acceptor {
	struct list link;
	struct pipes *pipes;
	nng_stream_listener *nng;
	struct op op;
};

struct pipe_dialer {
	struct list link;
	struct pipes *pipes;
	nng_stream_dialer *nng;
	unsigned dial_count; /* under way */
	bool is_freed;       /* by its owner; goes when nothing is under way */
};

struct pipe {
	struct list link;
	struct pipes *pipes;
	struct pipe_dialer *dialer; /* while it dials */
	nng_stream *stream;
	const struct pipe_events *events;
	void *ctx;
	struct op in_op, out_op;
	struct buf in, out;
	size_t out_at;  /* sent of `out` so far */
	size_t in_size; /* what the next receive buffer should be */
	unsigned small_count;
	bool is_closed, is_paused;
	bool is_ending; /* the end was told: what came before it is read */
	bool is_deaf;   /* the peer takes nothing any more */
	char addr[PIPE_ADDR_SIZE];
};

/* ---- errors, operations ---- */

static int error_of(int nng)
{
	switch (nng) {
	case NNG_ENOMEM:
		return WEIR_ENOMEM;
	case NNG_ETIMEDOUT:
		return WEIR_ETIMEOUT;
	case NNG_EINVAL:
	case NNG_EADDRINVAL:
	case NNG_ENOTSUP:
		return WEIR_EINVAL;
	case NNG_EADDRINUSE:
		return -EADDRINUSE;
	case NNG_EPERM:
		return -EACCES;
	case NNG_ENOFILES:
		return -EMFILE;
	case NNG_ECONNREFUSED:
		return -ECONNREFUSED;
	default:
		return nng > NNG_ESYSERR ? -(nng - NNG_ESYSERR) : WEIR_ECLOSED;
	}
}

/* On a thread of nng's: nothing but this. */
static void on_aio(void *arg)
{
	struct op *op = arg;
	struct pipes *ps = op->pipes;
	bool was_empty;

	pthread_mutex_lock(&ps->lock);
	was_empty = list_is_empty(&ps->done);
	list_append(&ps->done, &op->link);
	pthread_mutex_unlock(&ps->lock);
	if (was_empty)
		wake_post(ps->wake);
}

static int op_init(struct op *op, struct pipes *ps, op_fn *on_done, void *owner)
{
	*op = (struct op){.pipes = ps, .on_done = on_done, .owner = owner};
	list_init(&op->link);
	return nng_aio_alloc(&op->aio, on_aio, op) ? WEIR_ENOMEM : 0;
}

/* Waits for the end of a callback that has already queued the operation: a few
 * instructions of another thread. */
static void op_fini(struct op *op)
{
	if (!op->aio)
		return;
	nng_aio_free(op->aio);
	op->aio = NULL;
	/* At the end of the bus it may still stand in the queue. */
	pthread_mutex_lock(&op->pipes->lock);
	list_remove(&op->link);
	pthread_mutex_unlock(&op->pipes->lock);
}

static void dialer_reap(struct pipe_dialer *d)
{
	if (!d->is_freed || d->dial_count)
		return;
	list_remove(&d->link);
	nng_stream_dialer_free(d->nng);
	free(d);
}

static void pipe_destroy(struct pipe *p)
{
	list_remove(&p->link);
	op_fini(&p->in_op);
	op_fini(&p->out_op);
	if (p->stream)
		nng_stream_free(p->stream);
	buf_fini(&p->in);
	buf_fini(&p->out);
	free(p);
}

static void on_reap(struct pipes *ps)
{
	list_each_safe (it, &ps->dead) {
		struct pipe *p = list_entry(it, struct pipe, link);

		if (!p->in_op.is_busy && !p->out_op.is_busy)
			pipe_destroy(p);
	}
}

static void run_op(struct op *op)
{
	list_remove(&op->link);
	op->is_busy = false;
	op->on_done(op);
}

static void on_wake(struct pipes *ps)
{
	struct list done;

	list_init(&done);
	pthread_mutex_lock(&ps->lock);
	if (!list_is_empty(&ps->done)) {
		list_append(&ps->done, &done); /* the whole ring … */
		list_remove(&ps->done);        /* … without its old head */
	}
	pthread_mutex_unlock(&ps->lock);
	while (!list_is_empty(&done))
		run_op(list_entry(done.next, struct op, link));
}

/* ---- closing ---- */

static void to_the_dead(struct pipe *p)
{
	struct pipes *ps = p->pipes;

	p->is_closed = true;
	list_remove(&p->link);
	list_append(&ps->dead, &p->link);
	if (p->stream)
		nng_stream_close(p->stream);
	if (p->dialer && p->in_op.is_busy)
		nng_aio_cancel(p->in_op.aio);
	loop_at_pass_end(ps->loop, &ps->reap, on_reap, ps);
}

static void fail(struct pipe *p, int err)
{
	if (p->is_closed)
		return;
	to_the_dead(p);
	if (p->events)
		p->events->on_closed(p->ctx, err);
}

void pipe_close(struct pipe **pp)
{
	struct pipe *p = *pp;

	*pp = NULL;
	if (p && !p->is_closed)
		to_the_dead(p);
}

/* A closed pipe's operation came back: it may be the last one. */
static bool is_over(struct pipe *p)
{
	if (p->is_closed)
		loop_at_pass_end(p->pipes->loop, &p->pipes->reap, on_reap,
				 p->pipes);
	return p->is_closed;
}

/* ---- receiving ---- */

/* Exactly so large: the growth of a struct buf would be thrown away again. */
static int fit(struct buf *in, size_t size)
{
	uint8_t *data;

	BUG_ON(size < PIPE_IN_MIN);
	if (in->cap == size || in->len > size)
		return 0;
	data = realloc(in->data, size);
	if (!data)
		return WEIR_ENOMEM;
	in->data = data;
	in->cap = size;
	return 0;
}

static void receive(struct pipe *p)
{
	struct buf *in = &p->in;
	nng_iov iov;

	if (p->is_closed || p->is_paused || p->in_op.is_busy)
		return;
	/* Full: what begins here is longer than the buffer. */
	if (in->len == p->in_size && p->in_size < PIPE_IN_MAX)
		p->in_size = WEIR_MIN(p->in_size * 4, PIPE_IN_MAX);
	if (fit(in, p->in_size)) {
		fail(p, WEIR_ENOMEM);
		return;
	}
	iov.iov_buf = in->data + in->len;
	iov.iov_len = in->cap - in->len;
	BUG_ON(!iov.iov_len); /* the owner refuses what would be longer */
	p->in_op.is_busy = true;
	nng_aio_set_iov(p->in_op.aio, 1, &iov);
	nng_stream_recv(p->stream, p->in_op.aio);
}

/* Full reads make the buffer grow, a row of small ones makes it shrink; the
 * PINGs of a quiet peer are small. */
static void adapt(struct pipe *p, size_t count, size_t room)
{
	if (count == room && p->in_size < PIPE_IN_MAX)
		p->in_size = WEIR_MIN(p->in_size * 4, PIPE_IN_MAX);
	if (count > p->in_size / 8)
		p->small_count = 0;
	else if (++p->small_count >= SMALL_RECEIVES) {
		p->small_count = 0;
		p->in_size = WEIR_MAX(p->in_size / 2, PIPE_IN_MIN);
	}
}

/* A connection that was reset, or a Unix socket that was closed: nng tells so
 * as soon as it learns of it, although bytes that came before may be waiting in
 * the kernel. Asked again it reads them, and fails once more when none is left.
 */
static void on_end(struct pipe *p, int rv)
{
	if (p->is_ending || p->is_paused) {
		fail(p, error_of(rv));
		return;
	}
	p->is_ending = true;
	receive(p);
}

static void on_received(struct op *op)
{
	struct pipe *p = op->owner;
	const int rv = nng_aio_result(op->aio);
	const size_t count = nng_aio_count(op->aio);

	if (is_over(p))
		return;
	if (rv) {
		on_end(p, rv);
		return;
	}
	adapt(p, count, p->in.cap - p->in.len);
	p->in.len += count;
	p->events->on_data(p->ctx);
	receive(p);
}

struct span pipe_in(const struct pipe *p)
{
	return buf_span(&p->in);
}

void pipe_used(struct pipe *p, size_t len)
{
	BUG_ON(p->in_op.is_busy);
	buf_drop(&p->in, len);
}

void pipe_pause(struct pipe *p)
{
	p->is_paused = true;
}

void pipe_resume(struct pipe *p)
{
	if (p->is_closed || !p->is_paused)
		return;
	p->is_paused = false;
	if (p->in_op.is_busy)
		return;
	if (p->in.len)
		p->events->on_data(p->ctx);
	receive(p);
}

/* ---- sending ---- */

static void send_rest(struct pipe *p)
{
	nng_iov iov = {
		.iov_buf = p->out.data + p->out_at,
		.iov_len = p->out.len - p->out_at,
	};

	p->out_op.is_busy = true;
	nng_aio_set_iov(p->out_op.aio, 1, &iov);
	nng_stream_send(p->stream, p->out_op.aio);
}

static bool is_end(int rv)
{
	return rv == NNG_ECLOSED || rv == NNG_ECONNSHUT || rv == NNG_ECONNRESET;
}

/* The peer is gone. The end is told when what it had sent is read. */
static void on_unsent(struct pipe *p, int rv)
{
	p->is_deaf = true;
	if (!is_end(rv) || !p->in_op.is_busy)
		fail(p, error_of(rv));
}

static void on_sent(struct op *op)
{
	struct pipe *p = op->owner;
	const int rv = nng_aio_result(op->aio);

	if (is_over(p))
		return;
	if (rv) {
		on_unsent(p, rv);
		return;
	}
	p->out_at += nng_aio_count(op->aio);
	if (p->out_at < p->out.len) {
		send_rest(p);
		return;
	}
	buf_clear(&p->out);
	p->events->on_sent(p->ctx);
}

bool pipe_is_sending(const struct pipe *p)
{
	return p->out_op.is_busy || p->is_deaf;
}

struct buf *pipe_out(struct pipe *p)
{
	return &p->out;
}

void pipe_send(struct pipe *p)
{
	BUG_ON(pipe_is_sending(p));
	if (p->is_closed || !p->stream || !p->out.len)
		return;
	p->out_at = 0;
	send_rest(p);
}

void pipe_shrink(struct pipe *p)
{
	if (!p->out_op.is_busy && !p->out.len)
		buf_fini(&p->out);
}

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

static void set_stream(struct pipe *p, nng_stream *stream)
{
	p->stream = stream;
	/* Fails for Unix sockets, which have no Nagle. */
	(void)nng_stream_set_bool(stream, NNG_OPT_TCP_NODELAY, true);
	set_addr(p);
}

bool pipe_is_nodelay(const struct pipe *p)
{
	bool is_on = false;

	return nng_stream_get_bool(p->stream, NNG_OPT_TCP_NODELAY, &is_on) ||
	       is_on;
}

static int pipe_new(struct pipe **out, struct pipes *ps, op_fn *on_in)
{
	struct pipe *p = calloc(1, sizeof(*p));

	if (!p)
		return WEIR_ENOMEM;
	p->pipes = ps;
	p->in_size = PIPE_IN_MIN;
	list_init(&p->link);
	if (op_init(&p->in_op, ps, on_in, p) ||
	    op_init(&p->out_op, ps, on_sent, p)) {
		pipe_destroy(p);
		return WEIR_ENOMEM;
	}
	list_append(&ps->all, &p->link);
	*out = p;
	return 0;
}

void pipe_own(struct pipe *p, const struct pipe_events *events, void *ctx)
{
	p->events = events;
	p->ctx = ctx;
	receive(p);
}

const char *pipe_addr(const struct pipe *p)
{
	return p->addr;
}

/* ---- dialing ---- */

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

	p->dialer = NULL;
	d->dial_count--;
	dialer_reap(d);
	if (!rv)
		set_stream(p, nng_aio_get_output(op->aio, 0));
	if (is_over(p)) {
		if (p->stream)
			nng_stream_close(p->stream);
		return;
	}
	if (rv) {
		fail(p, error_of(rv));
		return;
	}
	nng_aio_set_timeout(op->aio, NNG_DURATION_INFINITE);
	op->on_done = on_received;
	p->events->on_open(p->ctx);
	receive(p);
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
	if (pipe_new(&p, ps, on_received)) {
		nng_stream_free(nng_aio_get_output(op->aio, 0));
		return;
	}
	set_stream(p, nng_aio_get_output(op->aio, 0));
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
		return error_of(rv);
	}
	bound_url(a, url, out);
	accept_next(a);
	return 0;
}

/* ---- all ---- */

int pipes_new(struct pipes **out, struct loop *loop, pipe_accept_fn *on_accept,
	      void *ctx)
{
	struct pipes *ps = calloc(1, sizeof(*ps));
	int err;

	if (!ps)
		return WEIR_ENOMEM;
	ps->loop = loop;
	ps->on_accept = on_accept;
	ps->ctx = ctx;
	list_init(&ps->all);
	list_init(&ps->dialers);
	list_init(&ps->acceptors);
	list_init(&ps->dead);
	list_init(&ps->done);
	err = wake_new(&ps->wake, loop, on_wake, ps);
	if (err) {
		free(ps);
		return err;
	}
	pthread_mutex_init(&ps->lock, NULL);
	*out = ps;
	return 0;
}

/* Cancels, and waits until its callback is over. */
static void op_stop(struct op *op)
{
	if (op->aio)
		nng_aio_stop(op->aio);
}

static void stop_pipe(struct pipe *p)
{
	if (p->stream)
		nng_stream_close(p->stream);
	op_stop(&p->in_op);
	op_stop(&p->out_op);
	/* It was connected meanwhile, and nobody has looked yet. */
	if (p->dialer && !nng_aio_result(p->in_op.aio))
		p->stream = nng_aio_get_output(p->in_op.aio, 0);
	pipe_destroy(p);
}

static void stop_acceptor(struct acceptor *a)
{
	nng_stream_listener_close(a->nng);
	op_stop(&a->op);
	if (a->op.is_busy && !nng_aio_result(a->op.aio))
		nng_stream_free(nng_aio_get_output(a->op.aio, 0));
	acceptor_free(a);
}

void pipes_free(struct pipes **pps)
{
	struct pipes *ps = *pps;

	*pps = NULL;
	if (!ps)
		return;
	pass_task_cancel(&ps->reap);
	list_each_safe (it, &ps->acceptors)
		stop_acceptor(list_entry(it, struct acceptor, link));
	list_each_safe (it, &ps->all)
		stop_pipe(list_entry(it, struct pipe, link));
	list_each_safe (it, &ps->dead)
		stop_pipe(list_entry(it, struct pipe, link));
	list_each_safe (it, &ps->dialers) {
		struct pipe_dialer *d =
			list_entry(it, struct pipe_dialer, link);

		d->is_freed = true;
		d->dial_count = 0;
		dialer_reap(d);
	}
	/* No operation is left that could post. */
	wake_free(&ps->wake);
	pthread_mutex_destroy(&ps->lock);
	free(ps);
}
