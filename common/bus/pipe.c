/* common/bus/pipe.c - byte streams over nng, on the loop. */
#include "common/bus/pipe.h"

#include <errno.h>
#include <stdlib.h>

#include "common/bus/pipe_priv.h"

#define SMALL_RECEIVES 8 /* so many in a row, and the buffer shrinks */

/* ---- errors, operations ---- */

int pipe_error_of(int nng)
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

int op_init(struct op *op, struct pipes *ps, op_fn *on_done, void *owner)
{
	*op = (struct op){.pipes = ps, .on_done = on_done, .owner = owner};
	list_init(&op->link);
	return nng_aio_alloc(&op->aio, on_aio, op) ? WEIR_ENOMEM : 0;
}

/* Waits for the end of a callback that has already queued the operation: a few
 * instructions of another thread. */
void op_fini(struct op *op)
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

static void pipe_destroy(struct pipe *p)
{
	loop_remove(&p->watch);
	pass_task_cancel(&p->broken);
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
	loop_remove(&p->watch);
	pass_task_cancel(&p->broken);
	list_remove(&p->link);
	list_append(&ps->dead, &p->link);
	if (p->stream)
		nng_stream_close(p->stream);
	if (p->dialer && p->in_op.is_busy)
		nng_aio_cancel(p->in_op.aio);
	loop_at_pass_end(ps->loop, &ps->reap, on_reap, ps);
}

void pipe_fail(struct pipe *p, int err)
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
bool pipe_is_over(struct pipe *p)
{
	if (p->is_closed)
		loop_at_pass_end(p->pipes->loop, &p->pipes->reap, on_reap,
				 p->pipes);
	return p->is_closed;
}

/* ---- watched by the loop ---- */

static void watch_again(struct pipe *p)
{
	if (p->watch)
		loop_change(p->watch,
			    (p->is_paused ? 0u : LOOP_READABLE) |
				    (p->is_pushed ? LOOP_WRITABLE : 0u));
}

typedef void stream_fn(nng_stream *stream, nng_aio *aio);

/* nng reads or writes in the call when it can. If it cannot it would wait in a
 * thread of its own; the operation is taken back instead, unless that thread
 * was faster. Returns nng's result; NNG_ECANCELED: not now. */
static int run_now(struct pipe *p, stream_fn *fn, const nng_iov *iov)
{
	nng_aio *now = p->pipes->now;

	nng_aio_set_iov(now, 1, iov);
	fn(p->stream, now);
	nng_aio_cancel(now);
	nng_aio_wait(now);
	return nng_aio_result(now);
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

/* Room for what comes next; false: there was no memory. */
static bool make_room(struct pipe *p)
{
	struct buf *in = &p->in;

	/* Full: what begins here is longer than the buffer. */
	if (in->len == p->in_size && p->in_size < PIPE_IN_MAX)
		p->in_size = WEIR_MIN(p->in_size * 4, PIPE_IN_MAX);
	if (fit(in, p->in_size)) {
		pipe_fail(p, WEIR_ENOMEM);
		return false;
	}
	BUG_ON(in->cap == in->len); /* the owner refuses what is longer */
	return true;
}

static nng_iov room_of(const struct pipe *p)
{
	return (nng_iov){p->in.data + p->in.len, p->in.cap - p->in.len};
}

void pipe_receive(struct pipe *p)
{
	nng_iov iov;

	if (p->is_closed || p->is_paused || p->in_op.is_busy)
		return;
	if (p->watch) {
		watch_again(p);
		return;
	}
	if (!make_room(p))
		return;
	iov = room_of(p);
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
		pipe_fail(p, pipe_error_of(rv));
		return;
	}
	p->is_ending = true;
	pipe_receive(p);
}

static void received(struct pipe *p, int rv, size_t count)
{
	if (rv) {
		on_end(p, rv);
		return;
	}
	adapt(p, count, p->in.cap - p->in.len);
	p->in.len += count;
	p->events->on_data(p->ctx);
	pipe_receive(p);
}

void pipe_on_received(struct op *op)
{
	struct pipe *p = op->owner;

	if (!pipe_is_over(p))
		received(p, nng_aio_result(op->aio), nng_aio_count(op->aio));
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
	watch_again(p);
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
	pipe_receive(p);
}

/* ---- sending ---- */

static nng_iov rest_of(const struct pipe *p)
{
	return (nng_iov){p->out.data + p->out_at, p->out.len - p->out_at};
}

static void send_rest(struct pipe *p)
{
	const nng_iov iov = rest_of(p);

	p->out_op.is_busy = true;
	nng_aio_set_iov(p->out_op.aio, 1, &iov);
	nng_stream_send(p->stream, p->out_op.aio);
}

static bool is_end(int rv)
{
	return rv == NNG_ECLOSED || rv == NNG_ECONNSHUT || rv == NNG_ECONNRESET;
}

static bool is_reading(const struct pipe *p)
{
	return p->in_op.is_busy || (p->watch && !p->is_paused);
}

static void on_broken(struct pipe *p)
{
	pipe_fail(p, p->err);
}

/* The peer is gone. The end is told when what it had sent is read; and never
 * from inside a call. */
static void on_unsent(struct pipe *p, int rv)
{
	p->is_deaf = true;
	if (is_end(rv) && is_reading(p))
		return;
	p->err = pipe_error_of(rv);
	loop_at_pass_end(p->pipes->loop, &p->broken, on_broken, p);
}

static void on_sent(struct op *op)
{
	struct pipe *p = op->owner;
	const int rv = nng_aio_result(op->aio);

	if (pipe_is_over(p))
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

/* What the socket takes; if that is not all, more when it is writable. */
static void send_now(struct pipe *p)
{
	int rv = 0;

	while (!rv && p->out_at < p->out.len) {
		const nng_iov iov = rest_of(p);

		rv = run_now(p, nng_stream_send, &iov);
		p->out_at += nng_aio_count(p->pipes->now);
	}
	p->is_pushed = rv == NNG_ECANCELED;
	if (!rv)
		buf_clear(&p->out);
	else if (!p->is_pushed)
		on_unsent(p, rv);
	watch_again(p);
}

bool pipe_is_sending(const struct pipe *p)
{
	return p->out_op.is_busy || p->is_pushed || p->is_deaf;
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
	if (p->watch)
		send_now(p);
	else
		send_rest(p);
}

void pipe_shrink(struct pipe *p)
{
	if (!pipe_is_sending(p) && !p->out.len)
		buf_fini(&p->out);
}

/* ---- the loop watches ---- */

/* false: nothing is there. */
static bool read_now(struct pipe *p)
{
	nng_iov iov;
	int rv;

	if (p->is_paused || !make_room(p))
		return false;
	iov = room_of(p);
	rv = run_now(p, nng_stream_recv, &iov);
	if (rv == NNG_ECANCELED)
		return false;
	received(p, rv, nng_aio_count(p->pipes->now));
	return true;
}

static void push_now(struct pipe *p)
{
	send_now(p);
	if (!pipe_is_sending(p))
		p->events->on_sent(p->ctx);
}

static void on_ready(struct pipe *p, unsigned events)
{
	bool has_read = (events & LOOP_READABLE) && read_now(p);

	/* What is left behind a reset is read in the next passes. */
	if ((events & LOOP_ERROR) && !has_read)
		pipe_fail(p, WEIR_ECLOSED);
	if ((events & LOOP_WRITABLE) && p->is_pushed && !p->is_closed)
		push_now(p);
}

void pipe_watch(struct pipe *p)
{
	int fd;

	if (p->is_closed || p->watch || !p->stream || p->in_op.is_busy)
		return;
	fd = pipe_find_fd(p);
	/* Without a watch nng's threads go on. */
	if (fd >= 0 &&
	    loop_add(&p->watch, p->pipes->loop, fd, 0, on_ready, p) == 0)
		watch_again(p);
}

bool pipe_is_watched(const struct pipe *p)
{
	return p->watch != NULL;
}

/* ---- making ---- */

int pipe_new(struct pipe **out, struct pipes *ps, op_fn *on_in)
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
	pipe_receive(p);
}

const char *pipe_addr(const struct pipe *p)
{
	return p->addr;
}

bool pipe_is_nodelay(const struct pipe *p)
{
	bool is_on = false;

	return nng_stream_get_bool(p->stream, NNG_OPT_TCP_NODELAY, &is_on) ||
	       is_on;
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
	if (nng_aio_alloc(&ps->now, NULL, NULL)) {
		free(ps);
		return WEIR_ENOMEM;
	}
	err = wake_new(&ps->wake, loop, on_wake, ps);
	if (err) {
		nng_aio_free(ps->now);
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

void pipes_free(struct pipes **pps)
{
	struct pipes *ps = *pps;

	*pps = NULL;
	if (!ps)
		return;
	pass_task_cancel(&ps->reap);
	list_each_safe (it, &ps->acceptors)
		acceptor_stop(list_entry(it, struct acceptor, link));
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
	nng_aio_free(ps->now);
	pthread_mutex_destroy(&ps->lock);
	free(ps);
}
