/* services/edge/passing.c - publishers that are passed on to an ingest. */
#include "services/edge/passing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "services/edge/internal.h"

#define RETRY_MS  100
#define PERIOD_MS 2000 /* loads are reported about so often */
#define SILENT_MS 3000 /* who did not answer is asked last for so long */
#define LAST      1000000u

struct passing {
	struct guest *guest;
	struct stream_key key;
	struct handover *handover;
	struct timer *retry;
	struct node target; /* that is being asked */
	char asked[PASSER_TARGETS][NODE_ID_SIZE];
	size_t asked_count;
	uint64_t begin_ms;
	char why[96]; /* the last no, for people */
};

static struct edge *edge_of(const struct passing *p)
{
	return p->guest->edge;
}

static uint64_t now_ms(const struct passing *p)
{
	return loop_now_ms(edge_of(p)->loop);
}

/* ---- which ingest ---- */

static struct passer_target *find(struct passer *ps, const char *id)
{
	for (size_t i = 0; i < ps->count; i++)
		if (!strcmp(ps->target[i].id, id))
			return &ps->target[i];
	return NULL;
}

/* NULL: more than we care to remember. */
static struct passer_target *find_or_add(struct passer *ps, const char *id)
{
	struct passer_target *t = find(ps, id);

	if (t || ps->count == PASSER_TARGETS)
		return t;
	t = &ps->target[ps->count++];
	*t = (struct passer_target){0};
	snprintf(t->id, sizeof(t->id), "%s", id);
	return t;
}

/* What was given before the period in front of this one has been reported by
 * now, or has left. */
static void turn(struct passer *ps, uint64_t now)
{
	if (now - ps->turned_ms < PERIOD_MS)
		return;
	for (size_t i = 0; i < ps->count; i++) {
		ps->target[i].given_before = ps->target[i].given;
		ps->target[i].given = 0;
	}
	ps->turned_ms = now;
}

static uint64_t load_of(struct passer *ps, const struct node *n, uint64_t now)
{
	const struct passer_target *t = find(ps, n->ref.id);
	uint64_t load = n->load.publishers;

	if (!t)
		return load;
	return load + t->given + t->given_before +
	       (now < t->silent_until_ms ? LAST : 0);
}

struct choice {
	struct passing *passing;
	const struct node *best;
	uint64_t best_load;
};

static bool was_asked(const struct passing *p, const char *id)
{
	for (size_t i = 0; i < p->asked_count; i++)
		if (!strcmp(p->asked[i], id))
			return true;
	return false;
}

static void consider(void *ctx, const struct node *n)
{
	struct choice *c = ctx;
	struct passing *p = c->passing;
	uint64_t load;

	if (!n->handover[0] || n->is_draining || was_asked(p, n->ref.id))
		return;
	load = load_of(&edge_of(p)->passer, n, now_ms(p));
	/* Equal ones by name, so that the order is no accident. */
	if (c->best &&
	    (load > c->best_load ||
	     (load == c->best_load && strcmp(n->ref.id, c->best->ref.id) > 0)))
		return;
	c->best = n;
	c->best_load = load;
}

/* The best that was not asked yet, in p->target; false: there is none. */
static bool choose(struct passing *p)
{
	struct passer *ps = &edge_of(p)->passer;
	struct choice c = {.passing = p};

	turn(ps, now_ms(p));
	if (ps->copy && p->asked_count < PASSER_TARGETS)
		copy_each_node(ps->copy, "ingest", consider, &c);
	if (!c.best)
		return false;
	p->target = *c.best;
	memcpy(p->asked[p->asked_count++], c.best->ref.id, sizeof(p->asked[0]));
	return true;
}

/* ---- asking ---- */

static void ask_next(struct passing *p);

static void note(struct passing *p, const char *words)
{
	snprintf(p->why, sizeof(p->why), "%.40s: %s", p->target.ref.id, words);
}

static void say_passed(const struct passing *p)
{
	const struct guest *g = p->guest;

	logger_event(g->edge->log, &edge_peer_passed,
		     kv_str("stream", p->key.text), kv_addr("peer", &g->addr),
		     kv_str("proto", guest_ops(g)->protocol),
		     kv_str("node", p->target.ref.id),
		     kv_uint("ms", now_ms(p) - p->begin_ms));
}

/* Its connection is open at the ingest: to free the guest ends our part. */
static void on_given(struct passing *p)
{
	struct passer_target *t =
		find_or_add(&edge_of(p)->passer, p->target.ref.id);

	if (t)
		t->given++;
	edge_of(p)->stats.passed++;
	say_passed(p);
	p->guest->is_passed = true;
	guest_free(p->guest);
}

static void on_no(struct passing *p, int err, enum reason why,
		  const char *detail)
{
	struct passer_target *t;

	handover_free(&p->handover);
	if (err == WEIR_EBUSY) {
		note(p, *detail ? detail : reason_text(why));
	} else {
		note(p, weir_strerror(err));
		t = find_or_add(&edge_of(p)->passer, p->target.ref.id);
		if (t)
			t->silent_until_ms = now_ms(p) + SILENT_MS;
	}
	ask_next(p);
}

static void on_end(void *ctx, int err, enum reason why, const char *detail)
{
	struct passing *p = ctx;

	if (err)
		on_no(p, err, why, detail);
	else
		on_given(p);
}

static int give(struct passing *p)
{
	struct guest *g = p->guest;
	struct conn_stats s;
	struct buf state = {0};
	int err;

	conn_stats(g->conn, &s);
	guest_ops(g)->save(g, &state);
	err = buf_error(&state);
	if (!err) {
		const struct handover_goods goods = {
			.state = buf_span(&state),
			.unread = conn_unread(g->conn),
			.in_bytes = s.in_bytes,
			.out_bytes = s.out_bytes,
		};

		err = handover_give(p->handover, conn_fd(g->conn), &goods);
	}
	buf_fini(&state);
	return err;
}

static void on_ready(void *ctx)
{
	struct passing *p = ctx;
	int err;

	/* A few hundred bytes, sent at the end of the pass in which the peer
	 * asked: whoever has not taken them does not read at all. */
	if (conn_queued_bytes(p->guest->conn)) {
		guest_close(p->guest, REASON_limit, "the peer does not read");
		return;
	}
	err = give(p);
	if (err != WEIR_EAGAIN)
		on_end(p, err, REASON_none, "");
}

static const struct handover_events events = {on_ready, on_end};

/* Returns 0, or why nobody can be asked there. */
static int ask(struct passing *p)
{
	struct edge *e = edge_of(p);
	const struct handover_times times = {
		.ready_ms = (unsigned)e->settings->handover_ms};
	struct handover_offer o = {0};

	memcpy(o.to, p->target.ref.id,
	       WEIR_MIN(sizeof(o.to), sizeof(p->target.ref.id)));
	if (e->svc)
		snprintf(o.from, sizeof(o.from), "%s", svc_node_id(e->svc));
	snprintf(o.protocol, sizeof(o.protocol), "%s",
		 guest_ops(p->guest)->saved_form);
	snprintf(o.work, sizeof(o.work), "publish");
	memcpy(o.stream, p->key.text,
	       WEIR_MIN(sizeof(o.stream), sizeof(p->key.text)));
	net_addr_text(o.peer, &p->guest->addr);
	return handover_new(&p->handover, e->loop, p->target.handover, &o,
			    &times, &events, p);
}

/* ---- nobody takes it ---- */

/* Perhaps there is one elsewhere. */
static void give_up(struct passing *p)
{
	struct guest *g = p->guest;
	char addr[64] = "", detail[sizeof(g->detail)];

	if (g->edge->member)
		edge_ingest_address(g->edge, addr, sizeof(addr));
	if (*p->why)
		snprintf(detail, sizeof(detail), "%s", p->why);
	else if (*addr)
		snprintf(detail, sizeof(detail), "publish at rtmp://%s", addr);
	else
		snprintf(detail, sizeof(detail), "none is running");
	guest_visit(g, EVENT_PUBLISH_REFUSED, &p->key, REASON_no_ingest,
		    detail);
	guest_refuse(g, REASON_no_ingest, detail);
}

static void on_retry(struct passing *p)
{
	p->asked_count = 0;
	ask_next(p);
}

static void rest(struct passing *p)
{
	uint64_t wait_ms = (uint64_t)edge_of(p)->settings->publish_wait_ms;

	if (now_ms(p) - p->begin_ms >= wait_ms)
		give_up(p);
	else
		timer_start(p->retry, RETRY_MS);
}

/* As the last thing: `p` may be gone after it. */
static void ask_next(struct passing *p)
{
	while (choose(p)) {
		int err = ask(p);

		if (!err)
			return;
		/* Of another machine, or dead: one that could be here and
		 * cannot be asked is told of. */
		if (err != -ENOENT)
			note(p, weir_strerror(err));
	}
	rest(p);
}

/* ---- life ---- */

static int passing_new(struct passing **out, struct guest *g,
		       const struct stream_key *key)
{
	struct passing *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return WEIR_ENOMEM;
	p->guest = g;
	p->key = *key;
	p->begin_ms = loop_now_ms(g->edge->loop);
	err = timer_new(&p->retry, g->edge->loop, on_retry, p);
	if (err)
		free(p);
	else
		*out = p;
	return err;
}

void guest_pass(struct guest *g, const struct stream_key *key)
{
	const struct edge *e = g->edge;

	if (e->stats.passing >= (uint64_t)e->settings->half_open_max) {
		guest_refuse(g, REASON_no_resources, "too many at once");
		return;
	}
	if (passing_new(&g->passing, g, key)) {
		guest_refuse(g, REASON_no_resources, "");
		return;
	}
	conn_pause(g->conn);
	guest_go_to(g, GUEST_PASSING);
	ask_next(g->passing);
}

void passing_free(struct passing **pp)
{
	struct passing *p = *pp;

	if (!p)
		return;
	*pp = NULL;
	handover_free(&p->handover);
	timer_free(&p->retry);
	free(p);
}
