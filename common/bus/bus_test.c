/* common/bus/bus_test.c - buses that talk to each other.
 *
 * No test is repeated with failing allocations: nng's threads allocate when
 * they like, so the count of an allocation says nothing from run to run.
 */
#include <errno.h>

#include "common/bus/bus_rig_test.h"
#include "common/io/loop_wait.h"

#define FRAME_TOTAL 100000u

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
	CHECK(strtol(p.origin.url + 16, NULL, 10) > 0);
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

TEST_NO_OOM(a_machine_that_says_that_nobody_listens_is_told)
{
	struct pair p;

	pair_prepare(&p);
	node_start(&p.edge);
	CHECK_EQ(bus_dial(p.edge.bus, "origin-1", "tcp://127.0.0.1:1"), 0);
	WAIT_FOR(p.loop, p.edge.absences > 1);
	CHECK_EQ(p.edge.ups + p.edge.refusals, 0);
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

/* Makes the loop work most of the time. */
static void work(struct loop *loop)
{
	const uint64_t until_us = loop_now_us(loop) + 5000;

	while (loop_now_us(loop) < until_us)
		;
}

TEST_NO_OOM(what_fills_a_write_does_not_wait_for_more)
{
	struct timer *timer;
	struct source s;
	struct pair p;

	pair_prepare(&p);
	p.edge.config.flush_ms = 1000; /* a minute, one full write each */
	CHECK_EQ(timer_new(&timer, p.loop, work, p.loop), 0);
	timer_repeat(timer, 1);
	pair_start(&p, "tcp://127.0.0.1:0");
	WAIT_FOR(p.loop, p.edge.ups && p.origin.ups);
	WAIT_FOR(p.loop, loop_busy_permille(p.loop) > 500);
	source_init(&s, &p.edge);
	for (uint32_t sent = 0; sent < 2000; sent++)
		append(&s, &p.edge, sent % FEED_COUNT, 2000);
	WAIT_FOR(p.loop, p.origin.frames == 2000);
	source_fini(&s, &p.edge);
	timer_free(&timer);
	pair_fini(&p);
}

#define LONG_MS 600000 /* no test waits for the end of it */

TEST_NO_OOM(what_has_rested_is_not_put_off_once_more)
{
	struct bus_stats stats;
	struct source s;
	struct pair p;

	pair_prepare(&p);
	p.edge.config.flush_ms = LONG_MS;
	p.edge.config.ping_ms = p.edge.config.peer_dead_ms = LONG_MS;
	p.origin.config.peer_dead_ms = LONG_MS;
	pair_start(&p, "tcp://127.0.0.1:0");
	WAIT_FOR(p.loop, p.edge.ups && p.origin.ups);
	source_init(&s, &p.edge);
	append(&s, &p.edge, 0, 300);
	bus_has_rested(p.edge.bus);
	WAIT_FOR(p.loop, p.origin.frames == 1);
	append(&s, &p.edge, 0, 300); /* behind that */
	bus_get_stats(p.edge.bus, &stats);
	CHECK_EQ(stats.put_off, 0);
	loop_run_passes(p.loop, 10);
	bus_get_stats(p.edge.bus, &stats);
	CHECK_EQ(stats.put_off, 1);
	CHECK_EQ(p.origin.frames, 1);
	append(&s, &p.edge, 1, 300);
	bus_has_rested(p.edge.bus);
	WAIT_FOR(p.loop, p.origin.frames == 3);
	source_fini(&s, &p.edge);
	pair_fini(&p);
}

struct load {
	struct loop *loop;
	struct bus *bus;
	unsigned us; /* of work in each 10 ms */
	bool is_busy;
};

static void bear(struct load *l)
{
	const uint64_t until_us = loop_now_us(l->loop) + l->us;

	while (loop_now_us(l->loop) < until_us)
		;
}

/* Begins at 600 of 1000, ends below 300. Returns whether it is between them. */
static bool is_between(struct load *l)
{
	const unsigned busy = loop_busy_permille(l->loop);

	l->is_busy = busy >= (l->is_busy ? 300 : 600);
	CHECK_EQ(bus_put_off_ms(l->bus), l->is_busy ? 7 : 0);
	return busy >= 300 && busy < 600;
}

static bool is_between_and_busy(struct load *l)
{
	const bool is = is_between(l);

	l->us = l->is_busy ? 4500 : 9000;
	return is && l->is_busy;
}

static bool is_between_and_not_busy(struct load *l)
{
	const bool is = is_between(l);

	l->us = l->is_busy ? 0 : 4500;
	return is && !l->is_busy;
}

TEST_NO_OOM(a_loop_is_busy_until_it_is_half_as_busy)
{
	struct load l = {0};
	struct timer *timer;
	struct node n;

	CHECK_EQ(loop_new(&l.loop), 0);
	node_init(&n, l.loop, "edge-1", "edge");
	n.config.flush_ms = 7;
	n.config.flush_busy_permille = 600;
	node_start(&n);
	l.bus = n.bus;
	CHECK_EQ(timer_new(&timer, l.loop, bear, &l), 0);
	timer_repeat(timer, 10);
	WAIT_FOR(l.loop, is_between_and_not_busy(&l));
	WAIT_FOR(l.loop, is_between_and_busy(&l));
	timer_free(&timer);
	bus_free(&n.bus);
	loop_free(&l.loop);
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
