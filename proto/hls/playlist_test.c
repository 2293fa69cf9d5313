/* proto/hls/playlist_test.c - playlists: written, read, and broken ones. */
#include "proto/hls/playlist.h"

#include "common/test/check.h"
#include "proto/hls/date.h"

/* 2026-11-22T21:16:29.123Z */
#define NOON INT64_C(1795382189123)

static struct hls_segment three[] = {
	{.uri = {(const uint8_t *)"/-/live/a/1-2-3.ts", 18},
	 .duration_us = 4000000,
	 .utc_ms = NOON},
	{.uri = {(const uint8_t *)"b.ts?x=1", 8},
	 .duration_us = 3966667,
	 .utc_ms = NOON + 4000,
	 .is_discontinuity = true},
	{.uri = {(const uint8_t *)"c.ts", 4},
	 .duration_us = 500,
	 .utc_ms = HLS_NO_DATE,
	 .is_gap = true},
};

static const struct hls_playlist live = {
	.target_duration_s = 4,
	.media_sequence = 1795382189,
	.discontinuity_sequence = 7,
	.is_independent = true,
	.segment = three,
	.segment_count = 2,
};

static const char live_text[] =
	"#EXTM3U\n"
	"#EXT-X-VERSION:3\n"
	"#EXT-X-INDEPENDENT-SEGMENTS\n"
	"#EXT-X-TARGETDURATION:4\n"
	"#EXT-X-MEDIA-SEQUENCE:1795382189\n"
	"#EXT-X-DISCONTINUITY-SEQUENCE:7\n"
	"#EXT-X-PROGRAM-DATE-TIME:2026-11-22T21:16:29.123Z\n"
	"#EXTINF:4.000000,\n"
	"/-/live/a/1-2-3.ts\n"
	"#EXT-X-DISCONTINUITY\n"
	"#EXT-X-PROGRAM-DATE-TIME:2026-11-22T21:16:33.123Z\n"
	"#EXTINF:3.966667,\n"
	"b.ts?x=1\n";

TEST(a_live_playlist_is_written_as_it_shall_be)
{
	struct buf out = {0};

	CHECK_EQ(hls_playlist_write(&out, &live), 0);
	CHECK_SPAN(buf_span(&out), span_str(live_text));
	buf_fini(&out);
}

TEST(a_recorded_playlist_says_its_type_and_its_end)
{
	struct hls_playlist pl = live;
	struct buf out = {0};

	pl.segment_count = 3;
	pl.discontinuity_sequence = 0;
	pl.is_independent = false;
	pl.is_ended = true;
	pl.type = HLS_VOD;
	CHECK_EQ(hls_playlist_write(&out, &pl), 0);
	CHECK_SPAN(
		buf_span(&out),
		SPAN_LIT("#EXTM3U\n#EXT-X-VERSION:8\n"
			 "#EXT-X-TARGETDURATION:4\n"
			 "#EXT-X-MEDIA-SEQUENCE:1795382189\n"
			 "#EXT-X-PLAYLIST-TYPE:VOD\n"
			 "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T21:16:29.123Z\n"
			 "#EXTINF:4.000000,\n/-/live/a/1-2-3.ts\n"
			 "#EXT-X-DISCONTINUITY\n"
			 "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T21:16:33.123Z\n"
			 "#EXTINF:3.966667,\nb.ts?x=1\n"
			 "#EXT-X-GAP\n#EXTINF:0.000500,\nc.ts\n"
			 "#EXT-X-ENDLIST\n"));
	buf_fini(&out);
}

static void check_same(const struct hls_playlist *a,
		       const struct hls_playlist *b)
{
	CHECK_EQ(a->target_duration_s, b->target_duration_s);
	CHECK_EQ(a->media_sequence, b->media_sequence);
	CHECK_EQ(a->discontinuity_sequence, b->discontinuity_sequence);
	CHECK_EQ(a->is_independent, b->is_independent);
	CHECK_EQ(a->is_ended, b->is_ended);
	CHECK_EQ(a->type, b->type);
	CHECK_EQ(a->segment_count, b->segment_count);
	for (size_t i = 0; i < a->segment_count; i++) {
		const struct hls_segment *x = &a->segment[i];
		const struct hls_segment *y = &b->segment[i];

		CHECK_SPAN(x->uri, y->uri);
		CHECK_EQ(x->duration_us, y->duration_us);
		CHECK_EQ(x->utc_ms, y->utc_ms);
		CHECK_EQ(x->is_discontinuity, y->is_discontinuity);
		CHECK_EQ(x->is_gap, y->is_gap);
	}
}

TEST(what_is_written_is_what_is_read)
{
	struct hls_playlist pl = live;
	struct hls_playlist got = {0};
	struct buf out = {0};
	struct buf again = {0};

	pl.segment_count = 3;
	pl.type = HLS_EVENT;
	pl.is_ended = true;
	CHECK_EQ(hls_playlist_write(&out, &pl), 0);
	CHECK_EQ(hls_playlist_read(&got, buf_span(&out), NULL, NULL), 0);
	check_same(&pl, &got);
	CHECK_EQ(got.version, 8);
	CHECK(!got.is_master);
	CHECK_EQ(got.segment[0].line, 10);
	CHECK_EQ(hls_playlist_write(&again, &got), 0);
	CHECK_SPAN(buf_span(&again), buf_span(&out));
	hls_playlist_fini(&got);
	CHECK_EQ(got.segment_count, 0);
	buf_fini(&out);
	buf_fini(&again);
}

TEST(segments_that_would_break_the_playlist_are_not_written)
{
	static const struct hls_segment bad[] = {
		{.uri = {(const uint8_t *)"", 0}},
		{.uri = {(const uint8_t *)"#EXT-X-ENDLIST", 14}},
		{.uri = {(const uint8_t *)"a\nb", 3}},
		{.uri = {(const uint8_t *)"a\rb", 3}},
		{.uri = {(const uint8_t *)"a", 1}, .duration_us = -1},
		{.uri = {(const uint8_t *)"a", 1}, .duration_us = INT64_MAX},
		{.uri = {(const uint8_t *)"a", 1}, .utc_ms = -1},
		{.uri = {(const uint8_t *)"a", 1}, .utc_ms = INT64_MAX},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct hls_segment s = bad[i];
		struct hls_playlist pl = {.segment = &s, .segment_count = 1};
		struct buf out = {0};

		CHECK_EQ(hls_playlist_write(&out, &pl), WEIR_EINVAL);
		CHECK_EQ(out.len, 0);
		buf_fini(&out);
	}
}

TEST(playlists_of_other_servers_are_read)
{
	/* As a low-latency origin writes: parts, hints, unknown tags, CR LF. */
	static const char text[] =
		"#EXTM3U\r\n"
		"#EXT-X-TARGETDURATION:6\r\n"
		"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\r\n"
		"#EXT-X-PART-INF:PART-TARGET=0.5\r\n"
		"#EXT-X-VERSION:9\r\n"
		"#EXT-X-MAP:URI=\"init,1.mp4\"\r\n"
		"#EXT-X-KEY:METHOD=NONE\r\n"
		"# a comment\r\n"
		"#\r\n"
		"\r\n"
		"#EXT-X-PROGRAM-DATE-TIME:2026-11-22T23:16:29.1234567+0200\r\n"
		"#EXT-X-PART:DURATION=0.5,URI=\"p1.mp4\"\r\n"
		"#EXTINF:5.99999999,a title, with commas\r\n"
		"https://h/1.mp4\r\n"
		"#EXTINF:6,\r\n"
		"2.mp4\r\n"
		"#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p2.mp4\"";
	struct hls_playlist pl;

	CHECK_EQ(hls_playlist_read(&pl, span_str(text), NULL, NULL), 0);
	CHECK_EQ(pl.version, 9);
	CHECK(pl.has_map);
	CHECK(!pl.is_encrypted);
	CHECK_EQ(pl.media_sequence, 0);
	CHECK_EQ(pl.segment_count, 2);
	CHECK_EQ(pl.segment[0].duration_us, 6000000);
	CHECK_EQ(pl.segment[0].utc_ms, NOON);
	CHECK_SPAN(pl.segment[0].uri, SPAN_LIT("https://h/1.mp4"));
	CHECK_EQ(pl.segment[1].duration_us, 6000000);
	CHECK_EQ(pl.segment[1].utc_ms, HLS_NO_DATE);
	hls_playlist_fini(&pl);
}

TEST(a_master_playlist_gives_its_variants)
{
	static const char text[] =
		"#EXTM3U\n"
		"#EXT-X-INDEPENDENT-SEGMENTS\n"
		"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",URI=\"a."
		"m3u8\"\n"
		"#EXT-X-STREAM-INF:CODECS=\"avc1,BANDWIDTH=1\","
		"AVERAGE-BANDWIDTH=5,BANDWIDTH=1280000\n"
		"low.m3u8\n"
		"#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\n"
		"#EXT-X-STREAM-INF:BANDWIDTH=2560000\n"
		"\n"
		"high.m3u8\n";
	struct hls_playlist pl;

	CHECK_EQ(hls_playlist_read(&pl, span_str(text), NULL, NULL), 0);
	CHECK(pl.is_master);
	CHECK_EQ(pl.segment_count, 0);
	CHECK_EQ(pl.variant_count, 2);
	CHECK_SPAN(pl.variant[0].uri, SPAN_LIT("low.m3u8"));
	CHECK_EQ(pl.variant[0].bandwidth_bps, 1280000);
	CHECK_EQ(pl.variant[1].line, 9);
	hls_playlist_fini(&pl);
}

#define M3U    "#EXTM3U\n"
#define TARGET "#EXT-X-TARGETDURATION:4\n"
#define INF    "#EXTINF:4,\n"

static const struct {
	const char *text;
	uint32_t line;
	const char *words;
} bad_playlist[] = {
	{"", 0, "the playlist is empty"},
	{"<html>", 1, "the first line is not #EXTM3U"},
	{"#EXTM3U8\n", 1, "the first line is not #EXTM3U"},
	{"\xef\xbb\xbf" M3U, 1, "the first line is not #EXTM3U"},
	{" " M3U, 1, "the first line is not #EXTM3U"},
	{M3U, 0, "there is no EXT-X-TARGETDURATION"},
	{M3U "#\x01\n", 2, "control characters, or not UTF-8"},
	{M3U "#\xc2\x9b\n", 2, "control characters, or not UTF-8"},
	{M3U "\rx\n", 2, "control characters, or not UTF-8"},
	{M3U "#\xff\n", 2, "control characters, or not UTF-8"},
	{M3U TARGET TARGET, 3, "EXT-X-TARGETDURATION stands there twice"},
	{M3U "#EXT-X-TARGETDURATION:4.5\n", 2,
	 "EXT-X-TARGETDURATION is not a whole number of seconds"},
	{M3U "#EXT-X-TARGETDURATION\n", 2, "EXT-X-TARGETDURATION has no value"},
	{M3U "#EXT-X-VERSION:0\n", 2,
	 "EXT-X-VERSION is not a number from 1 on"},
	{M3U "#EXT-X-VERSION:3\n#EXT-X-VERSION:3\n", 3,
	 "EXT-X-VERSION stands there twice"},
	{M3U "#EXT-X-MEDIA-SEQUENCE:-1\n", 2,
	 "EXT-X-MEDIA-SEQUENCE is not a whole number"},
	{M3U "#EXT-X-MEDIA-SEQUENCE:18446744073709551616\n", 2,
	 "EXT-X-MEDIA-SEQUENCE is not a whole number"},
	{M3U TARGET INF "a\n#EXT-X-MEDIA-SEQUENCE:1\n", 5,
	 "EXT-X-MEDIA-SEQUENCE stands behind a segment"},
	{M3U TARGET INF "a\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n", 5,
	 "EXT-X-DISCONTINUITY-SEQUENCE stands behind a segment"},
	{M3U "#EXT-X-DISCONTINUITY\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n", 3,
	 "EXT-X-DISCONTINUITY-SEQUENCE stands behind an "
	 "EXT-X-DISCONTINUITY"},
	{M3U "#EXT-X-DISCONTINUITY\n#EXT-X-DISCONTINUITY\n", 3,
	 "two EXT-X-DISCONTINUITY before one segment"},
	{M3U TARGET "a\n", 3, "a URI without EXTINF before it"},
	{M3U TARGET INF, 0, "EXTINF at the end, without a URI"},
	{M3U TARGET INF INF "a\n", 4, "two EXTINF before one segment"},
	{M3U TARGET "#EXTINF:4\na\n", 3, "EXTINF has no comma"},
	{M3U TARGET "#EXTINF:4.,\na\n", 3, "EXTINF ends in a point"},
	{M3U TARGET "#EXTINF:-4,\na\n", 3, "EXTINF is not a number of seconds"},
	{M3U TARGET "#EXTINF:4s,\na\n", 3, "EXTINF is not a number of seconds"},
	{M3U TARGET "#EXTINF:99999999999999999999,\na\n", 3,
	 "EXTINF is not a number of seconds"},
	{M3U TARGET "#EXTINF:4.0,\na\n", 0,
	 "EXTINF has decimals, which need EXT-X-VERSION 3"},
	{M3U "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T21:16:29\n", 2,
	 "EXT-X-PROGRAM-DATE-TIME is not a date with a time zone"},
	{M3U "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T21:16:29Z\n"
	     "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T21:16:29Z\n",
	 3, "two EXT-X-PROGRAM-DATE-TIME before one segment"},
	{M3U "#EXT-X-PLAYLIST-TYPE:LIVE\n", 2,
	 "EXT-X-PLAYLIST-TYPE is neither EVENT nor VOD"},
	{M3U "#EXT-X-KEY:URI=\"METHOD=NONE\"\n", 2, "EXT-X-KEY has no METHOD"},
	{M3U "#EXT-X-MAP:BYTERANGE=\"1@2\"\n", 2, "EXT-X-MAP has no URI"},
	{M3U "#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n" TARGET, 4,
	 "EXT-X-TARGETDURATION belongs to the other kind of playlist"},
	{M3U "#EXT-X-STREAM-INF:BANDWIDTH=x\nv\n", 2,
	 "EXT-X-STREAM-INF has no BANDWIDTH"},
	{M3U "#EXT-X-STREAM-INF:BANDWIDTH=1\n", 0,
	 "EXT-X-STREAM-INF at the end, without a URI"},
	{M3U "#EXT-X-STREAM-INF:BANDWIDTH=1\nv\nw\n", 4,
	 "a URI without EXT-X-STREAM-INF before it"},
};

TEST(broken_playlists_are_refused_with_line_and_words)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad_playlist); i++) {
		struct hls_playlist pl;
		struct hls_error error = {0};

		CHECK_EQ(hls_playlist_read(&pl, span_str(bad_playlist[i].text),
					   NULL, &error),
			 WEIR_EPROTO);
		CHECK_STR(error.text, bad_playlist[i].words);
		CHECK_EQ(error.line, bad_playlist[i].line);
	}
}

static void check_limit(const struct hls_limits *limits, const char *text,
			const char *words)
{
	struct hls_playlist pl;
	struct hls_error error = {0};

	CHECK_EQ(hls_playlist_read(&pl, span_str(text), limits, &error),
		 WEIR_ELIMIT);
	CHECK_STR(error.text, words);
}

TEST(limits_hold)
{
	static const char two[] = M3U TARGET INF "a\n" INF "b\n";

	check_limit(&(struct hls_limits){.text_bytes = 20}, two,
		    "the playlist is too long");
	check_limit(&(struct hls_limits){.line_bytes = 20}, two,
		    "a line is too long");
	check_limit(&(struct hls_limits){.segments_max = 1}, two,
		    "too many segments");
	check_limit(&(struct hls_limits){.variants_max = 1},
		    M3U
		    "#EXT-X-STREAM-INF:BANDWIDTH=1\na\n"
		    "#EXT-X-STREAM-INF:BANDWIDTH=1\nb\n",
		    "too many variants");
}

TEST(a_long_playlist_of_small_lines_takes_little_memory)
{
	struct buf text = {0};
	struct hls_playlist pl;

	buf_printf(&text, M3U TARGET);
	for (int i = 0; i < 5000; i++)
		buf_printf(&text, INF "%d.ts\n", i);
	CHECK_EQ(buf_error(&text), 0);
	CHECK_EQ(hls_playlist_read(&pl, buf_span(&text), NULL, NULL), 0);
	CHECK_EQ(pl.segment_count, 5000);
	CHECK_SPAN(pl.segment[4999].uri, SPAN_LIT("4999.ts"));
	hls_playlist_fini(&pl);
	buf_fini(&text);
}

/* ---- Dates ---- */

TEST(dates_are_written_and_read)
{
	static const struct {
		int64_t ms;
		const char *text;
	} row[] = {
		{0, "1970-01-01T00:00:00.000Z"},
		{NOON, "2026-11-22T21:16:29.123Z"},
		{951782400000, "2000-02-29T00:00:00.000Z"},
		{951868799999, "2000-02-29T23:59:59.999Z"},
		{951868800000, "2000-03-01T00:00:00.000Z"},
		{4107542400000, "2100-03-01T00:00:00.000Z"},
		{4107542399999, "2100-02-28T23:59:59.999Z"},
		{1798761599000, "2026-12-31T23:59:59.000Z"},
		{HLS_DATE_MAX_MS, "9999-12-31T23:59:59.999Z"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(row); i++) {
		struct buf out = {0};
		int64_t ms = -1;

		hls_date_put(&out, row[i].ms);
		CHECK_EQ(buf_error(&out), 0);
		CHECK_SPAN(buf_span(&out), span_str(row[i].text));
		CHECK_EQ(hls_date_read(&ms, buf_span(&out)), 0);
		CHECK_EQ(ms, row[i].ms);
		buf_fini(&out);
	}
}

TEST(dates_of_others_are_read)
{
	static const struct {
		const char *text;
		int64_t ms;
	} row[] = {
		{"2026-11-22T21:16:29Z", NOON - 123},
		{"2026-11-22t21:16:29.123z", NOON},
		{"2026-11-22 21:16:29,123Z", NOON},
		{"2026-11-22T21:16:29.12251Z", NOON},
		{"2026-11-22T21:16:28.9999999Z", NOON - 123},
		{"2026-11-22T22:46:29.123+01:30", NOON},
		{"2026-11-22T16:16:29.123-05", NOON},
		{"2026-11-23T00:16:29.123+0300", NOON},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(row); i++) {
		int64_t ms = -1;

		CHECK_EQ(hls_date_read(&ms, span_str(row[i].text)), 0);
		CHECK_EQ(ms, row[i].ms);
	}
}

TEST(what_is_no_date_is_refused)
{
	static const char *const bad[] = {
		"",
		"2026",
		"2026-11-22T21:16:29",
		"2026-11-22T21:16:29.Z",
		"2026-11-22T21:16:29Zx",
		"2026-11-22T21:16:29+1",
		"2026-13-22T21:16:29Z",
		"2026-00-22T21:16:29Z",
		"2026-02-29T21:16:29Z",
		"2100-02-29T21:16:29Z",
		"2026-11-31T21:16:29Z",
		"2026-11-22T24:16:29Z",
		"2026-11-22T21:60:29Z",
		"2026-11-22T21:16:61Z",
		"20261122T211629Z",
		"1969-12-31T23:59:59Z",
		"9999-12-31T23:59:59-01",
		"-026-11-22T21:16:29Z",
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		int64_t ms;

		CHECK_EQ(hls_date_read(&ms, span_str(bad[i])), WEIR_EPROTO);
	}
}

TEST(durations_are_rounded_to_the_nearest_second)
{
	CHECK_EQ(hls_rounded_s(0), 0);
	CHECK_EQ(hls_rounded_s(499999), 0);
	CHECK_EQ(hls_rounded_s(500000), 1);
	CHECK_EQ(hls_rounded_s(4499999), 4);
	CHECK_EQ(hls_rounded_s(4500000), 5);
}
