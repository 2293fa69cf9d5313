/* services/dispatch/api.c - the HTTP API: lal's calls, nodes, streams, events.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "services/dispatch/internal.h"

#define CODE_OK         0
#define CODE_NOT_FOUND  404
#define CODE_NO_GROUP   1001
#define CODE_NO_PARAM   1002
#define CODE_NO_SESSION 1003

const struct log_event dispatch_api_call = {"api.call", LOG_INFO, "path peer",
					    "A call that changes something."};

/* A request that waits for other nodes. */
struct waiting {
	struct dispatch *dispatch;
	struct http_request *req;      /* NULL: it is gone */
	char name[STREAM_KEY_MAX + 1]; /* of the stream, as it was asked for */
};

static void on_gone(void *ctx)
{
	struct waiting *w = ctx;

	w->req = NULL;
}

/* Ask the nodes: for all streams, or that one; `name` is for `done`. */
static void start(struct dispatch *d, struct http_request *req, unsigned what,
		  const char *stream, const char *session_id, const char *name,
		  void (*done)(void *ctx, const struct gathered *g))
{
	struct waiting *w = calloc(1, sizeof(*w));

	d->stats.api_calls++;
	if (!w) {
		http_answer_error(req, 503, "out of memory");
		return;
	}
	w->dispatch = d;
	w->req = req;
	if (name)
		snprintf(w->name, sizeof(w->name), "%s", name);
	http_on_gone(req, on_gone, w);
	if (gather(d, what, stream, session_id, done, w) == 0)
		return;
	http_answer_error(req, 503, "out of memory");
	free(w);
}

static void add_text(struct json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, json_object_new_string(text));
}

/* Takes `o`. */
static void answer_json(struct http_request *req, struct json_object *o)
{
	http_answer_json(req, 200,
			 span_str(json_object_to_json_string_ext(
				 o, JSON_C_TO_STRING_PLAIN |
					    JSON_C_TO_STRING_NOSLASHESCAPE)));
	json_object_put(o);
}

static void answer_object(struct http_request *req, const char *name,
			  struct json_object *list)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, name, list);
	answer_json(req, o);
}

/* ---- lal: stat ---- */

static void lal_info(void *ctx, struct http_request *req)
{
	struct dispatch *d = ctx;
	struct json_object *o = json_object_new_object();
	char text[256], when[LAL_TIME_SIZE];
	struct utsname u = {.sysname = "", .machine = ""};

	d->stats.api_calls++;
	uname(&u);
	snprintf(text, sizeof(text),
		 "GitTag=v%s. GitCommitLog=%s. GitStatus=. BuildTime=. "
		 "GoVersion=none. runtime=%s/%s.",
		 svc_version(), svc_commit(), u.sysname, u.machine);
	add_text(o, "server_id", d->settings->server_id);
	add_text(o, "bin_info", text);
	snprintf(text, sizeof(text), "weir v%s", svc_version());
	add_text(o, "lal_version", text);
	add_text(o, "api_version", "v0.4.4");
	add_text(o, "notify_version", "v0.2.2");
	add_text(o, "WebUiVersion", "v0.0.3");
	lal_time(when, svc_started_utc_us(d->svc));
	add_text(o, "start_time", when);
	lal_answer(req, CODE_OK, "succ", o);
}

static struct json_object *by_stream(struct waiting *w,
				     const struct gathered *g)
{
	return lal_streams(store_copy(member_store(w->dispatch->member)), g);
}

static void on_all_group(void *ctx, const struct gathered *g)
{
	struct waiting *w = ctx;
	struct json_object *streams, *data, *list = NULL;

	if (!w->req) {
		free(w);
		return;
	}
	streams = by_stream(w, g);
	json_object_object_foreach(streams, key, entry)
	{
		(void)entry;
		if (!list)
			list = json_object_new_array();
		json_object_array_add(list, lal_group(streams, key));
	}
	data = json_object_new_object();
	json_object_object_add(data, "groups", list);
	lal_answer(w->req, CODE_OK, "succ", data);
	json_object_put(streams);
	free(w);
}

static void all_group(void *ctx, struct http_request *req)
{
	start(ctx, req, GATHER_SESSIONS | GATHER_STREAMS, NULL, NULL, NULL,
	      on_all_group);
}

static void on_group(void *ctx, const struct gathered *g)
{
	struct waiting *w = ctx;
	struct json_object *streams;
	const char *key;

	if (!w->req) {
		free(w);
		return;
	}
	streams = by_stream(w, g);
	key = lal_resolve(streams, w->name);
	if (key)
		lal_answer(w->req, CODE_OK, "succ", lal_group(streams, key));
	else
		lal_answer(w->req, CODE_NO_GROUP, "group not found", NULL);
	json_object_put(streams);
	free(w);
}

static void one_group(void *ctx, struct http_request *req)
{
	const char *name = http_query(req, "stream_name");

	/* All are gathered, for a bare name may stand for any. */
	if (!name || !*name)
		lal_answer(req, CODE_NO_PARAM, "param missing", NULL);
	else
		start(ctx, req, GATHER_SESSIONS | GATHER_STREAMS, NULL, NULL,
		      name, on_group);
}

/* ---- lal: control ---- */

static void say_kicked(struct waiting *w, const struct gathered *g)
{
	struct json_object *streams;

	if (g->kicked_count) {
		lal_say(w->req, CODE_OK, "succ");
		return;
	}
	streams = by_stream(w, g);
	if (lal_resolve(streams, w->name))
		lal_say(w->req, CODE_NO_SESSION, "session not found");
	else
		lal_say(w->req, CODE_NO_GROUP, "group not found");
	json_object_put(streams);
}

static void on_kicked(void *ctx, const struct gathered *g)
{
	struct waiting *w = ctx;

	if (w->req)
		say_kicked(w, g);
	free(w);
}

static struct json_object *body_json(struct http_request *req)
{
	struct span body = http_body(req);
	struct json_tokener *t = json_tokener_new_ex(8);
	struct json_object *o = NULL;

	if (t && body.len)
		o = json_tokener_parse_ex(t, (const char *)body.data,
					  (int)body.len);
	if (t)
		json_tokener_free(t);
	if (o && json_object_is_type(o, json_type_object))
		return o;
	json_object_put(o);
	return NULL;
}

static void kick_session(void *ctx, struct http_request *req)
{
	struct dispatch *d = ctx;
	struct json_object *o = body_json(req);
	const char *stream = o ? member_json_text(o, "stream_name") : NULL;
	const char *session = o ? member_json_text(o, "session_id") : NULL;

	logger_event(svc_log(d->svc), &dispatch_api_call,
		     kv_str("path", http_path(req)),
		     kv_addr("peer", http_peer(req)));
	if (!stream || !*stream || !session || !*session)
		lal_say(req, CODE_NO_PARAM, "param missing");
	else
		start(d, req, GATHER_KICK, NULL, session, stream, on_kicked);
	json_object_put(o);
}

static void no_page(void *ctx, struct http_request *req)
{
	(void)ctx;
	lal_say(req, CODE_NOT_FOUND,
		"page not found, check the document: docs/api.md");
}

/* ---- nodes, streams, events ---- */

struct node_list {
	struct dispatch *dispatch;
	struct json_object *list;
};

static void add_node(void *ctx, const struct node *n)
{
	struct node_list *nl = ctx;
	struct buf text = {0};
	struct json_object *o = NULL;
	struct json_tokener *t = json_tokener_new();
	bool is_self = !strcmp(n->ref.id, svc_node_id(nl->dispatch->svc));

	node_write(&text, n);
	if (t && !buf_error(&text))
		o = json_tokener_parse_ex(t, (const char *)text.data,
					  (int)text.len);
	if (t)
		json_tokener_free(t);
	buf_fini(&text);
	if (!o)
		return;
	json_object_object_add(
		o, "linked",
		json_object_new_boolean(
			is_self || bus_link_to(member_bus(nl->dispatch->member),
					       n->ref.id) != 0));
	json_object_array_add(nl->list, o);
}

static void all_nodes(void *ctx, struct http_request *req)
{
	struct node_list nl = {ctx, json_object_new_array()};

	nl.dispatch->stats.api_calls++;
	copy_each_node(store_copy(member_store(nl.dispatch->member)), NULL,
		       add_node, &nl);
	answer_object(req, "nodes", nl.list);
}

struct stream_list {
	struct json_object *streams; /* lal_streams */
	struct json_object *list;
};

static void add_position(struct json_object *o, const struct stream_entry *e)
{
	char text[UUID_TEXT_SIZE];

	json_object_object_add(o, "epoch",
			       json_object_new_uint64(e->epoch.counter));
	add_text(o, "session", uuid_text(text, &e->epoch.writer));
	json_object_object_add(o, "term",
			       json_object_new_uint64(e->term.number));
	json_object_object_add(o, "live", json_object_new_boolean(e->is_live));
	add_text(o, "writer", e->writer_node);
	add_text(o, "home", e->home_node);
	json_object_object_add(o, "start_us",
			       json_object_new_int64(e->start_us));
}

static unsigned count_viewers(struct json_object *sessions)
{
	unsigned count = 0;

	for (size_t i = 0; i < json_object_array_length(sessions); i++) {
		const char *type = member_json_text(
			json_object_array_get_idx(sessions, i), "base_type");

		count += type && !strcmp(type, "SUB");
	}
	return count;
}

/* What the ingest says of it, beside what the registry says. */
static void add_facts(struct json_object *o, struct json_object *facts)
{
	json_object_object_foreach(facts, name, value)
	{
		if (strcmp(name, "stream") != 0 &&
		    !json_object_object_get_ex(o, name, NULL))
			json_object_object_add(o, name, json_object_get(value));
	}
}

static void add_stream(void *ctx, const struct stream_entry *e)
{
	struct stream_list *sl = ctx;
	struct json_object *o, *entry, *sessions, *facts;

	if (!json_object_object_get_ex(sl->streams, e->key.text, &entry) ||
	    !json_object_object_get_ex(entry, "sessions", &sessions))
		return; /* it is over */
	o = json_object_new_object();
	add_text(o, "key", e->key.text);
	add_position(o, e);
	json_object_object_add(o, "viewers",
			       json_object_new_int64(count_viewers(sessions)));
	if (json_object_object_get_ex(entry, "stream", &facts))
		add_facts(o, facts);
	json_object_array_add(sl->list, o);
}

/* Both objects are the caller's. */
static struct stream_list list_streams(struct waiting *w,
				       const struct gathered *g)
{
	struct stream_list sl = {by_stream(w, g), json_object_new_array()};

	copy_each_stream(store_copy(member_store(w->dispatch->member)),
			 add_stream, &sl);
	return sl;
}

static void on_streams(void *ctx, const struct gathered *g)
{
	struct waiting *w = ctx;
	struct stream_list sl;

	if (w->req) {
		sl = list_streams(w, g);
		answer_object(w->req, "streams", sl.list);
		json_object_put(sl.streams);
	}
	free(w);
}

static void all_streams(void *ctx, struct http_request *req)
{
	start(ctx, req, GATHER_SESSIONS | GATHER_STREAMS, NULL, NULL, NULL,
	      on_streams);
}

/* What the browser page shows. */
static void on_page(void *ctx, const struct gathered *g)
{
	struct waiting *w = ctx;
	struct stream_list sl;
	struct json_object *o;

	if (w->req) {
		o = json_object_new_object();
		web_add_urls(o, w->dispatch, w->req);
		sl = list_streams(w, g);
		json_object_object_add(o, "streams", sl.list);
		answer_json(w->req, o);
		json_object_put(sl.streams);
	}
	free(w);
}

static void page(void *ctx, struct http_request *req)
{
	start(ctx, req, GATHER_SESSIONS | GATHER_STREAMS, NULL, NULL, NULL,
	      on_page);
}

static void on_events(void *ctx, const struct gathered *g)
{
	struct waiting *w = ctx;

	if (w->req)
		answer_object(w->req, "events", json_object_get(g->events));
	free(w);
}

static void stream_events(void *ctx, struct http_request *req)
{
	const char *stream = http_query(req, "stream");
	struct stream_key key;

	if (!stream || stream_key_from_path(&key, span_str(stream),
					    IDENTITY_PATH) != KEY_OK)
		http_answer_error(req, 400, "stream: an app/name is missing");
	else
		start(ctx, req, GATHER_EVENTS, key.text, NULL, NULL, on_events);
}

int api_routes(struct dispatch *d)
{
	const unsigned page_flags = d->settings->web_open ? HTTP_LOCAL : 0;
	const struct http_route routes[] = {
		{NULL, "/api/stat/lal_info", 0, lal_info, d},
		{NULL, "/api/stat/all_group", 0, all_group, d},
		{NULL, "/api/stat/group", 0, one_group, d},
		{"POST", "/api/ctrl/kick_session", HTTP_CONTROL, kick_session,
		 d},
		{"POST", "/api/ctrl/drain", HTTP_CONTROL, drain_node, d},
		{"GET", "/api/nodes", 0, all_nodes, d},
		{"GET", "/api/streams", 0, all_streams, d},
		{"GET", "/api/events", 0, stream_events, d},
		{"GET", "/api/page", page_flags, page, d},
		{NULL, "/**", 0, no_page, d},
	};
	struct http_route *kept = malloc(sizeof(routes));

	if (!kept)
		return WEIR_ENOMEM;
	memcpy(kept, routes, sizeof(routes));
	d->routes = kept;
	return http_server_route(d->http, kept, WEIR_ARRAY_LEN(routes));
}
