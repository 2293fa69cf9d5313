/* common/bus/writer_check.c - does the claim of a writer still stand? After a
 * pause, after a split, when a home refuses it. */
#include "common/bus/writer_priv.h"

#include "common/registry/entry.h"

#define RETRY_MS   500
#define RAISES_MAX 10

/* Does somebody else's claim stand above ours? */
static bool is_beaten_by(const struct writer *w, const struct epoch *epoch,
			 int64_t start_us)
{
	return claim_order(epoch, start_us, &w->entry.epoch,
			   w->entry.start_us) > 0;
}

/* Another writer has the stream. Without a split it was taken over. */
static void lose(struct writer *w)
{
	writer_end(w, w->entry.is_local ? REASON_lost_claim : REASON_taken_over,
		   "another publisher has it");
}

/* ---- settle ---- */

void writer_settle(struct writer *w, int64_t now_ms)
{
	const struct world *world = w->ws->world;
	struct script_call call = {.kind = SCRIPT_SETTLE, .entry = w->entry};

	if (w->tag.settle)
		return; /* the answer of the one under way will do */
	call.entry.is_live = true;
	w->settle_ms = now_ms + world->registry_ms + RETRY_MS;
	w->tag.settle = writer_tag(w);
	world->script(world->ctx, w->tag.settle, &call);
}

/* The loser's ingest is told, so that it need not find out. */
static void tell_loser(struct writer *w, const struct stream_entry *loser)
{
	const struct world *world = w->ws->world;
	struct question q = {
		.kind = QUESTION_LOST,
		.key = w->entry.key,
		.epoch = w->entry.epoch,
		.term = w->entry.term,
		.start_us = w->entry.start_us,
	};
	link_id link;

	if (!loser->is_live || !strcmp(loser->writer_node, world->self.id) ||
	    uuid_eq(&loser->epoch.writer, &w->entry.epoch.writer))
		return;
	link = world->link_to(world->ctx, loser->writer_node);
	if (link)
		world->ask(world->ctx, link, writer_tag(w), &q,
			   world->peer_dead_ms);
}

/* The registry has another term or home for this very epoch. An equal term of
 * another process is of one that gave it to this one: both are passed. */
static void follow_entry(struct writer *w, const struct stream_entry *e,
			 int64_t now_ms)
{
	if (e->term.number < w->entry.term.number ||
	    term_eq(&e->term, &w->entry.term))
		return; /* it was overtaken meanwhile */
	if (e->term.number > w->entry.term.number &&
	    strcmp(e->home_node, w->entry.home_node) != 0)
		writer_adopt(w, &e->term, e->home_node, e->home_url,
			     &e->home_instance, now_ms);
	else
		writer_raise(w, &e->term, now_ms);
}

static void on_settle_stale(struct writer *w, const struct stream_entry *e,
			    int64_t now_ms)
{
	if (!epoch_eq(&e->epoch, &w->entry.epoch)) {
		lose(w);
		return;
	}
	w->stored = e->term;
	w->must_settle = e->term.number < w->entry.term.number;
	w->settle_ms = w->must_settle ? now_ms : INT64_MAX;
	follow_entry(w, e, now_ms);
}

void writer_on_settled(struct writer *w, const struct script_result *r,
		       int64_t now_ms)
{
	w->tag.settle = 0;
	if (r->err == WEIR_ESTALE) {
		on_settle_stale(w, &r->entry, now_ms);
		return;
	}
	if (r->err) {
		w->settle_ms = now_ms + RETRY_MS;
		return;
	}
	w->must_settle = false;
	w->settle_ms = INT64_MAX;
	w->entry.is_local = false;
	w->stored = r->entry.term;
	w->entry.birth_ms = r->entry.birth_ms;
	if (r->has_previous)
		tell_loser(w, &r->previous);
	if (w->is_checking)
		writer_check(w, now_ms);
	if (r->entry.term.number < w->entry.term.number ||
	    strcmp(r->entry.home_node, w->entry.home_node) != 0) {
		writer_settle(w, now_ms); /* it moved on meanwhile */
		return;
	}
	if (term_eq(&r->entry.term, &w->entry.term))
		return;
	w->entry.term = r->entry.term; /* raised past the loser's */
	writer_note_term(w);
	if (w->state == WRITER_FEEDING || w->state == WRITER_OPENING)
		writer_open(w, now_ms);
}

void writer_note_lost(struct writer *w)
{
	const struct world *world = w->ws->world;
	struct script_call call = {.kind = SCRIPT_LOST, .entry = w->entry};

	call.entry.lost_until_ms =
		world->utc_us(world->ctx) / 1000 + world->publish_grace_ms;
	w->tag.lost = writer_tag(w);
	world->script(world->ctx, w->tag.lost, &call);
}

/* ---- raise ---- */

void writer_raise(struct writer *w, const struct term *past, int64_t now_ms)
{
	struct term *term = &w->entry.term;

	if (++w->raises > RAISES_MAX) {
		writer_end(w, REASON_fenced, "terms are raised too fast");
		return;
	}
	term->number = WEIR_MAX(term->number, past->number) + 1;
	term->by = w->ws->world->self.instance;
	writer_note_term(w);
	w->must_settle = true;
	writer_settle(w, now_ms);
	if (w->state == WRITER_FEEDING || w->state == WRITER_OPENING)
		writer_open(w, now_ms);
}

void writer_on_fenced(struct writer *w, const struct record *r, int64_t now_ms)
{
	const struct epoch *other = &r->position.epoch;

	writer_event(w, "fenced", r->reason, w->entry.home_node);
	switch (r->reason) {
	case REASON_lost_claim:
	case REASON_taken_over:
		lose(w);
		return;
	case REASON_fenced:
		if (other->counter > w->entry.epoch.counter)
			writer_end(w, REASON_fenced, "a newer epoch is known");
		else
			writer_raise(w, &r->term, now_ms);
		return;
	default: /* that origin cannot have it */
		if (++w->raises > RAISES_MAX) {
			writer_end(w, r->reason, "no origin takes it");
			return;
		}
		writer_place(w, w->entry.home_node, now_ms);
		return;
	}
}

/* ---- check ---- */

static void verify(struct writer *w, int64_t now_ms)
{
	const struct world *world = w->ws->world;
	struct script_call call = {.kind = SCRIPT_VERIFY, .entry = w->entry};

	w->check_ms = now_ms + world->registry_ms + RETRY_MS;
	w->tag.verify = writer_tag(w);
	world->script(world->ctx, w->tag.verify, &call);
}

void writer_check(struct writer *w, int64_t now_ms)
{
	w->is_checking = true;
	w->feed.is_paused = true;
	writer_copy_pause(w, true);
	verify(w, now_ms);
}

static void checked(struct writer *w)
{
	const struct world *world = w->ws->world;

	w->is_checking = false;
	w->check_ms = INT64_MAX;
	w->tag.verify = 0;
	w->tag.validate_count = 0;
	w->feed.is_paused = false;
	writer_copy_pause(w, false);
	if (w->is_fed)
		world->feed_kick(world->ctx, &w->feed);
}

/* The registry says nothing: ask the home and all other origins. */
static void validate(struct writer *w, int64_t now_ms)
{
	const struct world *world = w->ws->world;
	struct node_ref origin[WRITER_ORIGINS_MAX];
	size_t count = world->origins(world->ctx, origin, WRITER_ORIGINS_MAX);
	struct question q = {
		.kind = QUESTION_VALIDATE,
		.key = w->entry.key,
		.epoch = w->entry.epoch,
		.term = w->entry.term,
		.start_us = w->entry.start_us,
	};

	w->tag.has_word = false;
	w->tag.validate_count = w->tag.validate_left = (uint32_t)count;
	w->check_ms = now_ms + (count ? 2 * world->peer_dead_ms : RETRY_MS);
	for (size_t i = 0; i < count; i++) {
		uint64_t tag = writer_tag(w);

		if (!i)
			w->tag.validate_first = tag;
		world->ask(world->ctx, origin[i].link, tag, &q,
			   world->peer_dead_ms);
	}
}

/* The registry lost the claim, or could not say: it may have been emptied
 * meanwhile, and nobody else would tell it. */
static void on_unknown(struct writer *w, int err, int64_t now_ms)
{
	if (w->is_leaving)
		return;
	w->must_settle = true;
	if (err == WEIR_ENOENT)
		writer_settle(w, now_ms);
	else if (!w->tag.settle)
		w->settle_ms = now_ms + RETRY_MS;
}

void writer_on_verified(struct writer *w, const struct script_result *r,
			int64_t now_ms)
{
	const struct stream_entry *e = &r->entry;

	w->tag.verify = 0;
	if (!w->is_checking)
		return;
	if (r->err) {
		validate(w, now_ms);
		on_unknown(w, r->err, now_ms);
		return;
	}
	if (!epoch_eq(&e->epoch, &w->entry.epoch)) {
		if (is_beaten_by(w, &e->epoch, e->start_us))
			lose(w);
		else
			writer_settle(w, now_ms); /* which checks again */
		return;
	}
	checked(w);
	w->stored = e->term;
	if (w->entry.term.number < e->term.number)
		follow_entry(w, e, now_ms);
}

/* Does an origin know something that ends or moves this writer? */
static bool contradicts(struct writer *w, const struct answer *a,
			int64_t now_ms)
{
	const struct term *term = &w->entry.term;

	if (is_beaten_by(w, &a->epoch, a->start_us)) {
		lose(w);
		return true;
	}
	if (epoch_eq(&a->epoch, &w->entry.epoch) &&
	    a->term.number > term->number) {
		checked(w);
		writer_raise(w, &a->term, now_ms);
		return true;
	}
	return false;
}

void writer_on_validated(struct writer *w, uint64_t tag, const struct answer *a,
			 int64_t now_ms)
{
	uint64_t index = tag - w->tag.validate_first;

	if (!w->is_checking || tag < w->tag.validate_first ||
	    index >= w->tag.validate_count)
		return;
	if (w->tag.validate_left)
		w->tag.validate_left--;
	if (!a->err) {
		w->tag.has_word = true;
		if (a->is_known && contradicts(w, a, now_ms))
			return;
	}
	if (w->tag.validate_left)
		return;
	if (w->tag.has_word)
		checked(w);
	else
		w->check_ms = now_ms + RETRY_MS; /* nobody: once more */
}

/* The local copy has changed. It may be late: only the registry itself, asked
 * now, ends a writer. */
void writer_on_entry(struct writer *w, const struct stream_entry *e,
		     int64_t now_ms)
{
	bool is_own = epoch_eq(&e->epoch, &w->entry.epoch);

	if (w->is_leaving || (is_own && w->state == WRITER_MOVING))
		return;
	if (is_own ? !e->is_live || e->term.number > w->entry.term.number
		   : is_beaten_by(w, &e->epoch, e->start_us))
		writer_settle(w, now_ms);
}
