/* services/edge/viewer.c - one viewer: a socket and a place in a wire. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/io/net.h"
#include "common/io/tls.h"
#include "services/edge/fanout_inner.h"

#define SHARE_BYTES  (256 * 1024) /* of one viewer in one pass */
#define SPANS_MAX    64           /* that hold most shares */
#define INSERT_BYTES (64 * 1024)

static void on_events(struct viewer *v, unsigned events);

static struct wire *wire_of(const struct viewer *v)
{
	return v->branch->wire;
}

static struct fanout *fanout_of(const struct viewer *v)
{
	return v->branch->fo;
}

static size_t insert_left(const struct viewer *v)
{
	return v->insert.len - v->inserted;
}

/* ---- life ---- */

static struct branch *find_branch(struct fanout *fo,
				  const struct wire_format *format)
{
	list_each (it, &fo->branches) {
		struct branch *o = list_entry(it, struct branch, link);

		if (o->format == format && o->takes_viewers)
			return o;
	}
	return NULL;
}

static int begin(struct viewer *v, struct span greeting)
{
	struct span prefix;
	int err = wire_start(wire_of(v), &v->cursor, &prefix);

	if (err)
		return err;
	buf_put(&v->insert, greeting);
	buf_put(&v->insert, prefix);
	v->insert_max = v->insert.len + INSERT_BYTES;
	v->allow_ms = fanout_of(v)->limits.max_lag_ms +
		      wire_lag_ms(wire_of(v), &v->cursor, 0);
	return buf_error(&v->insert);
}

int viewer_new(struct viewer **out, struct fanout *fo,
	       const struct wire_format *format,
	       const struct viewer_start *start)
{
	struct branch *o = find_branch(fo, format);
	struct viewer *v;
	int err;

	if (!o || !o->wire)
		return WEIR_EAGAIN;
	v = calloc(1, sizeof(*v));
	if (!v)
		return WEIR_ENOMEM;
	v->branch = o;
	v->ops = start->ops;
	v->ctx = start->ctx;
	v->session = start->session;
	v->connected_us = start->connected_us;
	err = begin(v, start->greeting);
	if (!err)
		err = loop_add(&v->watch, fo->loop, start->fd, LOOP_READABLE,
			       on_events, v);
	if (err) {
		buf_fini(&v->insert);
		free(v);
		return err;
	}
	v->fd = start->fd;
	v->tls = start->tls;
	v->slot = (uint8_t)(o->next_slot++ % PACER_SLOTS);
	list_append(&o->due, &v->link);
	o->viewers++;
	o->tls_viewers += v->tls != NULL;
	fanout_schedule(fo);
	*out = v;
	return 0;
}

static void on_end_task(struct viewer *v)
{
	v->ops->on_end(v->ctx, v->why);
}

/* What is left of the unit in front of what waits for its end. Whoever calls
 * this needs the wire no more. */
static int finish_unit(struct viewer *v)
{
	struct buf rest = {0};
	int err = wire_take_rest(wire_of(v), &v->cursor, &rest);

	if (!err && rest.len) {
		v->insert_max = rest.len + INSERT_BYTES;
		buf_put(&rest, span_from(buf_span(&v->insert), v->inserted));
		err = buf_error(&rest);
	}
	if (err || !rest.len) {
		buf_fini(&rest);
		return err;
	}
	buf_fini(&v->insert);
	v->insert = rest;
	v->inserted = 0;
	return 0;
}

/* Frames that were missing in the wire while it watched. */
static void count_left_out(struct viewer *v)
{
	struct wire_stats stats;

	wire_get_stats(wire_of(v), &stats);
	v->session->skipped += stats.left_out - v->cursor.left_out;
}

void viewer_end(struct viewer *v, enum reason why)
{
	struct branch *o = v->branch;

	if (v->is_over)
		return;
	v->is_over = true;
	v->why = why;
	loop_change(v->watch, 0);
	list_remove(&v->link);
	o->viewers--;
	o->tls_viewers -= v->tls != NULL;
	count_left_out(v);
	/* Cut in the middle of a unit it is only fit to be closed. */
	if (finish_unit(v)) {
		v->why = REASON_no_resources;
		buf_fini(&v->insert);
		v->inserted = 0;
	}
	v->branch = NULL;
	loop_at_pass_end(o->fo->loop, &v->end_task, on_end_task, v);
}

int viewer_detach(struct viewer *v, int *fd, struct tls **tls,
		  struct buf *unsent)
{
	BUG_ON(!v->is_over || v->fd < 0);
	if (buf_reserve(unsent, insert_left(v)))
		return WEIR_ENOMEM;
	buf_put(unsent, span_from(buf_span(&v->insert), v->inserted));
	loop_remove(&v->watch);
	*fd = v->fd;
	*tls = v->tls;
	v->fd = -1;
	v->tls = NULL;
	return 0;
}

/* What the kernel still has for a peer that does not read would stay until it
 * does: throw it away. */
static void reset(int fd)
{
	const struct linger now = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

void viewer_free(struct viewer **pv)
{
	struct viewer *v = *pv;

	if (!v)
		return;
	if (!v->is_over)
		viewer_end(v, REASON_none);
	pass_task_cancel(&v->end_task);
	loop_remove(&v->watch);
	tls_free(&v->tls);
	if (v->fd >= 0)
		reset(v->fd);
	buf_fini(&v->insert);
	free(v);
	*pv = NULL;
}

/* ---- sending ---- */

static void make_due(struct viewer *v)
{
	list_remove(&v->link);
	list_append(&v->branch->due, &v->link);
	fanout_schedule(fanout_of(v));
}

void viewer_insert(struct viewer *v, struct span bytes)
{
	if (v->is_over)
		return;
	if (insert_left(v) + bytes.len > v->insert_max) {
		viewer_end(v, REASON_limit);
		return;
	}
	buf_put(&v->insert, bytes);
	if (buf_error(&v->insert))
		viewer_end(v, REASON_no_resources);
	else if (!v->is_blocked)
		make_due(v);
}

static void note_skip(struct viewer *v, uint64_t frames)
{
	struct fanout *fo = fanout_of(v);

	if (!frames)
		return; /* it stood right at the join */
	v->session->skipped += frames;
	fo->stats->lag.skips++;
	fo->stats->lag.frames += frames;
	fo->untold.skips++;
	fo->untold.frames += frames;
}

static int rejoin(struct viewer *v)
{
	struct span prefix;
	uint64_t skipped;
	int err = wire_rejoin(wire_of(v), &v->cursor, &skipped, &prefix);

	if (err)
		return err;
	note_skip(v, skipped);
	buf_put(&v->insert, prefix);
	v->allow_ms = fanout_of(v)->limits.max_lag_ms +
		      wire_lag_ms(wire_of(v), &v->cursor, 0);
	return buf_error(&v->insert);
}

/* What goes out next: nothing, or spans with at most `share` bytes. */
static size_t next_bytes(struct viewer *v, struct span out[SPANS_MAX],
			 size_t share)
{
	struct wire_cursor *c = &v->cursor;
	size_t count = 1;

	if (insert_left(v) && wire_at_unit_end(c))
		out[0] = span_from(buf_span(&v->insert), v->inserted);
	else if (insert_left(v))
		out[0] = span_first(wire_peek(wire_of(v), c),
				    c->unit_end - c->offset);
	else
		count = wire_peek_all(wire_of(v), c, out, SPANS_MAX, share);
	for (size_t i = 0; i < count; i++) {
		out[i] = span_first(out[i], share);
		share -= out[i].len;
	}
	return count && out[0].len ? count : 0;
}

static void note_first_frame(struct viewer *v)
{
	struct fanout *fo = fanout_of(v);

	if (v->connected_us)
		stat_histogram_add(&fo->stats->start, &edge_start_bounds,
				   loop_now_us(fo->loop) - v->connected_us);
	v->connected_us = 0;
}

static void note_sent(struct viewer *v, size_t bytes)
{
	v->session->wrote_bytes += bytes;
	fanout_of(v)->stats->sent_bytes += bytes;
	v->is_blocked = false;
	if (!insert_left(v) || !wire_at_unit_end(&v->cursor)) {
		wire_advance(wire_of(v), &v->cursor, bytes);
		note_first_frame(v);
		return;
	}
	v->inserted += bytes;
	if (insert_left(v))
		return;
	buf_fini(&v->insert);
	v->inserted = 0;
	v->insert_max = INSERT_BYTES;
}

static enum viewer_state fail(struct viewer *v, enum reason why)
{
	viewer_end(v, why);
	return VIEWER_IS_OVER;
}

static enum viewer_state block(struct viewer *v)
{
	if (!v->is_blocked)
		v->progress_ms = loop_now_ms(fanout_of(v)->loop);
	v->is_blocked = true;
	return VIEWER_IS_BLOCKED;
}

static enum viewer_state has_all(struct viewer *v, bool sent_some)
{
	struct wire_stats stats;

	v->is_blocked = false;
	if (v->cursor.must_join)
		return VIEWER_HAS_ALL;
	v->allow_ms = fanout_of(v)->limits.max_lag_ms;
	wire_get_stats(wire_of(v), &stats);
	if (sent_some)
		stat_age_add(&fanout_of(v)->stats->age, stats.newest_arrival_us,
			     loop_utc_us(fanout_of(v)->loop));
	return VIEWER_HAS_ALL;
}

/* Who has left its place takes another one, if there is one. */
static int find_place(struct viewer *v)
{
	int err = 0;

	if (!insert_left(v) && v->cursor.must_join)
		err = rejoin(v);
	return err == WEIR_EAGAIN ? 0 : err;
}

/* How many bytes were taken (0: try again), WEIR_EAGAIN or another error. */
static ssize_t send_spans(const struct viewer *v, const struct span *s,
			  size_t count)
{
	struct iovec iov[SPANS_MAX];
	const struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count};
	const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
	ssize_t n;

	fanout_of(v)->stats->sends++;
	if (v->tls)
		return tls_write(v->tls, s, count);
	for (size_t i = 0; i < count; i++)
		iov[i] = (struct iovec){(void *)s[i].data, s[i].len};
	n = count == 1 ? send(v->fd, s[0].data, s[0].len, flags)
		       : sendmsg(v->fd, &msg, flags);
	if (n >= 0 || errno == EINTR)
		return WEIR_MAX(n, 0);
	return errno == EAGAIN ? WEIR_EAGAIN : -errno;
}

static bool is_waiting(const struct viewer *v)
{
	return v->tls && tls_is_waiting(v->tls);
}

/* What was encrypted goes before all else. */
static int flush_tls(struct viewer *v)
{
	ssize_t n = is_waiting(v) ? tls_flush(v->tls) : 0;

	if (n > 0)
		v->is_blocked = false;
	return n < 0 && n != WEIR_EAGAIN ? (int)n : 0;
}

enum viewer_state viewer_send(struct viewer *v)
{
	size_t share = SHARE_BYTES, count;
	struct span s[SPANS_MAX];
	ssize_t n;

	if (flush_tls(v))
		return fail(v, REASON_peer_left);
	for (;;) {
		if (find_place(v))
			return fail(v, REASON_no_resources);
		if (is_waiting(v))
			return block(v);
		/* One byte says whether there is more than a share. */
		count = next_bytes(v, s, share ? share : 1);
		if (!count)
			return has_all(v, share < SHARE_BYTES);
		if (!share)
			return VIEWER_WANTS_MORE;
		n = send_spans(v, s, count);
		if (n == WEIR_EAGAIN)
			return block(v);
		if (n == WEIR_ENOMEM)
			return fail(v, REASON_no_resources);
		if (n < 0)
			return fail(v, REASON_peer_left);
		if (n > 0)
			note_sent(v, (size_t)n);
		share -= (size_t)n;
	}
}

/* ---- lag ---- */

bool viewer_catches_up(const struct viewer *v)
{
	return v->allow_ms > fanout_of(v)->limits.max_lag_ms;
}

bool viewer_lags(struct viewer *v)
{
	uint32_t max_lag_ms = fanout_of(v)->limits.max_lag_ms;
	uint64_t unsent_bytes = net_unsent_bytes(v->fd);
	uint32_t lag_ms;

	if (v->tls)
		unsent_bytes += tls_waiting_bytes(v->tls);
	lag_ms = wire_lag_ms(wire_of(v), &v->cursor, unsent_bytes);

	/* Who began far behind may catch up in peace, but not fall back. */
	if (v->allow_ms > max_lag_ms && v->allow_ms - max_lag_ms > lag_ms)
		v->allow_ms = max_lag_ms + lag_ms;
	return lag_ms > v->allow_ms;
}

void viewer_skip(struct viewer *v)
{
	if (finish_unit(v)) {
		viewer_end(v, REASON_no_resources);
		return;
	}
	wire_leave(&v->cursor);
	if (!v->is_blocked)
		make_due(v);
}

/* ---- the socket ---- */

void viewer_watch_room(struct viewer *v, bool is_wanted)
{
	loop_change(v->watch, LOOP_READABLE | (is_wanted ? LOOP_WRITABLE : 0));
}

static ssize_t read_socket(const struct viewer *v, uint8_t *out, size_t size)
{
	ssize_t n;

	if (v->tls)
		return tls_read(v->tls, out, size);
	n = recv(v->fd, out, size, MSG_DONTWAIT);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? WEIR_EAGAIN : -errno;
}

static void read_some(struct viewer *v)
{
	uint8_t *scratch = loop_scratch(fanout_of(v)->loop);
	ssize_t n = read_socket(v, scratch, LOOP_SCRATCH_BYTES);
	enum reason why;

	if (n <= 0) {
		if (n == WEIR_EPROTO)
			viewer_end(v, REASON_protocol_error);
		else if (n != WEIR_EAGAIN)
			viewer_end(v, REASON_peer_left);
		return;
	}
	v->session->read_bytes += (size_t)n;
	why = v->ops->on_data(v->ctx, span_of(scratch, (size_t)n));
	if (why)
		viewer_end(v, why);
}

static void on_events(struct viewer *v, unsigned events)
{
	if (v->is_over)
		return;
	if (events & LOOP_READABLE)
		read_some(v);
	if (!v->is_over && is_waiting(v) && !v->is_blocked)
		make_due(v); /* TLS has something to say */
	if (!v->is_over && events & LOOP_ERROR)
		viewer_end(v, REASON_peer_left);
	if (v->is_over || !(events & LOOP_WRITABLE))
		return;
	viewer_watch_room(v, false);
	make_due(v);
}
