/* common/io/batch.c - descriptors that are looked at together. */
#include "common/io/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/base/fetch.h"
#include "common/io/loop_priv.h"

#define GROUP      16 /* served at a time: their memory fits the nearest cache */
#define GROUPS_MAX 64 /* in one look; then others have their turn */

struct batch {
	struct loop *loop;
	struct loop_watch *watch; /* of `ep`, by the loop */
	struct timer *timer;      /* the end of a rest */
	int ep;
	batch_rest_fn *rest;
	void *ctx;
	size_t members;
	bool is_pressed; /* not all was read */
	struct epoll_event found[GROUP];
	int count; /* of found; 0: not looking */
};

/* ---- looking ---- */

static void group_ahead(struct batch *b)
{
	for (int i = 0; i < b->count; i++)
		FETCH((struct loop_watch *)b->found[i].data.ptr);
	for (unsigned step = 0; step < BATCH_AHEAD_STEPS; step++)
		for (int i = 0; i < b->count; i++) {
			const struct loop_watch *w = b->found[i].data.ptr;

			w->ahead(w->ctx, step);
		}
}

static unsigned events_of(const struct loop_watch *w, uint32_t found)
{
	unsigned events = 0;

	if (found & EPOLLERR)
		return LOOP_READABLE | LOOP_WRITABLE | LOOP_ERROR;
	if (found & (EPOLLIN | EPOLLHUP))
		events |= LOOP_READABLE;
	if (found & (EPOLLOUT | EPOLLHUP))
		events |= LOOP_WRITABLE;
	return events & w->events;
}

/* Callbacks may remove and pause any watch, those of this group too. */
static void serve(struct batch *b, int i)
{
	struct loop_watch *w;
	unsigned events;

	loop_enter(b->loop);
	w = b->found[i].data.ptr;
	events = w ? events_of(w, b->found[i].events) : 0;
	if (!w || !w->events)
		return;
	if (events & LOOP_ERROR)
		loop_change(w, 0);
	if (events)
		w->cb(w->ctx, events);
}

/* Returns how many were served. */
static int serve_group(struct batch *b)
{
	int n = epoll_wait(b->ep, b->found, GROUP, 0);

	b->count = WEIR_MAX(n, 0);
	group_ahead(b);
	for (int i = 0; i < b->count; i++)
		serve(b, i);
	b->count = 0;
	return n;
}

static void look(struct batch *b)
{
	unsigned rest_ms = 0;
	int found, more;

	b->is_pressed = false;
	found = more = serve_group(b);
	for (int i = 1; i < GROUPS_MAX && more == GROUP; i++)
		more = serve_group(b);
	if (found > 0 && more < GROUP && !b->is_pressed)
		rest_ms = b->rest(b->ctx);
	loop_change(b->watch, rest_ms ? 0 : LOOP_READABLE);
	if (rest_ms)
		timer_start(b->timer, rest_ms);
}

static void on_readable(struct batch *b, unsigned events)
{
	(void)events;
	look(b);
}

void batch_press(struct batch *b)
{
	b->is_pressed = true;
}

/* ---- members ---- */

static uint32_t epoll_events(unsigned events)
{
	return (events & LOOP_READABLE ? EPOLLIN : 0u) |
	       (events & LOOP_WRITABLE ? EPOLLOUT : 0u);
}

/* What was found of it is of the past. */
static void forget(struct batch *b, const struct loop_watch *w)
{
	for (int i = 0; i < b->count; i++)
		if (b->found[i].data.ptr == w)
			b->found[i].data.ptr = NULL;
}

static int change(struct loop_watch *w, unsigned events)
{
	struct epoll_event e = {epoll_events(events), {.ptr = w}};
	int op = !events      ? EPOLL_CTL_DEL
		 : !w->events ? EPOLL_CTL_ADD
			      : EPOLL_CTL_MOD;

	if (events == w->events)
		return 0;
	if (epoll_ctl(w->batch->ep, op, w->fd, &e)) {
		BUG_ON(!events); /* what is there can be taken out */
		return -errno;
	}
	w->events = events;
	return 0;
}

static void tell_broken(struct loop_watch *w)
{
	w->cb(w->ctx, LOOP_READABLE | LOOP_WRITABLE | LOOP_ERROR);
}

/* The kernel may have no room any more for what was paused: who cannot be
 * watched is given up, and nobody else. */
void batch_change(struct loop_watch *w, unsigned events)
{
	pass_task_cancel(&w->broken);
	if (!change(w, events))
		return;
	(void)change(w, 0);
	loop_at_pass_end(w->loop, &w->broken, tell_broken, w);
}

void batch_remove(struct loop_watch *w)
{
	batch_change(w, 0);
	forget(w->batch, w);
	w->batch->members--;
	free(w);
}

int batch_watch_add(struct loop_watch **out, struct batch *b, int fd,
		    unsigned events, loop_watch_fn *cb, batch_ahead_fn *ahead,
		    void *ctx)
{
	struct loop_watch *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return WEIR_ENOMEM;
	w->loop = b->loop;
	w->batch = b;
	w->fd = fd;
	w->cb = cb;
	w->ahead = ahead;
	w->ctx = ctx;
	err = change(w, events & (LOOP_READABLE | LOOP_WRITABLE));
	if (err) {
		free(w);
		return err;
	}
	b->members++;
	*out = w;
	return 0;
}

/* ---- life ---- */

int batch_make(struct batch **out, struct loop *loop, batch_rest_fn *rest,
	       void *ctx)
{
	struct batch *b = calloc(1, sizeof(*b));
	int err = 0;

	if (!b)
		return WEIR_ENOMEM;
	b->loop = loop;
	b->rest = rest;
	b->ctx = ctx;
	b->ep = epoll_create1(EPOLL_CLOEXEC);
	if (b->ep < 0)
		err = -errno;
	if (!err)
		err = timer_new(&b->timer, loop, look, b);
	if (!err)
		err = loop_add(&b->watch, loop, b->ep, LOOP_READABLE,
			       on_readable, b);
	if (err)
		batch_free(&b);
	else
		*out = b;
	return err;
}

void batch_free(struct batch **pb)
{
	struct batch *b = *pb;

	*pb = NULL;
	if (!b)
		return;
	BUG_ON(b->members || b->count);
	loop_remove(&b->watch);
	timer_free(&b->timer);
	if (b->ep >= 0)
		close(b->ep);
	free(b);
}
