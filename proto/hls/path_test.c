/* proto/hls/path_test.c */
#include "proto/hls/path.h"

#include "common/test/check.h"

static struct hls_path read_path(const char *path)
{
	struct hls_path p;

	hls_path_read(&p, span_str(path), IDENTITY_PATH);
	return p;
}

struct good {
	const char *path;
	enum hls_path_kind kind;
	const char *key;
};

/* clang-format off */
static const struct good good[] = {
	{"/live/cam1.m3u8", HLS_PATH_PLAYLIST, "live/cam1"},
	{"/cam1.m3u8", HLS_PATH_PLAYLIST, "live/cam1"},
	{"/a/b/c.m3u8", HLS_PATH_PLAYLIST, "a/b/c"},
	{"/hls/test110.m3u8", HLS_PATH_PLAYLIST, "live/test110"},
	{"/hls/test110/playlist.m3u8", HLS_PATH_PLAYLIST, "live/test110"},
	{"/hls/live/test110/playlist.m3u8", HLS_PATH_PLAYLIST, "live/test110"},
	{"/hls/test110/record.m3u8", HLS_PATH_RECORD, "live/test110"},
	{"/live/playlist.m3u8", HLS_PATH_PLAYLIST, "live/playlist"},
	{"/live/record.m3u8", HLS_PATH_PLAYLIST, "live/record"},
	{"/live/a%20b.m3u8", HLS_PATH_PLAYLIST, "live/a b"},
	{"//live//cam1.m3u8", HLS_PATH_PLAYLIST, "live/cam1"},
	{"/-/live/cam1/1-00000002-3.ts", HLS_PATH_SEGMENT, "live/cam1"},
	{"/-/live/a/b/1-00000002-3.ts", HLS_PATH_SEGMENT, "live/a/b"},
};
/* clang-format on */

TEST(paths_say_what_is_asked_for_and_of_which_stream)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(good); i++) {
		struct hls_path p = read_path(good[i].path);

		CHECK_EQ(p.kind, good[i].kind);
		CHECK_EQ(p.fault, KEY_OK);
		CHECK_STR(p.key.text, good[i].key);
		CHECK_EQ(p.has_name, good[i].kind == HLS_PATH_SEGMENT);
	}
}

TEST(other_paths_are_somebody_elses)
{
	static const char *const other[] = {"",           "/",
					    "/live/cam1", "/live/cam1.flv",
					    "/live.m3u",  "/hls/cam1.ts"};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(other); i++)
		CHECK_EQ(read_path(other[i]).kind, HLS_PATH_OTHER);
}

TEST(paths_of_no_stream_say_why)
{
	CHECK_EQ(read_path("/hls/.m3u8").fault, KEY_EMPTY);
	CHECK_EQ(read_path("/live/../x.m3u8").fault, KEY_DOTS);
	CHECK_EQ(read_path("/live/%00.m3u8").fault, KEY_CONTROL);
	CHECK_EQ(read_path("/live/%g0.m3u8").fault, KEY_BAD_ESCAPE);
	CHECK_EQ(read_path("/api/x.m3u8").fault, KEY_RESERVED_APP);
	CHECK_EQ(read_path("/-/1-00000002-3.ts").fault, KEY_EMPTY);
}

TEST(a_segment_has_one_name_and_no_other)
{
	static const char *const bad[] = {
		"",
		".ts",
		"1-00000002-3",
		"1-00000002-3.tsx",
		"01-00000002-3.ts",
		"1-2-3.ts",
		"1-0000000A-3.ts",
		"1-100000002-3.ts",
		"1-00000002-03.ts",
		"1-00000002--3.ts",
		"-00000002-3.ts",
		"1_00000002_3.ts",
		"18446744073709551616-00000002-3.ts",
		"184467440737095516151-00000002-3.ts",
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct hls_name name = {7, 7, 7};

		CHECK(!hls_name_read(&name, span_str(bad[i])));
		CHECK_EQ(name.number, 7);
	}
}

TEST(names_of_segments_are_read_as_they_were_written)
{
	static const struct hls_name names[] = {
		{0, 0, 0},
		{1764796800123, 0x5f3a90cc, 1764796812},
		{UINT64_MAX, UINT32_MAX, UINT64_MAX},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(names); i++) {
		struct hls_name back = {7, 7, 7};
		char text[HLS_NAME_SIZE];

		hls_name_write(text, &names[i]);
		CHECK(hls_name_read(&back, span_str(text)));
		CHECK_EQ(back.incarnation, names[i].incarnation);
		CHECK_EQ(back.form, names[i].form);
		CHECK_EQ(back.number, names[i].number);
	}
}

TEST(addresses_that_are_written_lead_back_to_their_stream)
{
	static const struct stream_key key = {"live/a b%c?d/\xc3\xa4"};
	struct buf b = {0};
	struct hls_path p;

	hls_put_playlist(&b, &key);
	CHECK_EQ(buf_error(&b), 0);
	CHECK_SPAN(buf_span(&b), SPAN_LIT("/live/a%20b%25c%3Fd/%C3%A4.m3u8"));
	hls_path_read(&p, buf_span(&b), IDENTITY_PATH);
	CHECK_EQ(p.kind, HLS_PATH_PLAYLIST);
	CHECK_STR(p.key.text, key.text);
	buf_clear(&b);
	hls_put_folder(&b, &key);
	buf_put(&b, SPAN_LIT("1-00000002-3.ts"));
	CHECK_EQ(buf_error(&b), 0);
	hls_path_read(&p, buf_span(&b), IDENTITY_PATH);
	CHECK_EQ(p.kind, HLS_PATH_SEGMENT);
	CHECK(p.has_name);
	CHECK_STR(p.key.text, key.text);
	buf_fini(&b);
}

TEST(a_viewer_has_addresses_of_its_own)
{
	static const struct stream_key key = {"live/a b"};
	struct buf b = {0};
	struct hls_path p;

	hls_put_session(&b, SPAN_LIT("12-ab-cd"), &key);
	CHECK_EQ(buf_error(&b), 0);
	CHECK_SPAN(buf_span(&b),
		   SPAN_LIT("/-/-/12-ab-cd/live/a%20b/playlist.m3u8"));
	hls_path_read(&p, buf_span(&b), IDENTITY_PATH);
	CHECK_EQ(p.kind, HLS_PATH_PLAYLIST);
	CHECK_SPAN(p.session, SPAN_LIT("12-ab-cd"));
	CHECK_STR(p.key.text, key.text);
	buf_fini(&b);
	p = read_path("/-/-/12-ab-cd/live/cam1/1-00000002-3.ts");
	CHECK_EQ(p.kind, HLS_PATH_SEGMENT);
	CHECK_SPAN(p.session, SPAN_LIT("12-ab-cd"));
	CHECK(p.has_name);
	CHECK_STR(p.key.text, "live/cam1");
	CHECK_EQ(read_path("/live/cam1.m3u8").session.len, 0);
	CHECK_EQ(read_path("/-/live/cam1/1-00000002-3.ts").session.len, 0);
}

TEST(what_has_no_stream_behind_its_session_is_no_address)
{
	static const char *const bad[] = {"/-/-/", "/-/-/x", "/-/-/x/",
					  "/-/-/x/playlist.m3u8",
					  "/-/-//playlist.m3u8"};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++)
		CHECK(read_path(bad[i]).kind == HLS_PATH_OTHER ||
		      read_path(bad[i]).fault != KEY_OK);
	CHECK_EQ(read_path("/-/-/x/live/cam1/other.ts").has_name, false);
}

TEST(a_relative_playlist_names_segments_by_their_file)
{
	static const struct stream_key key = {"live/a b"};
	struct buf b = {0};

	CHECK_EQ(hls_put_relative(
			 &b,
			 SPAN_LIT("#EXTM3U\n#EXTINF:2,\n/-/live/a%20b/1.ts\n"
				  "/-/live/other/1.ts\n/-/live/a%20b/2.ts"),
			 &key),
		 0);
	CHECK_SPAN(buf_span(&b), SPAN_LIT("#EXTM3U\n#EXTINF:2,\n1.ts\n"
					  "/-/live/other/1.ts\n2.ts"));
	buf_fini(&b);
}
