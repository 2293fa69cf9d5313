/* services/dispatch/api_topology.c - the way of one stream: who writes it, who
 * holds it, who takes it. */
#include <stdio.h>

#include "services/dispatch/api_calls.h"
#include "services/dispatch/internal.h"

static struct json_object *member_of(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, name, &v);
	return v;
}

static bool is_text(struct json_object *o, const char *name, const char *wanted)
{
	const char *text = member_json_text(o, name);

	return text && !strcmp(text, wanted);
}

/* ---- the writer ---- */

static struct json_object *writer_json(const struct stream_entry *e,
				       struct json_object *sessions)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "node",
			       json_object_new_string(e->writer_node));
	for (size_t i = 0; i < json_object_array_length(sessions); i++) {
		struct json_object *s = json_object_array_get_idx(sessions, i);

		if (is_text(s, "base_type", "SUB") ||
		    !is_text(s, "node", e->writer_node))
			continue;
		json_object_object_del(s, "url_param");
		json_object_object_add(o, "session", json_object_get(s));
	}
	return o;
}

/* ---- the origins ---- */

/* Those that hold it: the home, or the others. */
static struct json_object *origins_json(const struct gathered *g,
					const char *key, bool is_home)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(g->homes); i++) {
		struct json_object *h = json_object_array_get_idx(g->homes, i);

		if (is_text(h, "stream", key) &&
		    json_object_get_boolean(member_of(h, "is_home")) == is_home)
			json_object_array_add(list, json_object_get(h));
	}
	return list;
}

/* ---- who takes it ---- */

struct taking {
	struct json_object *list;
	struct json_object *sessions;
	const char *origin;
};

static int64_t viewers_of(struct json_object *sessions, const char *node)
{
	int64_t count = 0;

	for (size_t i = 0; i < json_object_array_length(sessions); i++) {
		struct json_object *s = json_object_array_get_idx(sessions, i);

		count += is_text(s, "node", node) &&
			 is_text(s, "base_type", "SUB");
	}
	return count;
}

/* The origin has told each with "node", "role", "wanting". */
static void add_consumers(struct taking *t, struct json_object *home)
{
	struct json_object *list = member_of(home, "consumers");
	size_t count = list ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *c = json_object_array_get_idx(list, i);
		const char *node = member_json_text(c, "node");

		json_object_object_add(c, "origin",
				       json_object_new_string(t->origin));
		json_object_object_add(
			c, "viewers",
			json_object_new_int64(
				node ? viewers_of(t->sessions, node) : 0));
		json_object_array_add(t->list, json_object_get(c));
	}
	json_object_object_del(home, "consumers");
}

static struct json_object *consumers_json(const struct gathered *g,
					  const char *key)
{
	struct taking t = {.list = json_object_new_array(),
			   .sessions = g->sessions};

	for (size_t i = 0; i < json_object_array_length(g->homes); i++) {
		struct json_object *h = json_object_array_get_idx(g->homes, i);

		t.origin = member_json_text(h, "node");
		if (t.origin && is_text(h, "stream", key))
			add_consumers(&t, h);
	}
	return t.list;
}

/* ---- the whole ---- */

static void on_topology(struct api_call *call, const struct gathered *g)
{
	const char *name = api_text(call, "stream");
	struct json_object *o, *homes;
	const struct stream_entry *e;
	struct stream_key key;

	snprintf(key.text, sizeof(key.text), "%s", name);
	e = copy_stream(store_copy(member_store(call->dispatch->member)), &key);
	if (!e || e->is_ended) {
		api_refuse(&call, 404, "stream", "there is no such stream");
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "key", json_object_new_string(name));
	api_put_position(o, e);
	json_object_object_add(o, "writer", writer_json(e, g->sessions));
	json_object_object_add(o, "consumers", consumers_json(g, name));
	homes = origins_json(g, name, true);
	json_object_object_add(
		o, "home",
		json_object_get(json_object_array_get_idx(homes, 0)));
	json_object_put(homes);
	json_object_object_add(o, "replicas", origins_json(g, name, false));
	json_object_object_add(o, "silent",
			       json_object_new_int64(g->silent_count));
	api_answer(&call, o);
}

void api_topology(struct api_call *call)
{
	api_gather(call, GATHER_SESSIONS | GATHER_HOMES,
		   api_args(call, "stream"), on_topology);
}
