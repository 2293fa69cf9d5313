/* proto/rtmp/server_test.c */
#include "proto/rtmp/server.h"

#include "common/test/check.h"
#include "proto/rtmp/test_owner.h"

/* What the server said, in words: the answers behind the handshake. */
static int put_answer(void *ctx, const struct rtmp_message *msg)
{
	struct buf *out = ctx;
	struct rtmp_command c;
	struct amf0_value v = {.type = AMF0_NULL};
	struct reader r = reader_of(msg->payload);

	if (msg->type != RTMP_COMMAND) {
		buf_printf(out, "%u:%llx ", msg->type,
			   (unsigned long long)read_uint(
				   &r, (unsigned)WEIR_MIN(reader_left(&r), 8)));
		return 0;
	}
	CHECK_EQ(rtmp_command_read(&c, msg), 0);
	buf_put(out, c.name);
	buf_printf(out, "#%u", amf0_to_u32(c.transaction));
	while (c.arguments.len) {
		CHECK_EQ(amf0_read(&v, &c.arguments, NULL), 0);
		if (v.type == AMF0_NUMBER)
			buf_printf(out, "=%u", amf0_to_u32(v.number));
		else if (amf0_is_object(&v)) {
			buf_put(out, SPAN_LIT("("));
			buf_put(out, amf0_find_string(&v, "code"));
			buf_put(out, SPAN_LIT(")"));
		}
	}
	buf_printf(out, "@%u ", msg->stream_id);
	return 0;
}

static void check_answers(const struct owner *o, const char *expected)
{
	const struct rtmp_chunk_limits limits = {1 << 24, 1 << 24, 64};
	struct rtmp_chunk_reader *rd = NULL;
	struct buf words = {0};
	size_t used;

	if (!rtmp_chunk_reader_new(&rd, &limits, put_answer, &words) &&
	    !rtmp_chunk_reader_feed(
		    rd, span_from(buf_span(&o->sent), 1 + 2 * 1536), &used) &&
	    !buf_error(&words))
		CHECK_STR(buf_text(&words), expected);
	rtmp_chunk_reader_free(&rd);
	buf_fini(&words);
}

#define CONNECT_ANSWERS                                                        \
	"5:4c4b40 6:4c4b4002 1:ea60 "                                          \
	"_result#1(NetConnection.Connect.Success)@0 "
#define START_ANSWERS CONNECT_ANSWERS "_result#2=1@0 "

TEST(a_publisher_is_taken_from_connect_to_its_end)
{
	struct owner o = {0};
	struct script s = {0};

	say_publish(&s);
	say(&s, RTMP_VIDEO, 40, 1, SPAN_LIT("abc"));
	say_command(&s, "FCUnpublish", 4, 0, "cam1", NULL);
	say_delete(&s, 1);
	if (!play_script(&o, &s)) {
		CHECK_STR(buf_text(&o.log),
			  "connect live?vhost=v|3\n"
			  "publish live|vhost=v|cam1|token=a?b|live|1\n"
			  "media 9 40 3 3b7efb8a\n"
			  "end FCUnpublish\n");
		check_answers(&o, START_ANSWERS
			      "onStatus#0(NetStream.Publish.Start)@1 "
			      "_result#4@0 "
			      "onFCUnpublish#0(NetStream.Unpublish.Success)@1 "
			      "onStatus#0(NetStream.Unpublish.Success)@1 ");
	}
	finish(&o, &s);
}

TEST(nothing_says_start_before_the_owner_has_accepted)
{
	struct owner o = {0};
	struct script s = {0};
	size_t used, at = 0;

	say_start(&s);
	say_command(&s, "releaseStream", 3, 0, "x", NULL);
	say_command(&s, "FCPublish", 4, 0, "x", NULL);
	say_command(&s, "publish", 5, 1, "x", "live");
	at = s.wire.len;
	say(&s, RTMP_VIDEO, 1, 1, SPAN_LIT("early"));
	if (buf_error(&s.wire) || owner_open(&o) ||
	    rtmp_server_feed(o.server, buf_span(&s.wire), &used))
		goto out;
	CHECK_EQ(used, at); /* media sent ahead is the owner's to keep */
	check_answers(&o, START_ANSWERS "_result#3@0 _result#4@0 ");
	CHECK_EQ(rtmp_server_waits_for(o.server), RTMP_WAIT_PUBLISH);
	CHECK_EQ(rtmp_server_feed(o.server, span_from(buf_span(&s.wire), at),
				  &used),
		 0);
	CHECK_EQ(used, 0);
	if (rtmp_server_accept_publish(o.server))
		goto out;
	check_answers(&o, START_ANSWERS
		      "_result#3@0 _result#4@0 "
		      "onFCPublish#0(NetStream.Publish.Start)@1 "
		      "onStatus#0(NetStream.Publish.Start)@1 ");
	CHECK_EQ(rtmp_server_accept_publish(o.server), WEIR_EINVAL);
	if (!rtmp_server_feed(o.server, span_from(buf_span(&s.wire), at),
			      &used)) {
		CHECK_EQ(used, s.wire.len - at);
		CHECK(buf_error(&o.log) ||
		      strstr(buf_text(&o.log), "media 9 1 5 "));
	}
out:
	finish(&o, &s);
}

TEST(a_refused_publisher_hears_why_and_its_media_is_dropped)
{
	struct owner o = {0};
	struct script s = {0};
	size_t used, at;

	say_publish(&s);
	at = s.wire.len;
	say(&s, RTMP_VIDEO, 1, 1, SPAN_LIT("early"));
	say_command(&s, "publish", 6, 1, "other", NULL);
	if (buf_error(&s.wire) || owner_open(&o) ||
	    rtmp_server_feed(o.server, buf_span(&s.wire), &used) ||
	    rtmp_server_refuse(o.server, "NetStream.Publish.BadName",
			       "Somebody else publishes here."))
		goto out;
	check_answers(&o,
		      START_ANSWERS "onStatus#0(NetStream.Publish.BadName)@1 ");
	CHECK_EQ(rtmp_server_accept_publish(o.server), WEIR_EINVAL);
	if (rtmp_server_feed(o.server, span_from(buf_span(&s.wire), at), &used))
		goto out;
	CHECK_EQ(used, s.wire.len - at);
	CHECK(buf_error(&o.log) || !strstr(buf_text(&o.log), "media"));
	CHECK(buf_error(&o.log) || strstr(buf_text(&o.log), "|other||"));
	CHECK_EQ(rtmp_server_waits_for(o.server), RTMP_WAIT_PUBLISH);
out:
	finish(&o, &s);
}

TEST(a_refused_connect_is_answered_with_an_error_and_then_silence)
{
	struct owner o = {.refuses_connect = true};
	struct script s = {0};

	say_publish(&s);
	say(&s, RTMP_VIDEO, 1, 1, SPAN_LIT("x"));
	if (!play_script(&o, &s)) {
		CHECK_STR(buf_text(&o.log), "connect live?vhost=v|3\n");
		check_answers(&o,
			      "_error#1(NetConnection.Connect.Rejected)@0 ");
		CHECK_EQ(rtmp_server_refuse(o.server, "x", "y"), WEIR_EINVAL);
	}
	finish(&o, &s);
}

TEST(a_player_waits_and_is_heard_while_nobody_has_decided)
{
	struct owner o = {0};
	struct script s = {0};
	size_t used;

	say_start(&s);
	say_command(&s, "play", 0, 1, "cam1", NULL);
	rtmp_put_buffer_length(&s.wire, 1, 3000);
	rtmp_put_user_event(&s.wire, RTMP_PING_REQUEST, 99);
	if (buf_error(&s.wire) || owner_open(&o) ||
	    rtmp_server_feed(o.server, buf_span(&s.wire), &used))
		goto out;
	CHECK(used < s.wire.len); /* the feed ends behind play */
	CHECK_EQ(rtmp_server_waits_for(o.server), RTMP_WAIT_PLAY);
	if (rtmp_server_feed(o.server, span_from(buf_span(&s.wire), used),
			     &used))
		goto out;
	check_answers(&o, START_ANSWERS "4:700000063 ");
	if (!rtmp_server_accept_play(o.server))
		check_answers(&o, START_ANSWERS
			      "4:700000063 4:1 "
			      "onStatus#0(NetStream.Play.Reset)@1 "
			      "onStatus#0(NetStream.Play.Start)@1 ");
	CHECK_EQ(rtmp_server_accept_play(o.server), WEIR_EINVAL);
out:
	finish(&o, &s);
}

TEST(a_player_may_leave_before_anybody_has_decided)
{
	struct owner o = {0};
	struct script s = {0};
	size_t used, more;

	say_start(&s);
	say_command(&s, "play", 0, 1, "cam1", NULL);
	say_delete(&s, 1);
	if (!buf_error(&s.wire) && !owner_open(&o) &&
	    !rtmp_server_feed(o.server, buf_span(&s.wire), &used) &&
	    !rtmp_server_feed(o.server, span_from(buf_span(&s.wire), used),
			      &more)) {
		CHECK(buf_error(&o.log) ||
		      strstr(buf_text(&o.log), "end deleteStream"));
		CHECK_EQ(rtmp_server_waits_for(o.server), RTMP_WAIT_NONE);
		CHECK_EQ(rtmp_server_accept_play(o.server), WEIR_EINVAL);
	}
	finish(&o, &s);
}

TEST(a_player_gets_media_and_the_end_of_the_stream)
{
	const struct rtmp_media m = {RTMP_VIDEO, 0xffffffff, SPAN_LIT("abcd")};
	struct owner o = {.accepts_at_once = true};
	struct script s = {0};

	say_start(&s);
	say_command(&s, "play", 0, 1, "cam1", NULL);
	if (!play_script(&o, &s)) {
		buf_clear(&o.sent);
		buf_grow(&o.sent, (size_t)1 + 2 * RTMP_HANDSHAKE_PART);
		if (!rtmp_server_write_media(o.server, &m) &&
		    !rtmp_server_play_eof(o.server) && !buf_error(&o.sent))
			check_answers(&o,
				      "9:61626364 4:100000001 "
				      "onStatus#0(NetStream.Play."
				      "UnpublishNotify)@1 ");
		CHECK_EQ(rtmp_server_play_eof(o.server), WEIR_EINVAL);
		CHECK_EQ(rtmp_server_write_media(o.server, &m), WEIR_EINVAL);
	}
	finish(&o, &s);
}

static void check_fault(struct script *s, int expected, const char *fault)
{
	struct owner o = {0};
	int err = play_script(&o, s);
	size_t used;

	if (err != WEIR_ENOMEM) {
		CHECK_EQ(err, expected);
		CHECK_STR(rtmp_server_fault(o.server), fault);
		/* spent */
		CHECK_EQ(rtmp_server_feed(o.server, SPAN_LIT("x"), &used), err);
		CHECK_EQ(used, 0);
	}
	finish(&o, s);
}

TEST(media_before_publish_is_refused_whatever_its_length)
{
	static const uint8_t types[] = {RTMP_AUDIO, RTMP_VIDEO, RTMP_DATA,
					RTMP_DATA_AMF3, RTMP_AGGREGATE};

	for (size_t i = 0; i < 2 * WEIR_ARRAY_LEN(types); i++) {
		struct script s = {0};

		say_handshake(&s);
		say_connect(&s);
		say(&s, types[i / 2], 0, 1, span_of("\x17", i % 2));
		check_fault(&s, WEIR_EPROTO, "media before publish");
	}
}

TEST(what_breaks_the_protocol_is_refused_with_its_reason)
{
	struct script s = {0};

	buf_put(&s.wire, SPAN_LIT("GET / HTTP/1.1"));
	check_fault(&s, WEIR_EPROTO, "handshake is not RTMP's");
	say_handshake(&s);
	say_command(&s, "createStream", 1, 0, NULL, NULL);
	check_fault(&s, WEIR_EPROTO, "command before connect");
	say_handshake(&s);
	say(&s, RTMP_VIDEO, 0, 1, SPAN_LIT("x"));
	check_fault(&s, WEIR_EPROTO, "media before publish");
	say_start(&s);
	say_connect(&s);
	check_fault(&s, WEIR_EPROTO, "connect a second time");
	say_start(&s);
	say(&s, RTMP_COMMAND, 0, 0, SPAN_LIT("\x02\x00\x09pub"));
	check_fault(&s, WEIR_EPROTO, "broken command");
	say_start(&s);
	say(&s, RTMP_COMMAND, 0, 0, (struct span){0});
	check_fault(&s, WEIR_EPROTO, "broken command");
	say_start(&s);
	say(&s, RTMP_COMMAND, 0, 0, SPAN_LIT("\x11\x06"));
	check_fault(&s, WEIR_EUNSUPPORTED, "broken command");
	say_start(&s);
	say(&s, RTMP_USER_CONTROL, 0, 0, SPAN_LIT("\x00"));
	check_fault(&s, WEIR_EPROTO, "user control too short");
	say_start(&s);
	say(&s, RTMP_WINDOW_ACK_SIZE, 0, 0, SPAN_LIT("\x00\x01"));
	check_fault(&s, WEIR_EPROTO, "window too short");
	say_start(&s);
	say_command(&s, "play", 0, 1, "cam1", NULL);
	say(&s, RTMP_AUDIO, 0, 1, SPAN_LIT("x"));
	check_fault(&s, WEIR_EPROTO, "media from a player");
}

TEST(before_a_publish_is_accepted_only_small_messages_are_taken)
{
	static const uint8_t head[] = {4, 0, 0, 0, 0, 0x40, 1, 18, 1, 0, 0, 0};
	struct script s = {0};

	say_start(&s);
	buf_put(&s.wire, SPAN(head));
	check_fault(&s, WEIR_ELIMIT, "message too long");
	say_start(&s);
	for (int i = 0; i < 16; i++)
		say_command(&s, "createStream", 3, 0, NULL, NULL);
	check_fault(&s, WEIR_ELIMIT, "too many streams");
}

TEST(memory_before_publish_is_small_and_follows_bytes)
{
	static const uint8_t head[] = {4, 0, 0, 0, 0, 0x3f, 0, 18, 1, 0, 0, 0};
	struct owner o = {0};
	struct script s = {0};
	size_t before;

	say_start(&s);
	buf_put(&s.wire, SPAN(head));
	before = test_peak_bytes();
	if (!play_script(&o, &s))
		CHECK(test_peak_bytes() - before < 16 * 1024);
	finish(&o, &s);
}

TEST(an_empty_stream_key_is_refused_without_asking)
{
	struct owner o = {0};
	struct script s = {0};

	say_start(&s);
	say_command(&s, "publish", 0, 1, "", "live");
	say_command(&s, "publish", 0, 1, "?token=x", "live");
	say_command(&s, "publish", 0, 1, NULL, NULL);
	say_command(&s, "play", 0, 1, "", NULL);
	if (!play_script(&o, &s)) {
		CHECK_STR(buf_text(&o.log), "connect live?vhost=v|3\n");
		check_answers(&o, START_ANSWERS
			      "onStatus#0(NetStream.Publish.BadName)@1 "
			      "onStatus#0(NetStream.Publish.BadName)@1 "
			      "onStatus#0(NetStream.Publish.BadName)@1 "
			      "onStatus#0(NetStream.Play.StreamNotFound)@1 ");
	}
	finish(&o, &s);
}

TEST(a_second_stream_on_one_connection_is_refused_and_the_first_goes_on)
{
	struct owner o = {0};
	struct script s = {0};

	say_publish(&s);
	say_command(&s, "createStream", 7, 0, NULL, NULL);
	say_command(&s, "publish", 0, 2, "cam2", "live");
	say_command(&s, "play", 0, 2, "cam2", NULL);
	say_delete(&s, 2);
	say(&s, RTMP_AUDIO, 5, 1, SPAN_LIT("x"));
	if (!play_script(&o, &s)) {
		CHECK(!strstr(buf_text(&o.log), "cam2"));
		CHECK(!strstr(buf_text(&o.log), "end"));
		CHECK(strstr(buf_text(&o.log), "media 8 5 1"));
		check_answers(&o, START_ANSWERS
			      "onStatus#0(NetStream.Publish.Start)@1 "
			      "_result#7=2@0 "
			      "onStatus#0(NetStream.Publish.BadName)@2 "
			      "onStatus#0(NetStream.Play.Failed)@2 ");
	}
	finish(&o, &s);
}

TEST(a_stream_id_that_was_deleted_is_given_again)
{
	struct owner o = {0};
	struct script s = {0};

	say_start(&s);
	say_command(&s, "createStream", 3, 0, NULL, NULL);
	say_delete(&s, 1);
	say_delete(&s, 77);
	say_command(&s, "createStream", 4, 0, NULL, NULL);
	say_command(&s, "createStream", 5, 0, NULL, NULL);
	if (!play_script(&o, &s))
		check_answers(&o, START_ANSWERS
			      "_result#3=2@0 _result#4=1@0 _result#5=3@0 ");
	finish(&o, &s);
}

TEST(a_publisher_may_leave_and_publish_again_on_its_connection)
{
	struct owner o = {0};
	struct script s = {0};

	say_publish(&s);
	say(&s, RTMP_AUDIO, 1, 1, SPAN_LIT("a"));
	say_command(&s, "closeStream", 0, 1, NULL, NULL);
	say(&s, RTMP_AUDIO, 2, 1, SPAN_LIT("late"));
	say_command(&s, "publish", 0, 1, "cam2", NULL);
	say(&s, RTMP_AUDIO, 3, 1, SPAN_LIT("b"));
	if (!play_script(&o, &s)) {
		CHECK(strstr(buf_text(&o.log), "media 8 1 1"));
		CHECK(strstr(buf_text(&o.log),
			     "end closeStream\npublish live"));
		CHECK(!strstr(buf_text(&o.log), "media 8 2"));
		CHECK(strstr(buf_text(&o.log), "media 8 3 1"));
	}
	finish(&o, &s);
}

TEST(what_nobody_knows_is_answered_so_that_clients_go_on)
{
	struct owner o = {0};
	struct script s = {0};

	say_start(&s);
	say_command(&s, "_checkbw", 3, 0, NULL, NULL);
	say_command(&s, "getStreamLength", 4, 0, "x", NULL);
	say_command(&s, "fooBar", 5, 0, NULL, NULL);
	say_command(&s, "fooBar", 0, 0, NULL, NULL);
	say_command(&s, "_result", 6, 0, NULL, NULL);
	say_command(&s, "pause", 0, 1, NULL, NULL);
	say(&s, 16, 0, 0, SPAN_LIT("shared object"));
	say(&s, 99, 0, 0, SPAN_LIT("who knows"));
	if (!play_script(&o, &s))
		check_answers(&o, START_ANSWERS
			      "_result#3@0 _result#4=0@0 _result#5@0 "
			      "onStatus#0(NetStream.Unpause.Notify)@1 ");
	finish(&o, &s);
}

TEST(every_half_window_is_acknowledged_also_beyond_32_bits_of_steps)
{
	static uint8_t body[20000];
	struct owner o = {0};
	struct script s = {.chunk_bytes = 65536};
	size_t start;

	say_publish(&s);
	rtmp_put_chunk_size(&s.wire, 65536);
	rtmp_put_window(&s.wire, 20000);
	start = s.wire.len - 1 - 2 * RTMP_HANDSHAKE_PART;
	for (uint32_t i = 0; i < 2; i++)
		say(&s, RTMP_VIDEO, i, 1, SPAN(body));
	if (!play_script(&o, &s)) {
		char expected[256];

		snprintf(expected, sizeof(expected),
			 START_ANSWERS
			 "onStatus#0(NetStream.Publish.Start)@1 "
			 "3:%zx 3:%zx 3:%zx 3:%zx ",
			 start + 10000, start + 20000, start + 30000,
			 start + 40000);
		check_answers(&o, expected);
	}
	finish(&o, &s);
}

TEST(a_tiny_window_does_not_make_us_talk_much)
{
	static uint8_t body[20000];
	struct owner o = {0};
	struct script s = {0};

	say_publish(&s);
	rtmp_put_window(&s.wire, 1);
	say(&s, RTMP_VIDEO, 0, 1, SPAN(body));
	if (!play_script(&o, &s))
		CHECK(o.sent.len < 3073 + 1000);
	finish(&o, &s);
}

TEST(script_data_loses_what_is_meant_for_the_server)
{
	struct owner o = {0};
	struct script s = {0};
	struct buf p = {0};

	say_publish(&s);
	amf0_put_text(&p, "@setDataFrame");
	amf0_put_text(&p, "onMetaData");
	say(&s, RTMP_DATA, 7, 1, buf_span(&p)); /* 13 bytes are left */
	buf_clear(&p);
	amf0_put_text(&p, "|RtmpSampleAccess");
	say(&s, RTMP_DATA, 8, 1, buf_span(&p));
	buf_clear(&p);
	amf0_put_text(&p, "@clearDataFrame");
	say(&s, RTMP_DATA, 9, 1, buf_span(&p));
	buf_clear(&p);
	buf_put_u8(&p, 0);
	amf0_put_text(&p, "onCuePoint");
	say(&s, RTMP_DATA_AMF3, 10, 1, buf_span(&p));
	say(&s, RTMP_DATA_AMF3, 11, 1, (struct span){0});
	if (!buf_error(&p) && !play_script(&o, &s)) {
		CHECK(strstr(buf_text(&o.log), "media 18 7 13 "));
		CHECK(strstr(buf_text(&o.log), "media 18 10 13 "));
		CHECK(strstr(buf_text(&o.log), "media 18 11 0 "));
		CHECK(!strstr(buf_text(&o.log), "media 18 8"));
		CHECK(!strstr(buf_text(&o.log), "media 18 9"));
	}
	buf_fini(&p);
	finish(&o, &s);
}

TEST(media_of_one_byte_and_of_none_is_harmless)
{
	struct owner o = {0};
	struct script s = {0};

	say_publish(&s);
	for (uint32_t len = 0; len < 2; len++) {
		say(&s, RTMP_AUDIO, len, 1, span_of("\xaf", len));
		say(&s, RTMP_VIDEO, len, 1, span_of("\x17", len));
		say(&s, RTMP_DATA, len, 1, span_of("\x02", len));
		say(&s, RTMP_AGGREGATE, len, 1, span_of("\x02", 0));
	}
	if (!play_script(&o, &s)) {
		CHECK(strstr(buf_text(&o.log), "media 8 0 0 "));
		CHECK(strstr(buf_text(&o.log), "media 9 1 1 "));
		CHECK(strstr(buf_text(&o.log), "media 18 1 1 "));
	}
	finish(&o, &s);
}

TEST(time_stamps_cross_24_31_and_32_bits)
{
	static const uint32_t times[] = {0xfffffe,   0xffffff,   0x1000000,
					 0x7fffffff, 0x80000000, 0xffffffff,
					 0,          1};
	struct owner o = {0};
	struct script s = {0};

	say_publish(&s);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(times); i++)
		say(&s, RTMP_AUDIO, times[i], 1, SPAN_LIT("x"));
	if (!play_script(&o, &s)) {
		const char *at = buf_text(&o.log);

		for (size_t i = 0; i < WEIR_ARRAY_LEN(times); i++) {
			char line[40];

			snprintf(line, sizeof(line), "media 8 %u 1", times[i]);
			at = strstr(at, line);
			CHECK(at);
		}
	}
	finish(&o, &s);
}

TEST(a_callback_that_ends_the_feed_leaves_the_session_whole)
{
	static const char *const events[] = {"connect", "publish", "media",
					     "end", "send"};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(events); i++) {
		struct owner o = {.stop_at = events[i]}, plain = {0};
		struct script s = {0};
		struct span in;
		size_t used;
		int err, rounds = 0;

		say_publish(&s);
		say(&s, RTMP_AUDIO, 1, 1, SPAN_LIT("x"));
		say_delete(&s, 1);
		err = play_script(&plain, &s);
		if (!err)
			err = owner_open(&o);
		in = buf_span(&s.wire);
		while (!err && in.len) {
			err = rtmp_server_feed(o.server, in, &used);
			in = span_from(in, used);
			if (err == WEIR_ESTOP)
				err = 0;
			if (!err && rtmp_server_waits_for(o.server))
				err = rtmp_server_accept_publish(o.server);
			if (err == WEIR_ESTOP)
				err = 0;
			CHECK(++rounds < 100);
		}
		if (!err && !buf_error(&o.log) && !buf_error(&o.sent)) {
			CHECK_STR(buf_text(&o.log), buf_text(&plain.log));
			CHECK_SPAN(buf_span(&o.sent), buf_span(&plain.sent));
		}
		owner_close(&o);
		finish(&plain, &s);
	}
}

TEST(an_owner_may_end_a_publish_that_it_has_accepted)
{
	struct owner o = {0};
	struct script s = {0};
	size_t used;

	say_publish(&s);
	if (!play_script(&o, &s) &&
	    !rtmp_server_refuse(o.server, "NetStream.Publish.Denied",
				"Somebody took over.")) {
		check_answers(&o, START_ANSWERS
			      "onStatus#0(NetStream.Publish.Start)@1 "
			      "onStatus#0(NetStream.Publish.Denied)@1 ");
		buf_clear(&s.wire);
		say(&s, RTMP_AUDIO, 1, 1, SPAN_LIT("x"));
		if (!buf_error(&s.wire))
			CHECK_EQ(rtmp_server_feed(o.server, buf_span(&s.wire),
						  &used),
				 0);
		CHECK(buf_error(&o.log) || !strstr(buf_text(&o.log), "media"));
	}
	finish(&o, &s);
}

/* Media that comes now, as the owner sees it. */
static bool takes_media(struct owner *o)
{
	struct script s = {0};
	size_t used;
	bool is_taken;

	buf_clear(&o->log);
	say(&s, RTMP_AUDIO, 1, 1, SPAN_LIT("x"));
	is_taken = !buf_error(&s.wire) &&
		   !rtmp_server_feed(o->server, buf_span(&s.wire), &used) &&
		   !buf_error(&o->log) && o->log.len &&
		   strstr(buf_text(&o->log), "media 8 1 1 ");
	buf_fini(&s.wire);
	return is_taken;
}

TEST(a_publish_that_will_be_over_is_told_so_and_its_media_is_still_taken)
{
	struct owner o = {0};
	struct script s = {0};

	say_publish(&s);
	if (!play_script(&o, &s) &&
	    !rtmp_server_retire(o.server, "NetStream.Publish.Failed", "Bye.")) {
		check_answers(&o, START_ANSWERS
			      "onStatus#0(NetStream.Publish.Start)@1 "
			      "onStatus#0(NetStream.Publish.Failed)@1 ");
		CHECK(takes_media(&o));
	}
	finish(&o, &s);
}

TEST(who_can_connect_anew_is_asked_to_and_goes_on_until_then)
{
	struct owner o = {0};
	struct script s = {.caps = 5}; /* reconnect, and another one */

	say_publish(&s);
	if (!play_script(&o, &s) &&
	    !rtmp_server_ask_reconnect(o.server, "Please.")) {
		check_answers(&o, START_ANSWERS
			      "onStatus#0(NetStream.Publish.Start)@1 "
			      "onStatus#0(NetConnection.Connect."
			      "ReconnectRequest)@0 ");
		CHECK(takes_media(&o));
	}
	finish(&o, &s);
}

TEST(capabilities_are_answered_to_those_who_tell_theirs)
{
	for (unsigned caps = 0; caps < 3; caps++) {
		struct owner o = {0};
		struct script s = {.caps = caps};

		say_start(&s);
		if (!play_script(&o, &s))
			CHECK_EQ(memmem(o.sent.data, o.sent.len, "capsEx", 6) !=
					 NULL,
				 caps > 0);
		finish(&o, &s);
	}
}

TEST(nobody_is_asked_for_what_it_does_not_know_or_when_it_does_not_publish)
{
	struct owner o = {0};
	struct script s = {.caps = 4};

	say_publish(&s);
	if (!play_script(&o, &s)) {
		CHECK_EQ(rtmp_server_ask_reconnect(o.server, ""),
			 WEIR_EUNSUPPORTED);
		buf_clear(&s.wire);
		say_delete(&s, 1);
		if (!buf_error(&s.wire) && !feed_all(&o, buf_span(&s.wire))) {
			CHECK_EQ(rtmp_server_ask_reconnect(o.server, ""),
				 WEIR_EINVAL);
			CHECK_EQ(rtmp_server_retire(o.server, "", ""),
				 WEIR_EINVAL);
		}
	}
	finish(&o, &s);
}
