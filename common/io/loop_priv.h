/* common/io/loop_priv.h - the inside of a loop, for this room only. */
#ifndef WEIR_IO_LOOP_PRIV_H
#define WEIR_IO_LOOP_PRIV_H

#include <uv.h>

#include "common/io/batch.h"

struct loop {
	uv_loop_t uv;
	uv_prepare_t prepare; /* the end of a pass */
	uv_idle_t spin;       /* runs while tasks wait: no blocking */
	uv_timer_t heartbeat; /* signs of life while nothing else happens */
	struct list tasks;

	bool is_waiting;           /* since wait_at_us */
	uint64_t wait_at_us;       /* boot time */
	uint64_t waited_us;        /* ever */
	uint64_t sample_at_us;     /* boot time */
	uint64_t sample_waited_us; /* waited_us at sample_at_us */
	unsigned busy_permille;    /* of the last whole sample */

	int64_t utc_us;
	unsigned utc_uses; /* of utc_us; LOOP_UTC_USES: it is used up */

	uint64_t alive_at_us; /* boot time of the last sign of life */
	uint64_t away_us;     /* threshold */
	loop_away_fn *on_away;
	void *away_ctx;

	uint8_t scratch[LOOP_SCRATCH_BYTES];
};

struct loop_watch {
	struct loop *loop;
	loop_watch_fn *cb;
	void *ctx;
	unsigned events;
	struct batch *batch; /* NULL: it is the loop's */
	union {
		uv_poll_t poll; /* of the loop */
		struct {        /* of a batch */
			int fd;
			batch_ahead_fn *ahead;
			struct pass_task broken; /* the kernel refused it */
		};
	};
};

/* loop_change and loop_remove of a watch in a batch. */
void batch_change(struct loop_watch *w, unsigned events);
void batch_remove(struct loop_watch *w);

/* First thing in every callback from libuv: notes the end of the wait, and runs
 * on_away when it is due. */
void loop_enter(struct loop *loop);

static inline struct loop *loop_of(uv_loop_t *uv)
{
	return uv->data;
}

#endif
