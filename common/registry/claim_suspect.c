/* common/registry/claim_suspect.c - who seems to have the stream that is claimed:
 * does it live? */
#include <stdio.h>

#include "common/registry/claim_priv.h"
#include "common/registry/verdict.h"

#define LEASE_POLL_MS 500
#define HOME_EACH_MS  200

void claim_ask_suspect(struct claim *c, int64_t now_ms)
{
	c->ingest = c->at_home = (struct claim_asked){0};
	c->is_ingest_absent = false;
	claim_enter(c, CLAIM_ALIVE, now_ms, now_ms);
}

void claim_suspect_entry(struct claim *c, const struct stream_entry *e,
			 bool is_lease_known)
{
	struct claim_suspect *s = &c->suspect;

	s->epoch = e->epoch;
	s->is_lease_known = is_lease_known;
	s->has_lease = e->writer_has_lease;
	memcpy(s->kind, e->kind, sizeof(s->kind));
	memcpy(s->ingest, e->writer_node, sizeof(s->ingest));
	memcpy(s->home, e->home_node, sizeof(s->home));
}

void claim_suspect_answer(struct claim *c, const struct answer *a,
			  const struct node_ref *origin)
{
	struct claim_suspect *s = &c->suspect;

	*s = (struct claim_suspect){.epoch = a->epoch};
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
	struct question q = claim_question_of(c, QUESTION_ALIVE);

	q.epoch = c->suspect.epoch;
	return q;
}

static void ask_one(struct claim *c, struct claim_asked *a, const char *node)
{
	const struct world *w = c->world;
	struct question q = alive_question(c);
	link_id link;

	if (a->tag || !node[0])
		return;
	link = w->link_to(w->ctx, node);
	if (link)
		claim_put_question(c, a, link, &q, w->peer_dead_ms);
}

/* Its word counts when the ingest has had its time: until then it is asked again
 * and again, so that it is not an old one. */
static void ask_home_about(struct claim *c, int64_t now_ms)
{
	const struct claim_asked before = c->at_home;

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

void claim_ask_both(struct claim *c, int64_t now_ms)
{
	struct question q = alive_question(c);

	if (!strcmp(c->suspect.ingest, c->world->self.id)) {
		struct answer said;

		c->request.ask_self(c->ctx, &q, &said, now_ms);
		claim_note_answer(&c->ingest, &said);
	} else {
		ask_one(c, &c->ingest, c->suspect.ingest);
	}
	ask_home_about(c, now_ms);
}

void claim_note_answer(struct claim_asked *a, const struct answer *answer)
{
	if (answer->err) { /* no word: ask again while there is time */
		*a = (struct claim_asked){0};
		return;
	}
	a->has_answer = true;
	a->answer = *answer;
}

static void go_on_free(struct claim *c, int64_t now_ms)
{
	c->expected = c->suspect.epoch;
	claim_note_told(c, &c->suspect.epoch, &(struct term){0});
	if (c->is_script_lost)
		claim_ask_home(c, now_ms);
	else
		claim_run_script(c, now_ms);
}

/* Nobody has a word. */
static void ask_lease(struct claim *c, int64_t now_ms)
{
	const struct claim_suspect *s = &c->suspect;

	c->mute = s->epoch;
	if (s->is_lease_known && s->has_lease)
		claim_enter(c, CLAIM_LEASE, now_ms, now_ms + LEASE_POLL_MS);
	else if (s->is_lease_known || c->is_script_lost)
		go_on_free(c, now_ms);
	else
		claim_run_script(c, now_ms); /* it tells the lease */
}

static void refuse_busy(struct claim *c, const struct answer *a)
{
	char detail[NODE_ID_SIZE + 64];

	snprintf(detail, sizeof(detail), "live at %s, last input %u ms ago",
		 c->suspect.ingest[0] ? c->suspect.ingest : c->suspect.home,
		 a->silent_ms);
	claim_refuse(c, REASON_busy, detail);
}

void claim_judge(struct claim *c, int64_t now_ms)
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
		c->due_ms = WEIR_MIN(now_ms + CLAIM_POLL_MS,
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
		claim_enter(c, CLAIM_HOLD, now_ms, now_ms + hold_ms);
		break;
	case VERDICT_LEASE:
		ask_lease(c, now_ms);
		break;
	}
}

/* Asked again and again, and there is no end to it. */
static void give_up(struct claim *c)
{
	const struct claim_suspect *s = &c->suspect;
	char detail[NODE_ID_SIZE + 64];

	if (!epoch_eq(&s->epoch, &c->mute)) {
		claim_refuse(c, REASON_busy, "it changes hands too fast");
		return;
	}
	snprintf(detail, sizeof(detail), "%s has it, and keeps its lease",
		 s->ingest[0] ? s->ingest : s->home);
	claim_refuse(c, REASON_bus_silent, detail);
}

void claim_question_suspect(struct claim *c, int64_t now_ms)
{
	if (++c->rounds > CLAIM_ROUNDS_MAX)
		give_up(c);
	else if (beats_suspect(c))
		go_on_free(c, now_ms);
	else if (epoch_eq(&c->suspect.epoch, &c->mute))
		ask_lease(c, now_ms);
	else {
		c->held_since_ms = 0;
		claim_ask_suspect(c, now_ms);
	}
}
