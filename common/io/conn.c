/* common/io/conn.c - a byte connection on the loop. */
#include "common/io/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/fetch.h"
#include "common/io/batch.h"
#include "common/io/conn_priv.h"

#define UNREAD_BYTES  65536
#define SEND_BYTES    (1u << 20)
#define LINGER_MS     1000
#define LINGER_TIMES  5     /* at most so many linger_ms for a whole close */
#define KEEP_BYTES    65536 /* a larger buffer is given back when empty */
#define SENT_DROP_MIN 16384 /* sent bytes that are worth moving the rest */
#define READS_MAX     64    /* at one time, however fast the peer is */
#define MUCH_BYTES    (LOOP_SCRATCH_BYTES / 2) /* of one read: more will come */

static void on_task(struct conn *c);

void conn_schedule(struct conn *c)
{
	loop_at_pass_end(c->loop, &c->task, on_task, c);
}

static size_t queued(const struct conn *c)
{
	return c->unsent.len - c->sent_bytes;
}

static bool is_reading(const struct conn *c)
{
	if (c->is_peer_done)
		return false;
	if (c->state == CONN_OPEN)
		return !c->is_paused;
	return c->state == CONN_FLUSHING || c->state == CONN_LINGERING;
}

static unsigned wanted_events(const struct conn *c)
{
	unsigned events = 0;

	if (is_reading(c))
		events |= LOOP_READABLE;
	if (c->is_congested || (c->tls && tls_is_waiting(c->tls)))
		events |= LOOP_WRITABLE;
	return events;
}

static void watch_again(struct conn *c)
{
	if (c->watch && c->state != CONN_DIALING)
		loop_change(c->watch, wanted_events(c));
}

static void close_socket(struct conn *c)
{
	loop_remove(&c->watch);
	timer_free(&c->timer);
	conn_lookup_cancel(c);
	tls_free(&c->tls);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	buf_fini(&c->unsent);
	c->sent_bytes = 0;
}

static void destroy(struct conn *c)
{
	close_socket(c);
	pass_task_cancel(&c->task);
	buf_fini(&c->unread);
	free(c);
}

void conn_enter(struct conn *c)
{
	c->depth++;
}

void conn_leave(struct conn *c)
{
	if (--c->depth == 0 && c->is_freed)
		destroy(c);
}

void conn_finish(struct conn *c, int reason)
{
	if (c->state >= CONN_CLOSED)
		return;
	close_socket(c);
	c->state = CONN_CLOSED;
	c->reason = reason;
	conn_schedule(c);
}

static void report_close(struct conn *c)
{
	c->state = CONN_OVER;
	conn_enter(c);
	c->ops->on_close(c->ctx, c->reason);
	conn_leave(c);
}

/* ---- reading ---- */

/* Let the owner look at `in`. Returns how much it took, or a verdict. After it
 * `c` must be looked at anew. */
static int64_t offer(struct conn *c, struct span in)
{
	int64_t taken;

	c->offered = in;
	taken = c->ops->on_data(c->ctx, in);
	c->offered = (struct span){0};
	BUG_ON(taken > (int64_t)in.len);
	return taken;
}

/* Offer what is kept, with `more` behind it, and keep what is left. */
static void deliver(struct conn *c, struct span more)
{
	bool is_kept = c->unread.len > 0;
	struct span in = more;
	int64_t taken;

	if (is_kept) {
		buf_put(&c->unread, more);
		in = buf_span(&c->unread);
	}
	if (buf_error(&c->unread)) {
		conn_finish(c, WEIR_ENOMEM);
		return;
	}
	taken = offer(c, in);
	if (c->state != CONN_OPEN)
		return;
	if (taken < 0) {
		conn_close(c, (int)taken);
		return;
	}
	if (is_kept)
		buf_drop(&c->unread, (size_t)taken);
	else
		buf_put(&c->unread, span_from(in, (size_t)taken));
	if (c->unread.len == 0 && c->unread.cap > KEEP_BYTES)
		buf_fini(&c->unread);
	if (buf_error(&c->unread))
		conn_finish(c, WEIR_ENOMEM);
	else if (c->unread.len > c->limits.unread_bytes)
		conn_close(c, WEIR_ELIMIT);
}

/* The peer has no more to say. It may still want to hear our answer. */
static void on_peer_done(struct conn *c)
{
	c->is_peer_done = true;
	if (c->state == CONN_OPEN)
		conn_close(c, WEIR_ECLOSED);
	else if (c->state == CONN_LINGERING)
		conn_finish(c, c->reason);
	watch_again(c);
}

/* Bytes, 0 at the end, or an error. While closing nobody wants to know what the
 * peer says. */
static ssize_t get(struct conn *c, uint8_t *out, size_t size)
{
	ssize_t n;

	if (c->tls && c->state == CONN_OPEN)
		return tls_read(c->tls, out, size);
	n = recv(c->fd, out, size, 0);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? WEIR_EAGAIN : -errno;
}

/* The peer hears why, if it is still there. */
static void on_read_error(struct conn *c, int err)
{
	c->fault = c->tls ? tls_fault(c->tls) : NULL;
	if (c->state == CONN_OPEN && c->fault)
		conn_close(c, err);
	else
		conn_finish(c, c->state == CONN_OPEN ? err : c->reason);
}

/* One read. Returns whether it brought bytes. */
static bool read_more(struct conn *c)
{
	uint8_t *scratch = loop_scratch(c->loop);
	ssize_t n = get(c, scratch, LOOP_SCRATCH_BYTES);

	if (c->tls && queued(c) > 0)
		conn_schedule(c); /* the handshake may be made */
	if (n == WEIR_EAGAIN)
		return false;
	if (n < 0) {
		on_read_error(c, (int)n);
		return false;
	}
	if (n == 0) {
		on_peer_done(c);
		return false;
	}
	c->stats.in_bytes += (size_t)n;
	c->stats.last_in_ms = loop_now_ms(c->loop);
	/* Or it fills its window and waits; of TLS, one record was read. */
	if (c->batch && (c->tls || n >= MUCH_BYTES))
		batch_press(c->batch);
	if (c->state == CONN_OPEN)
		deliver(c, span_of(scratch, (size_t)n));
	return true;
}

/* The kernel's work is time enough for memory to come. */
static void read_first(struct conn *c)
{
	const bool is_alone =
		!c->batch && c->ops->on_ahead && c->state == CONN_OPEN;

	for (unsigned i = 0; is_alone && i < CONN_AHEAD_STEPS; i++)
		c->ops->on_ahead(c->ctx, i);
	read_more(c);
}

/* ---- writing ---- */

static void on_timer(struct conn *c)
{
	conn_finish(c, c->state == CONN_DIALING ? WEIR_ETIMEOUT : c->reason);
}

/* Give a closing peer linger_ms from now, but not for ever. */
static void linger_on(struct conn *c)
{
	uint64_t now_ms = loop_now_ms(c->loop);
	uint64_t left_ms =
		c->close_by_ms > now_ms ? c->close_by_ms - now_ms : 0;

	timer_start(c->timer, WEIR_MIN(left_ms, c->limits.linger_ms));
}

static void all_sent(struct conn *c)
{
	buf_clear(&c->unsent);
	if (c->unsent.cap > KEEP_BYTES)
		buf_fini(&c->unsent);
	c->sent_bytes = 0;
	if (c->state == CONN_OPEN && c->ops->on_drained)
		c->ops->on_drained(c->ctx);
}

static void begin_linger(struct conn *c)
{
	if (c->is_peer_done || shutdown(c->fd, SHUT_WR)) {
		conn_finish(c, c->reason);
		return;
	}
	c->state = CONN_LINGERING;
	linger_on(c);
}

static void note_sent(struct conn *c, size_t bytes)
{
	c->sent_bytes += bytes;
	c->stats.out_bytes += bytes;
	c->stats.last_out_ms = loop_now_ms(c->loop);
	if (c->sent_bytes >= SENT_DROP_MIN && c->sent_bytes > queued(c)) {
		buf_drop(&c->unsent, c->sent_bytes);
		c->sent_bytes = 0;
	}
	if (c->state == CONN_FLUSHING)
		linger_on(c);
}

/* How many bytes of the queue were taken, or an error. */
static ssize_t put(struct conn *c)
{
	struct span out = span_from(buf_span(&c->unsent), c->sent_bytes);
	ssize_t n;

	if (c->tls)
		return tls_write(c->tls, &out, 1);
	n = send(c->fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? WEIR_EAGAIN : -errno;
}

/* What TLS has to say for itself. */
static int flush_tls(struct conn *c)
{
	while (c->tls && tls_is_waiting(c->tls)) {
		ssize_t n = tls_flush(c->tls);

		if (n < 0)
			return (int)n;
	}
	return 0;
}

/* Returns 0 when all was sent; WEIR_EAGAIN; or an error. */
static int send_queued(struct conn *c)
{
	while (queued(c) > 0) {
		ssize_t n = put(c);

		if (n < 0)
			return (int)n;
		note_sent(c, (size_t)n);
	}
	return flush_tls(c);
}

/* Before a handshake what is queued stays, and who leaves without one hears
 * none of it. */
static int send_all(struct conn *c)
{
	int err;

	if (c->tls && !tls_is_open(c->tls)) {
		if (c->state == CONN_FLUSHING)
			c->sent_bytes = c->unsent.len;
		return flush_tls(c);
	}
	err = send_queued(c);
	if (err || !c->tls || (c->state == CONN_OPEN && !c->is_shutting))
		return err;
	tls_end(c->tls);
	return flush_tls(c);
}

static void flush(struct conn *c)
{
	bool had_some = queued(c) > 0, is_ending = c->state == CONN_FLUSHING;
	int err = send_all(c);

	c->is_congested = err == WEIR_EAGAIN;
	if (err && !c->is_congested) {
		conn_finish(c, c->state == CONN_OPEN ? err : c->reason);
		return;
	}
	if (had_some && queued(c) == 0)
		all_sent(c);
	if (c->is_congested || queued(c) > 0)
		return;
	if (is_ending && c->state == CONN_FLUSHING)
		begin_linger(c);
	else if (c->is_shutting && c->state == CONN_OPEN)
		(void)shutdown(c->fd, SHUT_WR); /* a second time is nothing */
}

static bool can_flush(const struct conn *c)
{
	return c->state == CONN_OPEN || c->state == CONN_FLUSHING;
}

/* ---- events ---- */

/* The connection was reset. What came before that is still to be read: a peer
 * that ends by closing over unread bytes of ours did mean what it had sent. */
static void on_reset(struct conn *c)
{
	int err;

	while (is_reading(c) && read_more(c))
		;
	if (c->state >= CONN_CLOSED)
		return;
	err = net_socket_error(c->fd);
	conn_finish(c, c->state != CONN_OPEN ? c->reason
		       : err                 ? err
					     : WEIR_ECLOSED);
}

static void on_events(struct conn *c, unsigned events)
{
	conn_enter(c);
	if (events & LOOP_ERROR)
		on_reset(c);
	else if ((events & LOOP_READABLE) && is_reading(c))
		read_first(c);
	if ((events & LOOP_WRITABLE) && can_flush(c))
		flush(c);
	watch_again(c);
	conn_leave(c);
}

static void offer_again(struct conn *c)
{
	c->is_due = false;
	if (c->state == CONN_OPEN && !c->is_paused && c->unread.len > 0)
		deliver(c, (struct span){0});
}

static void on_task(struct conn *c)
{
	if (c->state == CONN_CLOSED) {
		report_close(c);
		return;
	}
	conn_enter(c);
	if (c->is_due)
		offer_again(c);
	if (can_flush(c))
		flush(c);
	watch_again(c);
	conn_leave(c);
}

/* ---- making ---- */

int conn_make(struct conn **out, struct loop *loop,
	      const struct conn_limits *limits, const struct conn_ops *ops,
	      void *ctx)
{
	struct conn *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return WEIR_ENOMEM;
	err = timer_new(&c->timer, loop, on_timer, c);
	if (err) {
		free(c);
		return err;
	}
	c->loop = loop;
	c->fd = -1;
	if (limits)
		c->limits = *limits;
	if (!c->limits.unread_bytes)
		c->limits.unread_bytes = UNREAD_BYTES;
	if (!c->limits.send_bytes)
		c->limits.send_bytes = SEND_BYTES;
	if (!c->limits.linger_ms)
		c->limits.linger_ms = LINGER_MS;
	c->ops = ops;
	c->ctx = ctx;
	c->stats.opened_ms = loop_now_ms(loop);
	c->stats.last_in_ms = c->stats.last_out_ms = c->stats.opened_ms;
	memcpy(c->peer_text, "?", 2);
	*out = c;
	return 0;
}

int conn_open(struct conn *c, int fd)
{
	int err = loop_add(&c->watch, c->loop, fd, 0, on_events, c);

	if (err) {
		close(fd);
		return err;
	}
	c->fd = fd;
	c->state = CONN_OPEN;
	if (net_peer_addr(&c->peer, fd) == 0)
		net_addr_text(c->peer_text, &c->peer);
	watch_again(c);
	return 0;
}

int conn_new(struct conn **out, struct loop *loop, int fd,
	     const struct conn_limits *limits, const struct conn_ops *ops,
	     void *ctx)
{
	struct conn *c;
	int err = conn_make(&c, loop, limits, ops, ctx);

	if (err) {
		close(fd);
		return err;
	}
	err = conn_open(c, fd);
	if (err) {
		destroy(c);
		return err;
	}
	*out = c;
	return 0;
}

/* ---- what the owner may do ---- */

static void on_ahead(struct conn *c, unsigned step)
{
	if (step == 0)
		FETCH(c);
	else if (c->ops->on_ahead && c->state == CONN_OPEN)
		c->ops->on_ahead(c->ctx, step - 1);
}

int conn_join(struct conn *c, struct batch *batch)
{
	struct loop_watch *w;
	int err;

	if (c->state != CONN_OPEN || c->batch == batch)
		return 0;
	err = batch_add(&w, batch, c->fd, wanted_events(c), on_events, on_ahead,
			c);
	if (err)
		return err;
	loop_remove(&c->watch);
	c->watch = w;
	c->batch = batch;
	return 0;
}

void conn_set_tls(struct conn *c, struct tls *tls)
{
	BUG_ON(c->tls || c->state != CONN_OPEN);
	c->tls = tls;
}

const char *conn_fault(const struct conn *c)
{
	return c->fault;
}

int conn_feed(struct conn *c, struct span unread)
{
	if (c->unread.len + unread.len > c->limits.unread_bytes)
		return WEIR_ELIMIT;
	if (buf_reserve(&c->unread, unread.len))
		return WEIR_ENOMEM;
	buf_put(&c->unread, unread);
	c->is_due = true;
	conn_schedule(c);
	return 0;
}

int conn_send(struct conn *c, struct span out)
{
	if ((c->state != CONN_OPEN && c->state != CONN_DIALING) ||
	    c->is_shutting)
		return WEIR_ECLOSED;
	if (out.len > c->limits.send_bytes - queued(c))
		return WEIR_ELIMIT;
	if (out.len == 0)
		return 0;
	if (buf_reserve(&c->unsent, out.len)) {
		conn_finish(c, WEIR_ENOMEM);
		return WEIR_ENOMEM;
	}
	buf_put(&c->unsent, out);
	if (!c->is_congested)
		conn_schedule(c);
	return 0;
}

void conn_pause(struct conn *c)
{
	c->is_paused = true;
	watch_again(c);
}

void conn_resume(struct conn *c)
{
	if (!c->is_paused)
		return;
	c->is_paused = false;
	c->is_due = true;
	conn_schedule(c);
	if (c->state == CONN_OPEN)
		watch_again(c);
}

struct span conn_unread(const struct conn *c)
{
	return c->offered.len ? c->offered : buf_span(&c->unread);
}

size_t conn_queued_bytes(const struct conn *c)
{
	return queued(c);
}

void conn_close(struct conn *c, int reason)
{
	if (c->state == CONN_DIALING) {
		conn_finish(c, reason);
		return;
	}
	if (c->state != CONN_OPEN)
		return;
	c->state = CONN_FLUSHING;
	c->reason = reason;
	c->close_by_ms = loop_now_ms(c->loop) +
			 (uint64_t)LINGER_TIMES * c->limits.linger_ms;
	linger_on(c);
	conn_schedule(c);
}

void conn_shut(struct conn *c)
{
	c->is_shutting = true;
	if (c->state == CONN_OPEN)
		conn_schedule(c);
}

void conn_read(struct conn *c)
{
	conn_enter(c);
	for (int i = 0; i < READS_MAX && is_reading(c) && read_more(c); i++)
		;
	watch_again(c);
	conn_leave(c);
}

void conn_abort(struct conn *c, int reason)
{
	conn_finish(c, reason);
}

int conn_detach(struct conn *c, int *fd, size_t consumed, struct buf *unread,
		struct buf *unsent)
{
	struct span in = span_from(conn_unread(c), consumed);
	struct span out = span_from(buf_span(&c->unsent), c->sent_bytes);
	struct tls *tls = c->tls;

	if (c->state != CONN_OPEN)
		return WEIR_ECLOSED;
	if (buf_reserve(unread, in.len) || buf_reserve(unsent, out.len))
		return WEIR_ENOMEM;
	buf_put(unread, in);
	buf_put(unsent, out);
	*fd = c->fd;
	loop_remove(&c->watch);
	c->fd = -1;
	c->state = CONN_OVER;
	pass_task_cancel(&c->task);
	c->tls = NULL;
	close_socket(c);
	c->tls = tls;
	return 0;
}

struct tls *conn_take_tls(struct conn *c)
{
	struct tls *tls = c->tls;

	BUG_ON(c->fd >= 0);
	c->tls = NULL;
	return tls;
}

void conn_stats(const struct conn *c, struct conn_stats *out)
{
	*out = c->stats;
}

const char *conn_peer_text(const struct conn *c)
{
	return c->peer_text;
}

const struct net_addr *conn_peer_addr(const struct conn *c)
{
	return &c->peer;
}

int conn_fd(const struct conn *c)
{
	return c->fd;
}

void conn_free(struct conn **p)
{
	struct conn *c = *p;

	if (!c)
		return;
	*p = NULL;
	if (c->depth == 0) {
		destroy(c);
		return;
	}
	/* One of our callbacks is running: leave the shell to it. */
	close_socket(c);
	pass_task_cancel(&c->task);
	c->state = CONN_OVER;
	c->is_freed = true;
}
