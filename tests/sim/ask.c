/* tests/sim/ask.c - questions and scripts: asked, answered, out of time. */
#include <errno.h>
#include <stdlib.h>

#include "common/bus/question.h"
#include "tests/sim/net_priv.h"

/* ---- answers ---- */

struct answer_job {
	struct job job;
	uint64_t tag;
	struct answer answer;
};

static void on_answer(struct sim *s, struct job *j)
{
	struct answer_job *a = (struct answer_job *)j;

	(void)s;
	if (net_take_pending(j->node, a->tag))
		node_on_answer(j->node, a->tag, &a->answer);
}

void net_answer_at(struct sim_node *n, uint64_t tag, const struct answer *a,
		   int64_t at_us)
{
	struct answer_job *j = sim_job(n->sim, sizeof(*j), n, on_answer);

	j->tag = tag;
	j->answer = *a;
	sim_at(n->sim, &j->job, at_us);
}

void net_close_asks(struct sim *s, struct side *side)
{
	struct answer closed = {.err = WEIR_ECLOSED};

	list_each (l, &side->node->pending) {
		struct pending *p = list_entry(l, struct pending, link);

		if (p->wire == side->id)
			net_answer_at(side->node, p->tag, &closed, s->now_us);
	}
}

void net_answer_question(struct sim *s, struct side *me,
			 const struct message *m)
{
	struct message *reply = net_message_to(net_other(me), W_ANSWER);
	struct question q;
	struct answer a = {.err = WEIR_ENOENT};

	BUG_ON(question_read(&q, buf_span(&m->bytes)));
	node_on_question(me->node, &q, &a);
	if (s->options.mutant == SIM_TRUST_LEASE && q.kind == QUESTION_ALIVE)
		a = (struct answer){.err = WEIR_ETIMEOUT};
	BUG_ON(answer_write(&reply->bytes, &a));
	reply->tag = m->tag;
	sim_at(s, &reply->job, s->now_us + net_delay_us(s));
}

void net_take_answer(struct side *me, const struct message *m)
{
	struct answer a;

	BUG_ON(answer_read(&a, buf_span(&m->bytes)));
	if (net_take_pending(me->node, m->tag))
		node_on_answer(me->node, m->tag, &a);
}

/* ---- questions ---- */

bool net_take_pending(struct sim_node *n, uint64_t tag)
{
	list_each (l, &n->pending) {
		struct pending *p = list_entry(l, struct pending, link);

		if (p->tag != tag)
			continue;
		list_remove(&p->link);
		free(p);
		return true;
	}
	return false;
}

void net_drop_pending(struct sim_node *n)
{
	list_each_safe (l, &n->pending) {
		list_remove(l);
		free(list_entry(l, struct pending, link));
	}
}

struct deadline {
	struct job job;
	uint64_t tag;
	bool is_script;
};

static void on_deadline(struct sim *s, struct job *j)
{
	struct deadline *d = (struct deadline *)j;
	struct script_result r = {.err = WEIR_ETIMEOUT};
	struct answer a = {.err = WEIR_ETIMEOUT};

	(void)s;
	if (!net_take_pending(j->node, d->tag))
		return;
	if (d->is_script)
		node_on_script(j->node, d->tag, &r);
	else
		node_on_answer(j->node, d->tag, &a);
}

void net_wait(struct sim *s, struct sim_node *n, uint64_t tag, link_id link,
	      bool is_script, uint32_t deadline_ms)
{
	struct pending *p = sim_need(calloc(1, sizeof(*p)));
	struct deadline *d = sim_job(s, sizeof(*d), n, on_deadline);

	p->tag = tag;
	p->wire = link;
	p->is_script = is_script;
	list_append(&n->pending, &p->link);
	d->tag = tag;
	d->is_script = is_script;
	sim_at(s, &d->job, s->now_us + deadline_ms * MS);
}

void net_ask(void *ctx, link_id link, uint64_t tag, const struct question *q,
	     uint32_t deadline_ms)
{
	struct sim_node *n = ctx;
	struct sim *s = n->sim;
	struct side *from = net_find_side(n, link);
	int copies = sim_chance(s, 5) ? 2 : 1;

	net_wait(s, n, tag, from ? link : 0, false, deadline_ms);
	if (!from) {
		int err = link == ABSENT_LINK ? -ECONNREFUSED : WEIR_ECLOSED;

		net_answer_at(n, tag, &(struct answer){.err = err}, s->now_us);
		return;
	}
	for (int i = 0; i < copies; i++) {
		struct message *m = net_message_to(net_other(from), W_QUESTION);

		BUG_ON(question_write(&m->bytes, q));
		m->tag = tag;
		sim_at(s, &m->job, s->now_us + net_delay_us(s));
	}
}

/* ---- dispatch ---- */

void net_ask_dispatch(void *ctx, uint64_t tag, const struct question *q,
		      uint32_t deadline_ms)
{
	struct sim_node *n = ctx;
	struct sim *s = n->sim;
	struct answer a = {.err = WEIR_ENOENT};
	int64_t at_us = s->now_us + net_delay_us(s) * 2;

	net_wait(s, n, tag, 0, false, deadline_ms);
	if (s->now_us < s->dispatch_until_us[0]) {
		if (s->now_us < s->dispatch_until_us[1])
			return; /* nobody answers */
		at_us += 100 * MS;
	}
	dispatch_answer(s, q, &a);
	net_answer_at(n, tag, &a, at_us);
}
