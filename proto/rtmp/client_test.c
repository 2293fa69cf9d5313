/* proto/rtmp/client_test.c - client sessions, against the server session and
 * against what other servers say. */
#include "proto/rtmp/client.h"

#include "common/base/hash.h"
#include "common/test/check.h"

/* One end of a connection in memory. */
struct end {
	struct rtmp_client *client;
	struct rtmp_server *server;
	struct buf out; /* sent, and not fed to the other end yet */
	struct buf log;
	bool refuses;    /* server: says no to what is asked */
	const char *via; /* client: said in the connect */
	const char *stop_at;
};

static int note(struct end *e, const char *event)
{
	return e->stop_at && !strcmp(e->stop_at, event) ? WEIR_ESTOP : 0;
}

static int on_send(void *ctx, struct span bytes)
{
	struct end *e = ctx;

	buf_put(&e->out, bytes);
	return buf_error(&e->out);
}

static int on_ready(void *ctx)
{
	struct end *e = ctx;

	buf_printf(&e->log, "ready\n");
	return note(e, "ready");
}

static int on_media(void *ctx, const struct rtmp_media *m)
{
	struct end *e = ctx;

	buf_printf(&e->log, "media %u %u %zu %08x\n", m->type, m->timestamp_ms,
		   m->payload.len, (uint32_t)hash_bytes(0, m->payload));
	return note(e, "media");
}

static int on_status(void *ctx, struct span code, struct span level,
		     struct span description)
{
	struct end *e = ctx;

	(void)description;
	buf_printf(&e->log, "status %.*s %.*s\n", (int)level.len,
		   (const char *)level.data, (int)code.len,
		   (const char *)code.data);
	return note(e, "status");
}

static int on_end(void *ctx, enum rtmp_end reason)
{
	struct end *e = ctx;

	buf_printf(&e->log, "end %s\n", rtmp_end_name(reason));
	return note(e, "end");
}

static int on_connect(void *ctx, const struct rtmp_connect *c)
{
	struct end *e = ctx;

	buf_printf(&e->log, "connect %.*s %.*s %.*s\n", (int)c->app.len,
		   (const char *)c->app.data, (int)c->tc_url.len,
		   (const char *)c->tc_url.data, (int)c->flash_ver.len,
		   (const char *)c->flash_ver.data);
	return 0;
}

static int on_publish(void *ctx, const struct rtmp_request *r)
{
	struct end *e = ctx;

	buf_printf(&e->log, "publish %.*s\n", (int)r->name.len,
		   (const char *)r->name.data);
	return e->refuses ? rtmp_server_refuse(e->server,
					       "NetStream.Publish.BadName",
					       "Taken.")
			  : rtmp_server_accept_publish(e->server);
}

static int on_play(void *ctx, const struct rtmp_request *r)
{
	struct end *e = ctx;

	buf_printf(&e->log, "play %.*s\n", (int)r->name.len,
		   (const char *)r->name.data);
	return e->refuses ? rtmp_server_refuse(e->server,
					       "NetStream.Play.StreamNotFound",
					       "Nobody publishes that.")
			  : rtmp_server_accept_play(e->server);
}

static struct rtmp_client_events client_events(struct end *e)
{
	return (struct rtmp_client_events){e,        on_send,   on_ready,
					   on_media, on_status, on_end};
}

static int open_client(struct end *e, bool is_publish,
		       enum rtmp_handshake_form form)
{
	const struct rtmp_client_events events = client_events(e);
	const struct rtmp_client_desc desc = {
		.is_publish = is_publish,
		.app = "live",
		.tc_url = "rtmp://host/live",
		.name = "cam1?token=x",
		.via = e->via,
		.handshake = form,
	};
	int err = rtmp_client_new(&e->client, &desc, &events, 3, 4);

	return err ? err : rtmp_client_start(e->client);
}

static int open_server(struct end *e)
{
	const struct rtmp_server_events events = {
		e, on_send, on_connect, on_publish, on_play, on_media, on_end};

	return rtmp_server_new(&e->server, &events, 5, 6);
}

static void end_fini(struct end *e)
{
	rtmp_client_free(&e->client);
	rtmp_server_free(&e->server);
	buf_fini(&e->out);
	buf_fini(&e->log);
}

static int feed(struct end *e, struct span in)
{
	size_t used;
	int err = e->client ? rtmp_client_feed(e->client, in, &used)
			    : rtmp_server_feed(e->server, in, &used);

	CHECK(err || used == in.len);
	return err;
}

/* Move what one end has sent to the other, `step` bytes at a time. */
static int move(struct end *from, struct end *to, size_t step)
{
	int err = 0;

	while (!err && from->out.len) {
		struct buf out = from->out;

		from->out = (struct buf){0};
		for (size_t at = 0; !err && at < out.len; at += step)
			err = feed(to, span_first(span_from(buf_span(&out), at),
						  step));
		buf_fini(&out);
	}
	return err;
}

static int settle(struct end *a, struct end *b, size_t step)
{
	int err = 0;

	while (!err && (a->out.len || b->out.len)) {
		err = move(a, b, step);
		if (!err)
			err = move(b, a, step);
	}
	return err;
}

static int log_error(const struct end *a, const struct end *b)
{
	return buf_error(&a->log) ? WEIR_ENOMEM : buf_error(&b->log);
}

static const uint32_t times[] = {0,          0xfffffe,   0xffffff,
				 0x1000000,  0x7fffffff, 0x80000000,
				 0xffffffff, 0,          1};

static uint8_t body[10000];

static int write_all(struct end *client, struct end *server)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t i = 0; !err && i < WEIR_ARRAY_LEN(times); i++) {
		const struct rtmp_media m = {i % 2 ? RTMP_AUDIO : RTMP_VIDEO,
					     times[i], span_of(body, i * 1200)};

		err = client->client && server->server && !client->refuses
			      ? rtmp_client_write_media(client->client, &m)
			      : rtmp_server_write_media(server->server, &m);
	}
	return err;
}

static void check_media(const struct end *e)
{
	const char *at = strstr((const char *)e->log.data, "media");

	for (size_t i = 0; i < WEIR_ARRAY_LEN(times); i++) {
		struct buf line = {0};

		buf_printf(&line, "media %u %u %zu %08x\n",
			   i % 2 ? RTMP_AUDIO : RTMP_VIDEO, times[i], i * 1200,
			   (uint32_t)hash_bytes(0, span_of(body, i * 1200)));
		CHECK(at);
		if (!buf_error(&line))
			CHECK(!strncmp(at, buf_text(&line), line.len));
		at = strchr(at, '\n');
		at = at ? at + 1 : at;
		buf_fini(&line);
	}
}

static void publish_in_steps(size_t step, enum rtmp_handshake_form form)
{
	struct end client = {0}, server = {0};
	struct rtmp_media meta = {.type = RTMP_DATA};
	struct buf p = {0};
	int err = open_server(&server);

	amf0_put_text(&p, "onMetaData");
	meta.payload = buf_span(&p);
	if (!err)
		err = open_client(&client, true, form);
	if (!err)
		err = settle(&client, &server, step);
	if (!err)
		err = write_all(&client, &server);
	if (!err)
		err = buf_error(&p);
	if (!err)
		err = rtmp_client_write_media(client.client, &meta);
	if (!err)
		err = settle(&client, &server, step);
	if (!err)
		err = rtmp_client_stop(client.client);
	if (!err)
		err = settle(&client, &server, step);
	if (!err)
		err = log_error(&client, &server);
	if (!err) {
		buf_text(&server.log);
		check_media(&server);
		CHECK(strstr(buf_text(&server.log),
			     "connect live rtmp://host/live FMLE/3.0 "));
		CHECK(strstr(buf_text(&server.log), "publish cam1\n"));
		/* @setDataFrame came and was stripped */
		CHECK(strstr(buf_text(&server.log), "media 18 0 13 "));
		CHECK(strstr(buf_text(&server.log), "end FCUnpublish\n"));
		CHECK_STR(buf_text(&client.log),
			  "status status NetStream.Publish.Start\nready\n"
			  "status status NetStream.Unpublish.Success\n"
			  "end FCUnpublish\n");
	}
	buf_fini(&p);
	end_fini(&client);
	end_fini(&server);
	CHECK_EQ(err, 0);
}

TEST(a_client_publishes_to_a_server)
{
	publish_in_steps(SIZE_MAX / 2, RTMP_HANDSHAKE_SIMPLE);
}

TEST_NO_OOM(publishing_does_not_depend_on_cuts)
{
	static const size_t steps[] = {1, 2, 3, 5, 7, 64, 127, 1000, 1537};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(steps); i++) {
		publish_in_steps(steps[i], RTMP_HANDSHAKE_SIMPLE);
		publish_in_steps(steps[i], RTMP_HANDSHAKE_DIGEST_FIRST);
		publish_in_steps(steps[i], RTMP_HANDSHAKE_KEY_FIRST);
	}
}

static void play_in_steps(size_t step)
{
	struct end client = {.refuses = true}, server = {0};
	int err = open_server(&server);

	if (!err)
		err = open_client(&client, false, RTMP_HANDSHAKE_SIMPLE);
	if (!err)
		err = settle(&client, &server, step);
	if (!err)
		err = write_all(&client, &server);
	if (!err)
		err = settle(&client, &server, step);
	if (!err)
		err = rtmp_server_play_eof(server.server);
	if (!err)
		err = settle(&client, &server, step);
	if (!err)
		err = log_error(&client, &server);
	if (!err) {
		CHECK(strstr(buf_text(&server.log),
			     "connect live rtmp://host/live LNX 9,0,124,2\n"
			     "play cam1\n"));
		CHECK(strstr(buf_text(&client.log),
			     "status status NetStream.Play.Reset\n"
			     "status status NetStream.Play.Start\n"
			     "ready\nmedia"));
		CHECK(strstr(buf_text(&client.log), "end end of stream\n"));
		check_media(&client);
	}
	end_fini(&client);
	end_fini(&server);
	CHECK_EQ(err, 0);
}

TEST(a_client_plays_from_a_server)
{
	play_in_steps(SIZE_MAX / 2);
}

TEST_NO_OOM(playing_does_not_depend_on_cuts)
{
	static const size_t steps[] = {1, 2, 3, 5, 7, 64, 127, 1000, 1537};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(steps); i++)
		play_in_steps(steps[i]);
}

static void check_refusal(bool is_publish, const char *expected)
{
	struct end client = {0}, server = {.refuses = true};
	const struct rtmp_media m = {.type = RTMP_AUDIO};
	int err = open_server(&server);

	if (!err)
		err = open_client(&client, is_publish, RTMP_HANDSHAKE_SIMPLE);
	if (!err)
		err = settle(&client, &server, SIZE_MAX / 2);
	if (!err && !buf_error(&client.log))
		CHECK_STR(buf_text(&client.log), expected);
	if (!err)
		CHECK_EQ(rtmp_client_write_media(client.client, &m),
			 WEIR_EINVAL);
	end_fini(&client);
	end_fini(&server);
}

TEST(a_refusal_is_reported_and_ends_the_session)
{
	check_refusal(true,
		      "status error NetStream.Publish.BadName\n"
		      "end refused\n");
	check_refusal(false,
		      "status error NetStream.Play.StreamNotFound\n"
		      "end refused\n");
}

/* What a server of somebody else says behind the handshake. */
struct script {
	struct buf wire;
};

static void say_handshake(struct script *s)
{
	buf_put_u8(&s->wire, 3);
	buf_grow(&s->wire, (size_t)2 * RTMP_HANDSHAKE_PART);
}

static void say(struct script *s, uint8_t type, uint32_t msid,
		struct span payload)
{
	rtmp_chunk_write(&s->wire, 3, 0, type, msid, payload,
			 RTMP_CHUNK_BYTES_DEFAULT);
}

static void say_result(struct script *s, double transaction, double number)
{
	struct buf p = {0};

	rtmp_command_begin(&p, "_result", transaction);
	amf0_put_null(&p);
	amf0_put_number(&p, number);
	say(s, RTMP_COMMAND, 0, buf_span(&p));
	buf_fini(&p);
}

static void say_status(struct script *s, const char *name, double transaction,
		       const char *level, const char *code)
{
	struct buf p = {0};

	rtmp_status_payload(&p, name, transaction, level, code, "text");
	say(s, RTMP_COMMAND, 1, buf_span(&p));
	buf_fini(&p);
}

/* Feed it to a player or publisher; returns its log, for checking. */
static int hear(struct end *client, struct script *s, bool is_publish)
{
	int err = buf_error(&s->wire);

	if (!err)
		err = open_client(client, is_publish, RTMP_HANDSHAKE_SIMPLE);
	if (!err)
		err = feed(client, buf_span(&s->wire));
	if (!err)
		err = buf_error(&client->log);
	return err;
}

static void finish(struct end *client, struct script *s)
{
	end_fini(client);
	buf_fini(&s->wire);
}

TEST(unknown_messages_and_commands_never_end_a_session)
{
	struct end client = {0};
	struct script s = {0};

	say_handshake(&s);
	for (unsigned type = 7; type < 256; type++)
		if (!rtmp_type_is_media((uint8_t)type) &&
		    type != RTMP_COMMAND && type != RTMP_COMMAND_AMF3)
			say(&s, (uint8_t)type, 0, SPAN_LIT("who knows"));
	rtmp_put_user_event(&s.wire, 31, 0);
	rtmp_put_user_event(&s.wire, 32, 0);
	say_status(&s, "onFooBar", 0, "status", "x");
	say_status(&s, "onBWDone", 0, "status", "x");
	say_result(&s, 1, 0);
	say_status(&s, "_error", 2, "error", "releaseStream");
	say_result(&s, 3, 0);
	say_result(&s, 4, 1);
	say_status(&s, "onFCPublish", 0, "status", "NetStream.Publish.Start");
	say_status(&s, "onStatus", 0, "status", "NetStream.Publish.Start");
	if (!hear(&client, &s, true))
		CHECK_STR(buf_text(&client.log),
			  "status error releaseStream\n"
			  "status status NetStream.Publish.Start\nready\n");
	finish(&client, &s);
}

TEST(a_refused_connect_ends_the_session)
{
	struct end client = {0};
	struct script s = {0};

	say_handshake(&s);
	say_status(&s, "_error", 1, "error", "NetConnection.Connect.Rejected");
	say_status(&s, "onStatus", 0, "error", "again");
	if (!hear(&client, &s, true))
		CHECK_STR(buf_text(&client.log),
			  "status error NetConnection.Connect.Rejected\n"
			  "end refused\nstatus error again\n");
	finish(&client, &s);
}

TEST(a_refusal_that_crosses_the_leave_of_a_publisher_is_heard)
{
	struct end client = {0};
	struct script s = {0};

	say_handshake(&s);
	say_result(&s, 1, 0);
	say_result(&s, 4, 1);
	say_status(&s, "onStatus", 0, "status", "NetStream.Publish.Start");
	if (!hear(&client, &s, true) && !rtmp_client_stop(client.client)) {
		buf_clear(&s.wire);
		say_status(&s, "_error", 6, "error", "FCUnpublish");
		say_status(&s, "onStatus", 0, "error",
			   "NetStream.Publish.BadName");
		say_status(&s, "onStatus", 0, "status",
			   "NetStream.Unpublish.Success");
		if (!buf_error(&s.wire) && !feed(&client, buf_span(&s.wire)))
			CHECK_STR(
				buf_text(&client.log),
				"status status NetStream.Publish.Start\n"
				"ready\nstatus error FCUnpublish\n"
				"status error NetStream.Publish.BadName\n"
				"end refused\n"
				"status status NetStream.Unpublish.Success\n");
	}
	finish(&client, &s);
}

TEST(each_way_of_ending_a_stream_is_understood_once)
{
	struct end client = {0};
	struct script s = {0};

	say_handshake(&s);
	say_result(&s, 1, 0);
	say_result(&s, 4, 7);
	say_status(&s, "onStatus", 0, "status", "NetStream.Play.Start");
	rtmp_put_user_event(&s.wire, RTMP_STREAM_EOF, 1); /* another's */
	say(&s, RTMP_AUDIO, 7, SPAN_LIT("a"));
	rtmp_put_user_event(&s.wire, RTMP_STREAM_EOF, 7);
	say(&s, RTMP_AUDIO, 7, SPAN_LIT("too late"));
	say_status(&s, "onStatus", 0, "status",
		   "NetStream.Play.UnpublishNotify");
	if (!hear(&client, &s, false)) {
		CHECK_STR(buf_text(&client.log),
			  "status status NetStream.Play.Start\nready\n"
			  "media 8 0 1 c49d16a0\nend end of stream\n"
			  "status status NetStream.Play.UnpublishNotify\n");
	}
	finish(&client, &s);
}

TEST(a_broken_server_is_left_with_a_reason)
{
	struct end client = {0};
	struct script s = {0};

	buf_put(&s.wire, SPAN_LIT("HTTP/1.1 400 Bad Request"));
	if (hear(&client, &s, false) == WEIR_EPROTO)
		CHECK_STR(rtmp_client_fault(client.client),
			  "handshake is not RTMP's");
	finish(&client, &s);
	client = (struct end){0};
	s = (struct script){0};
	say_handshake(&s);
	say(&s, RTMP_COMMAND, 0, SPAN_LIT("\x02\x00\x09x"));
	if (hear(&client, &s, false) == WEIR_EPROTO)
		CHECK_STR(rtmp_client_fault(client.client), "broken command");
	finish(&client, &s);
}

TEST(a_text_of_any_length_is_no_address)
{
	static char text[5000];
	struct end client = {0};
	const struct rtmp_client_events events = client_events(&client);
	const struct rtmp_client_desc desc = {
		true, "live", text, "x", NULL, RTMP_HANDSHAKE_SIMPLE};
	int err;

	memset(text, 'x', sizeof(text) - 1);
	err = rtmp_client_new(&client.client, &desc, &events, 0, 0);
	CHECK(err == WEIR_ELIMIT || err == WEIR_ENOMEM);
	CHECK(!client.client);
}

static void play_by_way_of(const char *via, const char *cluster)
{
	struct end client = {.via = via}, server = {0};
	int err = open_server(&server);

	if (!err) {
		rtmp_server_set_cluster(server.server, "lyon");
		err = open_client(&client, false, RTMP_HANDSHAKE_SIMPLE);
	}
	if (!err)
		err = settle(&client, &server, 1000);
	if (!err) {
		CHECK_SPAN(rtmp_server_connect(server.server)->via,
			   span_str(via ? via : ""));
		CHECK_SPAN(rtmp_client_cluster(client.client),
			   span_str(cluster));
	}
	CHECK_EQ(err, 0);
	end_fini(&client);
	end_fini(&server);
}

TEST(a_server_names_its_cluster_to_who_says_by_which_ones_it_comes)
{
	play_by_way_of("paris,weir-2", "lyon");
	play_by_way_of(NULL, "");
}
