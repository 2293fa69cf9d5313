/* services/cli/nodes.c - `weir nodes`: the processes of a cluster. */
#include <stdio.h>

#include "services/cli/api.h"
#include "services/cli/commands.h"
#include "services/cli/table.h"

static const struct arg args[] = {API_ARGS};

static const struct arg_table table = {
	.command = "nodes",
	.operands = "",
	.sentence =
		"Lists the processes of a cluster, where they are, and "
		"their load.",
	.arg = args,
	.arg_count = WEIR_ARRAY_LEN(args),
};

static const char *state_of(struct json_object *n)
{
	if (json_object_get_boolean(api_member(n, "draining")))
		return "draining";
	return json_object_get_boolean(api_member(n, "linked")) ? "up"
								: "no link";
}

static void add_node(struct table *t, struct json_object *n)
{
	struct json_object *addr = api_member(n, "addresses");
	struct json_object *load = api_member(n, "load");
	char rate[24];

	table_cell(t, "%s", api_text(n, "id"));
	table_cell(t, "%s", state_of(n));
	table_cell(t, "%.0f", api_number(n, "pid"));
	table_cell(t, "%.0f %%", api_number(load, "busy_permille") / 10);
	table_cell(t, "%.0f", api_number(load, "streams"));
	table_cell(t, "%.0f", api_number(load, "publishers"));
	table_cell(t, "%.0f", api_number(load, "viewers"));
	table_cell(t, "%s", table_bps(rate, api_number(load, "in_bps")));
	table_cell(t, "%s", table_bps(rate, api_number(load, "out_bps")));
	table_cell(t, "%s", api_text(addr, "rtmp"));
	table_cell(t, "%s", api_text(addr, "http"));
	table_cell(t, "%s", api_text(addr, "admin"));
}

static int by_id(const void *a, const void *b)
{
	return strcmp(api_text(*(struct json_object *const *)a, "id"),
		      api_text(*(struct json_object *const *)b, "id"));
}

static int print_nodes(struct json_object *o)
{
	static const char *const heads[] = {
		"NODE",       "STATE",   "PID", "BUSY", "STREAMS",
		"PUBLISHERS", "VIEWERS", "IN",  "OUT",  "RTMP",
		"HTTP",       "ADMIN",   NULL};
	struct json_object *list = api_member(o, "nodes");
	struct buf out = {0};
	struct table t;
	int err;

	if (json_object_is_type(list, json_type_array))
		json_object_array_sort(list, by_id);
	table_begin(&t, heads);
	for (size_t i = 0; i < api_count(o, "nodes"); i++)
		add_node(&t, api_item(o, "nodes", i));
	table_end(&t, &out);
	err = buf_error(&out);
	if (!err)
		printf("%s", buf_text(&out));
	buf_fini(&out);
	return err ? 1 : 0;
}

int command_nodes(int argc, char **argv)
{
	struct api_options o = {0};
	struct arg_rest rest = {0};
	struct json_object *answer;
	int status;

	if (args_take(&o, &rest, &table, argc, argv, &status))
		return status;
	status = api_ask(&answer, &o, "/api/nodes", NULL);
	if (status)
		return status;
	if (o.is_json)
		api_print(answer);
	else
		status = print_nodes(answer);
	json_object_put(answer);
	return status;
}
