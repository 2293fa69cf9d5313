/* common/io/loop.c - the event loop on libuv: passes, descriptors, away. */
#include "common/io/loop.h"

#include <stdlib.h>
#include <time.h>

#include "common/io/clock.h"
#include "common/io/loop_priv.h"

#define SAMPLE_US 1000000u

/* Unlike CLOCK_MONOTONIC this clock goes on while the machine is suspended, and
 * so do the leases that others hold for us. */
static uint64_t boot_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

bool loop_check_away(struct loop *loop)
{
	uint64_t now_us = boot_us();
	uint64_t away_us = now_us - loop->alive_at_us;

	loop->alive_at_us = now_us;
	if (!loop->on_away || away_us <= loop->away_us)
		return false;
	loop->on_away(loop->away_ctx, away_us / 1000);
	return true;
}

/* libuv calls back straight from its wait, so a process that was stopped in the
 * wait wakes up in the callback of some socket, before any timer: the gap must
 * be looked for in front of each callback, whichever comes first. */
void loop_enter(struct loop *loop)
{
	loop_check_away(loop);
	if (loop->is_waiting) {
		loop->waited_us += loop->alive_at_us - loop->wait_at_us;
		loop->is_waiting = false;
		loop->utc_uses = LOOP_UTC_USES;
	}
}

static void run_tasks(struct loop *loop)
{
	struct list due;

	/* Only those that wait now: what they schedule waits for a pass. */
	list_init(&due);
	while (!list_is_empty(&loop->tasks)) {
		struct list *first = loop->tasks.next;

		list_remove(first);
		list_append(&due, first);
	}
	while (!list_is_empty(&due)) {
		struct pass_task *task =
			list_entry(due.next, struct pass_task, link);

		list_remove(&task->link);
		task->is_scheduled = false;
		task->fn(task->ctx);
	}
}

static void sample_busy(struct loop *loop)
{
	uint64_t span_us = loop->alive_at_us - loop->sample_at_us;
	uint64_t waited_us =
		WEIR_MIN(loop->waited_us - loop->sample_waited_us, span_us);

	if (span_us < SAMPLE_US)
		return;
	loop->busy_permille = (unsigned)(1000 - waited_us * 1000 / span_us);
	loop->sample_at_us = loop->alive_at_us;
	loop->sample_waited_us = loop->waited_us;
}

static void on_spin(uv_idle_t *idle)
{
	(void)idle; /* it is there so that the wait has no length */
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct loop *loop = loop_of(prepare->loop);

	loop_enter(loop);
	run_tasks(loop);
	if (list_is_empty(&loop->tasks))
		uv_idle_stop(&loop->spin);
	else
		uv_idle_start(&loop->spin, on_spin);
	loop_check_away(loop);
	sample_busy(loop);
	loop->wait_at_us = loop->alive_at_us;
	loop->is_waiting = true;
}

int loop_new(struct loop **out)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int err;

	if (!loop)
		return WEIR_ENOMEM;
	err = uv_loop_init(&loop->uv);
	if (err) {
		free(loop);
		return err == UV_ENOMEM ? WEIR_ENOMEM : err;
	}
	loop->uv.data = loop;
	list_init(&loop->tasks);
	uv_prepare_init(&loop->uv, &loop->prepare);
	uv_idle_init(&loop->uv, &loop->spin);
	uv_timer_init(&loop->uv, &loop->heartbeat);
	uv_prepare_start(&loop->prepare, on_prepare);
	loop->alive_at_us = loop->sample_at_us = boot_us();
	loop->utc_uses = LOOP_UTC_USES;
	*out = loop;
	return 0;
}

void loop_free(struct loop **p)
{
	struct loop *loop = *p;

	if (!loop)
		return;
	*p = NULL;
	uv_close((uv_handle_t *)&loop->prepare, NULL);
	uv_close((uv_handle_t *)&loop->spin, NULL);
	uv_close((uv_handle_t *)&loop->heartbeat, NULL);
	/* Let closed handles give their memory back, and look-ups of names end:
	 * their thread cannot be stopped. */
	uv_run(&loop->uv, UV_RUN_NOWAIT);
	while (loop->uv.active_reqs.count > 0)
		uv_run(&loop->uv, UV_RUN_ONCE);
	BUG_ON(uv_loop_close(&loop->uv) != 0);
	free(loop);
}

int loop_run(struct loop *loop)
{
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	run_tasks(loop); /* of the pass that was stopped */
	return 0;
}

void loop_run_once(struct loop *loop)
{
	uv_run(&loop->uv, UV_RUN_ONCE);
}

void loop_stop(struct loop *loop)
{
	uv_stop(&loop->uv);
}

uint64_t loop_now_ms(const struct loop *loop)
{
	return uv_now(&loop->uv);
}

uint64_t loop_now_us(const struct loop *loop)
{
	(void)loop;
	return uv_hrtime() / 1000;
}

int64_t loop_utc_us(struct loop *loop)
{
	if (loop->utc_uses == LOOP_UTC_USES) {
		loop->utc_us = io_utc_us();
		loop->utc_uses = 0;
	}
	loop->utc_uses++;
	return loop->utc_us;
}

unsigned loop_busy_permille(const struct loop *loop)
{
	return loop->busy_permille;
}

uint64_t loop_waited_us(const struct loop *loop)
{
	return loop->waited_us;
}

uint8_t *loop_scratch(struct loop *loop)
{
	return loop->scratch;
}

/* ---- descriptors ---- */

static void on_poll(uv_poll_t *poll, int status, int uv_events)
{
	struct loop_watch *w = poll->data;
	unsigned events = 0;

	loop_enter(w->loop);
	if (!w->events)
		return; /* on_away may have paused it */
	if (status < 0) {
		/* libuv has stopped watching */
		w->events = 0;
		events = LOOP_READABLE | LOOP_WRITABLE | LOOP_ERROR;
	}
	if (uv_events & UV_READABLE)
		events |= LOOP_READABLE;
	if (uv_events & UV_WRITABLE)
		events |= LOOP_WRITABLE;
	w->cb(w->ctx, events);
}

static void on_watch_closed(uv_handle_t *handle)
{
	free(handle->data);
}

int loop_watch_add(struct loop_watch **out, struct loop *loop, int fd,
		   unsigned events, loop_watch_fn *cb, void *ctx)
{
	struct loop_watch *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return WEIR_ENOMEM;
	err = uv_poll_init(&loop->uv, &w->poll, fd);
	if (err) {
		free(w);
		return err;
	}
	w->poll.data = w;
	w->loop = loop;
	w->cb = cb;
	w->ctx = ctx;
	loop_change(w, events);
	*out = w;
	return 0;
}

void loop_change(struct loop_watch *w, unsigned events)
{
	int uv_events = 0;

	events &= LOOP_READABLE | LOOP_WRITABLE;
	if (w->batch) {
		batch_change(w, events);
		return;
	}
	if (events == w->events)
		return;
	w->events = events;
	if (events & LOOP_READABLE)
		uv_events |= UV_READABLE;
	if (events & LOOP_WRITABLE)
		uv_events |= UV_WRITABLE;
	if (uv_events)
		uv_poll_start(&w->poll, uv_events, on_poll);
	else
		uv_poll_stop(&w->poll);
}

void loop_remove(struct loop_watch **p)
{
	struct loop_watch *w = *p;

	if (!w)
		return;
	*p = NULL;
	if (w->batch) {
		batch_remove(w);
		return;
	}
	w->events = 0;
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

/* ---- the end of a pass ---- */

void pass_task_schedule(struct loop *loop, struct pass_task *task,
			pass_task_fn *fn, void *ctx)
{
	if (task->is_scheduled)
		return;
	task->loop = loop;
	task->fn = fn;
	task->ctx = ctx;
	task->is_scheduled = true;
	list_init(&task->link);
	list_append(&loop->tasks, &task->link);
}

void pass_task_cancel(struct pass_task *task)
{
	if (!task->is_scheduled)
		return;
	list_remove(&task->link);
	task->is_scheduled = false;
}

/* ---- away ---- */

static void on_heartbeat(uv_timer_t *timer)
{
	loop_enter(loop_of(timer->loop));
}

int loop_away_set(struct loop *loop, uint64_t threshold_ms, loop_away_fn *fn,
		  void *ctx)
{
	uint64_t every_ms = WEIR_MAX(threshold_ms / 4, 1u);

	loop->on_away = fn;
	loop->away_ctx = ctx;
	loop->away_us = threshold_ms * 1000;
	loop->alive_at_us = boot_us();
	if (fn)
		uv_timer_start(&loop->heartbeat, on_heartbeat, every_ms,
			       every_ms);
	else
		uv_timer_stop(&loop->heartbeat);
	return 0;
}
