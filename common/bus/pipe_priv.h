/* common/bus/pipe_priv.h - what the two files of pipes share. Includes nng.
 *
 * pipe.c: bytes, closing, the end of all. pipe_open.c: dialing and listening.
 */
#ifndef WEIR_BUS_PIPE_PRIV_H
#define WEIR_BUS_PIPE_PRIV_H

#include <nng/nng.h>
#include <pthread.h>

#include "common/base/list.h"
#include "common/bus/pipe.h"

struct op;
typedef void op_fn(struct op *op);

/* One thing that nng is asked to do at a time. */
struct op {
	struct list link; /* in pipes.done */
	struct pipes *pipes;
	nng_aio *aio;
	op_fn *on_done; /* on the loop */
	void *owner;
	bool is_busy; /* nng has it, or it waits in the queue */
};

struct pipes {
	struct loop *loop;
	struct wake *wake;
	pipe_accept_fn *on_accept;
	void *ctx;
	struct list all;
	struct list dialers;
	struct list acceptors;
	struct list dead; /* closed; nng may still have them */
	struct pass_task reap;
	nng_aio *now; /* without a callback: for what is done in the call */
	pthread_mutex_t lock;
	struct list done; /* struct op; under the lock */
};

struct acceptor {
	struct list link;
	struct pipes *pipes;
	nng_stream_listener *nng;
	struct op op;
	bool is_plain;
};

struct pipe_dialer {
	struct list link;
	struct pipes *pipes;
	nng_stream_dialer *nng;
	unsigned dial_count; /* under way */
	bool is_plain;
	bool is_freed; /* by its owner; goes when nothing is under way */
};

struct pipe {
	struct list link;
	struct pipes *pipes;
	struct pipe_dialer *dialer; /* while it dials */
	nng_stream *stream;
	const struct pipe_events *events;
	void *ctx;
	struct op in_op, out_op;
	struct loop_watch *watch; /* of its socket; NULL: nng's threads wait */
	struct pass_task broken;  /* a send failed; `err` says how */
	int err;
	struct buf in, out;
	size_t out_at;  /* sent of `out` so far */
	size_t in_size; /* what the next receive buffer should be */
	unsigned small_count;
	bool is_closed, is_paused;
	bool is_ending; /* the end was told: what came before it is read */
	bool is_deaf;   /* the peer takes nothing any more */
	bool is_plain;  /* TCP without TLS: its socket says what is there */
	bool is_pushed; /* watched: the socket is full, `out` waits */
	char addr[PIPE_ADDR_SIZE];
};

/* ---- pipe.c ---- */

int pipe_error_of(int nng); /* as ours */
WEIR_MUST_CHECK int op_init(struct op *op, struct pipes *ps, op_fn *on_done,
			    void *owner);
/* Waits for the end of a callback that has already queued the operation: a few
 * instructions of another thread. */
void op_fini(struct op *op);
WEIR_MUST_CHECK int pipe_new(struct pipe **out, struct pipes *ps, op_fn *on_in);
void pipe_fail(struct pipe *p, int err);
/* A closed pipe's operation came back: it may be the last one. */
bool pipe_is_over(struct pipe *p);
void pipe_receive(struct pipe *p);
void pipe_on_received(struct op *op);

/* ---- pipe_open.c ---- */

/* Frees it when its owner did, and nothing is under way. */
void dialer_reap(struct pipe_dialer *d);
/* The descriptor of its socket, which stays nng's; -1: it is not known, or not
 * all that comes in shows there. */
int pipe_find_fd(const struct pipe *p);
/* Stop at once, and free. */
void acceptor_stop(struct acceptor *a);

#endif
