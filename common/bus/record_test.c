/* common/bus/record_test.c */
#include "common/bus/record.h"

#include <stdlib.h>

#include "common/test/check.h"

/* clang-format off */
#define U {{0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, \
	    0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f}}
#define V {{0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, \
	    0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf}}

/* One of each type but FRAME and STATE, every field set, and (where there is
 * one) the bytes that README.md says. */
static const struct {
	struct record record;
	const char *hex;
} samples[] = {
	{{.type = RECORD_HELLO, .version = 1, .connection = 2, .identity = 1,
	  .instance = U, .boot = V,
	  .nonce = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
		    17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31},
	  .cluster = "c1", .node = "edge-1", .kind = "edge",
	  .url = "ipc:///x"},
	 "8000000001000000000000000000000000000000000000000000000000000000"
	 "01000201101112131415161718191a1b1c1d1e1fa0a1a2a3a4a5a6a7a8a9aaab"
	 "acadaeaf000102030405060708090a0b0c0d0e0f101112131415161718191a1b"
	 "1c1d1e1f020063310600656467652d3104006564676508006970633a2f2f2f78"},
	{{.type = RECORD_PROOF, .nonce = {9, 8, 7}}, NULL},
	{{.type = RECORD_PING},
	 "2000000003000000000000000000000000000000000000000000000000000000"},
	{{.type = RECORD_ACK, .sequence = 0x123456},
	 "2000000004000000000000000000000000000000000000005634120000000000"},
	{{.type = RECORD_PUB, .flags = PUB_HOME | PUB_MOVED, .sid = 7,
	  .term_number = 3, .position = {{5, U}, 0}, .term = {3, V},
	  .start_us = 1700000000000000, .key = {"live/a"}, .kind = "publish"},
	 "6900000010000900070000000000000003000000000000000000000000000000"
	 "0500000000000000101112131415161718191a1b1c1d1e1f0300000000000000"
	 "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf00401e18240a060006006c6976652f61"
	 "07007075626c697368"},
	{{.type = RECORD_RESUME, .flags = RESUME_KNOWN | RESUME_WANTED,
	  .sid = 7, .term_number = 3, .term = {3, V},
	  .position = {{5, U}, 41}, .end_dts_ns = -40000000, .incarnation = 9,
	  .segment = 10, .discontinuity = 11, .target_ms = 4000},
	 "7c00000011000300070000000000000003000000000000000000000000000000"
	 "0300000000000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf0500000000000000"
	 "101112131415161718191a1b1c1d1e1f290000000000000000a69dfdffffffff"
	 "09000000000000000a000000000000000b00000000000000a00f0000"},
	{{.type = RECORD_FENCED, .sid = 7, .reason = 10, .term = {4, U},
	  .position = {{6, V}, 0}}, NULL},
	{{.type = RECORD_END, .sid = 7, .reason = 1, .ms = 10000}, NULL},
	{{.type = RECORD_HOME, .flags = HOME_LIVE, .position = {{5, U}, 0},
	  .term = {3, V}, .start_us = -5, .key = {"live/\xc3\xa9"},
	  .node = "origin-1", .url = "tcp://10.0.0.1:7000"}, NULL},
	{{.type = RECORD_WANTED, .flags = WANTED_YES, .sid = 7}, NULL},
	{{.type = RECORD_SUB, .sid = 1,
	  .flags = SUB_FROM_POSITION | SUB_EXACT | SUB_WANTING,
	  .position = {{5, U}, 41}, .count = 3, .key = {"live/a"}},
	 "5000000020000d00010000000000000000000000000000000000000000000000"
	 "0500000000000000101112131415161718191a1b1c1d1e1f2900000000000000"
	 "030000000000000006006c6976652f61"},
	{{.type = RECORD_UNSUB, .sid = 1}, NULL},
	{{.type = RECORD_WHERE, .sid = 2, .count = 8, .key = {"a/b/c"}}, NULL},
	{{.type = RECORD_MOVED, .sid = 1, .position = {{5, U}, 0},
	  .term = {4, U}, .node = "origin-2", .url = "tcp://[::1]:1"}, NULL},
	{{.type = RECORD_WRITER_LOST, .sid = 1, .ms = 7000}, NULL},
	{{.type = RECORD_SKIP, .sid = 1, .reason = 17, .count = 250,
	  .position = {{5, U}, 300}},
	 "4a00000025000000010000000000000000000000000000000000000000000000"
	 "1100fa000000000000000500000000000000101112131415161718191a1b1c1d"
	 "1e1f2c01000000000000"},
	{{.type = RECORD_DRAIN}, NULL},
	{{.type = RECORD_FEEDBACK, .sid = 1, .track = 1, .what = 2,
	  .value = 800000},
	 "2700000027000000010000000000000000000000000000000000000000000000"
	 "01000200350c00"},
	{{.type = RECORD_REQ, .id = 77, .deadline_ms = 300,
	  .json = {(const uint8_t *)"{\"a\":1}", 7}},
	 "3300000040000000000000000000000000000000000000000000000000000000"
	 "4d000000000000002c0100007b2261223a317d"},
	{{.type = RECORD_REP, .id = 77, .json = {(const uint8_t *)"{}", 2}},
	 NULL},
};

static const char frame_hex[] =
	"5c00000030000300010000000000000003000000000000002a00000000000000"
	"0500000000000000101112131415161718191a1b1c1d1e1f0101010004000000"
	"005a62020000000000b4c4040000000001401e18240a0600deadbeef";
/* clang-format on */

static const struct frame sample_head = {
	.kind = FRAME_VIDEO,
	.flags = FRAME_JOIN,
	.track = 1,
	.position = {{5, U}, 42},
	.dts_ns = 40000000,
	.pts_ns = 80000000,
	.arrival_us = 1700000000000001,
};

static int nibble(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void put_hex(struct buf *out, const char *hex)
{
	for (; *hex; hex += 2)
		buf_put_u8(out,
			   (uint8_t)(nibble(hex[0]) << 4 | nibble(hex[1])));
}

static struct frame *sample_frame(size_t payload_len)
{
	struct frame *f = NULL;
	uint8_t *payload;

	CHECK_EQ(frame_new_blank(&f, &sample_head, payload_len, &payload), 0);
	for (size_t i = 0; i < payload_len; i++)
		payload[i] = (uint8_t)(i * 7 + (i >> 9));
	return f;
}

/* Copied off the stack of others so that sanitizers see reads past the end. */
static int read_exact(struct record *out, struct span s, const char **why)
{
	uint8_t *copy = malloc(s.len ? s.len : 1);
	int err;

	CHECK(copy);
	memcpy(copy, s.data, s.len);
	err = record_read(out, span_of(copy, s.len), why);
	out->json = (struct span){0};
	out->frame.payload = (struct span){0};
	free(copy);
	return err;
}

/* Both were all zero before their fields were set, so padding is equal, too. */
static bool is_same(const void *a, const void *b, size_t len)
{
	return memcmp(a, b, len) == 0;
}

TEST(every_record_comes_back_as_it_was_written)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(samples); i++) {
		struct record expected = samples[i].record;
		struct record got;
		struct buf b = {0};
		const char *why;

		record_write(&b, &expected);
		CHECK_EQ(buf_error(&b), 0);
		CHECK_EQ(record_read(&got, buf_span(&b), &why), 0);
		CHECK_SPAN(got.json, expected.json);
		got.json = expected.json;
		CHECK(is_same(&got, &expected, sizeof(got)));
		buf_fini(&b);
	}
}

TEST(records_are_the_bytes_that_the_readme_says)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(samples); i++) {
		struct buf golden = {0};
		struct buf b = {0};

		if (!samples[i].hex)
			continue;
		put_hex(&golden, samples[i].hex);
		record_write(&b, &samples[i].record);
		CHECK_SPAN(buf_span(&b), buf_span(&golden));
		buf_fini(&golden);
		buf_fini(&b);
	}
}

TEST(there_is_a_sample_of_every_type)
{
	size_t count = 2; /* FRAME, STATE */

	for (unsigned type = 0; type < 200; type++)
		if (strcmp(record_name((uint16_t)type), "unknown") != 0) {
			CHECK(record_connection((uint16_t)type) != 0);
			count--;
		}
	CHECK_EQ(count + WEIR_ARRAY_LEN(samples), 0);
	CHECK_STR(record_name(RECORD_WRITER_LOST), "WRITER_LOST");
	CHECK_EQ(record_connection(RECORD_REQ), 2);
	CHECK_EQ(record_connection(RECORD_FRAME), 1);
	CHECK_EQ(record_connection(RECORD_PING), 3);
	CHECK_EQ(record_connection(199), 0);
}

TEST(a_frame_is_the_bytes_that_the_readme_says)
{
	static const uint8_t payload[] = {0xde, 0xad, 0xbe, 0xef};
	struct frame *f = NULL, *back = NULL;
	struct reassembly ra = {0};
	struct buf golden = {0}, b = {0};
	struct record r;
	const char *why;

	put_hex(&golden, frame_hex);
	CHECK_EQ(frame_new(&f, &sample_head, SPAN(payload)), 0);
	CHECK_EQ(record_write_frame(&b, RECORD_FRAME, 1, 3, f, 0), 4);
	CHECK_SPAN(buf_span(&b), buf_span(&golden));
	CHECK_EQ(record_read(&r, buf_span(&golden), &why), 0);
	CHECK_EQ(r.term_number, 3);
	CHECK_EQ(r.sid, 1);
	CHECK_EQ(reassembly_take(&ra, &back, &r), 0);
	CHECK(back && frame_digest_same(f, back));
	frame_unref(&f);
	frame_unref(&back);
	buf_fini(&golden);
	buf_fini(&b);
}

/* Write `f` in fragments and put them together again. */
static void check_fragments(uint16_t type, struct frame *f)
{
	struct reassembly ra = {0};
	struct frame *back = NULL;
	uint32_t offset = 0;
	const char *why;

	do {
		struct buf b = {0};
		struct record r;

		CHECK(!back);
		offset += record_write_frame(&b, type, 9, 2, f, offset);
		CHECK_EQ(buf_error(&b), 0);
		CHECK_EQ(record_read(&r, buf_span(&b), &why), 0);
		CHECK_EQ(reassembly_take(&ra, &back, &r), 0);
		buf_fini(&b);
	} while (offset < f->payload.len);
	CHECK(back && frame_digest_same(f, back));
	CHECK(!ra.is_open);
	frame_unref(&back);
	reassembly_fini(&ra);
}

TEST(frames_of_every_size_come_through_their_fragments)
{
	static const size_t sizes[] = {0,      1,       65535,
				       65536,  65537,   131072,
				       131073, 1000000, FRAME_PAYLOAD_MAX};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(sizes); i++) {
		struct frame *f = sample_frame(sizes[i]);

		check_fragments(RECORD_FRAME, f);
		f->kind = FRAME_CONFIG;
		check_fragments(RECORD_STATE, f);
		frame_unref(&f);
	}
}

TEST(memory_follows_the_bytes_that_came)
{
	struct frame *f = sample_frame(FRAME_PAYLOAD_MAX);
	struct reassembly ra = {0};
	struct frame *back = NULL;
	struct buf b = {0};
	struct record r;
	const char *why;

	record_write_frame(&b, RECORD_FRAME, 1, 1, f, 0);
	CHECK_EQ(record_read(&r, buf_span(&b), &why), 0);
	CHECK_EQ(reassembly_take(&ra, &back, &r), 0);
	CHECK(!back);
	CHECK(ra.payload.cap < 4 * RECORD_FRAGMENT_BYTES);
	reassembly_fini(&ra);
	frame_unref(&f);
	buf_fini(&b);
}

/* What goes wrong with the second of three fragments. */
enum fault {
	FAULT_NONE,
	FAULT_AGAIN,    /* the first one comes twice */
	FAULT_OFFSET,   /* a hole */
	FAULT_SEQUENCE, /* of another frame */
	FAULT_TYPE,
	FAULT_EARLY_LAST,
	FAULT_LONE, /* no first fragment came */
	FAULT_COUNT
};

static void break_record(struct record *r, enum fault fault)
{
	if (fault == FAULT_OFFSET)
		r->offset += 1;
	if (fault == FAULT_SEQUENCE)
		r->sequence += 1;
	if (fault == FAULT_TYPE)
		r->type = RECORD_STATE;
	if (fault == FAULT_EARLY_LAST)
		r->flags |= FRAME_LAST;
}

TEST(a_fragment_out_of_place_breaks_the_protocol)
{
	struct frame *f = sample_frame(3 * RECORD_FRAGMENT_BYTES);

	for (int fault = 0; fault < FAULT_COUNT; fault++) {
		const uint32_t second =
			fault == FAULT_AGAIN ? 0 : RECORD_FRAGMENT_BYTES;
		struct buf one = {0}, two = {0};
		struct reassembly ra = {0};
		struct frame *back = NULL;
		struct record r;
		const char *why;

		record_write_frame(&one, RECORD_FRAME, 1, 1, f, 0);
		record_write_frame(&two, RECORD_FRAME, 1, 1, f, second);
		CHECK_EQ(record_read(&r, buf_span(&one), &why), 0);
		if (fault != FAULT_LONE)
			CHECK_EQ(reassembly_take(&ra, &back, &r), 0);
		CHECK_EQ(record_read(&r, buf_span(&two), &why), 0);
		break_record(&r, fault);
		CHECK_EQ(reassembly_take(&ra, &back, &r),
			 fault == FAULT_NONE ? 0 : WEIR_EPROTO);
		CHECK(!back);
		reassembly_fini(&ra);
		buf_fini(&one);
		buf_fini(&two);
	}
	frame_unref(&f);
}

TEST(lengths_out_of_range_are_refused)
{
	static const struct {
		uint8_t bytes[4];
		int err;
	} cases[] = {
		{{31, 0, 0, 0}, WEIR_EPROTO},
		{{0, 0, 0, 0}, WEIR_EPROTO},
		{{32, 0, 0, 0}, 0},
		{{0x00, 0x02, 1, 0}, 0},
		{{0x01, 0x02, 1, 0}, WEIR_EPROTO},
		{{0xff, 0xff, 0xff, 0xff}, WEIR_EPROTO},
	};
	size_t len;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++)
		CHECK_EQ(record_length(&len, SPAN(cases[i].bytes)),
			 cases[i].err);
	CHECK_EQ(record_length(&len, span_of(cases[0].bytes, 3)), WEIR_ESHORT);
}

static void set_length(struct buf *b)
{
	for (unsigned i = 0; i < 4; i++)
		b->data[i] = (uint8_t)(b->len >> (8 * i));
}

TEST(a_field_that_runs_past_the_record_is_refused)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(samples); i++) {
		const uint16_t type = samples[i].record.type;
		struct buf b = {0};

		record_write(&b, &samples[i].record);
		CHECK_EQ(buf_error(&b), 0);
		/* The end of JSON is the end of the record, wherever it is. */
		while (b.len > RECORD_HEADER_BYTES && type != RECORD_REQ &&
		       type != RECORD_REP) {
			struct record r;
			const char *why = NULL;

			b.len--;
			set_length(&b);
			CHECK_EQ(read_exact(&r, buf_span(&b), &why),
				 WEIR_EPROTO);
			CHECK(why);
		}
		buf_fini(&b);
	}
}

TEST(bytes_behind_the_known_fields_are_ignored)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(samples); i++) {
		struct record expected = samples[i].record;
		struct record r;
		struct buf b = {0};
		const char *why;

		record_write(&b, &expected);
		buf_put_u32(&b, 0xdeadbeef);
		CHECK_EQ(buf_error(&b), 0);
		set_length(&b);
		CHECK_EQ(read_exact(&r, buf_span(&b), &why), 0);
		expected.json = (struct span){0};
		CHECK(is_same(&r, &expected, sizeof(r)));
		buf_fini(&b);
	}
}

TEST(a_record_of_an_unknown_type_is_told_apart)
{
	struct buf b = {0};
	struct record r;
	const char *why;

	put_hex(&b, samples[2].hex);
	CHECK_EQ(buf_error(&b), 0);
	b.data[4] = 0xf0;
	CHECK_EQ(read_exact(&r, buf_span(&b), &why), WEIR_EUNSUPPORTED);
	buf_fini(&b);
}

/* One byte of a good record is changed to what no record may say. */
static const struct {
	const char *hex;
	size_t at;
	uint8_t byte;
	const char *why;
} bad[] = {
	{NULL, 8, 0, "no stream id"},
	{NULL, 6, 0, "out of place"},     /* a later fragment at offset 0 */
	{NULL, 6, 1, "last fragment"},    /* ends, and does not say so */
	{NULL, 12, 1, "out of place"},    /* a first fragment at offset 1 */
	{NULL, 32, 0, "no epoch"},        /* epoch counter */
	{NULL, 56, 0, "kind"},            /* frame kind */
	{NULL, 56, 5, "kind"},            /* between media and state */
	{NULL, 56, 22, "kind"},           /* past the last */
	{NULL, 4, RECORD_STATE, "state"}, /* VIDEO is no state */
	{NULL, 60, 3, "out of place"},    /* payload longer than said */
	{NULL, 60, 5, "last fragment"},   /* shorter, and says it is the last */
	{NULL, 63, 2, "too large"},       /* 32 MB */
	{NULL, 71, 0x7f, "a time"},       /* dts */
	{NULL, 71, 0x80, "a time"},       /* the lowest of all */
	{NULL, 79, 0x40, "a time"},       /* pts */
	{NULL, 87, 0x40, "a time"},       /* arrival */
};

TEST(a_frame_that_breaks_a_rule_is_refused_with_the_reason)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct buf b = {0};
		struct record r;
		const char *why = NULL;

		put_hex(&b, frame_hex);
		CHECK_EQ(buf_error(&b), 0);
		b.data[bad[i].at] = bad[i].byte;
		CHECK_EQ(read_exact(&r, buf_span(&b), &why), WEIR_EPROTO);
		CHECK(why && strstr(why, bad[i].why));
		buf_fini(&b);
	}
}

static const struct {
	size_t sample; /* the first 32 bytes and fields of this one */
	size_t at;
	uint8_t byte;
	const char *why;
} bad_fields[] = {
	{0, 34, 0, "no connection"},
	{0, 34, 3, "no connection"},
	{0, 100, 63, "past the record"}, /* cluster: longer than all */
	{0, 102, 0, "a text"},           /* NUL in it */
	{0, 102, 0x1f, "a text"},        /* a control character */
	{0, 102, 0xff, "a text"},        /* no UTF-8 */
	{4, 6, 0, "neither"},
	{4, 6, 3, "neither"},
	{4, 32, 0, "no epoch"},
	{4, 8, 0, "no stream id"},
	{4, 87, 0x40, "a time"},
	{4, 88, 'x', "past"}, /* length of the key */
	{4, 90, '/', "key"},
	{4, 94, 'x', "key"}, /* no '/' in it */
	{10, 6, 0, "from where"},
	{10, 32, 0, "no position"},
};

TEST(a_field_that_breaks_a_rule_is_refused_with_the_reason)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad_fields); i++) {
		struct buf b = {0};
		struct record r;
		const char *why = NULL;

		record_write(&b, &samples[bad_fields[i].sample].record);
		CHECK_EQ(buf_error(&b), 0);
		b.data[bad_fields[i].at] = bad_fields[i].byte;
		CHECK_EQ(read_exact(&r, buf_span(&b), &why), WEIR_EPROTO);
		CHECK(why && strstr(why, bad_fields[i].why));
		buf_fini(&b);
	}
}

TEST(texts_end_where_their_arrays_end)
{
	struct record r = {.type = RECORD_MOVED, .sid = 1};
	struct record back;
	struct buf b = {0};
	const char *why;

	memset(r.node, 'n', sizeof(r.node) - 1);
	memset(r.url, 'u', sizeof(r.url) - 1);
	record_write(&b, &r);
	CHECK_EQ(record_read(&back, buf_span(&b), &why), 0);
	CHECK_STR(back.node, r.node);
	CHECK_STR(back.url, r.url);
	/* One more than the array holds with its NUL. */
	b.data[80] = NODE_ID_SIZE;
	CHECK_EQ(record_read(&back, buf_span(&b), &why), WEIR_EPROTO);
	buf_fini(&b);
}

TEST(times_out_of_range_are_not_written)
{
	struct record r = {.type = RECORD_RESUME, .sid = 1};
	struct record back;
	struct buf b = {0};
	const char *why;

	r.end_dts_ns = INT64_MAX;
	record_write(&b, &r);
	CHECK_EQ(record_read(&back, buf_span(&b), &why), 0);
	CHECK_EQ(back.end_dts_ns, INT64_C(1) << 61);
	buf_fini(&b);
}

TEST(a_record_that_no_receiver_would_take_is_not_written)
{
	static uint8_t json[RECORD_BYTES_MAX];
	struct record r = {.type = RECORD_REP, .json = SPAN(json)};
	struct buf b = {0};

	record_write(&b, &r);
	CHECK(buf_error(&b) == WEIR_ELIMIT || test_is_starved());
	buf_fini(&b);
}
