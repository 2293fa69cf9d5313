/* services/edge/format_test.c - what wires look like to those who read them. */
#include "proto/flv/flv.h"
#include "proto/rtmp/message.h"
#include "services/edge/story_test.h"

#define FAR_MS 0x01234567 /* needs more than 24 bits */

static const struct wire_limits limits = {
	.retain_ms = 1000,
	.max_bytes = 64 << 20,
	.audio_join_ms = 1000,
};

/* What a reader of either protocol has seen, one entry a message. */
struct seen {
	size_t count;
	struct {
		uint8_t type;
		uint32_t ms, csid, stream_id;
		size_t len;
		uint8_t head[2];
	} item[16];
	bool has_audio, has_video;
};

static void note(struct seen *s, uint8_t type, uint32_t ms, struct span body)
{
	if (s->count == WEIR_ARRAY_LEN(s->item))
		return;
	s->item[s->count].type = type;
	s->item[s->count].ms = ms;
	s->item[s->count].len = body.len;
	if (body.len >= 2)
		memcpy(s->item[s->count].head, body.data, 2);
	s->count++;
}

static int on_header(void *ctx, bool has_audio, bool has_video)
{
	struct seen *s = ctx;

	s->has_audio = has_audio;
	s->has_video = has_video;
	return 0;
}

static int on_tag(void *ctx, const struct flv_tag *tag)
{
	note(ctx, tag->type, tag->timestamp_ms, tag->body);
	return 0;
}

static int on_message(void *ctx, const struct rtmp_message *m)
{
	struct seen *s = ctx;

	note(s, m->type, m->timestamp_ms, m->payload);
	s->item[s->count - 1].csid = m->csid;
	s->item[s->count - 1].stream_id = m->stream_id;
	return 0;
}

/* Two pictures and a sound, as a viewer gets them from its first byte. */
static void play_by(struct buf *out, const struct wire_format *format,
		    size_t len, bool is_sharing)
{
	struct story story;
	struct wire *w = NULL;
	struct wire_cursor c;
	struct span part;

	CHECK(story_begin(&story, true, true));
	CHECK(story_put(&story, FRAME_CONFIG, 0, STORY_AUDIO,
			SPAN_LIT("\x12\x10")));
	CHECK_EQ(wire_new(&w, format, &limits), 0);
	wire_set_sharing(w, is_sharing);
	story.ms = FAR_MS;
	CHECK(story_media(&story, FRAME_VIDEO, true, len));
	CHECK(story_media(&story, FRAME_AUDIO, false, 20));
	story.ms += 40;
	CHECK(story_media(&story, FRAME_VIDEO, false, 30));
	for (uint64_t i = 0; i < log_next(story.log); i++)
		CHECK_EQ(wire_append(w, story.log, i), 0);
	CHECK_EQ(wire_start(w, &c, &part), 0);
	buf_put(out, part);
	while ((part = wire_peek(w, &c)).len) {
		buf_put(out, part);
		wire_advance(w, &c, part.len);
	}
	CHECK_EQ(buf_error(out), 0);
	wire_free(&w);
	log_free(&story.log);
}

static void play(struct buf *out, const struct wire_format *format, size_t len)
{
	play_by(out, format, len, false);
}

TEST(a_wire_that_shares_has_the_same_bytes)
{
	static const struct wire_format *const formats[] = {
		&wire_flv, &wire_rtmp, &wire_ws_flv};
	static const size_t sizes[] = {10,    100,   3000, 59994,
				       59995, 59996, 70000};

	for (size_t i = 0; i < 3 * WEIR_ARRAY_LEN(sizes); i++) {
		const struct wire_format *format = formats[i % 3];
		struct buf copied = {0}, shared = {0};

		play_by(&copied, format, sizes[i / 3], false);
		play_by(&shared, format, sizes[i / 3], true);
		CHECK_SPAN(buf_span(&copied), buf_span(&shared));
		buf_fini(&copied);
		buf_fini(&shared);
	}
}

static void check_messages(const struct seen *s, size_t video_len)
{
	static const struct {
		uint8_t type;
		uint32_t ms;
		uint8_t head[2];
	} expected[] = {
		{FLV_SCRIPT, 0, {2, 0}},
		{FLV_VIDEO, FAR_MS, {0x17, 0}},
		{FLV_AUDIO, FAR_MS, {0xaf, 0}},
		{FLV_VIDEO, FAR_MS, {0x17, 1}},
		{FLV_AUDIO, FAR_MS, {0xaf, 1}},
		{FLV_VIDEO, FAR_MS + 40, {0x27, 1}},
	};

	CHECK_EQ(s->count, WEIR_ARRAY_LEN(expected));
	for (size_t i = 0; i < s->count; i++) {
		CHECK_EQ(s->item[i].type, expected[i].type);
		CHECK_EQ(s->item[i].ms, expected[i].ms);
		CHECK_EQ(s->item[i].head[0], expected[i].head[0]);
		CHECK_EQ(s->item[i].head[1], expected[i].head[1]);
	}
	CHECK_EQ(s->item[3].len, video_len + 5);
}

TEST(an_flv_wire_is_a_file_from_its_header_on)
{
	const struct flv_events events = {.on_header = on_header,
					  .on_tag = on_tag};
	struct flv_reader *reader = NULL;
	struct flv_reader_stats stats;
	struct seen seen = {0};
	struct buf bytes = {0};

	play(&bytes, &wire_flv, 100000);
	CHECK_EQ(flv_reader_new(&reader, NULL, &events, &seen), 0);
	CHECK_EQ(flv_reader_feed(reader, buf_span(&bytes)), 0);
	flv_reader_stats(reader, &stats);
	CHECK(seen.has_audio);
	CHECK(seen.has_video);
	CHECK_EQ(stats.size_mistakes, 0);
	check_messages(&seen, 100000);
	flv_reader_free(&reader);
	buf_fini(&bytes);
}

TEST(an_rtmp_wire_is_whole_messages_on_the_first_message_stream)
{
	const struct rtmp_chunk_limits max = {1 << 24, 1 << 25, 16};
	struct rtmp_chunk_reader *reader = NULL;
	struct seen seen = {0};
	struct buf bytes = {0};
	size_t used;

	/* What a player was told before. */
	rtmp_put_chunk_size(&bytes, RTMP_CHUNK_BYTES_SENT);
	play(&bytes, &wire_rtmp, 100000);
	CHECK_EQ(rtmp_chunk_reader_new(&reader, &max, on_message, &seen), 0);
	CHECK_EQ(rtmp_chunk_reader_feed(reader, buf_span(&bytes), &used), 0);
	CHECK_EQ(used, bytes.len);
	CHECK_EQ(seen.item[0].type, RTMP_SET_CHUNK_SIZE);
	seen.count--;
	memmove(seen.item, seen.item + 1, seen.count * sizeof(seen.item[0]));
	check_messages(&seen, 100000);
	for (size_t i = 0; i < seen.count; i++) {
		CHECK_EQ(seen.item[i].stream_id, 1);
		CHECK_EQ(seen.item[i].csid, rtmp_csid_of(seen.item[i].type));
	}
	rtmp_chunk_reader_free(&reader);
	buf_fini(&bytes);
}

TEST(flags_of_a_file_tell_what_is_there)
{
	const struct flv_events events = {.on_header = on_header,
					  .on_tag = on_tag};
	struct flv_reader *reader = NULL;
	struct seen seen = {0};
	struct tracks tracks = {.count = 1};
	struct buf bytes = {0};

	tracks.track[0] = (struct track){
		.id = 2, .kind = FRAME_AUDIO, .codec = CODEC_AAC};
	wire_flv.opening(&bytes, &tracks);
	CHECK_EQ(flv_reader_new(&reader, NULL, &events, &seen), 0);
	CHECK_EQ(flv_reader_feed(reader, buf_span(&bytes)), 0);
	CHECK(seen.has_audio);
	CHECK(!seen.has_video);
	flv_reader_free(&reader);
	buf_fini(&bytes);
}
