/* services/edge/bytelog_test.c - bytes in blocks and payloads, against a buffer
 * that has all of them. */
#include "services/edge/bytelog.h"

#include <stdlib.h>

#include "common/base/buf.h"
#include "common/test/check.h"

struct scene {
	struct bytelog log;
	struct buf all; /* what was ever put */
	uint64_t tail;
};

static void begin(struct scene *s)
{
	*s = (struct scene){0};
	bytelog_init(&s->log);
}

static void end(struct scene *s)
{
	bytelog_fini(&s->log);
	buf_fini(&s->all);
}

/* `len` bytes that are like no others. */
static void make_bytes(struct scene *s, struct buf *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf_put_u8(out, (uint8_t)((s->all.len + i) * 31 / 7));
}

/* `len` bytes, and a payload (0: none) at `at` of them. */
static void put(struct scene *s, size_t len, size_t payload_len, size_t at)
{
	const struct frame head = {.kind = FRAME_VIDEO};
	struct frame *f = NULL;
	struct buf bytes = {0};
	struct span around, payload;

	make_bytes(s, &bytes, len + payload_len);
	CHECK_EQ(buf_error(&bytes), 0);
	around = span_first(buf_span(&bytes), len);
	payload = span_from(buf_span(&bytes), len);
	if (payload_len)
		CHECK_EQ(frame_new(&f, &head, payload), 0);
	CHECK_EQ(bytelog_put(&s->log, around, f, at), 0);
	buf_put(&s->all, span_first(around, payload_len ? at : len));
	buf_put(&s->all, payload);
	buf_put(&s->all, span_from(around, payload_len ? at : len));
	frame_unref(&f);
	buf_fini(&bytes);
	CHECK_EQ(s->log.end, s->all.len);
}

/* All from `offset` on is there, whatever the hint. */
static void check_from(struct scene *s, uint64_t offset, uint64_t hint)
{
	struct span some[3];

	while (offset < s->log.end) {
		struct span one = bytelog_peek(&s->log, offset, &hint);
		size_t count = bytelog_peek_all(&s->log, offset, &hint, some,
						WEIR_ARRAY_LEN(some), 50000);

		CHECK(count > 0);
		CHECK(one.data == some[0].data);
		for (size_t i = 0; i < count; i++) {
			CHECK_SPAN(
				some[i],
				span_first(span_from(buf_span(&s->all), offset),
					   some[i].len));
			offset += some[i].len;
		}
	}
	CHECK_EQ(offset, s->log.end);
	CHECK_EQ(bytelog_peek(&s->log, offset, &hint).len, 0);
}

TEST(bytes_are_read_as_they_were_put)
{
	struct scene s;

	begin(&s);
	put(&s, 10, 0, 0);
	put(&s, 17, 2000, 13);
	put(&s, 12, 300, 12); /* nothing behind the payload */
	put(&s, 4, 300, 0);   /* nothing before it */
	put(&s, 40000, 0, 0);
	for (uint64_t at = 0; at < s.log.end; at += 97)
		check_from(&s, at, at);
	end(&s);
}

TEST(a_payload_stays_where_it_is)
{
	const struct frame head = {.kind = FRAME_VIDEO};
	static const uint8_t bytes[5000];
	struct frame *f = NULL;
	uint64_t hint = 0;
	struct scene s;

	begin(&s);
	CHECK_EQ(frame_new(&f, &head, SPAN(bytes)), 0);
	CHECK_EQ(bytelog_put(&s.log, SPAN_LIT("head"), f, 4), 0);
	CHECK(bytelog_peek(&s.log, 4, &hint).data == f->payload.data);
	CHECK_EQ(f->refs, 2);
	CHECK_EQ(s.log.shared_bytes, 5000);
	CHECK(s.log.kept_bytes < 2000);
	bytelog_drop(&s.log, 5004);
	CHECK_EQ(f->refs, 1);
	CHECK_EQ(s.log.shared_bytes, 0);
	frame_unref(&f);
	end(&s);
}

TEST(what_is_let_go_gives_its_memory_back)
{
	struct scene s;

	begin(&s);
	for (int i = 0; i < 100; i++)
		put(&s, 5000, i % 2 ? 3000 : 0, 77);
	bytelog_drop(&s.log, s.log.end);
	CHECK_EQ(s.log.shared_bytes, 0);
	CHECK(s.log.kept_bytes <= BYTELOG_BLOCK_BYTES);
	put(&s, 500, 0, 0);
	check_from(&s, s.log.end - 500, 0);
	end(&s);
}

TEST(without_memory_nothing_happens)
{
	const struct frame head = {.kind = FRAME_VIDEO};
	static const uint8_t bytes[50000];
	struct frame *f = NULL;
	struct scene s;

	begin(&s);
	put(&s, 10, 0, 0);
	CHECK_EQ(frame_new(&f, &head, SPAN(bytes)), 0);
	/* In starved runs one of the blocks is not there. */
	if (bytelog_put(&s.log, SPAN(bytes), f, 40000)) {
		CHECK_EQ(s.log.end, 10);
		CHECK_EQ(f->refs, 1);
		check_from(&s, 0, 0);
	}
	frame_unref(&f);
	end(&s);
}

/* Long, and each step allocates: not repeated. */
TEST_NO_OOM(any_order_of_putting_and_letting_go_keeps_all_bytes)
{
	for (unsigned seed = 1; seed <= 10; seed++) {
		struct scene s;

		begin(&s);
		srandom(seed);
		for (int i = 0; i < 600; i++) {
			size_t len = 1 + (size_t)random() %
						 (random() % 9 ? 60 : 40000);
			size_t payload =
				random() % 3 ? (size_t)random() % 3000 : 0;

			put(&s, len, payload, (size_t)random() % (len + 1));
			if (random() % 2)
				s.tail += (uint64_t)random() %
					  (s.log.end - s.tail + 1);
			bytelog_drop(&s.log, s.tail);
			check_from(&s, s.tail, (uint64_t)random() % 2000);
		}
		end(&s);
	}
}
