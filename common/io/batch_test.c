/* common/io/batch_test.c - descriptors that are looked at together, and rest.
 *
 * Not repeated with failing allocations: libuv ends the process when it cannot
 * grow its table of descriptors.
 */
#include "common/io/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io/loop_wait.h"
#include "common/io/net.h"
#include "common/test/check.h"

#define MEMBERS_MAX 48
#define LONG_MS     600000 /* no test waits for the end of such a rest */

struct rig;

struct member {
	struct rig *rig;
	struct loop_watch *watch;
	int fd, peer; /* ours, and the one that is written to */
	unsigned calls, bytes, aheads, events;
	bool leaves_bytes; /* its callback reads nothing */
};

struct rig {
	struct loop *loop;
	struct batch *batch;
	struct member member[MEMBERS_MAX];
	size_t count;
	unsigned rest_ms; /* to answer */
	unsigned rests;   /* how often that was asked */
	unsigned calls;   /* of all members */
	unsigned steps;   /* of all members */
	char order[512];  /* a step: its number; a callback: '!' */
	size_t order_len;
	struct member *victim;
	void (*deed)(struct rig *r, struct member *self); /* in callbacks */
};

static void note(struct rig *r, char c)
{
	if (r->order_len < sizeof(r->order) - 1)
		r->order[r->order_len++] = c;
}

static unsigned rest(struct rig *r)
{
	r->rests++;
	return r->rest_ms;
}

static void on_ahead(struct member *m, unsigned step)
{
	CHECK_EQ(step, m->aheads % BATCH_AHEAD_STEPS);
	m->aheads++;
	m->rig->steps++;
	note(m->rig, (char)('0' + step));
}

static void on_events(struct member *m, unsigned events)
{
	struct rig *r = m->rig;
	char some[64];
	ssize_t n = 0;

	m->calls++;
	m->events |= events;
	r->calls++;
	note(r, '!');
	if (events & LOOP_READABLE && !m->leaves_bytes)
		n = recv(m->fd, some, sizeof(some), MSG_DONTWAIT);
	if (n > 0)
		m->bytes += (unsigned)n;
	if (r->deed)
		r->deed(r, m);
}

static void watch(struct rig *r, struct member *m, unsigned events)
{
	CHECK_EQ(batch_add(&m->watch, r->batch, m->fd, events, on_events,
			   on_ahead, m),
		 0);
}

static struct member *join(struct rig *r, unsigned events)
{
	struct member *m = &r->member[r->count++];
	int fd[2];

	CHECK(r->count <= MEMBERS_MAX);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	m->rig = r;
	m->fd = fd[0];
	m->peer = fd[1];
	watch(r, m, events);
	return m;
}

static void begin(struct rig *r, size_t count)
{
	CHECK_EQ(loop_new(&r->loop), 0);
	CHECK_EQ(batch_new(&r->batch, r->loop, rest, r), 0);
	for (size_t i = 0; i < count; i++)
		join(r, LOOP_READABLE);
}

static void close_member(struct member *m)
{
	loop_remove(&m->watch);
	if (m->fd >= 0)
		close(m->fd);
	if (m->peer >= 0)
		close(m->peer);
	m->fd = m->peer = -1;
}

static void end(struct rig *r)
{
	for (size_t i = 0; i < r->count; i++)
		close_member(&r->member[i]);
	batch_free(&r->batch);
	CHECK(!r->batch);
	loop_free(&r->loop);
}

static void say(const struct member *m)
{
	CHECK_EQ(write(m->peer, "x", 1), 1);
}

static void say_all(struct rig *r)
{
	for (size_t i = 0; i < r->count; i++)
		say(&r->member[i]);
}

static void check_each(const struct rig *r, unsigned calls)
{
	for (size_t i = 0; i < r->count; i++) {
		CHECK_EQ(r->member[i].calls, calls);
		CHECK_EQ(r->member[i].bytes, calls);
		CHECK_EQ(r->member[i].aheads, calls * BATCH_AHEAD_STEPS);
	}
}

/* ---- looking ---- */

TEST_NO_OOM(all_steps_ahead_come_for_all_before_the_first_callback)
{
	struct rig r = {0};

	begin(&r, 3);
	say_all(&r);
	CHECK(LOOP_UNTIL(r.loop, r.calls > 0));
	CHECK_EQ(r.calls, 3); /* in one look */
	CHECK_STR(r.order, "000111222333444555!!!");
	check_each(&r, 1);
	CHECK_EQ(r.rests, 1);
	end(&r);
}

TEST_NO_OOM(more_than_a_group_are_served_in_one_look_each_once)
{
	struct rig r = {0};

	begin(&r, MEMBERS_MAX - 3);
	say_all(&r);
	CHECK(LOOP_UNTIL(r.loop, r.calls > 0));
	CHECK_EQ(r.rests, 1);
	check_each(&r, 1);
	CHECK(!strncmp(r.order, "0000000000000000111", 19));
	end(&r);
}

TEST_NO_OOM(who_was_not_read_to_its_end_is_served_again)
{
	struct rig r = {0};
	char much[200] = {0};

	begin(&r, 2);
	CHECK_EQ(write(r.member[0].peer, much, sizeof(much)), sizeof(much));
	CHECK(LOOP_UNTIL(r.loop, r.member[0].bytes == sizeof(much)));
	CHECK_EQ(r.member[0].calls, 4);
	CHECK_EQ(r.member[1].calls, 0);
	end(&r);
}

/* It goes on for ever, and what else the loop has to do is done all the same. */
TEST_NO_OOM(a_crowd_that_never_ends_leaves_others_their_turn)
{
	struct rig r = {.rest_ms = LONG_MS};
	struct timer *tick;

	begin(&r, MEMBERS_MAX);
	for (size_t i = 0; i < r.count; i++)
		r.member[i].leaves_bytes = true;
	say_all(&r);
	CHECK_EQ(timer_new(&tick, r.loop, loop_wait_tick, NULL), 0);
	timer_start(tick, 1);
	CHECK(LOOP_UNTIL(r.loop, !timer_is_running(tick) && r.calls > 0));
	CHECK_EQ(r.rests, 0); /* a look that was cut short is not the end */
	timer_free(&tick);
	end(&r);
}

TEST_NO_OOM(only_what_was_asked_for_is_reported)
{
	struct rig r = {0};
	struct member *m;

	begin(&r, 0);
	m = join(&r, 0);
	say(m);
	loop_run_passes(r.loop, 5);
	CHECK_EQ(m->calls, 0);
	loop_change(m->watch, LOOP_WRITABLE);
	CHECK(LOOP_UNTIL(r.loop, m->calls > 0));
	CHECK_EQ(m->events, LOOP_WRITABLE);
	loop_change(m->watch, LOOP_READABLE | LOOP_WRITABLE);
	CHECK(LOOP_UNTIL(r.loop, m->bytes == 1));
	CHECK_EQ(m->events, LOOP_READABLE | LOOP_WRITABLE);
	end(&r);
}

/* ---- what callbacks may do ---- */

static void remove_victim(struct rig *r, struct member *self)
{
	r->victim = &r->member[self == &r->member[0]];
	close_member(r->victim);
	r->deed = NULL;
}

TEST_NO_OOM(a_callback_may_remove_another_watch_of_its_group)
{
	struct rig r = {.deed = remove_victim};

	begin(&r, 3);
	say_all(&r);
	CHECK(LOOP_UNTIL(r.loop, r.calls >= 2));
	loop_run_passes(r.loop, 5);
	CHECK_EQ(r.calls, 2);
	CHECK_EQ(r.victim->calls, 0);
	end(&r);
}

static void remove_self(struct rig *r, struct member *self)
{
	(void)r;
	close_member(self);
}

TEST_NO_OOM(callbacks_may_remove_their_own_watch)
{
	struct rig r = {.deed = remove_self};

	begin(&r, 3);
	say_all(&r);
	CHECK(LOOP_UNTIL(r.loop, r.calls == 3));
	check_each(&r, 1);
	end(&r);
}

static void remove_all(struct rig *r, struct member *self)
{
	(void)self;
	for (size_t i = 0; i < r->count; i++)
		close_member(&r->member[i]);
}

TEST_NO_OOM(a_callback_may_remove_all_of_them)
{
	struct rig r = {.deed = remove_all};

	begin(&r, MEMBERS_MAX);
	say_all(&r);
	CHECK(LOOP_UNTIL(r.loop, r.calls > 0));
	loop_run_passes(r.loop, 5);
	CHECK_EQ(r.calls, 1);
	end(&r);
}

static void pause_victim(struct rig *r, struct member *self)
{
	r->victim = &r->member[self == &r->member[0]];
	loop_change(r->victim->watch, 0);
	r->deed = NULL;
}

TEST_NO_OOM(a_callback_may_pause_another_watch_of_its_group)
{
	struct rig r = {.deed = pause_victim};

	begin(&r, 2);
	say_all(&r);
	CHECK(LOOP_UNTIL(r.loop, r.calls > 0));
	loop_run_passes(r.loop, 5);
	CHECK_EQ(r.calls, 1);
	loop_change(r.victim->watch, LOOP_READABLE);
	CHECK(LOOP_UNTIL(r.loop, r.calls == 2));
	CHECK_EQ(r.victim->bytes, 1);
	end(&r);
}

/* The new watch may well lie where the old one lay. */
static void replace_victim(struct rig *r, struct member *self)
{
	r->victim = &r->member[self == &r->member[0]];
	loop_remove(&r->victim->watch);
	watch(r, r->victim, LOOP_WRITABLE);
	r->deed = NULL;
}

TEST_NO_OOM(what_was_found_of_an_old_watch_is_not_told_to_the_new_one)
{
	struct rig r = {.deed = replace_victim};

	begin(&r, 2);
	say_all(&r);
	CHECK(LOOP_UNTIL(r.loop, r.victim && r.victim->calls > 0));
	CHECK_EQ(r.victim->events, LOOP_WRITABLE);
	CHECK_EQ(r.victim->bytes, 0);
	end(&r);
}

static void stop_loop(struct rig *r, struct member *self)
{
	(void)self;
	loop_stop(r->loop);
}

TEST_NO_OOM(a_loop_that_is_stopped_ends_behind_the_look)
{
	struct rig r = {.deed = stop_loop, .rest_ms = LONG_MS};

	begin(&r, 3);
	say_all(&r);
	CHECK_EQ(loop_run(r.loop), 0);
	check_each(&r, 1);
	end(&r);
}

/* ---- resting ---- */

static void count(unsigned *counter)
{
	++*counter;
}

TEST_NO_OOM(nothing_is_looked_at_in_a_rest_and_all_else_goes_on)
{
	struct rig r = {.rest_ms = LONG_MS};
	struct member alone = {.rig = &r};
	struct timer *timer;
	unsigned ticks = 0;
	int fd[2];

	begin(&r, 2);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	alone.fd = fd[0];
	CHECK_EQ(loop_add(&alone.watch, r.loop, fd[0], LOOP_READABLE, on_events,
			  &alone),
		 0);
	say_all(&r);
	CHECK(LOOP_UNTIL(r.loop, r.calls == 2));
	say_all(&r);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_EQ(timer_new(&timer, r.loop, count, &ticks), 0);
	timer_repeat(timer, 1);
	CHECK(LOOP_UNTIL(r.loop, alone.calls == 1 && ticks >= 10));
	check_each(&r, 1);
	CHECK_EQ(r.rests, 1);
	timer_free(&timer);
	loop_remove(&alone.watch);
	close(fd[0]);
	close(fd[1]);
	end(&r);
}

TEST_NO_OOM(what_came_in_a_rest_is_served_together_behind_it)
{
	struct rig r = {.rest_ms = 1};
	struct member *first;

	begin(&r, 3);
	first = &r.member[0];
	say(first);
	CHECK(LOOP_UNTIL(r.loop, r.calls == 1));
	r.rest_ms = LONG_MS;
	r.order_len = 0;
	memset(r.order, 0, sizeof(r.order));
	say_all(&r);
	CHECK(LOOP_UNTIL(r.loop, r.calls > 1));
	CHECK_STR(r.order, "000111222333444555!!!");
	CHECK_EQ(r.rests, 2);
	end(&r);
}

/* The first rest ends in a look that finds nothing, and then each byte is seen as
 * it comes: a rest would be asked for. */
TEST_NO_OOM(a_look_that_finds_nothing_is_followed_by_no_rest)
{
	struct rig r = {.rest_ms = 1};

	begin(&r, 1);
	say_all(&r);
	CHECK(LOOP_UNTIL(r.loop, r.calls == 1));
	loop_run_passes(r.loop, 10);
	CHECK_EQ(r.rests, 1);
	r.rest_ms = LONG_MS;
	say_all(&r);
	CHECK(LOOP_UNTIL(r.loop, r.calls == 2));
	CHECK_EQ(r.rests, 2);
	end(&r);
}

TEST_NO_OOM(without_a_rest_everything_is_seen_as_it_comes)
{
	struct rig r = {0};

	begin(&r, 2);
	for (unsigned i = 1; i <= 5; i++) {
		say_all(&r);
		CHECK(LOOP_UNTIL(r.loop, r.calls == 2 * i));
		CHECK_EQ(r.rests, i);
	}
	check_each(&r, 5);
	end(&r);
}

static void press(struct rig *r, struct member *self)
{
	(void)self;
	batch_press(r->batch);
}

TEST_NO_OOM(who_leaves_something_unread_is_not_kept_waiting)
{
	struct rig r = {.rest_ms = LONG_MS, .deed = press};
	char much[200] = {0};

	begin(&r, 1);
	CHECK_EQ(write(r.member[0].peer, much, sizeof(much)), sizeof(much));
	CHECK(LOOP_UNTIL(r.loop, r.calls == 4));
	CHECK_EQ(r.member[0].bytes, sizeof(much));
	CHECK_EQ(r.rests, 0);
	r.deed = NULL;
	say_all(&r);
	CHECK(LOOP_UNTIL(r.loop, r.calls == 5));
	CHECK_EQ(r.rests, 1); /* the press was of that look */
	end(&r);
}

TEST_NO_OOM(watches_come_and_go_in_a_rest)
{
	struct rig r = {.rest_ms = 100};
	struct member *late;

	begin(&r, 3);
	say_all(&r);
	CHECK(LOOP_UNTIL(r.loop, r.calls == 3));
	r.rest_ms = LONG_MS;
	say_all(&r);
	loop_change(r.member[0].watch, 0);
	close_member(&r.member[1]);
	late = join(&r, LOOP_READABLE);
	say(late);
	CHECK(LOOP_UNTIL(r.loop, r.calls > 3));
	CHECK_EQ(r.member[0].calls, 1);
	CHECK_EQ(r.member[1].calls, 1);
	CHECK_EQ(r.member[2].calls, 2);
	CHECK_EQ(late->calls, 1);
	end(&r);
}

TEST_NO_OOM(a_batch_may_be_freed_while_it_rests_or_unused)
{
	struct rig r = {.rest_ms = 5};
	struct batch *none = NULL;

	begin(&r, 2);
	say_all(&r);
	CHECK(LOOP_UNTIL(r.loop, r.calls == 2));
	for (size_t i = 0; i < r.count; i++)
		close_member(&r.member[i]);
	batch_free(&r.batch);
	batch_free(&none);
	loop_run_passes(r.loop, 20); /* the end of that rest is nothing now */
	CHECK_EQ(r.rests, 1);
	CHECK_EQ(batch_new(&r.batch, r.loop, rest, &r), 0);
	end(&r);
}

/* ---- what breaks ---- */

/* Two ends of a TCP connection, the first with what is watched. */
static void tcp_member(struct rig *r, struct member *m, unsigned events)
{
	struct net_addr addr;
	int listen_fd;

	CHECK_EQ(net_addr_parse(&addr, "127.0.0.1:0"), 0);
	CHECK_EQ(net_listen(&listen_fd, &addr), 0);
	CHECK_EQ(net_local_addr(&addr, listen_fd), 0);
	m->rig = r;
	m->peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(connect(m->peer, (struct sockaddr *)&addr.ss, addr.len), 0);
	m->fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	CHECK(m->fd >= 0);
	close(listen_fd);
	watch(r, m, events);
}

static void reset(struct member *m)
{
	const struct linger hard = {.l_onoff = 1};

	CHECK_EQ(
		setsockopt(m->peer, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)),
		0);
	close(m->peer);
	m->peer = -1;
}

TEST_NO_OOM(a_reset_is_an_error_that_is_told_once_and_ends_the_watching)
{
	struct rig r = {0};
	struct member *m;

	begin(&r, 1);
	m = &r.member[r.count++];
	m->leaves_bytes = true;
	tcp_member(&r, m, LOOP_READABLE);
	reset(m);
	CHECK(LOOP_UNTIL(r.loop, m->calls > 0));
	loop_run_passes(r.loop, 5);
	CHECK_EQ(m->calls, 1);
	CHECK_EQ(m->events, LOOP_READABLE | LOOP_WRITABLE | LOOP_ERROR);
	CHECK_EQ(net_socket_error(m->fd), -ECONNRESET);
	CHECK_EQ(r.member[0].calls, 0);
	end(&r);
}

TEST_NO_OOM(a_paused_watch_does_not_hear_of_a_reset_until_it_is_changed)
{
	struct rig r = {0};
	struct member *m = &r.member[0];

	begin(&r, 0);
	r.count = 1;
	tcp_member(&r, m, 0);
	reset(m);
	loop_run_passes(r.loop, 5);
	CHECK_EQ(m->calls, 0);
	loop_change(m->watch, LOOP_READABLE);
	CHECK(LOOP_UNTIL(r.loop, m->calls == 1));
	CHECK(m->events & LOOP_ERROR);
	end(&r);
}

static void pause_self(struct rig *r, struct member *self)
{
	(void)r;
	loop_change(self->watch, 0);
}

TEST_NO_OOM(who_waits_for_room_hears_that_the_peer_has_left)
{
	struct rig r = {.deed = pause_self};
	static char block[1u << 20];
	struct member *m;

	begin(&r, 0);
	m = join(&r, 0);
	while (send(m->fd, block, sizeof(block), MSG_DONTWAIT) > 0)
		;
	loop_change(m->watch, LOOP_WRITABLE);
	loop_run_passes(r.loop, 5);
	CHECK_EQ(m->calls, 0);
	close(m->peer);
	m->peer = -1;
	CHECK(LOOP_UNTIL(r.loop, m->calls == 1));
	CHECK(m->events & LOOP_WRITABLE);
	end(&r);
}

TEST_NO_OOM(what_the_kernel_does_not_watch_again_is_broken_and_nobody_else)
{
	struct rig r = {0};
	struct member *m;
	int fd;

	begin(&r, 2);
	m = &r.member[0];
	loop_change(m->watch, 0);
	fd = dup(m->fd);
	close(m->fd);
	loop_change(m->watch, LOOP_READABLE);
	CHECK_EQ(m->calls, 0);
	m->fd = fd;
	say(&r.member[1]);
	CHECK(LOOP_UNTIL(r.loop, r.member[1].calls == 1));
	CHECK_EQ(m->calls, 1);
	CHECK(m->events & LOOP_ERROR);
	end(&r);
}

TEST_NO_OOM(who_is_broken_and_removed_hears_nothing)
{
	struct rig r = {0};
	struct member *m;

	begin(&r, 1);
	m = &r.member[0];
	loop_change(m->watch, 0);
	close(m->fd);
	loop_change(m->watch, LOOP_READABLE);
	loop_remove(&m->watch);
	m->fd = -1;
	loop_run_passes(r.loop, 5);
	CHECK_EQ(r.calls, 0);
	end(&r);
}

TEST_NO_OOM(a_descriptor_is_in_a_batch_once_and_a_file_never)
{
	struct rig r = {0};
	struct member again = {.rig = &r};
	char path[TEST_PATH_SIZE];
	int fd;

	begin(&r, 1);
	test_path(path);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(batch_add(&again.watch, r.batch, r.member[0].fd, LOOP_READABLE,
			   on_events, on_ahead, &again),
		 -EEXIST);
	CHECK_EQ(batch_add(&again.watch, r.batch, fd, LOOP_READABLE, on_events,
			   on_ahead, &again),
		 -EPERM);
	CHECK(!again.watch);
	close(fd);
	end(&r);
}
