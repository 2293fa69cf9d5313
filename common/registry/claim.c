/* common/registry/claim.c - the driver of a claim: gather, script, ask, decide.
 */
#include "common/registry/claim.h"

#include <errno.h>
#include <stdlib.h>

#include "common/registry/claim_priv.h"
#include "common/registry/entry.h"

#define TAG_SERIAL UINT64_C(0xffff)

int claim_new(struct claim **out, const struct world *world,
	      const struct claim_request *request,
	      const struct claim_events *events, void *ctx, int64_t now_ms)
{
	struct claim *c = calloc(1, sizeof(*c));

	if (!c)
		return WEIR_ENOMEM;
	c->world = world;
	c->request = *request;
	c->events = *events;
	c->ctx = ctx;
	c->began_ms = c->stage_ms = c->due_ms = now_ms;
	c->told_counter = request->own_counter;
	c->told_term = request->own_term;
	*out = c;
	return 0;
}

void claim_free(struct claim **c)
{
	if (*c && (*c)->is_freed)
		*(*c)->is_freed = true;
	free(*c);
	*c = NULL;
}

uint64_t claim_new_tag(struct claim *c)
{
	c->serial++;
	return c->request.tag_base | c->serial;
}

void claim_enter(struct claim *c, enum claim_stage stage, int64_t now_ms,
		 int64_t due_ms)
{
	c->stage = stage;
	c->stage_ms = now_ms;
	c->due_ms = due_ms;
}

void claim_refuse(struct claim *c, enum reason why, const char *detail)
{
	c->stage = CLAIM_DONE;
	c->due_ms = INT64_MAX;
	c->events.on_refused(c->ctx, why, detail);
}

static void grant(struct claim *c, const struct claim_grant *g)
{
	c->stage = CLAIM_DONE;
	c->due_ms = INT64_MAX;
	c->events.on_granted(c->ctx, g);
}

struct question claim_question_of(const struct claim *c, uint8_t kind)
{
	struct question q = {
		.kind = kind,
		.key = c->request.key,
		.start_us = c->request.start_us,
	};

	memcpy(q.credential, c->request.credential, sizeof(q.credential));
	return q;
}

void claim_put_question(struct claim *c, struct claim_asked *a, link_id link,
			const struct question *q, uint32_t deadline_ms)
{
	*a = (struct claim_asked){.tag = claim_new_tag(c)};
	c->world->ask(c->world->ctx, link, a->tag, q, deadline_ms);
}

/* ---- the script ---- */

static void fill_entry(const struct claim *c, struct stream_entry *e)
{
	const struct world *w = c->world;

	*e = (struct stream_entry){
		.key = c->request.key,
		.is_live = true,
		.start_us = c->request.start_us,
		.writer_instance = w->self.instance,
		.home_instance = c->home.instance,
	};
	e->epoch.writer = c->request.session;
	e->term.by = w->self.instance;
	memcpy(e->kind, c->request.kind, sizeof(e->kind));
	memcpy(e->writer_node, w->self.id, sizeof(e->writer_node));
	memcpy(e->home_node, c->home.id, sizeof(e->home_node));
	memcpy(e->home_url, c->home.url, sizeof(e->home_url));
}

void claim_run_script(struct claim *c, int64_t now_ms)
{
	const struct world *w = c->world;
	struct script_call call = {
		.kind = SCRIPT_CLAIM,
		.expected = c->expected,
		.told_counter = c->told_counter,
		.told_term = c->told_term,
	};

	fill_entry(c, &call.entry);
	c->script_tag = claim_new_tag(c);
	claim_enter(c, CLAIM_SCRIPT, now_ms,
		    now_ms + w->registry_ms + w->peer_dead_ms);
	w->script(w->ctx, c->script_tag, &call);
}

/* ---- without the registry ---- */

void claim_ask_home(struct claim *c, int64_t now_ms)
{
	struct question q = claim_question_of(c, QUESTION_CLAIM);
	link_id link = c->world->link_to(c->world->ctx, c->home.id);

	if (!link) { /* it died meanwhile: begin again */
		claim_enter(c, CLAIM_START, now_ms, now_ms + CLAIM_POLL_MS);
		return;
	}
	q.epoch.writer = c->request.session;
	q.expected = c->expected;
	claim_put_question(c, &c->local, link, &q, c->world->peer_dead_ms);
	claim_enter(c, CLAIM_LOCAL, now_ms,
		    now_ms + 2 * c->world->peer_dead_ms);
}

/* The registry is away: what the local copy names is asked first. */
static void go_local(struct claim *c, int64_t now_ms)
{
	const struct world *w = c->world;
	const struct stream_entry *e = w->known(w->ctx, &c->request.key);

	c->is_script_lost = true;
	if (e)
		claim_note_told(c, &e->epoch, &e->term);
	if (e && e->is_live && !epoch_eq(&e->epoch, &c->expected) &&
	    !uuid_eq(&e->epoch.writer, &c->request.session)) {
		claim_suspect_entry(c, e, false);
		claim_question_suspect(c, now_ms);
		return;
	}
	claim_ask_home(c, now_ms);
}

static void grant_local(struct claim *c)
{
	const struct world *w = c->world;
	const struct stream_entry *e = w->known(w->ctx, &c->request.key);
	struct claim_grant g = {.is_local = true, .has_previous = e != NULL};

	if (e)
		g.previous = *e;
	fill_entry(c, &g.entry);
	g.entry.is_local = true;
	g.entry.epoch.counter = c->told_counter + 1;
	/* The script may have raised the term, too, and nobody told. */
	g.entry.term.number = c->told_term + 2;
	g.entry.birth_ms = e && !e->is_ended && e->birth_ms
				   ? e->birth_ms
				   : w->utc_us(w->ctx) / 1000;
	grant(c, &g);
}

static void on_local(struct claim *c, const struct answer *a, int64_t now_ms)
{
	if (a->err) {
		if (++c->rounds > CLAIM_ROUNDS_MAX)
			claim_refuse(c, REASON_no_origin, "no origin answers");
		else
			claim_enter(c, CLAIM_START, now_ms,
				    now_ms + CLAIM_POLL_MS);
		return;
	}
	claim_note_answered(c, a);
	if (a->is_granted) {
		grant_local(c);
		return;
	}
	claim_suspect_answer(c, a, &c->home);
	claim_question_suspect(c, now_ms);
}

/* ---- events ---- */

static void end_gather(struct claim *c, int64_t now_ms)
{
	int h;

	for (size_t i = 0; i < c->origin_count; i++)
		if (c->validate[i].has_answer)
			claim_note_answered(c, &c->validate[i].answer);
	claim_choose_home(c);
	h = claim_holder(c);
	if (h < 0) {
		claim_run_script(c, now_ms);
		return;
	}
	claim_suspect_answer(c, claim_known_by(c, (size_t)h), &c->origin[h]);
	claim_question_suspect(c, now_ms);
}

static bool is_own(const struct claim *c, uint64_t tag)
{
	return (tag & ~TAG_SERIAL) == c->request.tag_base;
}

bool claim_on_answer(struct claim *c, uint64_t tag, const struct answer *a,
		     int64_t now_ms)
{
	if (!is_own(c, tag))
		return false;
	if (c->stage == CLAIM_GATHER && claim_note_gathered(c, tag, a)) {
		if (claim_is_gathered(c))
			end_gather(c, now_ms);
	} else if (c->stage == CLAIM_ALIVE && tag == c->ingest.tag) {
		c->is_ingest_absent = a->err == -ECONNREFUSED;
		claim_note_answer(&c->ingest, a);
		claim_judge(c, now_ms);
	} else if (c->stage == CLAIM_ALIVE && tag == c->at_home.tag) {
		claim_note_answer(&c->at_home, a);
		claim_judge(c, now_ms);
	} else if (c->stage == CLAIM_LOCAL && tag == c->local.tag) {
		on_local(c, a, now_ms);
	}
	return true;
}

static void on_claimed(struct claim *c, const struct script_result *r)
{
	struct claim_grant g = {
		.entry = r->entry,
		.previous = r->previous,
		.has_previous = r->has_previous,
	};

	grant(c, &g);
}

bool claim_on_script(struct claim *c, uint64_t tag,
		     const struct script_result *r, int64_t now_ms)
{
	if (!is_own(c, tag))
		return false;
	if (c->stage != CLAIM_SCRIPT || tag != c->script_tag)
		return true;
	if (!r->err) {
		on_claimed(c, r);
	} else if (r->err == WEIR_EBUSY) {
		claim_note_told(c, &r->entry.epoch, &r->entry.term);
		claim_suspect_entry(c, &r->entry, true);
		claim_question_suspect(c, now_ms);
	} else {
		go_local(c, now_ms);
	}
	return true;
}

static void do_due(struct claim *c, int64_t now_ms)
{
	if (now_ms - c->began_ms > CLAIM_MAX_MS) {
		claim_refuse(c, REASON_busy, "no decision in time");
		return;
	}
	switch (c->stage) {
	case CLAIM_START:
		claim_gather(c, now_ms);
		break;
	case CLAIM_GATHER:
		end_gather(c, now_ms);
		break;
	case CLAIM_SCRIPT:
		go_local(c, now_ms); /* the world forgot to answer */
		break;
	case CLAIM_ALIVE:
		claim_ask_both(c, now_ms);
		claim_judge(c, now_ms);
		break;
	case CLAIM_HOLD:
		claim_ask_suspect(c, now_ms);
		break;
	case CLAIM_LEASE:
		claim_run_script(c, now_ms);
		break;
	case CLAIM_LOCAL:
		on_local(c, &(struct answer){.err = WEIR_ETIMEOUT}, now_ms);
		break;
	case CLAIM_DONE:
		break;
	}
}

int64_t claim_due_ms(const struct claim *c)
{
	return c->due_ms;
}

int64_t claim_tick(struct claim *c, int64_t now_ms)
{
	bool is_freed = false;

	if (c->stage == CLAIM_DONE || now_ms < c->due_ms)
		return c->due_ms;
	/* Only while do_due runs: what it tells may free the claim. */
	/* cppcheck-suppress autoVariables */
	c->is_freed = &is_freed;
	do_due(c, now_ms);
	if (is_freed)
		return INT64_MAX;
	c->is_freed = NULL;
	return c->due_ms;
}
