/* services/dispatch/dispatch.c - the process of a dispatch: wiring. */
#include "services/dispatch/dispatch.h"

#include <stdio.h>
#include <stdlib.h>

#include "services/dispatch/carriers.h"
#include "services/dispatch/internal.h"
#include "services/dispatch/relay.h"

const struct log_event *const dispatch_log_events[] = {
	&dispatch_api_call, &dispatch_api_open, &dispatch_api_refused, NULL};

#define S struct dispatch_stats
/* clang-format off */
static const struct stat_metric metrics[] = {
	STAT_COUNTER(S, placements, "weir_dispatch_placements_total", "count", "Origins chosen for streams."),
	STAT_COUNTER(S, resolves, "weir_dispatch_resolves_total", "count", "Questions where a stream is."),
	STAT_COUNTER(S, resolved, "weir_dispatch_resolved_total", "count", "Such questions that had an answer."),
	STAT_COUNTER(S, api_calls, "weir_dispatch_api_calls_total", "count", "Calls of the API."),
	STAT_COUNTER(S, api_refused, "weir_dispatch_api_refused_total", "count", "Requests that were refused before they were looked at."),
	STAT_COUNTER(S, census.left_out, "weir_dispatch_counts_left_out_total", "count",
		     "Counts of streams and addresses that there was no room for."),
	STAT_GAUGE(S, census.nodes, "weir_dispatch_counting_nodes", "count",
		   "Ingests and edges that tell what they count, because it has a limit."),
	STAT_GAUGE(S, census.names, "weir_dispatch_counted_names", "count", "Streams and addresses of which they tell."),
	STAT_GAUGE(S, nodes, "weir_dispatch_nodes", "count", "Nodes that are known."),
	STAT_GAUGE(S, streams, "weir_dispatch_streams", "count", "Streams that are known."),
};
/* clang-format on */
const struct stat_table dispatch_stat =
	STAT_TABLE("dispatch", "", 1, S, metrics);

/* ---- questions of the cluster ---- */

/* Where a stream is; who wants one that nobody has may start a pull, which tells
 * by itself where it is. */
static void resolve(struct dispatch *d, const struct question *q,
		    struct answer *out, int64_t now_ms)
{
	const struct stream_entry *e =
		copy_stream(store_copy(member_store(d->member)), &q->key);

	d->stats.resolves++;
	relay_wanted(d->relay, q, now_ms);
	if (!e || e->is_ended || !e->home_node[0])
		return;
	d->stats.resolved++;
	out->err = 0;
	out->is_known = true;
	out->is_live = e->is_live;
	out->epoch = e->epoch;
	out->term = e->term;
	out->start_us = e->start_us;
	out->instance = e->home_instance;
	snprintf(out->node, sizeof(out->node), "%s", e->home_node);
	snprintf(out->url, sizeof(out->url), "%s", e->home_url);
}

static void on_question(void *ctx, const struct question *q, struct answer *out,
			int64_t now_ms)
{
	struct dispatch *d = ctx;

	switch (q->kind) {
	case QUESTION_PLACE:
		d->stats.placements++;
		placer_place(d->placer, q, out, now_ms);
		break;
	case QUESTION_RESOLVE:
		resolve(d, q, out, now_ms);
		break;
	default:
		out->err = WEIR_EUNSUPPORTED;
	}
}

static bool on_call(void *ctx, struct member_call *call, const char *name,
		    struct json_object *args)
{
	struct dispatch *d = ctx;

	if (!strcmp(name, "auth") && d->hook) {
		hook_serve(d->hook, call, args);
		return true;
	}
	if (!strcmp(name, "hls_moved")) {
		struct json_object *viewers = NULL;

		json_object_object_get_ex(args, "viewers", &viewers);
		hls_pass_on(d, member_call_node(call), viewers);
		member_answer(&call, NULL);
		return true;
	}
	if (strcmp(name, "counts") != 0)
		return false;
	member_answer(&call, census_serve(d->census, member_call_node(call),
					  args, member_now_ms(d->member)));
	member_wake(d->member); /* who is silent is looked for */
	return true;
}

static void on_rules(void *ctx, int64_t now_ms)
{
	struct dispatch *d = ctx;

	(void)now_ms;
	relay_on_rules(d->relay);
}

static void on_link(void *ctx, const struct node_ref *node, bool is_up,
		    int64_t now_ms)
{
	struct dispatch *d = ctx;

	(void)now_ms;
	if (!is_up)
		census_forget(d->census, node->id);
}

static int64_t tick(void *ctx, int64_t now_ms)
{
	struct dispatch *d = ctx;

	return census_tick(d->census, now_ms);
}

static const struct member_events events = {
	.on_rules = on_rules,
	.on_question = on_question,
	.on_call = on_call,
	.on_link = on_link,
	.tick = tick,
};

/* ---- life ---- */

static void refresh(void *ctx)
{
	struct dispatch *d = ctx;
	struct copy *copy = store_copy(member_store(d->member));
	struct http_server_stats http;

	d->stats.nodes = copy_node_count(copy);
	d->stats.streams = copy_stream_count(copy);
	http_server_stats(d->http, &http);
	d->stats.api_refused = http.refused_count;
	census_read(d->census, &d->stats.census);
}

static void on_left(void *ctx)
{
	struct dispatch *d = ctx;

	svc_drained(d->svc);
}

static void on_drain(struct dispatch *d)
{
	svc_ready(d->svc, false, "draining");
	member_set_draining(d->member);
	member_leave(d->member, on_left, d);
}

static int open_api(struct dispatch *d)
{
	char text[NET_ADDR_TEXT_SIZE];
	struct net_addr addr;
	int fd, err;

	err = api_server_new(d);
	if (!err)
		err = web_new(&d->web, d);
	if (!err)
		err = api_routes(d);
	if (!err)
		err = svc_listen(d->svc, &fd, "api", d->settings->api_listen);
	if (!err)
		err = http_server_listen(d->http, fd, &addr);
	if (err)
		return err;
	net_addr_text(text, &addr);
	err = svc_add_address(d->svc, "api", text);
	if (!err && web_is_there())
		err = svc_add_address(d->svc, "web", text);
	return err ? err : member_add_address(d->member, "api", text);
}

static int open_carriers(struct dispatch *d)
{
	struct carriers_world world;

	carriers_world_of(&world, d);
	return carriers_new(&d->carriers, &world);
}

int dispatch_new(struct dispatch **out, struct svc *svc)
{
	struct dispatch *d = calloc(1, sizeof(*d));
	uint64_t seed;
	int err;

	if (!d)
		return WEIR_ENOMEM;
	d->svc = svc;
	d->settings = svc_settings(svc, &dispatch_conf);
	list_init(&d->gathers);
	io_random(&seed, sizeof(seed));
	err = placer_new(&d->placer, d, PLACE_HOMES);
	if (!err)
		err = placer_new(&d->puller, d, PLACE_PULLS);
	if (!err)
		err = open_carriers(d);
	if (!err)
		err = census_new(&d->census, NULL, seed);
	if (!err)
		err = hook_new(&d->hook, svc);
	if (!err)
		err = member_new(&d->member, svc, &events, d);
	if (!err)
		err = relay_new(&d->relay, d);
	if (!err)
		err = open_api(d);
	if (!err)
		err = stat_add(svc_stats(svc), &dispatch_stat, &d->series,
			       &d->stats, NULL);
	if (err) {
		dispatch_free(&d);
		return err;
	}
	stat_refresh_add(svc_stats(svc), &d->refresh, refresh, d);
	svc_on_drain(svc, on_drain, d);
	svc_ready(svc, true, "");
	*out = d;
	return 0;
}

void dispatch_free(struct dispatch **pd)
{
	struct dispatch *d = *pd;

	if (!d)
		return;
	if (d->refresh.fn)
		stat_refresh_remove(&d->refresh);
	stat_remove(&d->series);
	http_server_free(&d->http); /* who waits is told that it is over */
	hook_free(&d->hook);
	member_free(&d->member);
	gather_end_all(d);
	carriers_free(&d->carriers);
	census_free(&d->census);
	relay_free(&d->relay);
	placer_free(&d->placer);
	placer_free(&d->puller);
	web_free(&d->web);
	api_router_free(&d->router);
	free(d);
	*pd = NULL;
}
