/* tests/sim/dispatch.c - what a dispatch answers. */
#include "tests/sim/sim.h"

static void place(struct sim *s, const struct question *q, struct answer *a)
{
	struct stream_entry e;
	int load[NODES_MAX] = {0};
	const struct sim_node *best = NULL;

	for (size_t k = 0; k < s->key_count; k++)
		for (size_t i = 0; i < s->node_count; i++)
			if (redis_entry(s, k, &e) && !e.is_ended &&
			    !strcmp(e.home_node, s->node[i].id))
				load[i]++;
	for (size_t i = 0; i < s->node_count; i++) {
		const struct sim_node *n = &s->node[i];

		if (n->kind != NODE_ORIGIN || !strcmp(n->id, q->avoid))
			continue;
		if (!n->is_alive && !sim_chance(s, 20))
			continue; /* dispatch may not know yet */
		if (n->is_draining && !sim_chance(s, 20))
			continue;
		if (!best || load[i] < load[best->index])
			best = n;
	}
	if (!best)
		return;
	a->err = 0;
	memcpy(a->node, best->id, sizeof(a->node));
	memcpy(a->url, best->world.self.url, sizeof(a->url));
}

static void resolve(struct sim *s, const struct question *q, struct answer *a)
{
	struct stream_entry e;
	size_t key = check_key(s, q->key.text);

	if (!redis_entry(s, key, &e) || !e.is_live || e.is_ended)
		return;
	a->err = 0;
	a->epoch = e.epoch;
	a->term = e.term;
	memcpy(a->node, e.home_node, sizeof(a->node));
	memcpy(a->url, e.home_url, sizeof(a->url));
}

void dispatch_answer(struct sim *s, const struct question *q, struct answer *a)
{
	if (q->kind == QUESTION_PLACE)
		place(s, q, a);
	else
		resolve(s, q, a);
}
