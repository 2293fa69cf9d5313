/* common/io/loop_test.c - passes, timers, wakes, descriptors, being away.
 *
 * Not repeated with failing allocations: libuv ends the process when it cannot
 * grow its table of descriptors.
 */
#include "common/io/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io/clock.h"
#include "common/io/loop_wait.h"
#include "common/test/check.h"

struct trace {
	struct loop *loop;
	struct timer *timer;
	struct loop_watch *watch;
	struct wake *wake;
	struct pass_task task[3];
	char text[32];
	size_t len;
	int fd;
	unsigned count;
	unsigned events;
	int64_t before_us;
};

static void note(struct trace *t, char c)
{
	if (t->len < sizeof(t->text) - 1)
		t->text[t->len++] = c;
}

static struct trace begin(void)
{
	struct trace t = {.fd = -1};

	CHECK_EQ(loop_new(&t.loop), 0);
	return t;
}

/* ---- timers ---- */

static void count_and_stop(struct trace *t)
{
	t->count++;
	loop_stop(t->loop);
}

TEST_NO_OOM(a_timer_runs_once_and_not_before_its_time)
{
	struct trace t = begin();
	uint64_t before_us = loop_now_us(t.loop);

	CHECK_EQ(timer_new(&t.timer, t.loop, count_and_stop, &t), 0);
	CHECK(!timer_is_running(t.timer));
	timer_start(t.timer, 20);
	CHECK(timer_is_running(t.timer));
	CHECK_EQ(loop_run(t.loop), 0);
	CHECK_EQ(t.count, 1);
	CHECK(!timer_is_running(t.timer));
	/* libuv counts in whole milliseconds of the pass's time */
	CHECK(loop_now_us(t.loop) - before_us >= 18000);
	timer_free(&t.timer);
	loop_free(&t.loop);
}

static void free_on_third(struct trace *t)
{
	if (++t->count == 3) {
		timer_free(&t->timer);
		loop_stop(t->loop);
	}
}

TEST_NO_OOM(a_repeating_timer_can_be_freed_by_its_own_callback)
{
	struct trace t = begin();

	CHECK_EQ(timer_new(&t.timer, t.loop, free_on_third, &t), 0);
	timer_repeat(t.timer, 1);
	CHECK_EQ(loop_run(t.loop), 0);
	CHECK_EQ(t.count, 3);
	CHECK(!t.timer);
	loop_free(&t.loop);
}

TEST_NO_OOM(a_stopped_timer_does_not_run)
{
	struct trace t = begin();
	struct trace other = {.loop = t.loop};

	CHECK_EQ(timer_new(&t.timer, t.loop, count_and_stop, &t), 0);
	CHECK_EQ(timer_new(&other.timer, t.loop, count_and_stop, &other), 0);
	timer_start(t.timer, 1);
	timer_start(other.timer, 5);
	timer_stop(t.timer);
	CHECK_EQ(loop_run(t.loop), 0);
	CHECK_EQ(t.count, 0);
	CHECK_EQ(other.count, 1);
	timer_free(&t.timer);
	timer_free(&other.timer);
	loop_free(&t.loop);
}

/* ---- wakes ---- */

static void *post_often(void *ctx)
{
	struct trace *t = ctx;

	for (int i = 0; i < 1000; i++)
		wake_post(t->wake);
	return NULL;
}

static void count_wake(struct trace *t)
{
	t->count++;
}

TEST_NO_OOM(posts_from_another_thread_reach_the_loop_and_are_folded)
{
	struct trace t = begin();
	pthread_t thread;

	CHECK_EQ(wake_new(&t.wake, t.loop, count_wake, &t), 0);
	CHECK_EQ(pthread_create(&thread, NULL, post_often, &t), 0);
	CHECK(LOOP_UNTIL(t.loop, t.count > 0));
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK(t.count <= 1000);
	/* a post after a call is followed by another call */
	loop_run_once(t.loop);
	t.count = 0;
	wake_post(t.wake);
	CHECK(LOOP_UNTIL(t.loop, t.count == 1));
	wake_free(&t.wake);
	loop_free(&t.loop);
}

/* ---- the end of a pass ---- */

static void task_c(struct trace *t)
{
	note(t, 'c');
	loop_stop(t->loop);
}

static void task_a(struct trace *t)
{
	note(t, 'a');
	/* runs in the pass after this one, which does not wait */
	loop_at_pass_end(t->loop, &t->task[2], task_c, t);
}

static void task_b(struct trace *t)
{
	note(t, 'b');
}

static void timer_first(struct trace *t)
{
	note(t, 't');
	loop_at_pass_end(t->loop, &t->task[0], task_a, t);
	loop_at_pass_end(t->loop, &t->task[1], task_b, t);
	loop_at_pass_end(t->loop, &t->task[0], task_a, t);
	note(t, 'T');
}

TEST_NO_OOM(pass_end_tasks_run_once_in_order_before_the_loop_waits)
{
	struct trace t = begin();

	CHECK_EQ(timer_new(&t.timer, t.loop, timer_first, &t), 0);
	timer_start(t.timer, 1);
	/* no other event would ever end a wait */
	CHECK_EQ(loop_run(t.loop), 0);
	CHECK_STR(t.text, "tTabc");
	timer_free(&t.timer);
	loop_free(&t.loop);
}

static void cancel_b(struct trace *t)
{
	note(t, 'x');
	pass_task_cancel(&t->task[1]);
	loop_stop(t->loop);
}

TEST_NO_OOM(a_pass_end_task_can_be_cancelled_by_one_before_it)
{
	struct trace t = begin();

	loop_at_pass_end(t.loop, &t.task[0], cancel_b, &t);
	loop_at_pass_end(t.loop, &t.task[1], task_b, &t);
	CHECK_EQ(loop_run(t.loop), 0);
	CHECK_STR(t.text, "x");
	loop_free(&t.loop);
}

static void stop_with_task(struct trace *t)
{
	loop_at_pass_end(t->loop, &t->task[1], task_b, t);
	loop_stop(t->loop);
}

TEST_NO_OOM(the_last_pass_too_has_its_end)
{
	struct trace t = begin();

	CHECK_EQ(timer_new(&t.timer, t.loop, stop_with_task, &t), 0);
	timer_start(t.timer, 0);
	CHECK_EQ(loop_run(t.loop), 0);
	CHECK_STR(t.text, "b");
	timer_free(&t.timer);
	loop_free(&t.loop);
}

/* ---- descriptors ---- */

static void read_and_remove(struct trace *t, unsigned events)
{
	char byte;

	t->events |= events;
	if (read(t->fd, &byte, 1) == 1)
		note(t, byte);
	if (t->len == 2)
		loop_remove(&t->watch);
}

TEST_NO_OOM(a_watch_reports_what_it_asked_for_and_can_remove_itself)
{
	struct trace t = begin();
	int fd[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	t.fd = fd[0];
	CHECK_EQ(loop_add(&t.watch, t.loop, fd[0], LOOP_READABLE,
			  read_and_remove, &t),
		 0);
	CHECK_EQ(write(fd[1], "abc", 3), 3);
	CHECK(LOOP_UNTIL(t.loop, !t.watch));
	CHECK_STR(t.text, "ab");
	CHECK_EQ(t.events, LOOP_READABLE);
	close(fd[0]);
	close(fd[1]);
	loop_free(&t.loop);
}

static void note_events(struct trace *t, unsigned events)
{
	t->events |= events;
	t->count++;
	loop_change(t->watch, 0);
}

TEST_NO_OOM(a_paused_watch_is_silent_until_it_is_changed)
{
	struct trace t = begin();
	int fd[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	CHECK_EQ(loop_add(&t.watch, t.loop, fd[0], 0, note_events, &t), 0);
	CHECK_EQ(write(fd[1], "a", 1), 1);
	loop_change(t.watch, LOOP_READABLE);
	CHECK(LOOP_UNTIL(t.loop, t.count == 1));
	CHECK_EQ(t.events, LOOP_READABLE);
	loop_change(t.watch, LOOP_WRITABLE);
	t.events = 0;
	CHECK(LOOP_UNTIL(t.loop, t.count == 2));
	CHECK_EQ(t.events, LOOP_WRITABLE);
	loop_remove(&t.watch);
	close(fd[0]);
	close(fd[1]);
	loop_free(&t.loop);
}

TEST_NO_OOM(a_descriptor_is_watched_by_one_only)
{
	struct trace t = begin();
	struct loop_watch *second = NULL;
	int fd[2];

	CHECK_EQ(pipe(fd), 0);
	CHECK_EQ(loop_add(&t.watch, t.loop, fd[0], LOOP_READABLE, note_events,
			  &t),
		 0);
	CHECK_EQ(loop_add(&second, t.loop, fd[0], LOOP_READABLE, note_events,
			  &t),
		 -EEXIST);
	CHECK(!second);
	loop_remove(&t.watch);
	close(fd[0]);
	close(fd[1]);
	loop_free(&t.loop);
}

/* ---- busy ---- */

static void burn(struct trace *t)
{
	uint64_t until_us = loop_now_us(t->loop) + 4000;

	while (loop_now_us(t->loop) < until_us)
		;
}

TEST_NO_OOM(a_loop_that_works_most_of_the_time_is_busy)
{
	struct trace t = begin();
	uint64_t until_ms = io_mono_ms() + 10000;

	CHECK_EQ(loop_busy_permille(t.loop), 0);
	CHECK_EQ(timer_new(&t.timer, t.loop, burn, &t), 0);
	timer_repeat(t.timer, 5);
	while (loop_busy_permille(t.loop) == 0 && io_mono_ms() < until_ms)
		loop_run_once(t.loop);
	CHECK(loop_busy_permille(t.loop) > 400);
	CHECK(loop_busy_permille(t.loop) <= 1000);
	timer_free(&t.timer);
	loop_free(&t.loop);
}

/* ---- away ---- */

static void say(int fd, char c)
{
	if (write(fd, &c, 1) != 1)
		_exit(1);
}

static void child_away(struct trace *t, uint64_t away_ms)
{
	say(t->fd, away_ms >= 300 && away_ms < 60000 ? 'A' : '?');
}

static void child_data(struct trace *t, unsigned events)
{
	(void)events;
	say(t->fd, 'D');
	_exit(0);
}

static void child(int data_fd, int say_fd)
{
	struct trace t = {.fd = say_fd};

	if (loop_new(&t.loop) || loop_on_away(t.loop, 300, child_away, &t) ||
	    loop_add(&t.watch, t.loop, data_fd, LOOP_READABLE, child_data, &t))
		_exit(1);
	say(say_fd, 'R');
	_exit(loop_run(t.loop));
}

TEST_NO_OOM(a_stopped_process_knows_before_it_reads_any_socket)
{
	int data[2];
	int said[2];
	char got[3] = {0};
	int status;
	pid_t pid;

	CHECK_EQ(pipe(data), 0);
	CHECK_EQ(pipe(said), 0);
	pid = fork();
	if (pid == 0)
		child(data[0], said[1]);
	CHECK(pid > 0);
	CHECK_EQ(read(said[0], got, 1), 1);
	CHECK_EQ(got[0], 'R');
	CHECK_EQ(kill(pid, SIGSTOP), 0);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(write(data[1], "x", 1), 1);
	/* To be away is to let time pass. */
	CHECK_EQ(usleep(400000), 0);
	CHECK_EQ(kill(pid, SIGCONT), 0);
	CHECK_EQ(read(said[0], got, 1), 1);
	CHECK_EQ(read(said[0], got + 1, 1), 1);
	CHECK_STR(got, "AD");
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	close(data[0]);
	close(data[1]);
	close(said[0]);
	close(said[1]);
}

static void note_away(struct trace *t, uint64_t away_ms)
{
	t->count += away_ms >= 50;
}

static void work_too_long(struct trace *t)
{
	uint64_t until_us = loop_now_us(t->loop) + 60000;

	while (loop_now_us(t->loop) < until_us)
		;
	note(t, loop_check_away(t->loop) ? 'y' : 'n');
	loop_stop(t->loop);
}

/* It is read behind each wait, kept for some questions, and read again. */
static void ask_utc(struct trace *t)
{
	const int64_t first_us = loop_utc_us(t->loop);
	int64_t before_us;

	CHECK(first_us >= t->before_us);
	for (unsigned i = 1; i < LOOP_UTC_USES; i++)
		CHECK_EQ(loop_utc_us(t->loop), first_us);
	do
		before_us = io_utc_us();
	while (before_us == first_us);
	CHECK(loop_utc_us(t->loop) >= before_us);
	t->before_us = io_utc_us();
	note(t, 'u');
	if (t->text[1])
		loop_stop(t->loop);
	else
		timer_start(t->timer, 1);
}

TEST_NO_OOM(the_wall_clock_is_read_behind_each_wait_and_now_and_then)
{
	struct trace t = begin();

	t.before_us = io_utc_us();
	CHECK_EQ(timer_new(&t.timer, t.loop, ask_utc, &t), 0);
	timer_start(t.timer, 0);
	CHECK_EQ(loop_run(t.loop), 0);
	CHECK_STR(t.text, "uu");
	timer_free(&t.timer);
	loop_free(&t.loop);
}

TEST_NO_OOM(a_callback_of_ours_that_takes_too_long_counts_as_away)
{
	struct trace t = begin();

	CHECK_EQ(loop_on_away(t.loop, 50, note_away, &t), 0);
	CHECK_EQ(timer_new(&t.timer, t.loop, work_too_long, &t), 0);
	timer_start(t.timer, 0);
	CHECK_EQ(loop_run(t.loop), 0);
	CHECK_STR(t.text, "y");
	CHECK(t.count >= 1);
	timer_free(&t.timer);
	loop_free(&t.loop);
}

/* ---- clock ---- */

TEST(utc_text_is_iso_8601)
{
	char text[IO_UTC_TEXT_SIZE];

	CHECK_STR(io_utc_text(text, 0), "1970-01-01T00:00:00.000Z");
	CHECK_STR(io_utc_text(text, 1767323045678999),
		  "2026-01-02T03:04:05.678Z");
	CHECK_STR(io_utc_text(text, -5), "1970-01-01T00:00:00.000Z");
	CHECK_STR(io_utc_text(text, INT64_MAX), "9999-12-31T23:59:59.999Z");
}

TEST(uuids_are_version_4_and_differ)
{
	struct uuid a = io_uuid();
	struct uuid b = io_uuid();

	CHECK(!uuid_eq(&a, &b));
	CHECK_EQ(a.byte[6] >> 4, 4);
	CHECK_EQ(a.byte[8] >> 6, 2);
}
