/* services/edge/edge.c - the process of an edge: wiring. */
#include "services/edge/edge.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/access/conf.h"
#include "common/member/session_page.h"
#include "services/edge/internal.h"

#define TICK_MS         250
#define DRAIN_ROUND_MS  50
#define JOIN_SPACING_MS 100
#define CROWD           256 /* connections whose memory is worth it */
#define LAG_SPARE_MS    250 /* by then who lags too far has been moved */

const struct stat_table *const edge_stats_tables[] = {
	&edge_stat,         &edge_skip_stat,
	&edge_reason_stat,  &edge_protocol_stat,
	&edge_hls_stat,     &gate_stat,
	&gate_counts_stat,  &member_bus_stat,
	&member_store_stat, NULL};

/* ---- what the cluster says ---- */

static void on_link(void *ctx, const struct node_ref *node, bool is_up,
		    int64_t now_ms)
{
	struct edge *e = ctx;

	if (!strcmp(node->role, "origin"))
		followers_on_link(e->followers, node, is_up, now_ms);
}

static int on_record(void *ctx, link_id link, const struct record *r,
		     int64_t now_ms)
{
	struct edge *e = ctx;

	return followers_on_record(e->followers, link, r, now_ms);
}

static void on_ahead(void *ctx, link_id link, const uint32_t *sids,
		     size_t count)
{
	struct edge *e = ctx;

	(void)link;
	followers_ahead(e->followers, sids, count);
}

static int on_frame(void *ctx, link_id link, uint16_t type, uint32_t sid,
		    uint64_t term_number, struct frame *f, int64_t now_ms)
{
	struct edge *e = ctx;

	return followers_on_frame(e->followers, link, type, sid, term_number, f,
				  now_ms);
}

static bool on_answer(void *ctx, uint64_t tag, const struct answer *a,
		      int64_t now_ms)
{
	struct edge *e = ctx;

	return followers_on_answer(e->followers, tag, a, now_ms);
}

static void on_entry(void *ctx, const struct stream_entry *entry,
		     int64_t now_ms)
{
	struct edge *e = ctx;

	followers_on_entry(e->followers, entry, now_ms);
}

static int64_t tick(void *ctx, int64_t now_ms)
{
	struct edge *e = ctx;

	return followers_tick(e->followers, now_ms);
}

static uint64_t sent_bytes(const struct edge *e)
{
	return e->stats.sent_bytes + edge_hls_sent_bytes(e->hls);
}

static void on_load(void *ctx, struct node_load *load)
{
	struct edge *e = ctx;

	streams_measure(e->streams);
	load->streams = (uint32_t)e->stats.streams;
	load->viewers = (uint32_t)edge_viewers(&e->stats);
	load->out_bps += (sent_bytes(e) - e->sent_before) * 8;
	e->sent_before = sent_bytes(e);
	gate_on_load(e->gate, load);
	load->is_full = gate_is_full(e->gate, ACCESS_PLAY) ||
			load->viewers >= (uint64_t)e->settings->viewers_max;
}

static void on_rules(void *ctx, int64_t now_ms)
{
	struct edge *e = ctx;

	(void)now_ms;
	gate_on_rules(e->gate);
}

/* ---- calls of dispatch ---- */

static void add_session(void *ctx, struct session *s)
{
	struct member_page *page = ctx;

	if (member_page_takes(page))
		json_object_array_add(page->list, session_json(s));
}

static struct json_object *sessions_json(struct edge *e,
					 struct json_object *args)
{
	const char *stream = member_json_text(args, "stream");
	struct json_object *o = json_object_new_object();
	struct member_page page = {
		.list = json_object_new_array(),
		.from = WEIR_MAX(member_json_int(args, "from"), 0),
	};

	door_each_session(e->rtmp, stream, add_session, &page);
	door_each_session(e->http, stream, add_session, &page);
	edge_hls_each_session(e->hls, stream, add_session, &page);
	json_object_object_add(o, "sessions", page.list);
	member_page_end(&page, o);
	return o;
}

static struct json_object *some_sessions_json(struct edge *e,
					      struct json_object *args)
{
	struct session_page page;

	if (session_page_begin(&page, args))
		return NULL;
	door_each_session(e->rtmp, page.stream, session_page_offer, &page);
	door_each_session(e->http, page.stream, session_page_offer, &page);
	edge_hls_each_session(e->hls, page.stream, session_page_offer, &page);
	return session_page_end(&page);
}

static struct json_object *kick(struct edge *e, struct json_object *args)
{
	const struct gate_match who = gate_match_of(args);

	edge_hls_kicked(e->hls, &who);
	return gate_kick_json(e->gate, args);
}

static bool on_call(void *ctx, struct member_call *call, const char *name,
		    struct json_object *args)
{
	struct edge *e = ctx;

	if (!strcmp(name, "sessions")) {
		member_answer(&call, session_page_is_asked(args)
					     ? some_sessions_json(e, args)
					     : sessions_json(e, args));
		return true;
	}
	if (!strcmp(name, "hls_moved")) {
		edge_hls_moved(e->hls, args);
		member_answer(&call, NULL);
		return true;
	}
	if (strcmp(name, "kick"))
		return false;
	member_answer(&call, kick(e, args));
	return true;
}

static const struct member_events events = {
	.on_link = on_link,
	.on_record = on_record,
	.on_frame = on_frame,
	.on_ahead = on_ahead,
	.on_answer = on_answer,
	.on_entry = on_entry,
	.tick = tick,
	.on_call = on_call,
	.on_load = on_load,
	.on_rules = on_rules,
};

/* ---- what the streams say ---- */

static void on_stream_event(void *ctx, const struct stream_key *key,
			    const char *what, enum reason why,
			    const char *detail)
{
	struct edge *e = ctx;

	member_event(e->member, key, what, why, detail);
}

static void on_visit(void *ctx, const struct stream_key *key,
		     const struct event_visit *v)
{
	struct edge *e = ctx;

	member_visit(e->member, key, v);
}

static void on_stream_work(void *ctx)
{
	struct edge *e = ctx;

	member_wake(e->member);
}

static const struct streams_events streams_events = {
	.on_event = on_stream_event,
	.on_visit = on_visit,
	.on_work = on_stream_work,
};

bool edge_put_elsewhere(struct edge *e, struct buf *out,
			const struct elsewhere_request *rq)
{
	const struct elsewhere_self self = {
		.copy = e->passer.copy,
		.id = e->id,
		.zone = e->zone,
	};
	uint64_t seed;
	bool is_there;

	io_random(&seed, sizeof(seed));
	is_there = elsewhere_put(out, &self, rq, seed);
	e->stats.sent_on += is_there;
	return is_there;
}

struct search {
	char *out;
	size_t size;
};

static void look_for_ingest(void *ctx, const struct node *n)
{
	struct search *s = ctx;
	const char *addr = node_address(n, "rtmp");

	if (addr && !n->is_draining && !*s->out)
		snprintf(s->out, s->size, "%s", addr);
}

void edge_ingest_address(struct edge *e, char *out, size_t size)
{
	struct search s = {out, size};

	*out = '\0';
	copy_each_node(store_copy(member_store(e->member)), "ingest",
		       look_for_ingest, &s);
}

/* ---- time ---- */

/* After a crowd has left, its memory goes back to the system, which the C
 * library would not do by itself. */
static void shed_memory(struct edge *e)
{
	uint64_t now = e->stats.connections;

	e->most_connections = WEIR_MAX(e->most_connections, now);
	if (e->most_connections < CROWD || now > e->most_connections / 2)
		return;
	e->most_connections = now;
	malloc_trim(0);
}

static void on_tick(struct edge *e)
{
	uint64_t now_ms = loop_now_ms(e->loop);

	shed_memory(e);
	door_tick(e->rtmp, now_ms);
	door_tick(e->http, now_ms);
	streams_tick(e->streams, now_ms);
}

static void sample(void *ctx, struct session *s)
{
	const uint64_t *now_ms = ctx;

	session_sample(s, *now_ms);
}

static void on_sample(struct edge *e)
{
	uint64_t now_ms = loop_now_ms(e->loop);

	door_each_session(e->rtmp, NULL, sample, &now_ms);
	door_each_session(e->http, NULL, sample, &now_ms);
	edge_hls_each_session(e->hls, NULL, sample, &now_ms);
}

static void refresh(void *ctx)
{
	struct edge *e = ctx;

	streams_measure(e->streams);
	web_measure(e->web);
}

/* ---- the end ---- */

static void on_left(void *ctx)
{
	struct edge *e = ctx;

	svc_drained(e->svc);
}

static void end_due(struct edge *e)
{
	const struct svc_cluster_settings *cluster =
		svc_settings(e->svc, &svc_cluster_conf);
	uint64_t elapsed_ms = loop_now_ms(e->loop) - e->drain_ms;
	size_t due = svc_drain_due(cluster, e->drain_total, elapsed_ms);
	size_t count = due - WEIR_MIN(e->drain_done, due);
	size_t ended = door_end_some(e->rtmp, count, REASON_draining);

	ended += door_end_some(e->http, count - ended, REASON_draining);
	e->drain_done += ended;
}

static void on_drain_round(struct edge *e)
{
	end_due(e);
	if (e->stats.connections > e->stats.half_open || e->is_leaving)
		return;
	e->is_leaving = true;
	timer_stop(e->drain);
	member_leave(e->member, on_left, e);
}

/* Viewers are closed in groups, so that they do not all ask elsewhere at once.
 */
static void on_drain(struct edge *e)
{
	svc_ready(e->svc, false, "draining");
	e->is_draining = true;
	member_set_draining(e->member);
	door_close(e->rtmp);
	door_close(e->http);
	e->drain_ms = loop_now_ms(e->loop);
	e->drain_total = door_guests(e->rtmp) + door_guests(e->http);
	timer_repeat(e->drain, DRAIN_ROUND_MS);
	on_drain_round(e);
}

/* ---- life ---- */

static struct streams_limits streams_limits(const struct edge_settings *s)
{
	return (struct streams_limits){
		.fanout =
			{
				.wire =
					{
						.retain_ms =
							(uint32_t)s
								->viewer_max_lag_ms +
							LAG_SPARE_MS,
						.max_bytes =
							(uint64_t)s
								->gop_max_bytes,
						.audio_join_ms =
							(uint32_t)s
								->audio_join_ms,
					},
				.wires_max = (uint32_t)s->wire_logs_per_stream,
				.max_lag_ms = (uint32_t)s->viewer_max_lag_ms,
				.slow_ms = (uint32_t)s->slow_viewer_timeout_ms,
				.keep_idle_ms = (uint32_t)s->idle_keep_ms,
			},
		.streams_max = (uint32_t)s->streams_max,
		.idle_keep_ms = (uint32_t)s->idle_keep_ms,
		.latency_budget_ms = (uint32_t)s->latency_budget_ms,
	};
}

static int start_streams(struct edge *e)
{
	const struct edge_settings *s = e->settings;
	const struct log_limits log = {
		.retain_ms = (uint32_t)s->audio_join_ms,
		.retain_bytes = (uint64_t)s->gop_max_bytes,
		.gop_max_bytes = (uint64_t)s->gop_max_bytes,
		.join_spacing_ms = JOIN_SPACING_MS,
	};
	const struct streams_limits limits = streams_limits(s);
	uint64_t seed;
	int err;

	io_random(&seed, sizeof(seed));
	e->passer.copy = store_copy(member_store(e->member));
	crowd_init(&e->crowd, (size_t)s->per_ip_max, seed);
	err = followers_new(&e->followers, member_world(e->member), &log);
	return err ? err
		   : streams_new(&e->streams, e->loop, e->followers, &limits,
				 &e->stats, seed, &streams_events, e);
}

static int start_timers(struct edge *e)
{
	int err = timer_new(&e->tick, e->loop, on_tick, e);

	if (!err)
		err = timer_new(&e->sample, e->loop, on_sample, e);
	if (!err)
		err = timer_new(&e->drain, e->loop, on_drain_round, e);
	if (err)
		return err;
	timer_repeat(e->tick, TICK_MS);
	timer_repeat(e->sample, SESSION_SAMPLE_MS);
	return 0;
}

/* An own port is better to be told of than the public one, behind which others
 * listen too. */
static int tell_address(struct edge *e, const char *name,
			const struct net_addr *bound)
{
	char text[NET_ADDR_TEXT_SIZE];
	int err;

	net_addr_text(text, bound);
	err = svc_add_address(e->svc, name, text);
	return err ? err : member_add_address(e->member, name, text);
}

static int listen_public(struct edge *e, struct door *d, const char *name,
			 const char *listen, struct tls_identity *identity,
			 struct net_addr *bound)
{
	int fd, err = svc_listen(e->svc, &fd, name, listen);

	if (err == WEIR_ENOENT)
		return 0; /* nothing passed, nothing set */
	return err ? err : door_listen(d, fd, identity, bound);
}

static int listen_own(struct door *d, const char *listen,
		      struct net_addr *bound)
{
	struct net_addr addr;
	int fd, err;

	if (!*listen)
		return 0;
	err = net_addr_parse(&addr, listen);
	if (!err)
		err = net_listen(&fd, &addr);
	return err ? err : door_listen(d, fd, NULL, bound);
}

/* The same door, for who comes by TLS. */
static int listen_tls(struct edge *e, struct door *d, const char *name,
		      const char *listen)
{
	struct net_addr bound = {0};
	int err;

	if (!e->tls)
		return 0;
	err = listen_public(e, d, name, listen, e->tls, &bound);
	if (!err && bound.len)
		err = tell_address(e, name, &bound);
	if (err)
		logger_event(e->log, &edge_failed, kv_str("what", name),
			     kv_err("why", err));
	return err;
}

static int open_door(struct edge *e, struct door **out,
		     const struct door_ops *ops, const char *listen,
		     const char *own_listen)
{
	struct net_addr bound = {0};
	int err = door_new(out, e, ops);

	if (!err)
		err = listen_public(e, *out, ops->name, listen, NULL, &bound);
	if (!err)
		err = listen_own(*out, own_listen, &bound);
	if (!err && bound.len)
		err = tell_address(e, ops->name, &bound);
	if (err)
		logger_event(e->log, &edge_failed, kv_str("what", ops->name),
			     kv_err("why", err));
	return err;
}

static int open_tls(struct edge *e)
{
	const struct edge_settings *s = e->settings;
	char why[SVC_WHY_SIZE] = "";
	int err = edge_load_identity(&e->tls, s, why);

	if (err)
		logger_event(e->log, &edge_failed, kv_str("what", "tls"),
			     kv_str("why", why));
	if (!err)
		err = listen_tls(e, e->rtmp, "rtmps", s->rtmps_listen);
	if (!err)
		err = listen_tls(e, e->http, "https", s->https_listen);
	return err;
}

static int start(struct edge *e)
{
	const struct access_settings *access =
		svc_settings(e->svc, &access_conf);
	int err = member_new(&e->member, e->svc, &events, e);

	if (!err)
		err = gate_new(&e->gate, e->svc, e->member);
	if (!err)
		err = start_streams(e);
	if (!err)
		err = web_new(&e->web, e, (unsigned)access->webhook_timeout_ms);
	if (!err)
		err = edge_hls_new(&e->hls, e);
	if (!err)
		err = open_door(e, &e->rtmp, &door_rtmp,
				e->settings->rtmp_listen,
				e->settings->rtmp_own_listen);
	if (!err)
		err = open_door(e, &e->http, &door_http,
				e->settings->http_listen,
				e->settings->http_own_listen);
	if (!err)
		err = open_tls(e);
	if (!err)
		err = start_timers(e);
	if (!err)
		err = edge_stat_add(svc_stats(e->svc), &e->series, &e->stats);
	if (!err)
		stat_refresh_add(svc_stats(e->svc), &e->refresh, refresh, e);
	return err;
}

int edge_new(struct edge **out, struct svc *svc)
{
	const struct svc_cluster_settings *cluster =
		svc_settings(svc, &svc_cluster_conf);
	const struct member_cluster_settings *rules =
		svc_settings(svc, &member_cluster_conf);
	struct edge *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return WEIR_ENOMEM;
	e->svc = svc;
	e->loop = svc_loop(svc);
	e->log = svc_log(svc);
	e->settings = svc_settings(svc, &edge_conf);
	e->identity = (enum stream_identity)cluster->stream_identity;
	e->cluster = cluster->id;
	e->id = svc_node_id(svc);
	e->zone = rules->zone;
	e->origins = (struct http_origins){e->settings->http_origins.item,
					   e->settings->http_origins.count};
	err = start(e);
	if (err) {
		edge_free(&e);
		return err;
	}
	svc_on_drain(svc, on_drain, e);
	svc_ready(svc, true, "");
	*out = e;
	return 0;
}

void edge_free(struct edge **pe)
{
	struct edge *e = *pe;

	if (!e)
		return;
	if (e->refresh.fn)
		stat_refresh_remove(&e->refresh);
	edge_stat_remove(&e->series);
	web_free(&e->web); /* its requests may still go to a door */
	edge_hls_free(&e->hls);
	door_free(&e->rtmp);
	door_free(&e->http);
	tls_identity_free(&e->tls);
	timer_free(&e->tick);
	timer_free(&e->sample);
	timer_free(&e->drain);
	streams_free(&e->streams);
	followers_free(&e->followers);
	crowd_fini(&e->crowd);
	gate_free(&e->gate);
	member_free(&e->member);
	free(e);
	*pe = NULL;
}
