/* services/dispatch/api_schemas.c - what the API answers. */
#include "services/dispatch/api_schemas.h"

/* clang-format off */

#define SCHEMA(name, sentence, fields)                                         \
	{name, sentence, fields, WEIR_ARRAY_LEN(fields)}
#define FIELD(name, kind, flags, sentence)                                     \
	{name, kind, flags, 0, 0, NULL, NULL, NULL, sentence}
#define TEXT(name, sentence)    FIELD(name, API_TEXT, API_NEEDED, sentence)
#define INT(name, sentence)     FIELD(name, API_INT, API_NEEDED, sentence)
#define BOOL(name, sentence)    FIELD(name, API_BOOL, API_NEEDED, sentence)
#define MAY(name, kind, sentence) FIELD(name, kind, 0, sentence)
#define OBJECT(name, flags, of, sentence)                                      \
	{name, API_OBJECT, flags, 0, 0, NULL, NULL, of, sentence}
#define LIST(name, of, sentence)                                               \
	{name, API_LIST, API_NEEDED, 0, 0, NULL, NULL, of, sentence}

const struct api_schema schema_any = {"Document", "An OpenAPI document.", NULL, 0};

/* ---- lal ---- */

static const struct api_field of_lal_info[] = {
	TEXT("server_id", "dispatch.server_id"),
	TEXT("bin_info", "What was built, and where it runs."),
	TEXT("lal_version", "The name of this server."),
	TEXT("api_version", "Of lal's API that this one is."),
	TEXT("notify_version", "Of lal's notifications."),
	TEXT("WebUiVersion", "Of lal's page."),
	TEXT("start_time", "Of the dispatch that answers."),
};
const struct api_schema schema_lal_info = SCHEMA("LalInfo", NULL, of_lal_info);

static const struct api_field of_stat_session[] = {
	TEXT("session_id", "Empty: there is none."),
	TEXT("protocol", "RTMP, RTSP, FLV, TS, PS or HLS."),
	TEXT("base_type", "PUB, SUB or PULL."),
	TEXT("remote_addr", "Address and port."),
	TEXT("start_time", NULL),
	INT("read_bytes_sum", "From it."),
	INT("wrote_bytes_sum", "To it."),
	INT("bitrate_kbits", "The one of the two below that is media."),
	INT("read_bitrate_kbits", "Of the last 5 s."),
	INT("write_bitrate_kbits", "Of the last 5 s."),
};
static const struct api_schema stat_session = SCHEMA("StatSession", NULL, of_stat_session);

static const struct api_field of_second[] = {
	INT("unix_sec", "Which second."),
	INT("v", "Video frames in it."),
};
static const struct api_schema second = SCHEMA("Second", NULL, of_second);

static const struct api_field of_group[] = {
	TEXT("stream_name", NULL),
	TEXT("app_name", NULL),
	TEXT("audio_codec", "AAC, PCMA, PCMU, OPUS, MP3 or empty."),
	TEXT("video_codec", "H264, H265 or empty."),
	INT("video_width", NULL),
	INT("video_height", NULL),
	OBJECT("pub", API_NEEDED, &stat_session, "Its publisher."),
	{"subs", API_LIST, API_NEEDED | API_NULL, 0, 0, NULL, NULL, &stat_session, "Its viewers; null: none."},
	OBJECT("pull", API_NEEDED, &stat_session, "Its relay pull."),
	LIST("in_frame_per_sec", &second, "Newest first, at most 32, without the second that runs."),
};
const struct api_schema schema_group = SCHEMA("StatGroup", "A stream, as lal has it.", of_group);

static const struct api_field of_all_group[] = {
	{"groups", API_LIST, API_NEEDED | API_NULL, 0, 0, NULL, NULL, &schema_group, "null: none."},
};
const struct api_schema schema_all_group = SCHEMA("AllGroup", NULL, of_all_group);

static const struct api_field of_relay_pull[] = {
	TEXT("stream_name", NULL),
	TEXT("session_id", "Of the pull that has begun."),
};
const struct api_schema schema_relay_pull = SCHEMA("RelayPull", NULL, of_relay_pull);

static const struct api_field of_pull_stopped[] = {
	TEXT("session_id", "Of the pull that has ended."),
};
const struct api_schema schema_pull_stopped = SCHEMA("RelayPullStopped", NULL, of_pull_stopped);

static const struct api_field of_rtp_pub[] = {
	TEXT("stream_name", NULL),
	TEXT("session_id", NULL),
	INT("port", NULL),
};
const struct api_schema schema_rtp_pub = SCHEMA("RtpPub", NULL, of_rtp_pub);

/* ---- nodes ---- */

static const struct api_field of_load[] = {
	INT("busy_permille", "Of its loop, in the last second."),
	INT("streams", "That it carries."),
	INT("publishers", NULL),
	INT("viewers", NULL),
	INT("in_bps", "Media, bits a second."),
	INT("out_bps", "Media, bits a second."),
	INT("cpu_permille", "Of one processor, in the last second."),
	INT("memory_bytes", NULL),
	BOOL("full", "Nobody who is new is let in now."),
};
static const struct api_schema load = SCHEMA("Load", NULL, of_load);

static const struct api_field of_node[] = {
	TEXT("id", NULL),
	TEXT("role", NULL),
	TEXT("instance", "Of this start."),
	TEXT("url", "Of the bus; empty: it does not listen."),
	INT("pid", NULL),
	TEXT("version", NULL),
	BOOL("draining", "It takes no new work."),
	FIELD("addresses", API_MAP, API_NEEDED, "Where it listens, by use."),
	MAY("zone", API_TEXT, "cluster.zone"),
	MAY("handover", API_TEXT, "Where it takes connections over."),
	MAY("machine", API_TEXT, "The same for all processes of one machine."),
	OBJECT("load", API_NEEDED, &load, NULL),
	BOOL("linked", "The dispatch that answers reaches it."),
};
static const struct api_schema node = SCHEMA("Node", "A process of the cluster.", of_node);

static const struct api_field of_nodes[] = {
	LIST("nodes", &node, NULL),
};
const struct api_schema schema_nodes = SCHEMA("Nodes", NULL, of_nodes);

static const struct api_field of_draining[] = {
	TEXT("node", NULL),
	BOOL("draining", NULL),
};
const struct api_schema schema_draining = SCHEMA("Draining", NULL, of_draining);

/* ---- streams ---- */

static const struct api_field of_video[] = {
	TEXT("codec", NULL),
	TEXT("api_codec", "As lal writes it."),
	INT("width", NULL),
	INT("height", NULL),
	FIELD("fps", API_NUMBER, API_NEEDED, NULL),
};
static const struct api_schema video = SCHEMA("Video", NULL, of_video);

static const struct api_field of_audio[] = {
	TEXT("codec", NULL),
	TEXT("api_codec", "As lal writes it."),
	INT("rate", "Samples a second."),
	INT("channels", NULL),
};
static const struct api_schema audio = SCHEMA("Audio", NULL, of_audio);

#define POSITION                                                               \
	TEXT("key", "app/name"),                                               \
	INT("epoch", "How many times it has been published."),                 \
	TEXT("session", "Of this time."),                                      \
	INT("term", "Grows when its writer or its home changes."),             \
	BOOL("live", "False: its publisher has left, and the grace time runs."), \
	INT("start_us", "UTC.")

static const struct api_field of_stream[] = {
	POSITION,
	TEXT("writer", "The ingest that takes it in."),
	TEXT("home", "The origin that holds it."),
	INT("viewers", NULL),
	MAY("node", API_TEXT, "The ingest that told what follows."),
	MAY("session_id", API_TEXT, "Of its publisher."),
	MAY("settled", API_BOOL, "Its tracks are known."),
	OBJECT("video", 0, &video, NULL),
	OBJECT("audio", 0, &audio, NULL),
	MAY("gop_ms", API_INT, "Between the last two key frames."),
	MAY("frames", API_INT, NULL),
	MAY("video_frames", API_INT, NULL),
	MAY("dropped", API_INT, "Before the first key frame, or broken."),
	MAY("clamped", API_INT, "Times that were repaired."),
	{"in_frame_per_sec", API_LIST, 0, 0, 0, NULL, NULL, &second, "Newest first."},
};
static const struct api_schema stream = SCHEMA("Stream", "A stream that is not over.", of_stream);

#define PAGE                                                                   \
	MAY("next", API_TEXT, "There are more: \"after\" of the next page."),  \
	MAY("silent", API_INT, "How many nodes did not answer.")

static const struct api_field of_streams[] = {
	LIST("streams", &stream, NULL), PAGE,
};
const struct api_schema schema_streams = SCHEMA("Streams", NULL, of_streams);

static const struct api_field of_page[] = {
	FIELD("http", API_TEXTS, API_NEEDED, "Where edges serve."),
	FIELD("rtmp", API_TEXTS, API_NEEDED, "Where edges serve."),
	LIST("streams", &stream, NULL),
};
const struct api_schema schema_page = SCHEMA("Page", NULL, of_page);

/* ---- sessions ---- */

static const struct api_field of_session[] = {
	TEXT("session_id", "Unique in the cluster."),
	TEXT("stream", NULL),
	TEXT("node", "Where it is."),
	TEXT("protocol", "RTMP, RTSP, FLV, TS, PS or HLS."),
	TEXT("base_type", "PUB, SUB, PULL or PUSH."),
	TEXT("remote_addr", "Address and port."),
	MAY("user", API_TEXT, "As a signed address or the webhook says."),
	INT("start_us", "UTC."),
	INT("read_bytes", "From it."),
	INT("wrote_bytes", "To it."),
	INT("read_kbits", "A second, in the last 5 s."),
	INT("write_kbits", "A second, in the last 5 s."),
	INT("skipped", "Frames that were left out."),
};
static const struct api_schema session = SCHEMA("Session", "One publisher or viewer.", of_session);

static const struct api_field of_sessions[] = {
	LIST("sessions", &session, NULL), PAGE,
};
const struct api_schema schema_sessions = SCHEMA("Sessions", NULL, of_sessions);

/* ---- events ---- */

static const struct api_field of_event[] = {
	INT("utc_us", NULL),
	TEXT("event", NULL),
	TEXT("reason", "Of the closed list; none."),
	TEXT("detail", NULL),
	TEXT("node", "Where it was."),
	MAY("count", API_INT, "How many, where it came more than once."),
	MAY("since_utc_us", API_INT, "Of the first of them; utc_us is of the last."),
	MAY("address", API_TEXT, "Of who was refused, or put out; empty: of several."),
	MAY("protocol", API_TEXT, "The same."),
};
static const struct api_schema event = SCHEMA("Event", NULL, of_event);

static const struct api_field of_events[] = {
	LIST("events", &event, NULL),
};
const struct api_schema schema_events = SCHEMA("Events", NULL, of_events);

/* ---- topology ---- */

static const struct api_field of_writer[] = {
	TEXT("node", "The ingest."),
	OBJECT("session", 0, &session, "Its publisher, if it is there."),
};
static const struct api_schema writer = SCHEMA("Writer", NULL, of_writer);

static const struct api_field of_origin[] = {
	TEXT("node", NULL),
	TEXT("stream", NULL),
	BOOL("is_home", "Consumers are sent here."),
	BOOL("has_writer", "The link to the writer is up."),
	INT("wanting", "Consumers that have somebody who watches."),
	INT("following", "Consumers that only read along."),
	INT("log_bytes", NULL),
	INT("log_frames", NULL),
	INT("skipped", "Frames, of all consumers."),
};
static const struct api_schema origin = SCHEMA("Origin", "An origin that has the stream's log.", of_origin);

static const struct api_field of_consumer[] = {
	TEXT("node", NULL),
	TEXT("role", NULL),
	BOOL("wanting", "Somebody watches."),
	TEXT("origin", "From which it takes the stream."),
	INT("viewers", "Its viewers of the stream."),
};
static const struct api_schema consumer = SCHEMA("Consumer", "A process that takes the stream.", of_consumer);

static const struct api_field of_topology[] = {
	POSITION,
	OBJECT("writer", API_NEEDED, &writer, NULL),
	OBJECT("home", API_NEEDED | API_NULL, &origin, "null: it is not reached."),
	LIST("replicas", &origin, "Other origins that have it."),
	LIST("consumers", &consumer, NULL),
	INT("silent", "How many nodes did not answer."),
};
const struct api_schema schema_topology = SCHEMA("Topology", "The way of a stream.", of_topology);

/* ---- relay ---- */

static const struct api_field of_pull[] = {
	TEXT("node", "The ingest that does it."),
	TEXT("stream", NULL),
	TEXT("session_id", NULL),
	TEXT("protocol", NULL),
	TEXT("url", "Where from, without its query."),
	TEXT("rule", "Its id; empty: of start_relay_pull."),
	TEXT("state", "claims, dials, waits (for media), runs or pauses (until the next attempt)."),
	TEXT("reason", "Of the last attempt's end."),
	TEXT("detail", NULL),
	INT("attempts", NULL),
	INT("start_us", "UTC."),
	INT("read_bytes", NULL),
	INT("auto_stop_ms", NULL),
	INT("retry_num", NULL),
	BOOL("wanted", "Somebody watches."),
};
static const struct api_schema pull = SCHEMA("Pull", "A relay pull.", of_pull);

static const struct api_field of_pulls[] = {
	LIST("pulls", &pull, NULL),
	INT("silent", "How many nodes did not answer."),
};
const struct api_schema schema_pulls = SCHEMA("Pulls", NULL, of_pulls);

static const struct api_field of_push[] = {
	TEXT("node", "The origin that does it."),
	TEXT("stream", NULL),
	TEXT("session_id", NULL),
	TEXT("protocol", NULL),
	TEXT("url", "Where to, without secrets."),
	TEXT("rule", "Its id."),
	TEXT("state", "waits (for media), dials, runs, pauses (until the next attempt) or leaves."),
	TEXT("reason", "Of the last attempt's end."),
	TEXT("detail", NULL),
	INT("attempts", NULL),
	INT("failures", NULL),
	INT("start_us", "UTC."),
	INT("wrote_bytes", NULL),
	INT("frames", NULL),
	INT("skipped", "Frames that were left out."),
	INT("lag_ms", NULL),
	TEXT("remote_addr", NULL),
	INT("retry_in_ms", "Until the next attempt."),
};
static const struct api_schema push = SCHEMA("Push", "A relay push.", of_push);

static const struct api_field of_pushes[] = {
	LIST("pushes", &push, NULL),
	INT("silent", "How many nodes did not answer."),
};
const struct api_schema schema_pushes = SCHEMA("Pushes", NULL, of_pushes);

/* ---- control ---- */

static const struct api_field of_kicked[] = {
	INT("kicked", "How many were ended."),
	INT("silent", "How many nodes did not answer."),
	MAY("ban", API_TEXT, "The id of the rule that keeps them out."),
};
const struct api_schema schema_kicked = SCHEMA("Kicked", NULL, of_kicked);

static const struct api_field of_rule[] = {
	TEXT("kind", "deny, allow, ban, key, pull or push."),
	TEXT("id", NULL),
	TEXT("source", "api; or settings: of the dispatch that answers."),
	INT("until_ms", "UTC; 0: never over."),
	TEXT("note", NULL),
	MAY("cidr", API_ONE_OR_MORE, "One, or a list."),
	MAY("ops", API_TEXT, NULL),
	MAY("session", API_TEXT, NULL),
	MAY("stream", API_TEXT, NULL),
	MAY("ip", API_TEXT, NULL),
	MAY("user", API_TEXT, NULL),
	MAY("streams", API_TEXT, NULL),
	MAY("urls", API_TEXTS, "Without what may be secret."),
	MAY("on_demand", API_BOOL, NULL),
	MAY("once", API_BOOL, "It is one pull, which start_relay_pull has begun; the rule goes with it."),
	MAY("pull_timeout_ms", API_INT, NULL),
	MAY("retry_num", API_INT, NULL),
	MAY("auto_stop_ms", API_INT, NULL),
	MAY("forward_query", API_BOOL, NULL),
	MAY("keep_pull", API_BOOL, "Where it is not as streams has it: true for one stream, false for a pattern."),
};
const struct api_schema schema_rule = SCHEMA("Rule", "What it needs, its kind says; secrets are not shown.", of_rule);

static const struct api_field of_rules[] = {
	LIST("rules", &schema_rule, "By kind, those of settings first."),
	MAY("next", API_TEXT, "There are more: \"after\" of the next page."),
};
const struct api_schema schema_rules = SCHEMA("Rules", NULL, of_rules);

static const struct api_field of_rule_changed[] = {
	TEXT("kind", NULL),
	TEXT("id", NULL),
	BOOL("repeated", "It was done before, under this request id."),
};
const struct api_schema schema_rule_changed = SCHEMA("RuleChanged", "It is in force on every node within a second.", of_rule_changed);

/* ---- route ---- */

static const struct api_field of_address[] = {
	TEXT("url", "The whole address of the stream there."),
	TEXT("node", NULL),
	TEXT("zone", "Where it stands; empty: not told."),
	BOOL("carries", "It has the stream already."),
	BOOL("full", "Nobody who is new is let in there now."),
	INT("busy_permille", "Of the process that will do the work."),
};
static const struct api_schema address = SCHEMA("Address", NULL, of_address);

static const struct api_field of_route[] = {
	TEXT("stream", NULL),
	TEXT("zone", "The client's; empty: not known."),
	LIST("addresses", &address, "The best first; none: nobody takes it now."),
};
const struct api_schema schema_route = SCHEMA("Route", "Where to publish or play.", of_route);

/* clang-format on */
