/* tests/sim/node.c - processes: machines, sleep, death, and their world. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/rules.h"

#define TIMER_MS 100
#define JOBS_MAX 3000000 /* of a schedule: something spins */

static const struct log_limits home_log = {30000, 64 << 20, 16 << 20, 500};
static const struct log_limits edge_log = {10000, 64 << 20, 16 << 20, 500};

static int64_t world_utc_us(void *ctx)
{
	struct sim_node *n = ctx;

	return SIM_START_US + n->sim->now_us;
}

static void world_event(void *ctx, const struct stream_key *key,
			const char *what, int reason, const char *detail)
{
	struct sim_node *n = ctx;

	sim_trace(n->sim, "%s: %s %s%s%s %s", n->id, key->text, what,
		  reason ? " " : "", reason ? reason_name(reason) : "", detail);
	n->sim->moves += !strcmp(what, "home.moved");
	if (!strcmp(what, "home.bound"))
		check_bound(n->sim, n, key);
}

static void on_home_changed(void *ctx, const struct home_info *info)
{
	struct sim_node *n = ctx;

	check_home_changed(n->sim, n, info);
}

/* Those that live in the machines. */
static uint32_t world_mutants(enum sim_mutant m)
{
	switch (m) {
	case SIM_NO_FENCE:
		return MUTANT_NO_FENCE;
	case SIM_COPY_SERVES:
		return MUTANT_COPY_SERVES;
	case SIM_COPY_DELIVERS:
		return MUTANT_COPY_DELIVERS;
	case SIM_COPY_UNUSED:
		return MUTANT_COPY_UNUSED;
	case SIM_SAME_TERM:
		return MUTANT_SAME_TERM;
	default:
		return 0;
	}
}

static void fill_world(struct sim_node *n)
{
	struct sim *s = n->sim;
	struct node_ref self = {.instance = sim_uuid(s)};
	static const char *const role[] = {"ingest", "origin", "edge"};

	snprintf(self.id, sizeof(self.id), "%s", n->id);
	snprintf(self.role, sizeof(self.role), "%s", role[n->kind]);
	snprintf(self.url, sizeof(self.url), "sim://%s", n->id);
	n->world = (struct world){
		.ctx = n,
		.self = self,
		.publish_stall_ms = 3000,
		.peer_dead_ms = 2000,
		.publish_grace_ms = 10000,
		.place_ms = 300,
		.registry_ms = 500,
		.resume_window_ms = 5000,
		.loop_away_ms = 1000,
		.resolve_retry_ms = 1000,
		.takeover = s->takeover,
		.utc_us = world_utc_us,
		.send = net_send,
		.feed_start = net_feed_start,
		.feed_stop = net_feed_stop,
		.feed_kick = net_feed_kick,
		.ask = net_ask,
		.ask_dispatch = net_ask_dispatch,
		.script = redis_script,
		.origins = net_origins,
		.link_to = net_link_to,
		.known = redis_known,
		.event = world_event,
	};
	n->world.mutants = world_mutants(s->options.mutant);
}

static void make_machines(struct sim_node *n)
{
	const struct home_limits limits = {
		.log = home_log,
		.max_lag_ms = 3000,
		.streams_max = 64,
		.consumers_max = 256,
	};
	static const struct home_events events = {on_home_changed};
	int err = 0;

	switch (n->kind) {
	case NODE_INGEST:
		err = writers_new(&n->writers, &n->world);
		if (!err)
			writers_set_replicas(n->writers, n->sim->replicas);
		break;
	case NODE_ORIGIN:
		err = homes_new(&n->homes, &n->world, &limits, &events, n);
		break;
	case NODE_EDGE:
		err = followers_new(&n->followers, &n->world, &edge_log);
		break;
	}
	BUG_ON(err);
}

static void on_timer(struct sim *s, struct job *j)
{
	struct sim_node *n = j->node;

	net_timer(s, n);
	redis_timer(s, n);
	readers_timer(s, n);
	sim_at(s, sim_job(s, sizeof(struct job), n, on_timer),
	       s->now_us + TIMER_MS * MS);
}

void node_start(struct sim *s, struct sim_node *n)
{
	sim_trace(s, "%s: starts", n->id);
	n->life++;
	n->is_alive = true;
	n->is_paused = n->is_draining = false;
	n->is_registered = false;
	n->run_id = 0;
	n->registry_try_us = n->woke_us = n->ping_us = 0;
	n->due_us = INT64_MAX;
	memset(n->dial_us, 0, sizeof(n->dial_us));
	memset(n->has_copy, 0, sizeof(n->has_copy));
	fill_world(n);
	make_machines(n);
	readers_node_up(s, n);
	if (n->kind != NODE_ORIGIN)
		guests_node_up(n);
	sim_at(s, sim_job(s, sizeof(struct job), n, on_timer),
	       s->now_us + (int64_t)sim_below(s, TIMER_MS * 1000));
	if (n->kind == NODE_EDGE)
		people_edge_up(s, n);
}

static void free_machines(struct sim_node *n)
{
	writers_free(&n->writers);
	homes_free(&n->homes);
	followers_free(&n->followers);
}

void node_kill(struct sim *s, struct sim_node *n)
{
	if (!n->is_alive)
		return;
	sim_trace(s, "%s: killed", n->id);
	net_node_died(s, n);
	people_node_died(s, n);
	guests_node_died(n);
	readers_node_died(s, n);
	free_machines(n);
	net_drop_pending(n);
	n->is_alive = n->is_paused = false;
	n->life++;
	list_each_safe (l, &n->inbox) {
		struct job *j = list_entry(l, struct job, link);

		list_remove(l);
		if (j->drop)
			j->drop(j);
		free(j);
	}
}

void node_free_all(struct sim *s)
{
	s->options.is_verbose = false;
	for (size_t i = 0; i < s->node_count; i++)
		node_kill(s, &s->node[i]);
}

/* ---- a pass of the loop ---- */

static void on_due(struct sim *s, struct job *j)
{
	(void)s;
	j->node->due_us = INT64_MAX;
}

static void end_pass(struct sim *s, struct sim_node *n)
{
	int64_t now_ms = sim_now_ms(s), due_ms = INT64_MAX, at_us;

	if (n->writers)
		due_ms = writers_tick(n->writers, now_ms);
	if (n->homes)
		due_ms = homes_tick(n->homes, now_ms);
	if (n->followers)
		due_ms = followers_tick(n->followers, now_ms);
	if (s->jobs > JOBS_MAX)
		sim_violation(s, "%s: something spins", n->id);
	if (due_ms == INT64_MAX)
		return;
	at_us = WEIR_MAX(due_ms * MS, s->now_us + 1000);
	if (at_us >= n->due_us)
		return;
	n->due_us = at_us;
	sim_at(s, sim_job(s, sizeof(struct job), n, on_due), at_us);
}

void node_run(struct sim *s, struct sim_node *n, struct job *j)
{
	uint32_t life = n->life;

	j->run(s, j);
	if (n->life == life && n->is_alive)
		end_pass(s, n);
}

void node_pause(struct sim *s, struct sim_node *n)
{
	if (!n->is_alive || n->is_paused)
		return;
	sim_trace(s, "%s: sleeps", n->id);
	n->is_paused = true;
	n->paused_us = s->now_us;
}

static void tell_away(struct sim_node *n)
{
	int64_t now_ms = sim_now_ms(n->sim);

	if (n->writers)
		writers_on_away(n->writers, now_ms);
	if (n->homes)
		homes_on_away(n->homes, now_ms);
}

/* What waits in its sockets is not read in the order in which it came: from
 * some peers only a little later. */
static void shuffle_sockets(struct sim *s, struct sim_node *n)
{
	for (size_t i = 0; i < s->node_count; i++) {
		int64_t *until = &s->blocked_us[i][n->index];
		int64_t at = s->now_us + sim_between_us(s, 0, 100);

		if (sim_chance(s, 50))
			*until = WEIR_MAX(*until, at);
	}
}

static void run_kept(struct sim *s, struct sim_node *n, struct job *j)
{
	if (n->is_alive && j->life == n->life)
		node_run(s, n, j);
	if (j->drop)
		j->drop(j);
	free(j);
}

void node_resume(struct sim *s, struct sim_node *n)
{
	if (!n->is_alive || !n->is_paused)
		return;
	sim_trace(s, "%s: wakes", n->id);
	n->is_paused = false;
	if (s->now_us - n->paused_us > n->world.loop_away_ms * MS) {
		n->woke_us = s->now_us;
		if (s->options.mutant != SIM_NO_REVALIDATION)
			tell_away(n);
	}
	shuffle_sockets(s, n);
	list_each_safe (l, &n->inbox) { /* awake: nothing more comes into it */
		struct job *j = list_entry(l, struct job, link);

		list_remove(&j->link);
		if (j->held_until_us && j->held_until_us(s, j) > s->now_us)
			sim_requeue(s, j, j->held_until_us(s, j));
		else
			run_kept(s, n, j);
	}
}

/* ---- what comes in ---- */

void node_on_link(struct sim_node *n, const struct node_ref *ref, bool is_up)
{
	int64_t now_ms = sim_now_ms(n->sim);
	bool is_origin = !strcmp(ref->role, "origin");

	if (n->writers && is_origin)
		writers_on_link(n->writers, ref, is_up, now_ms);
	if (n->homes)
		homes_on_link(n->homes, ref, is_up, now_ms);
	if (n->followers && is_origin)
		followers_on_link(n->followers, ref, is_up, now_ms);
}

int node_on_record(struct sim_node *n, link_id link, const struct record *r)
{
	int64_t now_ms = sim_now_ms(n->sim);

	if (n->writers)
		writers_on_record(n->writers, link, r, now_ms);
	if (n->homes)
		return homes_on_record(n->homes, link, r, now_ms);
	if (n->followers)
		return followers_on_record(n->followers, link, r, now_ms);
	return 0;
}

int node_on_frame(struct sim_node *n, link_id link, uint16_t type, uint32_t sid,
		  uint64_t term, struct frame *f)
{
	int64_t now_ms = sim_now_ms(n->sim);

	if (n->writers)
		return writers_on_frame(n->writers, link, type, sid, term, f,
					now_ms);
	if (n->homes && type == RECORD_FRAME)
		check_frame_came(n->sim, n, f);
	if (n->homes)
		return homes_on_frame(n->homes, link, type, sid, term, f,
				      now_ms);
	return followers_on_frame(n->followers, link, type, sid, term, f,
				  now_ms);
}

void node_on_answer(struct sim_node *n, uint64_t tag, const struct answer *a)
{
	int64_t now_ms = sim_now_ms(n->sim);

	if (n->writers)
		writers_on_answer(n->writers, tag, a, now_ms);
	if (n->homes)
		homes_on_answer(n->homes, tag, a, now_ms);
	if (n->followers)
		followers_on_answer(n->followers, tag, a, now_ms);
}

void node_on_script(struct sim_node *n, uint64_t tag,
		    const struct script_result *r)
{
	int64_t now_ms = sim_now_ms(n->sim);

	if (n->writers)
		writers_on_script(n->writers, tag, r, now_ms);
	if (n->homes)
		homes_on_script(n->homes, tag, r, now_ms);
}

void node_on_question(struct sim_node *n, const struct question *q,
		      struct answer *out)
{
	int64_t now_ms = sim_now_ms(n->sim);

	if (n->writers)
		writers_on_question(n->writers, q, out, now_ms);
	if (n->homes && n->sim->options.mutant == SIM_NO_VALIDATION &&
	    q->kind == QUESTION_VALIDATE)
		out->err = 0; /* it knows nothing */
	else if (n->homes)
		homes_on_question(n->homes, q, out, now_ms);
}

void node_on_registry(struct sim_node *n, bool is_up, bool is_other)
{
	int64_t now_ms = sim_now_ms(n->sim);

	if (n->writers)
		writers_on_registry(n->writers, is_up, is_other, now_ms);
	if (n->homes)
		homes_on_registry(n->homes, is_up, is_other, now_ms);
}

void node_on_entry(struct sim_node *n, const struct stream_entry *e)
{
	int64_t now_ms = sim_now_ms(n->sim);

	if (n->writers)
		writers_on_entry(n->writers, e, now_ms);
	if (n->homes)
		homes_on_entry(n->homes, e, now_ms);
	if (n->followers)
		followers_on_entry(n->followers, e, now_ms);
}

bool node_is_absent(const struct sim *s, const struct sim_node *by,
		    const struct sim_node *n)
{
	return n->kind == NODE_INGEST && !n->is_alive &&
	       s->now_us >= s->blocked_us[by->index][n->index] &&
	       s->now_us >= s->blocked_us[n->index][by->index];
}
