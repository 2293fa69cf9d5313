/* common/bus/request.c - questions to peers and their answers, both ways. */
#include <stdlib.h>

#include "common/bus/bus_priv.h"

#define ANSWERS_KEPT_COUNT 256u
#define ANSWERS_KEPT_BYTES (4u * 1024 * 1024)
#define ANSWERS_KEPT_MS    30000u

/* A question of ours. */
struct ask {
	struct list link; /* bus.asks */
	uint64_t id;
	link_id peer;
	uint64_t deadline_ms;
	bus_answer_fn *fn;
	void *ctx;
	struct buf json; /* of the answer, as it comes */
};

/* A question of a peer. The same instance may ask it again under its id. */
struct request_key {
	struct uuid instance;
	uint64_t id;
};

struct bus_request {
	struct list link; /* bus.pending or bus.answered */
	struct bus *bus;
	struct request_key key;
	char node[NODE_ID_SIZE];
	uint64_t answered_ms;
	struct buf answer;
};

/* ---- asking ---- */

static struct span id_key(const uint64_t *id)
{
	return span_of(id, sizeof(*id));
}

static void ask_free(struct bus *b, struct ask *a)
{
	map_remove(&b->ask_by_id, id_key(&a->id));
	list_remove(&a->link);
	buf_fini(&a->json);
	free(a);
}

/* The last that is heard of it; fn may do anything. */
static void ask_end(struct bus *b, struct ask *a, int err)
{
	struct buf json = a->json;
	bus_answer_fn *fn = a->fn;
	void *ctx = a->ctx;

	a->json = (struct buf){0};
	ask_free(b, a);
	fn(ctx, err, err ? (struct span){0} : buf_span(&json));
	buf_fini(&json);
}

static int ask_new(struct ask **out, struct bus *b, const struct ask *from)
{
	struct ask *a = malloc(sizeof(*a));
	int err;

	if (!a)
		return WEIR_ENOMEM;
	*a = *from;
	a->id = ++b->next_ask;
	a->json.limit_bytes = b->config.request_json_max;
	list_init(&a->link);
	err = map_put(&b->ask_by_id, id_key(&a->id), a);
	if (err) {
		free(a);
		return err;
	}
	list_append(&b->asks, &a->link);
	*out = a;
	return 0;
}

int bus_ask(struct bus *b, link_id link, struct span json, uint32_t deadline_ms,
	    bus_answer_fn *fn, void *ctx)
{
	struct peer *p = peer_by_link(b, link);
	const struct ask from = {
		.peer = link,
		.deadline_ms = bus_now_ms(b) + deadline_ms,
		.fn = fn,
		.ctx = ctx,
	};
	struct record r = {
		.type = RECORD_REQ,
		.deadline_ms = deadline_ms,
		.json = json,
	};
	struct ask *a;
	int err;

	if (!p)
		return WEIR_ECLOSED;
	if (json.len > BUS_REQUEST_BYTES)
		return WEIR_ELIMIT;
	err = ask_new(&a, b, &from);
	if (err)
		return err;
	r.id = a->id;
	bus_due_at(b, a->deadline_ms);
	/* If it does not go, the link is lost, and fn is told so. */
	(void)channel_send(p->conn[1], &r);
	return 0;
}

int requests_on_rep(struct channel *c, const struct record *r)
{
	struct bus *b = c->bus;
	struct ask *a = map_get(&b->ask_by_id, id_key(&r->id));

	/* Late, or asked by nobody. */
	if (!a || a->peer != c->peer->node.link)
		return 0;
	buf_put(&a->json, r->json);
	if (buf_error(&a->json))
		return buf_error(&a->json);
	if (!(r->flags & REP_MORE))
		ask_end(b, a, 0);
	return 0;
}

static struct ask *find_lost(struct bus *b, link_id link)
{
	list_each (it, &b->asks) {
		struct ask *a = list_entry(it, struct ask, link);

		if (a->peer == link)
			return a;
	}
	return NULL;
}

void requests_on_down(struct bus *b, link_id link)
{
	struct ask *a;

	while ((a = find_lost(b, link)) != NULL)
		ask_end(b, a, WEIR_ECLOSED);
}

/* *next_ms is lowered to the first deadline that is not over. */
static struct ask *find_late(struct bus *b, uint64_t now_ms, uint64_t *next_ms)
{
	list_each (it, &b->asks) {
		struct ask *a = list_entry(it, struct ask, link);

		if (a->deadline_ms <= now_ms)
			return a;
		*next_ms = WEIR_MIN(*next_ms, a->deadline_ms);
	}
	return NULL;
}

void requests_run(struct bus *b, uint64_t now_ms)
{
	uint64_t next_ms = UINT64_MAX;
	struct ask *a;

	while ((a = find_late(b, now_ms, &next_ms)) != NULL)
		ask_end(b, a, WEIR_ETIMEOUT);
	if (next_ms != UINT64_MAX)
		bus_due_at(b, next_ms);
}

/* ---- answering ---- */

static struct span request_key(const struct request_key *k)
{
	return span_of(k, sizeof(*k));
}

static void request_free(struct bus_request *rq)
{
	struct bus *b = rq->bus;

	if (rq->answered_ms) {
		b->answered_count--;
		b->answered_bytes -= rq->answer.cap;
	} else {
		b->pending_count--;
	}
	map_remove(&b->request_by_id, request_key(&rq->key));
	list_remove(&rq->link);
	buf_fini(&rq->answer);
	free(rq);
}

static struct bus_request *request_new(struct channel *c, uint64_t id)
{
	struct bus *b = c->bus;
	struct bus_request *rq = calloc(1, sizeof(*rq));

	if (!rq)
		return NULL;
	rq->bus = b;
	rq->key.instance = c->peer->node.instance;
	rq->key.id = id;
	memcpy(rq->node, c->peer->node.id, sizeof(rq->node));
	list_init(&rq->link);
	if (map_put(&b->request_by_id, request_key(&rq->key), rq)) {
		free(rq);
		return NULL;
	}
	list_append(&b->pending, &rq->link);
	b->pending_count++;
	return rq;
}

/* In pieces: one record holds only so much. */
static void send_answer(struct channel *c, uint64_t id, struct span json)
{
	struct record r = {.type = RECORD_REP, .id = id};
	bool is_sent;

	do {
		r.json = span_first(json, BUS_REQUEST_BYTES);
		json = span_from(json, BUS_REQUEST_BYTES);
		r.flags = json.len ? REP_MORE : 0;
		is_sent = channel_send(c, &r);
	} while (is_sent && json.len);
}

int requests_on_req(struct channel *c, const struct record *r)
{
	struct bus *b = c->bus;
	const struct request_key key = {c->peer->node.instance, r->id};
	struct bus_request *rq = map_get(&b->request_by_id, request_key(&key));

	if (r->json.len > b->config.request_json_max)
		return WEIR_ELIMIT;
	if (rq) { /* one that is pending is answered once, when it is */
		if (rq->answered_ms)
			send_answer(c, r->id, buf_span(&rq->answer));
		return 0;
	}
	if (b->pending_count >= BUS_PENDING_MAX)
		return WEIR_ELIMIT;
	rq = request_new(c, r->id);
	if (!rq)
		return WEIR_ENOMEM;
	if (b->events.on_request)
		b->events.on_request(b->ctx, &c->peer->node, rq, r->json);
	else
		bus_answer(&rq, SPAN_LIT("{}"));
	return 0;
}

static bool is_over(const struct bus_request *rq, uint64_t now_ms)
{
	const struct bus *b = rq->bus;

	return b->answered_count > ANSWERS_KEPT_COUNT ||
	       b->answered_bytes > ANSWERS_KEPT_BYTES ||
	       now_ms - rq->answered_ms >= ANSWERS_KEPT_MS;
}

/* The oldest first. */
void requests_tick(struct bus *b, uint64_t now_ms)
{
	list_each_safe (it, &b->answered) {
		struct bus_request *rq =
			list_entry(it, struct bus_request, link);

		if (!is_over(rq, now_ms))
			return;
		request_free(rq);
	}
}

/* Keep the answer for repeats. */
static void keep(struct bus_request *rq, struct span json)
{
	struct bus *b = rq->bus;

	buf_put(&rq->answer, json);
	if (buf_error(&rq->answer) || rq->answer.cap > ANSWERS_KEPT_BYTES) {
		request_free(rq);
		return;
	}
	list_remove(&rq->link);
	list_append(&b->answered, &rq->link);
	rq->answered_ms = WEIR_MAX(bus_now_ms(b), 1);
	b->pending_count--;
	b->answered_count++;
	b->answered_bytes += rq->answer.cap;
	requests_tick(b, bus_now_ms(b));
}

void bus_answer(struct bus_request **prq, struct span json)
{
	struct bus_request *rq = *prq;
	struct bus *b = rq->bus;
	struct peer *p = peer_by_node(b, rq->node);

	*prq = NULL;
	if (json.len > b->config.request_json_max)
		json = SPAN_LIT("{}");
	/* By the link that is up now, if it is still the one who asked. */
	if (p && uuid_eq(&p->node.instance, &rq->key.instance))
		send_answer(p->conn[1], rq->key.id, json);
	keep(rq, json);
}

/* ---- all ---- */

void requests_init(struct bus *b)
{
	list_init(&b->asks);
	list_init(&b->pending);
	list_init(&b->answered);
	map_init(&b->ask_by_id, b->seed);
	map_init(&b->request_by_id, b->seed);
}

void requests_fini(struct bus *b)
{
	list_each_safe (it, &b->asks)
		ask_free(b, list_entry(it, struct ask, link));
	list_each_safe (it, &b->pending)
		request_free(list_entry(it, struct bus_request, link));
	list_each_safe (it, &b->answered)
		request_free(list_entry(it, struct bus_request, link));
	map_fini(&b->ask_by_id);
	map_fini(&b->request_by_id);
}
