/* services/cli/up_watch_test.c - the line that tells of a publish. */
#include "services/cli/up.h"

#include <stdio.h>

#include "common/test/check.h"

#define HTTP "127.0.0.1:8080"

/* The line about a stream, or "" for not yet; false without memory. */
static bool line_of(char out[512], const char *json, bool is_patient)
{
	struct json_object *o = json_tokener_parse(json);
	struct buf line = {0};
	bool is_said = up_watch_line(&line, o, HTTP, is_patient);
	int err = buf_error(&line);

	snprintf(out, 512, "%s", is_said ? buf_text(&line) : "");
	buf_fini(&line);
	json_object_put(o);
	return !err;
}

static void check_line(const char *json, bool is_patient, const char *want)
{
	char line[512];

	CHECK(line_of(line, json, is_patient));
	if (!test_is_starved())
		CHECK_STR(line, want);
}

TEST(a_publish_is_told_in_one_line)
{
	check_line(
		"{\"key\":\"live/cam1\",\"gop_ms\":8333,"
		"\"video\":{\"codec\":\"H.264\",\"width\":1920,"
		"\"height\":1080,\"fps\":30},"
		"\"audio\":{\"codec\":\"AAC\",\"rate\":48000}}",
		true,
		"live/cam1 1920x1080 H.264 30 fps, AAC 48 kHz, key frame "
		"every 8.3 s (slow joins: set 2 s in the encoder) → play "
		"http://127.0.0.1:8080/live/cam1.flv\n");
}

TEST(short_groups_need_no_advice)
{
	check_line(
		"{\"key\":\"live/b\",\"gop_ms\":2000,"
		"\"video\":{\"codec\":\"H265\",\"width\":1280,"
		"\"height\":720,\"fps\":29.97}}",
		true,
		"live/b 1280x720 H.265 29.97 fps, key frame every 2 s → "
		"play http://127.0.0.1:8080/live/b.flv\n");
}

TEST(sound_alone_is_told_too)
{
	check_line(
		"{\"key\":\"live/r\",\"gop_ms\":0,"
		"\"audio\":{\"codec\":\"AAC\",\"rate\":44100}}",
		true,
		"live/r AAC 44.1 kHz → play "
		"http://127.0.0.1:8080/live/r.flv\n");
}

TEST(a_second_key_frame_is_waited_for_with_patience)
{
	static const char json[] =
		"{\"key\":\"live/v\",\"gop_ms\":0,"
		"\"video\":{\"codec\":\"H.264\",\"width\":16,\"height\":16}}";

	check_line(json, true, "");
	check_line(json, false,
		   "live/v 16x16 H.264, no second key frame yet (slow joins: "
		   "set 2 s in the encoder) → play "
		   "http://127.0.0.1:8080/live/v.flv\n");
}

TEST(what_is_not_known_yet_is_not_told)
{
	check_line("{\"key\":\"live/v\"}", false, "");
	check_line("{\"video\":{\"codec\":\"H.264\"}}", false, "");
	check_line("{\"key\":7,\"video\":[],\"audio\":null}", false, "");
	check_line("[]", false, "");
}
