/* tests/sim/net.c - what is under way on links: records, frames, and feeds. */
#include "tests/sim/net_priv.h"

#define FRAMES_A_TIME  16
#define SMALL_DELAY_US 200

int64_t net_delay_us(struct sim *s)
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
	net_wire_free_if_done(m->wire);
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

struct message *net_message_to(struct side *to, enum what what)
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

void net_queue(struct message *m, uint32_t sid, bool is_frame)
{
	struct side *to = &m->wire->side[m->to];
	struct sim *s = to->node->sim;
	int64_t *lane = is_frame ? &to->frame_us : &to->record_us;
	int64_t at = s->now_us + net_delay_us(s);
	int64_t *last = sid ? sid_last(to, sid) : NULL;

	at = WEIR_MAX(at, *lane);
	if (last)
		at = WEIR_MAX(at, *last);
	*lane = at;
	if (last)
		*last = at;
	sim_at(s, &m->job, at);
}

/* The session that opened with this term. */
static const struct sim_session *session_in(struct sim *s,
					    const struct term *term)
{
	list_each (l, &s->sessions) {
		const struct sim_session *se =
			list_entry(l, struct sim_session, link);

		if (se->is_granted &&
		    term_eq(&writer_entry(se->writer)->term, term))
			return se;
	}
	return NULL;
}

/* Mutants that live between the machines: a home, or a copy, that says that it
 * has what it has not, so that the writer goes on at a wrong place. */
static void distort(struct sim *s, const struct side *from, struct record *r)
{
	const struct sim_session *se;
	const struct published *p;
	bool is_home;

	if (r->type != RECORD_RESUME ||
	    net_other((struct side *)from)->node->kind != NODE_INGEST)
		return;
	se = session_in(s, &r->term);
	p = se ? check_epoch(s, &se->epoch) : NULL;
	if (!p || p->count < 3)
		return;
	is_home = !strcmp(from->node->id, writer_entry(se->writer)->home_node);
	if (s->options.mutant != (is_home ? SIM_WRONG_REPLAY : SIM_WRONG_COPY))
		return;
	r->flags |= RESUME_KNOWN;
	r->position.epoch = p->epoch;
	r->position.sequence = p->count - 1;
}

static void send_record(struct side *from, const struct record *r)
{
	struct side *to = net_other(from);
	struct message *m = net_message_to(to, W_RECORD);
	struct record copy = *r;

	distort(from->node->sim, from, &copy);
	record_write(&m->bytes, &copy);
	BUG_ON(buf_error(&m->bytes));
	sim_trace(from->node->sim, "  %s -> %s %s sid %x term %lu",
		  from->node->id, to->node->id, record_name(r->type), r->sid,
		  (unsigned long)(r->term.number ? r->term.number
						 : r->term_number));
	net_queue(m, r->sid, false);
}

/* Mutants: an origin drains, and tells nobody; or not those who come then. */
static bool is_unsaid(const struct sim *s, const struct record *r)
{
	enum sim_mutant m = s->options.mutant;

	return r->type == RECORD_DRAIN &&
	       (m == SIM_NO_DRAIN ||
		(m == SIM_DRAIN_TAKES && !s->is_announcing));
}

bool net_send(void *ctx, link_id link, const struct record *r)
{
	struct side *from = net_find_side(ctx, link);

	if (!from)
		return false;
	if (!is_unsaid(from->node->sim, r))
		send_record(from, r);
	return true;
}

static void send_frame(struct side *from, const struct feed *f, uint16_t type,
		       struct frame *frame)
{
	struct message *m = net_message_to(net_other(from), W_FRAME);

	m->frame = frame_ref(frame);
	m->type = type;
	m->sid = f->sid;
	m->term_number = f->term_number;
	sim_trace(from->node->sim,
		  "  %s -> %s %s %lu/%lu kind %u flags %u sid %x",
		  from->node->id, net_other(from)->node->id, record_name(type),
		  (unsigned long)frame->position.epoch.counter,
		  (unsigned long)frame->position.sequence, frame->kind,
		  frame->flags, f->sid);
	check_frame_sent(from->node->sim, from->node, net_other(from)->node,
			 frame);
	net_queue(m, f->sid, true);
}

/* ---- delivery ---- */

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
		net_answer_question(s, me, m);
		return 0;
	case W_ANSWER:
		net_take_answer(me, m);
		return 0;
	default:
		return 0;
	}
}

static void deliver(struct sim *s, struct job *j)
{
	struct message *m = (struct message *)j;
	struct side *me = &m->wire->side[m->to], *peer = net_other(me);
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
	net_side_down(s, me);
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
	net_wire_job(side, WEIR_MAX(at_us, side->closed_until_us), on_pump);
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
	struct side *side = net_find_side(ctx, link);

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
