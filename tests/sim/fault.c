/* tests/sim/fault.c - what goes wrong, and when: drawn from the seed. */
#include "tests/sim/sim.h"

#define FAULTS_FROM_MS 3000
#define QUIET_MS       26000 /* after the last fault */

struct fault {
	struct job job;
	void (*begin)(struct sim *s, struct fault *f);
	struct sim_node *target;
	size_t index;
	int64_t long_us;
};

static void note(struct sim *s)
{
	s->fault_us = s->now_us;
}

/* ---- ends of faults ---- */

static void on_restart(struct sim *s, struct job *j)
{
	struct fault *f = (struct fault *)j;

	note(s);
	if (!f->target->is_alive)
		node_start(s, f->target);
}

static void on_resume(struct sim *s, struct job *j)
{
	note(s);
	node_resume(s, ((struct fault *)j)->target);
}

static void on_over(struct sim *s, struct job *j)
{
	(void)j;
	note(s);
}

/* A fault never lasts beyond the time of healing. */
static int64_t until_us(const struct sim *s, int64_t long_us)
{
	return WEIR_MIN(s->now_us + long_us, s->heal_us);
}

static void end_at(struct sim *s, const struct fault *f,
		   void (*run)(struct sim *s, struct job *j))
{
	struct fault *end = sim_job(s, sizeof(*end), NULL, run);

	end->target = f->target;
	sim_at(s, &end->job, until_us(s, f->long_us));
}

/* ---- beginnings ---- */

static struct sim_node *random_node(struct sim *s, int kind)
{
	struct sim_node *of[NODES_MAX] = {0};
	size_t count = 0;

	for (size_t i = 0; i < s->node_count; i++)
		if (kind < 0 || s->node[i].kind == (enum node_kind)kind)
			of[count++] = &s->node[i];
	return of[sim_below(s, count)];
}

static void kill_node(struct sim *s, struct fault *f)
{
	if (f->target->is_paused)
		return;
	node_kill(s, f->target);
	end_at(s, f, on_restart);
}

static void kill_home(struct sim *s, struct fault *f)
{
	struct stream_entry e;

	for (size_t i = 0; i < s->node_count; i++)
		if (redis_entry(s, 0, &e) &&
		    !strcmp(e.home_node, s->node[i].id))
			f->target = &s->node[i];
	kill_node(s, f);
}

static void pause_node(struct sim *s, struct fault *f)
{
	if (!f->target->is_alive || f->target->is_paused)
		return;
	node_pause(s, f->target);
	end_at(s, f, on_resume);
}

static void on_sleep(struct sim *s, struct job *j)
{
	note(s);
	pause_node(s, (struct fault *)j);
}

static void on_kill(struct sim *s, struct job *j)
{
	note(s);
	kill_node(s, (struct fault *)j);
}

static void cut_wire(struct sim *s, struct fault *f)
{
	struct wire *w = net_random_wire(s);

	(void)f;
	if (!w)
		return;
	sim_trace(s, "cut: %s - %s", w->side[0].node->id, w->side[1].node->id);
	net_cut(s, w);
}

static void cut_off_until(struct sim *s, size_t node, int64_t until)
{
	s->cut_off_us[node] = WEIR_MAX(s->cut_off_us[node], until);
}

/* A block is never made shorter: what waits keeps its order. */
static void block(struct sim *s, size_t from, size_t to, int64_t until)
{
	int64_t *at = &s->blocked_us[from][to];

	*at = WEIR_MAX(*at, until);
}

static void block_pair(struct sim *s, struct fault *f)
{
	struct sim_node *b = random_node(s, -1);
	size_t x = f->target->index, y = b->index;
	int64_t until = until_us(s, f->long_us);

	if (x == y)
		return;
	sim_trace(s, "blocked: %s and %s for %ld ms", f->target->id, b->id,
		  (long)((until - s->now_us) / MS));
	block(s, x, y, until);
	if (!sim_chance(s, 20)) /* else one way only */
		block(s, y, x, until);
	end_at(s, f, on_over);
}

/* One node against all others. */
static void isolate(struct sim *s, struct fault *f)
{
	int64_t until = until_us(s, f->long_us);
	size_t x = f->target->index;

	sim_trace(s, "isolated: %s", f->target->id);
	for (size_t i = 0; i < s->node_count; i++) {
		block(s, x, i, until);
		block(s, i, x, until);
	}
	if (sim_chance(s, 50))
		cut_off_until(s, x, until);
	end_at(s, f, on_over);
}

static void cut_off(struct sim *s, struct fault *f)
{
	sim_trace(s, "%s: cut off from the registry", f->target->id);
	cut_off_until(s, f->target->index, until_us(s, f->long_us));
	end_at(s, f, on_over);
}

static void close_window(struct sim *s, struct fault *f)
{
	struct wire *w = net_random_wire(s);
	int i = (int)sim_below(s, 2);

	if (!w || w->side[i].node->kind != NODE_ORIGIN)
		return;
	sim_trace(s, "slow: %s to %s", w->side[i].node->id,
		  w->side[1 - i].node->id);
	w->side[i].closed_until_us = until_us(s, f->long_us);
	end_at(s, f, on_over);
}

/* The session of a key that writes, and somebody else who wants to. */
static struct sim_session *writing(struct sim *s, bool is_pull)
{
	list_each (l, &s->sessions) {
		struct sim_session *se =
			list_entry(l, struct sim_session, link);

		if (se->is_granted && !se->is_left && se->node->is_alive &&
		    !se->node->is_paused && (se->is_pull || !is_pull))
			return se;
	}
	return NULL;
}

static struct publisher *rival_of(struct sim *s, const struct sim_session *se)
{
	for (size_t i = 0; i < s->publisher_count; i++) {
		struct publisher *p = &s->publisher[i];

		if (p->key == se->key && !p->session && !p->is_pull)
			return p;
	}
	return NULL;
}

static void come_in(struct publisher *p, int64_t at_us)
{
	p->off_until_us = 0;
	p->next_us = at_us;
}

/* A pull's ingest sleeps so shortly that no link is lost, and meanwhile a
 * publisher takes the stream. */
static void rob_sleeper(struct sim *s, struct fault *f)
{
	struct sim_session *se = writing(s, true);
	struct publisher *p = se ? rival_of(s, se) : NULL;

	if (!p)
		return;
	f->target = se->node;
	come_in(p, s->now_us + 100 * MS);
	pause_node(s, f);
}

/* An ingest is cut off until somebody else has its stream; then it reaches one
 * origin that has not heard of that. */
static void make_orphan(struct sim *s, struct fault *f)
{
	struct sim_session *se = writing(s, false);
	struct publisher *p = se ? rival_of(s, se) : NULL;
	int64_t later = until_us(s, f->long_us);
	int64_t first = until_us(s, f->long_us / 2);
	const char *home;
	size_t kept = NODES_MAX, x;

	if (!p)
		return;
	x = se->node->index;
	home = writer_entry(se->writer)->home_node;
	for (size_t i = 0; i < s->node_count; i++)
		if (s->node[i].kind == NODE_ORIGIN &&
		    strcmp(s->node[i].id, home) != 0)
			kept = i;
	sim_trace(s, "orphan: %s", se->node->id);
	for (size_t i = 0; i < s->node_count; i++) {
		int64_t until = i == kept ? first : later;

		block(s, x, i, until);
		block(s, i, x, until);
		if (s->node[i].kind != NODE_INGEST || i == x ||
		    kept == NODES_MAX)
			continue;
		block(s, kept, i, later);
		block(s, i, kept, later);
	}
	cut_off_until(s, x, later);
	come_in(p, s->now_us + 300 * MS);
	end_at(s, f, on_over);
	if (kept == NODES_MAX || !sim_chance(s, 50))
		return;
	f->target = &s->node[kept]; /* so that it knows nothing at all */
	f->long_us /= 4;
	kill_node(s, f);
}

static void restart(struct sim *s, struct fault *f)
{
	if (!f->target->is_draining)
		restart_node(s, f->target, f->long_us);
}

/* Some session, and who will have it. */
static struct sim_session *begin_pass(struct sim *s, struct sim_node **to)
{
	struct sim_session *se = writing(s, false);
	static const int64_t long_ms[] = {0, 15, 300};
	int64_t at_most_ms = long_ms[sim_below(s, WEIR_ARRAY_LEN(long_ms))];

	*to = se ? pass_target(s, se->node) : NULL;
	if (!*to)
		return NULL;
	pass_session(se, *to, sim_between_us(s, 0, at_most_ms));
	return se;
}

static void pass(struct sim *s, struct fault *f)
{
	struct sim_node *to;

	(void)f;
	begin_pass(s, &to);
}

/* One of both sleeps, from before it is done or from right behind it on. */
static void pass_and_sleep(struct sim *s, struct fault *f)
{
	struct sim_node *to;
	struct sim_session *se = begin_pass(s, &to);
	struct fault *sleep;

	if (!se)
		return;
	sleep = sim_job(s, sizeof(*sleep), NULL, on_sleep);
	sleep->target = f->index % 2 ? se->node : to;
	sleep->long_us = f->long_us;
	sim_at(s, &sleep->job, s->now_us + sim_between_us(s, 0, 8));
}

static struct sim_node *home_of(struct sim *s, const struct sim_session *se)
{
	const char *id = writer_entry(se->writer)->home_node;

	for (size_t i = 0; i < s->node_count; i++)
		if (!strcmp(s->node[i].id, id))
			return &s->node[i];
	return NULL;
}

/* The home, the giver or the taker is killed meanwhile. */
static void pass_and_kill(struct sim *s, struct fault *f)
{
	struct sim_node *to;
	struct sim_session *se = begin_pass(s, &to);
	struct sim_node *which[3];
	struct fault *kill;

	if (!se)
		return;
	which[0] = home_of(s, se);
	which[1] = se->node;
	which[2] = to;
	kill = sim_job(s, sizeof(*kill), NULL, on_kill);
	kill->target = which[f->index % 3];
	kill->long_us = f->long_us;
	if (kill->target)
		sim_at(s, &kill->job, s->now_us + sim_between_us(s, 0, 8));
}

/* A publisher leaves whose frames come to the home only slowly. */
static void leave_slowly(struct sim *s, struct fault *f)
{
	struct sim_session *se = writing(s, false);
	struct sim_node *home = se ? home_of(s, se) : NULL;

	if (!home || !se->publisher)
		return;
	sim_trace(s, "slow: %s to %s", se->node->id, home->id);
	net_slow(s, se->node, home, until_us(s, f->long_us));
	publisher_drop(s, se->publisher, true, f->long_us * 2);
	end_at(s, f, on_over);
}

static void stop_dispatch(struct sim *s, struct fault *f)
{
	s->dispatch_until_us[f->index % 2] = until_us(s, f->long_us);
	end_at(s, f, on_over);
}

static void freeze_redis(struct sim *s, struct fault *f)
{
	sim_trace(s, "registry: frozen");
	s->registry.frozen_until_us = until_us(s, f->long_us);
	end_at(s, f, on_over);
}

static void slow_redis(struct sim *s, struct fault *f)
{
	sim_trace(s, "registry: slow");
	s->registry.slow_until_us = until_us(s, f->long_us);
	end_at(s, f, on_over);
}

static void restart_redis(struct sim *s, struct fault *f)
{
	if (s->registry.is_up)
		redis_restart(s, f->index % 2, f->long_us / 2);
}

static void flush_redis(struct sim *s, struct fault *f)
{
	(void)f;
	if (s->registry.is_up)
		redis_flush(s);
}

static void fail_over_redis(struct sim *s, struct fault *f)
{
	(void)f;
	if (s->registry.is_up)
		redis_fail_over(s);
}

static void publisher_leaves(struct sim *s, struct fault *f)
{
	struct publisher *p = &s->publisher[f->index % s->publisher_count];

	publisher_drop(s, p, true, WEIR_MIN(f->long_us * 2, 8000 * MS));
}

static void publisher_breaks(struct sim *s, struct fault *f)
{
	struct publisher *p = &s->publisher[f->index % s->publisher_count];

	publisher_drop(s, p, false, WEIR_MIN(f->long_us, 4000 * MS));
}

static void publisher_pauses(struct sim *s, struct fault *f)
{
	struct publisher *p = &s->publisher[f->index % s->publisher_count];

	sim_trace(s, "publisher %zu: sends nothing", p->index);
	p->silent_until_us = s->now_us + WEIR_MIN(f->long_us, 5000 * MS);
}

/* ---- the plan ---- */

struct kind {
	void (*begin)(struct sim *s, struct fault *f);
	int target; /* enum node_kind; -1: any */
	int64_t from_ms, to_ms;
	unsigned classes; /* in which it is drawn */
};

#define CALM     (1u << CLASS_CALM)
#define REGISTRY (1u << CLASS_REGISTRY)
#define NETWORK  (1u << CLASS_NETWORK)
#define ALL      (1u << CLASS_ALL)

static const struct kind kinds[] = {
	{publisher_leaves, -1, 100, 4000, CALM | REGISTRY | ALL},
	{publisher_breaks, -1, 500, 4000, CALM | REGISTRY | NETWORK | ALL},
	{publisher_pauses, -1, 500, 5000, CALM | ALL},
	{kill_node, NODE_ORIGIN, 300, 6000, ALL},
	{kill_node, NODE_INGEST, 300, 6000, ALL},
	{kill_node, NODE_EDGE, 300, 3000, ALL},
	{pause_node, NODE_INGEST, 200, 6000, NETWORK | ALL},
	{pause_node, NODE_INGEST, 1050, 1900, NETWORK | ALL},
	{pause_node, NODE_ORIGIN, 200, 6000, NETWORK | ALL},
	{pause_node, NODE_EDGE, 200, 4000, NETWORK},
	{cut_wire, -1, 0, 1, NETWORK | ALL},
	{cut_wire, -1, 0, 1, NETWORK | ALL},
	{block_pair, -1, 100, 6000, NETWORK | ALL},
	{block_pair, NODE_INGEST, 100, 6000, NETWORK | ALL},
	{rob_sleeper, NODE_INGEST, 1050, 1900, NETWORK | ALL},
	{make_orphan, NODE_INGEST, 7000, 10000, NETWORK | ALL},
	{make_orphan, NODE_INGEST, 7000, 10000, NETWORK},
	{isolate, NODE_INGEST, 500, 7000, NETWORK | ALL},
	{isolate, NODE_ORIGIN, 500, 7000, NETWORK | ALL},
	{close_window, -1, 500, 7000, NETWORK | ALL},
	{cut_off, NODE_INGEST, 500, 8000, REGISTRY | ALL},
	{cut_off, NODE_ORIGIN, 500, 8000, REGISTRY | ALL},
	{freeze_redis, -1, 300, 6000, REGISTRY | ALL},
	{slow_redis, -1, 500, 4000, REGISTRY | ALL},
	{restart_redis, -1, 100, 4000, REGISTRY | ALL},
	{flush_redis, -1, 0, 1, REGISTRY | ALL},
	{fail_over_redis, -1, 0, 1, REGISTRY | ALL},
	{stop_dispatch, -1, 500, 5000, REGISTRY | NETWORK | ALL},
	{leave_slowly, -1, 200, 2500, NETWORK | ALL},
	{restart, NODE_ORIGIN, 100, 3000, REGISTRY | ALL},
	{restart, NODE_INGEST, 100, 3000, REGISTRY | ALL},
	{pass, -1, 0, 1, CALM | REGISTRY | NETWORK | ALL},
	{pass, -1, 0, 1, CALM | REGISTRY | NETWORK | ALL},
	{pass_and_sleep, -1, 200, 6000, NETWORK | ALL},
	{pass_and_sleep, -1, 1050, 4000, NETWORK | ALL},
	{pass_and_kill, -1, 300, 4000, ALL},
};

static void on_fault(struct sim *s, struct job *j)
{
	struct fault *f = (struct fault *)j;

	note(s);
	f->begin(s, f);
}

static void plan_one(struct sim *s, const struct kind *k, int64_t at_us)
{
	struct fault *f = sim_job(s, sizeof(*f), NULL, on_fault);

	f->begin = k->begin;
	f->target = random_node(s, k->target);
	f->index = sim_below(s, 1000);
	f->long_us = sim_between_us(s, k->from_ms, k->to_ms);
	sim_at(s, &f->job, at_us);
}

static const struct kind *draw(struct sim *s)
{
	const struct kind *k;

	do
		k = &kinds[sim_below(s, WEIR_ARRAY_LEN(kinds))];
	while (!(k->classes & 1u << s->class));
	return k;
}

static void plan_restarts(struct sim *s)
{
	static const struct kind leaves = {publisher_leaves, -1, 100, 2000, 0};
	size_t count = sim_below(s, 3);

	for (size_t i = 0; i < count; i++)
		plan_one(s, &leaves, sim_between_us(s, 4000, 25000));
	restart_all(s);
	s->heal_us = 60000 * MS;
}

static void plan_origin(struct sim *s)
{
	static const struct kind home = {kill_home, NODE_ORIGIN, 1000, 9000, 0};

	plan_one(s, &home, sim_between_us(s, 5000, 9000));
	s->heal_us = 10000 * MS;
}

static void on_heal(struct sim *s, struct job *j)
{
	(void)j;
	note(s);
	sim_trace(s, "---- all faults are over");
	for (size_t i = 0; i < s->publisher_count; i++) {
		struct publisher *p = &s->publisher[i];

		p->silent_until_us = 0;
		if (!p->is_rival)
			p->off_until_us = 0;
		else if (!p->session)
			p->off_until_us = INT64_MAX;
	}
	for (size_t i = 0; i < s->node_count; i++) {
		node_resume(s, &s->node[i]);
		if (s->node[i].is_draining) /* it had its time */
			node_kill(s, &s->node[i]);
		if (!s->node[i].is_alive)
			node_start(s, &s->node[i]);
	}
}

void fault_plan(struct sim *s)
{
	int64_t at_ms = FAULTS_FROM_MS;

	if (s->class == CLASS_ORIGIN) {
		plan_origin(s);
	} else if (s->class == CLASS_PLANNED) {
		plan_restarts(s);
	} else {
		size_t count = 1 + sim_below(s, 8);

		s->heal_us = 18000 * MS;
		for (size_t i = 0; i < count; i++) {
			const struct kind *k = draw(s);

			plan_one(s, k, sim_between_us(s, at_ms, 15000));
		}
	}
	s->end_us = s->heal_us + QUIET_MS * MS;
	sim_at(s, sim_job(s, sizeof(struct job), NULL, on_heal), s->heal_us);
}
