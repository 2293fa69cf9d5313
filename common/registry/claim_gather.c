/* common/registry/claim_gather.c - a claim asks around: where to, and what do the
 * origins know? */
#include "common/registry/claim_priv.h"
#include "common/registry/entry.h"
#include "common/registry/rank.h"

/* Numbers that a peer may tell; beyond they are nonsense. */
#define TOLD_MAX (UINT64_C(1) << 52)

void claim_gather(struct claim *c, int64_t now_ms)
{
	const struct world *w = c->world;
	struct question q = claim_question_of(c, QUESTION_VALIDATE);

	c->origin_count = w->origins(w->ctx, c->origin, CLAIM_ORIGINS_MAX);
	if (!c->origin_count) {
		if (now_ms - c->began_ms >= w->peer_dead_ms)
			claim_refuse(c, REASON_no_origin,
				     "no origin is reachable");
		else
			claim_enter(c, CLAIM_START, now_ms,
				    now_ms + CLAIM_POLL_MS);
		return;
	}
	for (size_t i = 0; i < c->origin_count; i++)
		claim_put_question(c, &c->validate[i], c->origin[i].link, &q,
				   w->place_ms);
	q = claim_question_of(c, QUESTION_PLACE);
	c->place = (struct claim_asked){.tag = claim_new_tag(c)};
	w->ask_dispatch(w->ctx, c->place.tag, &q, w->place_ms);
	claim_enter(c, CLAIM_GATHER, now_ms,
		    now_ms + w->place_ms + CLAIM_POLL_MS);
}

bool claim_is_gathered(const struct claim *c)
{
	for (size_t i = 0; i < c->origin_count; i++)
		if (!c->validate[i].has_answer)
			return false;
	return c->place.has_answer;
}

const struct answer *claim_known_by(const struct claim *c, size_t i)
{
	const struct claim_asked *a = &c->validate[i];

	return a->has_answer && !a->answer.err && a->answer.is_known
		       ? &a->answer
		       : NULL;
}

void claim_note_told(struct claim *c, const struct epoch *epoch,
		     const struct term *term)
{
	if (epoch->counter < TOLD_MAX)
		c->told_counter = WEIR_MAX(c->told_counter, epoch->counter);
	if (term->number < TOLD_MAX)
		c->told_term = WEIR_MAX(c->told_term, term->number);
}

void claim_note_answered(struct claim *c, const struct answer *a)
{
	struct epoch top = {.counter = (uint64_t)a->top_counter};

	if (a->err)
		return;
	if (a->top_counter > 0)
		claim_note_told(c, &top, &(struct term){0});
	if (a->is_known)
		claim_note_told(c, &a->epoch, &a->term);
}

/* How good is origin `i` as the home, for the log that it has? */
static bool is_better_log(const struct claim *c, size_t i, size_t than)
{
	const struct answer *a = claim_known_by(c, i),
			    *b = claim_known_by(c, than);
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
		const struct answer *a = claim_known_by(c, i);

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
	const struct claim_asked *a = &c->validate[origin - c->origin];

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

void claim_choose_home(struct claim *c)
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

int claim_holder(const struct claim *c)
{
	int best = -1;

	for (size_t i = 0; i < c->origin_count; i++) {
		const struct answer *a = claim_known_by(c, i), *b;

		if (!a || !a->is_live || epoch_eq(&a->epoch, &c->expected) ||
		    uuid_eq(&a->epoch.writer, &c->request.session))
			continue;
		b = best < 0 ? NULL : claim_known_by(c, (size_t)best);
		if (!b || claim_order(&a->epoch, a->start_us, &b->epoch,
				      b->start_us) > 0)
			best = (int)i;
	}
	return best;
}

bool claim_note_gathered(struct claim *c, uint64_t tag, const struct answer *a)
{
	struct claim_asked *to = tag == c->place.tag ? &c->place : NULL;

	for (size_t i = 0; i < c->origin_count && !to; i++)
		if (c->validate[i].tag == tag)
			to = &c->validate[i];
	if (!to)
		return false;
	to->has_answer = true;
	to->answer = *a;
	return true;
}
