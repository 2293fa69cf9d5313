/* common/io/batch.h - descriptors of a loop that are looked at together.
 *
 * Hundreds of sockets that each bring a little, one after the other, cost a wake
 * of the loop each, and none of them finds its memory near. Those of a batch are
 * served in groups, whose memory is asked for first; and a batch may rest after a
 * look that found something: what comes meanwhile waits in the kernel, and nothing
 * else of the loop waits with it.
 */
#ifndef WEIR_IO_BATCH_H
#define WEIR_IO_BATCH_H

#include "common/io/loop.h"

struct batch;

/* Milliseconds in which nobody looks, asked after each look that found
 * something and left nothing; 0: none. */
typedef unsigned batch_rest_fn(void *ctx);

/* Something has come for a descriptor: what its callback will touch is to come
 * nearer (common/base/fetch.h). Steps 0 to BATCH_AHEAD_STEPS - 1, each when what
 * the one before asked for is there. */
typedef void batch_ahead_fn(void *ctx, unsigned step);

#define BATCH_AHEAD_STEPS 6

/* Returns 0, WEIR_ENOMEM or -errno. */
#define batch_new(out, loop, rest, ctx)                                        \
	batch_make((out), (loop), LOOP_TYPED(batch_rest_fn, rest, ctx), (ctx))
WEIR_MUST_CHECK int batch_make(struct batch **out, struct loop *loop,
			       batch_rest_fn *rest, void *ctx);

/* As loop_add, of a descriptor that does not block already. The watch is as
 * others are to loop_change and loop_remove; one that the kernel refuses to
 * watch again is reported as LOOP_ERROR at the end of the pass. Returns 0,
 * WEIR_ENOMEM or -errno. */
#define batch_add(out, batch, fd, events, cb, ahead, ctx)                      \
	batch_watch_add((out), (batch), (fd), (events),                        \
			LOOP_TYPED(loop_watch_fn, cb, ctx, 0u),                \
			LOOP_TYPED(batch_ahead_fn, ahead, ctx, 0u), (ctx))
WEIR_MUST_CHECK int batch_watch_add(struct loop_watch **out, struct batch *b,
				    int fd, unsigned events, loop_watch_fn *cb,
				    batch_ahead_fn *ahead, void *ctx);

/* From a callback of a watch: it has not read all that is there, so no rest
 * follows this look; or who sends much would be held back by the rests. */
void batch_press(struct batch *b);

/* Free and set to NULL; NULL is fine. Its watches must have been removed, and it
 * is not looking. */
void batch_free(struct batch **b);

#endif
