/* common/io/timer.c - timers and wakes on libuv. */
#include <stdlib.h>

#include "common/io/loop_priv.h"

struct timer {
	uv_timer_t uv;
	timer_fn *cb;
	void *ctx;
};

struct wake {
	uv_async_t uv;
	wake_fn *cb;
	void *ctx;
	bool is_freed;
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_timer(uv_timer_t *uv)
{
	struct timer *t = uv->data;

	loop_enter(loop_of(uv->loop));
	if (!uv_is_closing((uv_handle_t *)uv))
		t->cb(t->ctx);
}

int timer_make(struct timer **out, struct loop *loop, timer_fn *cb, void *ctx)
{
	struct timer *t = calloc(1, sizeof(*t));

	if (!t)
		return WEIR_ENOMEM;
	uv_timer_init(&loop->uv, &t->uv);
	t->uv.data = t;
	t->cb = cb;
	t->ctx = ctx;
	*out = t;
	return 0;
}

void timer_start(struct timer *t, uint64_t after_ms)
{
	uv_timer_start(&t->uv, on_timer, after_ms, 0);
}

void timer_repeat(struct timer *t, uint64_t every_ms)
{
	every_ms = WEIR_MAX(every_ms, 1u);
	uv_timer_start(&t->uv, on_timer, every_ms, every_ms);
}

void timer_stop(struct timer *t)
{
	uv_timer_stop(&t->uv);
}

bool timer_is_running(const struct timer *t)
{
	return uv_is_active((const uv_handle_t *)&t->uv);
}

void timer_free(struct timer **p)
{
	struct timer *t = *p;

	if (!t)
		return;
	*p = NULL;
	uv_close((uv_handle_t *)&t->uv, on_closed);
}

static void on_wake(uv_async_t *uv)
{
	struct wake *w = uv->data;

	loop_enter(loop_of(uv->loop));
	if (!w->is_freed)
		w->cb(w->ctx);
}

int wake_make(struct wake **out, struct loop *loop, wake_fn *cb, void *ctx)
{
	struct wake *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return WEIR_ENOMEM;
	err = uv_async_init(&loop->uv, &w->uv, on_wake);
	if (err) {
		free(w);
		return err;
	}
	w->uv.data = w;
	w->cb = cb;
	w->ctx = ctx;
	*out = w;
	return 0;
}

void wake_post(struct wake *w)
{
	uv_async_send(&w->uv);
}

void wake_free(struct wake **p)
{
	struct wake *w = *p;

	if (!w)
		return;
	*p = NULL;
	w->is_freed = true;
	uv_close((uv_handle_t *)&w->uv, on_closed);
}
