/* services/dispatch/api_sessions.c - publishers and viewers, in pages.
 *
 * A page goes from node to node, in the order of their ids, and within a node in
 * the order of its sessions' ids. Each node is asked for what the page still
 * needs, and chooses among its own (common/member/session_page.h). "next" is
 * where the page has ended: "<session id>.<node id>".
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/access/cidr.h"
#include "common/conf/json.h"
#include "common/member/session_page.h"
#include "services/dispatch/api_calls.h"
#include "services/dispatch/internal.h"

#define NODES_MAX 1024 /* of a role */

struct listing {
	struct api_call *call;
	struct node_ref *node; /* by their ids */
	size_t count, at;
	char after[SESSION_ID_SIZE]; /* of the node whose turn it is */
	size_t limit;
	struct json_object *list;
	unsigned silent_count;
	uint64_t begun_ms;
};

static void listing_free(struct listing *l)
{
	json_object_put(l->list);
	free(l->node);
	free(l);
}

/* ---- the answer ---- */

/* `is_over`: no node is left. */
static void answer(struct listing *l, bool is_over)
{
	struct json_object *o = json_object_new_object();
	char next[SESSION_ID_SIZE + NODE_ID_SIZE + 1];

	json_object_object_add(o, "sessions", json_object_get(l->list));
	if (!is_over) {
		snprintf(next, sizeof(next), "%s.%s", l->after,
			 l->node[l->at].id);
		json_add_text(o, "next", next);
	}
	json_object_object_add(o, "silent",
			       json_object_new_int64(l->silent_count));
	api_answer(&l->call, o);
	listing_free(l);
}

/* ---- node by node ---- */

static void go_on(struct listing *l);

static void next_node(struct listing *l)
{
	l->at++;
	l->after[0] = '\0';
}

/* Those behind the last one, as many as the page has room for. Returns whether
 * the node has told us something. */
static bool take(struct listing *l, struct json_object *sessions)
{
	size_t count = json_object_array_length(sessions), taken = 0;

	for (size_t i = 0;
	     i < count && json_object_array_length(l->list) < l->limit; i++) {
		struct json_object *s = json_object_array_get_idx(sessions, i);
		const char *id = member_json_text(s, "session_id");

		if (!id || strlen(id) >= sizeof(l->after) || strchr(id, '.') ||
		    strcmp(id, l->after) <= 0)
			continue;
		snprintf(l->after, sizeof(l->after), "%s", id);
		/* What stands in an address may be a secret. */
		json_object_object_del(s, "url_param");
		json_object_array_add(l->list, json_object_get(s));
		taken++;
	}
	return taken;
}

static void on_sessions(void *ctx, const struct gathered *g)
{
	struct listing *l = ctx;
	bool has_told = take(l, g->sessions);

	l->silent_count += g->silent_count;
	if (!has_told || !g->has_more)
		next_node(l);
	go_on(l);
}

static struct json_object *args_of(const struct listing *l)
{
	static const char *const same[] = {"stream", "protocol", "base_type",
					   "ip", "user"};
	struct json_object *o = json_object_new_object();
	size_t room = l->limit - json_object_array_length(l->list);

	for (size_t i = 0; o && i < WEIR_ARRAY_LEN(same); i++)
		if (api_text(l->call, same[i]))
			json_add_text(o, same[i], api_text(l->call, same[i]));
	json_add_text(o, "after", l->after);
	json_object_object_add(o, "limit",
			       json_object_new_int64((int64_t)WEIR_MIN(
				       room, (size_t)SESSION_PAGE_MAX)));
	return o;
}

/* Nodes that do not answer cost time: what there is is answered then. */
static bool is_late(const struct listing *l)
{
	const struct dispatch *d = l->call->dispatch;

	return loop_now_ms(svc_loop(d->svc)) - l->begun_ms >=
	       (uint64_t)d->settings->ask_ms * 2;
}

static void go_on(struct listing *l)
{
	struct dispatch *d = l->call->dispatch;

	if (l->at == l->count) {
		answer(l, true);
		return;
	}
	if (json_object_array_length(l->list) == l->limit || is_late(l) ||
	    gather_node(d, &l->node[l->at], "sessions", args_of(l), on_sessions,
			l))
		answer(l, false);
}

/* ---- where it begins ---- */

static int by_id(const void *a, const void *b)
{
	const struct node_ref *x = a, *y = b;

	return strcmp(x->id, y->id);
}

/* Those that may have sessions, and are not before the page. */
static size_t choose(const struct api_call *call, struct node_ref *node,
		     size_t count, const char *first)
{
	const char *only = api_text(call, "node");
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (strcmp(node[i].id, first) >= 0 &&
		    (!only || !strcmp(node[i].id, only)))
			node[kept++] = node[i];
	return kept;
}

/* Returns 0 or WEIR_ENOMEM. */
static int list_nodes(struct listing *l, const char *first)
{
	struct bus *bus = member_bus(l->call->dispatch->member);
	struct node_ref *node = calloc((size_t)2 * NODES_MAX, sizeof(*node));
	size_t count;

	if (!node)
		return WEIR_ENOMEM;
	count = bus_nodes(bus, "ingest", node, NODES_MAX);
	count += bus_nodes(bus, "edge", node + count, NODES_MAX);
	qsort(node, count, sizeof(*node), by_id);
	l->count = choose(l->call, node, count, first);
	l->node = node;
	return 0;
}

/* "<session id>.<node id>". Returns the node's id; NULL: it is none of ours. */
static const char *read_after(char session[SESSION_ID_SIZE], const char *after)
{
	const char *dot = strchr(after, '.');

	if (!dot || !dot[1] || (size_t)(dot - after) >= SESSION_ID_SIZE)
		return NULL;
	snprintf(session, SESSION_ID_SIZE, "%.*s", (int)(dot - after), after);
	return dot + 1;
}

static void begin(struct api_call *call, const char *session, const char *first)
{
	struct listing *l = calloc(1, sizeof(*l));

	if (l) {
		l->call = call;
		l->list = json_object_new_array();
		l->limit = (size_t)api_int(call, "limit");
		l->begun_ms = loop_now_ms(svc_loop(call->dispatch->svc));
	}
	if (!l || !l->list || list_nodes(l, first)) {
		if (l)
			listing_free(l);
		api_refuse(&call, 503, NULL, "out of memory");
		return;
	}
	if (l->count && !strcmp(l->node[0].id, first))
		snprintf(l->after, sizeof(l->after), "%s", session);
	go_on(l);
}

void api_sessions(struct api_call *call)
{
	const char *ip = api_text(call, "ip"), *after = api_text(call, "after");
	char session[SESSION_ID_SIZE] = "";
	const char *first = after ? read_after(session, after) : "";
	struct cidr block;

	if (ip && cidr_parse(&block, span_str(ip)))
		api_refuse(&call, 400, "ip",
			   "ip: an address, or a block such as 10.0.0.0/8");
	else if (!first)
		api_refuse(&call, 400, "after",
			   "after: \"next\" of the page before");
	else
		begin(call, session, first);
}
