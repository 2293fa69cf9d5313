/* services/cli/child_test.c - starting, watching and ending processes. */
#include "services/cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/test/check.h"

struct seen {
	struct loop *loop;
	char line[256];
	int status;
	bool has_line, has_ended;
};

static void on_ready(void *ctx, struct span line)
{
	struct seen *s = ctx;

	s->has_line = true;
	snprintf(s->line, sizeof(s->line), "%.*s", (int)line.len,
		 (const char *)line.data);
}

static void on_end(void *ctx, int status)
{
	struct seen *s = ctx;

	s->has_ended = true;
	s->status = status;
}

static const struct child_events events = {on_ready, on_end};

static struct child_desc shell(const char *script)
{
	struct child_desc d = {.file = "/bin/sh", .log_fd = -1};

	child_arg(&d, "sh");
	child_arg(&d, "-c");
	child_arg(&d, script);
	return d;
}

/* Run to the end. Returns child_start's error. */
static int run(struct seen *s, const struct child_desc *d)
{
	struct child *c = NULL;
	int err;

	*s = (struct seen){0};
	err = loop_new(&s->loop);
	if (err)
		return err;
	err = child_start(&c, s->loop, d, &events, s);
	while (!err && !s->has_ended)
		loop_run_once(s->loop);
	child_free(&c);
	loop_free(&s->loop);
	return err;
}

TEST(its_ready_line_and_its_end_are_told)
{
	struct child_desc d = shell("echo '{\"a\":1}' >&3; exit 7");
	char text[48];
	struct seen s;

	d.has_ready = true;
	CHECK_EQ(child_ready_fd(&d), 3);
	CHECK_EQ(run(&s, &d), 0);
	CHECK_STR(child_status_text(text, s.status), "ended with status 7");
	if (s.has_line) /* or it ended in the same pass */
		CHECK_STR(s.line, "{\"a\":1}");
}

TEST(a_line_comes_while_it_lives)
{
	struct child_desc d = shell("echo up >&3; exec sleep 100");
	struct child *c = NULL;
	struct seen s = {0};
	char text[48];
	int err;

	d.has_ready = true;
	CHECK_EQ(loop_new(&s.loop), 0);
	err = child_start(&c, s.loop, &d, &events, &s);
	while (!err && !s.has_line)
		loop_run_once(s.loop);
	if (!err) {
		CHECK_STR(s.line, "up");
		CHECK(!s.has_ended);
		child_signal(c, SIGTERM);
	}
	while (!err && !s.has_ended)
		loop_run_once(s.loop);
	child_free(&c);
	loop_free(&s.loop);
	CHECK_EQ(err, 0);
	CHECK_STR(child_status_text(text, s.status), "was killed by SIGTERM");
}

TEST(passed_sockets_are_named_and_nothing_else_is_left_open)
{
	int pair[2], other = -1;
	struct child_desc d =
		shell("test \"$LISTEN_FDS:$LISTEN_FDNAMES\" = 2:rtmp:http && "
		      "test -z \"$LISTEN_PID\" && test -e /proc/self/fd/3 && "
		      "test -e /proc/self/fd/4 && ! test -e /proc/self/fd/5 && "
		      "echo ok >&3");
	char got[8] = "";
	struct seen s;
	int err;

	CHECK_EQ(pipe2(pair, O_CLOEXEC), 0);
	other = fcntl(pair[0], F_DUPFD, 5); /* without close-on-exec */
	d.pass[0].name = "rtmp";
	d.pass[0].fd = pair[1];
	d.pass[1].name = "http";
	d.pass[1].fd = pair[0];
	d.pass_count = 2;
	err = run(&s, &d);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	if (!err)
		CHECK_EQ(read(pair[0], got, sizeof(got)), 3);
	close(pair[0]);
	close(pair[1]);
	close(other);
	CHECK_EQ(err, 0);
	CHECK(WIFEXITED(s.status) && WEXITSTATUS(s.status) == 0);
}

TEST(what_cannot_be_started_ends_with_127)
{
	struct child_desc d = {.file = "/nonexistent/weir-nothing"};
	struct seen s;

	d.log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	child_arg(&d, d.file);
	CHECK_EQ(run(&s, &d), 0);
	close(d.log_fd);
	CHECK(WIFEXITED(s.status) && WEXITSTATUS(s.status) == 127);
}

TEST(a_child_that_is_freed_is_killed)
{
	struct child_desc d = shell("exec sleep 100");
	struct child *c = NULL;
	struct seen s = {0};
	pid_t pid;

	CHECK_EQ(loop_new(&s.loop), 0);
	if (!child_start(&c, s.loop, &d, &events, &s)) {
		pid = child_pid(c);
		child_free(&c);
		CHECK(kill(pid, 0) == -1 && errno == ESRCH);
	}
	loop_free(&s.loop);
	CHECK(!s.has_ended);
}
