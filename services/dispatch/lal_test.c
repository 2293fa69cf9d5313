/* services/dispatch/lal_test.c - lal's JSON from what nodes answered. */
#include <stdio.h>

#include "common/test/check.h"
#include "services/dispatch/internal.h"

static const char publisher[] =
	"{\"stream\":\"live/cam1\",\"session_id\":\"RTMPPUBSUB7\","
	"\"protocol\":\"RTMP\",\"base_type\":\"PUB\","
	"\"remote_addr\":\"192.0.2.1:5000\",\"start_us\":1767323045678000,"
	"\"read_bytes\":1000,\"wrote_bytes\":20,\"read_kbits\":800,"
	"\"write_kbits\":3,\"skipped\":0,\"url_param\":\"a=b\"}";

static const char viewer[] =
	"{\"stream\":\"live/cam1\",\"session_id\":\"FLVPUBSUB8\","
	"\"protocol\":\"FLV\",\"base_type\":\"SUB\","
	"\"remote_addr\":\"192.0.2.2:6000\",\"start_us\":1767323046000000,"
	"\"read_bytes\":90,\"wrote_bytes\":5000,\"read_kbits\":0,"
	"\"write_kbits\":790,\"skipped\":12,\"url_param\":\"\"}";

static const char facts[] =
	"{\"stream\":\"live/cam1\",\"session_id\":\"RTMPPUBSUB7\","
	"\"video\":{\"codec\":\"H.264\",\"api_codec\":\"H264\",\"width\":1920,"
	"\"height\":1080,\"fps\":30.0},"
	"\"audio\":{\"codec\":\"AAC\",\"api_codec\":\"AAC\",\"rate\":48000,"
	"\"channels\":2},"
	"\"in_frame_per_sec\":[{\"unix_sec\":1767323047,\"v\":30}]}";

#define EMPTY_SESSION                                                          \
	"{\"session_id\":\"\",\"protocol\":\"\",\"base_type\":\"\","           \
	"\"remote_addr\":\"\",\"start_time\":\"\",\"read_bytes_sum\":0,"       \
	"\"wrote_bytes_sum\":0,\"bitrate_kbits\":0,"                           \
	"\"read_bitrate_kbits\":0,\"write_bitrate_kbits\":0}"

static const char golden[] =
	"{\"stream_name\":\"cam1\",\"app_name\":\"live\","
	"\"audio_codec\":\"AAC\",\"video_codec\":\"H264\","
	"\"video_width\":1920,\"video_height\":1080,"
	"\"pub\":{\"session_id\":\"RTMPPUBSUB7\",\"protocol\":\"RTMP\","
	"\"base_type\":\"PUB\",\"remote_addr\":\"192.0.2.1:5000\","
	"\"start_time\":\"2026-01-02 03:04:05.678 +0000 UTC\","
	"\"read_bytes_sum\":1000,\"wrote_bytes_sum\":20,"
	"\"bitrate_kbits\":800,\"read_bitrate_kbits\":800,"
	"\"write_bitrate_kbits\":3},"
	"\"subs\":[{\"session_id\":\"FLVPUBSUB8\",\"protocol\":\"FLV\","
	"\"base_type\":\"SUB\",\"remote_addr\":\"192.0.2.2:6000\","
	"\"start_time\":\"2026-01-02 03:04:06 +0000 UTC\","
	"\"read_bytes_sum\":90,\"wrote_bytes_sum\":5000,"
	"\"bitrate_kbits\":790,\"read_bitrate_kbits\":0,"
	"\"write_bitrate_kbits\":790}],"
	"\"pull\":" EMPTY_SESSION
	","
	"\"in_frame_per_sec\":[{\"unix_sec\":1767323047,\"v\":30}]}";

static const char golden_waiting[] =
	"{\"stream_name\":\"cam1\",\"app_name\":\"live\",\"audio_codec\":\"\","
	"\"video_codec\":\"\",\"video_width\":0,\"video_height\":0,"
	"\"pub\":" EMPTY_SESSION ",\"subs\":null,\"pull\":" EMPTY_SESSION
	","
	"\"in_frame_per_sec\":[]}";

struct scene {
	struct copy *copy;
	struct gathered g;
	struct json_object *streams;
};

static void add(struct json_object *list, const char *json)
{
	struct json_object *o = json_tokener_parse(json);

	CHECK(o != NULL);
	json_object_array_add(list, o);
}

static void scene_init(struct scene *s)
{
	static const struct copy_limits limits;
	static const struct copy_events events;

	*s = (struct scene){.g = {
				    .sessions = json_object_new_array(),
				    .streams = json_object_new_array(),
			    }};
	CHECK_EQ(copy_new(&s->copy, &limits, &events, s, 1), 0);
}

static void put_stream(struct scene *s, const char *key, bool is_ended)
{
	struct stream_entry e = {.is_live = !is_ended, .is_ended = is_ended};

	snprintf(e.key.text, sizeof(e.key.text), "%s", key);
	CHECK_EQ(copy_put_stream(s->copy, &e), 0);
}

static void scene_fini(struct scene *s)
{
	json_object_put(s->streams);
	json_object_put(s->g.sessions);
	json_object_put(s->g.streams);
	copy_free(&s->copy);
}

static void check_group(struct scene *s, const char *key, const char *json)
{
	struct json_object *o = lal_group(s->streams, key);

	CHECK_STR(json_object_to_json_string_ext(
			  o, JSON_C_TO_STRING_PLAIN |
				     JSON_C_TO_STRING_NOSLASHESCAPE),
		  json);
	json_object_put(o);
}

TEST(a_group_has_lals_fields_in_lals_order)
{
	struct scene s;

	scene_init(&s);
	put_stream(&s, "live/cam1", false);
	add(s.g.sessions, viewer);
	add(s.g.sessions, publisher);
	add(s.g.streams, facts);
	s.streams = lal_streams(s.copy, &s.g);
	check_group(&s, "live/cam1", golden);
	scene_fini(&s);
}

TEST(absent_sessions_are_empty_objects_and_no_subs_are_null)
{
	struct scene s;

	scene_init(&s);
	put_stream(&s, "live/cam1", false);
	s.streams = lal_streams(s.copy, &s.g);
	check_group(&s, "live/cam1", golden_waiting);
	scene_fini(&s);
}

TEST(streams_are_those_that_are_known_or_watched_and_not_over)
{
	struct scene s;

	scene_init(&s);
	put_stream(&s, "live/cam2", false);
	put_stream(&s, "live/over", true);
	add(s.g.sessions, viewer);
	s.streams = lal_streams(s.copy, &s.g);
	CHECK_EQ(json_object_object_length(s.streams), 2);
	CHECK(json_object_object_get_ex(s.streams, "live/cam1", NULL));
	CHECK(json_object_object_get_ex(s.streams, "live/cam2", NULL));
	scene_fini(&s);
}

/* Nodes of another version may answer anything. */
TEST(what_does_not_fit_in_the_answers_of_nodes_is_left_out)
{
	static const char *const odd[] = {
		"{}",
		"{\"stream\":7}",
		"{\"stream\":null,\"base_type\":\"SUB\"}",
		"{\"stream\":\"live/cam1\"}",
		"{\"stream\":\"live/cam1\",\"base_type\":\"PUSH\"}",
		"{\"stream\":\"live/cam1\",\"base_type\":[]}",
	};
	static const char *const odd_facts[] = {
		"{\"stream\":\"live/unknown\"}",
		"{\"stream\":\"live/cam1\",\"video\":\"H264\",\"audio\":[1]}",
	};
	struct scene s;

	scene_init(&s);
	put_stream(&s, "live/cam1", false);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(odd); i++)
		add(s.g.sessions, odd[i]);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(odd_facts); i++)
		add(s.g.streams, odd_facts[i]);
	s.streams = lal_streams(s.copy, &s.g);
	CHECK_EQ(json_object_object_length(s.streams), 1);
	check_group(&s, "live/cam1", golden_waiting);
	scene_fini(&s);
}

TEST(a_name_is_a_key_or_of_app_live_or_of_one_app_alone)
{
	static const char *const keys[] = {
		"other/cam1", "live/cam1", "a/x",      "b/x",
		"a/only",     "a/b/deep",  "live/a/x",
	};
	static const struct {
		const char *name, *key;
	} rows[] = {
		{"cam1", "live/cam1"},
		{"other/cam1", "other/cam1"},
		{"live/cam1", "live/cam1"},
		{"only", "a/only"},
		{"a/x", "a/x"}, /* itself, not live/a/x */
		{"b/deep", "a/b/deep"},
		{"x", NULL}, /* two have it */
		{"nobody", NULL},
		{"", NULL},
		{"live", NULL},
	};
	struct scene s;

	scene_init(&s);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(keys); i++)
		put_stream(&s, keys[i], false);
	s.streams = lal_streams(s.copy, &s.g);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(rows); i++) {
		const char *key = lal_resolve(s.streams, rows[i].name);

		CHECK_STR(key ? key : "none",
			  rows[i].key ? rows[i].key : "none");
	}
	scene_fini(&s);
}

TEST(times_are_written_as_go_does)
{
	static const struct {
		int64_t utc_us;
		const char *text;
	} rows[] = {
		{0, "1970-01-01 00:00:00 +0000 UTC"},
		{1767323045678999, "2026-01-02 03:04:05.678 +0000 UTC"},
		{1767323045670000, "2026-01-02 03:04:05.67 +0000 UTC"},
		{1767323045600000, "2026-01-02 03:04:05.6 +0000 UTC"},
		{1767323050000000, "2026-01-02 03:04:10 +0000 UTC"},
		{INT64_MIN, "1970-01-01 00:00:00 +0000 UTC"},
		{INT64_MAX, "9999-12-31 23:59:59.999 +0000 UTC"},
	};
	char text[LAL_TIME_SIZE];

	for (size_t i = 0; i < WEIR_ARRAY_LEN(rows); i++) {
		lal_time(text, rows[i].utc_us);
		CHECK_STR(text, rows[i].text);
	}
}
