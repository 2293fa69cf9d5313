/* services/dispatch/api_table.c - the rows of the API. */
#include "services/dispatch/api_calls.h"
#include "services/dispatch/api_schemas.h"
#include "services/dispatch/internal.h"

/* Rows stand in one line each, or in one line for the operation and one for
 * what it says. */
/* clang-format off */

#define NEEDED_QUERY (API_NEEDED | API_IN_QUERY)
#define SCHEMA(name, fields) {name, NULL, fields, WEIR_ARRAY_LEN(fields)}

/* ---- requests ---- */

static const struct api_field of_one_group[] = {
	{"stream_name", API_TEXT, NEEDED_QUERY, 1, 512, NULL, NULL, NULL,
	 "A key (live/cam1); or a name: that of app live, else of the only app that has it."},
};
static const struct api_schema one_group = SCHEMA("", of_one_group);

static const struct api_field of_kick_session[] = {
	{"stream_name", API_TEXT, API_NEEDED | API_TOLD, 1, 512, NULL, NULL, NULL, "As of /api/stat/group."},
	{"session_id", API_TEXT, API_NEEDED | API_TOLD, 1, 64, NULL, NULL, NULL, "One of that group."},
};
static const struct api_schema kick_session = SCHEMA("", of_kick_session);

static const struct api_field of_rtp_pub[] = {
	{"stream_name", API_TEXT, API_NEEDED | API_TOLD, 1, 512, NULL, NULL, NULL, "The stream that it would become."},
	{"port", API_INT, 0, 0, 65535, NULL, "0", NULL, "0: any."},
	{"timeout_ms", API_INT, 0, 0, 86400000, NULL, "60000", NULL, "Without packets."},
	{"is_tcp_flag", API_INT, 0, 0, 1, NULL, "0", NULL, "1: by TCP."},
	{"debug_dump_packet", API_TEXT, 0, 0, 1024, NULL, "\"\"", NULL, "Ignored."},
};
static const struct api_schema rtp_pub = SCHEMA("", of_rtp_pub);

#define AFTER {"after", API_TEXT, API_IN_QUERY, 1, 512, NULL, NULL, NULL, "Only what comes behind it: \"next\" of the page before."}
#define LIMIT {"limit", API_INT, API_IN_QUERY, 1, 1000, NULL, "100", NULL, "How many at most."}

static const struct api_field of_nodes[] = {
	{"role", API_TEXT, API_IN_QUERY, 0, 0, "ingest|origin|edge|packager|dispatch", NULL, NULL, "Only these."},
};
static const struct api_schema nodes_in = SCHEMA("", of_nodes);

static const struct api_field of_streams[] = {
	{"stream", API_KEY, API_IN_QUERY, 0, 0, NULL, NULL, NULL, "Only this one."},
	{"app", API_TEXT, API_IN_QUERY, 1, 512, NULL, NULL, NULL, "Only those of this app."},
	AFTER, LIMIT,
};
static const struct api_schema streams_in = SCHEMA("", of_streams);

static const struct api_field of_sessions[] = {
	{"stream", API_KEY, API_IN_QUERY, 0, 0, NULL, NULL, NULL, "Only those of this stream."},
	{"node", API_TEXT, API_IN_QUERY, 1, 64, NULL, NULL, NULL, "Only those of this node."},
	{"protocol", API_TEXT, API_IN_QUERY, 0, 0, "RTMP|RTSP|FLV|TS|PS|HLS", NULL, NULL, "Only those."},
	{"base_type", API_TEXT, API_IN_QUERY, 0, 0, "PUB|SUB|PULL|PUSH", NULL, NULL, "Only those."},
	{"ip", API_TEXT, API_IN_QUERY, 1, 64, NULL, NULL, NULL, "Only those from this address."},
	{"user", API_TEXT, API_IN_QUERY, 1, 128, NULL, NULL, NULL, "Only those of this user."},
	AFTER, LIMIT,
};
static const struct api_schema sessions_in = SCHEMA("", of_sessions);

static const struct api_field of_stream[] = {
	{"stream", API_KEY, NEEDED_QUERY, 0, 0, NULL, NULL, NULL, "app/name"},
};
static const struct api_schema stream_in = SCHEMA("", of_stream);

static const struct api_field of_drain[] = {
	{"node", API_TEXT, API_NEEDED | API_IN_PATH | API_TOLD, 1, 64, NULL, NULL, NULL, "Its id."},
};
static const struct api_schema drain_in = SCHEMA("", of_drain);

static const struct api_field of_old_drain[] = {
	{"node", API_TEXT, NEEDED_QUERY | API_TOLD, 1, 64, NULL, NULL, NULL, "Its id."},
};
static const struct api_schema old_drain_in = SCHEMA("", of_old_drain);

/* ---- rows ---- */

const struct api_route api_table[] = {
	/* lal's */
	{NULL, "/api/stat/lal_info", API_LAL, "lal_info",
	 "The server.", NULL, &schema_lal_info, api_lal_info},
	{NULL, "/api/stat/all_group", API_LAL, "all_group",
	 "All streams, as lal has them.", NULL, &schema_all_group, api_all_group},
	{NULL, "/api/stat/group", API_LAL, "group",
	 "One stream, as lal has it.", &one_group, &schema_group, api_group},
	{NULL, "/api/ctrl/kick_session", API_LAL | API_CONTROL, "kick_session",
	 "End one session.", &kick_session, NULL, api_kick_session},
	{NULL, "/api/ctrl/start_rtp_pub", API_LAL | API_CONTROL, "start_rtp_pub",
	 "Not there yet.", &rtp_pub, &schema_rtp_pub, api_start_rtp_pub},

	/* our own */
	{"GET", "/api/openapi.json", 0, "openapi",
	 "This document.", NULL, &schema_any, api_openapi},
	{"GET", "/api/v1/nodes", 0, "list_nodes",
	 "Every process of the cluster.", &nodes_in, &schema_nodes, api_nodes},
	{"POST", "/api/v1/nodes/{node}/drain", API_CONTROL, "drain_node",
	 "Have a node take leave in order, as by SIGTERM.", &drain_in, &schema_draining, api_drain},
	{"GET", "/api/v1/streams", 0, "list_streams",
	 "Every stream that is not over, by its key.", &streams_in, &schema_streams, api_streams},
	{"GET", "/api/v1/sessions", 0, "list_sessions",
	 "Publishers and viewers, by their ids.", &sessions_in, &schema_sessions, api_sessions},
	{"GET", "/api/v1/events", 0, "list_events",
	 "The last 100 events of a stream, of all nodes, by time.", &stream_in, &schema_events, api_events},
	{"GET", "/api/v1/topology", 0, "topology",
	 "Who writes a stream, who holds it, who takes it.", &stream_in, &schema_topology, api_topology},

	/* of the page, and of the command line */
	{"GET", "/api/page", API_PAGE, "page",
	 "What the browser page shows.", NULL, &schema_page, api_page},
	{"GET", "/api/nodes", API_OLD, "nodes", "", NULL, &schema_nodes, api_nodes},
	{"GET", "/api/streams", API_OLD, "streams", "", NULL, &schema_streams, api_old_streams},
	{"GET", "/api/events", API_OLD, "events", "", &stream_in, &schema_events, api_events},
	{"POST", "/api/ctrl/drain", API_OLD | API_CONTROL, "drain_node", "", &old_drain_in, &schema_draining, api_drain},
};
const size_t api_table_count = WEIR_ARRAY_LEN(api_table);

/* clang-format on */

void api_openapi(struct api_call *call)
{
	api_answer(&call,
		   api_document(api_table, api_table_count, svc_version()));
}
