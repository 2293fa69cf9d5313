/* services/dispatch/gather.c - one question to many nodes, one answer. */
#include <stdlib.h>

#include "services/dispatch/internal.h"

#define NODES_MAX 1024
#define PAGES_MAX 1000 /* of one node's answer */

struct gather {
	struct list link; /* in dispatch.gathers */
	struct dispatch *dispatch;
	struct pass_task task; /* holds one of `pending` until it has run */
	struct gathered got;
	void (*done)(void *ctx, const struct gathered *g);
	void *ctx;
	unsigned pending;
	struct json_object *args; /* of every call */
};

/* One call to one node; asked again while the answer says that there is more.
 */
struct asked {
	struct gather *gather;
	struct node_ref node;
	const char *name;
	int64_t from;
	unsigned pages, pages_max;
};

static void gather_free(struct gather *g)
{
	list_remove(&g->link);
	pass_task_cancel(&g->task);
	json_object_put(g->got.sessions);
	json_object_put(g->got.streams);
	json_object_put(g->got.homes);
	json_object_put(g->got.pulls);
	json_object_put(g->got.pushes);
	json_object_put(g->got.events);
	json_object_put(g->args);
	free(g);
}

static int64_t event_time(const void *item)
{
	struct json_object *const *o = item;
	struct json_object *t = NULL;

	json_object_object_get_ex(*o, "utc_us", &t);
	return json_object_get_int64(t);
}

static int by_time(const void *a, const void *b)
{
	int64_t ta = event_time(a), tb = event_time(b);

	return ta < tb ? -1 : ta > tb;
}

static void one_less(struct gather *g)
{
	if (--g->pending)
		return;
	json_object_array_sort(g->got.events, by_time);
	g->got.sessions = hls_join(g->got.sessions);
	g->done(g->ctx, &g->got);
	gather_free(g);
}

/* Move the objects of an array of the answer over, each with its node. */
static void take(struct json_object *into, struct json_object *json,
		 const char *name, const char *node)
{
	struct json_object *list;

	if (!json_object_object_get_ex(json, name, &list) ||
	    !json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (!json_object_is_type(o, json_type_object))
			continue;
		json_object_object_add(o, "node", json_object_new_string(node));
		json_object_array_add(into, json_object_get(o));
	}
}

static void collect(struct asked *a, struct json_object *json)
{
	struct gathered *got = &a->gather->got;
	struct json_object *kicked;
	bool is_home = !strcmp(a->node.role, "origin");

	take(got->sessions, json, "sessions", a->node.id);
	take(is_home ? got->homes : got->streams, json, "streams", a->node.id);
	take(got->pulls, json, "pulls", a->node.id);
	take(got->pushes, json, "pushes", a->node.id);
	take(got->events, json, "events", a->node.id);
	got->has_more |= json_object_object_get_ex(json, "more", NULL);
	if (json_object_object_get_ex(json, "kicked", &kicked))
		got->kicked_count +=
			(unsigned)WEIR_MAX(json_object_get_int(kicked), 0);
}

static int ask(struct asked *a);

static void on_answer(void *ctx, int err, struct json_object *json)
{
	struct asked *a = ctx;
	struct gather *g = a->gather;
	struct json_object *next;

	if (err)
		g->got.silent_count++;
	else
		collect(a, json);
	if (!err && json_object_object_get_ex(json, "next", &next) &&
	    json_object_get_int64(next) > a->from && a->pages < a->pages_max) {
		a->from = json_object_get_int64(next);
		if (ask(a) == 0)
			return;
	}
	free(a);
	one_less(g);
}

static int ask(struct asked *a)
{
	struct gather *g = a->gather;

	a->pages++;
	json_object_object_add(g->args, "from", json_object_new_int64(a->from));
	return member_ask(g->dispatch->member, a->node.link, a->name, g->args,
			  (uint32_t)g->dispatch->settings->ask_ms, on_answer,
			  a);
}

static void ask_node(struct gather *g, const struct node_ref *node,
		     const char *name, unsigned pages_max)
{
	struct asked *a = calloc(1, sizeof(*a));

	if (!a)
		return;
	*a = (struct asked){
		.gather = g,
		.node = *node,
		.name = name,
		.pages_max = pages_max,
	};
	g->pending++;
	g->got.asked_count++;
	if (ask(a) == 0)
		return;
	g->pending--;
	free(a);
}

static void ask_role(struct gather *g, const char *role, const char *name)
{
	struct node_ref *node = calloc(NODES_MAX, sizeof(*node));
	size_t count = 0;

	if (node)
		count = bus_nodes(member_bus(g->dispatch->member), role, node,
				  NODES_MAX);
	for (size_t i = 0; i < count; i++)
		ask_node(g, &node[i], name, PAGES_MAX);
	free(node);
}

/* A dispatch has events of its own: where it placed streams. */
static void take_own_events(struct gather *g)
{
	struct member *m = g->dispatch->member;
	struct json_object *own =
		member_events_of(m, member_json_text(g->args, "stream"));

	if (own)
		take(g->got.events, own, "events", member_world(m)->self.id);
	json_object_put(own);
}

static void ask_all(struct gather *g, unsigned what)
{
	static const char *const roles[] = {"ingest", "origin", "edge",
					    "packager", "dispatch"};

	if (what & GATHER_SESSIONS) {
		ask_role(g, "ingest", "sessions");
		ask_role(g, "edge", "sessions");
	}
	if (what & GATHER_STREAMS)
		ask_role(g, "ingest", "streams");
	if (what & GATHER_HOMES)
		ask_role(g, "origin", "streams");
	if (what & GATHER_PULLS)
		ask_role(g, "ingest", "pulls");
	if (what & GATHER_PUSHES)
		ask_role(g, "origin", "pushes");
	if (what & GATHER_KICK) {
		ask_role(g, "ingest", "kick");
		ask_role(g, "edge", "kick");
	}
	for (size_t i = 0; (what & GATHER_EVENTS) && i < WEIR_ARRAY_LEN(roles);
	     i++)
		ask_role(g, roles[i], "events");
	if (what & GATHER_EVENTS)
		take_own_events(g);
}

/* Takes `args`. NULL without memory. */
static struct gather *
gather_new(struct dispatch *d, struct json_object *args,
	   void (*done)(void *ctx, const struct gathered *g), void *ctx)
{
	struct gather *g = calloc(1, sizeof(*g));

	if (!args)
		args = json_object_new_object();
	if (!g || !args) {
		json_object_put(args);
		free(g);
		return NULL;
	}
	*g = (struct gather){.dispatch = d, .done = done, .ctx = ctx};
	g->got.sessions = json_object_new_array();
	g->got.streams = json_object_new_array();
	g->got.homes = json_object_new_array();
	g->got.pulls = json_object_new_array();
	g->got.pushes = json_object_new_array();
	g->got.events = json_object_new_array();
	g->args = args;
	list_init(&g->link);
	list_append(&d->gathers, &g->link);
	/* For the task: who asks nobody is answered, too. */
	g->pending = 1;
	loop_at_pass_end(svc_loop(d->svc), &g->task, one_less, g);
	return g;
}

int gather(struct dispatch *d, unsigned what, struct json_object *args,
	   void (*done)(void *ctx, const struct gathered *g), void *ctx)
{
	struct gather *g = gather_new(d, args, done, ctx);

	if (!g)
		return WEIR_ENOMEM;
	ask_all(g, what);
	return 0;
}

int gather_node(struct dispatch *d, const struct node_ref *node,
		const char *name, struct json_object *args,
		void (*done)(void *ctx, const struct gathered *g), void *ctx)
{
	struct gather *g;

	if (d->gathers_are_over) {
		json_object_put(args);
		return WEIR_ECLOSED;
	}
	g = gather_new(d, args, done, ctx);
	if (!g)
		return WEIR_ENOMEM;
	ask_node(g, node, name, 1);
	return 0;
}

void gather_end_all(struct dispatch *d)
{
	d->gathers_are_over = true;
	list_each_safe (it, &d->gathers) {
		struct gather *g = list_entry(it, struct gather, link);

		g->pending = 1;
		one_less(g);
	}
}
