/* services/ingest/giving.c - a publisher is given to another ingest of this
 * machine, when this one ends: its connection, and all that it takes to go on in
 * the middle of the epoch.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/io/conn.h"
#include "proto/rtmp/server.h"
#include "services/ingest/publish_priv.h"

#define TARGETS_MAX 8
#define READY_MS    500

struct giving {
	struct publish *publish;
	struct handover *handover;
	bool is_saved; /* and on its way */
	char asked[TARGETS_MAX][NODE_ID_SIZE];
	size_t asked_count;
};

struct choice {
	const struct giving *giving;
	const char *self;
	const struct node *best;
};

static bool was_asked(const struct giving *g, const char *id)
{
	for (size_t i = 0; i < g->asked_count; i++)
		if (!strcmp(g->asked[i], id))
			return true;
	return false;
}

/* The one with the fewest publishers. */
static void consider(void *ctx, const struct node *n)
{
	struct choice *c = ctx;

	if (!n->handover[0] || n->is_draining || !strcmp(n->ref.id, c->self) ||
	    was_asked(c->giving, n->ref.id))
		return;
	if (!c->best || n->load.publishers < c->best->load.publishers)
		c->best = n;
}

/* ---- giving ---- */

static struct conn *conn_of(const struct giving *g)
{
	return g->publish->door->conn(g->publish->ctx);
}

/* Its connection is open there: to close ours ends nothing. */
static void done(struct giving *g)
{
	struct publish *p = g->publish;
	struct ingest *in = p->in;
	const struct publish_door *door = p->door;
	void *ctx = p->ctx;

	publish_log_end(p, REASON_draining, "given to another ingest");
	in->stats.given++;
	writer_passed(&p->writer, member_now_ms(in->member));
	publish_free(p); /* and the giving */
	door->on_given(ctx);
	member_wake(in->member);
}

static int give(struct giving *g)
{
	struct publish *p = g->publish;
	struct buf state = {.limit_bytes = HANDOVER_GOODS_MAX - (1u << 20)};
	struct buf part = {0};
	struct handover_goods goods = {0};
	int err;

	p->door->save(p->ctx, &part);
	publish_put_part(&state, &part);
	publish_pass(p, &part);
	publish_put_part(&state, &part);
	err = buf_error(&state);
	g->is_saved = true;
	if (!err) {
		goods.state = buf_span(&state);
		goods.unread = conn_unread(conn_of(g));
		goods.in_bytes = p->door->in_bytes(p->ctx);
		err = handover_give(g->handover, conn_fd(conn_of(g)), &goods);
	}
	buf_fini(&part);
	buf_fini(&state);
	return err;
}

static void ask_next(struct giving *g);

static void on_end(void *ctx, int err, enum reason why, const char *detail)
{
	struct giving *g = ctx;

	(void)why;
	(void)detail;
	if (!err) {
		done(g);
		return;
	}
	g->is_saved = false;
	conn_resume(conn_of(g));
	ask_next(g);
}

static void on_ready(void *ctx)
{
	struct giving *g = ctx;
	int err = WEIR_EBUSY;

	/* What it was told must be on its way before another one speaks. */
	if (publish_can_pass(g->publish) && !conn_queued_bytes(conn_of(g))) {
		conn_pause(conn_of(g));
		err = give(g);
	}
	if (err != WEIR_EAGAIN)
		on_end(g, err, REASON_none, "");
}

static const struct handover_events events = {on_ready, on_end};

static int ask(struct giving *g, const struct node *n)
{
	static const struct handover_times times = {.ready_ms = READY_MS};
	struct publish *p = g->publish;
	struct handover_offer o = {.hops = 1};

	snprintf(o.to, sizeof(o.to), "%s", n->ref.id);
	snprintf(o.from, sizeof(o.from), "%s", svc_node_id(p->in->svc));
	snprintf(o.protocol, sizeof(o.protocol), "%s", RTMP_SERVER_SAVED);
	snprintf(o.work, sizeof(o.work), "%s", INGEST_WORK_LIVE);
	snprintf(o.stream, sizeof(o.stream), "%s", p->key.text);
	net_addr_text(o.peer, &p->peer);
	return handover_new(&g->handover, p->in->loop, n->handover, &o, &times,
			    &events, g);
}

/* As the last thing: `g` may be gone after it. */
static void ask_next(struct giving *g)
{
	struct ingest *in = g->publish->in;

	handover_free(&g->handover);
	while (g->asked_count < TARGETS_MAX) {
		struct choice c = {.giving = g, .self = svc_node_id(in->svc)};

		copy_each_node(store_copy(member_store(in->member)), "ingest",
			       consider, &c);
		if (!c.best)
			break;
		memcpy(g->asked[g->asked_count++], c.best->ref.id,
		       sizeof(g->asked[0]));
		if (!ask(g, c.best))
			return;
	}
	giving_free(&g->publish->giving); /* it is closed, then */
}

void giving_start(struct publish *p)
{
	if (p->giving || p->was_offered || !publish_can_pass(p))
		return;
	p->was_offered = true;
	p->giving = calloc(1, sizeof(*p->giving));
	if (!p->giving)
		return;
	p->giving->publish = p;
	p->in->giving_count++;
	ask_next(p->giving);
}

void giving_take_back(struct publish *p)
{
	if (!p->giving || !p->giving->is_saved)
		return;
	conn_resume(conn_of(p->giving));
	giving_free(&p->giving);
	p->was_offered = false;
}

void giving_free(struct giving **pg)
{
	struct giving *g = *pg;

	*pg = NULL;
	if (!g)
		return;
	g->publish->in->giving_count--;
	handover_free(&g->handover);
	free(g);
}
