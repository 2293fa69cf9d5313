/* common/bus/bus_test.c - buses in one process, in two, and hostile peers.
 *
 * No test is repeated with failing allocations: nng's threads allocate when
 * they like, so the count of an allocation says nothing from run to run.
 */
#include "common/bus/bus.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/bus/handshake.h"
#include "common/bus/link.h"
#include "common/io/clock.h"
#include "common/test/check.h"

#define WAIT_MS     30000 /* for what must happen; generous */
#define FEED_COUNT  5
#define FRAME_TOTAL 100000u

/* ---- a node: a bus and what it was told ---- */

struct node {
	struct loop *loop;
	struct bus *bus;
	struct bus_config config;
	char url[NODE_URL_SIZE];
	struct node_ref peer; /* of the last on_up or on_down */
	int ups, downs, refusals;
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

static void on_up(void *ctx, const struct node_ref *node)
{
	struct node *n = ctx;

	n->ups++;
	n->peer = *node;
	CHECK_EQ(bus_link_to(n->bus, node->id), node->link);
}

static void on_down(void *ctx, const struct node_ref *node, enum reason why)
{
	struct node *n = ctx;

	n->downs++;
	n->down_why = why;
	n->peer = *node;
	CHECK(bus_link_to(n->bus, node->id) != node->link);
	CHECK(!bus_send(n->bus, node->link, &n->last));
}

static int on_record(void *ctx, link_id link, const struct record *r)
{
	struct node *n = ctx;

	CHECK_EQ(link, n->peer.link);
	n->records++;
	n->last = *r;
	return n->verdict;
}

static int on_frame(void *ctx, link_id link, uint16_t type, uint32_t sid,
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

static void on_request(void *ctx, const struct node_ref *from,
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

static void on_refused(void *ctx, const char *peer, enum reason why,
		       const char *detail)
{
	struct node *n = ctx;

	CHECK(peer[0]);
	n->refusals++;
	n->refused_why = why;
	snprintf(n->detail, sizeof(n->detail), "%s", detail);
}

static const struct bus_events events = {
	.on_up = on_up,
	.on_down = on_down,
	.on_record = on_record,
	.on_frame = on_frame,
	.on_request = on_request,
	.on_refused = on_refused,
};

static void node_init(struct node *n, struct loop *loop, const char *id,
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

static void node_start(struct node *n)
{
	CHECK_EQ(bus_new(&n->bus, n->loop, &n->config, &events, n), 0);
}

static void node_listen(struct node *n, const char *url)
{
	node_start(n);
	CHECK_EQ(bus_listen(n->bus, url, n->url), 0);
}

static void node_fini(struct node *n)
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

static void ipc_url(char out[NODE_URL_SIZE], const char *name)
{
	snprintf(out, NODE_URL_SIZE, "ipc:///tmp/weir-bus-%d-%s", (int)getpid(),
		 name);
}

/* An origin that listens and an edge that dials it, both up. */
struct pair {
	struct loop *loop;
	struct node origin, edge;
};

static void pair_prepare(struct pair *p)
{
	CHECK_EQ(loop_new(&p->loop), 0);
	node_init(&p->origin, p->loop, "origin-1", "origin");
	node_init(&p->edge, p->loop, "edge-1", "edge");
}

static void pair_start(struct pair *p, const char *url)
{
	node_listen(&p->origin, url);
	node_start(&p->edge);
	CHECK_EQ(bus_dial(p->edge.bus, "origin-1", p->origin.url), 0);
}

static void pair_up(struct pair *p, const char *url)
{
	pair_prepare(p);
	pair_start(p, url);
	WAIT_FOR(p->loop, p->edge.ups && p->origin.ups);
}

static void pair_fini(struct pair *p)
{
	node_fini(&p->edge);
	node_fini(&p->origin);
	loop_free(&p->loop);
}

/* ---- up and down ---- */

static void check_up_and_down(const char *url)
{
	struct pair p;
	struct node_ref node[2];

	pair_up(&p, url);
	CHECK_STR(p.edge.peer.id, "origin-1");
	CHECK_STR(p.edge.peer.role, "origin");
	CHECK_STR(p.origin.peer.id, "edge-1");
	CHECK(uuid_eq(&p.origin.peer.instance, &p.edge.config.self.instance));
	CHECK_EQ(bus_nodes(p.edge.bus, "origin", node, 2), 1);
	CHECK_EQ(bus_nodes(p.edge.bus, "edge", node, 2), 0);
	CHECK(bus_node(p.edge.bus, p.edge.peer.link, &node[0]));
	CHECK_STR(node[0].id, "origin-1");
	CHECK(!bus_node(p.edge.bus, p.edge.peer.link + 1, &node[0]));
	bus_free(&p.origin.bus);
	WAIT_FOR(p.loop, p.edge.downs);
	CHECK_EQ(p.edge.down_why, REASON_peer_left);
	CHECK_EQ(bus_link_to(p.edge.bus, "origin-1"), 0);
	CHECK_EQ(p.edge.refusals + p.origin.refusals, 0);
	pair_fini(&p);
}

TEST_NO_OOM(links_go_up_and_down_over_unix_sockets)
{
	char url[NODE_URL_SIZE];

	ipc_url(url, "updown");
	check_up_and_down(url);
}

TEST_NO_OOM(links_go_up_and_down_over_tcp)
{
	check_up_and_down("tcp://127.0.0.1:0");
}

TEST_NO_OOM(a_listener_says_which_port_it_got)
{
	struct pair p;
	char again[NODE_URL_SIZE];

	pair_prepare(&p);
	node_listen(&p.origin, "tcp://127.0.0.1:0");
	CHECK(!strncmp(p.origin.url, "tcp://127.0.0.1:", 16));
	CHECK(atol(p.origin.url + 16) > 0);
	node_start(&p.edge);
	CHECK_EQ(bus_listen(p.edge.bus, p.origin.url, again), -EADDRINUSE);
	CHECK_EQ(bus_listen(p.edge.bus, "tcp://127.0.0.1", again), WEIR_EINVAL);
	CHECK_EQ(bus_listen(p.edge.bus, "what", again), WEIR_EINVAL);
	CHECK_EQ(bus_dial(p.edge.bus, "x", "nonsense"), WEIR_EINVAL);
	CHECK_EQ(bus_dial(p.edge.bus, "", p.origin.url), WEIR_EINVAL);
	pair_fini(&p);
}

TEST_NO_OOM(a_node_that_is_not_there_yet_is_dialed_until_it_is)
{
	struct pair p;
	char url[NODE_URL_SIZE];

	ipc_url(url, "late");
	pair_prepare(&p);
	node_start(&p.edge);
	CHECK_EQ(bus_dial(p.edge.bus, "origin-1", url), 0);
	for (int i = 0; i < 10; i++)
		loop_run_once(p.loop);
	node_listen(&p.origin, url);
	WAIT_FOR(p.loop, p.edge.ups && p.origin.ups);
	pair_fini(&p);
}

TEST_NO_OOM(a_link_that_one_side_closes_comes_up_again)
{
	struct pair p;
	link_id first;

	pair_up(&p, "tcp://127.0.0.1:0");
	first = p.origin.peer.link;
	bus_close_link(p.origin.bus, first, REASON_kicked);
	CHECK_EQ(p.origin.downs, 0); /* never from inside a call */
	CHECK_EQ(bus_link_to(p.origin.bus, "edge-1"), 0);
	WAIT_FOR(p.loop, p.edge.ups == 2 && p.origin.ups == 2);
	CHECK_EQ(p.origin.downs, 1);
	CHECK_EQ(p.origin.down_why, REASON_kicked);
	CHECK_EQ(p.edge.downs, 1);
	CHECK_EQ(p.edge.down_why, REASON_peer_left);
	CHECK(p.origin.peer.link != first);
	pair_fini(&p);
}

TEST_NO_OOM(a_forgotten_node_is_closed_and_not_dialed_again)
{
	struct pair p;
	uint64_t quiet_ms;

	pair_up(&p, "tcp://127.0.0.1:0");
	bus_forget(p.edge.bus, "origin-1");
	WAIT_FOR(p.loop, p.edge.downs && p.origin.downs);
	quiet_ms = io_mono_ms() + 3 * 500; /* three of the longest back-offs */
	while (io_mono_ms() < quiet_ms)
		loop_run_once(p.loop);
	CHECK_EQ(p.edge.ups, 1);
	CHECK_EQ(bus_dial(p.edge.bus, "origin-1", p.origin.url), 0);
	WAIT_FOR(p.loop, p.edge.ups == 2 && p.origin.ups == 2);
	pair_fini(&p);
}

TEST_NO_OOM(another_address_of_a_node_replaces_the_first)
{
	struct pair p;
	struct node moved;

	pair_up(&p, "tcp://127.0.0.1:0");
	node_init(&moved, p.loop, "origin-1", "origin");
	node_listen(&moved, "tcp://127.0.0.1:0");
	CHECK_EQ(bus_dial(p.edge.bus, "origin-1", p.origin.url), 0);
	CHECK_EQ(bus_dial(p.edge.bus, "origin-1", moved.url), 0);
	WAIT_FOR(p.loop, p.edge.ups == 2 && moved.ups);
	CHECK_EQ(p.edge.downs, 1);
	CHECK(uuid_eq(&p.edge.peer.instance, &moved.config.self.instance));
	node_fini(&moved);
	pair_fini(&p);
}

/* ---- who is refused ---- */

/* `edge` differs from what the origin takes: both are told, nobody is up. */
static void check_refused(struct pair *p, enum reason why, const char *detail)
{
	pair_start(p, "tcp://127.0.0.1:0");
	WAIT_FOR(p->loop, p->origin.refusals >= 2); /* it tries again */
	CHECK_EQ(p->origin.refused_why, why);
	CHECK(strstr(p->origin.detail, detail));
	CHECK_EQ(p->origin.ups + p->edge.ups, 0);
	CHECK(p->edge.refusals <= 1); /* told once, not at each attempt */
	pair_fini(p);
}

TEST_NO_OOM(a_node_with_another_key_is_refused)
{
	struct pair p;

	pair_prepare(&p);
	p.edge.config.cluster_key = SPAN_LIT("guess");
	check_refused(&p, REASON_unauthorized, "cluster key");
}

TEST_NO_OOM(a_node_of_another_cluster_is_refused)
{
	struct pair p;

	pair_prepare(&p);
	snprintf(p.edge.config.cluster, NODE_ID_SIZE, "production");
	check_refused(&p, REASON_unauthorized, "another cluster");
}

TEST_NO_OOM(a_node_with_another_stream_identity_is_refused)
{
	struct pair p;

	pair_prepare(&p);
	p.edge.config.identity = IDENTITY_NAME;
	check_refused(&p, REASON_unsupported, "stream_identity");
}

TEST_NO_OOM(a_node_that_answers_at_anothers_address_is_refused)
{
	struct pair p;

	pair_prepare(&p);
	node_listen(&p.origin, "tcp://127.0.0.1:0");
	node_start(&p.edge);
	CHECK_EQ(bus_dial(p.edge.bus, "origin-2", p.origin.url), 0);
	WAIT_FOR(p.loop, p.edge.refusals);
	CHECK(strstr(p.edge.detail, "another node"));
	CHECK_EQ(p.edge.ups, 0);
	pair_fini(&p);
}

TEST_NO_OOM(a_node_that_dials_itself_is_refused)
{
	struct pair p;

	pair_prepare(&p);
	node_listen(&p.origin, "tcp://127.0.0.1:0");
	CHECK_EQ(bus_dial(p.origin.bus, "origin-1", p.origin.url), 0);
	WAIT_FOR(p.loop, p.origin.refusals);
	CHECK_EQ(p.origin.ups, 0);
	pair_fini(&p);
}

TEST_NO_OOM(more_links_than_allowed_are_refused)
{
	struct pair p;
	struct node other;

	pair_prepare(&p);
	p.origin.config.peers_max = 1;
	pair_start(&p, "tcp://127.0.0.1:0");
	WAIT_FOR(p.loop, p.edge.ups && p.origin.ups);
	node_init(&other, p.loop, "edge-2", "edge");
	node_start(&other);
	CHECK_EQ(bus_dial(other.bus, "origin-1", p.origin.url), 0);
	WAIT_FOR(p.loop, p.origin.refusals);
	CHECK_EQ(p.origin.refused_why, REASON_limit);
	CHECK_EQ(p.origin.ups, 1);
	CHECK_EQ(p.origin.downs, 0);
	node_fini(&other);
	pair_fini(&p);
}

/* ---- the same node twice ---- */

TEST_NO_OOM(a_newer_instance_of_a_node_replaces_the_older)
{
	struct pair p;
	struct node again;

	pair_up(&p, "tcp://127.0.0.1:0");
	node_init(&again, p.loop, "edge-1", "edge");
	node_start(&again);
	bus_forget(p.edge.bus, "nobody"); /* no harm */
	CHECK_EQ(bus_dial(again.bus, "origin-1", p.origin.url), 0);
	WAIT_FOR(p.loop, again.ups && p.origin.ups == 2 && p.edge.downs);
	CHECK_EQ(p.origin.downs, 1);
	CHECK_EQ(p.origin.down_why, REASON_peer_left);
	node_fini(&again);
	pair_fini(&p);
}

static void on_answer(void *ctx, int err, struct span json)
{
	struct node *n = ctx;

	n->answers++;
	n->answer_err = err;
	buf_clear(&n->answer);
	buf_put(&n->answer, json);
}

static void ask(struct node *n, const char *what, uint32_t deadline_ms)
{
	CHECK_EQ(bus_ask(n->bus, n->peer.link, span_str(what), deadline_ms,
			 on_answer, n),
		 0);
}

TEST_NO_OOM(two_nodes_that_dial_each_other_keep_one_link)
{
	for (int round = 0; round < 5; round++) {
		struct pair p;
		int flaps;

		pair_prepare(&p);
		node_listen(&p.edge, "tcp://127.0.0.1:0");
		node_listen(&p.origin, "tcp://127.0.0.1:0");
		CHECK_EQ(bus_dial(p.edge.bus, "origin-1", p.origin.url), 0);
		CHECK_EQ(bus_dial(p.origin.bus, "edge-1", p.edge.url), 0);
		/* Both hold one link, and it is the same one. */
		WAIT_FOR(p.loop, p.edge.ups - p.edge.downs == 1 &&
					 p.origin.ups - p.origin.downs == 1);
		for (int i = 0; i < 20; i++)
			loop_run_once(p.loop);
		WAIT_FOR(p.loop, p.edge.ups - p.edge.downs == 1 &&
					 p.origin.ups - p.origin.downs == 1);
		flaps = p.edge.downs + p.origin.downs;
		CHECK(flaps <= 2);
		ask(&p.edge, "one", 10000);
		ask(&p.origin, "two", 10000);
		WAIT_FOR(p.loop, p.edge.answers && p.origin.answers);
		CHECK_EQ(p.edge.answer_err, 0);
		CHECK_EQ(p.origin.answer_err, 0);
		CHECK_EQ(p.edge.downs + p.origin.downs, flaps);
		pair_fini(&p);
	}
}

/* ---- records, frames ---- */

TEST_NO_OOM(records_come_as_they_were_sent)
{
	struct record r = {.type = RECORD_END, .sid = 3, .reason = 1, .ms = 5};
	struct pair p;

	pair_up(&p, "tcp://127.0.0.1:0");
	for (uint32_t i = 0; i < 1000; i++) {
		r.ms = i;
		CHECK(bus_send(p.edge.bus, p.edge.peer.link, &r));
	}
	CHECK(!bus_is_drained(p.edge.bus));
	WAIT_FOR(p.loop, p.origin.records == 1000);
	CHECK_EQ(p.origin.last.ms, 999);
	CHECK_EQ(p.origin.last.sid, 3);
	WAIT_FOR(p.loop, bus_is_drained(p.edge.bus));
	CHECK(!bus_send(p.edge.bus, p.edge.peer.link + 7, &r));
	pair_fini(&p);
}

TEST_NO_OOM(a_record_that_the_owner_refuses_closes_the_link)
{
	const struct record r = {.type = RECORD_UNSUB, .sid = 3};
	struct pair p;

	pair_up(&p, "tcp://127.0.0.1:0");
	p.origin.verdict = WEIR_EPROTO;
	CHECK(bus_send(p.edge.bus, p.edge.peer.link, &r));
	WAIT_FOR(p.loop, p.origin.downs && p.edge.downs);
	CHECK_EQ(p.origin.down_why, REASON_protocol_error);
	CHECK_EQ(p.origin.refused_why, REASON_protocol_error);
	CHECK_EQ(p.origin.records, 1);
	pair_fini(&p);
}

/* Streams with logs, fed to the peer of a node. */
struct source {
	struct log *log[FEED_COUNT];
	struct feed feed[FEED_COUNT];
	uint64_t count[FEED_COUNT];
};

static void source_init(struct source *s, struct node *n)
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

static void source_fini(struct source *s, struct node *n)
{
	for (uint32_t i = 0; i < FEED_COUNT; i++) {
		bus_feed_stop(n->bus, n->peer.link, &s->feed[i]);
		feed_fini(&s->feed[i]);
		log_free(&s->log[i]);
	}
}

static void append(struct source *s, struct node *n, uint32_t i, size_t bytes)
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

TEST_NO_OOM(a_hundred_thousand_frames_come_once_and_in_order)
{
	struct bus_stats stats;
	struct source s;
	struct pair p;
	uint64_t sent = 0;

	pair_up(&p, "tcp://127.0.0.1:0");
	source_init(&s, &p.edge);
	while (sent < FRAME_TOTAL) {
		for (int i = 0; i < 500; i++, sent++)
			append(&s, &p.edge, (uint32_t)(sent % FEED_COUNT),
			       sent % 499 ? 300 : 100000);
		loop_run_once(p.loop);
	}
	WAIT_FOR(p.loop, p.origin.frames == FRAME_TOTAL);
	WAIT_FOR(p.loop, bus_is_drained(p.edge.bus));
	CHECK_EQ(p.edge.downs + p.origin.downs, 0);
	bus_get_stats(p.edge.bus, &stats);
	CHECK_EQ(stats.frames_out, FRAME_TOTAL);
	CHECK_EQ(stats.backlog_bytes, 0);
	CHECK(stats.writes < FRAME_TOTAL / 10);
	bus_get_stats(p.origin.bus, &stats);
	CHECK_EQ(stats.frames_in, FRAME_TOTAL);
	source_fini(&s, &p.edge);
	pair_fini(&p);
}

TEST_NO_OOM(writes_are_fewer_when_they_may_wait)
{
	struct source s;
	struct pair p;

	pair_prepare(&p);
	p.edge.config.flush_ms = 5;
	pair_start(&p, "tcp://127.0.0.1:0");
	WAIT_FOR(p.loop, p.edge.ups && p.origin.ups);
	source_init(&s, &p.edge);
	for (uint64_t sent = 0; sent < 20000; sent++) {
		append(&s, &p.edge, (uint32_t)(sent % FEED_COUNT), 300);
		if (sent % 7 == 0)
			loop_run_once(p.loop);
	}
	WAIT_FOR(p.loop, p.origin.frames == 20000);
	source_fini(&s, &p.edge);
	pair_fini(&p);
}

TEST_NO_OOM(feeds_stop_with_their_link)
{
	struct source s;
	struct pair p;

	pair_up(&p, "tcp://127.0.0.1:0");
	source_init(&s, &p.edge);
	append(&s, &p.edge, 0, 300);
	WAIT_FOR(p.loop, p.origin.frames == 1);
	bus_close_link(p.edge.bus, p.edge.peer.link, REASON_kicked);
	CHECK(!s.feed[0].bus);
	append(&s, &p.edge, 0, 300);
	bus_feed_start(p.edge.bus, p.edge.peer.link, &s.feed[0]);
	CHECK(!s.feed[0].bus); /* a link that is down takes none */
	source_fini(&s, &p.edge);
	pair_fini(&p);
}

/* ---- questions ---- */

TEST_NO_OOM(questions_are_answered_both_ways_and_in_any_order)
{
	struct pair p;

	pair_up(&p, "tcp://127.0.0.1:0");
	ask(&p.edge, "hold", 20000);
	ask(&p.edge, "{\"a\":1}", 20000);
	ask(&p.origin, "{\"b\":2}", 20000);
	CHECK_EQ(p.edge.answers, 0);
	WAIT_FOR(p.loop, p.edge.answers == 1 && p.origin.answers == 1);
	CHECK_STR(buf_text(&p.edge.answer), "{\"a\":1}");
	CHECK_STR(buf_text(&p.origin.answer), "{\"b\":2}");
	CHECK_EQ(p.origin.held_count, 1);
	bus_answer(&p.origin.held[0], SPAN_LIT("late"));
	CHECK(!p.origin.held[0]);
	WAIT_FOR(p.loop, p.edge.answers == 2);
	CHECK_EQ(p.edge.answer_err, 0);
	CHECK_STR(buf_text(&p.edge.answer), "late");
	pair_fini(&p);
}

TEST_NO_OOM(a_question_has_its_deadline)
{
	struct pair p;

	pair_up(&p, "tcp://127.0.0.1:0");
	ask(&p.edge, "hold", 50);
	WAIT_FOR(p.loop, p.edge.answers == 1);
	CHECK_EQ(p.edge.answer_err, WEIR_ETIMEOUT);
	WAIT_FOR(p.loop, p.origin.held_count == 1);
	bus_answer(&p.origin.held[0], SPAN_LIT("{}"));
	ask(&p.edge, "{}", 20000); /* comes behind the late answer */
	WAIT_FOR(p.loop, p.edge.answers == 2);
	CHECK_EQ(p.edge.answer_err, 0);
	pair_fini(&p);
}

TEST_NO_OOM(questions_end_with_their_link)
{
	struct pair p;

	pair_up(&p, "tcp://127.0.0.1:0");
	ask(&p.edge, "hold", 20000);
	WAIT_FOR(p.loop, p.origin.held_count == 1);
	bus_close_link(p.edge.bus, p.edge.peer.link, REASON_kicked);
	CHECK_EQ(p.edge.answers, 0);
	WAIT_FOR(p.loop, p.edge.answers == 1);
	CHECK_EQ(p.edge.answer_err, WEIR_ECLOSED);
	CHECK_EQ(bus_ask(p.edge.bus, p.edge.peer.link, SPAN_LIT("{}"), 100,
			 on_answer, &p.edge),
		 WEIR_ECLOSED);
	WAIT_FOR(p.loop, p.edge.ups == 2 && p.origin.ups == 2);
	/* The answer goes by the new link; nobody waits for it there. */
	bus_answer(&p.origin.held[0], SPAN_LIT("{}"));
	ask(&p.edge, "{}", 20000);
	WAIT_FOR(p.loop, p.edge.answers == 2);
	pair_fini(&p);
}

TEST_NO_OOM(a_long_answer_comes_in_pieces)
{
	static uint8_t big[1000000], question[60001];
	struct pair p;

	pair_up(&p, "tcp://127.0.0.1:0");
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)('a' + i % 23);
	ask(&p.edge, "hold", 20000);
	ask(&p.edge, "hold", 20000);
	WAIT_FOR(p.loop, p.origin.held_count == 2);
	bus_answer(&p.origin.held[0], SPAN(big));
	WAIT_FOR(p.loop, p.edge.answers == 1);
	CHECK_SPAN(buf_span(&p.edge.answer), SPAN(big));
	bus_answer(&p.origin.held[1], span_of(big, 5 * 1024 * 1024));
	WAIT_FOR(p.loop, p.edge.answers == 2);
	CHECK_STR(buf_text(&p.edge.answer), "{}");
	CHECK_EQ(bus_ask(p.edge.bus, p.edge.peer.link, SPAN(question), 100,
			 on_answer, &p.edge),
		 WEIR_ELIMIT);
	pair_fini(&p);
}

TEST_NO_OOM(a_thousand_questions_may_be_under_way)
{
	struct pair p;

	pair_up(&p, "tcp://127.0.0.1:0");
	for (int i = 0; i < 1000; i++)
		ask(&p.edge, "{}", 20000);
	WAIT_FOR(p.loop, p.edge.answers == 1000);
	CHECK_EQ(p.origin.asked, 1000);
	pair_fini(&p);
}

/* ---- a peer that knows nothing but README.md: plain sockets ---- */

struct raw {
	struct loop *loop;
	int fd;
	struct handshake hs;
	struct link_receiver rx;
	struct buf in;
	bool is_closed;
	uint64_t frames, bytes, answers;
	struct record ack;
	bool sends_acks;
};

static const struct handshake_self raw_self = {
	.node = {.id = "raw-1", .role = "edge", .instance = {{9, 9, 9}}},
	.cluster = "test",
	.key = {(const uint8_t *)"secret", 6},
};

static int raw_connect(const char *url)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sa.sin_port = htons((uint16_t)atol(strrchr(url, ':') + 1));
	CHECK_EQ(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	CHECK_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void raw_put(struct raw *raw, struct span s)
{
	CHECK_EQ(send(raw->fd, s.data, s.len, MSG_NOSIGNAL), (ssize_t)s.len);
}

static void raw_send(struct raw *raw, const struct record *r)
{
	struct buf b = {0};

	record_write(&b, r);
	raw_put(raw, buf_span(&b));
	buf_fini(&b);
}

static int raw_on_record(void *ctx, const struct record *r)
{
	struct raw *raw = ctx;
	struct record reply;
	enum reason why;
	const char *detail;

	if (raw->hs.stage != HANDSHAKE_DONE) {
		CHECK_EQ(handshake_take(&raw->hs, r, &reply, &why, &detail), 0);
		if (reply.type)
			raw_send(raw, &reply);
	}
	raw->answers += r->type == RECORD_REP;
	return 0;
}

static int raw_on_frame(void *ctx, const struct record *r, struct frame *f)
{
	struct raw *raw = ctx;

	CHECK_EQ(r->type, RECORD_FRAME);
	CHECK(f->payload.len > 0);
	raw->frames++;
	return 0;
}

/* Take what has come. Returns whether anything had. */
static bool raw_poll(struct raw *raw)
{
	const struct link_events raw_events = {raw_on_record, raw_on_frame};
	uint8_t bytes[16384];
	ssize_t n = recv(raw->fd, bytes, sizeof(bytes), 0);
	const char *why;
	size_t used;

	raw->is_closed = n == 0 || (n < 0 && errno != EAGAIN);
	if (n <= 0)
		return false;
	raw->bytes += (uint64_t)n;
	buf_put(&raw->in, span_of(bytes, (size_t)n));
	CHECK_EQ(link_receive(&raw->rx, &used, buf_span(&raw->in), &raw_events,
			      raw, &why),
		 0);
	buf_drop(&raw->in, used);
	if (raw->sends_acks &&
	    link_ack(&raw->rx, &raw->ack, io_mono_us(), true))
		raw_send(raw, &raw->ack);
	return true;
}

static bool raw_is_done(struct raw *raw)
{
	raw_poll(raw);
	return raw->hs.stage == HANDSHAKE_DONE;
}

static bool raw_is_closed(struct raw *raw)
{
	raw_poll(raw);
	return raw->is_closed;
}

static void raw_init(struct raw *raw, struct node *to, uint8_t connection)
{
	static const uint8_t nonce[32] = "not so random";
	struct record hello;

	*raw = (struct raw){.loop = to->loop, .fd = raw_connect(to->url)};
	link_receiver_init(&raw->rx, 3, RECORD_BYTES_MAX);
	handshake_init(&raw->hs, &raw_self, nonce, connection,
		       to->config.self.id);
	handshake_begin(&raw->hs, &hello);
	raw_send(raw, &hello);
	WAIT_FOR(to->loop, raw_is_done(raw));
}

static void raw_fini(struct raw *raw)
{
	close(raw->fd);
	link_receiver_fini(&raw->rx);
	buf_fini(&raw->in);
}

TEST_NO_OOM(a_peer_that_acknowledges_nothing_bounds_what_is_sent)
{
	struct raw media, control;
	struct source s;
	struct pair p;
	uint64_t quiet_ms;

	pair_prepare(&p);
	p.origin.config.peer_dead_ms = 20000; /* it sends no PING either */
	node_listen(&p.origin, "tcp://127.0.0.1:0");
	raw_init(&media, &p.origin, CONNECTION_MEDIA);
	raw_init(&control, &p.origin, CONNECTION_CONTROL);
	WAIT_FOR(p.loop, p.origin.ups);
	source_init(&s, &p.origin);
	for (uint32_t n = 0; n < 5000; n++)
		append(&s, &p.origin, n % FEED_COUNT, 2000);
	WAIT_FOR(p.loop, (raw_poll(&media), media.bytes > 200 * 1024));
	/* Its kernel takes all; only the window holds the rest back. */
	quiet_ms = io_mono_ms() + 500;
	while (io_mono_ms() < quiet_ms) {
		raw_poll(&media);
		loop_run_once(p.loop);
	}
	CHECK(media.bytes < 256 * 1024 + 2048);
	media.sends_acks = true;
	CHECK(link_ack(&media.rx, &media.ack, io_mono_us(), true));
	raw_send(&media, &media.ack);
	WAIT_FOR(p.loop, (raw_poll(&media), media.frames == 5000));
	source_fini(&s, &p.origin);
	raw_fini(&media);
	raw_fini(&control);
	pair_fini(&p);
}

TEST_NO_OOM(a_repeated_request_is_done_once_and_answered_again)
{
	const struct record req = {
		.type = RECORD_REQ,
		.id = 5,
		.deadline_ms = 1000,
		.json = SPAN_LIT("{}"),
	};
	struct record hold = {
		.type = RECORD_REQ,
		.id = 6,
		.json = SPAN_LIT("hold"),
	};
	struct raw media, control;
	struct pair p;

	pair_prepare(&p);
	node_listen(&p.origin, "tcp://127.0.0.1:0");
	raw_init(&media, &p.origin, CONNECTION_MEDIA);
	raw_init(&control, &p.origin, CONNECTION_CONTROL);
	raw_send(&control, &req);
	raw_send(&control, &hold);
	raw_send(&control, &req);
	raw_send(&control, &hold);
	WAIT_FOR(p.loop, (raw_poll(&control), control.answers == 2));
	CHECK_EQ(p.origin.asked, 2);
	bus_answer(&p.origin.held[0], SPAN_LIT("{}"));
	WAIT_FOR(p.loop, (raw_poll(&control), control.answers == 3));
	raw_send(&control, &hold);
	WAIT_FOR(p.loop, (raw_poll(&control), control.answers == 4));
	CHECK_EQ(p.origin.asked, 2);
	raw_fini(&media);
	raw_fini(&control);
	pair_fini(&p);
}

TEST_NO_OOM(the_same_instance_twice_keeps_the_newer_link)
{
	struct raw media[2], control[2];
	struct pair p;

	pair_prepare(&p);
	node_listen(&p.origin, "tcp://127.0.0.1:0");
	for (int i = 0; i < 2; i++) {
		raw_init(&media[i], &p.origin, CONNECTION_MEDIA);
		raw_init(&control[i], &p.origin, CONNECTION_CONTROL);
		WAIT_FOR(p.loop, p.origin.ups == i + 1);
	}
	CHECK_EQ(p.origin.downs, 1);
	WAIT_FOR(p.loop,
		 raw_is_closed(&media[0]) && raw_is_closed(&control[0]));
	CHECK(!raw_is_closed(&media[1]) && !raw_is_closed(&control[1]));
	for (int i = 0; i < 2; i++) {
		raw_fini(&media[i]);
		raw_fini(&control[i]);
	}
	pair_fini(&p);
}

/* ---- hostile peers ---- */

static void put_le(uint8_t *to, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = (uint8_t)(v >> (8 * i));
}

/* What a stranger says first, and what the origin then thinks of it. */
static void check_hostile(struct pair *p, struct span bytes, enum reason why)
{
	struct raw raw = {.fd = raw_connect(p->origin.url)};
	int before = p->origin.refusals;

	link_receiver_init(&raw.rx, 3, RECORD_BYTES_MAX);
	raw.hs.stage = HANDSHAKE_DONE; /* it listens to nothing */
	if (bytes.len)
		raw_put(&raw, bytes);
	WAIT_FOR(p->loop, raw_is_closed(&raw));
	WAIT_FOR(p->loop, p->origin.refusals == before + 1);
	CHECK_EQ(p->origin.refused_why, why);
	CHECK(p->origin.detail[0]);
	raw_fini(&raw);
}

TEST_NO_OOM(strangers_are_closed_with_a_reason)
{
	uint8_t bytes[4096];
	struct pair p;

	pair_prepare(&p);
	p.origin.config.handshake_ms = 300;
	pair_start(&p, "tcp://127.0.0.1:0");
	WAIT_FOR(p.loop, p.edge.ups && p.origin.ups);
	memset(bytes, 0xff, sizeof(bytes));
	check_hostile(&p, SPAN(bytes), REASON_protocol_error);
	memset(bytes, 0, sizeof(bytes));
	check_hostile(&p, SPAN(bytes), REASON_protocol_error);
	check_hostile(&p, SPAN_LIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		      REASON_protocol_error);
	put_le(bytes, 66048); /* legal later, but not yet */
	check_hostile(&p, span_of(bytes, 40), REASON_limit);
	put_le(bytes, 32);
	bytes[4] = RECORD_DRAIN; /* a good record, out of place */
	check_hostile(&p, span_of(bytes, 32), REASON_protocol_error);
	check_hostile(&p, span_of(bytes, 31), REASON_timeout); /* half of it */
	check_hostile(&p, (struct span){0}, REASON_timeout);   /* silence */
	CHECK_EQ(p.origin.downs + p.edge.downs, 0);
	pair_fini(&p);
}

TEST_NO_OOM(random_bytes_end_in_a_refusal)
{
	struct bus_stats stats;
	uint32_t seed = 1;
	struct pair p;

	pair_prepare(&p);
	p.origin.config.handshake_ms = 300;
	node_listen(&p.origin, "tcp://127.0.0.1:0");
	for (int round = 0; round < 50; round++) {
		struct raw raw = {.fd = raw_connect(p.origin.url)};
		uint8_t bytes[600];

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)((seed = seed * 1103515245u +
						     12345u) >>
					     16);
		if (round % 2) /* a length that could be */
			put_le(bytes, 32 + (uint32_t)round * 7);
		link_receiver_init(&raw.rx, 3, RECORD_BYTES_MAX);
		raw_put(&raw, SPAN(bytes));
		WAIT_FOR(p.loop, raw_is_closed(&raw));
		raw_fini(&raw);
	}
	WAIT_FOR(p.loop, p.origin.refusals == 50);
	bus_get_stats(p.origin.bus, &stats);
	CHECK_EQ(stats.refused_peers, 50);
	CHECK_EQ(p.origin.ups, 0);
	pair_fini(&p);
}

static size_t rss_bytes(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	CHECK(f);
	CHECK_EQ(fscanf(f, "%*s %lu", &pages), 1);
	fclose(f);
	return pages * 4096;
}

/* As many descriptors as may be; returns how many peers that is good for. */
static int peers_possible(void)
{
	struct rlimit limit;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return (int)WEIR_MIN(limit.rlim_max / 2 - 100, 5000u);
}

TEST_NO_OOM(thousands_of_half_open_connections_keep_no_node_out)
{
	const int count = peers_possible();
	int *fd = calloc((size_t)count, sizeof(*fd));
	struct bus_stats stats;
	size_t before, grown;
	struct pair p;

	CHECK(fd);
	pair_prepare(&p);
	node_listen(&p.origin, "tcp://127.0.0.1:0");
	node_start(&p.edge);
	before = rss_bytes();
	for (int i = 0; i < count; i++) {
		fd[i] = raw_connect(p.origin.url);
		if (i % 50 == 0)
			loop_run_once(p.loop);
		if (i == count / 2)
			CHECK_EQ(bus_dial(p.edge.bus, "origin-1", p.origin.url),
				 0);
	}
	WAIT_FOR(p.loop, p.edge.ups && p.origin.ups);
	WAIT_FOR(p.loop, p.origin.refusals >= count - 256);
	grown = rss_bytes() - before;
	CHECK(grown < 64u * 1024 * 1024 || test_peak_bytes() == 0);
	/* The others run out of time. */
	WAIT_FOR(p.loop, p.origin.refusals == count);
	bus_get_stats(p.origin.bus, &stats);
	CHECK_EQ(stats.refused_peers, count);
	CHECK_EQ(p.origin.downs, 0);
	for (int i = 0; i < count; i++)
		close(fd[i]);
	free(fd);
	pair_fini(&p);
}

TEST_NO_OOM(a_proven_peer_that_breaks_the_protocol_is_closed)
{
	static const struct record bad[] = {
		{.type = RECORD_ACK, .sequence = UINT64_MAX},
		{.type = RECORD_PROOF},
		{.type = RECORD_REQ, .json = {(const uint8_t *)"{}", 2}},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct raw media, control;
		struct pair p;

		pair_prepare(&p);
		node_listen(&p.origin, "tcp://127.0.0.1:0");
		raw_init(&media, &p.origin, CONNECTION_MEDIA);
		raw_init(&control, &p.origin, CONNECTION_CONTROL);
		WAIT_FOR(p.loop, p.origin.ups);
		raw_send(&media, &bad[i]);
		WAIT_FOR(p.loop,
			 raw_is_closed(&media) && raw_is_closed(&control));
		CHECK_EQ(p.origin.downs, 1);
		CHECK_EQ(p.origin.down_why, REASON_protocol_error);
		CHECK_EQ(p.origin.refusals, 1);
		raw_fini(&media);
		raw_fini(&control);
		pair_fini(&p);
	}
}

TEST_NO_OOM(a_connection_without_its_pair_is_closed_in_time)
{
	struct raw media;
	struct pair p;

	pair_prepare(&p);
	p.origin.config.handshake_ms = 200;
	node_listen(&p.origin, "tcp://127.0.0.1:0");
	raw_init(&media, &p.origin, CONNECTION_MEDIA);
	WAIT_FOR(p.loop, raw_is_closed(&media));
	CHECK_EQ(p.origin.refused_why, REASON_timeout);
	CHECK_EQ(p.origin.ups, 0);
	raw_fini(&media);
	pair_fini(&p);
}

/* ---- another process, which is stopped ---- */

static bool child_was_away, child_saw_news_first;
static uint64_t child_heard_ms;

static void child_on_away(void *ctx, uint64_t away_ms)
{
	(void)ctx;
	(void)away_ms;
	child_was_away = true;
}

static int child_on_record(void *ctx, link_id link, const struct record *r)
{
	const uint64_t now_ms = io_mono_ms();

	(void)ctx;
	(void)link;
	(void)r;
	if (child_heard_ms && now_ms - child_heard_ms > 1500 && !child_was_away)
		child_saw_news_first = true;
	child_heard_ms = now_ms;
	return 0;
}

static void child_on_request(void *ctx, const struct node_ref *from,
			     struct bus_request *rq, struct span json)
{
	(void)ctx;
	(void)from;
	(void)json;
	bus_answer(&rq, child_saw_news_first ? SPAN_LIT("news first")
			: child_was_away     ? SPAN_LIT("away first")
					     : SPAN_LIT("not away"));
}

/* Listens at `url`, for ever. */
static void child_run(const char *url)
{
	const struct bus_events child_events = {
		.on_record = child_on_record,
		.on_frame = on_frame,
		.on_request = child_on_request,
	};
	struct node n;

	CHECK_EQ(loop_new(&n.loop), 0);
	node_init(&n, n.loop, "origin-1", "origin");
	CHECK_EQ(bus_new(&n.bus, n.loop, &n.config, &child_events, &n), 0);
	CHECK_EQ(loop_on_away(n.loop, 1000, child_on_away, (void *)NULL), 0);
	CHECK_EQ(bus_listen(n.bus, url, n.url), 0);
	CHECK_EQ(loop_run(n.loop), 0);
}

TEST_NO_OOM(a_frozen_peer_is_found_out_and_hears_first_that_it_was_away)
{
	const struct record r = {.type = RECORD_UNSUB, .sid = 1};
	char url[NODE_URL_SIZE];
	uint64_t frozen_ms;
	struct pair p;
	pid_t pid;

	ipc_url(url, "frozen");
	pid = fork(); /* before nng has threads */
	CHECK(pid >= 0);
	if (pid == 0) {
		child_run(url);
		_exit(0);
	}
	pair_prepare(&p);
	node_start(&p.edge);
	CHECK_EQ(bus_dial(p.edge.bus, "origin-1", url), 0);
	WAIT_FOR(p.loop, p.edge.ups);
	CHECK(bus_send(p.edge.bus, p.edge.peer.link, &r));
	ask(&p.edge, "{}", 20000);
	WAIT_FOR(p.loop, p.edge.answers == 1);
	CHECK_STR(buf_text(&p.edge.answer), "not away");
	CHECK_EQ(kill(pid, SIGSTOP), 0);
	frozen_ms = io_mono_ms();
	while (!p.edge.downs && io_mono_ms() - frozen_ms < WAIT_MS) {
		(void)bus_send(p.edge.bus, p.edge.peer.link, &r);
		loop_run_once(p.loop);
	}
	CHECK_EQ(p.edge.downs, 1);
	CHECK_EQ(p.edge.down_why, REASON_bus_silent);
	CHECK(io_mono_ms() - frozen_ms > 900); /* silent since its last PING */
	CHECK(io_mono_ms() - frozen_ms < 2000 + 100 + 1000);
	CHECK_EQ(kill(pid, SIGCONT), 0);
	WAIT_FOR(p.loop, p.edge.ups == 2);
	ask(&p.edge, "{}", 20000);
	WAIT_FOR(p.loop, p.edge.answers == 2);
	CHECK_STR(buf_text(&p.edge.answer), "away first");
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	WAIT_FOR(p.loop, p.edge.downs == 2); /* seen at once */
	CHECK_EQ(p.edge.down_why, REASON_peer_left);
	pair_fini(&p);
}
