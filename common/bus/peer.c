/* common/bus/peer.c - pairs of connections, and the nodes that we dial. */
#include <stdlib.h>

#include "common/bus/bus_priv.h"

/* ---- finding ---- */

struct peer *peer_by_link(const struct bus *b, link_id link)
{
	return map_get(&b->by_link, span_of(&link, sizeof(link)));
}

struct peer *peer_by_node(const struct bus *b, const char *node)
{
	return map_get(&b->by_node, span_str(node));
}

struct target *target_find(const struct bus *b, const char *node)
{
	list_each (it, &b->targets) {
		struct target *t = list_entry(it, struct target, link);

		if (!strcmp(t->node, node))
			return t;
	}
	return NULL;
}

/* ---- half a pair ---- */

static struct peer *find_half(struct channel *c)
{
	list_each (it, &c->bus->halves) {
		struct peer *p = list_entry(it, struct peer, link);

		if (p->is_dialed == !!c->target &&
		    !strcmp(p->node.id, c->hs.peer.id) &&
		    uuid_eq(&p->node.instance, &c->hs.peer.instance))
			return p;
	}
	return NULL;
}

static struct peer *new_half(struct channel *c)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->bus = c->bus;
	p->node = c->hs.peer;
	p->is_dialed = c->target != NULL;
	p->state = PEER_HALF;
	list_init(&p->link);
	list_append(&c->bus->halves, &p->link);
	return p;
}

static void bury(struct peer *p)
{
	p->state = PEER_DOWN;
	list_remove(&p->link);
	list_append(&p->bus->dead_peers, &p->link);
	bus_reap_soon(p->bus);
}

void peer_join(struct channel *c)
{
	const int i = c->hs.connection - 1;
	struct peer *p = find_half(c);

	if (!p)
		p = new_half(c);
	if (!p) {
		channel_refuse(c, REASON_no_resources, "no memory for a link");
		return;
	}
	/* The same once more: of an attempt that its peer has given up. */
	if (p->conn[i]) {
		struct channel *old = p->conn[i];

		old->peer = NULL;
		channel_close(old);
	}
	p->conn[i] = c;
	c->peer = p;
	peers_settle_soon(c->bus);
}

void peer_leave(struct channel *c)
{
	struct peer *p = c->peer;

	c->peer = NULL;
	if (!p)
		return;
	for (int i = 0; i < 2; i++)
		if (p->conn[i] == c)
			p->conn[i] = NULL;
	if (p->state == PEER_HALF && !p->conn[0] && !p->conn[1])
		bury(p);
}

/* ---- down ---- */

static void close_both(struct peer *p)
{
	for (int i = 0; i < 2; i++)
		if (p->conn[i])
			channel_close(p->conn[i]);
}

/* Between 3/4 and 5/4 of it, so that not all come at once. */
static uint64_t jitter(struct bus *b, uint32_t ms)
{
	b->seed = b->seed * 6364136223846793005u + 1442695040888963407u;
	return ms * 3 / 4 + (b->seed >> 33) % (ms / 2 + 1);
}

static void dial_later(struct target *t)
{
	t->next_ms = bus_now_ms(t->bus) + jitter(t->bus, t->backoff_ms);
	t->backoff_ms = WEIR_MIN(t->backoff_ms * 2, BUS_BACKOFF_MAX_MS);
	bus_due_at(t->bus, t->next_ms);
}

void peer_down(struct peer *p, enum reason why)
{
	struct bus *b = p->bus;
	struct target *t = target_find(b, p->node.id);

	if (p->state != PEER_UP)
		return;
	p->state = PEER_DOWN;
	p->why = why;
	map_remove(&b->by_link, span_of(&p->node.link, sizeof(p->node.link)));
	map_remove(&b->by_node, span_str(p->node.id));
	close_both(p);
	list_remove(&p->link);
	list_append(&b->downs, &p->link);
	if (t)
		dial_later(t);
	peers_settle_soon(b);
}

static void tell_downs(struct bus *b)
{
	while (!list_is_empty(&b->downs)) {
		struct peer *p = list_entry(b->downs.next, struct peer, link);

		bury(p);
		if (b->events.on_down)
			b->events.on_down(b->ctx, &p->node, p->why);
		requests_on_down(b, p->node.link);
	}
}

/* ---- up ---- */

static bool is_whole(const struct peer *p)
{
	return p->conn[0] && p->conn[1];
}

static struct peer *find_whole(struct bus *b)
{
	list_each (it, &b->halves) {
		struct peer *p = list_entry(it, struct peer, link);

		if (is_whole(p))
			return p;
	}
	return NULL;
}

/* Both ends dialed at the same time: of the two pairs both ends keep the one
 * that the smaller instance dialed. Else the newer pair is the true one: the
 * peer would not have made it if it had the older. */
static bool must_yield(const struct peer *p, const struct peer *old)
{
	const struct uuid *self = &p->bus->self.node.instance;
	bool is_ours_kept = uuid_cmp(self, &p->node.instance) < 0;

	return uuid_eq(&old->node.instance, &p->node.instance) &&
	       old->is_dialed != p->is_dialed && p->is_dialed != is_ours_kept;
}

static int register_up(struct peer *p)
{
	struct bus *b = p->bus;
	const struct span node = span_str(p->node.id);
	int err;

	p->node.link = ++b->next_link;
	err = map_put(&b->by_link, span_of(&p->node.link, sizeof(link_id)), p);
	if (err)
		return err;
	err = map_put(&b->by_node, node, p);
	if (err)
		map_remove(&b->by_link,
			   span_of(&p->node.link, sizeof(link_id)));
	return err;
}

static void refuse_pair(struct peer *p, enum reason why, const char *detail)
{
	channel_refuse(p->conn[0], why, detail);
	close_both(p); /* what is left of it */
}

static void yield_to(struct peer *p)
{
	struct target *t = p->conn[0]->target;

	close_both(p);
	if (t)
		target_failed(t);
}

/* Nothing is read before the owner knows the link. */
static void go_up(struct peer *p)
{
	struct bus *b = p->bus;
	struct channel *conns[2] = {p->conn[0], p->conn[1]};
	struct target *t = conns[0]->target;

	p->state = PEER_UP;
	list_remove(&p->link);
	list_append(&b->peers, &p->link);
	for (int i = 0; i < 2; i++)
		channel_go_up(conns[i]);
	if (t) {
		t->backoff_ms = BUS_BACKOFF_MIN_MS;
		t->reported = NULL;
	}
	if (b->events.on_up)
		b->events.on_up(b->ctx, &p->node);
	/* The task that frees them runs after this one. */
	for (int i = 0; i < 2; i++)
		if (conns[i]->state == CHANNEL_UP)
			pipe_resume(conns[i]->pipe);
}

static void try_up(struct peer *p)
{
	struct bus *b = p->bus;
	struct peer *old = peer_by_node(b, p->node.id);

	if (old && must_yield(p, old)) {
		yield_to(p);
		return;
	}
	if (old) {
		peer_down(old, REASON_peer_left);
		tell_downs(b);
		if (!is_whole(p)) /* on_down may do anything */
			return;
	}
	if (b->by_link.count >= b->config.peers_max)
		refuse_pair(p, REASON_limit, "too many links are up");
	else if (register_up(p))
		refuse_pair(p, REASON_no_resources, "no memory for a link");
	else
		go_up(p);
}

static void settle(struct bus *b)
{
	struct peer *p;

	tell_downs(b);
	while ((p = find_whole(b)) != NULL) {
		try_up(p);
		tell_downs(b);
	}
}

void peers_settle_soon(struct bus *b)
{
	loop_at_pass_end(b->loop, &b->settle, settle, b);
}

/* ---- dialing ---- */

static void close_attempt(struct target *t)
{
	for (int i = 0; i < 2; i++)
		if (t->conn[i] && t->conn[i]->state != CHANNEL_UP)
			channel_close(t->conn[i]);
}

void target_failed(struct target *t)
{
	close_attempt(t);
	dial_later(t);
}

static void dial(struct target *t)
{
	if (channel_dial(t, CONNECTION_MEDIA) ||
	    channel_dial(t, CONNECTION_CONTROL))
		target_failed(t);
}

void targets_run(struct bus *b, uint64_t now_ms)
{
	list_each (it, &b->targets) {
		struct target *t = list_entry(it, struct target, link);

		if (t->conn[0] || t->conn[1] || peer_by_node(b, t->node))
			continue;
		if (now_ms >= t->next_ms)
			dial(t);
		else
			bus_due_at(b, t->next_ms);
	}
}

void target_free(struct target *t)
{
	struct peer *up = peer_by_node(t->bus, t->node);

	list_remove(&t->link);
	close_attempt(t);
	if (up && up->is_dialed)
		peer_down(up, REASON_none);
	pipe_dialer_free(&t->dialer);
	free(t);
}
