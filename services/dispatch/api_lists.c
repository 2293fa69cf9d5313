/* services/dispatch/api_lists.c - nodes, streams, events. */
#include <stdio.h>

#include "common/conf/json.h"
#include "services/dispatch/api_calls.h"
#include "services/dispatch/internal.h"

#define EVENTS_SHOWN 100
#define VISITS_SHOWN 30 /* of who was refused or put out, besides */

static struct json_object *member_of(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, name, &v);
	return v;
}

static struct copy *copy_of(const struct api_call *call)
{
	return store_copy(member_store(call->dispatch->member));
}

struct json_object *api_args(const struct api_call *call, const char *name)
{
	struct json_object *o = json_object_new_object();

	if (o && api_text(call, name))
		json_add_text(o, name, api_text(call, name));
	return o;
}

/* ---- pages ---- */

/* What a list is ordered by. */
static const char *order_of(struct json_object *o)
{
	const char *text = member_json_text(o, "key");

	return text ? text : "";
}

static int by_order(const void *a, const void *b)
{
	struct json_object *const *x = a, *const *y = b;

	return strcmp(order_of(*x), order_of(*y));
}

/* Answer with those of `list` (taken) that come behind "after", at most "limit",
 * and "next" when there are more. */
static void answer_page(struct api_call *call, const char *name,
			struct json_object *list, const struct gathered *g)
{
	struct json_object *o = json_object_new_object();
	struct json_object *page = json_object_new_array();
	const char *after = api_text(call, "after");
	size_t limit = (size_t)api_int(call, "limit");
	size_t count = json_object_array_length(list), used = 0, i = 0;

	json_object_array_sort(list, by_order);
	while (i < count && after &&
	       strcmp(order_of(json_object_array_get_idx(list, i)), after) <= 0)
		i++;
	for (; i < count && used < limit; i++, used++)
		json_object_array_add(
			page,
			json_object_get(json_object_array_get_idx(list, i)));
	json_object_object_add(o, name, page);
	if (i < count)
		json_add_text(o, "next",
			      order_of(json_object_array_get_idx(list, i - 1)));
	json_object_object_add(o, "silent",
			       json_object_new_int64(g->silent_count));
	json_object_put(list);
	api_answer(&call, o);
}

static void answer_list(struct api_call *call, const char *name,
			struct json_object *list)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, name, list);
	api_answer(&call, o);
}

/* ---- nodes ---- */

struct node_list {
	struct dispatch *dispatch;
	struct json_object *list;
};

static struct json_object *node_json(const struct node *n)
{
	struct json_tokener *t = json_tokener_new();
	struct json_object *o = NULL;
	struct buf text = {0};

	node_write(&text, n);
	if (t && !buf_error(&text))
		o = json_tokener_parse_ex(t, (const char *)text.data,
					  (int)text.len);
	if (t)
		json_tokener_free(t);
	buf_fini(&text);
	return o;
}

static void add_node(void *ctx, const struct node *n)
{
	struct node_list *nl = ctx;
	struct dispatch *d = nl->dispatch;
	struct json_object *o = node_json(n);
	bool is_linked = !strcmp(n->ref.id, svc_node_id(d->svc)) ||
			 bus_link_to(member_bus(d->member), n->ref.id) != 0;

	if (!o)
		return;
	json_object_object_add(o, "linked", json_object_new_boolean(is_linked));
	json_object_array_add(nl->list, o);
}

void api_nodes(struct api_call *call)
{
	struct node_list nl = {call->dispatch, json_object_new_array()};

	copy_each_node(copy_of(call), api_text(call, "role"), add_node, &nl);
	answer_list(call, "nodes", nl.list);
}

/* ---- streams ---- */

struct stream_list {
	struct api_call *call;
	struct json_object *streams; /* lal_streams */
	struct json_object *list;
};

void api_put_position(struct json_object *o, const struct stream_entry *e)
{
	char text[UUID_TEXT_SIZE];

	json_object_object_add(o, "epoch",
			       json_object_new_uint64(e->epoch.counter));
	json_add_text(o, "session", uuid_text(text, &e->epoch.writer));
	json_object_object_add(o, "term",
			       json_object_new_uint64(e->term.number));
	json_object_object_add(o, "live", json_object_new_boolean(e->is_live));
	json_add_text(o, "writer", e->writer_node);
	json_add_text(o, "home", e->home_node);
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

static bool is_wanted(const struct api_call *call, const struct stream_entry *e)
{
	const char *stream = api_text(call, "stream");
	const char *app = api_text(call, "app");
	size_t app_len = stream_key_app_len(&e->key);

	if (stream && strcmp(stream, e->key.text) != 0)
		return false;
	return !app ||
	       (strlen(app) == app_len && !memcmp(app, e->key.text, app_len));
}

static void add_stream(void *ctx, const struct stream_entry *e)
{
	struct stream_list *sl = ctx;
	struct json_object *entry = member_of(sl->streams, e->key.text);
	struct json_object *sessions = member_of(entry, "sessions");
	struct json_object *facts = member_of(entry, "stream");
	struct json_object *o;

	if (!sessions || !is_wanted(sl->call, e))
		return; /* it is over */
	o = json_object_new_object();
	json_add_text(o, "key", e->key.text);
	api_put_position(o, e);
	json_object_object_add(o, "viewers",
			       json_object_new_int64(count_viewers(sessions)));
	if (facts)
		add_facts(o, facts);
	json_object_array_add(sl->list, o);
}

/* The caller's. */
static struct json_object *list_streams(struct api_call *call,
					const struct gathered *g)
{
	struct stream_list sl = {call, api_by_stream(call, g),
				 json_object_new_array()};

	copy_each_stream(copy_of(call), add_stream, &sl);
	json_object_put(sl.streams);
	return sl.list;
}

static void on_old_streams(struct api_call *call, const struct gathered *g)
{
	answer_list(call, "streams", list_streams(call, g));
}

void api_old_streams(struct api_call *call)
{
	api_gather(call, GATHER_SESSIONS | GATHER_STREAMS, NULL,
		   on_old_streams);
}

static void on_streams(struct api_call *call, const struct gathered *g)
{
	answer_page(call, "streams", list_streams(call, g), g);
}

void api_streams(struct api_call *call)
{
	api_gather(call, GATHER_SESSIONS | GATHER_STREAMS,
		   api_args(call, "stream"), on_streams);
}

static void on_page(struct api_call *call, const struct gathered *g)
{
	struct json_object *o = json_object_new_object();

	web_add_urls(o, call->dispatch, call->req);
	json_object_object_add(o, "streams", list_streams(call, g));
	api_answer(&call, o);
}

/* What the browser page shows. */
void api_page(struct api_call *call)
{
	api_gather(call, GATHER_SESSIONS | GATHER_STREAMS, NULL, on_page);
}

/* ---- events ---- */

static bool is_visit(struct json_object *event)
{
	return json_object_object_get_ex(event, "address", NULL);
}

/* The last ones, by time: those who come and are refused push nothing out. */
static void on_events(struct api_call *call, const struct gathered *g)
{
	struct json_object *list = json_object_new_array();
	size_t count = json_object_array_length(g->events);
	size_t visits = 0, skip, skip_visits;

	for (size_t i = 0; i < count; i++)
		visits += is_visit(json_object_array_get_idx(g->events, i));
	skip = WEIR_MAX(count - visits, EVENTS_SHOWN) - EVENTS_SHOWN;
	skip_visits = WEIR_MAX(visits, VISITS_SHOWN) - VISITS_SHOWN;
	for (size_t i = 0; i < count; i++) {
		struct json_object *e = json_object_array_get_idx(g->events, i);
		size_t *left = is_visit(e) ? &skip_visits : &skip;

		if (*left)
			--*left;
		else
			json_object_array_add(list, json_object_get(e));
	}
	answer_list(call, "events", list);
}

void api_events(struct api_call *call)
{
	api_gather(call, GATHER_EVENTS, api_args(call, "stream"), on_events);
}
