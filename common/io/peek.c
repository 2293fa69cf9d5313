/* common/io/peek.c - looking at what a peer sends without taking it. */
#include "common/io/peek.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

struct peek {
	struct loop_watch *watch;
	struct loop *loop;
	int fd;
	size_t seen_bytes; /* that the caller has been shown */
	size_t bytes_max;
	peek_fn *cb;
	void *ctx;
};

/* Readable only when there is more than that. */
static void wait_for_more_than(int fd, size_t bytes)
{
	const int lowat = (int)bytes + 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &lowat, sizeof(lowat));
}

/* Has the peer said its last word, or is the connection broken? Bytes that it
 * had sent before may be there still, which makes reading unable to tell. */
static bool has_ended(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) > 0;
}

static void tell(struct peek *p, struct span in, bool is_last)
{
	if (is_last)
		loop_change(p->watch, 0);
	p->cb(p->ctx, in, is_last); /* p may be gone now */
}

static void on_events(struct peek *p, unsigned events)
{
	uint8_t *bytes = loop_scratch(p->loop);
	ssize_t n = recv(p->fd, bytes, p->bytes_max, MSG_PEEK | MSG_DONTWAIT);
	size_t len = n > 0 ? (size_t)n : 0;
	bool is_last = len == p->bytes_max || n == 0;

	if (n < 0 && errno == EINTR)
		return;
	if (n < 0 && errno != EAGAIN)
		is_last = true;
	if (!is_last)
		is_last = events & LOOP_ERROR || has_ended(p->fd);
	if (!is_last && len <= p->seen_bytes)
		return;
	p->seen_bytes = len;
	if (!is_last)
		wait_for_more_than(p->fd, len);
	tell(p, span_of(bytes, len), is_last);
}

int peek_make(struct peek **out, struct loop *loop, int fd, size_t bytes_max,
	      peek_fn *cb, void *ctx)
{
	struct peek *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return WEIR_ENOMEM;
	p->loop = loop;
	p->fd = fd;
	p->bytes_max = WEIR_MIN(bytes_max, PEEK_BYTES_MAX);
	p->cb = cb;
	p->ctx = ctx;
	err = loop_add(&p->watch, loop, fd, LOOP_READABLE, on_events, p);
	if (err) {
		free(p);
		return err;
	}
	*out = p;
	return 0;
}

void peek_free(struct peek **pp)
{
	struct peek *p = *pp;

	if (!p)
		return;
	*pp = NULL;
	loop_remove(&p->watch);
	wait_for_more_than(p->fd, 0);
	free(p);
}
