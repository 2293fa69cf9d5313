/* proto/ws/reader_test.c - frames: written, read, and broken ones refused. */
#include "proto/ws/reader.h"

#include <stdio.h>

#include "common/test/check.h"
#include "common/test/vector.h"

/* Events as text, one a line: "text Hello", "close 1000 bye". */
static int put_event(void *ctx, const struct ws_event *e)
{
	static const char *const names[] = {
		[WS_TEXT] = "text",   [WS_BINARY] = "binary",
		[WS_CLOSE] = "close", [WS_PING] = "ping",
		[WS_PONG] = "pong",
	};
	struct buf *out = ctx;

	buf_printf(out, "%s", names[e->opcode]);
	if (e->opcode == WS_CLOSE)
		buf_printf(out, " %u", e->close_code);
	buf_printf(out, " ");
	if (e->payload.len > 200)
		buf_printf(out, "%zu bytes", e->payload.len);
	else
		buf_put(out, e->payload);
	buf_printf(out, "\n");
	return buf_error(out);
}

struct run {
	int err;
	uint16_t code;
	struct buf text;
};

static struct run run_cut(enum ws_role role, const struct ws_limits *limits,
			  struct span in, size_t cut)
{
	struct run r = {0};
	struct ws_reader *rd = NULL;

	CHECK_EQ(ws_reader_new(&rd, role, limits, put_event, &r.text), 0);
	r.err = ws_reader_feed(rd, 0, span_first(in, cut));
	if (!r.err)
		r.err = ws_reader_feed(rd, 0, span_from(in, cut));
	CHECK(r.err != WEIR_ENOMEM);
	r.code = ws_reader_code(rd);
	ws_reader_free(&rd);
	return r;
}

static void check_read(enum ws_role role, struct span in, const char *text)
{
	for (size_t cut = 0; cut <= in.len; cut++) {
		struct run r = run_cut(role, NULL, in, cut);

		CHECK_EQ(r.err, 0);
		CHECK_SPAN(buf_span(&r.text), span_str(text));
		buf_fini(&r.text);
	}
}

static void check_bad(enum ws_role role, struct span in, int err, uint16_t code)
{
	for (size_t cut = 0; cut <= in.len; cut++) {
		struct run r = run_cut(role, NULL, in, cut);

		CHECK_EQ(r.err, err);
		CHECK_EQ(r.code, code);
		buf_fini(&r.text);
	}
}

#define SERVER_SAYS(bytes, text)                                               \
	check_read(WS_FROM_SERVER, SPAN_LIT(bytes), text)
#define CLIENT_SAYS(bytes, text)                                               \
	check_read(WS_FROM_CLIENT, SPAN_LIT(bytes), text)
#define NO_MASK "\x00\x00\x00\x00"

TEST(the_examples_of_the_rfc_are_read)
{
	SERVER_SAYS("\x81\x05Hello", "text Hello\n");
	CLIENT_SAYS("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
		    "text Hello\n");
	SERVER_SAYS("\x01\x03Hel\x80\x02lo", "text Hello\n");
	SERVER_SAYS("\x89\x05Hello", "ping Hello\n");
	CLIENT_SAYS("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
		    "pong Hello\n");
}

TEST(frames_of_real_clients_are_read)
{
	static const char *const names[] = {"node_client"};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(names); i++) {
		char path[128];
		struct buf file = {0};
		struct run r;

		snprintf(path, sizeof(path), "proto/ws/vectors/%s.ws",
			 names[i]);
		vector_load(&file, path);
		r = run_cut(WS_FROM_CLIENT, NULL, buf_span(&file), 9);
		CHECK_EQ(r.err, 0);
		snprintf(path, sizeof(path), "proto/ws/vectors/%s.ws.txt",
			 names[i]);
		vector_check(path, buf_span(&r.text));
		buf_fini(&file);
		buf_fini(&r.text);
	}
}

TEST(control_frames_may_stand_between_fragments)
{
	SERVER_SAYS(
		"\x02\x01"
		"a"
		"\x89\x01!"
		"\x00\x00"
		"\x8a\x00"
		"\x80\x01"
		"b"
		"\x82\x00",
		"ping !\npong \nbinary ab\nbinary \n");
}

TEST(a_close_ends_the_reading)
{
	SERVER_SAYS("\x88\x00\xff\xff", "close 1005 \n");
	SERVER_SAYS(
		"\x88\x05\x03\xe8"
		"bye\x81\x01x",
		"close 1000 bye\n");
	CLIENT_SAYS("\x88\x82" NO_MASK "\x0b\xb8", "close 3000 \n");
}

TEST(what_breaks_the_format_is_refused_and_the_close_says_why)
{
#define BAD(in)  check_bad(WS_FROM_SERVER, SPAN_LIT(in), WEIR_EPROTO, 1002)
#define BAD8(in) check_bad(WS_FROM_SERVER, SPAN_LIT(in), WEIR_EPROTO, 1007)
	BAD("\xc1\x00"); /* reserved bits */
	BAD("\xa1\x00");
	BAD("\x91\x00");
	BAD("\x83\x00"); /* reserved opcodes */
	BAD("\x87\x00");
	BAD("\x8b\x00");
	BAD("\x8f\x00");
	BAD("\x80\x01x");          /* continues nothing */
	BAD("\x01\x01x\x81\x01x"); /* a second message begins in the first */
	BAD("\x09\x00");           /* control in fragments, or long */
	BAD("\x08\x00");
	BAD("\x89\x7e\x00\x7e");
	BAD("\x82\x7e\x00\x7d"); /* lengths not in their shortest form */
	BAD("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff");
	BAD("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00");
	BAD("\x88\x01x"); /* closes: half a code, codes that may not be sent */
	BAD("\x88\x02\x03\xe7");
	BAD("\x88\x02\x03\xec");
	BAD("\x88\x02\x03\xed");
	BAD("\x88\x02\x03\xee");
	BAD("\x88\x02\x03\xf7");
	BAD("\x88\x02\x07\xd0");
	BAD("\x88\x02\x13\x88");
	BAD8("\x81\x01\xff"); /* text that is not UTF-8 */
	BAD8("\x81\x03\xed\xa0\x80");
	BAD8("\x01\x02\xe2\x82\x80\x00");
	BAD8("\x88\x03\x03\xe8\xff");
	BAD("\x81\x80" NO_MASK); /* a server that masks */
	check_bad(WS_FROM_CLIENT, SPAN_LIT("\x81\x00"), WEIR_EPROTO, 1002);
}

TEST(a_character_may_be_cut_by_fragments)
{
	SERVER_SAYS("\x01\x02\xe2\x82\x80\x01\xac", "text \xe2\x82\xac\n");
}

static void check_limit(const struct ws_limits *limits, struct span in,
			uint16_t code)
{
	struct run r = run_cut(WS_FROM_SERVER, limits, in, 1);

	CHECK_EQ(r.err, WEIR_ELIMIT);
	CHECK_EQ(r.code, code);
	buf_fini(&r.text);
}

TEST(limits_hold_before_the_bytes_have_come)
{
	/* 64 kB is the default; heads alone are enough to be refused. */
	check_limit(NULL, SPAN_LIT("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x01"),
		    1009);
	check_limit(NULL, SPAN_LIT("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"),
		    1009);
	check_limit(&(struct ws_limits){.message_bytes = 3},
		    SPAN_LIT("\x02\x02xx\x80\x02"), 1009);
	check_limit(&(struct ws_limits){.message_bytes = 9, .frame_bytes = 2},
		    SPAN_LIT("\x82\x03"), 1009);
	check_limit(&(struct ws_limits){.fragments = 2},
		    SPAN_LIT("\x02\x01x\x00\x01x\x00\x01"), 1008);
}

static int ignore(void *ctx, const struct ws_event *e)
{
	*(unsigned *)ctx += e->opcode == WS_PING;
	return 0;
}

TEST(control_frames_may_come_so_often_and_not_more)
{
	struct ws_reader *rd = NULL;
	struct ws_limits limits = {.controls_per_s = 10};
	unsigned count = 0;
	int err = 0;

	CHECK_EQ(ws_reader_new(&rd, WS_FROM_SERVER, &limits, ignore, &count),
		 0);
	/* One each 100 ms may go on for ever, after a burst of ten. */
	for (int64_t ms = 5000; ms < 35000 && !err; ms += 100)
		err = ws_reader_feed(rd, ms, SPAN_LIT("\x89\x00"));
	CHECK_EQ(err, 0);
	CHECK_EQ(count, 300);
	for (count = 0; count < 50 && !err;)
		err = ws_reader_feed(rd, 34900, SPAN_LIT("\x89\x00"));
	CHECK_EQ(err, WEIR_ELIMIT);
	CHECK_EQ(count, 9);
	CHECK_EQ(ws_reader_code(rd), WS_CODE_POLICY);
	/* Spent. */
	CHECK_EQ(ws_reader_feed(rd, 90000, SPAN_LIT("\x89\x00")), WEIR_ELIMIT);
	CHECK_EQ(count, 9);
	ws_reader_free(&rd);
}

TEST(empty_data_frames_are_held_to_that_rate_too)
{
	struct ws_reader *rd = NULL;
	struct ws_limits limits = {.controls_per_s = 2};
	unsigned count = 0;

	CHECK_EQ(ws_reader_new(&rd, WS_FROM_SERVER, &limits, ignore, &count),
		 0);
	CHECK_EQ(ws_reader_feed(rd, 0, SPAN_LIT("\x82\x00\x01\x00\x00\x00")),
		 WEIR_ELIMIT);
	ws_reader_free(&rd);
}

static int stop_at_once(void *ctx, const struct ws_event *e)
{
	++*(unsigned *)ctx;
	return e->opcode == WS_TEXT ? WEIR_ESTOP : 0;
}

TEST(a_callback_can_end_the_feed)
{
	struct ws_reader *rd = NULL;
	unsigned count = 0;

	CHECK_EQ(ws_reader_new(&rd, WS_FROM_SERVER, NULL, stop_at_once, &count),
		 0);
	CHECK_EQ(ws_reader_feed(rd, 0, SPAN_LIT("\x89\x00\x81\x00\x89\x00")),
		 WEIR_ESTOP);
	CHECK_EQ(count, 2);
	CHECK_EQ(ws_reader_feed(rd, 0, SPAN_LIT("\x89\x00")), WEIR_ESTOP);
	CHECK_EQ(count, 2);
	ws_reader_free(&rd);
}

TEST(memory_follows_the_bytes_that_came)
{
	struct ws_limits limits = {.message_bytes = 16u << 20};
	struct ws_reader *rd = NULL;
	unsigned count = 0;

	CHECK_EQ(ws_reader_new(&rd, WS_FROM_SERVER, &limits, ignore, &count),
		 0);
	CHECK_EQ(ws_reader_feed(rd, 0,
				SPAN_LIT("\x82\x7f\x00\x00\x00\x00\x01\x00\x00"
					 "\x00xxxx")),
		 0);
	CHECK(test_peak_bytes() < 4096);
	ws_reader_free(&rd);
}

/* ---- Writing ---- */

TEST(heads_have_the_shortest_length)
{
	static const struct {
		uint64_t len;
		struct span head;
	} row[] = {
		{0, SPAN_LIT("\x82\x00")},
		{125, SPAN_LIT("\x82\x7d")},
		{126, SPAN_LIT("\x82\x7e\x00\x7e")},
		{65535, SPAN_LIT("\x82\x7e\xff\xff")},
		{65536, SPAN_LIT("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00")},
		{0x0102030405060708,
		 SPAN_LIT("\x82\x7f\x01\x02\x03\x04\x05\x06\x07\x08")},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(row); i++) {
		uint8_t head[WS_HEAD_MAX];
		size_t len = ws_head_write(head, WS_BINARY, row[i].len);

		CHECK_SPAN(span_of(head, len), row[i].head);
	}
}

TEST(what_is_written_is_read_whatever_its_length)
{
	static uint8_t media[70000];
	static const size_t lens[] = {0, 1, 125, 126, 127, 65535, 65536, 70000};
	static const struct ws_limits limits = {.message_bytes = 70000};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(lens); i++) {
		struct span body = span_of(media, lens[i]);
		struct buf server = {0};
		struct buf client = {0};
		struct run a;
		struct run b;

		ws_frame_put(&server, WS_BINARY, body);
		ws_frame_put_masked(&client, WS_BINARY, body, 0x12345678);
		CHECK_EQ(buf_error(&server) | buf_error(&client), 0);
		CHECK_EQ(client.len, server.len + 4);
		a = run_cut(WS_FROM_SERVER, &limits, buf_span(&server), 7);
		b = run_cut(WS_FROM_CLIENT, &limits, buf_span(&client), 11);
		CHECK_EQ(a.err | b.err, 0);
		CHECK(a.text.len > 7);
		CHECK_SPAN(buf_span(&a.text), buf_span(&b.text));
		buf_fini(&server);
		buf_fini(&client);
		buf_fini(&a.text);
		buf_fini(&b.text);
	}
}

TEST(masks_are_applied_in_the_order_of_the_wire)
{
	struct buf out = {0};

	ws_frame_put_masked(&out, WS_TEXT, SPAN_LIT("Hello"), 0x37fa213d);
	CHECK_SPAN(buf_span(&out),
		   SPAN_LIT("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"));
	buf_fini(&out);
}

TEST(closes_are_written_with_reasons_that_fit)
{
	struct buf out = {0};
	char reason[200];

	ws_close_put(&out, WS_CODE_NONE, "not said");
	ws_close_put(&out, 0, NULL);
	ws_close_put(&out, WS_CODE_GOING_AWAY, NULL);
	ws_close_put(&out, WS_CODE_NORMAL, "end");
	CHECK_SPAN(buf_span(&out), SPAN_LIT("\x88\x00\x88\x00"
					    "\x88\x02\x03\xe9"
					    "\x88\x05\x03\xe8"
					    "end"));
	buf_clear(&out);
	/* 122 letters and a character of three bytes: 123 would cut it. */
	memset(reason, 'x', sizeof(reason));
	memcpy(reason + 122, "\xe2\x82\xac", 4);
	ws_close_put_masked(&out, WS_CODE_POLICY, reason, 0);
	CHECK_EQ(buf_error(&out), 0);
	CHECK_EQ(out.len, 2 + 4 + 2 + 122);
	buf_clear(&out);
	ws_frame_put(&out, WS_PONG, span_of(reason, 180));
	CHECK_EQ(buf_error(&out), 0);
	CHECK_EQ(out.len, 2 + 125);
	buf_fini(&out);
}
