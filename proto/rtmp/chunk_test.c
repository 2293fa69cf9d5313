/* proto/rtmp/chunk_test.c */
#include "proto/rtmp/chunk.h"

#include "common/base/hash.h"
#include "common/test/check.h"
#include "proto/rtmp/message.h"

static const struct rtmp_chunk_limits roomy = {
	.message_bytes = RTMP_MESSAGE_BYTES_MAX,
	.pending_bytes = RTMP_MESSAGE_BYTES_MAX,
	.csid_count = 64,
};

static const struct rtmp_chunk_limits tight = {
	.message_bytes = 300,
	.pending_bytes = 400,
	.csid_count = 3,
};

/* What a reader reported; all of it, condensed. */
struct seen {
	int count;
	int stop_at; /* end the feed at this message; 0: never */
	uint64_t hash;
	struct rtmp_message last; /* without its payload */
	size_t last_bytes;
	uint64_t last_payload;
};

static int see(void *ctx, const struct rtmp_message *msg)
{
	struct seen *s = ctx;
	const uint64_t facts[] = {
		s->hash,   msg->timestamp_ms, msg->stream_id,
		msg->csid, msg->type,         hash_bytes(1, msg->payload),
	};

	s->count++;
	s->hash = hash_bytes(2, SPAN(facts));
	s->last = *msg;
	s->last.payload = (struct span){0};
	s->last_bytes = msg->payload.len;
	s->last_payload = hash_bytes(3, msg->payload);
	return s->count == s->stop_at ? WEIR_ESTOP : 0;
}

static int feed_all(struct span wire, const struct rtmp_chunk_limits *limits,
		    struct seen *seen)
{
	struct rtmp_chunk_reader *rd = NULL;
	size_t used = 0;
	int err = rtmp_chunk_reader_new(&rd, limits, see, seen);

	if (!err)
		err = rtmp_chunk_reader_feed(rd, wire, &used);
	CHECK(err || used == wire.len);
	rtmp_chunk_reader_free(&rd);
	return err;
}

/* In pieces of `step` bytes after a first of `cut`. */
static int feed_pieces(struct span wire, size_t cut, size_t step,
		       struct seen *seen)
{
	struct rtmp_chunk_reader *rd = NULL;
	size_t used = 0;
	int err = rtmp_chunk_reader_new(&rd, &roomy, see, seen);

	if (!err)
		err = rtmp_chunk_reader_feed(rd, span_first(wire, cut), &used);
	for (size_t at = cut; !err && at < wire.len; at += step)
		err = rtmp_chunk_reader_feed(
			rd, span_first(span_from(wire, at), step), &used);
	rtmp_chunk_reader_free(&rd);
	return err;
}

static const char *fault_of(struct span wire,
			    const struct rtmp_chunk_limits *limits, int *err)
{
	struct rtmp_chunk_reader *rd = NULL;
	struct seen seen = {0};
	const char *fault = "";
	size_t used;

	*err = rtmp_chunk_reader_new(&rd, limits, see, &seen);
	if (*err)
		return fault;
	*err = rtmp_chunk_reader_feed(rd, wire, &used);
	fault = rtmp_chunk_reader_fault(rd);
	CHECK_EQ(rtmp_chunk_reader_feed(rd, wire, &used), *err); /* spent */
	CHECK_EQ(used, *err ? 0 : wire.len);
	rtmp_chunk_reader_free(&rd);
	return fault;
}

#define CHECK_FAULT(text, error, limits, ...)                                  \
	do {                                                                   \
		static const uint8_t wire_[] = {__VA_ARGS__};                  \
		int err_;                                                      \
		const char *got_ = fault_of(SPAN(wire_), (limits), &err_);     \
                                                                               \
		if (err_ != WEIR_ENOMEM) {                                     \
			CHECK_STR(got_, text);                                 \
			CHECK_EQ(err_, error);                                 \
		}                                                              \
	} while (0)

static uint8_t payload[5000];

static void fill_payload(void)
{
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 31 + i / 256);
}

TEST(one_whole_chunk_is_a_message)
{
	static const uint8_t wire[] = {6, 0, 3, 0xe8, 0, 0,   2,
				       8, 1, 0, 0,    0, 'h', 'i'};
	struct seen seen = {0};

	if (feed_all(SPAN(wire), &roomy, &seen))
		return;
	CHECK_EQ(seen.count, 1);
	CHECK_EQ(seen.last.timestamp_ms, 1000);
	CHECK_EQ(seen.last.stream_id, 1);
	CHECK_EQ(seen.last.csid, 6);
	CHECK_EQ(seen.last.type, RTMP_AUDIO);
	CHECK_EQ(seen.last_bytes, 2);
	CHECK_EQ(seen.last_payload, hash_bytes(3, SPAN_LIT("hi")));
}

/* The spec's first example: fmt 0, then 2, then 3 twice. */
TEST(later_headers_take_over_what_earlier_ones_said)
{
	static const uint8_t wire[] = {
		3, 0,   3,    0xe8, 0, 0,  1,   8,    0x39, 0x30, 0,
		0, 'a', 0x83, 0,    0, 20, 'b', 0xc3, 'c',  0xc3, 'd',
	};
	struct seen seen = {0};

	if (feed_all(SPAN(wire), &roomy, &seen))
		return;
	CHECK_EQ(seen.count, 4);
	CHECK_EQ(seen.last.timestamp_ms, 1060);
	CHECK_EQ(seen.last.stream_id, 12345);
}

TEST(a_fmt_3_behind_a_fmt_0_adds_its_time_again)
{
	static const uint8_t wire[] = {
		3, 0, 0, 50, 0, 0, 1, 8, 1, 0, 0, 0, 'a', 0xc3, 'b',
	};
	struct seen seen = {0};

	if (feed_all(SPAN(wire), &roomy, &seen))
		return;
	CHECK_EQ(seen.last.timestamp_ms, 100);
}

TEST(fmt_1_keeps_the_stream_id_and_may_open_a_chunk_stream)
{
	static const uint8_t wire[] = {
		0x42, 0, 0, 5, 0, 0, 6, 4, 0,   6,   0, 0, 0,
		1,                                              /* ping first */
		4,    0, 0, 9, 0, 0, 1, 8, 7,   0,   0, 0, 'a', /* fmt 0 */
		0x44, 0, 0, 1, 0, 0, 2, 9, 'b', 'c',            /* fmt 1 */
	};
	struct seen seen = {0};

	if (feed_all(SPAN(wire), &roomy, &seen))
		return;
	CHECK_EQ(seen.count, 3);
	CHECK_EQ(seen.last.stream_id, 7);
	CHECK_EQ(seen.last.timestamp_ms, 10);
	CHECK_EQ(seen.last.type, 9);
}

TEST(deltas_wrap_at_32_bits)
{
	static const uint8_t wire[] = {
		4,    255, 255, 255, 0,   0,   1,   8,   1,
		0,    0,   0,   255, 255, 255, 250, 'a', /* 0xfffffffa */
		0x84, 0,   0,   10,  'b',                /* + 10 */
	};
	struct seen seen = {0};

	if (feed_all(SPAN(wire), &roomy, &seen))
		return;
	CHECK_EQ(seen.last.timestamp_ms, 4);
}

/* Two messages on csid 4, interleaved with one on 70 and one on 400. */
static void put_interleaved(struct buf *b)
{
	static const uint8_t a[] = {4, 0, 0, 1, 0, 0, 200, 9, 1, 0, 0, 0};
	static const uint8_t c70[] = {0, 6, 0, 0, 2, 0, 0, 130, 8, 1, 0, 0, 0};
	static const uint8_t c400[] = {1, 80, 1, 0, 0, 3, 0,  0,
				       1, 8,  1, 0, 0, 0, 'x'};

	fill_payload();
	buf_put(b, SPAN(a));
	buf_put(b, span_of(payload, 128));
	buf_put(b, SPAN(c70));
	buf_put(b, span_of(payload, 128));
	buf_put(b, SPAN(c400));
	buf_put(b, span_of("\xc4", 1));
	buf_put(b, span_of(payload + 128, 72));
	buf_put(b, span_of("\xc0\x06", 2));
	buf_put(b, span_of(payload + 128, 2));
	buf_put(b, span_of("\xc1\x50\x01y", 4));
	rtmp_put_chunk_size(b, 4096);
	rtmp_chunk_write(b, 65599, 0x12345678, 9, 1, span_of(payload, 5000),
			 4096);
	rtmp_chunk_write(b, 5, 4, 9, 1, (struct span){0}, 4096);
}

TEST(messages_do_not_depend_on_where_the_network_cut_them)
{
	struct buf b = {0};
	struct seen whole = {0};
	int err;

	put_interleaved(&b);
	err = buf_error(&b) ? WEIR_ENOMEM
			    : feed_all(buf_span(&b), &roomy, &whole);
	CHECK(err || whole.count == 7);
	for (size_t cut = 0; !err && cut <= b.len; cut += cut < 500 ? 1 : 97) {
		struct seen seen = {0};

		err = feed_pieces(buf_span(&b), cut, SIZE_MAX / 2, &seen);
		CHECK(err || seen.hash == whole.hash);
	}
	for (size_t step = 1; !err && step < 16; step++) {
		struct seen seen = {0};

		err = feed_pieces(buf_span(&b), 0, step, &seen);
		CHECK(err || seen.hash == whole.hash);
	}
	buf_fini(&b);
	CHECK_EQ(err, 0);
}

TEST(a_stopped_feed_goes_on_behind_the_message)
{
	struct buf b = {0};
	struct seen whole = {0};
	int err = WEIR_ENOMEM;

	put_interleaved(&b);
	if (!buf_error(&b))
		err = feed_all(buf_span(&b), &roomy, &whole);
	for (int stop = 1; !err && stop <= whole.count; stop++) {
		struct seen seen = {.stop_at = stop};
		struct rtmp_chunk_reader *rd = NULL;
		size_t used = 0;

		err = rtmp_chunk_reader_new(&rd, &roomy, see, &seen);
		if (!err)
			err = rtmp_chunk_reader_feed(rd, buf_span(&b), &used);
		if (err == WEIR_ESTOP) {
			CHECK_EQ(seen.count, stop);
			CHECK_EQ(rtmp_chunk_reader_bytes(rd), used);
			err = rtmp_chunk_reader_feed(
				rd, span_from(buf_span(&b), used), &used);
		}
		CHECK(err || seen.hash == whole.hash);
		rtmp_chunk_reader_free(&rd);
	}
	buf_fini(&b);
	CHECK_EQ(err, 0);
}

/* Feed up to `cut`, move to another reader, feed the rest. */
static int feed_moved(struct span wire, size_t cut, struct seen *seen)
{
	struct rtmp_chunk_reader *rd = NULL, *moved = NULL;
	struct buf saved = {0};
	struct reader r;
	size_t used;
	int err = rtmp_chunk_reader_new(&rd, &roomy, see, seen);

	if (!err)
		err = rtmp_chunk_reader_new(&moved, &roomy, see, seen);
	if (!err)
		err = rtmp_chunk_reader_feed(rd, span_first(wire, cut), &used);
	if (!err) {
		rtmp_chunk_reader_save(rd, &saved);
		err = buf_error(&saved);
	}
	if (!err) {
		r = reader_of(buf_span(&saved));
		err = rtmp_chunk_reader_load(moved, &r);
		CHECK(err || !reader_left(&r));
	}
	if (!err)
		err = rtmp_chunk_reader_feed(moved, span_from(wire, cut),
					     &used);
	if (!err)
		CHECK_EQ(rtmp_chunk_reader_bytes(moved), wire.len);
	rtmp_chunk_reader_free(&rd);
	rtmp_chunk_reader_free(&moved);
	buf_fini(&saved);
	return err;
}

TEST(a_reader_moves_to_another_process_at_any_byte)
{
	struct buf b = {0};
	struct seen whole = {0};
	int err = WEIR_ENOMEM;

	put_interleaved(&b);
	if (!buf_error(&b))
		err = feed_all(buf_span(&b), &roomy, &whole);
	for (size_t cut = 0; !err && cut <= b.len; cut += cut < 500 ? 1 : 97) {
		struct seen seen = {0};

		err = feed_moved(buf_span(&b), cut, &seen);
		CHECK(err || seen.hash == whole.hash);
	}
	buf_fini(&b);
	CHECK_EQ(err, 0);
}

TEST(a_state_that_no_reader_can_be_in_is_refused)
{
	struct rtmp_chunk_reader *rd = NULL;
	struct seen seen = {0};
	struct buf saved = {0};
	size_t used;
	int err = rtmp_chunk_reader_new(&rd, &roomy, see, &seen);

	fill_payload();
	put_interleaved(&saved);
	if (!err)
		err = rtmp_chunk_reader_feed(
			rd, span_first(buf_span(&saved), 300), &used);
	buf_clear(&saved);
	if (!err)
		rtmp_chunk_reader_save(rd, &saved);
	rtmp_chunk_reader_free(&rd);
	for (size_t i = 0; !err && !buf_error(&saved) && i < saved.len; i++) {
		struct reader r = reader_of(span_first(buf_span(&saved), i));

		if (rtmp_chunk_reader_new(&rd, &roomy, see, &seen))
			break;
		CHECK(rtmp_chunk_reader_load(rd, &r) != 0);
		rtmp_chunk_reader_free(&rd);
	}
	buf_fini(&saved);
}

TEST(a_reader_that_has_read_nothing_moves_too)
{
	struct seen seen = {0};
	int err = feed_moved((struct span){0}, 0, &seen);

	CHECK_EQ(err, 0);
	CHECK_EQ(seen.count, 0);
}

TEST(what_the_writer_writes_comes_back_at_every_boundary_of_time)
{
	static const uint32_t times[] = {0,          1,          0xfffffe,
					 0xffffff,   0x1000000,  0x7fffffff,
					 0x80000000, 0xfffffffe, 0xffffffff};
	static const uint32_t csids[] = {2, 3, 63, 64, 319, 320, 65599};
	static const size_t sizes[] = {0, 1, 127, 128, 129, 256, 5000};
	struct buf b = {0};

	fill_payload();
	for (size_t i = 0; i < 9 * 7 * 7; i++) {
		uint32_t time = times[i % 9], csid = csids[i / 9 % 7];
		struct span body = span_of(payload, sizes[i / 63]);
		struct seen seen = {0};

		buf_clear(&b);
		rtmp_chunk_write(&b, csid, time, 9, 0x01020304, body, 128);
		if (buf_error(&b) || feed_all(buf_span(&b), &roomy, &seen))
			break;
		CHECK_EQ(b.len,
			 rtmp_chunk_written_bytes(csid, time, body.len, 128));
		CHECK_EQ(seen.count, 1);
		CHECK_EQ(seen.last.timestamp_ms, time);
		CHECK_EQ(seen.last.csid, csid);
		CHECK_EQ(seen.last.stream_id, 0x01020304);
		CHECK_EQ(seen.last_payload, hash_bytes(3, body));
	}
	buf_fini(&b);
}

/* A message of `bytes` at extended time in 128-byte chunks, whose fmt 3 headers
 * repeat the field or leave it out. */
static void put_extended(struct buf *b, uint32_t time, size_t bytes,
			 bool is_repeated)
{
	buf_put(b, span_of("\x04\xff\xff\xff", 4));
	buf_put_u24(b, (uint32_t)bytes);
	buf_put(b, span_of("\x09\x01\0\0\0", 5));
	buf_put_u32(b, time);
	for (size_t at = 0; at < bytes; at += 128) {
		if (at) {
			buf_put_u8(b, 0xc4);
			if (is_repeated)
				buf_put_u32(b, time);
		}
		buf_put(b, span_of(payload + at, WEIR_MIN(bytes - at, 128)));
	}
}

static void check_extended(uint32_t time, size_t bytes, bool is_repeated)
{
	struct buf b = {0};
	int err;

	put_extended(&b, time, bytes, is_repeated);
	put_extended(&b, time + 40, bytes, is_repeated);
	err = buf_error(&b);
	for (size_t step = 1; !err && step < 200; step += step < 8 ? 1 : 60) {
		struct seen seen = {0};

		err = feed_pieces(buf_span(&b), 0, step, &seen);
		if (err)
			break;
		CHECK_EQ(seen.count, 2);
		CHECK_EQ(seen.last.timestamp_ms, time + 40);
		CHECK_EQ(seen.last_payload,
			 hash_bytes(3, span_of(payload, bytes)));
	}
	buf_fini(&b);
	CHECK_EQ(err, 0);
}

TEST(fmt_3_chunks_may_repeat_the_extended_time_or_leave_it_out)
{
	static const size_t sizes[] = {129, 130, 131, 132, 256, 257, 1000};

	fill_payload();
	for (size_t i = 0; i < WEIR_ARRAY_LEN(sizes); i++) {
		check_extended(0x01020304, sizes[i], true);
		check_extended(0x01020304, sizes[i], false);
		check_extended(0xffffff, sizes[i], true);
		check_extended(0xffffff, sizes[i], false);
	}
}

TEST(a_body_that_begins_like_the_omitted_time_is_still_body)
{
	uint8_t like[260];

	/* all but the last byte of the field stand in the body, at each chunk */
	memset(payload, 0, sizeof(payload));
	memcpy(payload + 128, "\x01\x02\x03\x05", 4);
	memcpy(payload + 256, "\x01\x02\x03", 3);
	check_extended(0x01020304, 258, false);
	check_extended(0x01020304, 259, false);
	check_extended(0x01020304, 400, false);
	memcpy(like, payload, sizeof(like));
	CHECK_EQ(like[128], 1);
}

TEST(a_guess_across_a_message_end_is_taken_back)
{
	/* the omitted field's look-alike is the last byte of the message and
	 * the next chunk's header */
	static const uint8_t tail[] = {0xc4, 0x05, /* last body byte */
				       0x05, 0,    0, 7, 0, 0,  1,
				       8,    1,    0, 0, 0, 'z'};
	struct buf b = {0};
	struct seen whole = {0};
	int err;

	fill_payload();
	buf_put(&b, span_of("\x04\xff\xff\xff\0\0\x81\x09\x01\0\0\0", 12));
	buf_put_u32(&b, 0x05050001);
	buf_put(&b, span_of(payload, 128));
	buf_put(&b, SPAN(tail));
	err = buf_error(&b) ? WEIR_ENOMEM
			    : feed_all(buf_span(&b), &roomy, &whole);
	if (!err) {
		CHECK_EQ(whole.count, 2);
		CHECK_EQ(whole.last.timestamp_ms, 7);
	}
	for (size_t cut = 0; !err && cut <= b.len; cut++) {
		struct seen seen = {0}, moved = {0};

		err = feed_pieces(buf_span(&b), cut, 1, &seen);
		CHECK(err || seen.hash == whole.hash);
		if (!err)
			err = feed_moved(buf_span(&b), cut, &moved);
		CHECK(err || moved.hash == whole.hash);
	}
	buf_fini(&b);
	CHECK_EQ(err, 0);
}

TEST(extended_deltas_repeat_as_delta_or_as_absolute_time)
{
	static const uint8_t head[] = {
		4,    0,    0,    100,  0, 0, 1,   9, 1, 0, 0, 0, 'a',
		0x44, 0xff, 0xff, 0xff, 0, 0, 129, 9, 1, 0, 0, 0};
	static const char *const repeat[] = {"\1\0\0", "\1\0\0\x64"};

	fill_payload();
	for (size_t i = 0; i < 2; i++) {
		struct buf b = {0};
		struct seen seen = {0};

		buf_put(&b, SPAN(head));
		buf_put(&b, span_of(payload, 128));
		buf_put_u8(&b, 0xc4);
		buf_put(&b, span_of(repeat[i], 4));
		buf_put(&b, span_of(payload + 128, 1));
		if (!buf_error(&b) && !feed_all(buf_span(&b), &roomy, &seen)) {
			CHECK_EQ(seen.count, 2);
			CHECK_EQ(seen.last.timestamp_ms, 0x1000064);
			CHECK_EQ(seen.last_payload,
				 hash_bytes(3, span_of(payload, 129)));
		}
		buf_fini(&b);
	}
}

TEST(an_aborted_message_is_forgotten)
{
	struct buf b = {0};
	struct seen seen = {0};

	fill_payload();
	buf_put(&b, span_of("\x04\0\0\1\0\0\xc8\x09\1\0\0\0", 12));
	buf_put(&b, span_of(payload, 128));
	buf_put(&b, span_of("\2\0\0\0\0\0\4\2\0\0\0\0\0\0\0\4", 16));
	buf_put(&b, span_of("\x04\0\0\2\0\0\1\x08\1\0\0\0z", 13));
	if (!buf_error(&b) && !feed_all(buf_span(&b), &roomy, &seen)) {
		CHECK_EQ(seen.count, 2);
		CHECK_EQ(seen.last_bytes, 1);
		CHECK_EQ(seen.last.timestamp_ms, 2);
	}
	buf_fini(&b);
}

/* An abort that aborts itself borrows what it would free. */
TEST(an_abort_of_its_own_chunk_stream_is_harmless)
{
	static const uint8_t head[] = {2, 0, 0, 0, 0, 0x20, 0, 2, 0, 0, 0, 0};
	struct buf b = {0};
	struct seen seen = {0};

	memset(payload, 0, sizeof(payload));
	payload[3] = 2;
	buf_put(&b, SPAN(head));
	for (size_t i = 0; i < 64; i++) {
		if (i)
			buf_put_u8(&b, 0xc2);
		buf_put(&b, span_of(payload + 128 * (i > 0), 128));
	}
	if (!buf_error(&b) && !feed_all(buf_span(&b), &roomy, &seen)) {
		CHECK_EQ(seen.count, 1);
		CHECK_EQ(seen.last_bytes, 0x2000);
	}
	buf_fini(&b);
}

TEST(full_headers_in_the_middle_are_taken_if_they_say_the_same)
{
	struct buf b = {0};
	struct seen seen = {0};

	fill_payload();
	buf_put(&b, span_of("\x04\0\0\1\0\1\x02\x09\1\0\0\0", 12));
	buf_put(&b, span_of(payload, 128));
	buf_put(&b, span_of("\x04\0\0\1\0\1\x02\x09\1\0\0\0", 12));
	buf_put(&b, span_of(payload + 128, 128));
	buf_put(&b, span_of("\x44\0\0\0\0\1\x02\x09", 8));
	buf_put(&b, span_of(payload + 256, 2));
	if (!buf_error(&b) && !feed_all(buf_span(&b), &roomy, &seen)) {
		CHECK_EQ(seen.count, 1);
		CHECK_EQ(seen.last.timestamp_ms, 1);
		CHECK_EQ(seen.last_payload,
			 hash_bytes(3, span_of(payload, 258)));
	}
	buf_fini(&b);
}

TEST(a_new_chunk_size_holds_for_the_rest_of_a_message)
{
	struct buf b = {0};
	struct seen seen = {0};

	fill_payload();
	buf_put(&b, span_of("\x04\0\0\1\0\1\x02\x09\1\0\0\0", 12));
	buf_put(&b, span_of(payload, 128));
	rtmp_put_chunk_size(&b, 0x7fffffff); /* means the largest */
	buf_put_u8(&b, 0xc4);
	buf_put(&b, span_of(payload + 128, 130));
	if (!buf_error(&b) && !feed_all(buf_span(&b), &roomy, &seen)) {
		CHECK_EQ(seen.count, 2);
		CHECK_EQ(seen.last_payload,
			 hash_bytes(3, span_of(payload, 258)));
	}
	buf_fini(&b);
}

TEST(what_breaks_the_format_is_refused_with_its_reason)
{
	CHECK_FAULT("chunk without a header before", WEIR_EPROTO, &roomy, 0xc4);
	CHECK_FAULT("chunk without a header before", WEIR_EPROTO, &roomy, 0x84,
		    0, 0, 0);
	CHECK_FAULT("chunk size out of range", WEIR_EPROTO, &roomy, 2, 0, 0, 0,
		    0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0);
	CHECK_FAULT("chunk size out of range", WEIR_EPROTO, &roomy, 2, 0, 0, 0,
		    0, 0, 4, 1, 0, 0, 0, 0, 0x80, 0, 0, 1);
	CHECK_FAULT("control message too short", WEIR_EPROTO, &roomy, 2, 0, 0,
		    0, 0, 0, 3, 1, 0, 0, 0, 0, 0, 1, 0);
	/* chunks of 1 byte, then another length, type or time in the middle */
	CHECK_FAULT("message changed in the middle", WEIR_EPROTO, &roomy, 2, 0,
		    0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0,
		    9, 8, 1, 0, 0, 0, 'a', 0x44, 0, 0, 0, 0, 0, 8, 8);
	CHECK_FAULT("message begun in the middle", WEIR_EPROTO, &roomy, 2, 0, 0,
		    0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 9,
		    8, 1, 0, 0, 0, 'a', 4, 0, 0, 1, 0, 0, 9, 8, 1, 0, 0, 0);
}

TEST(a_peer_can_make_us_hold_only_so_much)
{
	CHECK_FAULT("message too long", WEIR_ELIMIT, &tight, 4, 0, 0, 0, 0, 1,
		    45, 8, 1, 0, 0, 0);
	CHECK_FAULT("too many chunk streams", WEIR_ELIMIT, &tight, 4, 0, 0, 0,
		    0, 0, 0, 8, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 8, 1, 0, 0, 0,
		    6, 0, 0, 0, 0, 0, 0, 8, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 8,
		    1, 0, 0, 0);
}

TEST(half_received_messages_are_counted_together)
{
	struct rtmp_chunk_reader *rd = NULL;
	struct seen seen = {0};
	struct buf b = {0};
	size_t used;
	int err = rtmp_chunk_reader_new(&rd, &tight, see, &seen);

	fill_payload();
	for (uint8_t csid = 4; csid < 7; csid++) {
		buf_put_u8(&b, csid);
		buf_put(&b, span_of("\0\0\0\0\1\0\x08\1\0\0\0", 11));
		buf_put(&b, span_of(payload, 128));
	}
	buf_put_u8(&b, 0xc4);
	buf_put(&b, span_of(payload, 128));
	if (!err && !buf_error(&b)) {
		err = rtmp_chunk_reader_feed(
			rd, span_first(buf_span(&b), 3 * 140), &used);
		if (!err) {
			CHECK_EQ(rtmp_chunk_reader_pending(rd), 3 * 128);
			err = rtmp_chunk_reader_feed(
				rd, span_from(buf_span(&b), 3 * 140), &used);
			CHECK(err == WEIR_ELIMIT || err == WEIR_ENOMEM);
		}
	}
	rtmp_chunk_reader_free(&rd);
	buf_fini(&b);
}

TEST(memory_follows_bytes_received_never_bytes_promised)
{
	static const uint8_t wire[] = {4, 0, 0, 0, 0xff, 0xff, 0xff,
				       9, 1, 0, 0, 0,    'a'};
	struct rtmp_chunk_reader *rd = NULL;
	struct seen seen = {0};
	size_t used;

	if (!rtmp_chunk_reader_new(&rd, &roomy, see, &seen) &&
	    !rtmp_chunk_reader_feed(rd, SPAN(wire), &used)) {
		CHECK_EQ(rtmp_chunk_reader_pending(rd), 1);
		CHECK(test_peak_bytes() < 4096);
	}
	rtmp_chunk_reader_free(&rd);
}

TEST(a_message_beyond_24_bits_of_length_is_not_written)
{
	struct buf b = {0};
	struct span big = span_of(payload, RTMP_MESSAGE_BYTES_MAX + 1u);

	rtmp_chunk_write(&b, 4, 0, 9, 1, big, 4096);
	CHECK_EQ(buf_error(&b), WEIR_ELIMIT);
	CHECK_EQ(b.len, 0);
	buf_fini(&b);
}
