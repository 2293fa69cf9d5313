/* services/edge/fanout.c - one stream's viewers: wires, passes, time-outs. */
#include <stddef.h>
#include <stdlib.h>

#include "common/base/fetch.h"
#include "services/edge/fanout_inner.h"

#define PASS_US   20000 /* then others have their turn */
#define LOOK_EACH 32    /* viewers between two looks at the clock */
#define TELL_MS   1000
#define ROOM_EACH 4 /* frames between two looks for what is spare */
#define SHARE_MAX 4 /* viewers of a wire that refers to payloads */

/* What a send touches of it. */
#define FETCH_VIEWER(v) fetch_bytes((v), offsetof(struct viewer, insert_max))

static void on_pass_end(struct fanout *fo);

static struct branch *branch_at(struct list *it)
{
	return list_entry(it, struct branch, link);
}

static struct viewer *viewer_at(struct list *it)
{
	return list_entry(it, struct viewer, link);
}

void fanout_schedule(struct fanout *fo)
{
	loop_at_pass_end(fo->loop, &fo->task, on_pass_end, fo);
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
static void count_wire(struct branch *o)
{
	struct edge_stats *stats = o->fo->stats;
	struct wire_stats w;
	uint64_t left_out;

	wire_get_stats(o->wire, &w);
	left_out = w.left_out - o->left_out;
	if (left_out && o->viewers) {
		stats->gap.skips += o->viewers;
		stats->gap.frames += left_out * o->viewers;
	}
	stats->written_bytes += w.written_bytes - o->written_bytes;
	stats->unsupported.frames += (w.refused - o->refused) * o->viewers;
	o->left_out = w.left_out;
	o->refused = w.refused;
	o->written_bytes = w.written_bytes;
}

static void write_frame(struct branch *o, uint64_t ordinal)
{
	struct fanout *fo = o->fo;

	if (!o->wire && wire_new(&o->wire, o->format, &fo->limits.wire))
		return;
	/* By TLS each span would be a record of its own. */
	wire_set_sharing(o->wire, o->viewers <= SHARE_MAX && !o->tls_viewers);
	if (wire_append(o->wire, fo->log, ordinal))
		wire_gap(o->wire, 1);
	count_wire(o);
}

/* Viewers of these slots can be sent to. */
static void wake(struct branch *o, unsigned slots)
{
	for (unsigned left = slots & o->idle_slots; left; left &= left - 1)
		move_all(&o->due, &o->idle[__builtin_ctz(left)]);
	o->idle_slots &= ~slots;
}

/* It has all: it stands at the end of the wire, unless it has left its place. */
static void rest(struct viewer *v)
{
	struct branch *o = v->branch;

	const uint64_t at = v->cursor.must_join ? UINT64_MAX : v->cursor.offset;

	if (!(o->idle_slots >> v->slot & 1))
		o->idle_from[v->slot] = UINT64_MAX;
	o->idle_slots |= 1u << v->slot;
	o->idle_from[v->slot] = WEIR_MIN(o->idle_from[v->slot], at);
	list_append(&o->idle[v->slot], &v->link);
}

static void on_turn(void *ctx, unsigned slots)
{
	struct fanout *fo = ctx;

	list_each (it, &fo->branches)
		wake(branch_at(it), slots);
	fanout_schedule(fo);
}

static bool has_waiters(const struct fanout *fo)
{
	list_each (it, &fo->branches)
		if (!list_is_empty(&branch_at(it)->waiters))
			return true;
	return false;
}

static void on_append(void *ctx, struct log *log, uint64_t ordinal)
{
	struct fanout *fo = ctx;

	(void)log;
	list_each (it, &fo->branches)
		write_frame(branch_at(it), ordinal);
	if (!pace_has_delay(fo->pace)) {
		on_turn(fo, PACER_ALL);
		return;
	}
	pace_join(fo->pace, &fo->member);
	if (has_waiters(fo))
		fanout_schedule(fo);
}

/* What an append and the sends behind it will touch. */
static void on_ahead(void *ctx, unsigned step)
{
	const struct fanout *fo = ctx;
	struct branch *o;
	struct viewer *v;

	if (!step) {
		FETCH(fo);
		return;
	}
	if (list_is_empty(&fo->branches))
		return;
	o = branch_at(fo->branches.next);
	if (step == 1) {
		FETCH(o);
		return;
	}
	if (o->wire)
		wire_ahead(o->wire, step - 2);
	if (!o->idle_slots)
		return;
	v = viewer_at(o->idle[__builtin_ctz(o->idle_slots)].next);
	if (step == 2)
		FETCH_VIEWER(v);
	else if (&v->link != &o->idle[__builtin_ctz(o->idle_slots)])
		fetch(&v->session->wrote_bytes);
}

/* The place in the log where a new viewer would begin; its end: none yet. */
static uint64_t first_ordinal(const struct fanout *fo)
{
	struct log_stats stats;
	struct log_join join;
	int err;

	log_stats(fo->log, &stats);
	if (stats.has_video_join)
		err = log_newest_join(fo->log, &join);
	else
		err = log_join_at_dts(fo->log, &join,
				      stats.last_dts_ns -
					      fo->limits.wire.audio_join_ms *
						      NS_PER_MS);
	if (err && !stats.has_video_join)
		err = log_join_from(fo->log, &join, log_tail(fo->log));
	if (err)
		return log_next(fo->log);
	return WEIR_MAX(join.ordinal, fo->first);
}

static void fill_wire(struct branch *o)
{
	struct fanout *fo = o->fo;
	uint64_t end = log_next(fo->log);

	for (uint64_t i = first_ordinal(fo); i < end; i++)
		write_frame(o, i);
}

static int branch_new(struct branch **out, struct fanout *fo,
		      const struct wire_format *format)
{
	struct branch *o = calloc(1, sizeof(*o));

	if (!o)
		return WEIR_ENOMEM;
	if (wire_new(&o->wire, format, &fo->limits.wire)) {
		free(o);
		return WEIR_ENOMEM;
	}
	o->fo = fo;
	o->format = format;
	o->takes_viewers = true;
	o->used_ms = loop_now_ms(fo->loop);
	list_init(&o->waiters);
	list_init(&o->due);
	list_init(&o->blocked);
	for (unsigned i = 0; i < PACER_SLOTS; i++)
		list_init(&o->idle[i]);
	list_append(&fo->branches, &o->link);
	fo->stats->wires++;
	fill_wire(o);
	*out = o;
	return 0;
}

static void branch_free(struct branch *o)
{
	BUG_ON(o->viewers);
	while (!list_is_empty(&o->waiters))
		list_remove(o->waiters.next);
	list_remove(&o->link);
	o->fo->stats->wires--;
	wire_free(&o->wire);
	free(o);
}

static void end_list(struct list *viewers, enum reason why)
{
	while (!list_is_empty(viewers))
		viewer_end(viewer_at(viewers->next), why);
}

static void end_viewers(struct branch *o, enum reason why)
{
	wake(o, PACER_ALL);
	end_list(&o->due, why);
	end_list(&o->blocked, why);
}

static size_t branch_count(const struct fanout *fo)
{
	size_t count = 0;

	list_each (it, &fo->branches)
		count++;
	return count;
}

/* The branch that takes new viewers of this format. */
static int find_branch(struct branch **out, struct fanout *fo,
		       const struct wire_format *format)
{
	struct branch *old = NULL;
	int err;

	list_each (it, &fo->branches) {
		struct branch *o = branch_at(it);

		if (o->format == format && o->takes_viewers)
			old = o;
	}
	if (old && (!old->wire || !wire_is_old(old->wire))) {
		*out = old;
		return 0;
	}
	if (branch_count(fo) >= fo->limits.wires_max)
		return WEIR_ELIMIT;
	err = branch_new(out, fo, format);
	if (err || !old)
		return err;
	old->takes_viewers = false; /* the new one's time begins near 0 */
	move_all(&(*out)->waiters, &old->waiters);
	return 0;
}

/* ---- the end of a pass ---- */

static void tell_waiters(struct branch *o)
{
	const char *refusal = o->wire ? wire_refusal(o->wire) : NULL;
	struct list waiters;

	if (!o->wire || (!refusal && !wire_is_ready(o->wire)))
		return;
	list_init(&waiters);
	move_all(&waiters, &o->waiters);
	while (!list_is_empty(&waiters)) {
		struct waiter *w =
			list_entry(waiters.next, struct waiter, link);

		list_remove(&w->link);
		if (refusal)
			w->on_refused(w->ctx, refusal);
		else
			w->on_ready(w->ctx);
	}
}

static void settle(struct viewer *v, enum viewer_state state)
{
	struct branch *o = v->branch;

	if (state == VIEWER_IS_OVER)
		return;
	list_remove(&v->link);
	if (state == VIEWER_IS_BLOCKED)
		viewer_watch_room(v, true);
	if (state == VIEWER_HAS_ALL)
		rest(v);
	else
		list_append(state == VIEWER_IS_BLOCKED ? &o->blocked : &o->due,
			    &v->link);
}

/* Have the next two come nearer while the kernel works for this one. */
static void look_ahead(const struct branch *o, const struct viewer *v)
{
	struct list *next = v->link.next;

	if (next == &o->due || next->next == &o->due)
		return;
	fetch(&viewer_at(next)->session->wrote_bytes);
	FETCH_VIEWER(viewer_at(next->next));
}

/* Send to all that can take it, but not for too long. Returns to how many. */
static size_t send_due(struct branch *o, uint64_t until_us)
{
	size_t looks = 0;

	while (!list_is_empty(&o->due)) {
		struct viewer *v = viewer_at(o->due.next);

		look_ahead(o, v);
		settle(v, viewer_send(v));
		if (++looks % LOOK_EACH == 0 &&
		    loop_now_us(o->fo->loop) > until_us)
			break;
	}
	return looks;
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

/* After a long absence even those who wait for their turn may lag so far. */
static void wake_behind(struct branch *o, uint64_t spare)
{
	for (unsigned left = o->idle_slots; left; left &= left - 1) {
		const unsigned i = (unsigned)__builtin_ctz(left);

		if (o->idle_from[i] < spare)
			wake(o, 1u << i);
	}
}

/* What is spare stands where nothing else has been looked at for seconds: it is
 * touched when there is another block or group of pictures, and now and then. */
static bool wants_room(struct branch *o)
{
	struct wire_stats w;

	wire_get_stats(o->wire, &w);
	if (w.kept_bytes == o->roomy_bytes && w.groups == o->roomy_groups &&
	    w.frames - o->roomy_frames < ROOM_EACH)
		return false;
	o->roomy_bytes = w.kept_bytes;
	o->roomy_groups = w.groups;
	o->roomy_frames = w.frames;
	return true;
}

static void make_room(struct branch *o)
{
	uint64_t limit, spare;

	if (!wants_room(o))
		return;
	limit = wire_limit_end(o->wire);
	spare = WEIR_MAX(wire_spare_end(o->wire), limit);
	wake_behind(o, spare);
	spare = move_from(&o->blocked, spare, limit);
	spare = move_from(&o->due, spare, limit);
	wire_trim(o->wire, spare);
}

static size_t serve(struct branch *o, uint64_t until_us)
{
	size_t served;

	tell_waiters(o);
	if (!o->wire)
		return 0;
	served = send_due(o, until_us);
	make_room(o);
	return served;
}

static void on_pass_end(struct fanout *fo)
{
	uint64_t now_us = loop_now_us(fo->loop);
	const uint64_t until_us = now_us + PASS_US;
	size_t served = 0;
	bool has_more = false;

	list_each_safe (it, &fo->branches) {
		struct branch *o = branch_at(it);

		served += serve(o, until_us);
		has_more |= !list_is_empty(&o->due);
	}
	/* Of hundreds of streams with a few viewers each none takes long. */
	if (served >= LOOK_EACH)
		now_us = loop_now_us(fo->loop);
	pace_note(fo->pace, now_us, now_us > until_us);
	if (has_more)
		fanout_schedule(fo);
}

/* ---- time ---- */

static void check_blocked(struct branch *o, uint64_t now_ms)
{
	list_each_safe (it, &o->blocked) {
		struct viewer *v = viewer_at(it);

		if (now_ms - v->progress_ms >= o->fo->limits.slow_ms)
			viewer_end(v, REASON_slow_viewer);
		else if (!v->cursor.must_join && viewer_lags(v))
			viewer_skip(v);
	}
}

static bool is_unused(struct branch *o, uint64_t now_ms)
{
	if (o->viewers || !list_is_empty(&o->waiters)) {
		o->used_ms = now_ms;
		return false;
	}
	return !o->takes_viewers ||
	       now_ms - o->used_ms >= o->fo->limits.keep_idle_ms;
}

static void tell_skips(struct fanout *fo, uint64_t now_ms)
{
	struct edge_skip_stats s = fo->untold;

	if (!s.skips || now_ms - fo->told_ms < TELL_MS)
		return;
	fo->untold = (struct edge_skip_stats){0};
	fo->told_ms = now_ms;
	fo->events->on_skips(fo->ctx, s.skips, s.frames);
}

void fanout_tick(struct fanout *fo, uint64_t now_ms)
{
	list_each_safe (it, &fo->branches) {
		struct branch *o = branch_at(it);

		check_blocked(o, now_ms);
		if (o->wire && wire_is_over(o->wire))
			end_viewers(o, REASON_retention);
		if (is_unused(o, now_ms))
			branch_free(o);
	}
	tell_skips(fo, now_ms);
}

/* ---- life ---- */

int fanout_new(struct fanout **out, struct pace *pace, struct log *log,
	       const struct fanout_limits *limits, struct edge_stats *stats,
	       const struct fanout_events *events, void *ctx)
{
	struct fanout *fo = calloc(1, sizeof(*fo));

	if (!fo)
		return WEIR_ENOMEM;
	fo->loop = pace->loop;
	fo->pace = pace;
	list_init(&fo->member.link);
	fo->member.on_turn = on_turn;
	fo->member.ctx = fo;
	fo->log = log;
	fo->limits = *limits;
	fo->stats = stats;
	fo->events = events;
	fo->ctx = ctx;
	list_init(&fo->branches);
	list_init(&fo->watch.link);
	fo->watch.on_append = on_append;
	fo->watch.on_ahead = on_ahead;
	fo->watch.ctx = fo;
	log_watch_add(log, &fo->watch);
	*out = fo;
	return 0;
}

void fanout_free(struct fanout **pch)
{
	struct fanout *fo = *pch;

	if (!fo)
		return;
	log_watch_remove(&fo->watch);
	pass_task_cancel(&fo->task);
	pace_leave(&fo->member);
	list_each_safe (it, &fo->branches)
		branch_free(branch_at(it));
	free(fo);
	*pch = NULL;
}

void fanout_set_log(struct fanout *fo, struct log *log)
{
	log_watch_remove(&fo->watch); /* of the old one: fine when it is gone */
	fo->log = log;
	log_watch_add(log, &fo->watch);
}

void fanout_end(struct fanout *fo, enum reason why)
{
	fo->first = log_next(fo->log);
	list_each_safe (it, &fo->branches) {
		struct branch *o = branch_at(it);

		end_viewers(o, why);
		wire_free(&o->wire); /* made again when frames come */
		o->left_out = o->written_bytes = o->refused = 0;
		o->roomy_frames = o->roomy_bytes = o->roomy_groups = 0;
		memset(o->idle_from, 0, sizeof(o->idle_from));
		if (!o->takes_viewers)
			branch_free(o);
	}
}

void fanout_gap(struct fanout *fo, uint64_t frames)
{
	list_each (it, &fo->branches) {
		struct branch *o = branch_at(it);

		if (!o->wire)
			continue;
		wire_gap(o->wire, frames);
		count_wire(o);
	}
}

int fanout_wait(struct fanout *fo, const struct wire_format *format,
		struct waiter *w)
{
	struct branch *o;
	int err = find_branch(&o, fo, format);

	if (err)
		return err;
	list_append(&o->waiters, &w->link);
	fanout_schedule(fo);
	return 0;
}

uint64_t fanout_wire_bytes(const struct fanout *fo)
{
	uint64_t bytes = 0;
	struct wire_stats w;

	list_each (it, &fo->branches) {
		if (!branch_at(it)->wire)
			continue;
		wire_get_stats(branch_at(it)->wire, &w);
		bytes += w.kept_bytes + w.shared_bytes;
	}
	return bytes;
}

size_t fanout_viewers(const struct fanout *fo)
{
	size_t count = 0;

	list_each (it, &fo->branches)
		count += branch_at(it)->viewers;
	return count;
}
