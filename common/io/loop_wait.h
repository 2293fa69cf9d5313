/* common/io/loop_wait.h - for tests: run a loop until something has happened.
 *
 *	CHECK(LOOP_UNTIL(loop, seen.count == 3));
 *
 * gives up, and is false, after ten seconds.
 */
#ifndef WEIR_IO_LOOP_WAIT_H
#define WEIR_IO_LOOP_WAIT_H

#include "common/io/clock.h"
#include "common/io/loop.h"

#define LOOP_WAIT_MS 10000

static inline void loop_wait_tick(void *ctx)
{
	(void)ctx; /* so that the condition is looked at again */
}

#define LOOP_UNTIL(loop, condition)                                            \
	__extension__({                                                        \
		uint64_t until_ms_ = io_mono_ms() + LOOP_WAIT_MS;              \
		struct timer *tick_ = NULL;                                    \
                                                                               \
		if (!timer_make(&tick_, (loop), loop_wait_tick, NULL))         \
			timer_repeat(tick_, 2);                                \
		while (tick_ && !(condition) && io_mono_ms() < until_ms_)      \
			loop_run_once(loop);                                   \
		timer_free(&tick_);                                            \
		(condition);                                                   \
	})

/* Let things happen that should not: run so many passes. */
static inline void loop_run_passes(struct loop *loop, unsigned count)
{
	struct timer *tick = NULL;

	if (timer_make(&tick, loop, loop_wait_tick, NULL))
		return;
	timer_repeat(tick, 1);
	while (count-- > 0)
		loop_run_once(loop);
	timer_free(&tick);
}

#endif
