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
	struct http_request *req; /* NULL: it is gone */
	char stream[STREAM_KEY_MAX + 1];
};

static void on_gone(void *ctx)
{
	struct waiting *w = ctx;

	w->req = NULL;
}

static void start(struct dispatch *d, struct http_request *req, unsigned what,
		  const char *stream, const char *session_id,
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
	if (stream)
		snprintf(w->stream, sizeof(w->stream), "%s", stream);
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

static void answer_object(struct http_request *req, const char *name,
			  struct json_object *list)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, name, list);
	http_answer_json(req, 200,
			 span_str(json_object_to_json_string_ext(
				 o, JSON_C_TO_STRING_PLAIN)));
	json_object_put(o);
}

/* ---- lal: stat ---- */

static void lal_info(void *ctx, struct http_request *req)
{
	struct dispatch *d = ctx;
	struct json_object *o = json_object_new_object();
	char text[256], when[IO_UTC_TEXT_SIZE];
	struct utsname u = {.sysname = "", .machine = ""};

	d->stats.api_calls++;
	uname(&u);
	io_utc_text(when, svc_started_utc_us(d->svc));
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
	add_text(o, "start_time", when);
	lal_answer(req, CODE_OK, "succ", o);
}

static void on_all_group(void *ctx, const struct gathered *g)
{
	struct waiting *w = ctx;
	struct json_object *data, *list = NULL, *keys;

	if (!w->req) {
		free(w);
		return;
	}
	keys = lal_keys(w->dispatch, g);
	for (size_t i = 0; i < json_object_array_length(keys); i++) {
		if (!list)
			list = json_object_new_array();
		json_object_array_add(
			list,
			lal_group(w->dispatch,
				  json_object_get_string(
					  json_object_array_get_idx(keys, i)),
				  g));
	}
	json_object_put(keys);
	data = json_object_new_object();
	json_object_object_add(data, "groups", list);
	lal_answer(w->req, CODE_OK, "succ", data);
	free(w);
}

static void all_group(void *ctx, struct http_request *req)
{
	start(ctx, req, GATHER_SESSIONS | GATHER_STREAMS, NULL, NULL,
	      on_all_group);
}

/* "app/name" as it is; a bare name: app "live", else the only stream of that
 * name. NULL: none, or several. */
static const char *resolve_name(struct json_object *keys, const char *name)
{
	char live[STREAM_KEY_MAX + 1];
	const char *found = NULL;
	unsigned count = 0;

	snprintf(live, sizeof(live), "live/%s", name);
	for (size_t i = 0; i < json_object_array_length(keys); i++) {
		const char *key = json_object_get_string(
			json_object_array_get_idx(keys, i));
		const char *slash = strchr(key, '/');

		if (!strcmp(key, name) || !strcmp(key, live))
			return key;
		if (slash && !strcmp(slash + 1, name)) {
			found = key;
			count++;
		}
	}
	return count == 1 ? found : NULL;
}

static void on_group(void *ctx, const struct gathered *g)
{
	struct waiting *w = ctx;
	struct json_object *keys;
	const char *key;

	if (!w->req) {
		free(w);
		return;
	}
	keys = lal_keys(w->dispatch, g);
	key = resolve_name(keys, w->stream);
	if (key)
		lal_answer(w->req, CODE_OK, "succ",
			   lal_group(w->dispatch, key, g));
	else
		lal_answer(w->req, CODE_NO_GROUP, "group not found", NULL);
	json_object_put(keys);
	free(w);
}

static void one_group(void *ctx, struct http_request *req)
{
	const char *name = http_query(req, "stream_name");
	struct waiting *w;
	struct dispatch *d = ctx;

	if (!name || !*name) {
		lal_answer(req, CODE_NO_PARAM, "param missing", NULL);
		return;
	}
	/* All are gathered, for a bare name may stand for any. */
	w = calloc(1, sizeof(*w));
	if (!w) {
		http_answer_error(req, 503, "out of memory");
		return;
	}
	d->stats.api_calls++;
	w->dispatch = d;
	w->req = req;
	snprintf(w->stream, sizeof(w->stream), "%s", name);
	http_on_gone(req, on_gone, w);
	if (gather(d, GATHER_SESSIONS | GATHER_STREAMS, NULL, NULL, on_group,
		   w)) {
		http_answer_error(req, 503, "out of memory");
		free(w);
	}
}

/* ---- lal: control ---- */

static void on_kicked(void *ctx, const struct gathered *g)
{
	struct waiting *w = ctx;

	if (w->req && g->kicked_count)
		lal_answer(w->req, CODE_OK, "succ", NULL);
	else if (w->req)
		lal_answer(w->req, CODE_NO_SESSION, "session not found", NULL);
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
		lal_answer(req, CODE_NO_PARAM, "param missing", NULL);
	else
		start(d, req, GATHER_KICK, stream, session, on_kicked);
	json_object_put(o);
}

static void no_page(void *ctx, struct http_request *req)
{
	(void)ctx;
	lal_answer(req, CODE_NOT_FOUND,
		   "page not found, check the document: docs/api.md", NULL);
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
	const struct gathered *g;
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

static unsigned count_viewers(const struct gathered *g, const char *key)
{
	unsigned count = 0;

	for (size_t i = 0; i < json_object_array_length(g->sessions); i++) {
		struct json_object *s =
			json_object_array_get_idx(g->sessions, i);
		const char *stream = member_json_text(s, "stream");
		const char *type = member_json_text(s, "base_type");

		count += stream && type && !strcmp(stream, key) &&
			 !strcmp(type, "SUB");
	}
	return count;
}

static void add_stream(void *ctx, const struct stream_entry *e)
{
	struct stream_list *sl = ctx;
	struct json_object *o;

	if (e->is_ended)
		return;
	o = json_object_new_object();
	add_text(o, "key", e->key.text);
	add_position(o, e);
	json_object_object_add(
		o, "viewers",
		json_object_new_int64(count_viewers(sl->g, e->key.text)));
	for (size_t i = 0; i < json_object_array_length(sl->g->streams); i++) {
		struct json_object *s =
			json_object_array_get_idx(sl->g->streams, i);
		const char *key = member_json_text(s, "stream");

		if (!key || strcmp(key, e->key.text) != 0)
			continue;
		json_object_object_foreach(s, name, value)
		{
			if (strcmp(name, "stream") != 0)
				json_object_object_add(o, name,
						       json_object_get(value));
		}
	}
	json_object_array_add(sl->list, o);
}

static void on_streams(void *ctx, const struct gathered *g)
{
	struct waiting *w = ctx;
	struct stream_list sl = {g, NULL};

	if (w->req) {
		sl.list = json_object_new_array();
		copy_each_stream(store_copy(member_store(w->dispatch->member)),
				 add_stream, &sl);
		answer_object(w->req, "streams", sl.list);
	}
	free(w);
}

static void all_streams(void *ctx, struct http_request *req)
{
	start(ctx, req, GATHER_SESSIONS | GATHER_STREAMS, NULL, NULL,
	      on_streams);
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
		start(ctx, req, GATHER_EVENTS, key.text, NULL, on_events);
}

int api_routes(struct dispatch *d)
{
	const struct http_route routes[] = {
		{NULL, "/api/stat/lal_info", 0, lal_info, d},
		{NULL, "/api/stat/all_group", 0, all_group, d},
		{NULL, "/api/stat/group", 0, one_group, d},
		{"POST", "/api/ctrl/kick_session", HTTP_CONTROL, kick_session,
		 d},
		{"GET", "/api/nodes", 0, all_nodes, d},
		{"GET", "/api/streams", 0, all_streams, d},
		{"GET", "/api/events", 0, stream_events, d},
		{NULL, "/**", 0, no_page, d},
	};
	struct http_route *kept = malloc(sizeof(routes));

	if (!kept)
		return WEIR_ENOMEM;
	memcpy(kept, routes, sizeof(routes));
	d->routes = kept;
	return http_server_route(d->http, kept, WEIR_ARRAY_LEN(routes));
}
