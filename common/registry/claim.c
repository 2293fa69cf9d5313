/* common/registry/claim.c - the driver of a claim: gather, script, ask, decide.
 */
#include "common/registry/claim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/registry/entry.h"
#include "common/registry/rank.h"
#include "common/registry/verdict.h"

#define ORIGINS_MAX   64
#define ROUNDS_MAX    8
#define CLAIM_MAX_MS  15000
#define POLL_MS       50
#define LEASE_POLL_MS 500
#define HOME_EACH_MS  200
#define TAG_SERIAL    UINT64_C(0xffff)
/* Numbers that a peer may tell; beyond they are nonsense. */
#define TOLD_MAX (UINT64_C(1) << 52)

enum stage {
	STAGE_START,
	STAGE_GATHER, /* PLACE and VALIDATE are out */
	STAGE_SCRIPT,
	STAGE_ALIVE, /* the suspect's ingest and home are asked */
	STAGE_HOLD,  /* it may be silent: ask again at due_ms */
	STAGE_LEASE, /* nobody has a word: run the script again at due_ms */
	STAGE_LOCAL, /* CLAIM is asked of the home */
	STAGE_DONE,
};

struct ask {
	uint64_t tag; /* 0: nothing is asked */
	bool has_answer;
	struct answer answer;
};

/* Who seems to have the stream. */
struct suspect {
	struct epoch epoch;
	char kind[ROLE_SIZE];
	char ingest[NODE_ID_SIZE];
	char home[NODE_ID_SIZE];
	bool is_lease_known, has_lease;
};

struct claim {
	const struct world *world;
	struct claim_request request;
	struct claim_events events;
	void *ctx;
	enum stage stage;
	int64_t began_ms, stage_ms, due_ms;
	uint32_t rounds;
	uint16_t serial;

	struct node_ref origin[ORIGINS_MAX];
	struct ask validate[ORIGINS_MAX];
	size_t origin_count;
	struct ask place;
	uint64_t told_counter, told_term;

	struct node_ref home; /* chosen */
	struct suspect suspect;
	struct ask ingest, at_home;
	struct epoch expected; /* cleared: may be displaced */
	struct epoch mute;     /* was asked about, nobody had a word */
	uint64_t script_tag;
	bool is_script_lost; /* the registry did not answer, once */
	struct ask local;
	bool is_ingest_absent;
	int64_t home_asked_ms;
	int64_t held_since_ms; /* first HOLD about the suspect; 0: none */
	bool *is_freed;        /* where claim_tick wants to know */
};

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

static uint64_t new_tag(struct claim *c)
{
	c->serial++;
	return c->request.tag_base | c->serial;
}

static void enter(struct claim *c, enum stage stage, int64_t now_ms,
		  int64_t due_ms)
{
	c->stage = stage;
	c->stage_ms = now_ms;
	c->due_ms = due_ms;
}

static void refuse(struct claim *c, enum reason why, const char *detail)
{
	c->stage = STAGE_DONE;
	c->due_ms = INT64_MAX;
	c->events.on_refused(c->ctx, why, detail);
}

static void grant(struct claim *c, const struct claim_grant *g)
{
	c->stage = STAGE_DONE;
	c->due_ms = INT64_MAX;
	c->events.on_granted(c->ctx, g);
}

static struct question question_of(const struct claim *c, uint8_t kind)
{
	struct question q = {
		.kind = kind,
		.key = c->request.key,
		.start_us = c->request.start_us,
	};

	memcpy(q.credential, c->request.credential, sizeof(q.credential));
	return q;
}

static void ask(struct claim *c, struct ask *a, link_id link,
		const struct question *q, uint32_t deadline_ms)
{
	*a = (struct ask){.tag = new_tag(c)};
	c->world->ask(c->world->ctx, link, a->tag, q, deadline_ms);
}

/* ---- gather: where to, and what do the origins know ---- */

static void gather(struct claim *c, int64_t now_ms)
{
	const struct world *w = c->world;
	struct question q = question_of(c, QUESTION_VALIDATE);

	c->origin_count = w->origins(w->ctx, c->origin, ORIGINS_MAX);
	if (!c->origin_count) {
		if (now_ms - c->began_ms >= w->peer_dead_ms)
			refuse(c, REASON_no_origin, "no origin is reachable");
		else
			enter(c, STAGE_START, now_ms, now_ms + POLL_MS);
		return;
	}
	for (size_t i = 0; i < c->origin_count; i++)
		ask(c, &c->validate[i], c->origin[i].link, &q, w->place_ms);
	q = question_of(c, QUESTION_PLACE);
	c->place = (struct ask){.tag = new_tag(c)};
	w->ask_dispatch(w->ctx, c->place.tag, &q, w->place_ms);
	enter(c, STAGE_GATHER, now_ms, now_ms + w->place_ms + POLL_MS);
}

static bool is_gathered(const struct claim *c)
{
	for (size_t i = 0; i < c->origin_count; i++)
		if (!c->validate[i].has_answer)
			return false;
	return c->place.has_answer;
}

/* The answer of origin `i`, when it knows the stream. */
static const struct answer *known_by(const struct claim *c, size_t i)
{
	const struct ask *a = &c->validate[i];

	return a->has_answer && !a->answer.err && a->answer.is_known
		       ? &a->answer
		       : NULL;
}

static void note_told(struct claim *c, const struct epoch *epoch,
		      const struct term *term)
{
	if (epoch->counter < TOLD_MAX)
		c->told_counter = WEIR_MAX(c->told_counter, epoch->counter);
	if (term->number < TOLD_MAX)
		c->told_term = WEIR_MAX(c->told_term, term->number);
}

static void note_answered(struct claim *c, const struct answer *a)
{
	struct epoch top = {.counter = (uint64_t)a->top_counter};

	if (a->err)
		return;
	if (a->top_counter > 0)
		note_told(c, &top, &(struct term){0});
	if (a->is_known)
		note_told(c, &a->epoch, &a->term);
}

/* How good is origin `i` as the home, for the log that it has? */
static bool is_better_log(const struct claim *c, size_t i, size_t than)
{
	const struct answer *a = known_by(c, i), *b = known_by(c, than);
	int order = claim_order(&a->epoch, a->start_us, &b->epoch, b->start_us);

	if (order)
		return order > 0;
	return !strcmp(a->node, c->origin[i].id) &&
	       strcmp(b->node, c->origin[than].id) != 0;
}

static const struct node_ref *origin_with_log(const struct claim *c)
{
	size_t best = c->origin_count;

	for (size_t i = 0; i < c->origin_count; i++) {
		const struct answer *a = known_by(c, i);

		if (!a || !a->has_log)
			continue;
		if (best == c->origin_count || is_better_log(c, i, best))
			best = i;
	}
	return best < c->origin_count ? &c->origin[best] : NULL;
}

/* Did it answer just now? One that is frozen makes a bad home. */
static bool is_awake(const void *ctx, const struct node_ref *origin)
{
	const struct claim *c = ctx;
	const struct ask *a = &c->validate[origin - c->origin];

	return a->has_answer && !a->answer.err;
}

static const struct node_ref *origin_by_hash(const struct claim *c,
					     rank_may_fn *may)
{
	return rank_best(c->origin, c->origin_count, &c->request.key, may, c);
}

/* What dispatch says, if it is here and awake. */
static const struct node_ref *origin_placed(const struct claim *c)
{
	if (!c->place.has_answer || c->place.answer.err)
		return NULL;
	for (size_t i = 0; i < c->origin_count; i++)
		if (!strcmp(c->origin[i].id, c->place.answer.node) &&
		    is_awake(c, &c->origin[i]))
			return &c->origin[i];
	return NULL;
}

static void choose_home(struct claim *c)
{
	const struct node_ref *home = origin_with_log(c);

	if (!home)
		home = origin_placed(c);
	if (!home)
		home = origin_by_hash(c, is_awake);
	if (!home)
		home = origin_by_hash(c, NULL);
	c->home = *home;
}

/* The live writer that origins name, when it is another one and may not be
 * displaced yet. Returns which origin, or -1. */
static int holder(const struct claim *c)
{
	int best = -1;

	for (size_t i = 0; i < c->origin_count; i++) {
		const struct answer *a = known_by(c, i), *b;

		if (!a || !a->is_live || epoch_eq(&a->epoch, &c->expected) ||
		    uuid_eq(&a->epoch.writer, &c->request.session))
			continue;
		b = best < 0 ? NULL : known_by(c, (size_t)best);
		if (!b || claim_order(&a->epoch, a->start_us, &b->epoch,
				      b->start_us) > 0)
			best = (int)i;
	}
	return best;
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

static void run_script(struct claim *c, int64_t now_ms)
{
	const struct world *w = c->world;
	struct script_call call = {
		.kind = SCRIPT_CLAIM,
		.expected = c->expected,
		.told_counter = c->told_counter,
		.told_term = c->told_term,
	};

	fill_entry(c, &call.entry);
	c->script_tag = new_tag(c);
	enter(c, STAGE_SCRIPT, now_ms,
	      now_ms + w->registry_ms + w->peer_dead_ms);
	w->script(w->ctx, c->script_tag, &call);
}

/* ---- is the suspect alive? ---- */

static void ask_suspect(struct claim *c, int64_t now_ms)
{
	c->ingest = c->at_home = (struct ask){0};
	c->is_ingest_absent = false;
	enter(c, STAGE_ALIVE, now_ms, now_ms);
}

static void suspect_entry(struct claim *c, const struct stream_entry *e,
			  bool is_lease_known)
{
	struct suspect *s = &c->suspect;

	s->epoch = e->epoch;
	s->is_lease_known = is_lease_known;
	s->has_lease = e->writer_has_lease;
	memcpy(s->kind, e->kind, sizeof(s->kind));
	memcpy(s->ingest, e->writer_node, sizeof(s->ingest));
	memcpy(s->home, e->home_node, sizeof(s->home));
}

static void suspect_answer(struct claim *c, const struct answer *a,
			   const struct node_ref *origin)
{
	struct suspect *s = &c->suspect;

	*s = (struct suspect){.epoch = a->epoch};
	memcpy(s->kind, a->kind, sizeof(s->kind));
	memcpy(s->ingest, a->writer_node, sizeof(s->ingest));
	memcpy(s->home, origin->id, sizeof(s->home));
}

/* A publisher beats a pull without a question. */
static bool beats_suspect(const struct claim *c)
{
	return !strcmp(c->suspect.kind, "pull") &&
	       !strcmp(c->request.kind, "publish");
}

static struct question alive_question(const struct claim *c)
{
	struct question q = question_of(c, QUESTION_ALIVE);

	q.epoch = c->suspect.epoch;
	return q;
}

static void ask_one(struct claim *c, struct ask *a, const char *node)
{
	const struct world *w = c->world;
	struct question q = alive_question(c);
	link_id link;

	if (a->tag || !node[0])
		return;
	link = w->link_to(w->ctx, node);
	if (link)
		ask(c, a, link, &q, w->peer_dead_ms);
}

/* Its word counts when the ingest has had its time: until then it is asked again
 * and again, so that it is not an old one. */
static void ask_home_about(struct claim *c, int64_t now_ms)
{
	const struct ask before = c->at_home;

	if (before.has_answer && now_ms - c->home_asked_ms < HOME_EACH_MS)
		return;
	if (before.has_answer)
		c->at_home.tag = 0;
	if (c->at_home.tag)
		return; /* it is on its way */
	c->home_asked_ms = now_ms;
	ask_one(c, &c->at_home, c->suspect.home);
	c->at_home.has_answer = before.has_answer;
	c->at_home.answer = before.answer;
}

/* Put the questions that can be put; a node that is not linked yet is tried
 * again while there is time. */
static void ask_both(struct claim *c, int64_t now_ms)
{
	struct question q = alive_question(c);

	if (!strcmp(c->suspect.ingest, c->world->self.id)) {
		c->ingest = (struct ask){.tag = new_tag(c), .has_answer = true};
		c->request.ask_self(c->ctx, &q, &c->ingest.answer, now_ms);
	} else {
		ask_one(c, &c->ingest, c->suspect.ingest);
	}
	ask_home_about(c, now_ms);
}

static void note_answer(struct ask *a, const struct answer *answer)
{
	if (answer->err) { /* no word: ask again while there is time */
		*a = (struct ask){0};
		return;
	}
	a->has_answer = true;
	a->answer = *answer;
}

static void ask_home(struct claim *c, int64_t now_ms);

static void go_on_free(struct claim *c, int64_t now_ms)
{
	c->expected = c->suspect.epoch;
	note_told(c, &c->suspect.epoch, &(struct term){0});
	if (c->is_script_lost)
		ask_home(c, now_ms);
	else
		run_script(c, now_ms);
}

/* Nobody has a word. */
static void ask_lease(struct claim *c, int64_t now_ms)
{
	const struct suspect *s = &c->suspect;

	c->mute = s->epoch;
	if (s->is_lease_known && s->has_lease)
		enter(c, STAGE_LEASE, now_ms, now_ms + LEASE_POLL_MS);
	else if (s->is_lease_known || c->is_script_lost)
		go_on_free(c, now_ms);
	else
		run_script(c, now_ms); /* it tells the lease */
}

static void refuse_busy(struct claim *c, const struct answer *a)
{
	char detail[NODE_ID_SIZE + 64];

	snprintf(detail, sizeof(detail), "live at %s, last input %u ms ago",
		 c->suspect.ingest[0] ? c->suspect.ingest : c->suspect.home,
		 a->silent_ms);
	refuse(c, REASON_busy, detail);
}

static void judge(struct claim *c, int64_t now_ms)
{
	const struct world *w = c->world;
	struct verdict_facts f = {
		.has_ingest_word = c->ingest.has_answer,
		.has_home_word = c->at_home.has_answer,
		.is_ingest_absent = c->is_ingest_absent,
		.ingest = c->ingest.answer,
		.home = c->at_home.answer,
		.waited = now_ms - c->stage_ms >= w->peer_dead_ms,
		.may_take_over = w->takeover,
		.is_pull = !strcmp(c->request.kind, "pull"),
		.held_ms = c->held_since_ms ? now_ms - c->held_since_ms : 0,
		.publish_stall_ms = w->publish_stall_ms,
	};
	uint32_t hold_ms = 0;

	switch (verdict_of(&f, &hold_ms)) {
	case VERDICT_WAIT:
		c->due_ms = WEIR_MIN(now_ms + POLL_MS,
				     c->stage_ms + w->peer_dead_ms);
		break;
	case VERDICT_FREE:
		go_on_free(c, now_ms);
		break;
	case VERDICT_BUSY:
		refuse_busy(c, f.has_ingest_word ? &f.ingest : &f.home);
		break;
	case VERDICT_HOLD:
		if (!c->held_since_ms)
			c->held_since_ms = now_ms;
		enter(c, STAGE_HOLD, now_ms, now_ms + hold_ms);
		break;
	case VERDICT_LEASE:
		ask_lease(c, now_ms);
		break;
	}
}

/* Asked again and again, and there is no end to it. */
static void give_up(struct claim *c)
{
	const struct suspect *s = &c->suspect;
	char detail[NODE_ID_SIZE + 64];

	if (!epoch_eq(&s->epoch, &c->mute)) {
		refuse(c, REASON_busy, "it changes hands too fast");
		return;
	}
	snprintf(detail, sizeof(detail), "%s has it, and keeps its lease",
		 s->ingest[0] ? s->ingest : s->home);
	refuse(c, REASON_bus_silent, detail);
}

/* Somebody seems to have it: clear it, or find out. */
static void question_suspect(struct claim *c, int64_t now_ms)
{
	if (++c->rounds > ROUNDS_MAX)
		give_up(c);
	else if (beats_suspect(c))
		go_on_free(c, now_ms);
	else if (epoch_eq(&c->suspect.epoch, &c->mute))
		ask_lease(c, now_ms);
	else {
		c->held_since_ms = 0;
		ask_suspect(c, now_ms);
	}
}

/* ---- without the registry ---- */

static void ask_home(struct claim *c, int64_t now_ms)
{
	struct question q = question_of(c, QUESTION_CLAIM);
	link_id link = c->world->link_to(c->world->ctx, c->home.id);

	if (!link) { /* it died meanwhile: begin again */
		enter(c, STAGE_START, now_ms, now_ms + POLL_MS);
		return;
	}
	q.epoch.writer = c->request.session;
	q.expected = c->expected;
	ask(c, &c->local, link, &q, c->world->peer_dead_ms);
	enter(c, STAGE_LOCAL, now_ms, now_ms + 2 * c->world->peer_dead_ms);
}

/* The registry is away: what the local copy names is asked first. */
static void go_local(struct claim *c, int64_t now_ms)
{
	const struct world *w = c->world;
	const struct stream_entry *e = w->known(w->ctx, &c->request.key);

	c->is_script_lost = true;
	if (e)
		note_told(c, &e->epoch, &e->term);
	if (e && e->is_live && !epoch_eq(&e->epoch, &c->expected) &&
	    !uuid_eq(&e->epoch.writer, &c->request.session)) {
		suspect_entry(c, e, false);
		question_suspect(c, now_ms);
		return;
	}
	ask_home(c, now_ms);
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
		if (++c->rounds > ROUNDS_MAX)
			refuse(c, REASON_no_origin, "no origin answers");
		else
			enter(c, STAGE_START, now_ms, now_ms + POLL_MS);
		return;
	}
	note_answered(c, a);
	if (a->is_granted) {
		grant_local(c);
		return;
	}
	suspect_answer(c, a, &c->home);
	question_suspect(c, now_ms);
}

/* ---- events ---- */

static void end_gather(struct claim *c, int64_t now_ms)
{
	int h;

	for (size_t i = 0; i < c->origin_count; i++)
		if (c->validate[i].has_answer)
			note_answered(c, &c->validate[i].answer);
	choose_home(c);
	h = holder(c);
	if (h < 0) {
		run_script(c, now_ms);
		return;
	}
	suspect_answer(c, known_by(c, (size_t)h), &c->origin[h]);
	question_suspect(c, now_ms);
}

static bool note_gathered(struct claim *c, uint64_t tag, const struct answer *a)
{
	struct ask *to = tag == c->place.tag ? &c->place : NULL;

	for (size_t i = 0; i < c->origin_count && !to; i++)
		if (c->validate[i].tag == tag)
			to = &c->validate[i];
	if (!to)
		return false;
	to->has_answer = true;
	to->answer = *a;
	return true;
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
	if (c->stage == STAGE_GATHER && note_gathered(c, tag, a)) {
		if (is_gathered(c))
			end_gather(c, now_ms);
	} else if (c->stage == STAGE_ALIVE && tag == c->ingest.tag) {
		c->is_ingest_absent = a->err == -ECONNREFUSED;
		note_answer(&c->ingest, a);
		judge(c, now_ms);
	} else if (c->stage == STAGE_ALIVE && tag == c->at_home.tag) {
		note_answer(&c->at_home, a);
		judge(c, now_ms);
	} else if (c->stage == STAGE_LOCAL && tag == c->local.tag) {
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
	if (c->stage != STAGE_SCRIPT || tag != c->script_tag)
		return true;
	if (!r->err) {
		on_claimed(c, r);
	} else if (r->err == WEIR_EBUSY) {
		note_told(c, &r->entry.epoch, &r->entry.term);
		suspect_entry(c, &r->entry, true);
		question_suspect(c, now_ms);
	} else {
		go_local(c, now_ms);
	}
	return true;
}

static void do_due(struct claim *c, int64_t now_ms)
{
	if (now_ms - c->began_ms > CLAIM_MAX_MS) {
		refuse(c, REASON_busy, "no decision in time");
		return;
	}
	switch (c->stage) {
	case STAGE_START:
		gather(c, now_ms);
		break;
	case STAGE_GATHER:
		end_gather(c, now_ms);
		break;
	case STAGE_SCRIPT:
		go_local(c, now_ms); /* the world forgot to answer */
		break;
	case STAGE_ALIVE:
		ask_both(c, now_ms);
		judge(c, now_ms);
		break;
	case STAGE_HOLD:
		ask_suspect(c, now_ms);
		break;
	case STAGE_LEASE:
		run_script(c, now_ms);
		break;
	case STAGE_LOCAL:
		on_local(c, &(struct answer){.err = WEIR_ETIMEOUT}, now_ms);
		break;
	case STAGE_DONE:
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

	if (c->stage == STAGE_DONE || now_ms < c->due_ms)
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
