/* common/media/log.c - a stream as an append-only log: append, retain, tell. */
#include "common/base/fetch.h"
#include "common/media/log_inner.h"

#include <stdlib.h>

#define PAST_RUNS_MAX 16 /* runs remembered after their last frame left */

int log_new(struct log **out, const struct log_limits *limits)
{
	struct log *log = calloc(1, sizeof(*log));

	if (!log)
		return WEIR_ENOMEM;
	log->limits = *limits;
	ring_init(&log->slots, sizeof(struct slot));
	ring_init(&log->joins, sizeof(struct join));
	ring_init(&log->states, sizeof(struct state));
	ring_init(&log->runs, sizeof(struct run));
	list_init(&log->watchers);
	*out = log;
	return 0;
}

void log_free(struct log **log)
{
	struct log *l = *log;

	*log = NULL;
	if (!l)
		return;
	BUG_ON(l->is_telling);
	list_each_safe (w, &l->watchers)
		list_remove(w);
	for (size_t i = 0; i < l->slots.count; i++)
		frame_unref(&((struct slot *)ring_at(&l->slots, i))->frame);
	for (size_t i = 0; i < l->states.count; i++)
		stateset_unref(&((struct state *)ring_at(&l->states, i))->set);
	ring_fini(&l->slots);
	ring_fini(&l->joins);
	ring_fini(&l->states);
	ring_fini(&l->runs);
	free(l);
}

uint64_t log_next(const struct log *log)
{
	return log->tail + log->slots.count;
}

uint64_t log_tail(const struct log *log)
{
	return log->tail;
}

static uint64_t frame_cost(const struct frame *f)
{
	return f->payload.len + LOG_FRAME_COST;
}

static bool is_over_limits(const struct log *log)
{
	const struct slot *oldest = ring_at(&log->slots, 0);
	int64_t kept_ns = log->time.now_ns - oldest->time_ns;

	return kept_ns > (int64_t)log->limits.retain_ms * NS_PER_MS ||
	       log->bytes > log->limits.retain_bytes;
}

/* Is the tail the newest JOIN, or what follows it? */
static bool is_tail_past_join(const struct log *log)
{
	return log->has_join && log->tail >= log->join_ordinal;
}

static bool must_evict(const struct log *log)
{
	if (log->slots.count <= 1 || !is_over_limits(log))
		return false;
	return !is_tail_past_join(log) ||
	       log->bytes > log->limits.gop_max_bytes;
}

static void evict_oldest(struct log *log)
{
	struct slot *s = ring_at(&log->slots, 0);
	struct join *j;

	log->evicted_past_join += is_tail_past_join(log);
	log->bytes -= frame_cost(s->frame);
	frame_unref(&s->frame);
	ring_drop(&log->slots, 1);
	log->tail++;
	j = log->joins.count ? ring_at(&log->joins, 0) : NULL;
	if (j && j->ordinal < log->tail)
		ring_drop(&log->joins, 1);
}

static void forget_states(struct log *log)
{
	while (log->states.count > 1) {
		struct state *old = ring_at(&log->states, 0);
		struct state *next = ring_at(&log->states, 1);

		if (next->begin > log->tail)
			return;
		stateset_unref(&old->set);
		ring_drop(&log->states, 1);
	}
}

static void forget_runs(struct log *log)
{
	while (log->runs.count > PAST_RUNS_MAX + 1) {
		struct run *r = ring_at(&log->runs, PAST_RUNS_MAX + 1);

		if (r->first_ordinal > log->tail)
			return;
		ring_drop(&log->runs, 1);
	}
}

static void retain(struct log *log)
{
	uint64_t tail = log->tail;

	while (must_evict(log))
		evict_oldest(log);
	if (log->tail == tail)
		return;
	forget_states(log);
	forget_runs(log);
}

static bool is_past_epoch(const struct log *log, const struct epoch *epoch)
{
	for (size_t i = 0; i < log->runs.count; i++) {
		const struct run *r = ring_at(&log->runs, i);

		if (epoch_eq(&r->epoch, epoch))
			return true;
	}
	return false;
}

/* May a frame of another epoch than the newest be appended? */
static int admit_epoch(const struct log *log, const struct frame *f,
		       bool may_skip)
{
	const struct epoch *epoch = &f->position.epoch;

	if (epoch->counter < log->newest.epoch.counter)
		return WEIR_ESTALE;
	if (is_past_epoch(log, epoch))
		return WEIR_ESTALE;
	if (may_skip)
		return 0;
	if (f->kind != FRAME_EPOCH || f->position.sequence)
		return WEIR_EPROTO;
	return 0;
}

/* May the frame be appended, and does it begin a run? */
static int admit(const struct log *log, const struct frame *f, bool may_skip,
		 bool *begins_run)
{
	const struct run *newest = &log->newest;
	const struct position *p = &f->position;
	uint64_t expected;

	if (!p->epoch.counter || p->sequence == UINT64_MAX)
		return WEIR_EPROTO;
	*begins_run = true;
	if (!epoch_eq(&newest->epoch, &p->epoch))
		return admit_epoch(log, f, may_skip);
	expected =
		newest->first_sequence + log_next(log) - newest->first_ordinal;
	if (p->sequence < expected)
		return WEIR_EDUP;
	*begins_run = p->sequence > expected;
	return *begins_run && !may_skip ? WEIR_EGAP : 0;
}

static struct stateset *newest_state(const struct log *log)
{
	const struct state *s = ring_last(&log->states);

	return s ? s->set : NULL;
}

/* Room in every ring that the frame may need. */
static int reserve(struct log *log)
{
	int err = ring_reserve(&log->slots);

	if (!err)
		err = ring_reserve(&log->joins);
	if (!err)
		err = ring_reserve(&log->states);
	if (!err)
		err = ring_reserve(&log->runs);
	return err;
}

static void begin_run(struct log *log, const struct position *p)
{
	if (!epoch_eq(&log->newest.epoch, &p->epoch))
		log_time_begin_epoch(&log->time);
	log->newest = (struct run){p->epoch, log_next(log), p->sequence};
	*(struct run *)ring_push(&log->runs) = log->newest;
}

/* Is the newest join an audio one, too near to the one before it to be kept
 * beside a still newer one? Then that takes its place: so the newest is always
 * there, and audio ones before it are at least the spacing apart. */
static bool is_newest_join_spare(const struct log *log)
{
	const struct join *last, *before;
	int64_t apart_ns;

	if (log->joins.count < 2)
		return false;
	last = ring_last(&log->joins);
	before = ring_at(&log->joins, log->joins.count - 2);
	if (!last->is_audio ||
	    __builtin_sub_overflow(last->dts_ns, before->dts_ns, &apart_ns))
		return false;
	return apart_ns >= 0 &&
	       apart_ns < (int64_t)log->limits.join_spacing_ms * NS_PER_MS;
}

static void push_join(struct log *log, const struct frame *f)
{
	struct join *j = is_newest_join_spare(log) ? ring_last(&log->joins)
						   : ring_push(&log->joins);

	*j = (struct join){log_next(log), f->dts_ns, f->kind == FRAME_AUDIO};
	log->join_ordinal = j->ordinal;
	log->has_join = true;
	log->has_video_join |= f->kind == FRAME_VIDEO;
}

/* `set` comes into force before ordinal `begin`; takes the reference. Room has
 * been reserved. */
static void push_state(struct log *log, uint64_t begin, struct stateset *set)
{
	struct state *s = ring_last(&log->states);

	if (s && s->begin == begin)
		stateset_unref(&s->set);
	else
		s = ring_push(&log->states);
	*s = (struct state){begin, set};
}

static void push_frame(struct log *log, struct frame *f)
{
	if (!frame_is_state(f) && f->flags & FRAME_JOIN)
		push_join(log, f);
	*(struct slot *)ring_push(&log->slots) = (struct slot){
		frame_ref(f),
		log_time_add(&log->time, f),
	};
	log->bytes += frame_cost(f);
}

/* Two marks in the list keep the place and the end of the walk, whatever the
 * callbacks remove or add. */
static void tell(struct log *log, uint64_t ordinal)
{
	struct list at, end;

	if (list_is_empty(&log->watchers))
		return;
	log->is_telling = true;
	list_prepend(&log->watchers, &at);
	list_append(&log->watchers, &end);
	while (at.next != &end) {
		struct list *l = at.next;
		struct log_watch *w = list_entry(l, struct log_watch, link);

		list_remove(&at);
		list_prepend(l, &at); /* just behind l */
		w->on_append(w->ctx, log, ordinal);
	}
	list_remove(&at);
	list_remove(&end);
	log->is_telling = false;
}

static int append(struct log *log, struct frame *f, bool may_skip)
{
	struct stateset *set = NULL;
	uint64_t ordinal = log_next(log);
	bool begins_run;
	int err;

	BUG_ON(log->is_telling);
	err = admit(log, f, may_skip, &begins_run);
	if (!err)
		err = reserve(log);
	if (!err && frame_is_state(f))
		err = stateset_with(&set, newest_state(log), f);
	if (err)
		return err;
	if (begins_run)
		begin_run(log, &f->position);
	push_frame(log, f);
	if (set)
		push_state(log, ordinal + 1, set);
	retain(log);
	tell(log, ordinal);
	return 0;
}

int log_append(struct log *log, struct frame *f)
{
	return append(log, f, false);
}

int log_append_gap(struct log *log, struct frame *f)
{
	return append(log, f, true);
}

int log_set_state(struct log *log, struct frame *f)
{
	struct stateset *set = NULL;
	int err;

	BUG_ON(log->is_telling);
	if (!frame_is_state(f))
		return WEIR_EINVAL;
	err = ring_reserve(&log->states);
	if (!err)
		err = stateset_with(&set, newest_state(log), f);
	if (!err)
		push_state(log, log_next(log), set);
	return err;
}

void log_watch_add(struct log *log, struct log_watch *w)
{
	list_append(&log->watchers, &w->link);
}

void log_watch_remove(struct log_watch *w)
{
	list_remove(&w->link);
}

/* ---- looking ahead ---- */

/* The ends of the queue: what comes goes to one, what is too old leaves at the
 * other. */
static void fetch_ends(const struct log *log)
{
	if (log->slots.count) {
		fetch(ring_at(&log->slots, 0));
		fetch(ring_last(&log->slots));
	}
	if (log->states.count)
		fetch(ring_last(&log->states));
	if (log->joins.count)
		fetch(ring_at(&log->joins, 0));
	if (!list_is_empty(&log->watchers))
		FETCH(list_entry(log->watchers.next, struct log_watch, link));
}

/* Nobody has looked at the oldest frame for seconds. */
static void fetch_oldest(const struct log *log)
{
	const struct slot *oldest;

	if (!log->slots.count || !log->tail)
		return;
	oldest = ring_at(&log->slots, 0);
	FETCH(oldest->frame);
}

static void watchers_ahead(const struct log *log, unsigned step)
{
	list_each (l, &log->watchers) {
		struct log_watch *w = list_entry(l, struct log_watch, link);

		if (w->on_ahead)
			w->on_ahead(w->ctx, step);
	}
}

void log_ahead(const struct log *log, unsigned step)
{
	if (step == 0)
		FETCH(log);
	else if (step == 1)
		fetch_ends(log);
	else if (step == 2)
		fetch_oldest(log);
	else
		watchers_ahead(log, step - 3);
}

void logs_ahead(struct log *const *logs, size_t count)
{
	for (unsigned step = 0; step < LOG_STEPS; step++)
		for (size_t i = 0; i < count; i++)
			if (logs[i])
				log_ahead(logs[i], step);
}
