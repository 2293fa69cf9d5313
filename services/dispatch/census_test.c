/* services/dispatch/census_test.c - what a dispatch makes of many gates' counts. */
#include "services/dispatch/census.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/member/gate_counts.h"
#include "common/test/check.h"

/* ---- reports as texts ---- */

static struct census *make(void)
{
	struct census *c = NULL;

	CHECK_EQ(census_new(&c, NULL, 1), 0);
	return c;
}

/* The answer to a report; "none" for none. Dies with the next one. */
static const char *tell_at(struct census *c, const char *node, int64_t now_ms,
			   const char *report)
{
	static char said[4096];
	struct json_object *args = json_tokener_parse(report), *o;
	const char *text = "none";

	CHECK(args);
	o = census_serve(c, node, args, now_ms);
	if (o)
		text = json_object_to_json_string_ext(
			o, JSON_C_TO_STRING_PLAIN |
				   JSON_C_TO_STRING_NOSLASHESCAPE);
	snprintf(said, sizeof(said), "%s", text ? text : "");
	json_object_put(o);
	json_object_put(args);
	return said;
}

static const char *tell(struct census *c, const char *node, const char *report)
{
	return tell_at(c, node, 0, report);
}

/* Session 5, with a limit of `streams` for streams. */
static const char *hello(struct census *c, const char *node, unsigned streams,
			 const char *names)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "{\"session\":5,\"seq\":0,\"limits\":{\"streams\":%u,"
		 "\"viewers\":2,\"publishers\":0},\"streams\":{%s}}",
		 streams, names);
	return tell(c, node, text);
}

static const char *go_on(struct census *c, const char *node, unsigned seq,
			 const char *names)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "{\"session\":5,\"seq\":%u,\"streams\":{%s}}", seq, names);
	return tell(c, node, text);
}

static struct census_stats stats_of(const struct census *c)
{
	struct census_stats s;

	census_read(c, &s);
	return s;
}

TEST(who_has_some_of_it_hears_how_many_others_have)
{
	struct census *c = make();

	CHECK_STR(hello(c, "edge-1", 9, "\"live/a\":2,\"live/b\":1"),
		  "{\"seq\":0}");
	CHECK_STR(hello(c, "edge-2", 9, "\"live/a\":3"),
		  "{\"streams\":{\"live/a\":2},\"seq\":0}");
	CHECK_STR(hello(c, "edge-3", 9, ""), "{\"seq\":0}");
	CHECK_STR(go_on(c, "edge-1", 1, ""),
		  "{\"streams\":{\"live/a\":3},\"seq\":1}");
	CHECK_STR(go_on(c, "edge-1", 2, ""), "{\"seq\":2}");
	CHECK_STR(go_on(c, "edge-2", 1, "\"live/a\":0"),
		  "{\"streams\":{\"live/a\":0},\"seq\":1}");
	CHECK_STR(go_on(c, "edge-1", 3, ""),
		  "{\"streams\":{\"live/a\":0},\"seq\":3}");
	CHECK_EQ(stats_of(c).nodes, 3);
	CHECK_EQ(stats_of(c).names, 2);
	CHECK_STR(go_on(c, "edge-1", 4, "\"live/a\":0,\"live/b\":0"),
		  "{\"seq\":4}");
	CHECK_EQ(stats_of(c).names, 0);
	census_free(&c);
}

TEST(who_has_none_hears_what_is_full_for_it_and_when_it_is_not)
{
	struct census *c = make();

	CHECK_STR(hello(c, "edge-1", 4, "\"live/a\":2"), "{\"seq\":0}");
	CHECK_STR(hello(c, "edge-2", 4, "\"live/a\":1"),
		  "{\"streams\":{\"live/a\":2},\"seq\":0}");
	CHECK_STR(hello(c, "edge-3", 4, ""), "{\"seq\":0}");
	CHECK_STR(hello(c, "strict", 3, ""),
		  "{\"streams\":{\"live/a\":3},\"seq\":0}");
	go_on(c, "edge-2", 1, "\"live/a\":2");
	CHECK_STR(go_on(c, "edge-3", 1, ""),
		  "{\"streams\":{\"live/a\":4},\"seq\":1}");
	CHECK_STR(hello(c, "edge-4", 4, ""), /* it was full before */
		  "{\"streams\":{\"live/a\":4},\"seq\":0}");
	CHECK_STR(hello(c, "edge-5", 0, ""), "{\"seq\":0}"); /* no limit */
	go_on(c, "edge-1", 1, "\"live/a\":0");
	CHECK_STR(go_on(c, "edge-3", 2, ""),
		  "{\"streams\":{\"live/a\":0},\"seq\":2}");
	CHECK_STR(go_on(c, "edge-3", 3, ""), "{\"seq\":3}");
	census_free(&c);
}

TEST(what_became_full_and_empty_between_two_reports_is_no_news)
{
	struct census *c = make();

	hello(c, "edge-1", 2, "");
	hello(c, "edge-2", 2, "");
	go_on(c, "edge-1", 1, "\"live/a\":2");
	go_on(c, "edge-1", 2, "\"live/a\":0");
	CHECK_STR(go_on(c, "edge-2", 1, ""), "{\"seq\":1}");
	CHECK_EQ(stats_of(c).names, 0);
	census_free(&c);
}

TEST(a_node_that_goes_takes_its_counts_along)
{
	struct census *c = make();

	hello(c, "edge-1", 2, "\"live/a\":2");
	hello(c, "edge-2", 2, "");
	census_forget(c, "edge-1");
	census_forget(c, "nobody");
	CHECK_STR(go_on(c, "edge-2", 1, ""),
		  "{\"streams\":{\"live/a\":0},\"seq\":1}");
	CHECK_EQ(stats_of(c).nodes, 1);
	CHECK_EQ(stats_of(c).names, 0);
	CHECK_STR(go_on(c, "edge-1", 1, "\"live/a\":2"),
		  "{\"seq\":1,\"again\":true}");
	census_free(&c);
}

TEST(a_node_that_is_silent_is_forgotten)
{
	struct census *c = make();

	CHECK_EQ(census_tick(c, 0), INT64_MAX);
	hello(c, "edge-1", 2, "\"live/a\":1");
	hello(c, "edge-2", 2, "\"live/a\":1");
	tell_at(c, "edge-2", 4000, "{\"session\":5,\"seq\":1}");
	CHECK(census_tick(c, CENSUS_SILENT_MS - 1) < INT64_MAX);
	CHECK_EQ(stats_of(c).nodes, 2);
	CHECK(census_tick(c, CENSUS_SILENT_MS + 1000) < INT64_MAX);
	CHECK_EQ(stats_of(c).nodes, 1);
	CHECK_STR(go_on(c, "edge-2", 2, ""),
		  "{\"streams\":{\"live/a\":0},\"seq\":2}");
	CHECK_EQ(census_tick(c, 30000), INT64_MAX);
	CHECK_EQ(stats_of(c).nodes, 0);
	census_free(&c);
}

TEST(a_report_out_of_turn_is_told_to_begin_anew)
{
	struct census *c = make();

	CHECK_STR(go_on(c, "edge-1", 3, ""), "{\"seq\":3,\"again\":true}");
	hello(c, "edge-1", 2, "\"live/a\":2");
	CHECK_STR(go_on(c, "edge-1", 2, ""), "{\"seq\":2,\"again\":true}");
	CHECK_STR(tell(c, "edge-1", "{\"session\":6,\"seq\":1}"),
		  "{\"seq\":1,\"again\":true}");
	CHECK_STR(tell(c, "edge-1", "{\"session\":6}"), "none");
	CHECK_STR(go_on(c, "edge-1", 1, ""), "{\"seq\":1}");
	/* A beginning makes all forgotten that was before. */
	CHECK_STR(hello(c, "edge-1", 2, "\"live/b\":1"), "{\"seq\":0}");
	CHECK_EQ(stats_of(c).names, 1);
	CHECK_EQ(stats_of(c).nodes, 1);
	census_free(&c);
}

/* So many names of edge-1; returns how many reports that took. */
static unsigned tell_many(struct census *c, unsigned count)
{
	struct counts_report head = {.session = 5, .limit = {1, 1, 1}};
	struct counts_answer said = {0};
	unsigned sent = 0;

	while (sent < count) {
		struct counts_page p;
		struct json_object *o, *out;
		char name[32];

		CHECK_EQ(counts_page_begin(&p), 0);
		do
			snprintf(name, sizeof(name), "live/%u", sent);
		while (!counts_page_put(&p, COUNTS_STREAMS, span_str(name),
					1) &&
		       ++sent < count);
		o = counts_page_report(&p, &head);
		out = census_serve(c, "edge-1", o, 0);
		CHECK_EQ(counts_answer_read(&said, out), 0);
		CHECK(!said.is_again && !said.has_more);
		json_object_put(o);
		json_object_put(out);
		head.seq++;
	}
	return (unsigned)head.seq;
}

/* TEST_NO_OOM: thousands of allocations. */
TEST_NO_OOM(much_is_forgotten_in_turns)
{
	struct census *c = make();
	unsigned ticks = 0;

	tell_many(c, 9000);
	CHECK_EQ(stats_of(c).names, 9000);
	census_forget(c, "edge-1");
	CHECK_EQ(stats_of(c).nodes, 0);
	CHECK(stats_of(c).names > 5000);
	while (census_tick(c, 7) == 7)
		ticks++;
	CHECK(ticks >= 2);
	CHECK_EQ(stats_of(c).names, 0);
	CHECK_EQ(census_tick(c, 8), INT64_MAX);
	/* It may come again meanwhile, and dispatch may end. */
	tell_many(c, 9000);
	tell_many(c, 3000);
	CHECK_EQ(stats_of(c).nodes, 1);
	while (census_tick(c, 9) == 9)
		continue;
	CHECK_EQ(stats_of(c).names, 3000);
	tell_many(c, 1000);
	census_free(&c);
}

TEST(nodes_and_names_have_an_end)
{
	static const struct census_limits limits = {
		.nodes = 2, .entries = 5, .node_entries = 3};
	struct census *c = NULL;

	CHECK_EQ(census_new(&c, &limits, 1), 0);
	CHECK_STR(hello(c, "edge-1", 9, "\"a\":1,\"b\":1,\"c\":1,\"d\":1"),
		  "{\"seq\":0}");
	CHECK_EQ(stats_of(c).names, 3);
	CHECK_EQ(stats_of(c).left_out, 1);
	CHECK_STR(hello(c, "edge-2", 9, "\"a\":1,\"b\":1,\"c\":1"),
		  "{\"streams\":{\"a\":1,\"b\":1},\"seq\":0}");
	CHECK_EQ(stats_of(c).left_out, 2);
	CHECK_STR(hello(c, "edge-3", 9, ""), "{\"seq\":0,\"again\":true}");
	CHECK_STR(go_on(c, "edge-1", 1, "\"a\":0"),
		  "{\"streams\":{\"b\":1},\"seq\":1}");
	CHECK_STR(go_on(c, "edge-1", 2, "\"e\":1"), "{\"seq\":2}");
	CHECK_EQ(stats_of(c).left_out, 2);
	census_free(&c);
}

/* TEST_NO_OOM: thousands of allocations. */
TEST_NO_OOM(what_is_long_is_heard_in_parts)
{
	struct census *c = make();
	struct counts_report head = {.session = 5, .limit = {1, 1, 1}};
	struct counts_answer said = {0};
	unsigned heard = 0;

	CHECK_EQ(tell_many(c, 2500), 3);
	do {
		struct counts_page p;
		struct json_object *o, *out;

		CHECK_EQ(counts_page_begin(&p), 0);
		o = counts_page_report(&p, &head);
		out = census_serve(c, "edge-2", o, 0);
		CHECK_EQ(counts_answer_read(&said, out), 0);
		CHECK_EQ(said.seq, head.seq);
		heard += (unsigned)json_object_object_length(
			json_object_object_get(out, "streams"));
		json_object_put(o);
		json_object_put(out);
		head.seq++;
	} while (said.has_more);
	CHECK_EQ(heard, 2500);
	CHECK_EQ(head.seq, 3);
	CHECK_EQ(stats_of(c).left_out, 0);
	census_free(&c);
}

/* ---- gates and dispatches together ---- */

#define GATES      5
#define DISPATCHES 2
#define STREAMS    6
#define MOST       7
#define DELAY_MS   3 /* of each way */

struct scene;

struct teller {
	struct scene *scene;
	unsigned number;
	struct gate_counts counts;
	struct counts_world world;
	int64_t due_ms;
	bool is_cut[DISPATCHES]; /* its link */
	unsigned cuts;
	unsigned in[STREAMS];
	struct talk {
		unsigned dispatch;
		uint64_t tag;
		struct json_object *json;
		int64_t due_ms; /* 0: none */
		bool is_answer;
	} talk[16];
};

struct scene {
	int64_t now_ms;
	unsigned seed;
	struct teller gate[GATES];
	struct census *dispatch[DISPATCHES];
	unsigned boots[DISPATCHES]; /* 0: it is down */
};

static size_t see_dispatches(void *ctx, link_id *out, size_t max)
{
	struct teller *g = ctx;
	size_t count = 0;

	for (unsigned i = 0; i < DISPATCHES && count < max; i++)
		if (g->scene->dispatch[i] && !g->is_cut[i])
			out[count++] = (g->scene->boots[i] * 1000 + g->cuts) *
					       DISPATCHES +
				       i;
	return count;
}

static int put_question(void *ctx, link_id link, uint64_t tag,
			struct json_object *args, uint32_t deadline_ms)
{
	struct teller *g = ctx;
	struct talk *q = g->talk;

	(void)deadline_ms;
	while (q->due_ms)
		q++;
	*q = (struct talk){.dispatch = link % DISPATCHES,
			   .tag = tag,
			   .json = json_object_get(args),
			   .due_ms = g->scene->now_ms + DELAY_MS};
	return 0;
}

static void wake_gate(void *ctx, int64_t due_ms)
{
	struct teller *g = ctx;

	g->due_ms = WEIR_MIN(g->due_ms, due_ms);
}

static void gate_begin(struct scene *s, unsigned i)
{
	const uint32_t limit[COUNTS_KINDS] = {MOST, 0, 0};
	struct teller *g = &s->gate[i];

	*g = (struct teller){.scene = s, .number = i};
	g->world = (struct counts_world){g, see_dispatches, put_question,
					 wake_gate};
	gate_counts_init(&g->counts, limit, ++s->seed);
	gate_counts_start(&g->counts, &g->world);
}

static void gate_end(struct teller *g)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(g->talk); i++)
		if (g->talk[i].due_ms)
			json_object_put(g->talk[i].json);
	gate_counts_fini(&g->counts);
}

static void gate_id(const struct teller *g, char id[16])
{
	snprintf(id, 16, "edge-%u", g->number);
}

/* It is at the dispatch, or it is back. */
static void carry(struct teller *g, struct talk *q)
{
	struct scene *s = g->scene;
	struct census *d =
		g->is_cut[q->dispatch] ? NULL : s->dispatch[q->dispatch];
	struct json_object *json = q->json;
	char id[16];

	gate_id(g, id);
	if (q->is_answer) {
		q->due_ms = 0;
		gate_counts_answer(&g->counts, q->tag, json ? 0 : WEIR_ECLOSED,
				   json, s->now_ms);
	} else {
		q->json = d ? census_serve(d, id, json, s->now_ms) : NULL;
		q->is_answer = true;
		q->due_ms = s->now_ms + DELAY_MS;
	}
	json_object_put(json);
}

static void step(struct scene *s)
{
	s->now_ms++;
	for (unsigned i = 0; i < GATES; i++) {
		struct teller *g = &s->gate[i];

		for (size_t k = 0; k < WEIR_ARRAY_LEN(g->talk); k++)
			if (g->talk[k].due_ms == s->now_ms)
				carry(g, &g->talk[k]);
		if (g->due_ms > s->now_ms)
			continue;
		g->due_ms = INT64_MAX;
		wake_gate(g, gate_counts_tick(&g->counts, s->now_ms));
	}
	for (unsigned i = 0; i < DISPATCHES; i++)
		if (s->dispatch[i])
			census_tick(s->dispatch[i], s->now_ms);
}

static void run(struct scene *s, unsigned ms)
{
	while (ms--)
		step(s);
}

static void dispatch_die(struct scene *s, unsigned i)
{
	census_free(&s->dispatch[i]);
}

static void dispatch_start(struct scene *s, unsigned i)
{
	if (s->dispatch[i])
		return;
	s->boots[i]++;
	CHECK_EQ(census_new(&s->dispatch[i], NULL, ++s->seed), 0);
}

/* A link goes, and all of a gate's that are cut come back. */
static void cut(struct scene *s, unsigned i, unsigned dispatch)
{
	struct teller *g = &s->gate[i];
	char id[16];

	gate_id(g, id);
	g->is_cut[dispatch] = true;
	if (s->dispatch[dispatch])
		census_forget(s->dispatch[dispatch], id);
}

static void mend(struct scene *s, unsigned i)
{
	struct teller *g = &s->gate[i];

	for (unsigned d = 0; d < DISPATCHES; d++) {
		g->cuts += g->is_cut[d];
		g->is_cut[d] = false;
	}
}

static void gate_restart(struct scene *s, unsigned i)
{
	char id[16];

	gate_id(&s->gate[i], id);
	gate_end(&s->gate[i]);
	for (unsigned d = 0; d < DISPATCHES; d++)
		if (s->dispatch[d])
			census_forget(s->dispatch[d], id);
	gate_begin(s, i);
	s->gate[i].due_ms = s->now_ms + 1;
}

static void scene_begin(struct scene *s, unsigned seed)
{
	*s = (struct scene){.now_ms = 100000, .seed = seed};
	for (unsigned i = 0; i < DISPATCHES; i++)
		dispatch_start(s, i);
	for (unsigned i = 0; i < GATES; i++)
		gate_begin(s, i);
}

static void scene_end(struct scene *s)
{
	for (unsigned i = 0; i < GATES; i++)
		gate_end(&s->gate[i]);
	for (unsigned i = 0; i < DISPATCHES; i++)
		census_free(&s->dispatch[i]);
}

static struct span stream_name(char text[16], unsigned stream)
{
	snprintf(text, 16, "live/%u", stream);
	return span_str(text);
}

static bool come(struct teller *g, unsigned stream)
{
	char text[16];

	if (gate_counts_enter(&g->counts, COUNTS_STREAMS,
			      stream_name(text, stream)))
		return false;
	g->in[stream]++;
	return true;
}

static void go(struct teller *g, unsigned stream)
{
	char text[16];

	if (!g->in[stream])
		return;
	g->in[stream]--;
	gate_counts_leave(&g->counts, COUNTS_STREAMS,
			  stream_name(text, stream));
}

static unsigned total(const struct scene *s, unsigned stream)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < GATES; i++)
		sum += s->gate[i].in[stream];
	return sum;
}

/* By then a change is known to all: in time it is told, heard, and asked for. */
static void run_until_known(struct scene *s)
{
	run(s, COUNTS_GAP_MS + COUNTS_EACH_MS + 4 * DELAY_MS);
}

/* All who would come do, one at a time and to any gate. */
static void fill(struct scene *s, unsigned stream)
{
	for (unsigned i = 0; i < 4 * MOST; i++) {
		come(&s->gate[i % GATES], stream);
		run_until_known(s);
	}
}

/* TEST_NO_OOM: it would take minutes. */
TEST_NO_OOM(a_limit_holds_over_all_gates)
{
	struct scene s;

	scene_begin(&s, 1);
	run(&s, 1500);
	fill(&s, 0);
	CHECK_EQ(total(&s, 0), MOST);
	go(&s.gate[0], 0);
	run_until_known(&s);
	CHECK(come(&s.gate[3], 0)); /* another one has its place */
	run_until_known(&s);
	for (unsigned i = 0; i < GATES; i++)
		CHECK(!come(&s.gate[i], 0));
	scene_end(&s);
}

/* TEST_NO_OOM: it would take minutes. */
TEST_NO_OOM(it_holds_when_dispatches_die_and_come_back)
{
	struct scene s;

	scene_begin(&s, 2);
	run(&s, 1500);
	fill(&s, 0);
	for (unsigned round = 0; round < 4; round++) {
		dispatch_die(&s, round % 2);
		for (unsigned i = 0; i < 50; i++) { /* there is the other */
			CHECK(!come(&s.gate[i % GATES], 0));
			run(&s, 77);
		}
		dispatch_start(&s, round % 2);
		for (unsigned i = 0; i < 100; i++) {
			CHECK(!come(&s.gate[i % GATES], 0));
			run(&s, 77);
		}
	}
	/* Both at once, for a moment. */
	dispatch_die(&s, 0);
	dispatch_die(&s, 1);
	for (unsigned i = 0; i < 20; i++) {
		CHECK(!come(&s.gate[i % GATES], 0));
		run(&s, 77);
	}
	dispatch_start(&s, 1);
	for (unsigned i = 0; i < 100; i++) {
		CHECK(!come(&s.gate[i % GATES], 0));
		run(&s, 77);
	}
	CHECK_EQ(total(&s, 0), MOST);
	/* With none for longer, each counts its own. */
	dispatch_die(&s, 1);
	run(&s, COUNTS_EACH_MS + COUNTS_KEEP_MS + 1);
	fill(&s, 0);
	CHECK(total(&s, 0) > MOST);
	scene_end(&s);
}

/* TEST_NO_OOM: it would take minutes. */
TEST_NO_OOM(the_viewers_of_a_gate_that_dies_make_room)
{
	struct scene s;
	unsigned gone;

	scene_begin(&s, 3);
	run(&s, 1500);
	fill(&s, 0);
	gone = s.gate[1].in[0];
	CHECK(gone > 0);
	gate_restart(&s, 1);
	run_until_known(&s);
	for (unsigned i = 0; i < gone; i++)
		CHECK(come(&s.gate[2], 0));
	run_until_known(&s);
	for (unsigned i = 0; i < GATES; i++)
		CHECK(!come(&s.gate[i], 0));
	scene_end(&s);
}

/* Whatever happened: once it is quiet, every gate knows how many there are. */
static void check_known(const struct scene *s)
{
	for (unsigned i = 0; i < GATES; i++) {
		const struct gate_counts *c = &s->gate[i].counts;

		map_each (slot, &c->names) {
			const struct gate_name *n = slot->value;
			unsigned stream = (unsigned)(n->text[5] - '0');
			uint32_t others = total(s, stream) - n->own;

			CHECK_EQ(n->own, s->gate[i].in[stream]);
			for (size_t p = 0; p < COUNTS_PEERS_MAX; p++)
				CHECK(c->peer[p].state != COUNTS_TALKING ||
				      n->said[p] == (n->own || others >= MOST
							     ? others
							     : 0));
		}
	}
}

static unsigned pick(unsigned *state, unsigned below)
{
	*state = *state * 1103515245u + 12345u;
	return (*state >> 16) % below;
}

static void something(struct scene *s, unsigned *state)
{
	unsigned stream = pick(state, STREAMS), gate = pick(state, GATES);

	switch (pick(state, 40)) {
	case 0:
		dispatch_die(s, pick(state, DISPATCHES));
		break;
	case 1:
	case 2:
		dispatch_start(s, pick(state, DISPATCHES));
		break;
	case 3:
		gate_restart(s, gate);
		break;
	case 4:
		run(s, pick(state, 3000));
		break;
	case 5:
		cut(s, gate, pick(state, DISPATCHES));
		break;
	case 6:
		mend(s, gate);
		break;
	default:
		if (pick(state, 2))
			come(&s->gate[gate], stream);
		else
			go(&s->gate[gate], stream);
	}
}

/* TEST_NO_OOM: it would take minutes. */
TEST_NO_OOM(whatever_happens_all_know_when_it_is_quiet)
{
	for (unsigned seed = 1; seed <= 100; seed++) {
		unsigned state = seed;
		struct census_stats stats;
		struct scene s;

		scene_begin(&s, seed);
		for (unsigned i = 0; i < 300; i++) {
			something(&s, &state);
			run(&s, pick(&state, 60));
		}
		for (unsigned i = 0; i < DISPATCHES; i++)
			dispatch_start(&s, i);
		for (unsigned i = 0; i < GATES; i++)
			mend(&s, i);
		run(&s, 12000);
		check_known(&s);
		for (unsigned i = 0; i < GATES; i++)
			for (unsigned k = 0; k < STREAMS; k++)
				while (s.gate[i].in[k])
					go(&s.gate[i], k);
		run(&s, 4000);
		for (unsigned i = 0; i < GATES; i++)
			CHECK_EQ(s.gate[i].counts.names.count, 0);
		for (unsigned i = 0; i < DISPATCHES; i++) {
			census_read(s.dispatch[i], &stats);
			CHECK_EQ(stats.names, 0);
			CHECK_EQ(stats.nodes, GATES);
		}
		scene_end(&s);
	}
}
