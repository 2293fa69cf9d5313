/* services/edge/fanout_test.c - viewers on socket pairs: starts, lag, skips,
 * inserts, ends. */
#include "services/edge/fanout.h"

#include <sys/socket.h>
#include <unistd.h>

#include "common/io/loop_wait.h"
#include "services/edge/pass_test.h"
#include "services/edge/story_test.h"

#define FRAME_BYTES 8000

static const struct fanout_limits limits = {
	.wire = {.retain_ms = 4000,
		 .max_bytes = 64 << 20,
		 .audio_join_ms = 1000},
	.wires_max = 8,
	.max_lag_ms = 3000,
	.slow_ms = 10000,
	.keep_idle_ms = 10000,
};

/* One fanout, and the stream that it shows. */
struct scene {
	struct loop *loop;
	struct pace pace;
	struct story story;
	struct fanout *fanout;
	struct edge_stats stats;
	uint64_t told_viewers, told_frames;
};

/* One viewer, and its peer's end. */
struct seat {
	struct scene *scene;
	struct waiter waiter;
	struct viewer *viewer;
	struct session session;
	struct plain_reader reader;
	int fd;       /* the peer's */
	int given_fd; /* to the viewer, when it begins */
	struct span greeting;
	bool has_ended;
	enum reason why;
};

static void on_skips(void *ctx, uint64_t viewers, uint64_t frames)
{
	struct scene *s = ctx;

	s->told_viewers += viewers;
	s->told_frames += frames;
}

static const struct fanout_events events = {.on_skips = on_skips};

static void begin(struct scene *s, bool has_video)
{
	*s = (struct scene){0};
	CHECK_EQ(loop_new(&s->loop), 0);
	CHECK(story_begin(&s->story, has_video, !has_video));
	CHECK_EQ(pace_init(&s->pace, s->loop, 100, &s->stats), 0);
	CHECK_EQ(fanout_new(&s->fanout, &s->pace, s->story.log, &limits,
			    &s->stats, &events, s),
		 0);
}

static void end(struct scene *s)
{
	fanout_free(&s->fanout);
	log_free(&s->story.log);
	pace_fini(&s->pace);
	loop_free(&s->loop);
}

static enum reason on_data(void *ctx, struct span in)
{
	struct seat *t = ctx;

	viewer_insert(t->viewer, in); /* an echo */
	return REASON_none;
}

static void on_end(void *ctx, enum reason why)
{
	struct seat *t = ctx;

	t->has_ended = true;
	t->why = why;
}

static const struct viewer_ops viewer_ops = {
	.on_data = on_data,
	.on_end = on_end,
};

static void on_ready(void *ctx)
{
	struct seat *t = ctx;
	const struct viewer_start start = {
		.fd = t->given_fd,
		.ops = &viewer_ops,
		.ctx = t,
		.session = &t->session,
		.greeting = t->greeting,
	};

	if (viewer_new(&t->viewer, t->scene->fanout, &wire_plain, &start) == 0)
		t->given_fd = -1;
}

static void sit_down(struct seat *t, struct scene *s)
{
	const int small = 4096;
	int pair[2];

	*t = (struct seat){.scene = s, .reader.needs_join = true};
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	CHECK_EQ(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small,
			    sizeof(small)),
		 0);
	t->given_fd = pair[0];
	t->fd = pair[1];
	t->waiter.on_ready = on_ready;
	t->waiter.ctx = t;
	list_init(&t->waiter.link);
	CHECK_EQ(fanout_wait(s->fanout, &wire_plain, &t->waiter), 0);
}

static void get_up(struct seat *t)
{
	list_remove(&t->waiter.link);
	viewer_free(&t->viewer);
	close(t->fd);
	if (t->given_fd >= 0)
		close(t->given_fd);
	buf_fini(&t->reader.in);
}

static size_t read_peer(struct seat *t)
{
	uint8_t bytes[65536];
	size_t total = 0;
	ssize_t n;

	while ((n = read(t->fd, bytes, sizeof(bytes))) > 0) {
		plain_read(&t->reader, span_of(bytes, (size_t)n));
		total += (size_t)n;
	}
	return total;
}

/* Go on until nothing moves any more; the peer of `t` (NULL: nobody) reads. */
static void settle(struct scene *s, struct seat *t)
{
	for (int quiet = 0; quiet < 4; quiet++) {
		uint64_t before = s->stats.sent_bytes;
		size_t got = 0;

		loop_pass(s->loop);
		got = t ? read_peer(t) : 0;
		if (got || s->stats.sent_bytes != before)
			quiet = 0;
	}
}

static void tick(struct scene *s, uint64_t later_ms)
{
	fanout_tick(s->fanout, loop_now_ms(s->loop) + later_ms);
}

/* One frame of 40 ms, and the time that goes with it. */
static void video(struct scene *s, struct seat *reads, unsigned gop)
{
	CHECK(story_media(&s->story, FRAME_VIDEO, s->story.number % gop == 0,
			  FRAME_BYTES));
	s->story.ms += 40;
	settle(s, reads);
	tick(s, 0);
}

static void play(struct scene *s, struct seat *reads, unsigned frames,
		 unsigned gop)
{
	for (unsigned i = 0; i < frames; i++)
		video(s, reads, gop);
	settle(s, reads);
}

static void check_well(struct seat *t)
{
	CHECK_STR(t->reader.fault ? t->reader.fault : "well", "well");
	CHECK_EQ(t->reader.in.len, 0);
}

/* A stream that has begun, and who watches it from now on. */
static void begin_one(struct scene *s, struct seat *t, unsigned frames)
{
	begin(s, true);
	play(s, NULL, frames, 50);
	sit_down(t, s);
	settle(s, t);
}

static void begin_two(struct scene *s, struct seat *a, struct seat *b,
		      unsigned frames)
{
	begin_one(s, a, frames);
	sit_down(b, s);
	settle(s, b);
}

static void end_one(struct scene *s, struct seat *t)
{
	check_well(t);
	get_up(t);
	end(s);
}

static void end_two(struct scene *s, struct seat *a, struct seat *b)
{
	get_up(a);
	get_up(b);
	end(s);
}

TEST(a_viewer_gets_its_greeting_the_headers_and_the_newest_group)
{
	uint8_t greeting[] = "M\0\0\0\0\0\0\0\0"; /* a unit of its own */
	struct scene s;
	struct seat t;

	begin(&s, true);
	play(&s, NULL, 60, 50);
	sit_down(&t, &s);
	t.greeting = span_of(greeting, 10);
	settle(&s, &t);
	CHECK(t.viewer);
	CHECK_EQ(t.reader.metas, 2);
	CHECK_EQ(t.reader.openings, 1);
	CHECK_EQ(t.reader.first_number, 50);
	play(&s, &t, 5, 50);
	CHECK_EQ(t.reader.frames, 15);
	CHECK_EQ(s.stats.sent_bytes, t.session.wrote_bytes);
	end_one(&s, &t);
}

TEST(who_comes_before_the_stream_waits_for_its_first_join)
{
	struct scene s;
	struct seat t;

	begin(&s, true);
	sit_down(&t, &s);
	s.story.number = 3; /* what is no multiple of 50 is no join */
	play(&s, &t, 10, 50);
	CHECK(!t.viewer);
	s.story.number = 100;
	play(&s, &t, 2, 50);
	CHECK(t.viewer);
	CHECK_EQ(t.reader.first_number, 100);
	CHECK_EQ(t.reader.frames, 2);
	end_one(&s, &t);
}

TEST(viewers_of_one_format_share_a_wire)
{
	struct scene s;
	struct seat a, b;

	begin_two(&s, &a, &b, 5);
	CHECK_EQ(fanout_viewers(s.fanout), 2);
	CHECK_EQ(s.stats.wires, 1);
	get_up(&a);
	get_up(&b);
	tick(&s, limits.keep_idle_ms + 1);
	CHECK_EQ(s.stats.wires, 0);
	end(&s);
}

TEST(a_viewer_that_stops_for_6_seconds_goes_on_at_the_newest_join)
{
	struct scene s;
	struct seat slow, other;
	uint64_t got;

	begin(&s, true);
	play(&s, NULL, 1, 50);
	sit_down(&slow, &s);
	sit_down(&other, &s);
	settle(&s, &slow);
	play(&s, &slow, 24, 50);
	settle(&s, &other);
	CHECK_EQ(slow.reader.frames, 25);
	play(&s, &other, 163, 50); /* and slow does not read */
	CHECK(fanout_wire_bytes(s.fanout) < 110 * FRAME_BYTES + 2 * 65536);
	got = slow.reader.frames;
	settle(&s, &slow);
	play(&s, &slow, 2, 50);
	settle(&s, &other);
	check_well(&slow);
	check_well(&other);
	CHECK_EQ(slow.reader.last_number, 189);
	CHECK_EQ(slow.reader.frames + slow.session.skipped, 190);
	CHECK(slow.session.skipped > 90);
	CHECK(slow.reader.frames > got + 39); /* from the join at 150 on */
	CHECK_EQ(s.stats.lag.frames, slow.session.skipped);
	CHECK_EQ(other.reader.frames, 190);
	CHECK_EQ(other.session.skipped, 0);
	tick(&s, 2000);
	CHECK_EQ(s.told_frames, slow.session.skipped);
	get_up(&slow);
	get_up(&other);
	end(&s);
}

TEST(what_comes_first_after_a_skip_is_a_join)
{
	struct scene s;
	struct seat t;

	begin(&s, true);
	play(&s, NULL, 1, 25);
	sit_down(&t, &s);
	play(&s, NULL, 110, 25);
	CHECK(story_config(&s.story)); /* and its headers are new, too */
	s.story.number = 125;
	play(&s, NULL, 10, 25);
	settle(&s, &t);
	check_well(&t);
	CHECK_EQ(t.reader.configs, 2);
	CHECK_EQ(t.reader.last_number, 134);
	get_up(&t);
	end(&s);
}

TEST(who_began_far_behind_may_catch_up_without_a_skip)
{
	struct scene s;
	struct seat t;

	begin(&s, true);
	play(&s, NULL, 490, 500); /* 19.6 s since the join */
	sit_down(&t, &s);
	settle(&s, NULL); /* blocked at once */
	tick(&s, 0);
	play(&s, NULL, 20, 500); /* and a newer join comes */
	settle(&s, &t);
	CHECK_EQ(t.session.skipped, 0);
	CHECK_EQ(t.reader.frames, 510);
	end_one(&s, &t);
}

TEST(a_viewer_that_takes_no_byte_is_closed)
{
	struct scene s;
	struct seat t;

	begin(&s, true);
	play(&s, NULL, 10, 50);
	sit_down(&t, &s);
	settle(&s, NULL);
	tick(&s, limits.slow_ms - 1000);
	settle(&s, NULL);
	CHECK(!t.has_ended);
	tick(&s, limits.slow_ms + 1);
	settle(&s, NULL);
	CHECK(t.has_ended);
	CHECK_EQ(t.why, REASON_slow_viewer);
	CHECK_EQ(fanout_viewers(s.fanout), 0);
	get_up(&t);
	end(&s);
}

TEST(a_viewer_that_has_all_is_never_slow)
{
	struct scene s;
	struct seat t;

	begin_one(&s, &t, 10);
	tick(&s, 100 * limits.slow_ms);
	play(&s, &t, 1, 50);
	CHECK(!t.has_ended);
	CHECK_EQ(t.reader.frames, 11);
	get_up(&t);
	end(&s);
}

/* What the viewers' owner echoes is a whole unit: it must not cut another. */
TEST(inserts_stand_between_units)
{
	struct scene s;
	struct seat t;
	struct buf unit = {0};

	begin(&s, true);
	plain_put(&unit, PLAIN_META, 0, 0, SPAN_LIT("pong"));
	play(&s, NULL, 10, 50);
	sit_down(&t, &s);
	settle(&s, NULL); /* stands in the middle of a frame */
	CHECK_EQ(write(t.fd, unit.data, unit.len), (ssize_t)unit.len);
	settle(&s, NULL);
	settle(&s, &t);
	CHECK_EQ(t.reader.metas, 2);
	CHECK_EQ(t.reader.frames, 10);
	CHECK_EQ(write(t.fd, unit.data, unit.len), (ssize_t)unit.len);
	settle(&s, &t); /* there is nothing else to send */
	CHECK_EQ(t.reader.metas, 3);
	CHECK_EQ(t.session.read_bytes, 2 * unit.len);
	check_well(&t);
	buf_fini(&unit);
	get_up(&t);
	end(&s);
}

TEST(an_insert_before_a_skip_comes_behind_the_rest_of_the_unit)
{
	struct scene s;
	struct seat t;
	struct buf unit = {0};

	begin(&s, true);
	plain_put(&unit, PLAIN_META, 0, 0, SPAN_LIT("pong"));
	play(&s, NULL, 10, 50);
	sit_down(&t, &s);
	settle(&s, NULL);
	CHECK_EQ(write(t.fd, unit.data, unit.len), (ssize_t)unit.len);
	play(&s, NULL, 150, 50);
	settle(&s, &t);
	CHECK(t.session.skipped > 0);
	CHECK_EQ(t.reader.metas, 2);
	CHECK_EQ(t.reader.frames + t.session.skipped, 160);
	check_well(&t);
	buf_fini(&unit);
	get_up(&t);
	end(&s);
}

TEST(who_makes_us_say_more_than_it_reads_is_closed)
{
	static const uint8_t noise[8192];
	struct scene s;
	struct seat t;

	begin(&s, true);
	play(&s, NULL, 10, 50);
	sit_down(&t, &s);
	settle(&s, NULL);
	for (int i = 0; i < 100 && !t.has_ended; i++) {
		CHECK(write(t.fd, noise, sizeof(noise)) != 0);
		settle(&s, NULL);
	}
	CHECK(t.has_ended);
	CHECK_EQ(t.why, REASON_limit);
	get_up(&t);
	end(&s);
}

TEST(a_peer_that_closes_ends_its_viewer)
{
	struct scene s;
	struct seat t;

	begin_one(&s, &t, 10);
	CHECK_EQ(shutdown(t.fd, SHUT_RDWR), 0);
	settle(&s, NULL);
	CHECK(t.has_ended);
	CHECK_EQ(t.why, REASON_peer_left);
	get_up(&t);
	end(&s);
}

TEST(at_the_end_the_socket_comes_back_with_the_rest_of_the_unit)
{
	struct scene s;
	struct seat t;
	struct buf rest = {0};
	struct tls *tls;
	int fd;

	begin(&s, true);
	play(&s, NULL, 10, 50);
	sit_down(&t, &s);
	settle(&s, NULL);
	fanout_end(s.fanout, REASON_stream_ended);
	settle(&s, NULL);
	CHECK(t.has_ended);
	CHECK_EQ(t.why, REASON_stream_ended);
	CHECK_EQ(viewer_detach(t.viewer, &fd, &tls, &rest), 0);
	CHECK(!tls);
	read_peer(&t);
	plain_read(&t.reader, buf_span(&rest));
	check_well(&t);
	CHECK(t.reader.frames < 10);
	buf_fini(&rest);
	close(fd);
	get_up(&t);
	end(&s);
}

TEST(nothing_of_a_stream_that_is_over_is_sent_to_who_comes_later)
{
	struct scene s;
	struct seat early, late;

	begin(&s, true);
	play(&s, NULL, 10, 50);
	sit_down(&early, &s);
	settle(&s, &early);
	fanout_end(s.fanout, REASON_stream_ended);
	sit_down(&late, &s);
	settle(&s, &late);
	CHECK(!late.viewer);
	s.story.ms = 0;
	s.story.number = 100;
	CHECK(story_epoch(&s.story));
	CHECK(story_tracks(&s.story, true, false));
	CHECK(story_config(&s.story));
	play(&s, &late, 3, 50);
	CHECK(late.viewer);
	CHECK_EQ(late.reader.first_number, 100);
	CHECK_EQ(late.reader.frames, 3);
	CHECK_EQ(late.reader.last_ms, 80);
	check_well(&late);
	get_up(&early);
	get_up(&late);
	end(&s);
}

TEST(frames_that_are_missing_count_for_every_viewer)
{
	struct scene s;
	struct seat a, b;

	begin_two(&s, &a, &b, 10);
	fanout_gap(s.fanout, 30);
	s.story.number += 30;
	play(&s, &a, 12, 50); /* 2 more until the join at 50 is 10 on */
	settle(&s, &b);
	CHECK_EQ(s.stats.gap.frames, 2 * 40);
	CHECK_EQ(a.reader.frames, 12);
	viewer_end(a.viewer, REASON_kicked);
	CHECK_EQ(a.session.skipped, 40);
	check_well(&b);
	end_two(&s, &a, &b);
}

TEST(viewers_that_come_at_once_have_nothing_written_for_them)
{
	enum { COUNT = 40 };
	static struct seat seats[COUNT];
	struct scene s;
	uint64_t written;

	begin(&s, true);
	play(&s, NULL, 2, 50);
	for (int i = 0; i < COUNT; i++)
		sit_down(&seats[i], &s);
	written = s.stats.written_bytes;
	for (int i = 0; i < COUNT; i++)
		settle(&s, &seats[i]);
	CHECK_EQ(s.stats.written_bytes, written);
	for (int i = 0; i < COUNT; i++) {
		CHECK_EQ(seats[i].reader.frames, 2);
		get_up(&seats[i]);
	}
	end(&s);
}

/* ---- with a delay ---- */

static void no_time(struct scene *s)
{
	s->pace.pacer.delay_us = s->pace.pacer.budget_us;
}

/* A frame that nothing is done about yet. */
static void append(struct scene *s, unsigned gop)
{
	CHECK(story_media(&s->story, FRAME_VIDEO, s->story.number % gop == 0,
			  FRAME_BYTES));
	s->story.ms += 40;
}

static bool has_frames(struct seat *t, uint64_t count)
{
	read_peer(t);
	return t->reader.frames >= count;
}

TEST_NO_OOM(while_there_is_a_delay_frames_wait_for_the_viewers_turn)
{
	enum { COUNT = 2 * PACER_SLOTS };
	static struct seat seats[COUNT];
	struct scene s;
	uint64_t before;

	begin(&s, true);
	play(&s, NULL, 1, 50);
	for (int i = 0; i < COUNT; i++)
		sit_down(&seats[i], &s);
	for (int i = 0; i < COUNT; i++)
		settle(&s, &seats[i]);
	no_time(&s);
	before = s.stats.sends;
	append(&s, 50);
	append(&s, 50);
	loop_pass(s.loop);
	CHECK_EQ(s.stats.sends, before);
	for (int i = 0; i < COUNT; i++)
		CHECK(LOOP_UNTIL(s.loop, has_frames(&seats[i], 3)));
	for (int i = 0; i < COUNT; i++) {
		check_well(&seats[i]);
		get_up(&seats[i]);
	}
	end(&s);
}

TEST_NO_OOM(who_comes_while_there_is_a_delay_begins_at_once)
{
	struct scene s;
	struct seat t;

	begin(&s, true);
	play(&s, NULL, 5, 50);
	no_time(&s);
	sit_down(&t, &s);
	settle(&s, &t);
	CHECK_EQ(t.reader.frames, 5);
	end_one(&s, &t);
}

TEST_NO_OOM(who_waits_for_its_turn_while_the_tail_passes_by_is_moved)
{
	struct scene s;
	struct seat t, other;

	begin_one(&s, &t, 1);
	no_time(&s);
	for (int i = 0; i < 210; i++) /* 8.4 s, in one pass */
		append(&s, 50);
	sit_down(&other, &s); /* has the pass look at the wire */
	loop_pass(s.loop);
	CHECK(LOOP_UNTIL(s.loop, (read_peer(&t), t.reader.last_number == 210)));
	check_well(&t);
	CHECK_EQ(t.reader.frames + t.session.skipped, 211);
	CHECK(fanout_wire_bytes(s.fanout) < 160 * FRAME_BYTES + 2 * 65536);
	get_up(&t);
	get_up(&other);
	end(&s);
}

TEST_NO_OOM(a_stream_that_ends_while_there_is_a_delay_ends_its_viewers)
{
	struct scene s;
	struct seat t;

	begin_one(&s, &t, 1);
	no_time(&s);
	append(&s, 50);
	fanout_end(s.fanout, REASON_stream_ended);
	settle(&s, &t);
	CHECK(t.has_ended);
	CHECK_EQ(t.why, REASON_stream_ended);
	get_up(&t);
	end(&s);
}
