/* remote/rtmp_test.c - the end of a publish, against a server in the
 * same loop. */
#include "remote/rtmp.h"

#include <stdio.h>

#include "common/io/conn.h"
#include "common/io/loop_wait.h"
#include "common/test/check.h"
#include "proto/rtmp/server.h"

/* What the server does when the publisher's media comes. */
enum manner { TAKES, REFUSES, CLOSES, IS_SILENT, WANTS_PASSWORD };

#define REJECT "[ AccessManager.Reject ] : [ "

struct scene {
	struct loop *loop;
	enum manner manner;
	struct listener *listener;
	struct conn *conn;
	struct rtmp_server *server;
	struct remote_rtmp *peer;
	unsigned connects;
	char app[160]; /* of the last connect */
	bool is_over;
	enum remote_end end;
};

/* ---- the server ---- */

static int on_send(void *ctx, struct span bytes)
{
	struct scene *s = ctx;

	return conn_send(s->conn, bytes);
}

/* As a server with "authmod=adobe" does it; any answer will do. */
static int on_connect(void *ctx, const struct rtmp_connect *c)
{
	static const char *const said[] = {
		REJECT "code=403 need auth; authmod=adobe ] : ",
		REJECT
		"authmod=adobe ] : ?reason=needauth&user=bob"
		"&salt=mgJzzw==&challenge=rmxAdw==&opaque=vgoAAA==",
	};
	struct scene *s = ctx;

	snprintf(s->app, sizeof(s->app), "%.*s", (int)c->app.len,
		 (const char *)c->app.data);
	if (s->manner != WANTS_PASSWORD || s->connects == WEIR_ARRAY_LEN(said))
		return 0;
	CHECK_EQ(rtmp_server_refuse(s->server, "NetConnection.Connect.Rejected",
				    said[s->connects++]),
		 0);
	return WEIR_ECLOSED;
}

static int on_publish(void *ctx, const struct rtmp_request *r)
{
	struct scene *s = ctx;

	(void)r;
	return rtmp_server_accept_publish(s->server);
}

static int on_play(void *ctx, const struct rtmp_request *r)
{
	(void)ctx;
	(void)r;
	return WEIR_EUNSUPPORTED;
}

/* By now all that the publisher has to say is sent, its leave too. */
static int on_media(void *ctx, const struct rtmp_media *m)
{
	struct scene *s = ctx;

	(void)m;
	if (s->manner == REFUSES)
		CHECK_EQ(rtmp_server_refuse(s->server,
					    "NetStream.Publish.BadName",
					    "taken"),
			 0);
	if (s->manner == IS_SILENT)
		conn_pause(s->conn);
	return s->manner == REFUSES || s->manner == CLOSES ? WEIR_ESTOP : 0;
}

static int on_server_end(void *ctx, enum rtmp_end reason)
{
	(void)ctx;
	(void)reason;
	return 0;
}

static int64_t on_data(void *ctx, struct span in)
{
	struct scene *s = ctx;
	size_t used = 0;
	int err = rtmp_server_feed(s->server, in, &used);

	return err ? err : (int64_t)used;
}

static void on_close(void *ctx, int reason)
{
	struct scene *s = ctx;

	(void)reason;
	conn_free(&s->conn);
}

static void on_accepted(struct scene *s, int fd, const struct net_addr *addr)
{
	static const struct conn_ops ops = {.on_data = on_data,
					    .on_close = on_close};
	const struct rtmp_server_events events = {
		s,       on_send,  on_connect,   on_publish,
		on_play, on_media, on_server_end};

	(void)addr;
	conn_free(&s->conn); /* of the connection before */
	rtmp_server_free(&s->server);
	CHECK_EQ(rtmp_server_new(&s->server, &events, 1, 2), 0);
	CHECK_EQ(conn_new(&s->conn, s->loop, fd, NULL, &ops, s), 0);
}

/* ---- the publisher: one message, and it stops ---- */

static void on_ready(void *ctx)
{
	struct scene *s = ctx;
	const struct rtmp_media m = {RTMP_AUDIO, 0, SPAN_LIT("\xaf\x01x")};

	CHECK_EQ(remote_rtmp_write(s->peer, &m), 0);
	remote_rtmp_stop(s->peer);
}

static void on_end(void *ctx, enum remote_end end)
{
	struct scene *s = ctx;

	s->is_over = true;
	s->end = end;
}

static void publish_as(struct scene *s, enum manner manner, const char *user)
{
	static const struct remote_rtmp_events events = {.on_ready = on_ready,
							 .on_end = on_end};
	struct remote_rtmp_options o = {.is_publish = true, .connect_ms = 5000};
	struct net_addr addr;
	char url[96];
	int fd;

	*s = (struct scene){.manner = manner};
	CHECK_EQ(loop_new(&s->loop), 0);
	CHECK_EQ(net_addr_parse(&addr, "127.0.0.1:0"), 0);
	CHECK_EQ(net_listen(&fd, &addr), 0);
	CHECK_EQ(net_local_addr(&addr, fd), 0);
	CHECK_EQ(listener_new(&s->listener, s->loop, fd, NULL, on_accepted, s),
		 0);
	snprintf(url, sizeof(url), "rtmp://%s127.0.0.1:%u/live/a", user,
		 net_addr_port(&addr));
	o.url = url;
	CHECK_EQ(remote_rtmp_new(&s->peer, s->loop, &o, &events, s), 0);
	CHECK(LOOP_UNTIL(s->loop, s->is_over));
}

static void publish(struct scene *s, enum manner manner)
{
	publish_as(s, manner, "");
}

static void finish(struct scene *s)
{
	remote_rtmp_free(&s->peer);
	conn_free(&s->conn);
	rtmp_server_free(&s->server);
	listener_free(&s->listener);
	loop_free(&s->loop);
}

/* TEST_NO_OOM: the other end of each is a real socket, which waits for us. */

TEST_NO_OOM(a_publish_that_the_server_took_whole_is_done)
{
	struct scene s;

	publish(&s, TAKES);
	CHECK_EQ(s.end, REMOTE_DONE);
	finish(&s);
}

TEST_NO_OOM(what_is_refused_while_it_takes_leave_is_refused)
{
	struct scene s;

	publish(&s, REFUSES);
	CHECK_EQ(s.end, REMOTE_REFUSED);
	CHECK_STR(remote_rtmp_words(s.peer),
		  "NetStream.Publish.BadName: taken");
	finish(&s);
}

TEST_NO_OOM(a_server_that_closes_upon_the_leave_has_taken_it)
{
	struct scene s;

	publish(&s, CLOSES);
	CHECK_EQ(s.end, REMOTE_DONE);
	finish(&s);
}

TEST_NO_OOM(a_server_that_says_nothing_is_left_after_a_moment)
{
	struct scene s;

	publish(&s, IS_SILENT);
	CHECK_EQ(s.end, REMOTE_DONE);
	finish(&s);
}

TEST_NO_OOM(a_password_is_proven_over_as_many_connections_as_the_server_wants)
{
	struct scene s;

	publish_as(&s, WANTS_PASSWORD, "bob:s3cret@");
	CHECK_EQ(s.end, REMOTE_DONE);
	CHECK_EQ(s.connects, 2);
	CHECK(strstr(s.app, "live?authmod=adobe&user=bob&challenge="));
	CHECK(strstr(s.app, "&opaque=vgoAAA=="));
	CHECK(!strstr(s.app, "s3cret"));
	finish(&s);
}

TEST_NO_OOM(without_a_password_the_server_has_the_last_word)
{
	struct scene s;

	publish(&s, WANTS_PASSWORD);
	CHECK_EQ(s.end, REMOTE_REFUSED);
	CHECK_EQ(s.connects, 1);
	CHECK(strstr(remote_rtmp_words(s.peer), "need auth"));
	finish(&s);
}
