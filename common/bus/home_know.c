/* common/bus/home_know.c - what an origin knows of a stream, and whom it
 * believes: the claims' order first, then the term. */
#include "common/bus/home_priv.h"

#include <stdio.h>

#include "common/registry/entry.h"

#define RETRY_MS 500

static int order_of(const struct home_stream *s, const struct epoch *epoch,
		    int64_t start_us)
{
	return claim_order(epoch, start_us, &s->entry.epoch, s->entry.start_us);
}

/* ---- news ---- */

static void note_best(struct home_stream *s, const struct epoch *epoch,
		      int64_t start_us)
{
	if (claim_order(epoch, start_us, &s->best, s->best_start_us) <= 0)
		return;
	s->best = *epoch;
	s->best_start_us = start_us;
}

static bool is_newer_term(const struct term *a, const struct term *b)
{
	return a->number > b->number;
}

static void store_news(struct home_stream *s, const struct home_news *n)
{
	struct stream_entry *e = &s->entry;

	e->epoch = n->epoch;
	e->term = n->term;
	e->start_us = n->start_us;
	e->is_live = true;
	e->is_local = n->is_local;
	snprintf(e->home_node, sizeof(e->home_node), "%s", n->node);
	snprintf(e->home_url, sizeof(e->home_url), "%s", n->url);
	if (n->kind[0])
		snprintf(e->kind, sizeof(e->kind), "%s", n->kind);
	if (n->writer_node[0]) {
		snprintf(e->writer_node, sizeof(e->writer_node), "%s",
			 n->writer_node);
		e->writer_instance = n->writer_instance;
	}
}

/* The stream's home is elsewhere: whoever is bound here goes, and consumers are
 * told. What stands in the log stays a while. */
static void go_away(struct home_stream *s, bool is_same_epoch, int64_t now_ms)
{
	struct binding *b = s->writer;

	if (s->role == ROLE_HOME)
		home_event(s, "home.moved_away", REASON_none,
			   s->entry.home_node);
	if (b) {
		if (is_same_epoch)
			home_drop_binding(b); /* the writer itself moved */
		else
			home_fence(b, REASON_taken_over);
	}
	s->role = s->log ? ROLE_REPLICA : ROLE_NONE;
	s->grace_ms = INT64_MAX;
	s->hint_ms = now_ms + s->homes->world->publish_grace_ms;
	s->stale_ms = s->hint_ms;
	s->is_wanted_here = false;
	home_move_consumers(s);
	home_changed(s);
}

/* A claim that loses says that it has a term above ours: our writer must raise
 * past it, or consumers would follow the loser. */
static void answer_loser(struct home_stream *s, const struct home_news *n)
{
	const struct world *world = s->homes->world;
	struct record r = {
		.type = RECORD_FENCED,
		.reason = REASON_fenced,
		.term = n->term,
		.position.epoch = s->entry.epoch,
	};

	if (!s->writer || n->term.number < s->entry.term.number)
		return;
	r.sid = s->writer->pub.sid;
	world->send(world->ctx, s->writer->peer->node.link, &r);
}

bool home_learn(struct home_stream *s, const struct home_news *n,
		int64_t now_ms)
{
	const char *self = s->homes->world->self.id;
	int order = order_of(s, &n->epoch, n->start_us);
	bool is_known = s->entry.term.number > 0;

	note_best(s, &n->epoch, n->start_us);
	if (is_known && order < 0) {
		answer_loser(s, n);
		return false;
	}
	if (is_known && !is_newer_term(&n->term, &s->entry.term)) {
		if (order > 0 && s->writer) {
			home_fence(s->writer, REASON_lost_claim);
			home_writer_lost(s, now_ms);
		}
		return false;
	}
	store_news(s, n);
	if (strcmp(n->node, self) != 0) {
		go_away(s, order == 0, now_ms);
		return true;
	}
	home_set_term(s);
	if (s->role != ROLE_HOME) /* if it does not come, that was nothing */
		s->hint_ms = now_ms + s->homes->world->publish_grace_ms;
	return true;
}

/* Does a claim that stands above ours come with a term that does not? Or the
 * very claim with a term that another process raised just as high? */
static bool wins_below(const struct home_stream *s, const struct home_news *n)
{
	int order = order_of(s, &n->epoch, n->start_us);

	if (order == 0)
		return n->term.number == s->entry.term.number &&
		       !term_eq(&n->term, &s->entry.term);
	return order > 0 && n->term.number <= s->entry.term.number;
}

/* It has to raise past what the loser's consumers have seen. */
static void tell_winner(struct home_stream *s, const struct home_link *peer,
			const struct home_news *n)
{
	const struct world *world = s->homes->world;
	struct record r = {
		.type = RECORD_FENCED,
		.reason = REASON_fenced,
		.term = s->entry.term,
		.position.epoch = n->epoch,
	};

	world->send(world->ctx, peer->node.link, &r);
}

void home_on_home(struct homes *hs, struct home_link *peer,
		  const struct record *r, int64_t now_ms)
{
	struct home_stream *s = home_get(hs, &r->key);
	struct home_news n = {
		.epoch = r->position.epoch,
		.term = r->term,
		.start_us = r->start_us,
		.kind = "",
		.node = r->node,
		.url = r->url,
		.writer_node = peer->node.id,
		.writer_instance = peer->node.instance,
		.is_local = r->flags & HOME_LOCAL,
	};

	if (!s || !r->term.number)
		return;
	if (!(r->flags & HOME_LIVE)) {
		if (!epoch_eq(&r->position.epoch, &s->entry.epoch) ||
		    s->role == ROLE_HOME)
			return;
		s->entry.is_live = false;
		s->hint_ms = now_ms + s->homes->world->publish_grace_ms;
		return;
	}
	if (!home_learn(s, &n, now_ms) && wins_below(s, &n))
		tell_winner(s, peer, &n);
	if (s->role == ROLE_HOME ||
	    !epoch_eq(&r->position.epoch, &s->entry.epoch))
		return;
	s->hint_link = peer->node.link;
	s->hint_ms = INT64_MAX; /* while that link is up */
	home_serve(s, now_ms);
}

void home_learn_entry(struct home_stream *s, const struct stream_entry *e,
		      int64_t now_ms)
{
	struct home_news n = {
		.epoch = e->epoch,
		.term = e->term,
		.start_us = e->start_us,
		.kind = e->kind,
		.node = e->home_node,
		.url = e->home_url,
		.writer_node = e->writer_node,
		.writer_instance = e->writer_instance,
		.is_local = e->is_local,
	};

	note_best(s, &e->epoch, e->start_us);
	if (!e->is_live || e->is_ended)
		return;
	if (home_learn(s, &n, now_ms) && s->role != ROLE_HOME &&
	    s->hint_ms == INT64_MAX)
		s->hint_ms = now_ms + s->homes->world->publish_grace_ms;
	home_serve(s, now_ms);
}

enum reason home_judge(const struct home_stream *s, const struct pub *pub)
{
	const struct term *known = &s->entry.term;
	const struct epoch *epoch = &pub->epoch;
	int order = order_of(s, epoch, pub->start_us);

	if (s->homes->world->mutants & MUTANT_NO_FENCE)
		return REASON_none;
	if (claim_order(epoch, pub->start_us, &s->best, s->best_start_us) < 0)
		return REASON_lost_claim;
	if (!known->number || pub->term.number > known->number)
		return order < 0 ? REASON_lost_claim : REASON_none;
	if (order < 0)
		return REASON_lost_claim;
	return order == 0 && term_eq(&pub->term, known) ? REASON_none
							: REASON_fenced;
}

/* ---- ask others ---- */

void home_check(struct home_stream *s, int64_t now_ms)
{
	const struct world *world = s->homes->world;
	struct script_call call = {.kind = SCRIPT_VERIFY, .entry = s->entry};

	if (s->is_checking)
		return;
	s->is_checking = true;
	s->check_ms =
		now_ms + world->registry_ms + world->peer_dead_ms + RETRY_MS;
	s->validate_count = 0;
	s->verify_tag = home_tag(s);
	world->script(world->ctx, s->verify_tag, &call);
}

void home_checked(struct home_stream *s, int64_t now_ms)
{
	s->is_checking = false;
	s->check_ms = INT64_MAX;
	if (s->is_silenced)
		home_silence(s, false);
	home_judge_all(s, now_ms);
}

static void ask_origins(struct home_stream *s, int64_t now_ms)
{
	const struct world *world = s->homes->world;
	struct node_ref origin[HOME_ORIGINS_MAX];
	size_t count = world->origins(world->ctx, origin, HOME_ORIGINS_MAX);
	struct question q = {
		.kind = QUESTION_VALIDATE,
		.key = s->entry.key,
		.epoch = s->entry.epoch,
		.term = s->entry.term,
		.start_us = s->entry.start_us,
	};

	s->validate_count = s->validate_left = (uint32_t)count;
	for (size_t i = 0; i < count; i++) {
		uint64_t tag = home_tag(s);

		if (!i)
			s->validate_first = tag;
		world->ask(world->ctx, origin[i].link, tag, &q,
			   world->peer_dead_ms);
	}
	if (!count)
		home_checked(s, now_ms); /* nobody contradicts */
}

void home_on_verified(struct home_stream *s, const struct script_result *r,
		      int64_t now_ms)
{
	if (!s->is_checking)
		return;
	if (r->err) {
		ask_origins(s, now_ms);
		return;
	}
	home_learn_entry(s, &r->entry, now_ms);
	home_checked(s, now_ms);
}

void home_on_validated(struct home_stream *s, uint64_t tag,
		       const struct answer *a, int64_t now_ms)
{
	uint64_t index = tag - s->validate_first;
	struct home_news n = {
		.epoch = a->epoch,
		.term = a->term,
		.start_us = a->start_us,
		.kind = a->kind,
		.node = a->node,
		.url = a->url,
		.writer_node = a->writer_node,
	};

	if (!s->is_checking || tag < s->validate_first ||
	    index >= s->validate_count)
		return;
	if (!a->err && a->is_known && a->term.number)
		home_learn(s, &n, now_ms);
	if (s->validate_left && --s->validate_left == 0)
		home_checked(s, now_ms);
}
