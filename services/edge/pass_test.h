/* services/edge/pass_test.h - passes of a loop that do not wait. */
#ifndef WEIR_EDGE_PASS_TEST_H
#define WEIR_EDGE_PASS_TEST_H

#include "common/io/loop.h"

/* While a task waits for the next pass, the loop does not. */
struct spin {
	struct pass_task task;
	struct loop *loop;
};

static inline void spin_on(struct spin *spin)
{
	loop_at_pass_end(spin->loop, &spin->task, spin_on, spin);
}

static inline void loop_pass(struct loop *loop)
{
	struct spin spin = {.loop = loop};

	spin_on(&spin);
	loop_run_once(loop);
	pass_task_cancel(&spin.task);
}

#endif
