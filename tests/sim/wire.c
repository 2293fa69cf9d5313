/* tests/sim/wire.c - links between nodes: dialed, lost, cut; who is there. */
#include <stdlib.h>

#include "tests/sim/net_priv.h"

#define PING_MS      1000
#define PEER_DEAD_MS 2000

/* ---- wires ---- */

void net_wire_free_if_done(struct wire *w)
{
	if (w->jobs || w->side[0].is_up || w->side[1].is_up)
		return;
	list_remove(&w->link);
	free(w);
}

struct side *net_find_side(struct sim_node *n, link_id id)
{
	list_each (l, &n->sim->wires) {
		struct wire *w = list_entry(l, struct wire, link);

		for (int i = 0; i < 2; i++)
			if (w->side[i].node == n && w->side[i].id == id &&
			    w->side[i].life == n->life && w->side[i].is_up)
				return &w->side[i];
	}
	return NULL;
}

struct side *net_other(struct side *side)
{
	struct wire *w = side->wire;

	return side == &w->side[0] ? &w->side[1] : &w->side[0];
}

struct node_ref net_ref_of(const struct side *mine)
{
	const struct side *peer = net_other((struct side *)mine);
	struct node_ref ref = peer->node->world.self;

	ref.link = mine->id;
	return ref;
}

/* ---- up and down ---- */

static void wire_job_drop(struct job *j)
{
	struct wire_job *d = (struct wire_job *)j;

	d->wire->jobs--;
	net_wire_free_if_done(d->wire);
}

void net_wire_job(struct side *side, int64_t at_us,
		  void (*run)(struct sim *s, struct job *j))
{
	struct sim *s = side->node->sim;
	struct wire_job *d = sim_job(s, sizeof(*d), side->node, run);

	d->job.life = side->life;
	d->job.drop = wire_job_drop;
	d->wire = side->wire;
	d->i = side == &side->wire->side[1];
	d->wire->jobs++;
	sim_at(s, &d->job, at_us);
}

static void on_reset(struct sim *s, struct job *j)
{
	struct wire_job *d = (struct wire_job *)j;

	net_side_down(s, &d->wire->side[d->i]);
}

void net_side_down(struct sim *s, struct side *side)
{
	struct side *peer = net_other(side);
	struct node_ref ref = net_ref_of(side);
	size_t a = side->node->index, b = peer->node->index;

	if (!side->is_up)
		return;
	sim_trace(s, "%s: link to %s down", side->node->id, peer->node->id);
	side->is_up = false;
	list_each_safe (l, &side->feeds)
		list_remove(l);
	net_close_asks(s, side);
	if (peer->is_up) {
		int64_t at_us = s->now_us + net_delay_us(s);

		at_us = WEIR_MAX(at_us, s->blocked_us[a][b]);
		net_wire_job(peer, at_us, on_reset);
	}
	node_on_link(side->node, &ref, false);
}

static void on_up(struct sim *s, struct job *j)
{
	struct wire_job *d = (struct wire_job *)j;
	struct side *side = &d->wire->side[d->i];
	struct node_ref ref = net_ref_of(side);

	if (!side->is_up)
		return;
	side->heard_us = s->now_us;
	node_on_link(side->node, &ref, true);
}

static bool is_linked(const struct sim *s, const struct sim_node *a,
		      const struct sim_node *b)
{
	list_each (l, &s->wires) {
		const struct wire *w = list_entry(l, struct wire, link);
		const struct side *x = &w->side[0], *y = &w->side[1];

		if ((x->node == a && y->node == b) ||
		    (x->node == b && y->node == a))
			if (x->is_up || y->is_up)
				return true;
	}
	return false;
}

static bool can_link(const struct sim *s, const struct sim_node *a,
		     const struct sim_node *b)
{
	return a->is_alive && b->is_alive && !a->is_paused && !b->is_paused &&
	       s->now_us >= s->blocked_us[a->index][b->index] &&
	       s->now_us >= s->blocked_us[b->index][a->index] &&
	       !is_linked(s, a, b);
}

struct dial_job {
	struct job job;
	struct sim_node *from, *to;
};

static void on_dialed(struct sim *s, struct job *j)
{
	struct dial_job *d = (struct dial_job *)j;
	struct sim_node *end[2] = {d->from, d->to};
	struct wire *w;

	if (!can_link(s, d->from, d->to))
		return;
	w = sim_need(calloc(1, sizeof(*w)));
	for (int i = 0; i < 2; i++) {
		w->side[i].wire = w;
		w->side[i].node = end[i];
		w->side[i].life = end[i]->life;
		w->side[i].id = ++end[i]->links;
		w->side[i].is_up = true;
		w->side[i].heard_us = s->now_us;
		list_init(&w->side[i].feeds);
	}
	list_append(&s->wires, &w->link);
	sim_trace(s, "%s: linked with %s", end[0]->id, end[1]->id);
	net_wire_job(&w->side[0], s->now_us, on_up);
	net_wire_job(&w->side[1], s->now_us, on_up);
}

void net_dial(struct sim *s, struct sim_node *a, struct sim_node *b)
{
	struct dial_job *d;

	if (s->now_us < a->dial_us[b->index] || is_linked(s, a, b))
		return;
	a->dial_us[b->index] = s->now_us + sim_between_us(s, 50, 500);
	d = sim_job(s, sizeof(*d), NULL, on_dialed);
	d->from = a;
	d->to = b;
	sim_at(s, &d->job, s->now_us + 2 * net_delay_us(s));
}

/* A wire is cut: all that is in flight is lost, both ends hear of it. */
void net_cut(struct sim *s, struct wire *w)
{
	for (int i = 0; i < 2; i++)
		if (w->side[i].is_up)
			net_wire_job(&w->side[i], s->now_us, on_reset);
}

struct wire *net_random_wire(struct sim *s)
{
	size_t count = 0, at;

	list_each (l, &s->wires)
		count++;
	if (!count)
		return NULL;
	at = sim_below(s, count);
	list_each (l, &s->wires)
		if (!at--)
			return list_entry(l, struct wire, link);
	return NULL;
}

void net_slow(struct sim *s, const struct sim_node *from,
	      const struct sim_node *to, int64_t until_us)
{
	list_each (l, &s->wires) {
		struct wire *w = list_entry(l, struct wire, link);

		for (int i = 0; i < 2; i++)
			if (w->side[i].node == from &&
			    w->side[1 - i].node == to)
				w->side[i].closed_until_us = until_us;
	}
}

void net_node_died(struct sim *s, struct sim_node *n)
{
	list_each_safe (l, &s->wires) {
		struct wire *w = list_entry(l, struct wire, link);

		for (int i = 0; i < 2; i++) {
			struct side *mine = &w->side[i],
				    *peer = net_other(mine);
			size_t a = n->index, b = peer->node->index;

			if (mine->node != n || mine->life != n->life ||
			    !mine->is_up)
				continue;
			mine->is_up = false;
			list_each_safe (f, &mine->feeds)
				list_remove(f);
			if (peer->is_up)
				net_wire_job(
					peer,
					WEIR_MAX(s->now_us + net_delay_us(s),
						 s->blocked_us[a][b]),
					on_reset);
		}
		net_wire_free_if_done(w);
	}
}

void net_close_all(struct sim *s)
{
	list_each_safe (l, &s->wires) {
		list_remove(l);
		free(list_entry(l, struct wire, link));
	}
}

/* ---- who is there ---- */

size_t net_origins(void *ctx, struct node_ref *out, size_t max)
{
	struct sim_node *n = ctx;
	size_t count = 0;

	list_each (l, &n->sim->wires) {
		struct wire *w = list_entry(l, struct wire, link);

		for (int i = 0; i < 2; i++) {
			const struct side *mine = &w->side[i];

			if (mine->node != n || !mine->is_up ||
			    mine->life != n->life ||
			    w->side[1 - i].node->kind != NODE_ORIGIN ||
			    count == max)
				continue;
			out[count++] = net_ref_of(mine);
		}
	}
	return count;
}

link_id net_link_to(void *ctx, const char *id)
{
	struct sim_node *n = ctx;
	struct sim *s = n->sim;

	list_each (l, &s->wires) {
		struct wire *w = list_entry(l, struct wire, link);

		for (int i = 0; i < 2; i++)
			if (w->side[i].node == n && w->side[i].is_up &&
			    w->side[i].life == n->life &&
			    !strcmp(w->side[1 - i].node->id, id))
				return w->side[i].id;
	}
	for (size_t i = 0; i < s->node_count; i++) {
		if (strcmp(s->node[i].id, id) != 0 || &s->node[i] == n)
			continue;
		if (node_is_absent(s, n, &s->node[i]))
			return ABSENT_LINK;
		net_dial(s, n, &s->node[i]);
	}
	return 0;
}

static bool keeps_link(const struct sim_node *a, const struct sim_node *b)
{
	if (b->kind != NODE_ORIGIN)
		return false;
	return a->kind != NODE_ORIGIN || a->index < b->index;
}

void net_timer(struct sim *s, struct sim_node *n)
{
	for (size_t i = 0; i < s->node_count; i++)
		if (&s->node[i] != n && keeps_link(n, &s->node[i]))
			net_dial(s, n, &s->node[i]);
	list_each_safe (l, &s->wires) {
		struct wire *w = list_entry(l, struct wire, link);

		for (int i = 0; i < 2; i++) {
			struct side *mine = &w->side[i];

			if (mine->node != n || !mine->is_up ||
			    mine->life != n->life)
				continue;
			if (s->now_us - mine->heard_us > PEER_DEAD_MS * MS)
				net_side_down(s, mine);
			else if (s->now_us >= n->ping_us)
				net_queue(
					net_message_to(net_other(mine), W_PING),
					0, false);
		}
	}
	if (s->now_us >= n->ping_us)
		n->ping_us = s->now_us + PING_MS * MS;
}
