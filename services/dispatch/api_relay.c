/* services/dispatch/api_relay.c - relay pulls by lal's calls; lists of pulls and
 * pushes. */
#include <stdio.h>

#include "services/dispatch/api_calls.h"
#include "services/dispatch/internal.h"

/* ---- lists ---- */

static void answer_list(struct api_call *call, const char *name,
			struct json_object *list, const struct gathered *g)
{
	struct json_object *o = json_object_new_object();
	const char *stream = api_text(call, "stream");
	struct json_object *shown = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		const char *of = member_json_text(item, "stream");

		if (!stream || (of && !strcmp(of, stream)))
			json_object_array_add(shown, json_object_get(item));
	}
	json_object_object_add(o, name, shown);
	json_object_object_add(o, "silent",
			       json_object_new_int64(g->silent_count));
	api_answer(&call, o);
}

static void on_pulls(struct api_call *call, const struct gathered *g)
{
	answer_list(call, "pulls", g->pulls, g);
}

void api_pulls(struct api_call *call)
{
	api_gather(call, GATHER_PULLS, api_args(call, "stream"), on_pulls);
}

static void on_pushes(struct api_call *call, const struct gathered *g)
{
	answer_list(call, "pushes", g->pushes, g);
}

void api_pushes(struct api_call *call)
{
	api_gather(call, GATHER_PUSHES, api_args(call, "stream"), on_pushes);
}
