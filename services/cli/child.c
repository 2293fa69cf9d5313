/* services/cli/child.c - one process that we start, watch and end. */
#include "services/cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_PASSED 3
#define OUT_OF_WAY   64 /* where descriptors are put before they are placed */

extern char **environ;

struct child {
	pid_t pid;
	int pidfd;
	int ready; /* our end of the pipe, or -1 */
	struct loop_watch *exit_watch, *ready_watch;
	struct child_events events;
	void *ctx;
	char line[CHILD_LINE_MAX];
	size_t line_len;
	bool has_ended;
};

void child_arg(struct child_desc *d, const char *arg)
{
	BUG_ON(d->arg_count >= CHILD_ARGS_MAX - 1);
	d->arg[d->arg_count++] = arg;
}

int child_ready_fd(const struct child_desc *d)
{
	return FIRST_PASSED + (int)d->pass_count;
}

/* ---- the environment: ours, and the passed sockets ---- */

struct env {
	char **var;
	char fds[32];
	char names[256];
};

static bool is_listen_var(const char *var)
{
	return !strncmp(var, "LISTEN_", 7);
}

static int make_env(struct env *e, const struct child_desc *d)
{
	size_t count = 0, len = 0;

	while (environ[count])
		count++;
	e->var = calloc(count + 3, sizeof(char *));
	if (!e->var)
		return WEIR_ENOMEM;
	count = 0;
	for (char **v = environ; *v; v++)
		if (!is_listen_var(*v))
			e->var[count++] = *v;
	if (!d->pass_count)
		return 0;
	snprintf(e->fds, sizeof(e->fds), "LISTEN_FDS=%zu", d->pass_count);
	len = (size_t)snprintf(e->names, sizeof(e->names), "LISTEN_FDNAMES=");
	for (size_t i = 0; i < d->pass_count && len < sizeof(e->names); i++)
		len += (size_t)snprintf(e->names + len, sizeof(e->names) - len,
					"%s%s", i ? ":" : "", d->pass[i].name);
	e->var[count++] = e->fds;
	e->var[count] = e->names;
	return 0;
}

/* ---- in the child, between fork and exec: system calls only ---- */

static bool place_fds(const struct child_desc *d, int ready)
{
	int at[CHILD_PASS_MAX + 2];
	size_t count = d->pass_count;

	for (size_t i = 0; i < count; i++)
		at[i] = fcntl(d->pass[i].fd, F_DUPFD_CLOEXEC, OUT_OF_WAY);
	if (ready >= 0)
		at[count++] = fcntl(ready, F_DUPFD_CLOEXEC, OUT_OF_WAY);
	if (d->life_fd > 0)
		at[count++] = fcntl(d->life_fd, F_DUPFD_CLOEXEC, OUT_OF_WAY);
	for (size_t i = 0; i < count; i++)
		if (at[i] < 0 || dup2(at[i], FIRST_PASSED + (int)i) < 0)
			return false;
	/* What we hold without close-on-exec (our own parent's gifts) ends
	 * here. */
	for (int fd = FIRST_PASSED + (int)count; fd < OUT_OF_WAY; fd++)
		close(fd);
	return true;
}

static void place_output(int log_fd)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null >= 0)
		dup2(null, STDIN_FILENO);
	if (log_fd >= 0) {
		dup2(log_fd, STDOUT_FILENO);
		dup2(log_fd, STDERR_FILENO);
	}
}

static void WEIR_NORETURN become(const struct child_desc *d, char **env,
				 int ready, pid_t parent)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it died before we asked */
		_exit(127);
	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	place_output(d->log_fd);
	if (place_fds(d, ready))
		execvpe(d->file, (char *const *)(uintptr_t)d->arg, env);
	dprintf(STDERR_FILENO, "%s: cannot be started: %s\n", d->file,
		strerror(errno));
	_exit(127);
}

/* ---- in the parent ---- */

static void on_exit_event(struct child *c, unsigned events)
{
	int status = 0;

	(void)events;
	if (waitpid(c->pid, &status, WNOHANG) != c->pid)
		return;
	c->has_ended = true;
	loop_remove(&c->exit_watch);
	loop_remove(&c->ready_watch);
	c->events.on_exit(c->ctx, status);
}

static void end_ready(struct child *c)
{
	loop_remove(&c->ready_watch);
	close(c->ready);
	c->ready = -1;
}

static void on_ready_event(struct child *c, unsigned events)
{
	ssize_t n = read(c->ready, c->line + c->line_len,
			 sizeof(c->line) - c->line_len);
	uint8_t *end;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_ready(c);
		return;
	}
	c->line_len += (size_t)n;
	end = memchr(c->line, '\n', c->line_len);
	if (!end && c->line_len < sizeof(c->line))
		return;
	end_ready(c);
	if (end)
		c->events.on_ready(
			c->ctx,
			span_of(c->line, (size_t)(end - (uint8_t *)c->line)));
}

static int watch(struct child *c, struct loop *loop)
{
	int err;

	c->pidfd = pidfd_open(c->pid, 0);
	if (c->pidfd < 0)
		return -errno;
	err = loop_add(&c->exit_watch, loop, c->pidfd, LOOP_READABLE,
		       on_exit_event, c);
	if (!err && c->ready >= 0)
		err = loop_add(&c->ready_watch, loop, c->ready, LOOP_READABLE,
			       on_ready_event, c);
	return err;
}

static int start(struct child *c, struct loop *loop, const struct child_desc *d)
{
	int pipe_fd[2] = {-1, -1};
	pid_t self = getpid();
	struct env env = {0};
	int err = make_env(&env, d);

	if (!err && d->has_ready && pipe2(pipe_fd, O_CLOEXEC))
		err = -errno;
	if (!err) {
		c->ready = pipe_fd[0];
		c->pid = fork();
		if (!c->pid)
			become(d, env.var, pipe_fd[1], self);
		err = c->pid < 0 ? -errno : watch(c, loop);
	}
	if (pipe_fd[1] >= 0)
		close(pipe_fd[1]);
	free(env.var);
	return err;
}

int child_start(struct child **out, struct loop *loop,
		const struct child_desc *d, const struct child_events *events,
		void *ctx)
{
	struct child *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return WEIR_ENOMEM;
	c->pid = c->pidfd = c->ready = -1;
	c->events = *events;
	c->ctx = ctx;
	err = start(c, loop, d);
	if (err)
		child_free(&c);
	else
		*out = c;
	return err;
}

pid_t child_pid(const struct child *c)
{
	return c->pid;
}

void child_signal(struct child *c, int signal)
{
	if (!c->has_ended && c->pid > 0)
		kill(c->pid, signal);
}

void child_free(struct child **cp)
{
	struct child *c = *cp;

	if (!c)
		return;
	if (!c->has_ended && c->pid > 0) {
		kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	loop_remove(&c->exit_watch);
	loop_remove(&c->ready_watch);
	if (c->pidfd >= 0)
		close(c->pidfd);
	if (c->ready >= 0)
		close(c->ready);
	free(c);
	*cp = NULL;
}

char *child_status_text(char out[48], int status)
{
	if (WIFSIGNALED(status))
		snprintf(out, 48, "was killed by SIG%s",
			 sigabbrev_np(WTERMSIG(status)));
	else
		snprintf(out, 48, "ended with status %d", WEXITSTATUS(status));
	return out;
}
