/* common/bus/feed.c - a cursor in a log, and what the receiver lacks. */
#include "common/bus/feed.h"

/* A stream without video is joined so far behind its end. */
#define AUDIO_JOIN_MS 1000

void feed_init(struct feed *f, struct log *log, uint32_t sid)
{
	*f = (struct feed){.log = log, .sid = sid};
	list_init(&f->link);
	list_init(&f->all);
}

static void set_pending(struct feed *f, const struct stateset *set)
{
	struct stateset *old = (struct stateset *)f->pending_state;

	f->pending_state = stateset_ref((struct stateset *)set);
	f->state_next = 0;
	stateset_unref(&old);
}

void feed_fini(struct feed *f)
{
	set_pending(f, NULL);
	list_remove(&f->link);
	list_remove(&f->all);
	f->has_started = false;
}

/* Common to all starts: forget what was under way. */
static void start(struct feed *f, uint64_t next, uint16_t resume_flags)
{
	set_pending(f, NULL);
	f->next = next;
	f->join = UINT64_MAX;
	f->resume_flags = resume_flags;
	f->skip = (struct feed_skip){0};
	f->has_started = true;
	f->has_caught_up = f->has_last = f->must_join = false;
	f->is_state_only = f->owes_resume = f->owes_skip = f->owes_end = false;
	f->wants_all = false;
}

/* The ordinal of the EPOCH frame in force before `end`, and what it says. */
static int epoch_before(const struct log *log, uint64_t end, uint64_t *out,
			struct epoch_state *says)
{
	const struct stateset *set = log_state_before(log, end);
	const struct frame *epoch = stateset_get(set, FRAME_EPOCH, 0), *there;
	uint64_t ordinal;
	int err;

	if (!epoch || epoch_state_read(says, epoch->payload))
		return WEIR_ENOENT;
	err = log_find_after(log, &ordinal, &epoch->position);
	if (err)
		return err;
	there = ordinal ? log_at(log, ordinal - 1) : NULL;
	if (!there || there->position.sequence ||
	    !epoch_eq(&there->position.epoch, &epoch->position.epoch))
		return WEIR_EGONE; /* it was told, but stands not here */
	*out = ordinal - 1;
	return 0;
}

/* Is there an epoch that goes on right behind `after`, of whose own epoch the
 * log has nothing? */
static int find_follower(const struct log *log, uint64_t *out,
			 const struct position *after)
{
	uint64_t at = log_next(log);
	struct epoch_state says;

	for (;;) {
		int err = epoch_before(log, at, &at, &says);

		if (err)
			return err;
		if (!epoch_eq(&says.previous, &after->epoch))
			continue;
		if (says.last_sequence > after->sequence)
			return WEIR_EGONE;
		*out = at;
		return 0;
	}
}

static int find_unknown(const struct log *log, uint64_t *out,
			const struct position *after)
{
	struct position newest;

	if (!log_last_position(log, &newest))
		return WEIR_EAGAIN;
	if (epoch_eq(&newest.epoch, &after->epoch))
		return newest.sequence < after->sequence ? WEIR_EAGAIN
							 : WEIR_EGONE;
	if (after->epoch.counter > newest.epoch.counter)
		return WEIR_EAGAIN;
	return find_follower(log, out, after);
}

int feed_start_after(struct feed *f, const struct position *after)
{
	uint64_t next;
	int err = log_find_after(f->log, &next, after);

	if (err == WEIR_ENOENT)
		err = find_unknown(f->log, &next, after);
	if (err)
		return err;
	start(f, next, RESUME_GOES_ON);
	f->has_last = true;
	f->last = *after;
	return 0;
}

/* Where a new receiver begins: the newest join; without video a little before
 * it. */
static int best_join(const struct log *log, struct log_join *out)
{
	struct log_stats stats;

	log_stats(log, &stats);
	if (!stats.has_video_join &&
	    !log_join_at_dts(log, out,
			     stats.last_dts_ns - AUDIO_JOIN_MS * NS_PER_MS))
		return 0;
	return log_newest_join(log, out);
}

void feed_start_join(struct feed *f)
{
	struct log_join join;

	start(f, log_tail(f->log), RESUME_AT_JOIN);
	if (best_join(f->log, &join)) {
		f->must_join = true;
		return;
	}
	f->next = join.ordinal;
	set_pending(f, join.state);
}

void feed_start_next_join(struct feed *f)
{
	start(f, log_next(f->log), RESUME_AT_JOIN);
	f->must_join = true;
}

void feed_start_at(struct feed *f, uint64_t ordinal)
{
	start(f, ordinal, 0);
	set_pending(f, log_state_before(f->log, ordinal));
}

void feed_start_oldest(struct feed *f)
{
	feed_start_at(f, log_tail(f->log));
	f->wants_all = true;
}

void feed_start_state_only(struct feed *f)
{
	feed_start_at(f, log_next(f->log));
	f->is_state_only = true;
}

void feed_owe_resume(struct feed *f, const struct feed_resume *resume)
{
	f->resume = *resume;
	f->owes_resume = true;
}

void feed_owe_end(struct feed *f, enum reason why, uint32_t ms)
{
	f->end_why = why;
	f->end_ms = ms;
	f->owes_end = true;
}

/* Has the receiver got this state frame? It has all state up to `last`. */
static bool has_state(const struct feed *f, const struct frame *state)
{
	return f->has_last &&
	       epoch_eq(&state->position.epoch, &f->last.epoch) &&
	       state->position.sequence <= f->last.sequence;
}

static bool give_state(struct feed *f, struct feed_item *out)
{
	const struct stateset *set = f->pending_state;

	if (!set)
		return false;
	while (f->state_next < set->count) {
		struct frame *state = set->frame[f->state_next++];

		if (has_state(f, state))
			continue;
		out->kind = FEED_STATE;
		out->frame = state;
		return true;
	}
	set_pending(f, NULL); /* nobody needs to look there any more */
	return false;
}

/* A record of this feed in *out: the caller fills in what its type says. */
static struct record *give_record(const struct feed *f, struct feed_item *out,
				  uint16_t type)
{
	out->kind = FEED_RECORD;
	out->record = (struct record){
		.type = type,
		.sid = f->sid,
		.term_number = f->term_number,
	};
	return &out->record;
}

static void give_resume(struct feed *f, struct feed_item *out)
{
	struct record *r = give_record(f, out, RECORD_RESUME);
	const struct feed_resume *resume = &f->resume;
	struct log_stats stats;

	log_stats(f->log, &stats);
	r->flags = resume->flags | f->resume_flags;
	r->term = resume->term;
	r->end_dts_ns = stats.end_dts_ns;
	r->incarnation = resume->incarnation;
	r->segment = resume->segment;
	r->discontinuity = resume->discontinuity;
	r->target_ms = resume->target_ms;
	if (!log_last_position(f->log, &r->position))
		r->position = (struct position){0};
	f->owes_resume = false;
}

static void give_skip(struct feed *f, struct feed_item *out)
{
	struct record *r = give_record(f, out, RECORD_SKIP);

	r->reason = (uint16_t)f->skip.why;
	r->count = f->skip.count;
	r->position = f->skip.position;
	f->owes_skip = false;
}

/* May `next` be sent behind what was sent last, without leaving out anything
 * that is known of? */
static bool goes_on(const struct feed *f, const struct frame *next)
{
	const struct position *p = &next->position;
	struct epoch_state says;

	if (!f->has_last || f->next == f->join)
		return true;
	if (epoch_eq(&p->epoch, &f->last.epoch))
		return p->sequence == f->last.sequence + 1;
	if (next->kind != FRAME_EPOCH || p->sequence ||
	    epoch_state_read(&says, next->payload))
		return false;
	if (!says.previous.counter)
		return true;
	return epoch_eq(&says.previous, &f->last.epoch) &&
	       says.last_sequence <= f->last.sequence;
}

/* How many frames of the receiver's epoch lie between it and `next`, beyond
 * those that have an ordinal here. */
static uint64_t hole_before(const struct feed *f, const struct frame *next)
{
	if (!f->has_last || !epoch_eq(&next->position.epoch, &f->last.epoch) ||
	    next->position.sequence <= f->last.sequence)
		return 0;
	return next->position.sequence - f->last.sequence - 1;
}

static void begin_skip(struct feed *f, enum reason why, uint64_t hole)
{
	if (f->must_join)
		return; /* it is under way, and goes on counting */
	f->must_join = true;
	f->skip = (struct feed_skip){.why = why, .count = hole};
}

static void leave_out(struct feed *f, uint64_t until)
{
	f->skip.count += until - f->next;
	f->next = until;
}

/* Position of the last frame in front of a join that was reached by a skip. */
static struct position before_join(const struct frame *join)
{
	struct position p = join->position;

	if (p.sequence)
		p.sequence--;
	return p;
}

/* Go on to a join, or wait at the end for one. */
static bool seek_join(struct feed *f)
{
	struct log_join join;
	bool is_skip = f->has_last;

	if (log_join_from(f->log, &join, f->next)) {
		leave_out(f, log_next(f->log));
		return false;
	}
	leave_out(f, join.ordinal);
	set_pending(f, join.state);
	f->must_join = f->has_caught_up = false;
	if (!is_skip)
		return true;
	f->join = join.ordinal;
	f->skip.position = before_join(log_at(f->log, join.ordinal));
	f->skipped += f->skip.count;
	f->owes_skip = true;
	return true;
}

static bool has_lag(const struct feed *f)
{
	return f->max_lag_ms && !f->is_exact && f->has_caught_up &&
	       feed_lag_ms(f) > f->max_lag_ms;
}

/* The receiver lags: to the newest join ahead, else drop until one comes. */
static void skip_lag(struct feed *f)
{
	struct log_join join;

	if (log_newest_join(f->log, &join)) {
		begin_skip(f, REASON_lag, 0);
		return;
	}
	if (join.ordinal == f->next) {
		f->has_caught_up = false; /* it is as near as can be */
		return;
	}
	begin_skip(f, REASON_lag, 0);
	leave_out(f, join.ordinal > f->next ? join.ordinal : log_next(f->log));
}

/* Nothing was sent yet, so nothing is missing: a log that is full loses its
 * oldest frames with each new one, before the first turn of a feed, too. */
static void begin_at_tail(struct feed *f)
{
	f->next = log_tail(f->log);
	set_pending(f, log_state_before(f->log, f->next));
}

/* What it would send next has left the log. */
static void skip_retention(struct feed *f)
{
	struct log_join join;
	uint64_t next = log_next(f->log);

	if (f->wants_all && !f->has_last) {
		begin_at_tail(f);
		return;
	}
	if (f->is_exact) {
		feed_owe_end(f, REASON_retention, 0);
		f->next = next;
		return;
	}
	begin_skip(f, REASON_retention, 0);
	if (f->wants_all)
		next = 0;
	else if (!log_newest_join(f->log, &join))
		next = join.ordinal;
	leave_out(f, WEIR_MAX(next, log_tail(f->log)));
}

/* Bring the cursor to what is to be sent; false: there is nothing now. */
static bool find_place(struct feed *f)
{
	const struct frame *next;

	if (f->next < log_tail(f->log))
		skip_retention(f);
	else if (has_lag(f))
		skip_lag(f);
	if (f->must_join)
		return seek_join(f);
	next = log_at(f->log, f->next);
	if (!next) {
		f->has_caught_up = true;
		return false;
	}
	if (goes_on(f, next))
		return true;
	begin_skip(f, REASON_gap, hole_before(f, next));
	return seek_join(f);
}

static void give_frame(struct feed *f, struct feed_item *out)
{
	struct frame *frame = log_at(f->log, f->next);

	out->kind = FEED_FRAME;
	out->frame = frame;
	f->next++;
	f->last = frame->position;
	f->has_last = true;
}

/* What stands before the next frame: SKIP, states, RESUME. */
static bool give_before(struct feed *f, struct feed_item *out)
{
	if (f->owes_skip) {
		give_skip(f, out);
		return true;
	}
	if (give_state(f, out))
		return true;
	if (f->owes_resume && !f->must_join) {
		give_resume(f, out);
		return true;
	}
	return false;
}

static void give_end(struct feed *f, struct feed_item *out)
{
	struct record *r;

	if (!f->owes_end)
		return;
	f->owes_end = false;
	f->has_started = false;
	r = give_record(f, out, RECORD_END);
	r->reason = (uint16_t)f->end_why;
	r->ms = f->end_ms;
}

void feed_next(struct feed *f, struct feed_item *out)
{
	out->kind = FEED_NOTHING;
	if (f->is_paused || !f->has_started)
		return;
	if (give_before(f, out))
		return;
	if (f->is_state_only || !find_place(f)) {
		give_end(f, out);
		return;
	}
	if (!give_before(f, out)) /* finding the place may have added some */
		give_frame(f, out);
}

bool feed_is_ready(const struct feed *f)
{
	if (f->is_paused || !f->has_started)
		return false;
	if (f->owes_skip || f->owes_end || (f->owes_resume && !f->must_join))
		return true;
	if (f->pending_state && f->state_next < f->pending_state->count)
		return true;
	return !f->is_state_only && f->next < log_next(f->log);
}

/* The first media frame from `next` on. */
static const struct frame *next_media(const struct feed *f)
{
	uint64_t end = log_next(f->log);

	for (uint64_t i = WEIR_MAX(f->next, log_tail(f->log)); i < end; i++) {
		const struct frame *frame = log_at(f->log, i);

		if (!frame_is_state(frame))
			return frame;
	}
	return NULL;
}

uint32_t feed_lag_ms(const struct feed *f)
{
	const struct frame *frame = next_media(f);
	int64_t lag_ns;

	if (!frame)
		return 0;
	if (__builtin_sub_overflow(log_last_dts_ns(f->log), frame->dts_ns,
				   &lag_ns) ||
	    lag_ns < 0)
		return 0;
	return (uint32_t)WEIR_MIN(lag_ns / NS_PER_MS, (int64_t)UINT32_MAX);
}

uint64_t feed_lag_frames(const struct feed *f)
{
	uint64_t end = log_next(f->log);

	return f->next < end ? end - f->next : 0;
}
