/* proto/rtmp/handshake_test.c */
#include "proto/rtmp/handshake.h"

#include "common/test/check.h"

#define PART RTMP_HANDSHAKE_PART

/* Feed `in` in two pieces. */
static int feed_cut(struct rtmp_handshake *hs, struct span in, size_t cut,
		    struct buf *send, size_t *used)
{
	size_t more = 0;
	int err = rtmp_handshake_feed(hs, span_first(in, cut), used, send);

	if (!err)
		err = rtmp_handshake_feed(hs, span_from(in, *used), &more,
					  send);
	*used += more;
	return err;
}

/* A client of `form` and a server, to the end. */
static void shake(enum rtmp_handshake_form form)
{
	struct rtmp_handshake *client = NULL, *server = NULL;
	struct buf up = {0}, down = {0};
	size_t used = 0;
	int err;

	err = rtmp_handshake_new_server(&server, 1, 7);
	if (!err)
		err = rtmp_handshake_new_client(&client, &up, form, 2, 9);
	if (!err)
		err = rtmp_handshake_feed(server, buf_span(&up), &used, &down);
	if (!err) {
		CHECK_EQ(used, 1 + PART);
		CHECK_EQ(down.len, 1 + 2 * PART);
		CHECK_EQ(rtmp_handshake_form(server), form);
		CHECK(!rtmp_handshake_is_done(server));
		buf_clear(&up);
		err = rtmp_handshake_feed(client, buf_span(&down), &used, &up);
	}
	if (!err) {
		CHECK_EQ(used, down.len);
		CHECK_EQ(rtmp_handshake_form(client), form);
		CHECK(rtmp_handshake_is_done(client));
		CHECK_EQ(up.len, PART);
		buf_clear(&down);
		err = rtmp_handshake_feed(server, buf_span(&up), &used, &down);
	}
	if (!err) {
		CHECK(rtmp_handshake_is_done(server));
		CHECK_EQ(used, PART);
		CHECK_EQ(down.len, 0);
	}
	rtmp_handshake_free(&client);
	rtmp_handshake_free(&server);
	buf_fini(&up);
	buf_fini(&down);
	CHECK_EQ(err, 0);
}

TEST(a_simple_client_is_answered_simply)
{
	shake(RTMP_HANDSHAKE_SIMPLE);
}

TEST(a_client_with_its_digest_first_is_answered_so)
{
	shake(RTMP_HANDSHAKE_DIGEST_FIRST);
}

TEST(a_client_with_its_key_first_is_answered_so)
{
	shake(RTMP_HANDSHAKE_KEY_FIRST);
}

/* C0, C1, C2 without a digest, `version` at bytes 4 to 7 of C1. */
static void make_simple(uint8_t wire[1 + 2 * PART + 3], uint8_t c0,
			uint8_t version)
{
	for (size_t i = 0; i < 1 + 2 * PART + 3; i++)
		wire[i] = (uint8_t)(i * 7);
	wire[0] = c0;
	memset(wire + 5, version, 4);
}

TEST(a_wrong_digest_falls_back_to_the_simple_form)
{
	uint8_t wire[1 + 2 * PART + 3];
	struct rtmp_handshake *hs = NULL;
	struct buf send = {0};
	size_t used;
	int err = rtmp_handshake_new_server(&hs, 1, 0x01020304);

	make_simple(wire, 3, 9);
	if (!err)
		err = rtmp_handshake_feed(hs, SPAN(wire), &used, &send);
	if (!err) {
		CHECK_EQ(rtmp_handshake_form(hs), RTMP_HANDSHAKE_SIMPLE);
		CHECK_EQ(used, 1 + 2 * PART);
		CHECK_EQ(send.data[0], 3);
		CHECK(!memcmp(send.data + 1, "\1\2\3\4\0\0\0\0", 8));
		/* S2 is C1 again: librtmp compares */
		CHECK_SPAN(span_from(buf_span(&send), 1 + PART),
			   span_of(wire + 1, PART));
	}
	rtmp_handshake_free(&hs);
	buf_fini(&send);
	CHECK_EQ(err, 0);
}

TEST(the_answer_does_not_depend_on_cuts_and_comes_once)
{
	uint8_t wire[1 + 2 * PART + 3];
	struct buf whole = {0};

	make_simple(wire, 3, 0);
	for (size_t cut = 0; cut <= sizeof(wire); cut += cut < 8 ? 1 : 509) {
		struct rtmp_handshake *hs = NULL;
		struct buf send = {0};
		size_t used = 0;
		int err = rtmp_handshake_new_server(&hs, 5, 0);

		if (!err)
			err = feed_cut(hs, SPAN(wire), cut, &send, &used);
		if (!err) {
			CHECK(rtmp_handshake_is_done(hs));
			CHECK_EQ(used, 1 + 2 * PART);
			CHECK_EQ(send.len, 1 + 2 * PART);
			if (!whole.len)
				buf_put(&whole, buf_span(&send));
			CHECK_SPAN(buf_span(&whole), buf_span(&send));
			/* what follows is not ours */
			err = rtmp_handshake_feed(hs, SPAN(wire), &used, &send);
			CHECK_EQ(used, 0);
			CHECK_EQ(send.len, 1 + 2 * PART);
		}
		rtmp_handshake_free(&hs);
		buf_fini(&send);
		if (err)
			break;
	}
	buf_fini(&whole);
}

TEST(versions_3_to_31_are_answered_with_3_and_others_refused)
{
	for (int version = 0; version < 256; version++) {
		uint8_t wire[1 + PART] = {(uint8_t)version};
		bool is_good = version >= 3 && version <= 31;
		struct rtmp_handshake *hs = NULL;
		struct buf send = {0};
		size_t used;
		int err = rtmp_handshake_new_server(&hs, 1, 0);

		if (!err) {
			err = rtmp_handshake_feed(hs, SPAN(wire), &used, &send);
			if (err != WEIR_ENOMEM)
				CHECK_EQ(err, is_good ? 0 : WEIR_EPROTO);
			CHECK_EQ(send.len, is_good && !err ? 1 + 2 * PART : 0);
			CHECK(send.len == 0 || send.data[0] == 3);
		}
		rtmp_handshake_free(&hs);
		buf_fini(&send);
		if (err == WEIR_ENOMEM)
			break;
	}
}

TEST(text_is_refused_at_its_first_byte)
{
	struct rtmp_handshake *hs = NULL;
	struct buf send = {0};
	size_t used;

	if (!rtmp_handshake_new_server(&hs, 1, 0))
		CHECK_EQ(rtmp_handshake_feed(hs, SPAN_LIT("GET / HTTP/1.1"),
					     &used, &send),
			 WEIR_EPROTO);
	rtmp_handshake_free(&hs);
	buf_fini(&send);
}

TEST(a_digest_client_takes_a_simple_server)
{
	uint8_t wire[1 + 2 * PART];
	struct rtmp_handshake *hs = NULL;
	struct buf send = {0};
	size_t used;
	int err;

	memset(wire, 0x55, sizeof(wire));
	wire[0] = 3;
	err = rtmp_handshake_new_client(&hs, &send, RTMP_HANDSHAKE_DIGEST_FIRST,
					3, 0);
	buf_clear(&send);
	if (!err)
		err = rtmp_handshake_feed(hs, SPAN(wire), &used, &send);
	if (!err) {
		CHECK(rtmp_handshake_is_done(hs));
		CHECK_EQ(rtmp_handshake_form(hs), RTMP_HANDSHAKE_SIMPLE);
		CHECK_SPAN(buf_span(&send), span_of(wire + 1, PART));
	}
	rtmp_handshake_free(&hs);
	buf_fini(&send);
}

/* Feed up to `cut`, move to another process, feed the rest. */
static int feed_moved(struct span in, size_t cut, struct buf *send)
{
	struct rtmp_handshake *hs = NULL, *moved = NULL;
	struct buf saved = {0};
	struct reader r;
	size_t used, more;
	int err = rtmp_handshake_new_server(&hs, 5, 6);

	if (!err)
		err = rtmp_handshake_feed(hs, span_first(in, cut), &used, send);
	if (!err) {
		rtmp_handshake_save(hs, &saved);
		err = buf_error(&saved);
	}
	if (!err) {
		r = reader_of(buf_span(&saved));
		err = rtmp_handshake_load(&moved, &r);
	}
	if (!err) {
		CHECK_EQ(reader_left(&r), 0);
		err = rtmp_handshake_feed(moved, span_from(in, cut), &more,
					  send);
		CHECK(err || rtmp_handshake_is_done(moved));
	}
	rtmp_handshake_free(&hs);
	rtmp_handshake_free(&moved);
	buf_fini(&saved);
	return err;
}

TEST(a_server_side_moves_to_another_process_at_any_byte)
{
	uint8_t wire[1 + 2 * PART + 3];
	struct buf whole = {0};
	int err = 0;

	make_simple(wire, 3, 0);
	for (size_t cut = 0; !err && cut < 1 + 2 * PART; cut += 127) {
		struct buf send = {0};

		err = feed_moved(span_of(wire, 1 + 2 * PART), cut, &send);
		if (!whole.len)
			buf_put(&whole, buf_span(&send));
		if (!err && !buf_error(&whole))
			CHECK_SPAN(buf_span(&whole), buf_span(&send));
		buf_fini(&send);
	}
	buf_fini(&whole);
	CHECK_EQ(err, 0);
}

TEST(a_damaged_state_is_refused)
{
	static const uint8_t bad[][17] = {
		{0},                                 /* version */
		{1, 9},                              /* stage */
		{1, 1, 9},                           /* form */
		{[0] = 1, [15] = 0xff, [16] = 0xff}, /* bytes held */
		{[0] = 1, [1] = 1, [15] = 1},        /* … and cut off */
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct rtmp_handshake *hs = NULL;
		struct reader r = reader_of(SPAN(bad[i]));
		int err = rtmp_handshake_load(&hs, &r);

		CHECK(err == WEIR_EPROTO || err == WEIR_ENOMEM);
		CHECK(!hs);
	}
}
