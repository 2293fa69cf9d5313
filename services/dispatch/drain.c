/* services/dispatch/drain.c - POST /api/ctrl/drain?node=ID: a node takes leave
 * in order, as by SIGTERM. */
#include <stdio.h>
#include <stdlib.h>

#include "services/dispatch/internal.h"

struct draining {
	struct http_request *req; /* NULL: it is gone */
	char node[NODE_ID_SIZE];
};

static void on_gone(void *ctx)
{
	struct draining *w = ctx;

	w->req = NULL;
}

static void answer(struct http_request *req, const char *node)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "node", json_object_new_string(node));
	json_object_object_add(o, "draining", json_object_new_boolean(true));
	http_answer_json(req, 200,
			 span_str(json_object_to_json_string_ext(
				 o, JSON_C_TO_STRING_PLAIN |
					    JSON_C_TO_STRING_NOSLASHESCAPE)));
	json_object_put(o);
}

static void on_answer(void *ctx, int err, struct json_object *json)
{
	struct draining *w = ctx;

	(void)json;
	if (w->req && err)
		http_answer_error(w->req, 504, "the node does not answer");
	else if (w->req)
		answer(w->req, w->node);
	free(w);
}

static void ask_node(struct dispatch *d, struct http_request *req,
		     const char *node, link_id link)
{
	struct draining *w = calloc(1, sizeof(*w));

	if (!w) {
		http_answer_error(req, 503, "out of memory");
		return;
	}
	w->req = req;
	snprintf(w->node, sizeof(w->node), "%s", node);
	http_on_gone(req, on_gone, w);
	if (!member_ask(d->member, link, "drain", NULL,
			(uint32_t)d->settings->ask_ms, on_answer, w))
		return;
	http_answer_error(req, 503, "out of memory");
	free(w);
}

void drain_node(void *ctx, struct http_request *req)
{
	struct dispatch *d = ctx;
	const char *node = http_query(req, "node");
	link_id link = node ? bus_link_to(member_bus(d->member), node) : 0;

	d->stats.api_calls++;
	logger_event(svc_log(d->svc), &dispatch_api_call,
		     kv_str("path", http_path(req)),
		     kv_addr("peer", http_peer(req)));
	if (!node || !*node) {
		http_answer_error(req, 400,
				  "node: the id of a node is missing");
	} else if (!strcmp(node, svc_node_id(d->svc))) {
		answer(req, node);
		svc_stop(d->svc);
	} else if (link) {
		ask_node(d, req, node, link);
	} else if (copy_node(store_copy(member_store(d->member)), node)) {
		http_answer_error(req, 503, "the node is not reached");
	} else {
		http_answer_error(req, 404, "there is no such node");
	}
}
