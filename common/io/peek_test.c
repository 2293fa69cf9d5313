/* common/io/peek_test.c - looking at bytes that stay where they are.
 *
 * Not repeated with failing allocations: libuv ends the process when its table
 * cannot grow.
 */
#include "common/io/peek.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/io/loop_wait.h"
#include "common/io/net.h"
#include "common/test/check.h"

#define MAX 100

struct scene {
	struct loop *loop;
	struct peek *peek;
	int peer; /* which sends */
	int fd;   /* which is looked at */
	struct buf seen;
	unsigned calls;
	size_t enough; /* bytes after which it ends by itself */
	bool is_last;
};

static void on_peek(struct scene *s, struct span in, bool is_last)
{
	CHECK(!s->is_last);
	CHECK(is_last || in.len > s->seen.len);
	buf_clear(&s->seen);
	buf_put(&s->seen, in);
	s->calls++;
	s->is_last = is_last;
	if (s->enough && in.len >= s->enough)
		peek_free(&s->peek);
}

static int tcp_pair(int pair[2])
{
	struct net_addr addr;
	int door = -1;
	int err = net_addr_parse(&addr, "127.0.0.1:0");

	if (!err)
		err = net_listen(&door, &addr);
	if (!err)
		err = net_local_addr(&addr, door);
	if (!err)
		err = net_connect(&pair[0], &addr);
	while (!err && (pair[1] = accept(door, NULL, NULL)) < 0)
		if (errno != EAGAIN && errno != EINTR)
			err = -errno;
	if (door >= 0)
		close(door);
	return err;
}

static void begin(struct scene *s)
{
	int pair[2];

	*s = (struct scene){0};
	CHECK_EQ(loop_new(&s->loop), 0);
	CHECK_EQ(tcp_pair(pair), 0);
	s->peer = pair[0];
	s->fd = pair[1];
	CHECK_EQ(peek_new(&s->peek, s->loop, s->fd, MAX, on_peek, s), 0);
}

static void end(struct scene *s)
{
	peek_free(&s->peek);
	if (s->peer >= 0)
		close(s->peer);
	close(s->fd);
	loop_free(&s->loop);
	buf_fini(&s->seen);
}

static void say(struct scene *s, const char *text)
{
	CHECK_EQ(send(s->peer, text, strlen(text), MSG_NOSIGNAL),
		 (ssize_t)strlen(text));
}

static bool saw(struct scene *s, const char *text)
{
	return span_eq_str(buf_span(&s->seen), text);
}

#define UNTIL_SAW(s, text) CHECK(LOOP_UNTIL((s)->loop, saw((s), (text))))

static void set(bool *flag)
{
	*flag = true;
}

/* How often the loop turns until a timer has run: not for what was seen. */
static unsigned passes(struct scene *s)
{
	struct timer *t;
	bool is_over = false;
	unsigned count = 0;

	CHECK_EQ(timer_new(&t, s->loop, set, &is_over), 0);
	timer_start(t, 20);
	while (!is_over) {
		loop_run_once(s->loop);
		count++;
	}
	timer_free(&t);
	return count;
}

TEST_NO_OOM(bytes_are_shown_as_they_come_and_stay_in_the_socket)
{
	struct scene s;
	char got[16];

	begin(&s);
	say(&s, "GET");
	UNTIL_SAW(&s, "GET");
	say(&s, " /");
	UNTIL_SAW(&s, "GET /");
	CHECK_EQ(s.calls, 2);
	CHECK(!s.is_last);
	peek_free(&s.peek);
	CHECK_EQ(recv(s.fd, got, sizeof(got), MSG_DONTWAIT), 5);
	end(&s);
}

TEST_NO_OOM(a_slow_peer_wakes_nobody_for_what_was_there)
{
	struct scene s;

	begin(&s);
	say(&s, "GET");
	UNTIL_SAW(&s, "GET");
	CHECK(passes(&s) < 5);
	CHECK_EQ(s.calls, 1);
	end(&s);
}

TEST_NO_OOM(the_end_of_the_peer_is_told_with_all_that_it_said)
{
	struct scene s;

	begin(&s);
	say(&s, "GET");
	UNTIL_SAW(&s, "GET");
	close(s.peer);
	s.peer = -1;
	CHECK(LOOP_UNTIL(s.loop, s.is_last));
	CHECK(saw(&s, "GET"));
	CHECK(passes(&s) < 5);
	CHECK_EQ(s.calls, 2);
	end(&s);
}

TEST_NO_OOM(half_a_close_is_the_end_of_what_it_says)
{
	struct scene s;

	begin(&s);
	say(&s, "GET");
	shutdown(s.peer, SHUT_WR);
	CHECK(LOOP_UNTIL(s.loop, s.is_last));
	CHECK(saw(&s, "GET"));
	end(&s);
}

TEST_NO_OOM(who_says_nothing_is_told_as_nothing)
{
	struct scene s;

	begin(&s);
	close(s.peer);
	s.peer = -1;
	CHECK(LOOP_UNTIL(s.loop, s.is_last));
	CHECK_EQ(s.seen.len, 0);
	end(&s);
}

TEST_NO_OOM(a_reset_is_an_end_too)
{
	const struct linger now = {.l_onoff = 1};
	struct scene s;

	begin(&s);
	say(&s, "GET");
	UNTIL_SAW(&s, "GET");
	setsockopt(s.peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(s.peer);
	s.peer = -1;
	CHECK(LOOP_UNTIL(s.loop, s.is_last));
	end(&s);
}

TEST_NO_OOM(nobody_is_shown_more_than_was_asked_for)
{
	char text[MAX + 51] = "";
	struct scene s;

	begin(&s);
	memset(text, 'x', MAX + 50);
	say(&s, text);
	CHECK(LOOP_UNTIL(s.loop, s.is_last));
	CHECK_EQ(s.seen.len, MAX);
	CHECK(passes(&s) < 5);
	CHECK_EQ(s.calls, 1);
	end(&s);
}

TEST_NO_OOM(the_callback_may_end_it_and_others_read_then)
{
	struct scene s;
	char byte;

	begin(&s);
	s.enough = 3;
	say(&s, "GET");
	CHECK(LOOP_UNTIL(s.loop, !s.peek));
	/* One byte is readable again, whatever was waited for. */
	CHECK_EQ(recv(s.fd, &byte, 1, MSG_DONTWAIT), 1);
	CHECK(passes(&s) < 5);
	end(&s);
}
