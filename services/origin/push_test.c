/* services/origin/push_test.c - streams pushed to servers in the same loop. */
#include "services/origin/push.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io/conn.h"
#include "common/io/loop_wait.h"
#include "common/media/story_test.h"
#include "proto/rtmp/server.h"

#define GUESTS_MAX 16

struct site;

/* One connection of a publisher. */
struct guest {
	struct site *site;
	struct conn *conn;
	struct rtmp_server *session;
	unsigned messages;
	bool is_open, has_data, has_left;
};

/* A server that is pushed to. */
struct site {
	struct listener *listener;
	struct loop *loop;
	char url[96]; /* "rtmp://127.0.0.1:1/live/cam" */
	struct guest guest[GUESTS_MAX];
	unsigned guests, publishes;
	bool refuses;
	char name[160];    /* of the last publish, with its query */
	char via[64];      /* of the last connect */
	uint32_t first_ms; /* of the last publish's media */
};

struct scene {
	struct loop *loop;
	struct story story;
	struct ruleset *rules;
	struct pushes *pushes;
	struct stream_entry entry;
	struct home_info info;
	struct site site;
	bool is_wanted;
	unsigned queries;
	struct buf events;
	struct timer *tick;
};

/* ---- the server ---- */

static int on_send(void *ctx, struct span bytes)
{
	struct guest *g = ctx;

	return conn_send(g->conn, bytes);
}

static int on_connect(void *ctx, const struct rtmp_connect *c)
{
	struct guest *g = ctx;

	snprintf(g->site->via, sizeof(g->site->via), "%.*s", (int)c->via.len,
		 (const char *)c->via.data);
	return 0;
}

static int on_publish(void *ctx, const struct rtmp_request *r)
{
	struct guest *g = ctx;
	struct site *site = g->site;

	snprintf(site->name, sizeof(site->name), "%.*s?%.*s", (int)r->name.len,
		 (const char *)r->name.data, (int)r->query.len,
		 (const char *)r->query.data);
	site->publishes++;
	g->is_open = !site->refuses;
	return site->refuses ? rtmp_server_refuse(g->session,
						  "NetStream.Publish.BadName",
						  "taken")
			     : rtmp_server_accept_publish(g->session);
}

static int on_play(void *ctx, const struct rtmp_request *r)
{
	(void)ctx, (void)r;
	return WEIR_EUNSUPPORTED;
}

static int on_media(void *ctx, const struct rtmp_media *m)
{
	struct guest *g = ctx;

	if (m->type == RTMP_DATA)
		g->has_data = true;
	else if (!g->messages++)
		g->site->first_ms = m->timestamp_ms;
	return 0;
}

static int on_end(void *ctx, enum rtmp_end reason)
{
	struct guest *g = ctx;

	(void)reason;
	g->has_left = true;
	g->is_open = false;
	return 0;
}

static int64_t on_data(void *ctx, struct span in)
{
	struct guest *g = ctx;
	size_t used = 0;
	int err = rtmp_server_feed(g->session, in, &used);

	return err ? err : (int64_t)used;
}

static void on_close(void *ctx, int reason)
{
	struct guest *g = ctx;

	(void)reason;
	g->is_open = false;
	conn_free(&g->conn);
}

static void on_accepted(struct site *site, int fd, const struct net_addr *addr)
{
	static const struct conn_ops ops = {.on_data = on_data,
					    .on_close = on_close};
	struct guest *g = &site->guest[site->guests++ % GUESTS_MAX];
	const struct rtmp_server_events events = {
		g, on_send, on_connect, on_publish, on_play, on_media, on_end};

	(void)addr;
	conn_free(&g->conn);
	rtmp_server_free(&g->session);
	*g = (struct guest){.site = site};
	CHECK_EQ(rtmp_server_new(&g->session, &events, 1, 2), 0);
	CHECK_EQ(conn_new(&g->conn, site->loop, fd, NULL, &ops, g), 0);
}

static void site_open(struct site *site, struct loop *loop, unsigned port)
{
	struct net_addr addr;
	char text[32];
	int fd;

	site->loop = loop;
	snprintf(text, sizeof(text), "127.0.0.1:%u", port);
	CHECK_EQ(net_addr_parse(&addr, text), 0);
	CHECK_EQ(net_listen(&fd, &addr), 0);
	CHECK_EQ(net_local_addr(&addr, fd), 0);
	CHECK_EQ(listener_new(&site->listener, loop, fd, NULL, on_accepted,
			      site),
		 0);
	snprintf(site->url, sizeof(site->url), "rtmp://127.0.0.1:%u/live",
		 net_addr_port(&addr));
}

/* It dies, with all its connections. */
static void site_close(struct site *site)
{
	listener_free(&site->listener);
	for (size_t i = 0; i < GUESTS_MAX; i++) {
		conn_free(&site->guest[i].conn);
		rtmp_server_free(&site->guest[i].session);
		site->guest[i].is_open = false;
	}
}

/* The one that publishes now; NULL: none. */
static struct guest *open_guest(struct site *site)
{
	for (size_t i = 0; i < GUESTS_MAX; i++)
		if (site->guest[i].is_open)
			return &site->guest[i];
	return NULL;
}

static bool has_media(struct site *site, unsigned messages)
{
	const struct guest *g = open_guest(site);

	return g && g->messages >= messages;
}

/* ---- the home ---- */

static void on_tick(struct scene *s)
{
	(void)s;
}

/* What is due by now is done. */
static void settle(struct scene *s)
{
	timer_start(s->tick, 1);
	CHECK(LOOP_UNTIL(s->loop, !timer_is_running(s->tick)));
}

static const struct ruleset *rules(void *ctx)
{
	struct scene *s = ctx;

	return s->rules;
}

static void want(void *ctx, const struct stream_key *key, bool wants)
{
	struct scene *s = ctx;

	CHECK_STR(key->text, "live/cam");
	s->is_wanted = wants;
}

static bool ask_query(void *ctx, const struct stream_key *key,
		      const char *writer_node)
{
	struct scene *s = ctx;

	CHECK_STR(key->text, "live/cam");
	CHECK_STR(writer_node, "ingest-1");
	s->queries++;
	return true;
}

static void event(void *ctx, const struct stream_key *key, const char *what,
		  enum reason why, const char *detail)
{
	struct scene *s = ctx;

	(void)key, (void)detail;
	buf_printf(&s->events, "%s %s\n", what, reason_name((int)why));
}

static void set_rules(struct scene *s, const char *more)
{
	struct buf json = {0};

	buf_printf(&json,
		   "[{\"kind\":\"push\",\"id\":\"a\",\"streams\":\"live/*\","
		   "\"urls\":[\"%s/$name\"]%s}]",
		   s->site.url, more);
	CHECK_EQ(ruleset_load(s->rules, RULES_SETTINGS, buf_span(&json), NULL),
		 0);
	buf_fini(&json);
}

static void begin_with(struct scene *s, const char *more, uint32_t retry_max_ms,
		       uint32_t refused_ms)
{
	const struct push_limits limits = {
		.connect_ms = 5000,
		.retry_ms = 10,
		.retry_max_ms = retry_max_ms,
		.refused_ms = refused_ms,
		.max_lag_ms = 2000,
		.stall_ms = 200,
		.max = 10,
	};
	const struct push_world world = {
		.cluster = "paris",
		.ctx = s,
		.rules = rules,
		.want = want,
		.ask_query = ask_query,
		.event = event,
	};
	struct push_world w = world;

	*s = (struct scene){0};
	CHECK_EQ(loop_new(&s->loop), 0);
	CHECK_EQ(timer_new(&s->tick, s->loop, on_tick, s), 0);
	w.loop = s->loop;
	site_open(&s->site, s->loop, 0);
	CHECK_EQ(ruleset_new(&s->rules, 1), 0);
	set_rules(s, more);
	CHECK(story_begin(&s->story, true, false));
	s->story.ms = 5000;
	snprintf(s->entry.key.text, sizeof(s->entry.key.text), "live/cam");
	snprintf(s->entry.writer_node, sizeof(s->entry.writer_node),
		 "ingest-1");
	s->entry.epoch.counter = 1;
	s->info = (struct home_info){
		.key = &s->entry.key,
		.entry = &s->entry,
		.log = s->story.log,
		.is_home = true,
		.has_writer = true,
	};
	CHECK_EQ(pushes_new(&s->pushes, &w, &limits), 0);
}

static void begin(struct scene *s, const char *more)
{
	begin_with(s, more, 40, 0);
}

static void finish(struct scene *s)
{
	pushes_free(&s->pushes);
	site_close(&s->site);
	ruleset_free(&s->rules);
	log_free(&s->story.log);
	buf_fini(&s->events);
	timer_free(&s->tick);
	loop_free(&s->loop);
}

static void gop(struct scene *s, unsigned frames)
{
	for (unsigned i = 0; i < frames; i++) {
		CHECK(story_media(&s->story, FRAME_VIDEO, i == 0, 100));
		s->story.ms += 40;
	}
}

static void start(struct scene *s, const char *more)
{
	begin(s, more);
	gop(s, 5);
	pushes_on_change(s->pushes, &s->info);
	CHECK(LOOP_UNTIL(s->loop, has_media(&s->site, 6)));
}

static struct json_object *first_json(struct scene *s, struct json_object **all)
{
	struct member_page page = {.list = json_object_new_array()};

	pushes_json(s->pushes, NULL, &page);
	*all = page.list;
	CHECK_EQ(json_object_array_length(page.list), 1);
	return json_object_array_get_idx(page.list, 0);
}

static void check_text(struct json_object *o, const char *name,
		       const char *text)
{
	CHECK_STR(member_json_text(o, name), text);
}

#define WANTING ",\"keep_pull\":true"

/* TEST_NO_OOM: the other end of each is a real socket, which waits for us. */

TEST_NO_OOM(a_stream_that_a_rule_names_is_pushed_and_wanted)
{
	struct scene s;
	struct push_stats stats;
	struct json_object *all, *o;

	start(&s, WANTING);
	CHECK(open_guest(&s.site)->has_data);
	CHECK_STR(s.site.name, "cam?");
	CHECK_STR(s.site.via, "paris");
	CHECK_EQ(s.site.first_ms, 5000);
	CHECK(s.is_wanted);
	set_rules(&s, ""); /* a pattern */
	pushes_on_rules(s.pushes);
	settle(&s);
	CHECK(!s.is_wanted);
	CHECK_EQ(s.queries, 0);
	gop(&s, 5);
	CHECK(LOOP_UNTIL(s.loop, has_media(&s.site, 11)));
	pushes_stats(s.pushes, &stats);
	CHECK_EQ(stats.running, 1);
	CHECK_EQ(stats.attempts, 1);
	CHECK_EQ(stats.frames, 10);
	o = first_json(&s, &all);
	check_text(o, "state", "runs");
	check_text(o, "stream", "live/cam");
	check_text(o, "rule", "a");
	check_text(o, "detail", "");
	CHECK_EQ(member_json_int(o, "frames"), 10);
	CHECK(member_json_int(o, "wrote_bytes") > 1000);
	json_object_put(all);
	finish(&s);
}

TEST_NO_OOM(a_server_is_dialed_once_there_is_something_to_begin_with)
{
	struct scene s;

	begin(&s, WANTING);
	pushes_on_change(s.pushes, &s.info);
	settle(&s);
	CHECK_EQ(s.site.guests, 0);
	CHECK(s.is_wanted);
	gop(&s, 5);
	CHECK(LOOP_UNTIL(s.loop, has_media(&s.site, 6)));
	finish(&s);
}

TEST_NO_OOM(other_streams_and_copies_are_not_pushed)
{
	struct scene s;
	struct push_stats stats;

	begin(&s, "");
	gop(&s, 5);
	s.info.is_home = false;
	pushes_on_change(s.pushes, &s.info);
	s.info.is_home = true;
	snprintf(s.entry.key.text, sizeof(s.entry.key.text), "other/cam");
	pushes_on_change(s.pushes, &s.info);
	settle(&s);
	pushes_stats(s.pushes, &stats);
	CHECK_EQ(stats.attempts, 0);
	CHECK(!s.is_wanted);
	finish(&s);
}

TEST_NO_OOM(when_the_home_goes_the_server_is_told_that_the_publisher_leaves)
{
	struct scene s;
	struct guest *g;

	start(&s, WANTING);
	g = open_guest(&s.site);
	s.info.is_home = false;
	pushes_on_change(s.pushes, &s.info);
	log_free(&s.story.log); /* nobody looks at it any more */
	CHECK(LOOP_UNTIL(s.loop, g->has_left && !g->conn));
	CHECK(!s.is_wanted);
	CHECK_EQ(s.site.publishes, 1);
	finish(&s);
}

TEST_NO_OOM(a_server_that_dies_and_comes_back_is_pushed_to_again)
{
	struct scene s;
	struct push_stats stats;
	unsigned port;

	start(&s, "");
	port = (unsigned)strtoul(strrchr(s.site.url, ':') + 1, NULL, 10);
	site_close(&s.site);
	CHECK(LOOP_UNTIL(s.loop,
			 (pushes_stats(s.pushes, &stats), stats.failures > 3)));
	gop(&s, 5);
	site_open(&s.site, s.loop, port);
	CHECK(LOOP_UNTIL(s.loop, has_media(&s.site, 6)));
	CHECK_EQ(s.site.publishes, 2);
	CHECK_EQ(s.site.first_ms, 5200); /* time goes on */
	pushes_stats(s.pushes, &stats);
	CHECK_EQ(stats.running, 1);
	if (!buf_error(&s.events))
		CHECK(strstr(buf_text(&s.events), "push.end remote_lost\n"));
	finish(&s);
}

TEST_NO_OOM(a_refusal_is_shown_in_the_servers_words_and_tried_again)
{
	struct scene s;
	struct json_object *all, *o;
	struct push_stats stats;

	begin(&s, "");
	s.site.refuses = true;
	gop(&s, 5);
	pushes_on_change(s.pushes, &s.info);
	CHECK(LOOP_UNTIL(s.loop, s.site.publishes >= 3));
	CHECK(LOOP_UNTIL(
		s.loop, (pushes_stats(s.pushes, &stats), stats.failures >= 2)));
	o = first_json(&s, &all);
	check_text(o, "reason", "remote_refused");
	check_text(o, "detail", "NetStream.Publish.BadName: taken");
	json_object_put(all);
	if (!buf_error(&s.events)) /* said once */
		CHECK_STR(buf_text(&s.events), "push.failed remote_refused\n");
	s.site.refuses = false;
	CHECK(LOOP_UNTIL(s.loop, has_media(&s.site, 6)));
	finish(&s);
}

static int64_t attempts(struct scene *s)
{
	struct push_stats stats;

	pushes_stats(s->pushes, &stats);
	return (int64_t)stats.attempts;
}

/* The pause behind so many refusals. */
static int64_t pause_ms(struct scene *s, unsigned refusals)
{
	struct json_object *all, *o;
	struct push_stats stats;
	int64_t ms;

	CHECK(LOOP_UNTIL(s->loop, (pushes_stats(s->pushes, &stats),
				   stats.failures >= refusals)));
	settle(s);
	o = first_json(s, &all);
	check_text(o, "state", "pauses");
	ms = member_json_int(o, "retry_in_ms");
	json_object_put(all);
	return ms;
}

TEST_NO_OOM(
	a_server_that_refuses_is_asked_often_at_first_for_a_home_may_be_frozen)
{
	struct scene s;

	begin_with(&s, "", 60000, 60000);
	s.site.refuses = true;
	gop(&s, 5);
	pushes_on_change(s.pushes, &s.info);
	CHECK(pause_ms(&s, 6) <= 20); /* twice the first */
	CHECK_EQ(attempts(&s), 6);
	s.site.refuses = false;
	CHECK(LOOP_UNTIL(s.loop, has_media(&s.site, 6)));
	finish(&s);
	begin_with(&s, "", 60000, 0);
	s.site.refuses = true;
	gop(&s, 5);
	pushes_on_change(s.pushes, &s.info);
	CHECK(pause_ms(&s, 5) > 100);
	finish(&s);
}

TEST_NO_OOM(a_rule_that_goes_ends_its_push_and_one_that_comes_begins_it)
{
	struct scene s;
	struct guest *g;

	start(&s, WANTING);
	g = open_guest(&s.site);
	CHECK_EQ(ruleset_load(s.rules, RULES_SETTINGS, SPAN_LIT("[]"), NULL),
		 0);
	pushes_on_rules(s.pushes);
	pushes_on_change(s.pushes, &s.info);
	CHECK(LOOP_UNTIL(s.loop, g->has_left));
	CHECK(!s.is_wanted);
	set_rules(&s, WANTING);
	pushes_on_rules(s.pushes);
	pushes_on_change(s.pushes, &s.info);
	CHECK(LOOP_UNTIL(s.loop, has_media(&s.site, 6)));
	CHECK(s.is_wanted);
	finish(&s);
}

TEST_NO_OOM(the_publishers_query_is_asked_for_and_goes_along)
{
	struct scene s;

	begin(&s, ",\"forward_query\":true");
	gop(&s, 5);
	pushes_on_change(s.pushes, &s.info);
	settle(&s);
	CHECK_EQ(s.queries, 1);
	CHECK_EQ(s.site.guests, 0);
	pushes_on_query(s.pushes, s.info.key, "a=1&lal_secret=x");
	CHECK(LOOP_UNTIL(s.loop, has_media(&s.site, 6)));
	CHECK_STR(s.site.name, "cam?a=1");
	CHECK_EQ(s.queries, 1);
	finish(&s);
}

TEST_NO_OOM(while_the_publisher_is_away_the_push_stays_and_none_is_begun)
{
	struct scene s;
	struct push_stats stats;

	start(&s, WANTING);
	s.info.has_writer = false;
	pushes_on_change(s.pushes, &s.info);
	settle(&s);
	pushes_stats(s.pushes, &stats);
	CHECK_EQ(stats.running, 1);
	CHECK(s.is_wanted);
	conn_abort(open_guest(&s.site)->conn, WEIR_ECLOSED);
	CHECK(LOOP_UNTIL(s.loop,
			 (pushes_stats(s.pushes, &stats), stats.failures > 0)));
	CHECK_EQ(s.site.publishes, 1);
	s.info.has_writer = true;
	pushes_on_change(s.pushes, &s.info);
	CHECK(LOOP_UNTIL(s.loop, has_media(&s.site, 6)));
	CHECK_EQ(s.site.publishes, 2);
	finish(&s);
}

TEST_NO_OOM(what_is_being_validated_is_not_sent)
{
	struct scene s;
	unsigned before;

	start(&s, "");
	s.info.is_silenced = true;
	pushes_on_change(s.pushes, &s.info);
	settle(&s);
	before = open_guest(&s.site)->messages;
	gop(&s, 5);
	settle(&s);
	CHECK_EQ(open_guest(&s.site)->messages, before);
	s.info.is_silenced = false;
	pushes_on_change(s.pushes, &s.info);
	CHECK(LOOP_UNTIL(s.loop, has_media(&s.site, before + 5)));
	finish(&s);
}

static bool has_failed(struct scene *s)
{
	struct push_stats stats;

	pushes_stats(s->pushes, &stats);
	return stats.failures > 0;
}

static bool has_skipped(struct scene *s)
{
	struct push_stats stats;

	for (int i = 0; i < 4; i++) {
		CHECK(story_media(&s->story, FRAME_VIDEO, i == 0, 100000));
		s->story.ms += 400;
	}
	pushes_stats(s->pushes, &stats);
	return stats.skipped > 0;
}

TEST_NO_OOM(
	a_server_that_takes_too_little_is_moved_on_and_one_that_takes_none_left)
{
	struct scene s;

	start(&s, "");
	conn_pause(open_guest(&s.site)->conn);
	CHECK(LOOP_UNTIL(s.loop, has_skipped(&s)));
	CHECK(LOOP_UNTIL(s.loop, (has_skipped(&s), has_failed(&s))));
	if (!buf_error(&s.events)) {
		CHECK(strstr(buf_text(&s.events), "push.skip lag\n"));
		CHECK(strstr(buf_text(&s.events), "push.end timeout\n"));
	}
	finish(&s);
}
