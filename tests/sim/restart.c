/* tests/sim/restart.c - planned restarts: a process drains, ends when it has
 * nothing left, and comes back; one, or all in turn. */
#include "tests/sim/sim.h"

#define LOOK_MS         20
#define MOVE_MS         5000 /* so long a move may take when nothing breaks */
#define GRACE_MS        10000
#define LEAVE_PERCENT   25
#define AT_ONCE_PERCENT 30 /* of the hand-overs leave in one piece */

struct restart {
	struct job job;
	struct sim_node *node;
	int64_t since_us, down_us;
	size_t next[NODES_MAX]; /* whose turn it is then */
	size_t next_count;
};

static void again(struct sim *s, const struct restart *r, int64_t at_us,
		  struct sim_node *in,
		  void (*run)(struct sim *s, struct job *j))
{
	struct restart *on = sim_job(s, sizeof(*on), in, run);
	struct job head = on->job;

	*on = *r;
	on->job = head;
	sim_at(s, &on->job, at_us);
}

/* ---- it goes, and comes back ---- */

static void begin(struct sim *s, const struct restart *r);

static void on_back(struct sim *s, struct job *j)
{
	struct restart *r = (struct restart *)j;

	s->fault_us = s->now_us;
	if (!r->node->is_alive)
		node_start(s, r->node);
	if (!r->next_count)
		return;
	r->node = &s->node[r->next[--r->next_count]];
	r->down_us = sim_between_us(s, 100, 1500);
	r->since_us = s->now_us + sim_between_us(s, 50, 2500);
	begin(s, r);
}

/* Outside of it, as it ends. */
static void on_empty(struct sim *s, struct job *j)
{
	struct restart *r = (struct restart *)j;
	int64_t back_us = s->now_us + r->down_us;

	if (!r->node->is_draining)
		return; /* something else was faster */
	s->fault_us = s->now_us;
	node_kill(s, r->node);
	if (s->class != CLASS_PLANNED)
		back_us = WEIR_MIN(back_us, s->heal_us);
	again(s, r, back_us, NULL, on_back);
}

/* ---- it drains ---- */

/* Each is offered once; what could not be given then is closed. */
static void give_away(struct sim *s, struct sim_session *se)
{
	struct sim_node *to = pass_target(s, se->node);
	int64_t long_us = 0;

	if (se->passing || !se->publisher || se->is_left)
		return;
	if (!to || se->was_offered) {
		sim_trace(s, "%s: closes its publisher", se->node->id);
		se->publisher->next_us = s->now_us + sim_between_us(s, 50, 500);
		se->publisher->session = NULL;
		se->publisher = NULL;
		session_leave(se, REASON_draining);
		return;
	}
	se->was_offered = true;
	if (!sim_chance(s, AT_ONCE_PERCENT))
		long_us = sim_between_us(s, 1, 15);
	pass_session(se, to, long_us);
}

static bool is_empty(struct sim *s, const struct sim_node *n)
{
	if (n->homes)
		return homes_is_empty(n->homes);
	list_each (l, &s->sessions)
		if (list_entry(l, struct sim_session, link)->node == n)
			return false;
	return true;
}

/* Streams in grace wait for it to be over. */
static void check_time(struct sim *s, const struct restart *r)
{
	if (s->class == CLASS_PLANNED &&
	    s->now_us - r->since_us > (GRACE_MS + MOVE_MS) * MS)
		sim_violation(s, "%s drains, and is never empty", r->node->id);
}

static void drain_sessions(struct sim *s, const struct sim_node *n)
{
	list_each_safe (l, &s->sessions) {
		struct sim_session *se =
			list_entry(l, struct sim_session, link);

		if (se->node == n)
			give_away(s, se);
	}
}

static void on_look(struct sim *s, struct job *j)
{
	struct restart *r = (struct restart *)j;

	if (is_empty(s, r->node)) {
		again(s, r, s->now_us, NULL, on_empty);
		return;
	}
	if (r->node->writers)
		drain_sessions(s, r->node);
	check_time(s, r);
	again(s, r, s->now_us + LOOK_MS * MS, r->node, on_look);
}

/* Somebody leaves a stream there right then, and is back while it drains. */
static void leave_one(struct sim *s, const struct sim_node *n)
{
	list_each (l, &s->sessions) {
		struct sim_session *se =
			list_entry(l, struct sim_session, link);

		if (!se->publisher || !se->is_granted ||
		    strcmp(writer_entry(se->writer)->home_node, n->id) != 0)
			continue;
		publisher_drop(s, se->publisher, true,
			       sim_between_us(s, 200, 2500));
		return;
	}
}

static void on_drain(struct sim *s, struct job *j)
{
	struct restart *r = (struct restart *)j;
	struct sim_node *n = r->node;

	if (n->is_draining)
		return;
	sim_trace(s, "%s: drains", n->id);
	s->fault_us = s->now_us;
	n->is_draining = true;
	if (n->homes && sim_chance(s, LEAVE_PERCENT))
		leave_one(s, n);
	s->is_announcing = true;
	if (n->homes)
		homes_drain(n->homes, sim_now_ms(s));
	s->is_announcing = false;
	again(s, r, s->now_us, n, on_look);
}

static void begin(struct sim *s, const struct restart *r)
{
	again(s, r, r->since_us, r->node, on_drain);
}

void restart_node(struct sim *s, struct sim_node *n, int64_t down_us)
{
	const struct restart r = {
		.node = n,
		.since_us = s->now_us,
		.down_us = down_us,
	};

	if (n->is_alive)
		begin(s, &r);
}

void restart_all(struct sim *s)
{
	struct restart r = {.since_us = sim_between_us(s, 4000, 6000)};

	for (size_t i = 0; i < s->node_count; i++) {
		size_t at = sim_below(s, r.next_count + 1);

		if (s->node[i].kind == NODE_EDGE)
			continue;
		r.next[r.next_count++] = r.next[at];
		r.next[at] = i;
	}
	r.node = &s->node[r.next[--r.next_count]];
	r.down_us = sim_between_us(s, 100, 1500);
	begin(s, &r);
}
