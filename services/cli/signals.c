/* services/cli/signals.c - signals as events of the loop. */
#include "services/cli/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void on_signal(struct signals *s, unsigned events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(s->fd, &info, sizeof(info)) == sizeof(info))
		s->fn(s->ctx);
}

int signals_open(struct signals *s, struct loop *loop, void (*fn)(void *ctx),
		 void *ctx)
{
	sigset_t set;

	*s = (struct signals){.fn = fn, .ctx = ctx};
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd < 0) {
		s->fn = NULL;
		return -errno;
	}
	return loop_add(&s->watch, loop, s->fd, LOOP_READABLE, on_signal, s);
}

void signals_close(struct signals *s)
{
	if (!s->fn)
		return;
	loop_remove(&s->watch);
	close(s->fd);
	s->fn = NULL;
}
