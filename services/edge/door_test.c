/* services/edge/door_test.c - guests of both doors, from connect to close.
 *
 * Most tests wait for an answer, for which a starved edge would let them wait
 * in vain: they are not repeated. The last two are there for that.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/rtmp/client.h"
#include "services/edge/scene_test.h"

/* ---- HTTP ---- */

TEST_NO_OOM(what_is_no_request_for_a_stream_is_answered_and_closed)
{
	static const struct {
		struct span request;
		const char *answer;
	} cases[] = {
		{SPAN_LIT("GET / HTTP/1.1\r\nHost: h\r\n"
			  "Connection: close\r\n\r\n"),
		 "HTTP/1.1 404 "},
		{SPAN_LIT("GET /hls/a.flv HTTP/1.0\r\n\r\n"), "HTTP/1.1 404 "},
		{GET("/.flv"), "HTTP/1.1 404 "},
		{GET("/%2d/a.ts"), "HTTP/1.1 404 "},
		{GET("/live/%zz.flv"), "HTTP/1.1 404 "},
		{SPAN_LIT("POST /live/a.flv HTTP/1.1\r\nHost: h\r\n\r\n"),
		 "HTTP/1.1 405 "},
		{SPAN_LIT("OPTIONS /live/a.flv HTTP/1.1\r\nHost: h\r\n\r\n"),
		 "HTTP/1.1 204 "},
		{SPAN_LIT("GET /live/a.flv HTTP/2.0\r\nHost: h\r\n\r\n"),
		 "HTTP/1.1 505 "},
		{SPAN_LIT("hello\r\n\r\n"), "HTTP/1.1 400 "},
		{SPAN_LIT("GET /live/a.flv HTTP/1.1\r\nHost: h\r\n"
			  "Connection: Upgrade\r\nUpgrade: websocket\r\n"
			  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
			  "Sec-WebSocket-Version: 12\r\n\r\n"),
		 "HTTP/1.1 426 "},
		{SPAN_LIT("GET /live/a.flv HTTP/1.1\r\nHost: h\r\n"
			  "Connection: Upgrade\r\nUpgrade: websocket\r\n"
			  "Sec-WebSocket-Key: short\r\n"
			  "Sec-WebSocket-Version: 13\r\n\r\n"),
		 "HTTP/1.1 400 "},
	};
	struct scene s;

	begin(&s, &door_http);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		struct buf answer = {0};

		ask(&s, cases[i].request, &answer);
		CHECK(!strncmp(buf_text(&answer), cases[i].answer,
			       strlen(cases[i].answer)));
		CHECK(strstr(buf_text(&answer), "Connection: close\r\n"));
		buf_fini(&answer);
	}
	end(&s);
}

TEST_NO_OOM(a_head_that_never_ends_is_refused)
{
	struct scene s;
	struct buf request = {0}, answer = {0};

	begin(&s, &door_http);
	buf_put(&request, SPAN_LIT("GET /live/a.flv HTTP/1.1\r\nX: "));
	while (request.len < 9000)
		buf_put(&request, SPAN_LIT("xxxxxxxxxxxxxxxx"));
	ask(&s, buf_span(&request), &answer);
	CHECK(!strncmp(buf_text(&answer), "HTTP/1.1 431 ", 13));
	CHECK_EQ(s.edge.stats.reason[REASON_limit].refused, 1);
	buf_fini(&request);
	buf_fini(&answer);
	end(&s);
}

TEST_NO_OOM(a_request_is_held_until_the_stream_can_be_played)
{
	struct scene s;
	struct buf got = {0};
	const char *body;
	int fd;

	begin(&s, &door_http);
	fd = dial(&s);
	say(fd, GET("/live/a.flv?token=x"));
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.waiting == 1));
	CHECK(!hear(fd, &got));
	CHECK_EQ(got.len, 0); /* not even a head */
	tell_story(&s);
	CHECK(LOOP_UNTIL(s.edge.loop, (hear(fd, &got), got.len > 1500)));
	CHECK_EQ(s.edge.stats.way[EDGE_FLV].viewers, 1);
	CHECK(!strncmp(buf_text(&got), "HTTP/1.1 200 OK\r\n", 17));
	CHECK(strstr(buf_text(&got), "Content-Type: video/x-flv\r\n"));
	CHECK(!strstr(buf_text(&got), "chunked"));
	body = strstr(buf_text(&got), "\r\n\r\n");
	CHECK(body);
	CHECK(!memcmp(body + 4, "FLV\1\1", 5)); /* video alone */
	fanout_end(stream_fanout(s.stream), REASON_stream_ended);
	CHECK(LOOP_UNTIL(s.edge.loop, hear(fd, &got)));
	close(fd);
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.connections == 0));
	CHECK_EQ(s.edge.stats.reason[REASON_stream_ended].ended, 1);
	buf_fini(&got);
	end(&s);
}

TEST_NO_OOM(head_is_answered_like_get_and_without_a_body)
{
	struct scene s;
	struct buf got = {0};

	begin(&s, &door_http);
	tell_story(&s);
	ask(&s, SPAN_LIT("HEAD /live/a.flv HTTP/1.0\r\n\r\n"), &got);
	CHECK(!strncmp(buf_text(&got), "HTTP/1.1 200 OK\r\n", 17));
	CHECK(!strcmp(strstr(buf_text(&got), "\r\n\r\n"), "\r\n\r\n"));
	CHECK_EQ(s.edge.stats.way[EDGE_FLV].started, 0);
	buf_fini(&got);
	end(&s);
}

TEST_NO_OOM(who_waited_for_too_long_is_told_that_nobody_publishes)
{
	struct scene s;
	struct buf got = {0};
	int fd;

	begin(&s, &door_http);
	fd = dial(&s);
	say(fd, GET("/live/a.flv"));
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.waiting == 1));
	door_tick(s.door, loop_now_ms(s.edge.loop) + 4000);
	CHECK_EQ(s.edge.stats.waiting, 1);
	door_tick(s.door, loop_now_ms(s.edge.loop) + 5000);
	CHECK_EQ(s.edge.stats.waiting, 0);
	CHECK(LOOP_UNTIL(s.edge.loop, hear(fd, &got)));
	CHECK(!strncmp(buf_text(&got), "HTTP/1.1 404 ", 13));
	CHECK(strstr(buf_text(&got), "\"error\":\"not_found\""));
	close(fd);
	buf_fini(&got);
	end(&s);
}

TEST_NO_OOM(a_peer_that_leaves_while_it_waits_is_forgotten)
{
	struct scene s;
	int fd;

	begin(&s, &door_http);
	fd = dial(&s);
	say(fd, GET("/live/a.flv"));
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.waiting == 1));
	close(fd);
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.connections == 0));
	tell_story(&s);
	CHECK_EQ(fanout_viewers(stream_fanout(s.stream)), 0);
	end(&s);
}

TEST_NO_OOM(the_oldest_of_too_many_half_open_ones_makes_room)
{
	struct scene s;
	struct buf got = {0};
	int fd[4];

	begin(&s, &door_http);
	for (int i = 0; i < 4; i++) {
		fd[i] = dial(&s);
		CHECK(LOOP_UNTIL(s.edge.loop,
				 s.edge.stats.half_open ==
					 (uint64_t)WEIR_MIN(i + 1, 3)));
	}
	CHECK(LOOP_UNTIL(s.edge.loop, hear(fd[0], &got)));
	CHECK(!hear(fd[1], &got));
	door_tick(s.door, loop_now_ms(s.edge.loop) + 1000);
	CHECK(LOOP_UNTIL(s.edge.loop, hear(fd[3], &got)));
	CHECK_EQ(s.edge.stats.reason[REASON_limit].refused, 1);
	CHECK_EQ(s.edge.stats.reason[REASON_timeout].refused, 3);
	for (int i = 0; i < 4; i++)
		close(fd[i]);
	end(&s);
}

TEST_NO_OOM(a_crowd_at_one_door_sends_nobody_away_from_another)
{
	struct scene s;
	struct scene other = {0};
	struct net_addr any;
	struct buf got = {0};
	int listening, fd[3], guest[2];

	begin(&s, &door_http);
	CHECK_EQ(door_new(&other.door, &s.edge, &door_rtmp), 0);
	CHECK_EQ(net_addr_parse(&any, "127.0.0.1:0"), 0);
	CHECK_EQ(net_listen(&listening, &any), 0);
	CHECK_EQ(door_listen(other.door, listening, NULL, &other.addr), 0);
	for (int i = 0; i < 3; i++)
		fd[i] = dial(&s);
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.half_open == 3));
	for (int i = 0; i < 2; i++) {
		guest[i] = dial(&other);
		CHECK(LOOP_UNTIL(s.edge.loop,
				 s.edge.stats.half_open == 4 + (uint64_t)i));
	}
	CHECK(!hear(guest[0], &got));
	CHECK(!hear(fd[0], &got));
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	for (int i = 0; i < 2; i++)
		close(guest[i]);
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.connections == 0));
	door_free(&other.door);
	end(&s);
}

static void take_id(void *ctx, struct session *session)
{
	snprintf(ctx, SESSION_ID_SIZE, "%s", session->id);
}

static size_t kick(struct scene *s, const char *session_id)
{
	const struct gate_match who = {.session_id = session_id};

	return gate_kick(s->edge.gate, &who);
}

TEST_NO_OOM(a_session_is_listed_and_can_be_kicked)
{
	struct scene s;
	struct buf got = {0};
	char id[SESSION_ID_SIZE] = "";
	int fd;

	begin(&s, &door_http);
	tell_story(&s);
	fd = dial(&s);
	say(fd, GET("/live/a.flv"));
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.way[EDGE_FLV].viewers == 1));
	door_each_session(s.door, "live/b", take_id, id);
	CHECK_STR(id, "");
	door_each_session(s.door, "live/a", take_id, id);
	CHECK(!strncmp(id, "FLVPUBSUB", 9));
	CHECK_EQ(kick(&s, "FLVPUBSUB1"), 0);
	CHECK_EQ(kick(&s, id), 1);
	CHECK(LOOP_UNTIL(s.edge.loop, hear(fd, &got)));
	CHECK_EQ(s.edge.stats.reason[REASON_kicked].ended +
			 s.edge.stats.connections,
		 1);
	close(fd);
	buf_fini(&got);
	end(&s);
}

/* ---- what the gate says ---- */

static void read_answer(struct scene *s, int fd, struct buf *got)
{
	CHECK(LOOP_UNTIL(s->edge.loop, hear(fd, got)));
	close(fd);
}

TEST_NO_OOM(who_may_not_play_is_told_before_anything_else)
{
	static const struct {
		const char *rule;
		const char *status, *name;
		enum reason why;
	} no[] = {
		{"{\"kind\":\"deny\",\"id\":\"x\",\"cidr\":\"127.0.0.0/8\"}",
		 "HTTP/1.1 403 ", "\"error\":\"denied\"", REASON_denied},
		{"{\"kind\":\"ban\",\"id\":\"x\",\"stream\":\"live/a\"}",
		 "HTTP/1.1 403 ", "\"error\":\"banned\"", REASON_banned},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(no); i++) {
		struct scene s;
		struct buf got = {0};
		int fd;

		begin(&s, &door_http);
		tell_story(&s);
		CHECK_EQ(rig_rule(&s.gate, no[i].rule), 0);
		fd = dial(&s);
		say(fd, GET("/live/a.flv"));
		read_answer(&s, fd, &got);
		CHECK(!strncmp(buf_text(&got), no[i].status, 13));
		CHECK(strstr(buf_text(&got), no[i].name));
		CHECK_EQ(s.edge.stats.reason[no[i].why].refused, 1);
		CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.connections == 0));
		CHECK_EQ(s.lonely.visits[EVENT_PLAY_REFUSED], 1);
		CHECK_EQ(s.lonely.visit_why, no[i].why);
		buf_fini(&got);
		end(&s);
	}
}

TEST_NO_OOM(who_needs_a_signature_is_told_so)
{
	struct scene s;
	struct buf got = {0};
	int fd;

	begin(&s, &door_http);
	s.gate.settings.signature = ACCESS_NEEDED_PLAY;
	fd = dial(&s);
	say(fd, GET("/live/a.flv"));
	read_answer(&s, fd, &got);
	CHECK(!strncmp(buf_text(&got), "HTTP/1.1 401 ", 13));
	CHECK(strstr(buf_text(&got), "\r\nWWW-Authenticate: "));
	buf_fini(&got);
	end(&s);
}

TEST_NO_OOM(a_rule_ends_who_plays)
{
	struct scene s;
	struct buf got = {0};
	int fd;

	begin(&s, &door_http);
	tell_story(&s);
	fd = dial(&s);
	say(fd, GET("/live/a.flv"));
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.way[EDGE_FLV].viewers == 1));
	CHECK_EQ(rig_rule(&s.gate,
			  "{\"kind\":\"ban\",\"id\":\"x\","
			  "\"ip\":\"127.0.0.1\"}"),
		 0);
	gate_on_rules(s.edge.gate);
	rig_tick(&s.gate);
	read_answer(&s, fd, &got);
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.connections == 0));
	CHECK_EQ(s.edge.stats.reason[REASON_banned].ended, 1);
	CHECK_EQ(s.lonely.visits[EVENT_PLAY_END], 1);
	CHECK_EQ(s.lonely.visits[EVENT_PLAY_REFUSED], 0);
	buf_fini(&got);
	end(&s);
}

/* Somebody who asks for a stream while the webhook decides: its connection. */
static int begin_hooked(struct scene *s)
{
	int fd;

	begin(s, &door_http);
	tell_story(s);
	s->gate.settings.on_play_auth = "http://a/play";
	s->gate.settings.webhook_timeout_ms = 3000;
	fd = dial(s);
	say(fd, GET("/live/a.flv"));
	CHECK(LOOP_UNTIL(s->edge.loop, s->gate.asked_count == 1));
	return fd;
}

static void answer_hook(struct scene *s, const char *json)
{
	struct json_object *o = json_tokener_parse(json);

	gate_hook_answer(s->edge.gate, s->gate.asked[0].tag, 0, o);
	json_object_put(o);
	rig_tick(&s->gate);
}

static void leave_hooked(struct scene *s, int fd)
{
	close(fd);
	CHECK(LOOP_UNTIL(s->edge.loop, s->edge.stats.connections == 0));
	end(s);
}

TEST_NO_OOM(who_is_asked_about_waits_and_then_plays)
{
	struct scene s;
	int fd = begin_hooked(&s);

	answer_hook(&s, "{\"allow\":true}");
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.way[EDGE_FLV].viewers == 1));
	leave_hooked(&s, fd);
}

TEST_NO_OOM(who_is_asked_about_may_be_refused)
{
	struct scene s;
	struct buf got = {0};
	int fd = begin_hooked(&s);

	answer_hook(&s, "{\"allow\":false,\"reason\":\"not paid\"}");
	read_answer(&s, fd, &got);
	CHECK(!strncmp(buf_text(&got), "HTTP/1.1 401 ", 13));
	CHECK(strstr(buf_text(&got), "not paid"));
	buf_fini(&got);
	end(&s);
}

TEST_NO_OOM(who_is_asked_about_may_leave)
{
	struct scene s;
	int fd = begin_hooked(&s);

	leave_hooked(&s, fd);
}

TEST_NO_OOM(who_is_leaving_sends_viewers_elsewhere)
{
	struct scene s;
	struct buf got = {0};

	begin(&s, &door_http);
	s.edge.is_draining = true;
	ask(&s, GET("/live/a.flv"), &got);
	CHECK(!strncmp(buf_text(&got), "HTTP/1.1 503 ", 13));
	buf_fini(&got);
	end(&s);
}

/* ---- RTMP ---- */

struct player {
	struct rtmp_client *client;
	int fd;
	unsigned video_count, config_count, meta_count;
	uint32_t last_ms;
	bool is_ready, is_over;
	enum rtmp_end end;
	char status[512]; /* codes, one behind the other */
};

static int on_send(void *ctx, struct span bytes)
{
	struct player *p = ctx;

	return send(p->fd, bytes.data, bytes.len, MSG_NOSIGNAL) ==
			       (ssize_t)bytes.len
		       ? 0
		       : WEIR_ECLOSED;
}

static int on_ready(void *ctx)
{
	struct player *p = ctx;

	p->is_ready = true;
	return 0;
}

static int on_media(void *ctx, const struct rtmp_media *m)
{
	struct player *p = ctx;

	p->meta_count += m->type == RTMP_DATA;
	if (m->type != RTMP_VIDEO || m->payload.len < 2)
		return 0;
	p->config_count += m->payload.data[1] == 0;
	p->video_count += m->payload.data[1] == 1;
	p->last_ms = m->timestamp_ms;
	return 0;
}

static int on_status(void *ctx, struct span code, struct span level,
		     struct span description)
{
	struct player *p = ctx;
	size_t len = strlen(p->status);

	(void)level;
	(void)description;
	snprintf(p->status + len, sizeof(p->status) - len, "%.*s ",
		 (int)code.len, (const char *)code.data);
	return 0;
}

static int on_end(void *ctx, enum rtmp_end reason)
{
	struct player *p = ctx;

	p->end = reason;
	return 0;
}

static void player_begin(struct player *p, struct scene *s, const char *name,
			 bool is_publish)
{
	const struct rtmp_client_desc desc = {
		.app = "live",
		.tc_url = "rtmp://h/live",
		.name = name,
		.is_publish = is_publish,
	};
	const struct rtmp_client_events events = {
		.ctx = p,
		.on_send = on_send,
		.on_ready = on_ready,
		.on_media = on_media,
		.on_status = on_status,
		.on_end = on_end,
	};

	*p = (struct player){.fd = dial(s)};
	CHECK(LOOP_UNTIL(s->edge.loop, s->edge.stats.connections == 1));
	CHECK_EQ(rtmp_client_new(&p->client, &desc, &events, 7, 0), 0);
	CHECK_EQ(rtmp_client_start(p->client), 0);
}

static bool player_hears(struct player *p)
{
	struct buf in = {0};
	size_t used;

	if (hear(p->fd, &in))
		p->is_over = true;
	if (in.len)
		CHECK_EQ(rtmp_client_feed(p->client, buf_span(&in), &used), 0);
	buf_fini(&in);
	return true;
}

#define PLAYER_UNTIL(s, p, condition)                                          \
	CHECK(LOOP_UNTIL((s)->edge.loop, player_hears(p) && (condition)))

static void player_end(struct player *p)
{
	rtmp_client_free(&p->client);
	close(p->fd);
}

TEST_NO_OOM(a_play_is_held_then_started_then_ended_as_rtmp_does)
{
	struct scene s;
	struct player p;

	begin(&s, &door_rtmp);
	player_begin(&p, &s, "a?token=x", false);
	PLAYER_UNTIL(&s, &p, s.edge.stats.waiting == 1);
	CHECK(!p.is_ready);
	CHECK_STR(p.status, "");
	tell_story(&s);
	PLAYER_UNTIL(&s, &p, p.video_count == 3);
	CHECK(p.is_ready);
	CHECK_EQ(p.meta_count, 1);
	CHECK_EQ(p.config_count, 1);
	CHECK_EQ(p.last_ms, 80);
	CHECK(strstr(p.status, "NetStream.Play.Start"));
	fanout_end(stream_fanout(s.stream), REASON_stream_ended);
	PLAYER_UNTIL(&s, &p, p.is_over);
	CHECK_EQ(p.end, RTMP_END_EOF);
	CHECK(strstr(p.status, "NetStream.Play.UnpublishNotify"));
	player_end(&p);
	end(&s);
}

TEST_NO_OOM(a_player_that_waited_for_too_long_hears_stream_not_found)
{
	struct scene s;
	struct player p;

	begin(&s, &door_rtmp);
	player_begin(&p, &s, "a", false);
	PLAYER_UNTIL(&s, &p, s.edge.stats.waiting == 1);
	door_tick(s.door, loop_now_ms(s.edge.loop) + 5000);
	PLAYER_UNTIL(&s, &p, p.is_over);
	CHECK_STR(p.status, "NetStream.Play.StreamNotFound ");
	CHECK_EQ(p.end, RTMP_END_REFUSED);
	player_end(&p);
	end(&s);
}

TEST_NO_OOM(a_name_that_is_none_is_refused)
{
	struct scene s;
	struct player p;

	begin(&s, &door_rtmp);
	player_begin(&p, &s, "..", false);
	PLAYER_UNTIL(&s, &p, p.is_over);
	CHECK_STR(p.status, "NetStream.Play.StreamNotFound ");
	CHECK_EQ(s.edge.stats.reason[REASON_bad_name].refused, 1);
	player_end(&p);
	end(&s);
}

TEST_NO_OOM(pings_of_a_player_are_answered_between_messages)
{
	struct scene s;
	struct player p;
	struct buf ping = {0};

	begin(&s, &door_rtmp);
	tell_story(&s);
	player_begin(&p, &s, "a", false);
	PLAYER_UNTIL(&s, &p, p.video_count == 3);
	rtmp_put_user_event(&ping, RTMP_PING_REQUEST, 1);
	say(p.fd, buf_span(&ping));
	PLAYER_UNTIL(&s, &p, s.edge.stats.way[EDGE_RTMP].viewers == 1);
	CHECK(story_media(&s.story, FRAME_VIDEO, true, 5000));
	PLAYER_UNTIL(&s, &p, p.video_count == 4);
	CHECK_EQ(p.config_count, 1);
	buf_fini(&ping);
	player_end(&p);
	end(&s);
}

TEST_NO_OOM(a_player_that_says_deletestream_is_done)
{
	struct scene s;
	struct player p;

	begin(&s, &door_rtmp);
	tell_story(&s);
	player_begin(&p, &s, "a", false);
	PLAYER_UNTIL(&s, &p, p.video_count == 3);
	CHECK_EQ(rtmp_client_stop(p.client), 0);
	PLAYER_UNTIL(&s, &p, p.is_over);
	player_end(&p);
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.connections == 0));
	CHECK_EQ(s.edge.stats.reason[REASON_peer_end].ended, 1);
	end(&s);
}

TEST_NO_OOM(bytes_that_are_no_rtmp_close_the_peer)
{
	struct scene s;
	struct buf noise = {0}, got = {0};
	int fd;

	begin(&s, &door_rtmp);
	fd = dial(&s);
	buf_put(&noise, SPAN_LIT("GET / HTTP/1.1\r\n\r\n"));
	say(fd, buf_span(&noise));
	CHECK(LOOP_UNTIL(s.edge.loop, hear(fd, &got)));
	close(fd);
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.connections == 0));
	CHECK_EQ(s.edge.stats.reason[REASON_protocol_error].refused, 1);
	buf_fini(&noise);
	buf_fini(&got);
	end(&s);
}

/* ---- without memory ---- */

TEST(a_starved_http_door_neither_crashes_nor_leaks)
{
	struct scene s;
	int fd;

	begin(&s, &door_http);
	fd = dial(&s);
	let_run(&s);
	CHECK(send(fd, "GET /live/a.flv HTTP/1.0\r\n\r\n", 28, MSG_NOSIGNAL) !=
	      0);
	let_run(&s);
	tell_story(&s);
	let_run(&s);
	CHECK(test_is_starved() || s.edge.stats.way[EDGE_FLV].viewers == 1);
	fanout_end(stream_fanout(s.stream), REASON_stream_ended);
	let_run(&s);
	close(fd);
	let_run(&s);
	end(&s);
}

static void put_command(struct buf *out, uint32_t stream_id,
			struct buf *payload)
{
	rtmp_chunk_write(out, RTMP_CSID_COMMAND, 0, RTMP_COMMAND, stream_id,
			 buf_span(payload), RTMP_CHUNK_BYTES_DEFAULT);
	buf_fini(payload);
}

/* The second half of a handshake, and all that a player asks. */
static void put_play(struct buf *out)
{
	struct buf p = {0};

	buf_grow(out, 1536);
	rtmp_command_begin(&p, "connect", 1);
	amf0_put_object(&p);
	amf0_put_key(&p, "app");
	amf0_put_text(&p, "live");
	amf0_put_object_end(&p);
	put_command(out, 0, &p);
	rtmp_command_begin(&p, "createStream", 2);
	amf0_put_null(&p);
	put_command(out, 0, &p);
	rtmp_command_begin(&p, "play", 3);
	amf0_put_null(&p);
	amf0_put_text(&p, "a");
	put_command(out, 1, &p);
	CHECK_EQ(buf_error(out), 0);
}

TEST(a_starved_rtmp_door_neither_crashes_nor_leaks)
{
	static const uint8_t hello[1537] = {3};
	struct scene s;
	struct buf rest = {0};
	int fd;

	begin(&s, &door_rtmp);
	tell_story(&s);
	fd = dial(&s);
	let_run(&s);
	CHECK(send(fd, hello, sizeof(hello), MSG_NOSIGNAL) != 0);
	let_run(&s);
	put_play(&rest);
	CHECK(send(fd, rest.data, rest.len, MSG_NOSIGNAL) != 0);
	let_run(&s);
	CHECK(test_is_starved() || s.edge.stats.way[EDGE_RTMP].viewers == 1);
	fanout_end(stream_fanout(s.stream), REASON_stream_ended);
	let_run(&s);
	buf_fini(&rest);
	close(fd);
	let_run(&s);
	end(&s);
}
