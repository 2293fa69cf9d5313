/* tests/sim/net.c - links with delay, loss and partitions; questions. */
#include <errno.h>
#include <stdlib.h>

#include "common/bus/question.h"
#include "tests/sim/sim.h"

#define ABSENT_LINK    UINT32_MAX
#define PING_MS        1000
#define PEER_DEAD_MS   2000
#define FRAMES_A_TIME  16
#define SMALL_DELAY_US 200

enum what { W_RECORD, W_FRAME, W_PING, W_QUESTION, W_ANSWER };

struct message {
	struct job job;
	struct wire *wire;
	int to;
	enum what what;
	struct buf bytes; /* a record, or JSON */
	struct frame *frame;
	uint16_t type;
	uint32_t sid;
	uint64_t term_number;
	uint64_t tag;
};

/* ---- wires ---- */

static void wire_free_if_done(struct wire *w)
{
	if (w->jobs || w->side[0].is_up || w->side[1].is_up)
		return;
	list_remove(&w->link);
	free(w);
}

static struct side *find_side(struct node *n, link_id id)
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

static struct side *other(struct side *side)
{
	struct wire *w = side->wire;

	return side == &w->side[0] ? &w->side[1] : &w->side[0];
}

static struct node_ref ref_of(const struct side *mine)
{
	const struct side *peer = other((struct side *)mine);
	struct node_ref ref = peer->node->world.self;

	ref.link = mine->id;
	return ref;
}

static int64_t delay_us(struct sim *s)
{
	bool is_bad = s->class >= CLASS_NETWORK && s->now_us < s->heal_us;

	if (is_bad && sim_chance(s, 2))
		return sim_between_us(s, 5, 150);
	return SMALL_DELAY_US + (int64_t)sim_below(s, 2000);
}

/* ---- messages ---- */

static void message_drop(struct job *j)
{
	struct message *m = (struct message *)j;

	buf_fini(&m->bytes);
	frame_unref(&m->frame);
	m->wire->jobs--;
	wire_free_if_done(m->wire);
}

static void deliver(struct sim *s, struct job *j);

/* Nothing comes through between two nodes for a while; then, all of it. */
static int64_t blocked_until_us(struct sim *s, const struct job *j)
{
	const struct message *m = (const struct message *)j;
	const struct side *to = &m->wire->side[m->to];
	const struct side *from = &m->wire->side[1 - m->to];

	return s->blocked_us[from->node->index][to->node->index];
}

static struct message *message_to(struct side *to, enum what what)
{
	struct sim *s = to->node->sim;
	struct message *m = sim_job(s, sizeof(*m), to->node, deliver);

	m->job.life = to->life;
	m->job.drop = message_drop;
	m->job.held_until_us = blocked_until_us;
	m->wire = to->wire;
	m->to = to == &to->wire->side[1];
	m->what = what;
	m->wire->jobs++;
	return m;
}

/* Where the order of one sid is kept. */
static int64_t *sid_last(struct side *to, uint32_t sid)
{
	size_t i;

	for (i = 0; i < to->last_count; i++)
		if (to->last[i].sid == sid)
			return &to->last[i].at_us;
	if (to->last_count < WIRE_SIDS)
		i = to->last_count++;
	else
		i = sid % WIRE_SIDS;
	to->last[i].sid = sid;
	to->last[i].at_us = 0;
	return &to->last[i].at_us;
}

static void queue(struct message *m, uint32_t sid, bool is_frame)
{
	struct side *to = &m->wire->side[m->to];
	struct sim *s = to->node->sim;
	int64_t *lane = is_frame ? &to->frame_us : &to->record_us;
	int64_t at = s->now_us + delay_us(s);
	int64_t *last = sid ? sid_last(to, sid) : NULL;

	at = WEIR_MAX(at, *lane);
	if (last)
		at = WEIR_MAX(at, *last);
	*lane = at;
	if (last)
		*last = at;
	sim_at(s, &m->job, at);
}

/* The epoch of the session that opened with this term. */
static const struct published *published_in(struct sim *s,
					    const struct term *term)
{
	list_each (l, &s->sessions) {
		const struct session *se = list_entry(l, struct session, link);

		if (se->is_granted &&
		    term_eq(&writer_entry(se->writer)->term, term))
			return check_epoch(s, &se->epoch);
	}
	return NULL;
}

/* Mutants that live between the machines: a home that says that it has what it
 * has not, so that the writer goes on at a wrong place. */
static void distort(struct sim *s, const struct side *to, struct record *r)
{
	const struct published *p;
	enum sim_mutant m = s->options.mutant;

	if (m != SIM_WRONG_REPLAY || r->type != RECORD_RESUME ||
	    to->node->kind != NODE_INGEST)
		return;
	p = published_in(s, &r->term);
	if (!p || p->count < 3)
		return;
	r->flags |= RESUME_KNOWN;
	r->position.epoch = p->epoch;
	r->position.sequence = p->count - 1;
}

static void send_record(struct side *from, const struct record *r)
{
	struct side *to = other(from);
	struct message *m = message_to(to, W_RECORD);
	struct record copy = *r;

	distort(from->node->sim, to, &copy);
	record_write(&m->bytes, &copy);
	BUG_ON(buf_error(&m->bytes));
	sim_trace(from->node->sim, "  %s -> %s %s sid %x term %lu",
		  from->node->id, to->node->id, record_name(r->type), r->sid,
		  (unsigned long)(r->term.number ? r->term.number
						 : r->term_number));
	queue(m, r->sid, false);
}

bool net_send(void *ctx, link_id link, const struct record *r)
{
	struct side *from = find_side(ctx, link);

	if (!from)
		return false;
	send_record(from, r);
	return true;
}

static void send_frame(struct side *from, const struct feed *f, uint16_t type,
		       struct frame *frame)
{
	struct message *m = message_to(other(from), W_FRAME);

	m->frame = frame_ref(frame);
	m->type = type;
	m->sid = f->sid;
	m->term_number = f->term_number;
	sim_trace(from->node->sim,
		  "  %s -> %s %s %lu/%lu kind %u flags %u sid %x",
		  from->node->id, other(from)->node->id, record_name(type),
		  (unsigned long)frame->position.epoch.counter,
		  (unsigned long)frame->position.sequence, frame->kind,
		  frame->flags, f->sid);
	check_frame_sent(from->node->sim, from->node, frame);
	queue(m, f->sid, true);
}

/* ---- up and down ---- */

struct wire_job {
	struct job job;
	struct wire *wire;
	int i;
};

static void wire_job_drop(struct job *j)
{
	struct wire_job *d = (struct wire_job *)j;

	d->wire->jobs--;
	wire_free_if_done(d->wire);
}

static void wire_job(struct side *side, int64_t at_us,
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

static void side_down(struct sim *s, struct side *side);

static void on_reset(struct sim *s, struct job *j)
{
	struct wire_job *d = (struct wire_job *)j;

	side_down(s, &d->wire->side[d->i]);
}

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

static void answer_at(struct node *n, uint64_t tag, const struct answer *a,
		      int64_t at_us)
{
	struct answer_job *j = sim_job(n->sim, sizeof(*j), n, on_answer);

	j->tag = tag;
	j->answer = *a;
	sim_at(n->sim, &j->job, at_us);
}

static void close_asks(struct sim *s, struct side *side)
{
	struct answer closed = {.err = WEIR_ECLOSED};

	list_each (l, &side->node->pending) {
		struct pending *p = list_entry(l, struct pending, link);

		if (p->wire == side->id)
			answer_at(side->node, p->tag, &closed, s->now_us);
	}
}

/* This end is closed: its process is told; the other end hears of it. */
static void side_down(struct sim *s, struct side *side)
{
	struct side *peer = other(side);
	struct node_ref ref = ref_of(side);
	size_t a = side->node->index, b = peer->node->index;

	if (!side->is_up)
		return;
	sim_trace(s, "%s: link to %s down", side->node->id, peer->node->id);
	side->is_up = false;
	list_each_safe (l, &side->feeds)
		list_remove(l);
	close_asks(s, side);
	if (peer->is_up) {
		int64_t at_us = s->now_us + delay_us(s);

		at_us = WEIR_MAX(at_us, s->blocked_us[a][b]);
		wire_job(peer, at_us, on_reset);
	}
	node_on_link(side->node, &ref, false);
}

static void on_up(struct sim *s, struct job *j)
{
	struct wire_job *d = (struct wire_job *)j;
	struct side *side = &d->wire->side[d->i];
	struct node_ref ref = ref_of(side);

	if (!side->is_up)
		return;
	side->heard_us = s->now_us;
	node_on_link(side->node, &ref, true);
}

static bool is_linked(const struct sim *s, const struct node *a,
		      const struct node *b)
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

static bool can_link(const struct sim *s, const struct node *a,
		     const struct node *b)
{
	return a->is_alive && b->is_alive && !a->is_paused && !b->is_paused &&
	       s->now_us >= s->blocked_us[a->index][b->index] &&
	       s->now_us >= s->blocked_us[b->index][a->index] &&
	       !is_linked(s, a, b);
}

struct dial_job {
	struct job job;
	struct node *from, *to;
};

static void on_dialed(struct sim *s, struct job *j)
{
	struct dial_job *d = (struct dial_job *)j;
	struct node *end[2] = {d->from, d->to};
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
	wire_job(&w->side[0], s->now_us, on_up);
	wire_job(&w->side[1], s->now_us, on_up);
}

void net_dial(struct sim *s, struct node *a, struct node *b)
{
	struct dial_job *d;

	if (s->now_us < a->dial_us[b->index] || is_linked(s, a, b))
		return;
	a->dial_us[b->index] = s->now_us + sim_between_us(s, 50, 500);
	d = sim_job(s, sizeof(*d), NULL, on_dialed);
	d->from = a;
	d->to = b;
	sim_at(s, &d->job, s->now_us + 2 * delay_us(s));
}

/* A wire is cut: all that is in flight is lost, both ends hear of it. */
void net_cut(struct sim *s, struct wire *w)
{
	for (int i = 0; i < 2; i++)
		if (w->side[i].is_up)
			wire_job(&w->side[i], s->now_us, on_reset);
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

void net_node_died(struct sim *s, struct node *n)
{
	list_each_safe (l, &s->wires) {
		struct wire *w = list_entry(l, struct wire, link);

		for (int i = 0; i < 2; i++) {
			struct side *mine = &w->side[i], *peer = other(mine);
			size_t a = n->index, b = peer->node->index;

			if (mine->node != n || mine->life != n->life ||
			    !mine->is_up)
				continue;
			mine->is_up = false;
			list_each_safe (f, &mine->feeds)
				list_remove(f);
			if (peer->is_up)
				wire_job(peer,
					 WEIR_MAX(s->now_us + delay_us(s),
						  s->blocked_us[a][b]),
					 on_reset);
		}
		wire_free_if_done(w);
	}
}

void net_close_all(struct sim *s)
{
	list_each_safe (l, &s->wires) {
		list_remove(l);
		free(list_entry(l, struct wire, link));
	}
}

/* ---- delivery ---- */

static void answer_question(struct sim *s, struct side *me,
			    const struct message *m)
{
	struct message *reply = message_to(other(me), W_ANSWER);
	struct question q;
	struct answer a = {.err = WEIR_ENOENT};

	BUG_ON(question_read(&q, buf_span(&m->bytes)));
	node_on_question(me->node, &q, &a);
	if (s->options.mutant == SIM_TRUST_LEASE && q.kind == QUESTION_ALIVE)
		a = (struct answer){.err = WEIR_ETIMEOUT};
	BUG_ON(answer_write(&reply->bytes, &a));
	reply->tag = m->tag;
	sim_at(s, &reply->job, s->now_us + delay_us(s));
}

static void take_answer(struct side *me, const struct message *m)
{
	struct answer a;

	BUG_ON(answer_read(&a, buf_span(&m->bytes)));
	if (net_take_pending(me->node, m->tag))
		node_on_answer(me->node, m->tag, &a);
}

static int take(struct sim *s, struct side *me, struct message *m)
{
	const char *why;
	struct record r;

	switch (m->what) {
	case W_RECORD:
		if (record_read(&r, buf_span(&m->bytes), &why)) {
			sim_violation(s, "%s cannot read a record: %s",
				      me->node->id, why);
			return WEIR_EPROTO;
		}
		return node_on_record(me->node, me->id, &r);
	case W_FRAME:
		return node_on_frame(me->node, me->id, m->type, m->sid,
				     m->term_number, m->frame);
	case W_QUESTION:
		answer_question(s, me, m);
		return 0;
	case W_ANSWER:
		take_answer(me, m);
		return 0;
	default:
		return 0;
	}
}

static void deliver(struct sim *s, struct job *j)
{
	struct message *m = (struct message *)j;
	struct side *me = &m->wire->side[m->to], *peer = other(me);
	int err;

	if (!me->is_up)
		return;
	me->heard_us = s->now_us;
	err = take(s, me, m);
	if (!err)
		return;
	sim_violation(s, "%s: %s broke the protocol: %s of %s", me->node->id,
		      peer->node->id, weir_strerror(err),
		      m->what == W_RECORD ? "a record" : "a frame");
	side_down(s, me);
}

/* ---- feeds ---- */

static void on_pump(struct sim *s, struct job *j);

static void arm(struct side *side)
{
	struct sim *s = side->node->sim;
	int64_t at_us = s->now_us + SMALL_DELAY_US;

	if (side->is_pumping)
		return;
	side->is_pumping = true;
	wire_job(side, WEIR_MAX(at_us, side->closed_until_us), on_pump);
}

static bool pump(struct side *side, struct feed *f)
{
	struct feed_item item;

	for (int i = 0; i < FRAMES_A_TIME; i++) {
		feed_next(f, &item);
		if (item.kind == FEED_NOTHING)
			return false;
		if (item.kind == FEED_RECORD)
			send_record(side, &item.record);
		else
			send_frame(side, f,
				   item.kind == FEED_STATE ? RECORD_STATE
							   : RECORD_FRAME,
				   item.frame);
	}
	return feed_is_ready(f);
}

static void on_pump(struct sim *s, struct job *j)
{
	struct wire_job *d = (struct wire_job *)j;
	struct side *side = &d->wire->side[d->i];
	bool is_more = false;

	side->is_pumping = false;
	if (!side->is_up)
		return;
	if (s->now_us < side->closed_until_us) {
		arm(side);
		return;
	}
	list_each (l, &side->feeds)
		is_more |= pump(side, list_entry(l, struct feed, link));
	if (is_more)
		arm(side);
}

void net_feed_start(void *ctx, link_id link, struct feed *f)
{
	struct side *side = find_side(ctx, link);

	list_remove(&f->link);
	f->bus = side;
	if (!side)
		return;
	list_append(&side->feeds, &f->link);
	arm(side);
}

void net_feed_stop(void *ctx, link_id link, struct feed *f)
{
	(void)ctx;
	(void)link;
	list_remove(&f->link);
	f->bus = NULL;
}

void net_feed_kick(void *ctx, struct feed *f)
{
	(void)ctx;
	if (!list_is_empty(&f->link) && feed_is_ready(f))
		arm(f->bus);
}

/* ---- questions ---- */

bool net_take_pending(struct node *n, uint64_t tag)
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

void net_drop_pending(struct node *n)
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

void net_wait(struct sim *s, struct node *n, uint64_t tag, link_id link,
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
	struct node *n = ctx;
	struct sim *s = n->sim;
	struct side *from = find_side(n, link);
	int copies = sim_chance(s, 5) ? 2 : 1;

	net_wait(s, n, tag, from ? link : 0, false, deadline_ms);
	if (!from) {
		int err = link == ABSENT_LINK ? -ECONNREFUSED : WEIR_ECLOSED;

		answer_at(n, tag, &(struct answer){.err = err}, s->now_us);
		return;
	}
	for (int i = 0; i < copies; i++) {
		struct message *m = message_to(other(from), W_QUESTION);

		BUG_ON(question_write(&m->bytes, q));
		m->tag = tag;
		sim_at(s, &m->job, s->now_us + delay_us(s));
	}
}

/* ---- who is there ---- */

size_t net_origins(void *ctx, struct node_ref *out, size_t max)
{
	struct node *n = ctx;
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
			out[count++] = ref_of(mine);
		}
	}
	return count;
}

link_id net_link_to(void *ctx, const char *id)
{
	struct node *n = ctx;
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

static bool keeps_link(const struct node *a, const struct node *b)
{
	if (b->kind != NODE_ORIGIN)
		return false;
	return a->kind != NODE_ORIGIN || a->index < b->index;
}

void net_timer(struct sim *s, struct node *n)
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
				side_down(s, mine);
			else if (s->now_us >= n->ping_us)
				queue(message_to(other(mine), W_PING), 0,
				      false);
		}
	}
	if (s->now_us >= n->ping_us)
		n->ping_us = s->now_us + PING_MS * MS;
}

/* ---- dispatch ---- */

void net_ask_dispatch(void *ctx, uint64_t tag, const struct question *q,
		      uint32_t deadline_ms)
{
	struct node *n = ctx;
	struct sim *s = n->sim;
	struct answer a = {.err = WEIR_ENOENT};
	int64_t at_us = s->now_us + delay_us(s) * 2;

	net_wait(s, n, tag, 0, false, deadline_ms);
	if (s->now_us < s->dispatch_until_us[0]) {
		if (s->now_us < s->dispatch_until_us[1])
			return; /* nobody answers */
		at_us += 100 * MS;
	}
	dispatch_answer(s, q, &a);
	answer_at(n, tag, &a, at_us);
}
