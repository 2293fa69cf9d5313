/* common/io/conn_priv.h - the inside of a connection, for this room only. */
#ifndef WEIR_IO_CONN_PRIV_H
#define WEIR_IO_CONN_PRIV_H

#include "common/io/conn.h"
#include "common/io/tls.h"

struct lookup; /* a name being resolved on another thread */

enum conn_state {
	CONN_DIALING, /* no socket, or one that connects */
	CONN_OPEN,
	CONN_FLUSHING,  /* closing: what is queued leaves */
	CONN_LINGERING, /* closing: SHUT_WR is done, the peer may finish */
	CONN_CLOSED,    /* no socket; on_close is due */
	CONN_OVER,      /* reported or detached */
};

struct conn {
	struct loop *loop;
	struct loop_watch *watch;
	struct batch *batch; /* NULL: none */
	struct timer *timer; /* dialing, lingering */
	struct tls *tls;     /* NULL: none */
	const char *fault;   /* of TLS, in words */
	struct pass_task task;
	int fd;
	enum conn_state state;
	int reason;
	struct conn_limits limits;
	const struct conn_ops *ops;
	void *ctx;

	struct buf unread;
	struct span offered; /* what on_data is looking at now */
	struct buf unsent;
	size_t sent_bytes; /* of unsent, from its start */

	bool is_paused;
	bool is_peer_done; /* it has sent its FIN */
	bool is_shutting;  /* we have no more to say */
	bool is_due;       /* unread bytes shall be offered again */
	bool is_congested; /* the kernel took less than we had */
	unsigned depth;    /* callbacks of the owner that are running */
	bool is_freed;     /* by one of them */
	uint64_t close_by_ms;

	struct conn_stats stats;
	struct net_addr peer;
	char peer_text[NET_ADDR_TEXT_SIZE];

	struct lookup *lookup;
};

/* A connection without a socket, DIALING. */
WEIR_MUST_CHECK int conn_make(struct conn **out, struct loop *loop,
			      const struct conn_limits *limits,
			      const struct conn_ops *ops, void *ctx);

/* `fd` is connected: serve it; taken on failure too. */
WEIR_MUST_CHECK int conn_open(struct conn *c, int fd);

/* Have the end of the pass offer what is due, and send what is queued. */
void conn_schedule(struct conn *c);

/* Close the socket; on_close(reason) follows at the end of the pass. */
void conn_finish(struct conn *c, int reason);

/* Around each callback of the owner; after the last leave `c` may be gone. */
void conn_enter(struct conn *c);
void conn_leave(struct conn *c);

/* Nobody waits for the name any more. */
void conn_lookup_cancel(struct conn *c);

#endif
