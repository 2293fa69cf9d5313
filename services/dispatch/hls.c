/* services/dispatch/hls.c - HLS viewers, whose connections may come to several
 * edges. Edges have no links to each other: who has taken one over tells a
 * dispatch.
 */
#include <string.h>

#include "services/dispatch/internal.h"

#define EDGES_MAX 1024
#define TOLD_MS   2000

/* An edge that does not hear of it counts a viewer twice for a while. */
static void on_told(void *ctx, int err, struct json_object *json)
{
	(void)ctx;
	(void)err;
	(void)json;
}

static void tell_edges(struct dispatch *d, const char *from,
		       struct json_object *args)
{
	struct node_ref *edge = calloc(EDGES_MAX, sizeof(*edge));
	size_t count = 0;

	if (edge)
		count = bus_nodes(member_bus(d->member), "edge", edge,
				  EDGES_MAX);
	for (size_t i = 0; i < count; i++)
		if (strcmp(edge[i].id, from) != 0)
			(void)!member_ask(d->member, edge[i].link, "hls_moved",
					  args, TOLD_MS, on_told, NULL);
	free(edge);
}

void hls_pass_on(struct dispatch *d, const char *from,
		 struct json_object *viewers)
{
	struct json_object *args = json_object_new_object();

	if (!args)
		return;
	json_object_object_add(args, "node", json_object_new_string(from));
	json_object_object_add(args, "viewers", json_object_get(viewers));
	tell_edges(d, from, args);
	json_object_put(args);
}

/* ---- one session of what several edges say ---- */

static const char *hls_id(struct json_object *session)
{
	const char *id = member_json_text(session, "session_id");

	return id && !strncmp(id, "HLSSUB", strlen("HLSSUB")) ? id : NULL;
}

static void add_up(struct json_object *sum, struct json_object *session)
{
	static const char *const names[] = {"read_bytes", "wrote_bytes",
					    "read_kbits", "write_kbits"};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(names); i++)
		json_object_object_add(
			sum, names[i],
			json_object_new_int64(
				member_json_int(sum, names[i]) +
				member_json_int(session, names[i])));
}

struct json_object *hls_join(struct json_object *sessions)
{
	struct json_object *joined = json_object_new_array();
	struct json_object *by_id = json_object_new_object();

	for (size_t i = 0; i < json_object_array_length(sessions); i++) {
		struct json_object *o = json_object_array_get_idx(sessions, i);
		struct json_object *first = NULL;
		const char *id = hls_id(o);

		if (id && json_object_object_get_ex(by_id, id, &first)) {
			add_up(first, o);
			continue;
		}
		json_object_array_add(joined, json_object_get(o));
		if (id)
			json_object_object_add(by_id, id, json_object_get(o));
	}
	json_object_put(by_id);
	json_object_put(sessions);
	return joined;
}
