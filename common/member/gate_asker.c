/* common/member/gate_asker.c - which dispatch is asked, and whether it lives.
 *
 * A webhook may take its time: a dispatch that has not answered yet is no dead
 * one. So it is asked for a sign of life, too, as long as a question is with it.
 * Who gives none is frozen, or cut off; its link would stand for
 * bus.peer_dead_ms more, which visitors would wait for.
 */
#include <stdlib.h>

#include "common/member/gate_priv.h"

struct asker_question {
	struct list link; /* in asker.questions, or asker.unasked */
	struct gate_asker *asker;
	link_id to;
	uint64_t tag;
	bool is_moot; /* it was told that this one failed */
};

/* A dispatch that has a question, or had one lately. */
struct asker_peer {
	struct list link; /* in asker.peers */
	struct gate_asker *asker;
	link_id id;
	int64_t next_ms;   /* for the next sign of life */
	bool is_under_way; /* on_sign comes */
	bool is_silent;
};

static struct asker_question *question_at(struct list *it)
{
	return list_entry(it, struct asker_question, link);
}

static struct asker_peer *peer_at(struct list *it)
{
	return list_entry(it, struct asker_peer, link);
}

static int64_t now_ms(const struct gate_asker *a)
{
	return a->world->now_ms(a->world->ctx);
}

static struct asker_peer *find_peer(struct gate_asker *a, link_id id)
{
	list_each (it, &a->peers)
		if (peer_at(it)->id == id)
			return peer_at(it);
	return NULL;
}

static bool is_silent(struct gate_asker *a, link_id id)
{
	const struct asker_peer *p = find_peer(a, id);

	return p && p->is_silent;
}

static bool has_question(struct gate_asker *a, link_id id)
{
	list_each (it, &a->questions)
		if (question_at(it)->to == id && !question_at(it)->is_moot)
			return true;
	return false;
}

/* Each try goes to the next one; to a silent one only if all are. 0: none. */
static link_id choose(struct gate_asker *a, uint64_t tag)
{
	link_id all[ASKER_DISPATCHES_MAX], awake[ASKER_DISPATCHES_MAX];
	size_t count =
		a->world->dispatches(a->world->ctx, all, ASKER_DISPATCHES_MAX);
	size_t awake_count = 0;

	for (size_t i = 0; i < count; i++)
		if (!is_silent(a, all[i]))
			awake[awake_count++] = all[i];
	if (awake_count)
		return awake[tag % awake_count];
	return count ? all[tag % count] : 0;
}

/* ---- answers ---- */

static void on_answer(void *ctx, int err, struct json_object *json)
{
	struct asker_question *q = ctx;
	struct gate_asker *a = q->asker;
	bool is_wanted = a && !q->is_moot;
	uint64_t tag = q->tag;

	list_remove(&q->link);
	free(q);
	if (is_wanted)
		a->world->answered(a->world->ctx, tag, err, json);
}

/* Another dispatch may have them; an answer that comes all the same is of no
 * interest. */
static void give_up(struct gate_asker *a, link_id id)
{
	list_each_safe (it, &a->questions) {
		struct asker_question *q = question_at(it);

		if (q->to != id || q->is_moot)
			continue;
		q->is_moot = true;
		a->world->answered(a->world->ctx, q->tag, WEIR_ETIMEOUT, NULL);
	}
}

/* ---- signs of life ---- */

static bool is_somebody_awake(struct gate_asker *a)
{
	link_id id = choose(a, 0);

	return id && !is_silent(a, id);
}

static void peer_free(struct asker_peer *p)
{
	list_remove(&p->link);
	free(p);
}

static void on_sign(void *ctx, int err, struct json_object *json)
{
	struct asker_peer *p = ctx;
	struct gate_asker *a = p->asker;

	(void)json;
	p->is_under_way = false;
	if (!a || err == WEIR_ECLOSED) { /* its questions hear so themselves */
		peer_free(p);
		return;
	}
	p->is_silent = err == WEIR_ETIMEOUT;
	p->next_ms = now_ms(a) + (p->is_silent ? 0 : a->sign_ms);
	if (p->is_silent && is_somebody_awake(a))
		give_up(a, p->id);
	a->world->wake_at(a->world->ctx, p->next_ms);
}

/* A silent one is looked at until it is back or its link is down. */
static int64_t peer_tick(struct asker_peer *p, int64_t now)
{
	struct gate_asker *a = p->asker;

	if (p->is_under_way)
		return INT64_MAX;
	if (p->next_ms > now)
		return p->next_ms;
	if (!p->is_silent && !has_question(a, p->id)) {
		peer_free(p);
		return INT64_MAX;
	}
	p->is_under_way = true;
	if (a->world->call(a->world->ctx, p->id, "alive", NULL,
			   (uint32_t)a->sign_ms, on_sign, p))
		peer_free(p); /* no memory: the questions have a time-out */
	return INT64_MAX;
}

static void watch(struct gate_asker *a, link_id id)
{
	struct asker_peer *p = find_peer(a, id);

	if (p)
		return;
	p = calloc(1, sizeof(*p));
	if (!p)
		return; /* as without memory above */
	*p = (struct asker_peer){.asker = a, .id = id, .next_ms = now_ms(a)};
	list_init(&p->link);
	list_append(&a->peers, &p->link);
	a->world->wake_at(a->world->ctx, p->next_ms);
}

int64_t asker_tick(struct gate_asker *a)
{
	int64_t now = now_ms(a), due_ms = INT64_MAX;

	list_each_safe (it, &a->unasked)
		on_answer(question_at(it), WEIR_ECLOSED, NULL);
	list_each_safe (it, &a->peers) {
		int64_t one_ms = peer_tick(peer_at(it), now);

		due_ms = WEIR_MIN(due_ms, one_ms);
	}
	return due_ms;
}

/* ---- questions ---- */

void asker_ask(struct gate_asker *a, uint64_t tag, struct json_object *args,
	       uint32_t deadline_ms)
{
	struct asker_question *q = calloc(1, sizeof(*q));

	if (!q)
		return; /* the question's own time-out answers */
	q->asker = a;
	q->tag = tag;
	q->to = choose(a, tag);
	list_init(&q->link);
	if (!q->to || a->world->call(a->world->ctx, q->to, "auth", args,
				     deadline_ms, on_answer, q)) {
		list_append(&a->unasked, &q->link);
		a->world->wake_at(a->world->ctx, now_ms(a));
		return;
	}
	list_append(&a->questions, &q->link);
	watch(a, q->to);
}

/* ---- life ---- */

void asker_init(struct gate_asker *a, const struct asker_world *world,
		int64_t sign_ms)
{
	*a = (struct gate_asker){.world = world, .sign_ms = sign_ms};
	list_init(&a->questions);
	list_init(&a->unasked);
	list_init(&a->peers);
}

void asker_fini(struct gate_asker *a)
{
	list_each_safe (it, &a->unasked) {
		list_remove(it);
		free(question_at(it));
	}
	list_each_safe (it, &a->questions) { /* free when their answers come */
		list_remove(it);
		question_at(it)->asker = NULL;
	}
	list_each_safe (it, &a->peers) {
		struct asker_peer *p = peer_at(it);

		list_remove(it);
		p->asker = NULL;
		if (!p->is_under_way)
			free(p);
	}
}
