/* services/dispatch/api_table.c - the rows of the API. */
#include "services/dispatch/api_calls.h"
#include "services/dispatch/api_schemas.h"
#include "services/dispatch/internal.h"
#include "services/dispatch/route.h"

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

static const struct api_field of_start_pull[] = {
	{"url", API_TEXT, API_NEEDED, 1, 2048, NULL, NULL, NULL, "rtmp, rtmps, or FLV by http or https."},
	{"stream_name", API_TEXT, API_TOLD, 0, 512, NULL, NULL, NULL, "What it becomes here; without: the last item of the address."},
	{"pull_timeout_ms", API_INT, 0, 0, 86400000, NULL, "10000", NULL, "Until media comes; 0: no limit."},
	{"pull_retry_num", API_INT, 0, -1, INT32_MAX, NULL, "0", NULL, "Attempts behind the first; -1: for ever."},
	{"auto_stop_pull_after_no_out_ms", API_INT, 0, -1, INT32_MAX, NULL, "-1", NULL, "Without viewers; -1: never; 0: at once."},
	{"rtsp_mode", API_INT, 0, 0, 1, NULL, "0", NULL, "Ignored."},
	{"debug_dump_packet", API_TEXT, 0, 0, 1024, NULL, "\"\"", NULL, "Ignored."},
};
static const struct api_schema start_pull = SCHEMA("", of_start_pull);

static const struct api_field of_stop_pull[] = {
	{"stream_name", API_TEXT, NEEDED_QUERY | API_TOLD, 1, 512, NULL, NULL, NULL, "As of /api/stat/group."},
};
static const struct api_schema stop_pull = SCHEMA("", of_stop_pull);

static const struct api_field of_blacklist[] = {
	{"ip", API_TEXT, API_NEEDED | API_TOLD, 1, 50, NULL, NULL, NULL, "An address, or a block."},
	{"duration_sec", API_INT, API_NEEDED | API_TOLD, 0, 3153600000, NULL, NULL, NULL, "How long."},
};
static const struct api_schema blacklist = SCHEMA("", of_blacklist);

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

#define AFTER_SESSION {"after", API_TEXT, API_IN_QUERY, 1, 512, NULL, NULL, NULL, "Go on where the page before has ended: its \"next\"."}

static const struct api_field of_sessions[] = {
	{"stream", API_KEY, API_IN_QUERY, 0, 0, NULL, NULL, NULL, "Only those of this stream."},
	{"node", API_TEXT, API_IN_QUERY, 1, 64, NULL, NULL, NULL, "Only those of this node."},
	{"protocol", API_TEXT, API_IN_QUERY, 0, 0, "RTMP|RTSP|FLV|TS|PS|HLS", NULL, NULL, "Only those."},
	{"base_type", API_TEXT, API_IN_QUERY, 0, 0, "PUB|SUB|PULL|PUSH", NULL, NULL, "Only those."},
	{"ip", API_TEXT, API_IN_QUERY, 1, 64, NULL, NULL, NULL, "Only those from this address, or of this block (192.0.2.0/24)."},
	{"user", API_TEXT, API_IN_QUERY, 1, 128, NULL, NULL, NULL, "Only those of this user."},
	AFTER_SESSION, LIMIT,
};
static const struct api_schema sessions_in = SCHEMA("", of_sessions);

static const struct api_field of_stream[] = {
	{"stream", API_KEY, NEEDED_QUERY, 0, 0, NULL, NULL, NULL, "app/name"},
};
static const struct api_schema stream_in = SCHEMA("", of_stream);

static const struct api_field of_relays[] = {
	{"stream", API_KEY, API_IN_QUERY, 0, 0, NULL, NULL, NULL, "Only of this stream."},
};
static const struct api_schema relays_in = SCHEMA("", of_relays);

static const struct api_field of_kick[] = {
	{"session", API_TEXT, API_TOLD, 1, 64, NULL, NULL, NULL, "Its id."},
	{"stream", API_KEY, API_TOLD, 0, 0, NULL, NULL, NULL, "All of this stream."},
	{"ip", API_TEXT, API_TOLD, 1, 64, NULL, NULL, NULL, "All from this address; with ban_ms also a block (192.0.2.0/24)."},
	{"user", API_TEXT, API_TOLD, 1, 128, NULL, NULL, NULL, "All of this user."},
	{"ban_ms", API_INT, API_TOLD, 0, 3153600000000, NULL, "0", NULL, "How long they stay out."},
};
static const struct api_schema kick_in = SCHEMA("", of_kick);

/* ---- rules ---- */

#define KINDS "deny|allow|ban|key|pull|push"
#define KIND_IN_PATH {"kind", API_TEXT, API_NEEDED | API_IN_PATH | API_TOLD, 0, 0, KINDS, NULL, NULL, "Of the rule."}
#define ID_IN_PATH {"id", API_TEXT, API_NEEDED | API_IN_PATH | API_TOLD, 1, 64, NULL, NULL, NULL, "Among those of its kind: A-Z a-z 0-9 . _ : ~ @ -"}
#define OPS {"ops", API_TEXT, 0, 0, 0, "publish|play|both", "\"both\"", NULL, "For whom it is."}
#define UNTIL {"until_ms", API_INT, API_TOLD, 0, INT64_MAX, NULL, "0", NULL, "UTC; from then on it is over; 0: never."}
#define NOTE {"note", API_TEXT, 0, 0, 256, NULL, "\"\"", NULL, "For people."}
#define STREAMS {"streams", API_TEXT, API_NEEDED | API_TOLD, 1, 512, NULL, NULL, NULL, "live/cam1, live/*, live/**, **"}
#define URLS(sentence) {"urls", API_ONE_OR_MORE, API_NEEDED, 1, 8, NULL, NULL, NULL, sentence}

static const struct api_field of_rules[] = {
	{"kind", API_TEXT, API_IN_QUERY, 0, 0, KINDS, NULL, NULL, "Only these."},
	AFTER, LIMIT,
};
static const struct api_schema rules_in = SCHEMA("", of_rules);

static const struct api_field of_rule[] = {KIND_IN_PATH, ID_IN_PATH};
static const struct api_schema rule_in = SCHEMA("", of_rule);

static const struct api_field of_list_rule[] = {
	ID_IN_PATH,
	{"cidr", API_ONE_OR_MORE, API_NEEDED | API_TOLD, 1, 64, NULL, NULL, NULL, "Addresses, or blocks such as 192.0.2.0/24."},
	OPS, UNTIL, NOTE,
};
static const struct api_schema list_rule_in = SCHEMA("", of_list_rule);

static const struct api_field of_ban_rule[] = {
	ID_IN_PATH,
	{"session", API_TEXT, API_TOLD, 1, 64, NULL, NULL, NULL, "Its id."},
	{"stream", API_TEXT, API_TOLD, 1, 512, NULL, NULL, NULL, "A pattern, as of \"streams\"."},
	{"ip", API_TEXT, API_TOLD, 1, 64, NULL, NULL, NULL, "An address or a block."},
	{"user", API_TEXT, API_TOLD, 1, 128, NULL, NULL, NULL, "As a signed address or the webhook says."},
	OPS, UNTIL, NOTE,
};
static const struct api_schema ban_rule_in = SCHEMA("", of_ban_rule);

static const struct api_field of_key_rule[] = {
	ID_IN_PATH,
	{"secret", API_TEXT, API_NEEDED, 16, 256, NULL, NULL, NULL, "What addresses are signed with; never shown."},
	OPS, UNTIL, NOTE,
};
static const struct api_schema key_rule_in = SCHEMA("", of_key_rule);

static const struct api_field of_pull_rule[] = {
	ID_IN_PATH, STREAMS, URLS("Where from, tried in this order; $app, $name and $key stand for those of the stream."),
	{"on_demand", API_BOOL, 0, 0, 0, NULL, "true", NULL, "False: kept on; then streams is one stream."},
	{"pull_timeout_ms", API_INT, 0, 1, 600000, NULL, "10000", NULL, "Until media comes."},
	{"retry_num", API_INT, 0, -1, INT32_MAX, NULL, "-1", NULL, "-1: for ever."},
	{"auto_stop_ms", API_INT, 0, -1, INT64_MAX, NULL, "0", NULL, "Without anybody who wants it; -1: never; 0: at once."},
	UNTIL, NOTE,
};
static const struct api_schema pull_rule_in = SCHEMA("", of_pull_rule);

static const struct api_field of_push_rule[] = {
	ID_IN_PATH, STREAMS, URLS("Where to, all of them; $app, $name and $key stand for those of the stream."),
	{"forward_query", API_BOOL, 0, 0, 0, NULL, "false", NULL, "The publisher's query goes along, without secrets."},
	{"keep_pull", API_BOOL, 0, 0, 0, NULL, NULL, NULL, "It holds streams that are pulled on demand; absent: if streams is one stream."},
	UNTIL, NOTE,
};
static const struct api_schema push_rule_in = SCHEMA("", of_push_rule);

static const struct api_field of_drain[] = {
	{"node", API_TEXT, API_NEEDED | API_IN_PATH | API_TOLD, 1, 64, NULL, NULL, NULL, "Its id."},
};
static const struct api_schema drain_in = SCHEMA("", of_drain);

static const struct api_field of_old_drain[] = {
	{"node", API_TEXT, NEEDED_QUERY | API_TOLD, 1, 64, NULL, NULL, NULL, "Its id."},
};
static const struct api_schema old_drain_in = SCHEMA("", of_old_drain);

static const struct api_field of_route[] = {
	{"op", API_TEXT, NEEDED_QUERY, 0, 0, "publish|play", NULL, NULL, "What the client wants to do."},
	{"proto", API_TEXT, API_IN_QUERY, 0, 0, ROUTE_WAYS, "\"rtmp\"", NULL, "By which protocol; publishers: rtmp."},
	{"stream", API_KEY, NEEDED_QUERY, 0, 0, NULL, NULL, NULL, "app/name"},
	{"ip", API_TEXT, API_IN_QUERY, 1, 64, NULL, NULL, NULL, "The client's address, for its zone (dispatch.zones)."},
	{"zone", API_TEXT, API_IN_QUERY, 1, 63, NULL, NULL, NULL, "The client's zone, whatever its address."},
};
static const struct api_schema route_in = SCHEMA("", of_route);

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
	{NULL, "/api/ctrl/start_relay_pull", API_LAL | API_CONTROL | API_EMPTY, "start_relay_pull",
	 "Fetch a stream from elsewhere.", &start_pull, &schema_relay_pull, api_start_relay_pull},
	{NULL, "/api/ctrl/stop_relay_pull", API_LAL | API_CONTROL | API_EMPTY, "stop_relay_pull",
	 "End that.", &stop_pull, &schema_pull_stopped, api_stop_relay_pull},
	{NULL, "/api/ctrl/add_ip_blacklist", API_LAL | API_CONTROL, "add_ip_blacklist",
	 "Deny an address everything for a while.", &blacklist, NULL, api_add_ip_blacklist},
	{NULL, "/api/ctrl/start_rtp_pub", API_LAL | API_CONTROL | API_EMPTY, "start_rtp_pub",
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
	 "Publishers and viewers, node by node, by their ids.", &sessions_in, &schema_sessions, api_sessions},
	{"GET", "/api/v1/events", 0, "list_events",
	 "The last 100 events of a stream, of all nodes, by time, and who was refused.", &stream_in, &schema_events, api_events},
	{"GET", "/api/v1/topology", 0, "topology",
	 "Who writes a stream, who holds it, who takes it.", &stream_in, &schema_topology, api_topology},
	{"GET", "/api/v1/route", 0, "route",
	 "The best addresses for a client, those of its zone first.", &route_in, &schema_route, api_route},
	{"GET", "/api/v1/pulls", 0, "list_pulls",
	 "Relay pulls, and how they go.", &relays_in, &schema_pulls, api_pulls},
	{"GET", "/api/v1/pushes", 0, "list_pushes",
	 "Relay pushes, and how they go.", &relays_in, &schema_pushes, api_pushes},
	{"POST", "/api/v1/kick", API_CONTROL, "kick",
	 "End all sessions that fit all that is named.", &kick_in, &schema_kicked, api_kick},
	{"GET", "/api/v1/rules", 0, "list_rules",
	 "Rules of the API, and of the settings of the dispatch that answers.", &rules_in, &schema_rules, api_rules},
	{"GET", "/api/v1/rules/{kind}/{id}", 0, "get_rule",
	 "One rule.", &rule_in, &schema_rule, api_rule},
	/* The kind stands in the name. */
	{"PUT", "/api/v1/rules/deny/{id}", API_CONTROL, "put_deny",
	 "Addresses that may not.", &list_rule_in, &schema_rule_changed, api_put_rule},
	{"PUT", "/api/v1/rules/allow/{id}", API_CONTROL, "put_allow",
	 "Addresses that may; with such a rule no others may.", &list_rule_in, &schema_rule_changed, api_put_rule},
	{"PUT", "/api/v1/rules/ban/{id}", API_CONTROL, "put_ban",
	 "Keep out whoever fits all that is named.", &ban_rule_in, &schema_rule_changed, api_put_rule},
	{"PUT", "/api/v1/rules/key/{id}", API_CONTROL, "put_key",
	 "A key for signed addresses; its id is their weir_kid.", &key_rule_in, &schema_rule_changed, api_put_rule},
	{"PUT", "/api/v1/rules/pull/{id}", API_CONTROL, "put_pull",
	 "Fetch streams from elsewhere.", &pull_rule_in, &schema_rule_changed, api_put_rule},
	{"PUT", "/api/v1/rules/push/{id}", API_CONTROL, "put_push",
	 "Send streams elsewhere.", &push_rule_in, &schema_rule_changed, api_put_rule},
	{"DELETE", "/api/v1/rules/{kind}/{id}", API_CONTROL, "delete_rule",
	 "Take a rule of the API away.", &rule_in, &schema_rule_changed, api_delete_rule},

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
