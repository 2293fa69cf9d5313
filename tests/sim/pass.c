/* tests/sim/pass.c - a publisher goes on at another ingest of its machine, in
 * the middle of the epoch: its session is saved, given and taken.
 *
 * From saving to giving the publisher is not read, and the giver may still keep
 * it; giving is one moment; from there to taking nobody has it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

#define GIVE_MS   1000 /* of the giver: then it keeps it */
#define SHADOW_MS 50
#define SAVED_AT  1 /* where the bytes say when they were saved */

static const struct log_limits writer_log = {10000, 16 << 20, 8 << 20, 500};

/* What the giver has to do with a session that may be gone by then. */
struct give_job {
	struct job job;
	struct sim_session *session; /* compared only */
	int64_t session_began_us;
	struct sim_node *to;
	uint32_t to_life;
	int64_t long_us;
};

struct take_job {
	struct job job;
	struct passing *passing;
};

struct sim_node *pass_target(struct sim *s, const struct sim_node *from)
{
	struct sim_node *of[NODES_MAX];
	size_t count = 0;

	for (size_t i = 0; i < s->node_count; i++) {
		struct sim_node *n = &s->node[i];

		if (n->kind == NODE_INGEST && n != from && n->is_alive &&
		    !n->is_paused && !n->is_draining)
			of[count++] = n;
	}
	return count ? of[sim_below(s, count)] : NULL;
}

/* ---- save ---- */

static void copy_log(struct log *to, const struct log *from)
{
	uint64_t tail = log_tail(from), next = log_next(from);
	const struct stateset *set = log_state_before(from, tail);

	for (uint32_t i = 0; set && i < set->count; i++)
		BUG_ON(log_set_state(to, set->frame[i]));
	for (uint64_t i = tail; i < next; i++)
		BUG_ON(i == tail ? log_append_gap(to, log_at(from, i))
				 : log_append(to, log_at(from, i)));
}

/* All but the writer. */
static struct sim_session *copy_session(const struct sim_session *se,
					struct sim_node *to)
{
	struct sim_session *next = sim_need(malloc(sizeof(*next)));

	*next = *se;
	next->node = to;
	next->life = to->life;
	next->publisher = NULL;
	next->passing = NULL;
	next->guest = guests_copy(se->guest, next);
	next->writer = NULL;
	next->log = NULL;
	next->was_offered = false;
	list_init(&next->link);
	BUG_ON(log_new(&next->log, &writer_log));
	copy_log(next->log, se->log);
	return next;
}

static struct passing *save(struct sim_session *se, struct sim_node *to)
{
	struct passing *p = sim_need(calloc(1, sizeof(*p)));

	p->sim = se->sim;
	p->from = se;
	p->next = copy_session(se, to);
	p->began_us = se->sim->now_us;
	writer_pass(se->writer, &p->bytes, sim_now_ms(se->sim));
	BUG_ON(buf_error(&p->bytes));
	se->passing = p;
	return p;
}

void pass_free(struct passing **pp)
{
	struct passing *p = *pp;

	*pp = NULL;
	if (!p)
		return;
	if (p->next)
		session_free(p->next);
	buf_fini(&p->bytes);
	free(p);
}

/* ---- take ---- */

/* A mutant: what was long on its way passes for fresh. */
static void freshen(struct passing *p)
{
	struct buf now = {0};

	buf_put_u64_le(&now, (uint64_t)sim_now_ms(p->sim));
	memcpy(p->bytes.data + SAVED_AT, now.data, now.len);
	buf_fini(&now);
}

static void take(struct sim *s, struct passing *p, struct sim_node *n)
{
	struct sim_session *se = p->next;
	const struct writer_request request = {
		.key = s->key[se->key],
		.log = se->log,
	};
	int err;

	if (s->options.mutant == SIM_OLD_GOODS)
		freshen(p);
	p->next = NULL;
	list_append(&s->sessions, &se->link);
	se->began_us = s->now_us;
	se->publisher = p->publisher;
	if (p->publisher) {
		p->publisher->passing = NULL;
		p->publisher->session = se;
	}
	check_taken(s, se, p->began_us);
	if (s->options.mutant != SIM_GATE_LOSES)
		guests_adopt(se);
	sim_trace(s, "%s: takes %s", n->id, s->key[se->key].text);
	err = writer_take(&se->writer, n->writers, &request,
			  buf_span(&p->bytes), &session_events, se,
			  sim_now_ms(s));
	if (err)
		sim_violation(s, "%s does not take what was given: %s", n->id,
			      weir_strerror(err));
	else
		session_input(se, p->inputs);
	if (!err && p->has_fin)
		session_leave(se, REASON_peer_left);
}

static void on_take(struct sim *s, struct job *j)
{
	struct take_job *t = (struct take_job *)j;

	take(s, t->passing, j->node);
}

/* Taken; or the taker is dead, and the kernel has closed the connection. */
static void take_drop(struct job *j)
{
	struct passing *p = ((struct take_job *)j)->passing;
	struct publisher *who = p->publisher;

	if (p->next && who) {
		who->passing = NULL;
		who->next_us =
			p->sim->now_us + sim_between_us(p->sim, 50, 1500);
	}
	pass_free(&p);
}

/* ---- give ---- */

static void hand_on(struct sim *s, struct passing *p)
{
	struct take_job *t;

	t = sim_job(s, sizeof(*t), p->next->node, on_take);
	t->job.life = p->next->life;
	t->job.drop = take_drop;
	t->passing = p;
	sim_at(s, &t->job, s->now_us + sim_between_us(s, 0, 3));
}

static struct give_job *give_job(struct sim_session *se,
				 const struct give_job *g,
				 void (*run)(struct sim *s, struct job *j))
{
	struct give_job *j = sim_job(se->sim, sizeof(*j), se->node, run);

	j->session = se;
	j->session_began_us = se->began_us;
	j->to = g->to;
	j->to_life = g->to_life;
	j->long_us = g->long_us;
	return j;
}

static struct sim_session *find_session(struct sim *s, const struct give_job *g)
{
	list_each (l, &s->sessions) {
		struct sim_session *se =
			list_entry(l, struct sim_session, link);

		if (se == g->session && se->began_us == g->session_began_us)
			return se;
	}
	return NULL;
}

/* A mutant: the giver goes on, as if its publisher still sent to it. */
static void on_shadow(struct sim *s, struct job *j)
{
	struct sim_session *se = find_session(s, (struct give_job *)j);

	if (se)
		session_input(se, 1);
}

static void end_there(struct sim *s, struct sim_session *se)
{
	enum sim_mutant m = s->options.mutant;
	struct give_job g = {0};

	if (m == SIM_GIVER_WRITES)
		sim_at(s, &give_job(se, &g, on_shadow)->job,
		       s->now_us + SHADOW_MS * MS);
	if (m == SIM_GIVER_WRITES || m == SIM_GIVER_STAYS)
		return;
	writer_passed(&se->writer, sim_now_ms(s));
	session_free(se);
}

static void give(struct sim *s, struct sim_session *se)
{
	struct passing *p = se->passing;
	struct publisher *who = se->publisher;

	sim_trace(s, "%s: gives %s to %s", se->node->id, s->key[se->key].text,
		  p->next->node->id);
	se->passing = NULL;
	se->publisher = NULL;
	p->from = NULL;
	p->publisher = who;
	if (who) {
		who->session = NULL;
		who->passing = p;
	}
	check_given(s, se);
	end_there(s, se);
	hand_on(s, p);
}

/* It is read again, as if nothing had been. */
static void keep(struct sim_session *se)
{
	struct passing *p = se->passing;
	uint32_t inputs = p->inputs;
	bool has_fin = p->has_fin;

	sim_trace(se->sim, "%s: keeps %s", se->node->id,
		  se->sim->key[se->key].text);
	if (p->is_old)
		se->was_offered = false;
	pass_free(&se->passing);
	session_input(se, inputs);
	if (has_fin)
		session_leave(se, REASON_peer_left);
}

static bool is_taker_there(const struct give_job *g)
{
	return g->to->is_alive && g->to->life == g->to_life;
}

static void on_left(struct sim *s, struct job *j)
{
	struct give_job *g = (struct give_job *)j;
	struct sim_session *se = find_session(s, g);
	bool is_late;

	if (!se || !se->passing)
		return;
	/* After a sleep either is seen first: the time, or the room. */
	is_late = s->now_us - se->passing->began_us > GIVE_MS * MS &&
		  sim_chance(s, 50);
	if (is_late || se->passing->is_old || !is_taker_there(g))
		keep(se);
	else
		give(s, se);
}

static void on_ready(struct sim *s, struct job *j)
{
	struct give_job *g = (struct give_job *)j;
	struct sim_session *se = find_session(s, g);

	if (!se || se->passing || se->is_left || !se->is_granted ||
	    !writer_can_pass(se->writer) || !is_taker_there(g) ||
	    g->to->is_paused)
		return;
	save(se, g->to);
	if (!g->long_us) {
		give(s, se);
		return;
	}
	sim_at(s, &give_job(se, g, on_left)->job, s->now_us + g->long_us);
}

void pass_session(struct sim_session *se, struct sim_node *to, int64_t long_us)
{
	const struct give_job g = {
		.to = to,
		.to_life = to->life,
		.long_us = long_us,
	};

	sim_at(se->sim, &give_job(se, &g, on_ready)->job,
	       se->sim->now_us + sim_between_us(se->sim, 0, 2));
}
