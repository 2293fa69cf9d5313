/* services/cli/explain.c - `weir explain`: the last events of a stream. */
#include <stdio.h>

#include "common/io/clock.h"
#include "common/media/reason.h"
#include "services/cli/api.h"
#include "services/cli/commands.h"
#include "services/cli/table.h"

static const struct arg args[] = {API_ARGS};

static const struct arg_table table = {
	.command = "explain",
	.operands = "STREAM",
	.sentence =
		"Tells what happened to a stream (live/test110): claims, "
		"homes, epochs,\nskips, stalls, refusals, each with its "
		"reason; and\nwho was turned away. The last 100 events.",
	.operand_count = 1,
	.arg = args,
	.arg_count = WEIR_ARRAY_LEN(args),
};

/* The sentence of a reason, by its name. */
static const char *sentence_of(const char *name)
{
	for (int i = 1; i < REASON_COUNT; i++)
		if (!strcmp(reason_name(i), name))
			return reason_text(i);
	return strcmp(name, "none") != 0 ? name : "";
}

/* "RTMP from 192.0.2.7, 12 times since 2026-01-02T…", as far as it is known. */
static void add_who(struct buf *out, struct json_object *e)
{
	const char *protocol = api_text(e, "protocol");
	const char *address = api_text(e, "address");
	double count = api_number(e, "count");
	char since[IO_UTC_TEXT_SIZE];

	if (*protocol)
		buf_printf(out, "; %s%s%s", protocol, *address ? " from " : "",
			   address);
	if (count < 2)
		return;
	io_utc_text(since, (int64_t)api_number(e, "since_utc_us"));
	buf_printf(out, "; %.0f times since %s", count, since);
}

static void add_event(struct table *t, struct json_object *e)
{
	const char *detail = api_text(e, "detail");
	const char *why = sentence_of(api_text(e, "reason"));
	char when[IO_UTC_TEXT_SIZE];

	struct buf who = {0};

	add_who(&who, e);
	io_utc_text(when, (int64_t)api_number(e, "utc_us"));
	table_cell(t, "%s", when);
	table_cell(t, "%s", api_text(e, "node"));
	table_cell(t, "%s", api_text(e, "event"));
	table_cell(t, "%s%s%s%s", why, *why && *detail ? "; " : "", detail,
		   buf_text(&who));
	buf_fini(&who);
}

static int print_events(struct json_object *o, const char *stream)
{
	static const char *const heads[] = {"TIME (UTC)", "NODE", "EVENT",
					    "WHY", NULL};
	size_t count = api_count(o, "events");
	struct buf out = {0};
	struct table t;
	int err;

	if (!count) {
		printf("nothing is known of %s\n", stream);
		return 0;
	}
	table_begin(&t, heads);
	for (size_t i = 0; i < count; i++)
		add_event(&t, api_item(o, "events", i));
	table_end(&t, &out);
	err = buf_error(&out);
	if (!err)
		printf("%s", buf_text(&out));
	buf_fini(&out);
	return err ? 1 : 0;
}

static int explain(const struct api_options *o, const char *stream)
{
	struct json_object *answer = NULL;
	struct buf path = {0};
	int status = 1;

	buf_printf(&path, "/api/events?stream=");
	api_escape(&path, stream);
	if (!buf_error(&path))
		status = api_ask(&answer, o, buf_text(&path), NULL);
	if (!status && o->is_json)
		api_print(answer);
	else if (!status)
		status = print_events(answer, stream);
	json_object_put(answer);
	buf_fini(&path);
	return status;
}

int command_explain(int argc, char **argv)
{
	struct api_options o = {0};
	struct arg_rest rest = {0};
	int status;

	if (args_take(&o, &rest, &table, argc, argv, &status))
		return status;
	return explain(&o, rest.operand[0]);
}
