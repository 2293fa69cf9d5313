/* common/io/loop.h - the event loop: descriptors, timers, wakes, pass ends.
 *
 * One loop per process, on one thread; everything here belongs to that thread,
 * but wake_post. Callbacks may make, change and free anything on the loop,
 * their own watch or timer too: memory is given back after they have returned.
 * Nothing here blocks but loop_run.
 *
 * A pass: due timers run, then the tasks of loop_at_pass_end, then the loop
 * waits, then the callbacks of ready descriptors and of wakes run; and so on.
 *
 * The macros refuse, at compile time, a callback that does not take the type
 * of `ctx` (a void pointer passes).
 */
#ifndef WEIR_IO_LOOP_H
#define WEIR_IO_LOOP_H

#include "common/base/err.h"
#include "common/base/list.h"
#include "common/base/span.h"

struct loop;

/* Returns 0 and *out, or WEIR_ENOMEM, or -errno. */
WEIR_MUST_CHECK int loop_new(struct loop **out);

/* Free *loop and set it to NULL; NULL is fine. All that was made on it must
 * have been freed before (a bug otherwise). Never from inside loop_run. */
void loop_free(struct loop **loop);

/* Serve until loop_stop. Returns 0. May be called again. */
WEIR_MUST_CHECK int loop_run(struct loop *loop);

/* One pass, waiting at most until something happens; for tests and for tools
 * that drive the loop themselves. */
void loop_run_once(struct loop *loop);

/* Let loop_run return when this pass is over. */
void loop_stop(struct loop *loop);

/* Monotonic milliseconds, as read when this pass began to run callbacks. */
uint64_t loop_now_ms(const struct loop *loop);

/* Monotonic microseconds, read now. */
uint64_t loop_now_us(const struct loop *loop);

/* The wall clock in microseconds, for the ages of frames, of which thousands a
 * second pass: read anew behind each wait of the loop and at every
 * LOOP_UTC_USES-th question. */
int64_t loop_utc_us(struct loop *loop);
#define LOOP_UTC_USES 16u

/* How much of the last second the loop did not wait, 0 to 1000. */
unsigned loop_busy_permille(const struct loop *loop);

/* Microseconds that the loop has waited for something to do, ever. With
 * loop_now_us at two moments: how busy it was between them. */
uint64_t loop_waited_us(const struct loop *loop);

/* Give a callback as type `fn`, once the compiler has seen that it could be
 * called with `ctx` and what follows. */
#define LOOP_TYPED(fn, cb, ...)                                                \
	((__typeof__(((void)(cb)(__VA_ARGS__), (__typeof__(fn) *)0)))(cb))

/* ---- descriptors ---- */

enum loop_event {
	LOOP_READABLE = 1,
	LOOP_WRITABLE = 2,
	LOOP_ERROR = 4, /* broken: reported with the other two; watching has
			   ended, as if changed to 0. Read or write to see why */
};

struct loop_watch;

typedef void loop_watch_fn(void *ctx, unsigned events);

/* Watch `fd` (borrowed, made non-blocking) for `events` (0: nothing yet; level
 * triggered) and call cb(ctx, events). Remove the watch before closing fd.
 * Returns 0 and *out; WEIR_ENOMEM; or -errno (EEXIST: fd is watched already;
 * EPERM: a regular file). */
#define loop_add(out, loop, fd, events, cb, ctx)                               \
	loop_watch_add((out), (loop), (fd), (events),                          \
		       LOOP_TYPED(loop_watch_fn, cb, ctx, 0u), (ctx))
WEIR_MUST_CHECK int loop_watch_add(struct loop_watch **out, struct loop *loop,
				   int fd, unsigned events, loop_watch_fn *cb,
				   void *ctx);

/* Watch for other events; 0 pauses. Cheap when nothing changes. */
void loop_change(struct loop_watch *w, unsigned events);

/* Stop watching, free *w, set it to NULL; NULL is fine. The callback does not
 * come again, and the fd may be closed at once. */
void loop_remove(struct loop_watch **w);

/* ---- timers ---- */

struct timer;

typedef void timer_fn(void *ctx);

/* A timer that is not running. Returns 0 or WEIR_ENOMEM. */
#define timer_new(out, loop, cb, ctx)                                          \
	timer_make((out), (loop), LOOP_TYPED(timer_fn, cb, ctx), (ctx))
WEIR_MUST_CHECK int timer_make(struct timer **out, struct loop *loop,
			       timer_fn *cb, void *ctx);

/* Run once, `after_ms` from now (the pass's now); restarts a running one. */
void timer_start(struct timer *t, uint64_t after_ms);

/* Run every `every_ms` (at least 1); the first time after one interval. Late
 * rounds are not made up for. */
void timer_repeat(struct timer *t, uint64_t every_ms);

void timer_stop(struct timer *t);
bool timer_is_running(const struct timer *t);

/* Stop, free and set to NULL; NULL is fine. */
void timer_free(struct timer **t);

/* ---- wakes: how other threads reach the loop ---- */

struct wake;

typedef void wake_fn(void *ctx);

/* Returns 0, WEIR_ENOMEM or -errno. */
#define wake_new(out, loop, cb, ctx)                                           \
	wake_make((out), (loop), LOOP_TYPED(wake_fn, cb, ctx), (ctx))
WEIR_MUST_CHECK int wake_make(struct wake **out, struct loop *loop, wake_fn *cb,
			      void *ctx);

/* From any thread: have cb(ctx) run on the loop. Posts before it has run are
 * one call; every post is followed by a whole call. */
void wake_post(struct wake *w);

/* On the loop's thread, when no other thread can post any more. */
void wake_free(struct wake **w);

/* ---- the end of a pass ---- */

typedef void pass_task_fn(void *ctx);

/* Storage of the caller, all zero at first; lives until it has run or was
 * cancelled. */
struct pass_task {
	struct list link;
	struct loop *loop;
	pass_task_fn *fn;
	void *ctx;
	bool is_scheduled;
};

/* Call fn(ctx) once, before the loop waits again; in the order of scheduling.
 * A task that is scheduled already stays as it is. What a task schedules runs
 * at the end of the next pass, before which the loop does not wait. */
#define loop_at_pass_end(loop, task, fn, ctx)                                  \
	pass_task_schedule((loop), (task), LOOP_TYPED(pass_task_fn, fn, ctx),  \
			   (ctx))
void pass_task_schedule(struct loop *loop, struct pass_task *task,
			pass_task_fn *fn, void *ctx);

/* Forget a scheduled task; fine when it is not. */
void pass_task_cancel(struct pass_task *task);

/* ---- away: this process did not run for a while (fencing) ---- */

typedef void loop_away_fn(void *ctx, uint64_t away_ms);

/* Call fn(ctx, how long) when more than `threshold_ms` lie between two signs of
 * life of the loop: a stopped or starved process, a suspended machine, or a
 * callback of ours that took so long. It runs before any other callback of the
 * loop that would run then, so before a socket is read. One per loop; again
 * with fn NULL to end it. The clock goes on while the machine sleeps. Returns
 * 0 or WEIR_ENOMEM. */
#define loop_on_away(loop, threshold_ms, fn, ctx)                              \
	loop_away_set((loop), (threshold_ms),                                  \
		      LOOP_TYPED(loop_away_fn, fn, ctx, (uint64_t)0), (ctx))
WEIR_MUST_CHECK int loop_away_set(struct loop *loop, uint64_t threshold_ms,
				  loop_away_fn *fn, void *ctx);

/* The same check, now; for the middle of long work, before sending what must
 * not be sent late. Returns whether fn was called. */
bool loop_check_away(struct loop *loop);

/* 64 kB that callbacks may use until they return, but for on_data of a conn,
 * whose bytes lie there. */
#define LOOP_SCRATCH_BYTES 65536
uint8_t *loop_scratch(struct loop *loop);

#endif
