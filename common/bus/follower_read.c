/* common/bus/follower_read.c - what the home sends: states, RESUME, frames. */
#include "common/bus/follower_priv.h"

/* ---- records ---- */

/* Would our log refuse what the home has? After a split of two claims with equal
 * counters the winner may be one that we have left for the loser. */
static bool is_past(const struct follower *f, const struct epoch *epoch)
{
	struct position last, first = {.epoch = *epoch};
	uint64_t ordinal;

	return log_last_position(f->log, &last) &&
	       !epoch_eq(epoch, &last.epoch) &&
	       epoch->counter <= last.epoch.counter &&
	       log_find_after(f->log, &ordinal, &first) != WEIR_ENOENT;
}

static uint64_t newest_counter(const struct follower *f)
{
	struct position last;

	return log_last_position(f->log, &last) ? last.epoch.counter : 0;
}

static void on_resume(struct follower *f, const struct record *r,
		      int64_t now_ms)
{
	struct stream_entry *e = &f->info.entry;
	struct position last;

	(void)now_ms;
	if (r->term.number < f->term_number)
		return; /* of an older home: not the one that was meant */
	if (!f->from_oldest && is_past(f, &r->position.epoch)) {
		follower_set_state(f, FOLLOWER_ENDED, REASON_lost_claim,
				   INT64_MAX);
		return;
	}
	if (r->term.number >= e->term.number) {
		e->term = r->term;
		e->epoch = r->position.epoch;
	}
	f->term_number = r->term.number;
	f->is_resumed = true;
	f->head = r->position;
	f->from_oldest = false;
	/* A RESUME behind a SKIP takes nothing of it back. */
	if (!(f->may_gap && f->has_told_gap)) {
		f->may_gap = !(r->flags & RESUME_GOES_ON);
		/* Without a position there is nothing to lose. */
		f->has_told_gap = !log_last_position(f->log, &last);
	}
	follower_found(f);
	follower_set_state(f, FOLLOWER_LIVE, REASON_none, INT64_MAX);
}

static void on_skip(struct follower *f, const struct record *r)
{
	f->may_gap = true;
	f->has_told_gap = true;
	f->events.on_gap(f->ctx, f, r->count, r->reason);
}

static void on_end(struct follower *f, const struct record *r, int64_t now_ms)
{
	f->is_stopped = true;
	switch (r->reason) {
	case REASON_retention: /* it asks again, and gets a later place */
		f->from_oldest = true;
		f->look_ms = now_ms;
		f->gap_why = REASON_retention;
		follower_set_state(f, FOLLOWER_LOST, REASON_retention,
				   now_ms + f->fs->world->publish_grace_ms);
		return;
	case REASON_limit:
	case REASON_no_resources: /* others may have it, or this one later */
		if (f->info.state == FOLLOWER_LIVE)
			follower_set_state(
				f, FOLLOWER_LOST, r->reason,
				now_ms + f->fs->world->publish_grace_ms);
		return;
	default:
		follower_set_state(f, FOLLOWER_ENDED, REASON_stream_ended,
				   INT64_MAX);
		return;
	}
}

static void on_moved(struct follower *f, const struct record *r)
{
	const struct stream_entry *e = &f->info.entry;

	f->is_stopped = true;
	f->look_ms = 0;
	if (!follower_hear(f, &r->position.epoch, &r->term, r->node, r->url) &&
	    strcmp(r->node, e->home_node) != 0)
		return; /* something newer is known: that is tried again */
	follower_subscribe(f);
}

static void on_writer_lost(struct follower *f, const struct record *r,
			   int64_t now_ms)
{
	f->look_ms = f->resolve_ms = now_ms;
	follower_set_state(f, FOLLOWER_LOST, REASON_bus_lost, now_ms + r->ms);
}

int follower_on_home_record(struct follower *f, const struct record *r,
			    int64_t now_ms)
{
	switch (r->type) {
	case RECORD_RESUME:
		on_resume(f, r, now_ms);
		return 0;
	case RECORD_SKIP:
		on_skip(f, r);
		return 0;
	case RECORD_END:
		on_end(f, r, now_ms);
		return 0;
	case RECORD_MOVED:
		on_moved(f, r);
		return 0;
	case RECORD_WRITER_LOST:
		on_writer_lost(f, r, now_ms);
		return 0;
	default:
		return 0;
	}
}

/* ---- frames ---- */

static bool is_before_last(const struct follower *f, const struct frame *frame)
{
	const struct position *p = &frame->position;
	struct position last;

	if (!log_last_position(f->log, &last))
		return false;
	if (epoch_eq(&p->epoch, &last.epoch))
		return p->sequence <= last.sequence;
	return p->epoch.counter < last.epoch.counter;
}

static int on_state(struct follower *f, struct frame *frame)
{
	int err;

	if (is_before_last(f, frame))
		return 0; /* it is known, or what replaced it */
	err = log_set_state(f->log, frame);
	return err == WEIR_ENOMEM ? 0 : err;
}

/* A frame that is here already must be the same. */
static int check_same(const struct follower *f, const struct frame *frame)
{
	struct position before = frame->position;
	const struct frame *here;
	uint64_t ordinal;

	if (!before.sequence-- || log_find_after(f->log, &ordinal, &before))
		return 0;
	here = log_at(f->log, ordinal);
	if (!here || !epoch_eq(&here->position.epoch, &frame->position.epoch) ||
	    here->position.sequence != frame->position.sequence)
		return 0;
	return frame_digest_same(here, frame) ? 0 : WEIR_EPROTO;
}

/* How many frames lie between the last one and this; 0: not known. */
static uint64_t gap_before(const struct follower *f, const struct frame *frame)
{
	struct position last;

	if (!log_last_position(f->log, &last) ||
	    !epoch_eq(&last.epoch, &frame->position.epoch))
		return 0;
	return frame->position.sequence - last.sequence - 1;
}

static int append_gap(struct follower *f, struct frame *frame)
{
	if (!f->may_gap)
		return WEIR_EPROTO;
	if (!f->has_told_gap)
		f->events.on_gap(f->ctx, f, gap_before(f, frame), f->gap_why);
	f->has_told_gap = true;
	return log_append_gap(f->log, frame);
}

/* Does a new epoch go on behind the last frame, as far as it knows? */
static bool goes_on(const struct follower *f, const struct frame *frame)
{
	struct epoch_state says;
	struct position last;

	if (!log_last_position(f->log, &last) ||
	    epoch_eq(&last.epoch, &frame->position.epoch) ||
	    frame->kind != FRAME_EPOCH ||
	    epoch_state_read(&says, frame->payload))
		return true; /* the log itself judges all others */
	return !says.previous.counter ||
	       (epoch_eq(&says.previous, &last.epoch) &&
		says.last_sequence <= last.sequence);
}

/* Memory: this frame is left out, and what follows begins at a join. */
static int starve(struct follower *f)
{
	f->fs->has_news = true;
	f->gap_why = REASON_no_resources;
	f->is_stopped = true; /* SUB again, from where we are */
	f->look_ms = 0;
	return 0;
}

static int append(struct follower *f, struct frame *frame)
{
	int err;

	if (f->may_gap && !f->has_told_gap && !is_before_last(f, frame) &&
	    !goes_on(f, frame)) {
		f->events.on_gap(f->ctx, f, 0, f->gap_why);
		f->has_told_gap = true;
	}
	err = log_append(f->log, frame);
	if (err == WEIR_EGAP || err == WEIR_EPROTO)
		err = append_gap(f, frame);
	switch (err) {
	case 0:
		f->may_gap = false;
		return 0;
	case WEIR_EDUP:
		return check_same(f, frame);
	case WEIR_ENOMEM:
		return starve(f);
	default:
		return err == WEIR_ESTALE ? err : WEIR_EPROTO;
	}
}

/* Positions only grow: an older epoch is left out. But if it is one that we had
 * left for another of the same counter, it has won, and this life is over. */
static void on_stale(struct follower *f, const struct frame *frame)
{
	if (!f->from_oldest && is_past(f, &frame->position.epoch) &&
	    frame->position.epoch.counter == newest_counter(f))
		follower_set_state(f, FOLLOWER_ENDED, REASON_lost_claim,
				   INT64_MAX);
}

int follower_on_home_frame(struct follower *f, uint16_t type,
			   uint64_t term_number, struct frame *frame,
			   int64_t now_ms)
{
	int err;

	(void)now_ms;
	if (f->is_stopped || term_number < f->term_number)
		return 0;
	if (type == RECORD_STATE)
		return on_state(f, frame);
	if (!f->is_resumed)
		return WEIR_EPROTO;
	err = append(f, frame);
	if (err == WEIR_ESTALE) {
		on_stale(f, frame);
		return 0; /* f may be gone */
	}
	if (err)
		return err;
	f->info.entry.epoch = frame->position.epoch;
	if (f->info.state == FOLLOWER_LOST) {
		follower_found(f);
		follower_set_state(f, FOLLOWER_LIVE, REASON_none, INT64_MAX);
	}
	return 0;
}
