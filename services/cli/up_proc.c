/* services/cli/up_proc.c - a process that is kept running. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "services/cli/up.h"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define STEADY_MS      10000 /* after that a death is a first one again */
#define TAIL_BYTES     1500

const char *up_proc_text(struct up_proc *p, const char *fmt, ...)
{
	char *text;
	va_list ap;

	BUG_ON(p->text_count == WEIR_ARRAY_LEN(p->text));
	text = p->text[p->text_count++];
	va_start(ap, fmt);
	vsnprintf(text, sizeof(p->text[0]), fmt, ap);
	va_end(ap);
	return text;
}

void up_proc_set(struct up_proc *p, struct child_desc *d, const char *fmt, ...)
{
	char *text;
	va_list ap;

	BUG_ON(p->text_count == WEIR_ARRAY_LEN(p->text));
	text = p->text[p->text_count++];
	va_start(ap, fmt);
	vsnprintf(text, sizeof(p->text[0]), fmt, ap);
	va_end(ap);
	child_arg(d, "--set");
	child_arg(d, text);
}

bool up_proc_runs(const struct up_proc *p)
{
	return p->child != NULL;
}

/* ---- its end ---- */

static void show_log(const struct up_proc *p)
{
	struct buf tail = {0};

	place_tail_log(&p->up->place, p->id, TAIL_BYTES, &tail);
	if (tail.len)
		fprintf(stderr, "%s", buf_text(&tail));
	buf_fini(&tail);
}

static void plan_restart(struct up_proc *p)
{
	if (loop_now_ms(p->up->loop) - p->started_ms > STEADY_MS)
		p->backoff_ms = BACKOFF_MIN_MS;
	timer_start(p->retry, p->backoff_ms);
	p->backoff_ms = WEIR_MIN(p->backoff_ms * 2, BACKOFF_MAX_MS);
}

static void say_end(const struct up_proc *p, const char *how)
{
	const char *next =
		p->up->o.has_no_restart ? "" : "; it is started again";

	if (!p->was_ready)
		fprintf(stderr, "weir up: %s %s before it was ready:\n", p->id,
			how);
	else
		fprintf(stderr, "weir up: %s %s%s (%s/log/%s.log)\n", p->id,
			how, next, p->up->place.dir, p->id);
}

static void on_end(void *ctx, int status)
{
	struct up_proc *p = ctx;
	struct up *up = p->up;
	char how[48];

	child_free(&p->child);
	if (!p->is_ready) { /* perhaps its old port is somebody else's now */
		json_object_put(p->addresses);
		p->addresses = NULL;
	}
	p->is_ready = false;
	if (up->ending) {
		up_end(up, up->status); /* the next step, perhaps the last */
		return;
	}
	if (!p->was_ready && p->on_failed && p->on_failed(p))
		return;
	say_end(p, child_status_text(how, status));
	if (!p->was_ready) {
		show_log(p);
		up_end(up, 1);
	} else if (!up->o.has_no_restart) {
		plan_restart(p);
	}
}

/* ---- its beginning ---- */

void up_proc_ready(struct up_proc *p, struct span line)
{
	p->is_ready = p->was_ready = true;
	p->on_ready(p, line);
}

static void on_ready(void *ctx, struct span line)
{
	up_proc_ready(ctx, line);
}

void up_proc_start(struct up_proc *p)
{
	static const struct child_events events = {on_ready, on_end};
	struct child_desc d = {
		.log_fd = place_open_log(&p->up->place, p->id),
		.life_fd = p->up->place.life,
	};
	int err = d.log_fd < 0 ? d.log_fd : 0;

	p->text_count = 0;
	p->started_ms = loop_now_ms(p->up->loop);
	if (!err) {
		p->describe(p, &d);
		err = child_start(&p->child, p->up->loop, &d, &events, p);
		close(d.log_fd);
	}
	if (!err)
		return;
	fprintf(stderr, "weir up: %s cannot be started: %s\n", p->id,
		weir_strerror(err));
	if (p->was_ready)
		plan_restart(p);
	else
		up_end(p->up, 1);
}

/* ---- life ---- */

static void on_retry(struct up_proc *p)
{
	if (!p->up->ending && !p->child)
		up_proc_start(p);
}

int up_proc_init(struct up_proc *p, struct up *up, const char *id)
{
	p->up = up;
	p->id = id;
	p->backoff_ms = BACKOFF_MIN_MS;
	return timer_new(&p->retry, up->loop, on_retry, p);
}

void up_proc_fini(struct up_proc *p)
{
	child_free(&p->child);
	timer_free(&p->retry);
	json_object_put(p->addresses);
	p->addresses = NULL;
}
