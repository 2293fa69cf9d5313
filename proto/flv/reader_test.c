/* proto/flv/reader_test.c - FLV files in, tags and units out, and back. */
#include <stdio.h>

#include "common/media/frame.h"
#include "common/test/check.h"
#include "common/test/vector.h"
#include "proto/flv/flv.h"

#define VECTORS "proto/flv/vectors/"

static const char *const names[] = {"h264_aac", "h264_24bit", "h265_opus",
				    "mp3", "alaw"};

/* ---- Reading real files ---- */

static int put_header(void *ctx, bool has_audio, bool has_video)
{
	buf_printf(ctx, "header%s%s\n", has_audio ? " audio" : "",
		   has_video ? " video" : "");
	return buf_error(ctx);
}

static const char *what_text(uint8_t what)
{
	static const char *const text[] = {"ignore",     "config", "frame",
					   "end",        "meta",   "data",
					   "unsupported"};

	return text[what];
}

static int put_tag(void *ctx, const struct flv_tag *tag)
{
	struct flv_unit u;

	flv_body_parse(&u, tag->type, tag->body);
	buf_printf(ctx, "%u %s", tag->timestamp_ms, what_text(u.what));
	if (u.name[0])
		buf_printf(ctx, " %s", u.name);
	if (u.is_key)
		buf_printf(ctx, " key");
	if (u.composition_ms)
		buf_printf(ctx, " composition=%d", (int)u.composition_ms);
	buf_printf(ctx, " %zu\n", u.payload.len);
	return buf_error(ctx);
}

static const struct flv_events text_events = {put_header, put_tag};

/* Feed `in` in parts of `part` bytes, from `first` bytes on. */
static int feed_parts(struct flv_reader *rd, struct span in, size_t first,
		      size_t part)
{
	int err = flv_reader_feed(rd, span_first(in, first));

	for (size_t at = first; !err && at < in.len; at += part)
		err = flv_reader_feed(rd, span_first(span_from(in, at), part));
	return err;
}

static void check_file(const char *name, size_t part)
{
	char path[128];
	struct flv_reader *rd = NULL;
	struct flv_reader_stats stats;
	struct buf file = {0};
	struct buf text = {0};

	snprintf(path, sizeof(path), VECTORS "%s.flv", name);
	vector_load(&file, path);
	CHECK_EQ(flv_reader_new(&rd, NULL, &text_events, &text), 0);
	CHECK_EQ(feed_parts(rd, buf_span(&file), 0, part), 0);
	snprintf(path, sizeof(path), VECTORS "%s.flv.txt", name);
	vector_check(path, buf_span(&text));
	flv_reader_stats(rd, &stats);
	CHECK_EQ(stats.size_mistakes, 0);
	CHECK_EQ(stats.skipped_tags, 0);
	CHECK(stats.tags > 1);
	flv_reader_free(&rd);
	CHECK(!rd);
	flv_reader_free(&rd);
	buf_fini(&file);
	buf_fini(&text);
}

TEST(files_of_real_encoders_are_read)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(names); i++)
		check_file(names[i], SIZE_MAX / 2);
}

TEST(files_are_read_byte_by_byte)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(names); i++)
		check_file(names[i], 1);
}

static void check_cut(struct span file, struct span want, size_t cut)
{
	struct flv_reader *rd = NULL;
	struct buf text = {0};

	CHECK_EQ(flv_reader_new(&rd, NULL, &text_events, &text), 0);
	CHECK_EQ(feed_parts(rd, file, cut, SIZE_MAX / 2), 0);
	CHECK_SPAN(buf_span(&text), want);
	flv_reader_free(&rd);
	buf_fini(&text);
}

/* Thousands of allocations: repeating it with each failing takes too long. */
TEST_NO_OOM(it_does_not_matter_where_a_file_is_cut)
{
	struct flv_reader *rd = NULL;
	struct buf file = {0};
	struct buf want = {0};

	vector_load(&file, VECTORS "h264_aac.flv");
	CHECK_EQ(flv_reader_new(&rd, NULL, &text_events, &want), 0);
	CHECK_EQ(flv_reader_feed(rd, buf_span(&file)), 0);
	for (size_t cut = 0; cut <= file.len; cut++)
		check_cut(buf_span(&file), buf_span(&want), cut);
	flv_reader_free(&rd);
	buf_fini(&file);
	buf_fini(&want);
}

/* ---- Writing them again ---- */

struct again {
	struct buf file;
	struct tracks tracks;
};

static const struct track *track_of(struct again *a, const struct flv_unit *u)
{
	for (uint8_t i = 0; i < a->tracks.count; i++)
		if (a->tracks.track[i].kind == u->kind)
			return &a->tracks.track[i];
	a->tracks.track[a->tracks.count] =
		(struct track){.kind = u->kind,
			       .codec = u->codec,
			       .form = u->form,
			       .channels = u->channels,
			       .rate = u->rate};
	return &a->tracks.track[a->tracks.count++];
}

static int put_body(struct again *a, struct buf *body,
		    const struct flv_tag *tag)
{
	struct flv_unit u;
	struct frame f = {0};
	int64_t ms = tag->timestamp_ms;

	flv_body_parse(&u, tag->type, tag->body);
	if (u.what == FLV_META) {
		buf_put(body, tag->body);
		return buf_error(body);
	}
	if (u.what == FLV_END)
		return flv_body_end(body, track_of(a, &u));
	f.kind = u.what == FLV_CONFIG ? FRAME_CONFIG : u.kind;
	f.flags = u.is_key ? FRAME_JOIN : 0;
	f.dts_ns = ns_from_ticks(ms, 1000);
	f.pts_ns = ns_from_ticks(ms + u.composition_ms, 1000);
	f.payload = u.payload;
	return flv_body_from_frame(body, track_of(a, &u), &f);
}

static int write_again(void *ctx, const struct flv_tag *tag)
{
	struct again *a = ctx;
	struct buf body = {0};
	int err = put_body(a, &body, tag);

	if (!err)
		err = flv_tag_write(&a->file, tag->type, tag->timestamp_ms,
				    buf_span(&body));
	buf_fini(&body);
	return err;
}

TEST(frames_of_real_files_are_written_again_byte_for_byte)
{
	const struct flv_events events = {NULL, write_again};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(names); i++) {
		char path[128];
		struct flv_reader *rd = NULL;
		struct again again = {0};
		struct buf file = {0};
		struct buf head = {0};

		snprintf(path, sizeof(path), VECTORS "%s.flv", names[i]);
		vector_load(&file, path);
		CHECK_EQ(flv_reader_new(&rd, NULL, &events, &again), 0);
		CHECK_EQ(flv_reader_feed(rd, buf_span(&file)), 0);
		flv_header_write(&head, &again.tracks);
		CHECK_EQ(buf_error(&head), 0);
		CHECK_SPAN(buf_span(&head),
			   span_first(buf_span(&file), FLV_HEADER_BYTES));
		CHECK_SPAN(buf_span(&again.file),
			   span_from(buf_span(&file), FLV_HEADER_BYTES));
		flv_reader_free(&rd);
		buf_fini(&file);
		buf_fini(&head);
		buf_fini(&again.file);
	}
}

/* ---- Odd and bad files ---- */

static int read_all(struct buf *text, const struct flv_limits *limits,
		    struct span in, struct flv_reader_stats *stats)
{
	struct flv_reader *rd = NULL;
	int err = flv_reader_new(&rd, limits, &text_events, text);

	if (err)
		return err;
	err = flv_reader_feed(rd, in);
	flv_reader_stats(rd, stats);
	flv_reader_free(&rd);
	return err;
}

#define HEAD "FLV\1\5\0\0\0\x09\0\0\0\0"
#define TAG  "\x08\0\0\3\0\0\7\0\0\0\0\xaf\1X\0\0\0\x0e"

TEST(odd_files_are_read_and_their_faults_counted)
{
	static const struct {
		struct span in;
		const char *text;
		unsigned skipped;
		unsigned mistakes;
	} odd[] = {
		{SPAN_LIT(HEAD TAG TAG),
		 "header audio video\n7 frame AAC 1\n7 frame AAC 1\n", 0, 0},
		/* a longer file header */
		{SPAN_LIT("FLV\1\4\0\0\0\x0cxyz\0\0\0\0" TAG),
		 "header audio\n7 frame AAC 1\n", 0, 0},
		/* PreviousTagSize without the tag's head, as some write it */
		{SPAN_LIT(HEAD "\x08\0\0\3\0\0\7\0\0\0\0\xaf\1X\0\0\0\3" TAG),
		 "header audio video\n7 frame AAC 1\n7 frame AAC 1\n", 0, 1},
		/* PreviousTagSize0 */
		{SPAN_LIT("FLV\1\1\0\0\0\x09\0\0\0\1" TAG),
		 "header video\n7 frame AAC 1\n", 0, 1},
		/* an unknown type, and an encrypted tag */
		{SPAN_LIT(HEAD "\x0f\0\0\2\0\0\0\0\0\0\0ab\0\0\0\x0d"
			       "\x28\0\0\1\0\0\0\0\0\0\0a\0\0\0\x0c" TAG),
		 "header audio video\n7 frame AAC 1\n", 2, 0},
		/* empty tags; a stream id that is not 0 */
		{SPAN_LIT(HEAD "\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\x0b"
			       "\x0c\0\0\0\0\0\0\0\0\0\0\0\0\0\x0b"
			       "\x08\0\0\3\0\0\7\0\0\0\1\xaf\1X\0\0\0\x0e"),
		 "header audio video\n0 ignore 0\n7 frame AAC 1\n", 1, 0},
		{SPAN_LIT(""), "", 0, 0},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(odd); i++) {
		struct flv_reader_stats stats = {0};
		struct buf text = {0};

		CHECK_EQ(read_all(&text, NULL, odd[i].in, &stats), 0);
		CHECK_STR(buf_text(&text), odd[i].text);
		CHECK_EQ(stats.skipped_tags, odd[i].skipped);
		CHECK_EQ(stats.size_mistakes, odd[i].mistakes);
		buf_fini(&text);
	}
}

TEST(what_is_no_flv_or_passes_a_limit_is_refused)
{
	static const struct flv_limits limits = {2};
	static const struct {
		struct span in;
		const struct flv_limits *limits;
		int err;
	} bad[] = {
		{SPAN_LIT("HTTP/1.1 404"), NULL, WEIR_EPROTO},
		{SPAN_LIT("FLV\1\5\0\0\0\x08\0\0\0\0"), NULL, WEIR_EPROTO},
		{SPAN_LIT("FLV\1\5\x7f\0\0\x09\0\0\0\0"), NULL, WEIR_ELIMIT},
		{SPAN_LIT(HEAD TAG), &limits, WEIR_ELIMIT},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct flv_reader_stats stats = {0};
		struct buf text = {0};

		CHECK_EQ(read_all(&text, bad[i].limits, bad[i].in, &stats),
			 bad[i].err);
		CHECK_EQ(stats.tags, 0);
		buf_fini(&text);
	}
}

static int stop(void *ctx, const struct flv_tag *tag)
{
	(void)ctx;
	(void)tag;
	return WEIR_ESTOP;
}

TEST(a_callback_ends_the_feed)
{
	const struct flv_events events = {NULL, stop};
	struct flv_reader *rd = NULL;
	struct flv_reader_stats stats;

	CHECK_EQ(flv_reader_new(&rd, NULL, &events, NULL), 0);
	CHECK_EQ(flv_reader_feed(rd, SPAN_LIT(HEAD TAG TAG)), WEIR_ESTOP);
	flv_reader_stats(rd, &stats);
	CHECK_EQ(stats.tags, 1);
	flv_reader_free(&rd);
}

TEST(memory_follows_the_bytes_that_came_and_not_those_promised)
{
	const uint8_t promise[] = {9, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0};
	const struct flv_events events = {NULL, stop};
	struct flv_reader *rd = NULL;
	size_t before = test_peak_bytes();

	CHECK_EQ(flv_reader_new(&rd, NULL, &events, NULL), 0);
	CHECK_EQ(flv_reader_feed(rd, SPAN_LIT(HEAD)), 0);
	CHECK_EQ(flv_reader_feed(rd, SPAN(promise)), 0);
	CHECK_EQ(flv_reader_feed(rd, SPAN_LIT("abc")), 0);
	CHECK(test_peak_bytes() - before < 4096);
	flv_reader_free(&rd);
}
