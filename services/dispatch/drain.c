/* services/dispatch/drain.c - a node takes leave in order, as by SIGTERM. */
#include "services/dispatch/api_calls.h"
#include "services/dispatch/internal.h"

static void answer(struct api_call *call)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "node",
			       json_object_new_string(api_text(call, "node")));
	json_object_object_add(o, "draining", json_object_new_boolean(true));
	api_answer(&call, o);
}

static void on_answer(void *ctx, int err, struct json_object *json)
{
	struct api_call *call = ctx;

	(void)json;
	if (err)
		api_refuse(&call, 504, NULL, "the node does not answer");
	else
		answer(call);
}

void api_drain(struct api_call *call)
{
	struct dispatch *d = call->dispatch;
	const char *node = api_text(call, "node");
	link_id link = bus_link_to(member_bus(d->member), node);

	if (!strcmp(node, svc_node_id(d->svc))) {
		answer(call);
		svc_stop(d->svc);
	} else if (link) {
		if (member_ask(d->member, link, "drain", NULL,
			       (uint32_t)d->settings->ask_ms, on_answer, call))
			api_refuse(&call, 503, NULL, "out of memory");
	} else if (copy_node(store_copy(member_store(d->member)), node)) {
		api_refuse(&call, 503, "node", "the node is not reached");
	} else {
		api_refuse(&call, 404, "node", "there is no such node");
	}
}
