/* services/edge/http_door_test.c - the HTTP port: who serves what, connections
 * that change hands, players by WebSocket.
 *
 * Not repeated with failing allocations, as most of door_test.c; but the last.
 */
#include <sys/socket.h>

#include "proto/ws/handshake.h"
#include "proto/ws/reader.h"
#include "services/edge/scene_test.h"

#define UPGRADE                                                                \
	"GET /live/a.flv HTTP/1.1\r\nHost: h\r\n"                              \
	"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"            \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                      \
	"Sec-WebSocket-Version: 13\r\n"

/* Ask, while others are here, and wait for the whole answer. */
static void ask_beside(struct scene *s, struct span request, struct buf *answer)
{
	int fd = dial(s);

	say(fd, request);
	CHECK(LOOP_UNTIL(s->edge.loop, hear(fd, answer)));
	close(fd);
}

static unsigned guests_of(struct scene *s)
{
	return (unsigned)s->edge.stats.connections;
}

static void answer_playlist(void *ctx, struct http_request *req)
{
	unsigned *count = ctx;

	(*count)++;
	http_answer_text(req, 200, "#EXTM3U\n");
}

/* ---- who serves what ---- */

TEST_NO_OOM(what_is_not_live_is_served_on_a_connection_that_stays)
{
	struct scene s;
	struct buf got = {0};
	unsigned count = 0;
	int fd;

	begin(&s, &door_http);
	CHECK_EQ(web_suffix(s.edge.web, ".m3u8", answer_playlist, &count), 0);
	fd = dial(&s);
	say(fd, GET("/live/a.m3u8"));
	CHECK(LOOP_UNTIL(s.edge.loop, (hear(fd, &got), count == 1)));
	say(fd, GET("/live/a.m3u8"));
	CHECK(LOOP_UNTIL(s.edge.loop, (hear(fd, &got), count == 2)));
	CHECK_EQ(guests_of(&s), 0); /* it is the door's guest no more */
	CHECK(!hear(fd, &got));
	say(fd, SPAN_LIT("PUT /live/a.m3u8 HTTP/1.0\r\n\r\n"));
	CHECK(LOOP_UNTIL(s.edge.loop, hear(fd, &got)));
	CHECK(strstr(buf_text(&got), "HTTP/1.1 405 "));
	CHECK(strstr(buf_text(&got), "Allow: GET, HEAD, OPTIONS\r\n"));
	CHECK_EQ(count, 2);
	close(fd);
	buf_fini(&got);
	end(&s);
}

TEST_NO_OOM(a_live_request_on_a_kept_connection_comes_back_to_the_door)
{
	struct scene s;
	struct buf got = {0};
	const char *flv;
	int fd;

	begin(&s, &door_http);
	tell_story(&s);
	fd = dial(&s);
	say(fd, GET("/nothing"));
	CHECK(LOOP_UNTIL(s.edge.loop,
			 (hear(fd, &got), strstr(buf_text(&got), "}\n"))));
	buf_clear(&got);
	say(fd, GET("/live/%61.flv?x=1"));
	CHECK(LOOP_UNTIL(s.edge.loop, (hear(fd, &got), got.len > 1500)));
	CHECK_EQ(s.edge.stats.way[EDGE_FLV].viewers, 1);
	CHECK(!strncmp(buf_text(&got), "HTTP/1.1 200 OK\r\n", 17));
	flv = strstr(buf_text(&got), "\r\n\r\n");
	CHECK(flv && !memcmp(flv + 4, "FLV\1\1", 5));
	close(fd);
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.connections == 0));
	buf_fini(&got);
	end(&s);
}

TEST_NO_OOM(a_head_that_comes_in_pieces_is_waited_for)
{
	static const char head[] = "GET /live/a.ts HTTP/1.1\r\nHost: h\r\n\r\n";
	struct scene s;
	int fd;

	begin(&s, &door_http);
	fd = dial(&s);
	for (size_t i = 0; i < sizeof(head) - 1; i++) {
		say(fd, span_of(head + i, 1));
		loop_pass(s.edge.loop);
		CHECK_EQ(s.edge.stats.waiting, 0);
	}
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.waiting == 1));
	close(fd);
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.connections == 0));
	end(&s);
}

TEST_NO_OOM(who_leaves_or_stops_in_the_middle_of_a_head_is_let_go)
{
	struct scene s;
	int fd[2];

	begin(&s, &door_http);
	for (int i = 0; i < 2; i++) {
		fd[i] = dial(&s);
		say(fd[i], SPAN_LIT("GET /live/a.ts HTTP/1.1\r\nHos"));
	}
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.half_open == 2));
	close(fd[0]);
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.half_open == 1));
	door_tick(s.door, loop_now_ms(s.edge.loop) + 1000);
	CHECK_EQ(s.edge.stats.half_open, 0);
	CHECK_EQ(s.edge.stats.reason[REASON_timeout].refused, 1);
	close(fd[1]);
	end(&s);
}

TEST_NO_OOM(there_are_only_so_many_connections_that_play_nothing)
{
	struct scene s;
	struct buf got = {0};
	int fd[11];

	begin(&s, &door_http);
	for (int i = 0; i < 11; i++) {
		fd[i] = dial(&s);
		say(fd[i], GET("/nothing"));
		buf_clear(&got);
		if (i < 10)
			CHECK(LOOP_UNTIL(
				s.edge.loop,
				(hear(fd[i], &got),
				 strstr(buf_text(&got), "HTTP/1.1 404 "))));
	}
	CHECK(LOOP_UNTIL(s.edge.loop, hear(fd[10], &got)));
	CHECK_EQ(s.edge.stats.reason[REASON_limit].refused, 1);
	for (int i = 0; i < 11; i++)
		close(fd[i]);
	buf_fini(&got);
	end(&s);
}

TEST_NO_OOM(ways_to_play_one_stream_have_a_limit_together)
{
	struct scene s;
	struct buf got = {0};
	int fd[2];

	begin(&s, &door_http);
	stream_fanout(s.stream)->limits.wires_max = 2;
	for (int i = 0; i < 2; i++) {
		fd[i] = dial(&s);
		say(fd[i], i ? GET("/live/a.ts") : GET("/live/a.flv"));
		CHECK(LOOP_UNTIL(s.edge.loop,
				 s.edge.stats.waiting == (uint64_t)i + 1));
	}
	ask_beside(&s, SPAN_LIT(UPGRADE "\r\n"), &got);
	CHECK(!strncmp(buf_text(&got), "HTTP/1.1 503 ", 13));
	CHECK_EQ(s.edge.stats.waiting, 2);
	for (int i = 0; i < 2; i++)
		close(fd[i]);
	buf_fini(&got);
	end(&s);
}

/* ---- WebSocket ---- */

struct socket {
	struct scene *s;
	int fd;
	struct buf in;
	struct ws_reader *ws; /* from the 101 on */
	unsigned media, pongs, closes;
	uint16_t code;
	uint8_t first[3]; /* of the first message */
	bool is_over;
};

static int on_event(void *ctx, const struct ws_event *e)
{
	struct socket *p = ctx;

	if (e->opcode == WS_BINARY && !p->media++)
		memcpy(p->first, e->payload.data, sizeof(p->first));
	p->pongs += e->opcode == WS_PONG && span_eq_str(e->payload, "hi");
	p->closes += e->opcode == WS_CLOSE;
	if (e->opcode == WS_CLOSE)
		p->code = e->close_code;
	return 0;
}

static bool socket_hears(struct socket *p)
{
	const struct ws_limits roomy = {.message_bytes = 1 << 20};
	const char *end;

	p->is_over = hear(p->fd, &p->in);
	if (!p->ws) {
		end = strstr(buf_text(&p->in), "\r\n\r\n");
		if (!end)
			return true;
		CHECK(!strncmp(buf_text(&p->in), "HTTP/1.1 101 ", 13));
		CHECK(strstr(buf_text(&p->in),
			     "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
		buf_drop(&p->in, (size_t)(end + 4 - buf_text(&p->in)));
		CHECK_EQ(ws_reader_new(&p->ws, WS_FROM_SERVER, &roomy, on_event,
				       p),
			 0);
	}
	CHECK_EQ(ws_reader_feed(p->ws, 0, buf_span(&p->in)), 0);
	buf_clear(&p->in);
	return true;
}

#define SOCKET_UNTIL(p, condition)                                             \
	CHECK(LOOP_UNTIL((p)->s->edge.loop, socket_hears(p) && (condition)))

static void socket_begin(struct socket *p, struct scene *s)
{
	begin(s, &door_http);
	tell_story(s);
	*p = (struct socket){.s = s, .fd = dial(s)};
	say(p->fd, SPAN_LIT(UPGRADE "\r\n"));
	/* The file's head, the metadata with the config, three pictures. */
	SOCKET_UNTIL(p, p->media == 5);
	CHECK_EQ(s->edge.stats.way[EDGE_WS_FLV].viewers, 1);
	CHECK(!memcmp(p->first, "FLV", 3));
}

static void socket_say(struct socket *p, enum ws_opcode opcode,
		       const char *text)
{
	struct buf out = {0};

	ws_frame_put_masked(&out, opcode, span_str(text), 0x12345678);
	say(p->fd, buf_span(&out));
	buf_fini(&out);
}

/* It is over by then, on our side or on the edge's. */
static void socket_end(struct socket *p, enum reason why)
{
	close(p->fd);
	ws_reader_free(&p->ws);
	buf_fini(&p->in);
	CHECK(LOOP_UNTIL(p->s->edge.loop, p->s->edge.stats.connections == 0));
	CHECK_EQ(p->s->edge.stats.reason[why].ended, 1);
	end(p->s);
}

TEST_NO_OOM(a_player_by_websocket_gets_messages_and_a_goodbye)
{
	struct scene s;
	struct socket p;

	socket_begin(&p, &s);
	fanout_end(stream_fanout(s.stream), REASON_stream_ended);
	SOCKET_UNTIL(&p, p.is_over);
	CHECK_EQ(p.media, 5);
	CHECK_EQ(p.code, WS_CODE_NORMAL);
	socket_end(&p, REASON_stream_ended);
}

TEST_NO_OOM(a_ping_is_answered_and_words_are_passed_over)
{
	struct scene s;
	struct socket p;

	socket_begin(&p, &s);
	socket_say(&p, WS_TEXT, "pause");
	socket_say(&p, WS_PONG, "");
	socket_say(&p, WS_PING, "hi");
	SOCKET_UNTIL(&p, p.pongs == 1);
	CHECK(story_media(&s.story, FRAME_VIDEO, true, 5000));
	SOCKET_UNTIL(&p, p.media == 6);
	CHECK_EQ(p.closes, 0);
	socket_end(&p, REASON_peer_left);
}

TEST_NO_OOM(a_goodbye_is_answered_with_one)
{
	struct scene s;
	struct socket p;

	socket_begin(&p, &s);
	socket_say(&p, WS_CLOSE, "\x0f\xa0");
	SOCKET_UNTIL(&p, p.is_over);
	CHECK_EQ(p.closes, 1);
	CHECK_EQ(p.code, 4000);
	socket_end(&p, REASON_peer_end);
}

TEST_NO_OOM(who_breaks_the_rules_of_websocket_is_told_so_and_closed)
{
	struct scene s;
	struct socket p;

	socket_begin(&p, &s);
	say(p.fd, SPAN_LIT("\x82\x03"
			   "abc")); /* not masked */
	SOCKET_UNTIL(&p, p.is_over);
	CHECK_EQ(p.code, WS_CODE_PROTOCOL);
	socket_end(&p, REASON_protocol_error);
}

TEST_NO_OOM(a_message_that_is_too_big_is_refused_before_it_has_come)
{
	struct scene s;
	struct socket p;

	socket_begin(&p, &s);
	say(p.fd, SPAN_LIT("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"
			   "mask"));
	SOCKET_UNTIL(&p, p.is_over);
	CHECK_EQ(p.code, WS_CODE_TOO_BIG);
	socket_end(&p, REASON_protocol_error);
}

TEST_NO_OOM(a_goodbye_while_it_waits_is_understood)
{
	struct scene s;
	struct buf out = {0};
	int fd;

	begin(&s, &door_http);
	fd = dial(&s);
	buf_put(&out, SPAN_LIT(UPGRADE "\r\n"));
	ws_frame_put_masked(&out, WS_PING, SPAN_LIT("hi"), 1);
	say(fd, buf_span(&out));
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.waiting == 1));
	buf_clear(&out);
	ws_close_put_masked(&out, WS_CODE_NORMAL, NULL, 2);
	say(fd, buf_span(&out));
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.waiting == 0));
	CHECK(LOOP_UNTIL(s.edge.loop, (buf_clear(&out), hear(fd, &out))));
	close(fd);
	buf_fini(&out);
	end(&s);
}

static const char *const one_page[] = {"http://page.example"};

TEST_NO_OOM(a_page_that_may_not_read_gets_no_socket)
{
	struct scene s;
	struct buf got = {0};

	begin(&s, &door_http);
	s.edge.origins = (struct http_origins){one_page, 1};
	ask(&s, SPAN_LIT(UPGRADE "Origin: http://other.example\r\n\r\n"), &got);
	CHECK(!strncmp(buf_text(&got), "HTTP/1.1 403 ", 13));
	buf_fini(&got);
	end(&s);
}

TEST(a_starved_websocket_neither_crashes_nor_leaks)
{
	struct scene s;
	struct buf ping = {0};
	int fd;

	begin(&s, &door_http);
	tell_story(&s);
	fd = dial(&s);
	let_run(&s);
	CHECK(send(fd, UPGRADE "\r\n", sizeof(UPGRADE) + 1, MSG_NOSIGNAL) != 0);
	let_run(&s);
	CHECK(test_is_starved() || s.edge.stats.way[EDGE_WS_FLV].viewers == 1);
	ws_frame_put_masked(&ping, WS_PING, SPAN_LIT("hi"), 1);
	CHECK(send(fd, ping.data, ping.len, MSG_NOSIGNAL) != 0);
	let_run(&s);
	fanout_end(stream_fanout(s.stream), REASON_stream_ended);
	let_run(&s);
	buf_fini(&ping);
	close(fd);
	let_run(&s);
	end(&s);
}
