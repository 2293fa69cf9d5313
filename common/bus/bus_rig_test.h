/* common/bus/bus_rig_test.h - nodes for the bus's tests: buses and what they heard.
 *
 * For tests alone; included once by each.
 */
#ifndef WEIR_BUS_BUS_RIG_TEST_H
#define WEIR_BUS_BUS_RIG_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/bus/bus.h"
#include "common/io/clock.h"
#include "common/test/check.h"

#define WAIT_MS    30000 /* for what must happen; generous */
#define FEED_COUNT 5

/* ---- a node: a bus and what it was told ---- */

struct node {
	struct loop *loop;
	struct bus *bus;
	struct bus_config config;
	char url[NODE_URL_SIZE];
	struct node_ref peer; /* of the last on_up or on_down */
	int ups, downs, refusals, absences;
	enum reason down_why, refused_why;
	char detail[128];
	/* what came */
	uint64_t records;
	struct record last;
	uint64_t frames, next[FEED_COUNT + 1];
	int verdict; /* of on_record and on_frame */
	/* questions */
	int asked;
	struct bus_request *held[4]; /* "hold" is answered later */
	int held_count;
	/* answers */
	int answers, answer_err;
	struct buf answer;
};

static inline void on_up(void *ctx, const struct node_ref *node)
{
	struct node *n = ctx;

	n->ups++;
	n->peer = *node;
	CHECK_EQ(bus_link_to(n->bus, node->id), node->link);
}

static inline void on_down(void *ctx, const struct node_ref *node,
			   enum reason why)
{
	struct node *n = ctx;

	n->downs++;
	n->down_why = why;
	n->peer = *node;
	CHECK(bus_link_to(n->bus, node->id) != node->link);
	CHECK(!bus_send(n->bus, node->link, &n->last));
}

static inline int on_record(void *ctx, link_id link, const struct record *r)
{
	struct node *n = ctx;

	CHECK_EQ(link, n->peer.link);
	n->records++;
	n->last = *r;
	return n->verdict;
}

static inline int on_frame(void *ctx, link_id link, uint16_t type, uint32_t sid,
			   uint64_t term_number, struct frame *f)
{
	struct node *n = ctx;

	CHECK_EQ(link, n->peer.link);
	CHECK_EQ(type, RECORD_FRAME);
	CHECK(sid <= FEED_COUNT);
	CHECK_EQ(term_number, sid * 10);
	CHECK_EQ(f->position.sequence, n->next[sid]++);
	n->frames++;
	return n->verdict;
}

static inline void on_request(void *ctx, const struct node_ref *from,
			      struct bus_request *rq, struct span json)
{
	struct node *n = ctx;

	CHECK_STR(from->id, n->peer.id);
	n->asked++;
	if (span_eq_str(json, "hold") && n->held_count < 4)
		n->held[n->held_count++] = rq;
	else
		bus_answer(&rq, json);
}

static inline void on_refused(void *ctx, const char *peer, enum reason why,
			      const char *detail)
{
	struct node *n = ctx;

	CHECK(peer[0]);
	n->refusals++;
	n->refused_why = why;
	snprintf(n->detail, sizeof(n->detail), "%s", detail);
}

static inline void on_absent(void *ctx, const char *node)
{
	struct node *n = ctx;

	CHECK(node[0]);
	n->absences++;
}

static const struct bus_events rig_events = {
	.on_up = on_up,
	.on_down = on_down,
	.on_record = on_record,
	.on_frame = on_frame,
	.on_request = on_request,
	.on_absent = on_absent,
	.on_refused = on_refused,
};

static inline void node_init(struct node *n, struct loop *loop, const char *id,
			     const char *role)
{
	*n = (struct node){.loop = loop};
	n->config = (struct bus_config){
		.cluster = "test",
		.cluster_key = SPAN_LIT("secret"),
		.boot = io_uuid(),
	};
	snprintf(n->config.self.id, NODE_ID_SIZE, "%s", id);
	snprintf(n->config.self.role, ROLE_SIZE, "%s", role);
	n->config.self.instance = io_uuid();
}

static inline void node_start(struct node *n)
{
	CHECK_EQ(bus_new(&n->bus, n->loop, &n->config, &rig_events, n), 0);
}

static inline void node_listen(struct node *n, const char *url)
{
	node_start(n);
	CHECK_EQ(bus_listen(n->bus, url, n->url), 0);
}

static inline void node_fini(struct node *n)
{
	bus_free(&n->bus);
	buf_fini(&n->answer);
}

/* Run the loop until `cond`; what must happen must happen in time. */
#define WAIT_FOR(loop, cond)                                                   \
	do {                                                                   \
		const uint64_t until_ms = io_mono_ms() + WAIT_MS;              \
		while (!(cond) && io_mono_ms() < until_ms)                     \
			loop_run_once(loop);                                   \
		CHECK(cond);                                                   \
	} while (0)

static inline void ipc_url(char out[NODE_URL_SIZE], const char *name)
{
	snprintf(out, NODE_URL_SIZE, "ipc:///tmp/weir-bus-%d-%s", (int)getpid(),
		 name);
}

/* An origin that listens and an edge that dials it, both up. */
struct pair {
	struct loop *loop;
	struct node origin, edge;
};

static inline void pair_prepare(struct pair *p)
{
	CHECK_EQ(loop_new(&p->loop), 0);
	node_init(&p->origin, p->loop, "origin-1", "origin");
	node_init(&p->edge, p->loop, "edge-1", "edge");
}

static inline void pair_start(struct pair *p, const char *url)
{
	node_listen(&p->origin, url);
	node_start(&p->edge);
	CHECK_EQ(bus_dial(p->edge.bus, "origin-1", p->origin.url), 0);
}

static inline void pair_up(struct pair *p, const char *url)
{
	pair_prepare(p);
	pair_start(p, url);
	WAIT_FOR(p->loop, p->edge.ups && p->origin.ups);
}

static inline void pair_fini(struct pair *p)
{
	node_fini(&p->edge);
	node_fini(&p->origin);
	loop_free(&p->loop);
}

static inline void on_answer(void *ctx, int err, struct span json)
{
	struct node *n = ctx;

	n->answers++;
	n->answer_err = err;
	buf_clear(&n->answer);
	buf_put(&n->answer, json);
}

static inline void ask(struct node *n, const char *what, uint32_t deadline_ms)
{
	CHECK_EQ(bus_ask(n->bus, n->peer.link, span_str(what), deadline_ms,
			 on_answer, n),
		 0);
}

/* Streams with logs, fed to the peer of a node. */
struct source {
	struct log *log[FEED_COUNT];
	struct feed feed[FEED_COUNT];
	uint64_t count[FEED_COUNT];
};

static inline void source_init(struct source *s, struct node *n)
{
	const struct log_limits limits = {
		.retain_ms = 1000000000,
		.retain_bytes = 1 << 30,
		.gop_max_bytes = 1 << 30,
	};

	memset(s, 0, sizeof(*s));
	for (uint32_t i = 0; i < FEED_COUNT; i++) {
		CHECK_EQ(log_new(&s->log[i], &limits), 0);
		feed_init(&s->feed[i], s->log[i], i + 1);
		s->feed[i].term_number = (i + 1) * 10;
		s->feed[i].is_exact = true;
		feed_start_oldest(&s->feed[i]);
		if (n)
			bus_feed_start(n->bus, n->peer.link, &s->feed[i]);
	}
}

static inline void source_fini(struct source *s, struct node *n)
{
	for (uint32_t i = 0; i < FEED_COUNT; i++) {
		bus_feed_stop(n->bus, n->peer.link, &s->feed[i]);
		feed_fini(&s->feed[i]);
		log_free(&s->log[i]);
	}
}

static inline void append(struct source *s, struct node *n, uint32_t i,
			  size_t bytes)
{
	const uint64_t at = s->count[i]++;
	const struct frame head = {
		.kind = FRAME_AUDIO,
		.flags = FRAME_JOIN,
		.track = 2,
		.position = {{1, {{(uint8_t)(i + 1)}}}, at},
		.dts_ns = (int64_t)at * 20 * NS_PER_MS,
		.pts_ns = (int64_t)at * 20 * NS_PER_MS,
	};
	struct frame *f = NULL;
	uint8_t *payload;

	CHECK_EQ(frame_new_blank(&f, &head, bytes, &payload), 0);
	memset(payload, (int)at, bytes);
	CHECK_EQ(log_append_gap(s->log[i], f), 0);
	frame_unref(&f);
	bus_feed_kick(n->bus, &s->feed[i]);
}

#endif
