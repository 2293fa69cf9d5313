/* common/registry/store_test.c - the store against a real redis-server, which
 * each test starts in a private folder. They are not repeated with failing
 * allocations: each repetition would start a server of its own.
 */
#include "common/registry/store.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/registry/store_priv.h"
#include "common/registry/store_scene_test.h"

/* ---- a store and what it said ---- */

struct member {
	struct loop *loop;
	struct store *store;
	unsigned ups, others, downs;
	unsigned came, went, restarted; /* nodes, but itself */
	unsigned streams_came, streams_changed, streams_went;
	unsigned answers;
	struct script_result last;
	bool has_left;
	char id[NODE_ID_SIZE];
};

static void on_up(void *ctx, bool is_other)
{
	struct member *m = ctx;

	m->ups++;
	m->others += is_other;
}

static void on_down(void *ctx)
{
	((struct member *)ctx)->downs++;
}

static void on_node(void *ctx, const struct node *n, enum copy_change change)
{
	struct member *m = ctx;

	if (!strcmp(n->ref.id, m->id))
		return;
	m->came += change == COPY_CAME;
	m->went += change == COPY_WENT;
	m->restarted += change == COPY_RESTARTED;
}

static void on_stream(void *ctx, const struct stream_entry *e,
		      enum copy_change change)
{
	struct member *m = ctx;

	(void)e;
	m->streams_came += change == COPY_CAME;
	m->streams_changed += change == COPY_CHANGED;
	m->streams_went += change == COPY_WENT;
}

static void on_left(void *ctx)
{
	((struct member *)ctx)->has_left = true;
}

static void on_result(void *ctx, const struct script_result *r)
{
	struct member *m = ctx;

	m->answers++;
	m->last = *r;
}

static struct store_options options_of(const struct member *m, const char *url,
				       uint8_t instance)
{
	struct store_options o = {
		.url = url,
		.cluster = "test",
		.registry_ms = 200,
		.lease_ms = 100,
		.lease_ttl_ms = 400,
		.reread_ms = 100,
		.settle_ms = 300,
		.self = {.ref = {.role = "ingest", .instance = {{instance}}}},
	};

	snprintf(o.self.ref.id, sizeof(o.self.ref.id), "%s", m->id);
	return o;
}

static const struct store_events events = {
	.on_up = on_up,
	.on_down = on_down,
	.on_node = on_node,
	.on_stream = on_stream,
};

static void join(struct member *m, struct loop *loop, const struct server *s,
		 const char *id, uint8_t instance)
{
	char url[64];
	struct store_options o;

	*m = (struct member){.loop = loop};
	snprintf(m->id, sizeof(m->id), "%s", id);
	snprintf(url, sizeof(url), "127.0.0.1:%u", s->port);
	o = options_of(m, url, instance);
	CHECK_EQ(store_new(&m->store, loop, &o, &events, m, NULL), 0);
}

static struct script_call claim_of(const struct member *m, const char *key,
				   uint8_t session)
{
	struct script_call c = {.kind = SCRIPT_CLAIM};
	struct stream_entry *e = &c.entry;

	snprintf(e->key.text, sizeof(e->key.text), "%s", key);
	snprintf(e->kind, sizeof(e->kind), "publish");
	snprintf(e->writer_node, sizeof(e->writer_node), "%s", m->id);
	e->writer_instance.byte[0] = (uint8_t)m->id[0];
	snprintf(e->home_node, sizeof(e->home_node), "origin-1");
	snprintf(e->home_url, sizeof(e->home_url), "tcp://127.0.0.1:7");
	e->home_instance.byte[0] = 9;
	e->epoch.writer.byte[0] = session;
	e->term.by.byte[0] = session;
	e->is_live = true;
	e->start_us = 5;
	return c;
}

static void claim(struct member *m, const char *key, uint8_t session)
{
	struct script_call c = claim_of(m, key, session);
	unsigned before = m->answers;

	store_script(m->store, &c, on_result, m);
	CHECK_EQ(m->answers, before); /* never from inside */
	SERVE_UNTIL(m->loop, m->answers == before + 1);
}

static const struct stream_entry *known(struct member *m, const char *key)
{
	struct stream_key k;

	snprintf(k.text, sizeof(k.text), "%s", key);
	return copy_stream(store_copy(m->store), &k);
}

/* ---- claims and changes ---- */

TEST_NO_OOM(a_claim_is_granted_once_and_seen_by_all)
{
	struct member a, b;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	join(&a, sc.loop, &sc.s, "a", 'a');
	join(&b, sc.loop, &sc.s, "b", 'b');
	SERVE_UNTIL(sc.loop, store_is_read(a.store) && store_is_read(b.store));
	CHECK_EQ(a.ups, 1);
	CHECK_EQ(a.others, 0);
	CHECK_STR(store_local_ip(a.store), "127.0.0.1");
	SERVE_UNTIL(sc.loop, copy_node(store_copy(b.store), "a"));

	claim(&a, "live/x", 1);
	CHECK_EQ(a.last.err, 0);
	CHECK_EQ(a.last.entry.epoch.counter, 1);
	CHECK(a.last.entry.writer_has_lease);
	CHECK(known(&a, "live/x") != NULL); /* with the answer */
	SERVE_UNTIL(sc.loop, b.streams_came == 1);
	CHECK_STR(known(&b, "live/x")->writer_node, "a");
	CHECK(known(&b, "live/x")->writer_has_lease);

	claim(&b, "live/x", 2);
	CHECK_EQ(b.last.err, WEIR_EBUSY);
	CHECK_STR(b.last.entry.writer_node, "a");
	CHECK_EQ(b.streams_changed, 0);

	store_free(&a.store);
	store_free(&b.store);
	close_scene(&sc);
}

TEST_NO_OOM(scripts_that_the_server_forgot_are_sent_again)
{
	struct member a;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	join(&a, sc.loop, &sc.s, "a", 'a');
	SERVE_UNTIL(sc.loop, store_is_up(a.store));
	server_command(&sc.s, "SCRIPT FLUSH");
	claim(&a, "live/x", 1);
	CHECK_EQ(a.last.err, 0);
	CHECK_EQ(a.downs, 0);
	store_free(&a.store);
	close_scene(&sc);
}

/* The streams live/0 to live/<count - 1>. */
static void claim_many(struct member *m, unsigned count)
{
	const unsigned before = m->answers;

	for (unsigned i = 0; i < count; i++) {
		struct script_call c;
		char key[32];

		snprintf(key, sizeof(key), "live/%u", i);
		c = claim_of(m, key, (uint8_t)(1 + i % 200));
		store_script(m->store, &c, on_result, m);
	}
	SERVE_UNTIL(m->loop, m->answers == before + count);
}

/* `a` has claimed so many, and `b` has come after it and read them; false: no
 * server can be had. */
static bool open_with_streams(struct scene *sc, struct member *a,
			      struct member *b, unsigned count)
{
	if (!open_scene(sc))
		return false;
	join(a, sc->loop, &sc->s, "a", 'a');
	SERVE_UNTIL(sc->loop, store_is_up(a->store));
	claim_many(a, count);
	join(b, sc->loop, &sc->s, "b", 'b');
	SERVE_UNTIL(sc->loop, store_is_read(b->store));
	return true;
}

TEST_NO_OOM(a_thousand_streams_are_read_after_connecting)
{
	struct member a, b;
	struct scene sc;

	if (!open_with_streams(&sc, &a, &b, 1000))
		return;
	CHECK_EQ(copy_stream_count(store_copy(b.store)), 1000);
	store_free(&a.store);
	store_free(&b.store);
	close_scene(&sc);
}

/* The registry gets one and loses one, and nobody is told. */
static void change_untold(const struct server *s)
{
	server_command(s,
		       "COPY weir:{test}:stream:live/5"
		       " weir:{test}:stream:live/untold");
	server_command(s, "SADD weir:{test}:streams live/untold");
	server_command(s, "SREM weir:{test}:streams live/7");
	server_command(s, "DEL weir:{test}:stream:live/7");
}

/* The most keys that were asked for at once, until it has seen what it was not
 * told of. */
static bool has_seen_untold(struct member *m, size_t *most)
{
	*most = WEIR_MAX(*most, m->store->streams.open_count);
	return known(m, "live/untold") && !known(m, "live/7");
}

TEST_NO_OOM(all_is_read_again_a_little_at_a_time)
{
	struct member a, b;
	struct scene sc;
	size_t most = 0;

	if (!open_with_streams(&sc, &a, &b, 1000))
		return;
	SERVE_UNTIL(sc.loop, !b.store->streams.is_under_way);
	change_untold(&sc.s);
	SERVE_UNTIL(sc.loop, has_seen_untold(&b, &most));
	CHECK(most >= 20 && most < 100);
	CHECK_EQ(copy_stream_count(store_copy(b.store)), 1000);
	store_free(&a.store);
	store_free(&b.store);
	close_scene(&sc);
}

TEST_NO_OOM(where_too_many_changes_are_told_at_once_all_is_read_again_at_once)
{
	struct member a, b;
	struct scene sc;
	size_t most = 0;

	if (!open_with_streams(&sc, &a, &b, 100))
		return;
	SERVE_UNTIL(sc.loop, b.store->stats.rereads >= 2);
	SERVE_UNTIL(sc.loop, !b.store->streams.is_hurried);
	change_untold(&sc.s);
	while (!b.store->has_missed)
		store_read_change(b.store, span_str("stream live/6"));
	CHECK(redis_pending(b.store->command) > 2000);
	SERVE_UNTIL(sc.loop, b.store->streams.is_hurried);
	SERVE_UNTIL(sc.loop, has_seen_untold(&b, &most));
	store_free(&a.store);
	store_free(&b.store);
	close_scene(&sc);
}

/* ---- nodes ---- */

TEST_NO_OOM(a_node_that_leaves_is_gone_at_once_and_one_that_dies_soon)
{
	struct member a, b, c;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	join(&a, sc.loop, &sc.s, "a", 'a');
	join(&b, sc.loop, &sc.s, "b", 'b');
	join(&c, sc.loop, &sc.s, "c", 'c');
	SERVE_UNTIL(sc.loop, a.came == 2);
	store_leave(b.store, on_left, &b);
	SERVE_UNTIL(sc.loop, b.has_left);
	SERVE_UNTIL(sc.loop, a.went == 1);
	CHECK(!copy_node(store_copy(a.store), "b"));
	store_free(&b.store);
	store_free(&c.store); /* as if it were killed */
	SERVE_UNTIL(sc.loop, a.went == 2);
	CHECK(copy_node(store_copy(a.store), "a") != NULL);
	store_free(&a.store);
	close_scene(&sc);
}

TEST_NO_OOM(a_node_that_comes_back_as_another_instance_has_restarted)
{
	struct member a, b;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	join(&a, sc.loop, &sc.s, "a", 'a');
	join(&b, sc.loop, &sc.s, "b", 'b');
	SERVE_UNTIL(sc.loop, a.came == 1);
	store_free(&b.store);
	join(&b, sc.loop, &sc.s, "b", 'B');
	SERVE_UNTIL(sc.loop, a.restarted == 1);
	CHECK_EQ(copy_node(store_copy(a.store), "b")->ref.instance.byte[0],
		 'B');
	store_free(&a.store);
	store_free(&b.store);
	close_scene(&sc);
}

TEST_NO_OOM(what_a_node_says_of_itself_reaches_the_others)
{
	struct member a, b;
	struct scene sc;
	struct node self;

	if (!open_scene(&sc))
		return;
	join(&a, sc.loop, &sc.s, "a", 'a');
	join(&b, sc.loop, &sc.s, "b", 'b');
	SERVE_UNTIL(sc.loop, a.came == 1);
	self = *copy_node(store_copy(a.store), "b");
	self.load.viewers = 77;
	CHECK_EQ(node_set_address(&self, "rtmp", "10.0.0.1:1935"), 0);
	snprintf(self.ref.id, sizeof(self.ref.id), "not-me");
	store_set_self(b.store, &self, true);
	SERVE_UNTIL(sc.loop,
		    copy_node(store_copy(a.store), "b")->load.viewers == 77);
	CHECK_STR(node_address(copy_node(store_copy(a.store), "b"), "rtmp"),
		  "10.0.0.1:1935");
	CHECK(!copy_node(store_copy(a.store), "not-me"));
	store_free(&a.store);
	store_free(&b.store);
	close_scene(&sc);
}

TEST_NO_OOM(the_node_list_is_kept_on_disk)
{
	struct member a = {.id = "a"}, b, late = {.id = "late"};
	struct store_options o;
	struct scene sc;
	char file[128], url[64];

	if (!open_scene(&sc))
		return;
	snprintf(file, sizeof(file), "%s/nodes.json", sc.s.dir);
	snprintf(url, sizeof(url), "127.0.0.1:%u", sc.s.port);
	a.loop = sc.loop;
	o = options_of(&a, url, 'a');
	o.nodes_file = file;
	CHECK_EQ(store_new(&a.store, sc.loop, &o, &events, &a, NULL), 0);
	join(&b, sc.loop, &sc.s, "b", 'b');
	SERVE_UNTIL(sc.loop, access(file, R_OK) == 0);
	store_free(&a.store);
	store_free(&b.store);
	server_stop(&sc.s);
	o = options_of(&late, url, 'l');
	o.nodes_file = file;
	CHECK_EQ(store_new(&late.store, sc.loop, &o, &events, &late, NULL), 0);
	CHECK(copy_node(store_copy(late.store), "b") != NULL);
	CHECK(!store_is_up(late.store));
	store_free(&late.store);
	close_scene(&sc);
}

/* ---- a server that is away ---- */

TEST_NO_OOM(a_killed_and_emptied_registry_is_another_generation)
{
	struct member a;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	join(&a, sc.loop, &sc.s, "a", 'a');
	SERVE_UNTIL(sc.loop, store_is_up(a.store));
	claim(&a, "live/x", 1);
	server_stop(&sc.s);
	SERVE_UNTIL(sc.loop, a.downs == 1);
	claim(&a, "live/y", 2);
	CHECK_EQ(a.last.err, WEIR_ETIMEOUT);
	CHECK(known(&a, "live/x") != NULL);
	CHECK(server_start(&sc.s));
	SERVE_UNTIL(sc.loop, a.ups == 2);
	CHECK_EQ(a.others, 1);
	SERVE_UNTIL(sc.loop, store_is_read(a.store));
	CHECK(known(&a, "live/x") != NULL); /* its writer may yet settle it */
	SERVE_UNTIL(sc.loop, a.streams_went == 1);
	CHECK(copy_node(store_copy(a.store), "a") != NULL);
	claim(&a, "live/x", 3);
	CHECK_EQ(a.last.err, 0);
	store_free(&a.store);
	close_scene(&sc);
}

TEST_NO_OOM(a_flushed_registry_is_another_generation)
{
	struct member a;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	join(&a, sc.loop, &sc.s, "a", 'a');
	SERVE_UNTIL(sc.loop, store_is_up(a.store));
	server_command(&sc.s, "FLUSHALL");
	SERVE_UNTIL(sc.loop, a.ups == 2);
	CHECK_EQ(a.downs, 1);
	CHECK_EQ(a.others, 1);
	store_free(&a.store);
	close_scene(&sc);
}

TEST_NO_OOM(a_frozen_registry_costs_registry_ms_and_comes_back_the_same)
{
	struct store_stats st;
	struct member a;
	struct scene sc;
	uint64_t begin;

	if (!open_scene(&sc))
		return;
	join(&a, sc.loop, &sc.s, "a", 'a');
	SERVE_UNTIL(sc.loop, store_is_up(a.store));
	claim(&a, "live/x", 1);
	kill(sc.s.pid, SIGSTOP);
	begin = loop_now_ms(sc.loop);
	claim(&a, "live/y", 2);
	CHECK_EQ(a.last.err, WEIR_ETIMEOUT);
	CHECK(loop_now_ms(sc.loop) - begin < 2000);
	SERVE_UNTIL(sc.loop, a.downs == 1);
	for (int i = 0; i < 3000; i++) {
		struct script_call c = claim_of(&a, "live/z", 3);

		store_script(a.store, &c, on_result, &a);
	}
	SERVE_UNTIL(sc.loop, a.answers == 2 + 3000);
	kill(sc.s.pid, SIGCONT);
	SERVE_UNTIL(sc.loop, a.ups == 2);
	CHECK_EQ(a.others, 0);
	SERVE_UNTIL(sc.loop, store_is_read(a.store));
	CHECK(known(&a, "live/x") != NULL);
	store_get_stats(a.store, &st);
	CHECK(st.pending < 100);
	CHECK_EQ(st.timeouts, 3001);
	store_free(&a.store);
	close_scene(&sc);
}

TEST_NO_OOM(a_late_answer_is_dropped_and_the_copy_learns_of_it_all_the_same)
{
	struct store_stats st;
	struct script_call c;
	struct member a;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	join(&a, sc.loop, &sc.s, "a", 'a');
	SERVE_UNTIL(sc.loop, store_is_up(a.store));
	kill(sc.s.pid, SIGSTOP);
	c = claim_of(&a, "live/x", 1);
	store_script(a.store, &c, on_result, &a);
	SERVE_UNTIL(sc.loop, a.answers == 1);
	CHECK_EQ(a.last.err, WEIR_ETIMEOUT);
	kill(sc.s.pid, SIGCONT);
	SERVE_UNTIL(sc.loop, known(&a, "live/x"));
	store_get_stats(a.store, &st);
	CHECK_EQ(a.answers, 1);
	CHECK(st.late == 1 || a.downs);
	store_free(&a.store);
	close_scene(&sc);
}

TEST_NO_OOM(more_calls_than_the_limit_are_refused_and_answered)
{
	struct member a = {.id = "a"};
	struct store_options o;
	struct scene sc;
	char url[64];

	if (!open_scene(&sc))
		return;
	a.loop = sc.loop;
	snprintf(url, sizeof(url), "127.0.0.1:%u", sc.s.port);
	o = options_of(&a, url, 'a');
	o.pending_max = 10;
	o.registry_ms = 5000;
	CHECK_EQ(store_new(&a.store, sc.loop, &o, &events, &a, NULL), 0);
	SERVE_UNTIL(sc.loop, store_is_up(a.store));
	for (unsigned i = 0; i < 15; i++) {
		struct script_call c = claim_of(&a, "live/x", 1);

		store_script(a.store, &c, on_result, &a);
	}
	SERVE_UNTIL(sc.loop, a.answers == 15);
	{
		struct store_stats st;

		store_get_stats(a.store, &st);
		CHECK_EQ(st.timeouts, 5);
	}
	store_free(&a.store);
	close_scene(&sc);
}

TEST_NO_OOM(a_password_is_used_and_a_wrong_one_is_no_way_in)
{
	struct loop *loop = NULL;
	struct member good = {.id = "a"}, bad = {.id = "b"};
	struct store_options o;
	struct server s;
	char url[64];

	if (!server_is_installed())
		return;
	server_settle(&s);
	snprintf(s.password, sizeof(s.password), "secret");
	CHECK(server_start(&s));
	CHECK_EQ(loop_new(&loop), 0);
	good.loop = bad.loop = loop;
	snprintf(url, sizeof(url), "redis://127.0.0.1:%u/3", s.port);
	o = options_of(&bad, url, 'b');
	o.password = "wrong";
	CHECK_EQ(store_new(&bad.store, loop, &o, &events, &bad, NULL), 0);
	o = options_of(&good, url, 'a');
	o.password = "secret";
	CHECK_EQ(store_new(&good.store, loop, &o, &events, &good, NULL), 0);
	SERVE_UNTIL(loop, store_is_up(good.store));
	claim(&good, "live/x", 1);
	CHECK_EQ(good.last.err, 0);
	CHECK_EQ(bad.ups, 0);
	store_free(&good.store);
	store_free(&bad.store);
	loop_free(&loop);
	server_stop(&s);
}

/* ---- Sentinels ---- */

static void write_sentinel(char *file, size_t size, const struct server *sen,
			   const struct server *master)
{
	FILE *f;

	snprintf(file, size, "%s/sentinel.conf", sen->dir);
	f = fopen(file, "w");
	CHECK(f != NULL);
	fprintf(f,
		"port %u\nbind 127.0.0.1\ndir %s\n"
		"sentinel monitor main 127.0.0.1 %u 1\n",
		sen->port, sen->dir, master->port);
	fclose(f);
}

TEST_NO_OOM(the_master_is_found_through_a_sentinel)
{
	struct loop *loop = NULL;
	struct member a = {.id = "a"}, lost = {.id = "b"};
	struct server s, sen;
	struct store_options o;
	char file[128], url[96];

	if (!server_is_installed())
		return;
	server_make(&s);
	server_settle(&sen);
	write_sentinel(file, sizeof(file), &sen, &s);
	CHECK(server_start_as(&sen, file, "+monitor master main"));
	CHECK_EQ(loop_new(&loop), 0);
	a.loop = lost.loop = loop;
	/* Nobody answers on the first; the second is asked next. */
	snprintf(url, sizeof(url), "sentinel://127.0.0.1:%u,127.0.0.1:%u/other",
		 free_port(), sen.port);
	o = options_of(&lost, url, 'b');
	CHECK_EQ(store_new(&lost.store, loop, &o, &events, &lost, NULL), 0);
	snprintf(url, sizeof(url), "sentinel://127.0.0.1:%u,127.0.0.1:%u/main",
		 free_port(), sen.port);
	o = options_of(&a, url, 'a');
	CHECK_EQ(store_new(&a.store, loop, &o, &events, &a, NULL), 0);
	SERVE_UNTIL(loop, store_is_up(a.store));
	claim(&a, "live/x", 1);
	CHECK_EQ(a.last.err, 0);
	CHECK_EQ(lost.ups, 0);
	store_free(&a.store);
	store_free(&lost.store);
	loop_free(&loop);
	server_stop(&sen);
	server_stop(&s);
}
