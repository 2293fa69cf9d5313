/* common/bus/pipe.h - byte streams over nng, on the loop. The bus's own.
 *
 * The only files that include nng (pipe.c, pipe_open.c). Its callbacks run on
 * nng's threads; each puts what is done into one queue under a lock, and wakes
 * the loop when the queue was empty before. All events below come from the loop.
 *
 * A byte that comes through nng's threads wakes three of them. So a pipe over
 * plain TCP can be watched by the loop (pipe_watch): nng is then asked only for
 * what it can do at once, in the call, and its threads sleep.
 *
 * nng 1.5.2 minded here: Nagle is on for streams; a send may be partial; an aio
 * must not be waited for or freed from a callback; a dialer or listener is not
 * closed while it has work; the end of a connection is told before the last
 * bytes are read, when it was reset (who dies with unread bytes resets) or is a
 * Unix socket's. What the peer had sent is read to its end all the same.
 */
#ifndef WEIR_BUS_PIPE_H
#define WEIR_BUS_PIPE_H

#include "common/base/buf.h"
#include "common/io/loop.h"

#define PIPE_URL_SIZE  128
#define PIPE_ADDR_SIZE 64
#define PIPE_IN_MIN    4096u   /* bytes of a receive buffer: quiet */
#define PIPE_IN_MAX    131072u /* … and busy */

struct pipes; /* all of one bus */
struct pipe;  /* one connection */
struct pipe_dialer;

/* The pipe is good until its owner has closed it or was told on_closed. Inside
 * an event everything is allowed but pipes_free. */
struct pipe_events {
	/* A dialed pipe is connected. */
	void (*on_open)(void *ctx);
	/* More bytes came: pipe_in, pipe_used. */
	void (*on_data)(void *ctx);
	/* What pipe_send took is on its way; the next may be sent. Only when
	 * pipe_is_sending was true behind pipe_send. */
	void (*on_sent)(void *ctx);
	/* Gone: WEIR_ECLOSED, WEIR_ETIMEOUT, WEIR_ENOMEM or -errno. All that
	 * the peer had sent was read before, unless the pipe is paused. The
	 * last event. */
	void (*on_closed)(void *ctx, int err);
};

/* A connection came: pipe_own or pipe_close it. */
typedef void pipe_accept_fn(void *ctx, struct pipe *p);

WEIR_MUST_CHECK int pipes_new(struct pipes **out, struct loop *loop,
			      pipe_accept_fn *on_accept, void *ctx);
/* Close all without events, wait until nng has let go, free. */
void pipes_free(struct pipes **ps);

/* Accept at `url`; *out is what was bound, with its port. Returns 0,
 * WEIR_EINVAL, WEIR_ENOMEM, -errno. */
WEIR_MUST_CHECK int pipes_listen(struct pipes *ps, const char *url,
				 char out[PIPE_URL_SIZE]);

/* Now and then (100 ms): accept again after a lack of descriptors. */
void pipes_tick(struct pipes *ps);

/* An address to dial, again and again. Returns 0, WEIR_EINVAL, WEIR_ENOMEM. */
WEIR_MUST_CHECK int pipe_dialer_new(struct pipe_dialer **out, struct pipes *ps,
				    const char *url);
/* Pipes that it has dialed stay; those under way close. */
void pipe_dialer_free(struct pipe_dialer **d);

/* Begin to connect; on_open or on_closed follows. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int pipe_dial(struct pipe **out, struct pipe_dialer *d,
			      uint32_t timeout_ms,
			      const struct pipe_events *events, void *ctx);

/* Take an accepted pipe: bytes are received from now on. */
void pipe_own(struct pipe *p, const struct pipe_events *events, void *ctx);

/* No event comes any more. *p is NULL afterwards; NULL is fine. What was sent
 * before may be lost. */
void pipe_close(struct pipe **p);

/* Let the loop watch its socket from now on, where that is possible: plain TCP,
 * and nothing is being received (it is paused since the last on_data). Costs a
 * look at all descriptors of the process. */
void pipe_watch(struct pipe *p);
bool pipe_is_watched(const struct pipe *p);

/* The peer's address, or "ipc". Borrowed, as long as the pipe. */
const char *pipe_addr(const struct pipe *p);

/* Bytes received and not used yet; pipe_used drops them from the front. */
struct span pipe_in(const struct pipe *p);
void pipe_used(struct pipe *p, size_t len);

/* Receive nothing more for now (a buffer's worth may still come) … and again,
 * beginning with an on_data if anything is there. */
void pipe_pause(struct pipe *p);
void pipe_resume(struct pipe *p);

/* The buffer to fill when nothing is being sent; then pipe_send it. To a peer
 * that is gone something is being sent until on_closed. */
bool pipe_is_sending(const struct pipe *p);
struct buf *pipe_out(struct pipe *p);
void pipe_send(struct pipe *p);
/* Not needed for a while: give the send buffer's memory back. */
void pipe_shrink(struct pipe *p);

/* Is Nagle's algorithm off? (Always, where there is one.) */
bool pipe_is_nodelay(const struct pipe *p);

#endif
