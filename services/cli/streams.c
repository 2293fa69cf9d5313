/* services/cli/streams.c - `weir streams`: what is live, and who is on it. */
#include <stdio.h>

#include "common/io/clock.h"
#include "services/cli/api.h"
#include "services/cli/commands.h"
#include "services/cli/table.h"

struct options {
	struct api_options api; /* first: API_ARGS */
	bool is_sessions;
};

static const struct arg args[] = {
	API_ARGS{"sessions", ARG_FLAG, "", 0, 0,
		 offsetof(struct options, is_sessions),
		 "list publishers and viewers, with the ids that kick takes"},
};

static const struct arg_table table = {
	.command = "streams",
	.operands = "",
	.sentence = "Lists the live streams of a cluster.",
	.arg = args,
	.arg_count = WEIR_ARRAY_LEN(args),
};

/* ---- streams ---- */

static void add_formats(struct table *t, struct json_object *s)
{
	struct json_object *v = api_member(s, "video");
	struct json_object *a = api_member(s, "audio");

	if (v)
		table_cell(t, "%s %.0fx%.0f %.4g fps", api_text(v, "codec"),
			   api_number(v, "width"), api_number(v, "height"),
			   api_number(v, "fps"));
	else
		table_cell(t, "-");
	if (a)
		table_cell(t, "%s %.4g kHz", api_text(a, "codec"),
			   api_number(a, "rate") / 1000);
	else
		table_cell(t, "-");
	if (api_number(s, "gop_ms") > 0)
		table_cell(t, "%.1f s", api_number(s, "gop_ms") / 1000);
	else
		table_cell(t, "-");
}

static void add_stream(struct table *t, struct json_object *s)
{
	double age_us = (double)io_utc_us() - api_number(s, "start_us");
	bool is_live = json_object_get_boolean(api_member(s, "live"));
	char age[24];

	table_cell(t, "%s", api_text(s, "key"));
	table_cell(t, "%s", is_live ? "live" : "lost");
	table_cell(t, "%s", table_age(age, age_us / 1e6));
	table_cell(t, "%.0f", api_number(s, "viewers"));
	add_formats(t, s);
	table_cell(t, "%s", api_text(s, "writer"));
	table_cell(t, "%s", api_text(s, "home"));
	table_cell(t, "%s", api_text(s, "session_id"));
}

static void put_streams(struct buf *out, struct json_object *o)
{
	static const char *const heads[] = {
		"STREAM",   "STATE",  "AGE",    "VIEWERS",   "VIDEO", "AUDIO",
		"KEY EACH", "INGEST", "ORIGIN", "PUBLISHER", NULL};
	struct table t;

	table_begin(&t, heads);
	for (size_t i = 0; i < api_count(o, "streams"); i++)
		add_stream(&t, api_item(o, "streams", i));
	table_end(&t, out);
}

/* ---- sessions ---- */

static void add_session(struct table *t, struct json_object *group,
			struct json_object *s)
{
	char rate[24];

	if (!*api_text(s, "session_id"))
		return;
	table_cell(t, "%s/%s", api_text(group, "app_name"),
		   api_text(group, "stream_name"));
	table_cell(t, "%s", api_text(s, "session_id"));
	table_cell(t, "%s",
		   !strcmp(api_text(s, "base_type"), "SUB") ? "viewer"
							    : "publisher");
	table_cell(t, "%s", api_text(s, "protocol"));
	table_cell(t, "%s", api_text(s, "remote_addr"));
	table_cell(t, "%.19s", api_text(s, "start_time"));
	table_cell(t, "%s",
		   table_bps(rate, api_number(s, "bitrate_kbits") * 1000));
}

static void put_sessions(struct buf *out, struct json_object *o)
{
	static const char *const heads[] = {
		"STREAM", "SESSION",     "KIND", "PROTOCOL",
		"PEER",   "SINCE (UTC)", "RATE", NULL};
	struct json_object *data = api_member(o, "data");
	struct table t;

	table_begin(&t, heads);
	for (size_t i = 0; i < api_count(data, "groups"); i++) {
		struct json_object *g = api_item(data, "groups", i);

		add_session(&t, g, api_member(g, "pub"));
		add_session(&t, g, api_member(g, "pull"));
		for (size_t k = 0; k < api_count(g, "subs"); k++)
			add_session(&t, g, api_item(g, "subs", k));
	}
	table_end(&t, out);
}

static int print_page(struct json_object *o, bool is_sessions)
{
	struct buf out = {0};
	int err;

	if (is_sessions)
		put_sessions(&out, o);
	else
		put_streams(&out, o);
	err = buf_error(&out);
	if (!err)
		printf("%s", buf_text(&out));
	buf_fini(&out);
	return err ? 1 : 0;
}

int command_streams(int argc, char **argv)
{
	struct options o = {0};
	struct arg_rest rest = {0};
	struct json_object *answer;
	int status;

	if (args_take(&o, &rest, &table, argc, argv, &status))
		return status;
	status = api_ask(&answer, &o.api,
			 o.is_sessions ? "/api/stat/all_group" : "/api/streams",
			 NULL);
	if (status)
		return status;
	if (o.api.is_json)
		api_print(answer);
	else
		status = print_page(answer, o.is_sessions);
	json_object_put(answer);
	return status;
}
