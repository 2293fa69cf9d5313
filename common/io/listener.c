/* common/io/listener.c - accepting, and refusing when it cannot go on. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io/net.h"

#define BATCH_COUNT 64
#define REST_MS     100 /* when not even refusing is possible */

struct listener {
	struct loop *loop;
	struct loop_watch *watch;
	struct timer *rest;
	int fd;
	int spare_fd; /* given up to accept, and so to refuse, one more */
	struct listener_limits limits;
	struct listener_stats stats;
	struct net_addr addr;
	listener_fn *cb;
	void *ctx;
	bool is_paused;
	bool is_accepting; /* cb is running */
	bool is_freed;     /* by cb */
};

static int open_spare(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int accept_one(struct listener *l, struct net_addr *peer)
{
	int fd;

	peer->len = sizeof(peer->ss);
	fd = accept4(l->fd, (struct sockaddr *)&peer->ss, &peer->len,
		     SOCK_NONBLOCK | SOCK_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void listen_again(struct listener *l)
{
	if (!l->is_paused)
		loop_change(l->watch, LOOP_READABLE);
}

/* Out of descriptors the socket stays readable and the loop would spin: use the
 * spare one to take the peer and hang up; without it, rest. */
static void refuse_for_lack(struct listener *l)
{
	struct net_addr peer;
	int fd = -1;

	if (l->spare_fd >= 0) {
		close(l->spare_fd);
		fd = accept_one(l, &peer);
		if (fd >= 0)
			close(fd);
		l->spare_fd = open_spare();
	}
	if (fd >= 0) {
		l->stats.refused_lack_count++;
		return;
	}
	loop_change(l->watch, 0);
	timer_start(l->rest, REST_MS);
}

static bool is_full(const struct listener *l)
{
	return l->limits.open_max && l->stats.open_count >= l->limits.open_max;
}

static void hand_over(struct listener *l, int fd, const struct net_addr *peer)
{
	if (is_full(l)) {
		l->stats.refused_full_count++;
		close(fd);
		return;
	}
	l->stats.accepted_count++;
	l->stats.open_count++;
	l->cb(l->ctx, fd, peer);
}

/* One peer. Returns whether there may be more. */
static bool accept_next(struct listener *l)
{
	struct net_addr peer = {0};
	int fd = accept_one(l, &peer);

	if (fd >= 0) {
		hand_over(l, fd, &peer);
		return true;
	}
	if (fd == -EAGAIN)
		return false;
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS) {
		refuse_for_lack(l);
		return false;
	}
	/* The peer's own fault (it left already), or its network's. */
	return true;
}

static void destroy(struct listener *l)
{
	loop_remove(&l->watch);
	timer_free(&l->rest);
	if (l->spare_fd >= 0)
		close(l->spare_fd);
	close(l->fd);
	free(l);
}

static void on_readable(struct listener *l, unsigned events)
{
	(void)events;
	l->is_accepting = true;
	for (unsigned i = 0; i < l->limits.batch_count; i++)
		if (!accept_next(l) || l->is_freed || l->is_paused)
			break;
	l->is_accepting = false;
	if (l->is_freed)
		destroy(l);
}

int listener_make(struct listener **out, struct loop *loop, int fd,
		  const struct listener_limits *limits, listener_fn *cb,
		  void *ctx)
{
	struct listener *l = calloc(1, sizeof(*l));
	int err = WEIR_ENOMEM;

	if (!l) {
		close(fd);
		return err;
	}
	l->loop = loop;
	l->fd = fd;
	l->spare_fd = open_spare();
	if (limits)
		l->limits = *limits;
	if (!l->limits.batch_count)
		l->limits.batch_count = BATCH_COUNT;
	l->cb = cb;
	l->ctx = ctx;
	err = net_local_addr(&l->addr, fd);
	if (!err)
		err = timer_new(&l->rest, loop, listen_again, l);
	if (!err)
		err = loop_add(&l->watch, loop, fd, LOOP_READABLE, on_readable,
			       l);
	if (err) {
		destroy(l);
		return err;
	}
	*out = l;
	return 0;
}

void listener_done(struct listener *l)
{
	BUG_ON(l->stats.open_count == 0);
	l->stats.open_count--;
}

void listener_pause(struct listener *l)
{
	l->is_paused = true;
	loop_change(l->watch, 0);
}

void listener_resume(struct listener *l)
{
	l->is_paused = false;
	if (!timer_is_running(l->rest))
		loop_change(l->watch, LOOP_READABLE);
}

void listener_stats(const struct listener *l, struct listener_stats *out)
{
	*out = l->stats;
}

const struct net_addr *listener_addr(const struct listener *l)
{
	return &l->addr;
}

void listener_free(struct listener **p)
{
	struct listener *l = *p;

	if (!l)
		return;
	*p = NULL;
	if (l->is_accepting)
		l->is_freed = true;
	else
		destroy(l);
}
