/* services/edge/channel.c - one stream's viewers: wires, passes, time-outs. */
#include <stdlib.h>

#include "common/io/clock.h"
#include "services/edge/channel_inner.h"

#define PASS_US   20000 /* then others have their turn */
#define LOOK_EACH 32    /* viewers between two looks at the clock */
#define TELL_MS   1000

static void on_pass_end(struct channel *ch);

static struct outlet *outlet_at(struct list *it)
{
	return list_entry(it, struct outlet, link);
}

static struct viewer *viewer_at(struct list *it)
{
	return list_entry(it, struct viewer, link);
}

void channel_schedule(struct channel *ch)
{
	loop_at_pass_end(ch->loop, &ch->task, on_pass_end, ch);
}

/* All of `from` behind what is in `to`. */
static void move_all(struct list *to, struct list *from)
{
	if (list_is_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

/* ---- wires ---- */

/* Frames that no viewer of the wire got count for each of them. */
static void count_wire(struct outlet *o)
{
	struct edge_stats *stats = o->ch->stats;
	struct wire_stats w;
	uint64_t left_out;

	wire_get_stats(o->wire, &w);
	left_out = w.left_out - o->left_out;
	if (left_out && o->viewers) {
		stats->gap.skips += o->viewers;
		stats->gap.frames += left_out * o->viewers;
	}
	stats->written_bytes += w.written_bytes - o->written_bytes;
	o->left_out = w.left_out;
	o->written_bytes = w.written_bytes;
}

static void write_frame(struct outlet *o, uint64_t ordinal)
{
	struct channel *ch = o->ch;

	if (!o->wire && wire_new(&o->wire, o->format, &ch->limits.wire))
		return;
	if (wire_append(o->wire, ch->log, ordinal))
		wire_gap(o->wire, 1);
	count_wire(o);
}

static void on_append(void *ctx, struct log *log, uint64_t ordinal)
{
	struct channel *ch = ctx;

	(void)log;
	list_each (it, &ch->outlets) {
		struct outlet *o = outlet_at(it);

		write_frame(o, ordinal);
		move_all(&o->due, &o->idle);
	}
	channel_schedule(ch);
}

/* The place in the log where a new viewer would begin; its end: none yet. */
static uint64_t first_ordinal(const struct channel *ch)
{
	struct log_stats stats;
	struct log_join join;
	int err;

	log_stats(ch->log, &stats);
	if (stats.has_video_join)
		err = log_newest_join(ch->log, &join);
	else
		err = log_join_at_dts(ch->log, &join,
				      stats.last_dts_ns -
					      ch->limits.wire.audio_join_ms *
						      NS_PER_MS);
	if (err && !stats.has_video_join)
		err = log_join_from(ch->log, &join, log_tail(ch->log));
	if (err)
		return log_next(ch->log);
	return WEIR_MAX(join.ordinal, ch->first);
}

static void fill_wire(struct outlet *o)
{
	struct channel *ch = o->ch;
	uint64_t end = log_next(ch->log);

	for (uint64_t i = first_ordinal(ch); i < end; i++)
		write_frame(o, i);
}

static int outlet_new(struct outlet **out, struct channel *ch,
		      const struct wire_format *format)
{
	struct outlet *o = calloc(1, sizeof(*o));

	if (!o)
		return WEIR_ENOMEM;
	if (wire_new(&o->wire, format, &ch->limits.wire)) {
		free(o);
		return WEIR_ENOMEM;
	}
	o->ch = ch;
	o->format = format;
	o->takes_viewers = true;
	o->used_ms = loop_now_ms(ch->loop);
	list_init(&o->waiters);
	list_init(&o->due);
	list_init(&o->idle);
	list_init(&o->blocked);
	list_append(&ch->outlets, &o->link);
	ch->stats->wires++;
	fill_wire(o);
	*out = o;
	return 0;
}

static void outlet_free(struct outlet *o)
{
	BUG_ON(o->viewers);
	while (!list_is_empty(&o->waiters))
		list_remove(o->waiters.next);
	list_remove(&o->link);
	o->ch->stats->wires--;
	wire_free(&o->wire);
	free(o);
}

static void end_list(struct list *viewers, enum reason why)
{
	while (!list_is_empty(viewers))
		viewer_end(viewer_at(viewers->next), why);
}

static void end_viewers(struct outlet *o, enum reason why)
{
	end_list(&o->due, why);
	end_list(&o->idle, why);
	end_list(&o->blocked, why);
}

static size_t outlet_count(const struct channel *ch)
{
	size_t count = 0;

	list_each (it, &ch->outlets)
		count++;
	return count;
}

/* The outlet that takes new viewers of this format. */
static int find_outlet(struct outlet **out, struct channel *ch,
		       const struct wire_format *format)
{
	list_each (it, &ch->outlets) {
		struct outlet *o = outlet_at(it);

		if (o->format != format || !o->takes_viewers)
			continue;
		if (!o->wire || !wire_is_old(o->wire)) {
			*out = o;
			return 0;
		}
		o->takes_viewers = false; /* a new one begins near 0 */
	}
	if (outlet_count(ch) >= ch->limits.wires_max)
		return WEIR_ELIMIT;
	return outlet_new(out, ch, format);
}

/* ---- the end of a pass ---- */

static void tell_waiters(struct outlet *o)
{
	struct list waiters;

	if (!o->wire || !wire_is_ready(o->wire))
		return;
	list_init(&waiters);
	move_all(&waiters, &o->waiters);
	while (!list_is_empty(&waiters)) {
		struct waiter *w =
			list_entry(waiters.next, struct waiter, link);

		list_remove(&w->link);
		w->on_ready(w->ctx);
	}
}

static void settle(struct viewer *v, enum viewer_state state)
{
	struct outlet *o = v->outlet;

	if (state == VIEWER_IS_OVER)
		return;
	list_remove(&v->link);
	if (state == VIEWER_IS_BLOCKED)
		viewer_watch_room(v, true);
	list_append(state == VIEWER_IS_BLOCKED ? &o->blocked
		    : state == VIEWER_HAS_ALL  ? &o->idle
					       : &o->due,
		    &v->link);
}

/* Send to all that can take it, but not for too long. */
static void send_due(struct outlet *o, int64_t utc_us, uint64_t until_us)
{
	size_t looks = 0;

	while (!list_is_empty(&o->due)) {
		struct viewer *v = viewer_at(o->due.next);

		settle(v, viewer_send(v, utc_us));
		if (++looks % LOOK_EACH == 0 &&
		    loop_now_us(o->ch->loop) > until_us)
			return;
	}
}

/* Those in front of `spare` have to move, or hold it back while they are still
 * on their way from where they began. Returns what may go. */
static uint64_t move_from(struct list *viewers, uint64_t spare, uint64_t limit)
{
	list_each_safe (it, viewers) {
		struct viewer *v = viewer_at(it);
		uint64_t at = v->cursor.offset;

		if (v->cursor.must_join || at >= spare)
			continue;
		if (at >= limit && viewer_catches_up(v))
			spare = at;
		else
			viewer_skip(v);
	}
	return spare;
}

static void make_room(struct outlet *o)
{
	uint64_t limit = wire_limit_end(o->wire);
	uint64_t spare = WEIR_MAX(wire_spare_end(o->wire), limit);

	spare = move_from(&o->blocked, spare, limit);
	spare = move_from(&o->due, spare, limit);
	wire_trim(o->wire, spare);
}

static void serve(struct outlet *o, int64_t utc_us, uint64_t until_us)
{
	tell_waiters(o);
	if (!o->wire)
		return;
	send_due(o, utc_us, until_us);
	make_room(o);
}

static void on_pass_end(struct channel *ch)
{
	uint64_t until_us = loop_now_us(ch->loop) + PASS_US;
	int64_t utc_us = io_utc_us();
	bool has_more = false;

	list_each_safe (it, &ch->outlets) {
		struct outlet *o = outlet_at(it);

		serve(o, utc_us, until_us);
		has_more |= !list_is_empty(&o->due);
	}
	if (has_more)
		channel_schedule(ch);
}

/* ---- time ---- */

static void check_blocked(struct outlet *o, uint64_t now_ms)
{
	list_each_safe (it, &o->blocked) {
		struct viewer *v = viewer_at(it);

		if (now_ms - v->progress_ms >= o->ch->limits.slow_ms)
			viewer_end(v, REASON_slow_viewer);
		else if (!v->cursor.must_join && viewer_lags(v))
			viewer_skip(v);
	}
}

static bool is_unused(struct outlet *o, uint64_t now_ms)
{
	if (o->viewers || !list_is_empty(&o->waiters)) {
		o->used_ms = now_ms;
		return false;
	}
	return !o->takes_viewers ||
	       now_ms - o->used_ms >= o->ch->limits.keep_idle_ms;
}

static void tell_skips(struct channel *ch, uint64_t now_ms)
{
	struct edge_skip_stats s = ch->untold;

	if (!s.skips || now_ms - ch->told_ms < TELL_MS)
		return;
	ch->untold = (struct edge_skip_stats){0};
	ch->told_ms = now_ms;
	ch->events->on_skips(ch->ctx, s.skips, s.frames);
}

void channel_tick(struct channel *ch, uint64_t now_ms)
{
	list_each_safe (it, &ch->outlets) {
		struct outlet *o = outlet_at(it);

		check_blocked(o, now_ms);
		if (o->wire && wire_is_over(o->wire))
			end_viewers(o, REASON_retention);
		if (is_unused(o, now_ms))
			outlet_free(o);
	}
	tell_skips(ch, now_ms);
}

/* ---- life ---- */

int channel_new(struct channel **out, struct loop *loop, struct log *log,
		const struct channel_limits *limits, struct edge_stats *stats,
		const struct channel_events *events, void *ctx)
{
	struct channel *ch = calloc(1, sizeof(*ch));

	if (!ch)
		return WEIR_ENOMEM;
	ch->loop = loop;
	ch->log = log;
	ch->limits = *limits;
	ch->stats = stats;
	ch->events = events;
	ch->ctx = ctx;
	list_init(&ch->outlets);
	list_init(&ch->watch.link);
	ch->watch.on_append = on_append;
	ch->watch.ctx = ch;
	log_watch_add(log, &ch->watch);
	*out = ch;
	return 0;
}

void channel_free(struct channel **pch)
{
	struct channel *ch = *pch;

	if (!ch)
		return;
	log_watch_remove(&ch->watch);
	pass_task_cancel(&ch->task);
	list_each_safe (it, &ch->outlets)
		outlet_free(outlet_at(it));
	free(ch);
	*pch = NULL;
}

void channel_end(struct channel *ch, enum reason why)
{
	ch->first = log_next(ch->log);
	list_each_safe (it, &ch->outlets) {
		struct outlet *o = outlet_at(it);

		end_viewers(o, why);
		wire_free(&o->wire); /* made again when frames come */
		o->left_out = o->written_bytes = 0;
		if (!o->takes_viewers)
			outlet_free(o);
	}
}

void channel_gap(struct channel *ch, uint64_t frames)
{
	list_each (it, &ch->outlets) {
		struct outlet *o = outlet_at(it);

		if (!o->wire)
			continue;
		wire_gap(o->wire, frames);
		count_wire(o);
	}
}

int channel_wait(struct channel *ch, const struct wire_format *format,
		 struct waiter *w)
{
	struct outlet *o;
	int err = find_outlet(&o, ch, format);

	if (err)
		return err;
	list_append(&o->waiters, &w->link);
	channel_schedule(ch);
	return 0;
}

uint64_t channel_wire_bytes(const struct channel *ch)
{
	uint64_t bytes = 0;
	struct wire_stats w;

	list_each (it, &ch->outlets) {
		if (!outlet_at(it)->wire)
			continue;
		wire_get_stats(outlet_at(it)->wire, &w);
		bytes += w.kept_bytes;
	}
	return bytes;
}

size_t channel_viewers(const struct channel *ch)
{
	size_t count = 0;

	list_each (it, &ch->outlets)
		count += outlet_at(it)->viewers;
	return count;
}
