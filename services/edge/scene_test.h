/* services/edge/scene_test.h - an edge without a cluster, one door, a stream that
 * is told by hand, and peers on loopback, for the tests of this room.
 */
#ifndef WEIR_EDGE_SCENE_TEST_H
#define WEIR_EDGE_SCENE_TEST_H

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io/loop_wait.h"
#include "common/member/gate_rig_test.h"
#include "services/edge/fanout_inner.h"
#include "services/edge/internal.h"
#include "services/edge/lonely_test.h"
#include "services/edge/pass_test.h"
#include "services/edge/story_test.h"

static const struct edge_settings settings = {
	.viewers_max = 10,
	.streams_max = 10,
	.half_open_max = 3,
	.half_open_ms = 1000,
	.wait_publish_ms = 5000,
	.http_idle_max = 10,
};

static const char *const every_page = "*";

static const struct streams_limits limits = {
	.fanout = {.wire = {.retain_ms = 4000,
			    .max_bytes = 1 << 20,
			    .audio_join_ms = 1000},
		   .wires_max = 8,
		   .max_lag_ms = 3000,
		   .slow_ms = 10000,
		   .keep_idle_ms = 1000},
	.streams_max = 10,
	.idle_keep_ms = 1000,
};

static const struct stream_key key = {"live/a"};

/* An edge without a cluster: one door, and a stream that is told by hand. */
struct scene {
	struct lonely lonely;
	struct gate_rig gate;
	struct edge edge;
	struct door *door;
	struct net_addr addr;
	struct stream *stream; /* used, so that it stays */
	struct story story;
};

static inline void begin(struct scene *s, const struct door_ops *ops)
{
	struct net_addr any;
	int fd;

	memset(s, 0, sizeof(*s));
	lonely_begin(&s->lonely, &limits, &s->edge.stats);
	s->edge.loop = s->lonely.loop;
	s->edge.settings = &settings;
	s->edge.cluster = "here";
	s->edge.streams = s->lonely.streams;
	s->edge.origins = (struct http_origins){&every_page, 1};
	crowd_init(&s->edge.crowd, 0, 1);
	CHECK_EQ(rig_begin(&s->gate), 0);
	s->edge.gate = s->gate.gate;
	CHECK_EQ(web_new(&s->edge.web, &s->edge, 0), 0);
	CHECK_EQ(door_new(&s->door, &s->edge, ops), 0);
	s->edge.http = s->door;
	CHECK_EQ(net_addr_parse(&any, "127.0.0.1:0"), 0);
	CHECK_EQ(net_listen(&fd, &any), 0);
	CHECK_EQ(door_listen(s->door, fd, NULL, &s->addr), 0);
	CHECK_EQ(stream_enter(&s->stream, s->edge.streams, &key), 0);
	s->story.log = stream_fanout(s->stream)->log;
}

static inline void end(struct scene *s)
{
	web_free(&s->edge.web);
	door_free(&s->door);
	rig_end(&s->gate);
	crowd_fini(&s->edge.crowd);
	stream_leave(&s->stream);
	lonely_end(&s->lonely);
	CHECK_EQ(s->edge.stats.connections, 0);
	CHECK_EQ(s->edge.stats.half_open, 0);
	CHECK_EQ(s->edge.stats.waiting, 0);
}

/* Headers and a group of three pictures. */
static inline void tell_story(struct scene *s)
{
	CHECK(story_epoch(&s->story));
	CHECK(story_tracks(&s->story, true, false));
	CHECK(story_config(&s->story));
	for (int i = 0; i < 3; i++) {
		CHECK(story_media(&s->story, FRAME_VIDEO, i == 0, 500));
		s->story.ms += 40;
	}
}

static inline int dial(struct scene *s)
{
	int fd = -1;

	CHECK_EQ(net_connect(&fd, &s->addr), 0);
	return fd;
}

static inline void say(int fd, struct span bytes)
{
	CHECK_EQ(send(fd, bytes.data, bytes.len, MSG_NOSIGNAL),
		 (ssize_t)bytes.len);
}

/* Take what is there. Returns whether the connection is over. */
static inline bool hear(int fd, struct buf *out)
{
	uint8_t bytes[65536];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		buf_put(out, span_of(bytes, (size_t)n));
	return n == 0 || (errno != EAGAIN && errno != ENOTCONN);
}

#define GET(path) SPAN_LIT("GET " path " HTTP/1.1\r\nHost: h\r\n\r\n")

/* Ask, and wait for the whole answer. */
static inline void ask(struct scene *s, struct span request, struct buf *answer)
{
	int fd = dial(s);

	CHECK(LOOP_UNTIL(s->edge.loop, s->edge.stats.half_open == 1));
	say(fd, request);
	CHECK(LOOP_UNTIL(s->edge.loop, hear(fd, answer)));
	close(fd);
	CHECK(LOOP_UNTIL(s->edge.loop, s->edge.stats.connections == 0));
}

#define ENOUGH 30 /* passes; on loopback nothing takes longer */

static inline void let_run(struct scene *s)
{
	for (int i = 0; i < ENOUGH; i++)
		loop_pass(s->edge.loop);
}

#endif
