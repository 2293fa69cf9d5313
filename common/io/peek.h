/* common/io/peek.h - looking at what a peer sends without taking it.
 *
 * For a door behind which several live: the first bytes tell who serves the
 * connection, and that one reads them itself. Nothing is kept per connection
 * but this watch; a peer that sends slowly wakes us once for what is new, never
 * again for what is there (SO_RCVLOWAT). TCP only. Time-outs are the caller's.
 */
#ifndef WEIR_IO_PEEK_H
#define WEIR_IO_PEEK_H

#include "common/io/loop.h"

struct peek;

#define PEEK_BYTES_MAX (LOOP_SCRATCH_BYTES / 2)

/* All bytes that are here, at most `bytes_max`, more than the last time unless
 * `is_last`: no more will come (the peer has ended, or bytes_max is reached).
 * Nothing at all and is_last: it left without a word. Borrowed until it
 * returns. Once the caller knows enough it calls peek_free, here or later;
 * without that it is called again for more, but never after is_last. */
typedef void peek_fn(void *ctx, struct span in, bool is_last);

/* Look at a connected socket, which stays the caller's. Returns 0, WEIR_ENOMEM
 * or -errno. */
#define peek_new(out, loop, fd, bytes_max, cb, ctx)                            \
	peek_make((out), (loop), (fd), (bytes_max),                            \
		  LOOP_TYPED(peek_fn, cb, ctx, (struct span){0}, false),       \
		  (ctx))
WEIR_MUST_CHECK int peek_make(struct peek **out, struct loop *loop, int fd,
			      size_t bytes_max, peek_fn *cb, void *ctx);

/* Look no more: the socket is as if nobody had, all bytes in it. Frees *p, sets
 * it to NULL; NULL is fine. The callback may do it. Before closing the fd. */
void peek_free(struct peek **p);

#endif
