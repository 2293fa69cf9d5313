/* services/edge/tls_door_test.c - the doors of an edge, for who comes by TLS.
 *
 * Not repeated with failing allocations, as most of door_test.c.
 */
#include "common/io/tls_rig_test.h"
#include "proto/flv/flv.h"
#include "services/edge/scene_test.h"

/* A scene whose door has a second entrance. */
struct safe {
	struct scene s;
	struct tls_identity *id;
	struct net_addr plain;
};

static void begin_safe(struct safe *f, const struct door_ops *ops)
{
	struct net_addr any;
	int fd;

	begin(&f->s, ops);
	f->id = tls_make_identity();
	f->plain = f->s.addr;
	CHECK_EQ(net_addr_parse(&any, "127.0.0.1:0"), 0);
	CHECK_EQ(net_listen(&fd, &any), 0);
	CHECK_EQ(door_listen(f->s.door, fd, f->id, &f->s.addr), 0);
}

static void end_safe(struct safe *f)
{
	end(&f->s);
	tls_identity_free(&f->id);
}

static void come(struct safe *f, struct tls_peer *p, struct span request)
{
	int fd = dial(&f->s);

	tls_peer_begin(p, fd, 0);
	CHECK(LOOP_UNTIL(f->s.edge.loop, f->s.edge.stats.half_open == 1));
	CHECK(LOOP_UNTIL(f->s.edge.loop, tls_peer_step(p)));
	tls_peer_say(p, request);
}

static void go(struct tls_peer *p)
{
	close(p->fd);
	tls_peer_end(p);
}

static struct span body_of(struct buf *answer)
{
	const char *text = buf_text(answer);
	const char *end = strstr(text, "\r\n\r\n");

	CHECK(end != NULL);
	return span_from(buf_span(answer), (size_t)(end + 4 - text));
}

/* ---- playing ---- */

static void check_same_as_plain(struct span request)
{
	struct safe f;
	struct tls_peer p;
	struct buf plain = {0};
	int fd;

	begin_safe(&f, &door_http);
	tell_story(&f.s);
	come(&f, &p, request);
	f.s.addr = f.plain;
	fd = dial(&f.s);
	say(fd, request);
	CHECK(LOOP_UNTIL(f.s.edge.loop, (tls_peer_step(&p),
					 edge_viewers(&f.s.edge.stats) == 2)));
	CHECK(story_media(&f.s.story, FRAME_VIDEO, false, 100000));
	CHECK(LOOP_UNTIL(f.s.edge.loop,
			 (tls_peer_step(&p), hear(fd, &plain),
			  plain.len > 100000 && p.seen.len == plain.len)));
	CHECK_SPAN(body_of(&p.seen), body_of(&plain));
	close(fd);
	go(&p);
	CHECK(LOOP_UNTIL(f.s.edge.loop, f.s.edge.stats.connections == 0));
	buf_fini(&plain);
	end_safe(&f);
}

TEST_NO_OOM(a_player_by_tls_gets_what_a_plain_one_gets)
{
	check_same_as_plain(GET("/live/a.flv"));
	check_same_as_plain(
		SPAN_LIT("GET /live/a.flv HTTP/1.1\r\nHost: h\r\n"
			 "Connection: Upgrade\r\nUpgrade: websocket\r\n"
			 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
			 "Sec-WebSocket-Version: 13\r\n\r\n"));
}

static void begin_to_play(struct safe *f, struct tls_peer *p)
{
	begin_safe(f, &door_http);
	tell_story(&f->s);
	come(f, p, GET("/live/a.flv"));
	CHECK(LOOP_UNTIL(f->s.edge.loop,
			 (tls_peer_step(p), edge_viewers(&f->s.edge.stats))));
}

TEST_NO_OOM(a_player_by_tls_hears_that_the_stream_has_ended)
{
	struct safe f;
	struct tls_peer p;

	begin_to_play(&f, &p);
	fanout_end(stream_fanout(f.s.stream), REASON_stream_ended);
	CHECK(LOOP_UNTIL(f.s.edge.loop, (tls_peer_step(&p), p.is_over)));
	CHECK(tls_peer_heard_end(&p));
	CHECK(!p.fault);
	go(&p);
	end_safe(&f);
}

static int count_tag(void *ctx, const struct flv_tag *tag)
{
	unsigned *count = ctx;

	(*count) += tag->type == FLV_VIDEO;
	return 0;
}

/* Does the file consist of whole tags, as far as it goes? */
static unsigned count_pictures(struct span file)
{
	const struct flv_events events = {.on_tag = count_tag};
	struct flv_reader *rd;
	unsigned count = 0;

	CHECK_EQ(flv_reader_new(&rd, NULL, &events, &count), 0);
	CHECK_EQ(flv_reader_feed(rd, file), 0);
	flv_reader_free(&rd);
	return count;
}

#define PICTURES 600u
#define PICTURE  40000u

/* What it has not read is more than the kernel and the wire hold. */
static void fall_behind(struct safe *f)
{
	for (unsigned i = 0; i < PICTURES; i++) {
		CHECK(story_media(&f->s.story, FRAME_VIDEO, i % 10 == 0,
				  PICTURE));
		f->s.story.ms += 40;
		loop_pass(f->s.edge.loop);
	}
}

TEST_NO_OOM(a_slow_player_by_tls_goes_on_at_a_newer_picture_with_whole_tags)
{
	struct safe f;
	struct tls_peer p;
	unsigned count;

	begin_to_play(&f, &p);
	fall_behind(&f);
	CHECK(LOOP_UNTIL(f.s.edge.loop,
			 (tls_peer_step(&p), f.s.edge.stats.lag.skips > 0)));
	fanout_end(stream_fanout(f.s.stream), REASON_stream_ended);
	CHECK(LOOP_UNTIL(f.s.edge.loop, (tls_peer_step(&p), p.is_over)));
	CHECK(tls_peer_heard_end(&p));
	CHECK(!p.fault);
	count = count_pictures(body_of(&p.seen));
	CHECK(count > 10);
	CHECK(count < PICTURES);
	go(&p);
	end_safe(&f);
}

TEST_NO_OOM(a_player_that_breaks_tls_is_closed_for_it)
{
	struct safe f;
	struct tls_peer p;

	begin_to_play(&f, &p);
	say(p.fd, SPAN_LIT("\x17\3\3\0\x20nobody has encrypted these bytes."));
	CHECK(LOOP_UNTIL(f.s.edge.loop, (tls_peer_step(&p), p.is_over)));
	CHECK(LOOP_UNTIL(f.s.edge.loop, f.s.edge.stats.connections == 0));
	CHECK_EQ(f.s.edge.stats.reason[REASON_protocol_error].ended, 1);
	CHECK(strstr(p.fault, "bad record mac") != NULL);
	go(&p);
	end_safe(&f);
}

/* ---- before it plays ---- */

TEST_NO_OOM(by_https_there_are_live_streams_only)
{
	struct safe f;
	struct tls_peer p;

	begin_safe(&f, &door_http);
	come(&f, &p, GET("/live/a.m3u8"));
	CHECK(LOOP_UNTIL(f.s.edge.loop, (tls_peer_step(&p), p.is_over)));
	CHECK(strstr(buf_text(&p.seen), "HTTP/1.1 404 ") != NULL);
	CHECK(strstr(buf_text(&p.seen), "by https there is") != NULL);
	CHECK(tls_peer_heard_end(&p));
	go(&p);
	end_safe(&f);
}

TEST_NO_OOM(who_makes_no_handshake_is_half_open_and_closed_in_time)
{
	struct safe f;
	struct buf got = {0};
	int silent, slow;

	begin_safe(&f, &door_http);
	silent = dial(&f.s);
	slow = dial(&f.s);
	CHECK(LOOP_UNTIL(f.s.edge.loop, f.s.edge.stats.half_open == 2));
	say(slow, SPAN_LIT("\x16\3\1\2\0\1\0\1"));
	let_run(&f.s);
	CHECK_EQ(f.s.edge.stats.half_open, 2);
	door_tick(f.s.door, loop_now_ms(f.s.edge.loop) + 1001);
	CHECK_EQ(f.s.edge.stats.connections, 0);
	CHECK(LOOP_UNTIL(f.s.edge.loop,
			 hear(silent, &got) && hear(slow, &got)));
	CHECK_EQ(got.len, 0);
	CHECK_EQ(f.s.edge.stats.reason[REASON_timeout].refused, 2);
	close(silent);
	close(slow);
	end_safe(&f);
}

TEST_NO_OOM(plain_http_on_the_port_of_tls_is_closed_as_such)
{
	struct safe f;
	struct buf got = {0};
	int fd;

	begin_safe(&f, &door_http);
	fd = dial(&f.s);
	say(fd, GET("/live/a.flv"));
	CHECK(LOOP_UNTIL(f.s.edge.loop,
			 hear(fd, &got) && f.s.edge.stats.connections == 0));
	CHECK_EQ(f.s.edge.stats.reason[REASON_protocol_error].refused, 1);
	close(fd);
	buf_fini(&got);
	end_safe(&f);
}
