/* common/io/conn.h - a byte connection: RTMP publishers, commands, pulls.
 *
 * Not for viewers' media, which is sent from wire logs. Time-outs are the
 * caller's (conn_stats has the times); connecting and lingering have their own.
 *
 * Life: conn_new or conn_dial → on_open (dial only) → on_data … → on_close,
 * once, as the last callback, when the socket is closed. The owner may call
 * conn_free at any time, in any callback too; then no callback comes any more.
 */
#ifndef WEIR_IO_CONN_H
#define WEIR_IO_CONN_H

#include "common/base/buf.h"
#include "common/io/net.h"

struct batch;
struct conn;
struct tls;

struct conn_limits {
	size_t unread_bytes; /* given to on_data and not consumed; 0: 64 kB */
	size_t send_bytes;   /* queued behind what the peer takes; 0: 1 MB */
	unsigned linger_ms;  /* reading after an orderly close; 0: 1000 */
};

#define CONN_AHEAD_STEPS 5

/* Every slot but on_data and on_close may be NULL. */
struct conn_ops {
	/* A dialed connection stands. */
	void (*on_open)(void *ctx);

	/* Something has come and will be read: what on_data will touch is to
	 * come nearer (common/base/fetch.h). Steps 0 to CONN_AHEAD_STEPS - 1,
	 * each when what the one before asked for is there. */
	void (*on_ahead)(void *ctx, unsigned step);

	/* All bytes that are not consumed yet, oldest first; borrowed until it
	 * returns. Return how many of them are consumed (0 to in.len: the rest
	 * comes again, in front of the next bytes); or a negative verdict, with
	 * which the connection then closes in order (conn_close). */
	int64_t (*on_data)(void *ctx, struct span in);

	/* Everything that was queued has been given to the kernel. */
	void (*on_drained)(void *ctx);

	/* The socket is closed. `reason`: the one given to conn_close or
	 * returned by on_data; WEIR_ECLOSED: the peer closed; WEIR_ELIMIT: it
	 * sent more than on_data consumes; WEIR_ETIMEOUT: dialing took too
	 * long; WEIR_ENOENT: no such host; WEIR_EPROTO: it broke TLS, see
	 * conn_fault; WEIR_ENOMEM; -errno. */
	void (*on_close)(void *ctx, int reason);
};

/* Serve a connected socket. `fd` is taken, on failure too; `ops` is borrowed
 * for the life of the connection; `limits` (NULL: the defaults) is copied.
 * Bytes that were read before belong in conn_feed. Returns 0, WEIR_ENOMEM or
 * -errno. */
WEIR_MUST_CHECK int conn_new(struct conn **out, struct loop *loop, int fd,
			     const struct conn_limits *limits,
			     const struct conn_ops *ops, void *ctx);

/* Connect to `host` (a name, or an address without brackets) and `port`;
 * names are resolved on another thread. on_open or on_close follows, never from
 * inside this call. conn_send queues before on_open. Returns 0, WEIR_EINVAL,
 * WEIR_ENOMEM or -errno. */
WEIR_MUST_CHECK int conn_dial(struct conn **out, struct loop *loop,
			      const char *host, unsigned port,
			      unsigned timeout_ms,
			      const struct conn_limits *limits,
			      const struct conn_ops *ops, void *ctx);

/* From now on it speaks TLS (common/io/tls.h), made for its socket and taken;
 * before anything was read or sent. The handshake is made as bytes come: until
 * then on_data is not called and what is queued stays. Its bytes are counted as
 * they are without TLS. */
void conn_set_tls(struct conn *c, struct tls *tls);

/* What the peer did wrong in TLS, in words that live for ever; NULL: nothing. */
const char *conn_fault(const struct conn *c);

/* From now on its socket is looked at with others of a batch, which must stay
 * until this one is over; nothing, unless it is open. Returns 0; or WEIR_ENOMEM
 * or -errno, and then it is looked at as before. */
WEIR_MUST_CHECK int conn_join(struct conn *c, struct batch *batch);

/* Put bytes that somebody else has read from the socket in front of what it
 * will still bring; on_data gets them at the end of this pass. Returns 0,
 * WEIR_ELIMIT or WEIR_ENOMEM. */
WEIR_MUST_CHECK int conn_feed(struct conn *c, struct span unread);

/* Queue a copy of `out`; it leaves at the end of the pass. Returns 0;
 * WEIR_ELIMIT: the queue is full because the peer does not read (nothing was
 * queued; close it); WEIR_ECLOSED: it is closing; WEIR_ENOMEM: it
 * was closed. */
WEIR_MUST_CHECK int conn_send(struct conn *c, struct span out);

/* Stop and go on reading. While paused on_data is not called and the peer fills
 * the kernel's buffers; a peer that leaves is noticed on resuming. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);

/* Bytes read and not consumed. Borrowed until the next callback. */
struct span conn_unread(const struct conn *c);

size_t conn_queued_bytes(const struct conn *c);

/* In order: send what is queued, SHUT_WR, read and drop for linger_ms so that
 * our last words are not lost to a reset, close, on_close(reason). on_data does
 * not come any more. A second call keeps the first reason. The whole takes at
 * most linger_ms after the last progress of the peer, at most 5 × linger_ms. */
void conn_close(struct conn *c, int reason);

/* Say nothing more, and go on listening: what is queued leaves, then SHUT_WR;
 * conn_send returns WEIR_ECLOSED, on_data comes until the peer is done. */
void conn_shut(struct conn *c);

/* Read now what the kernel has, as on_data and on_close would get it later.
 * Not from inside a callback. */
void conn_read(struct conn *c);

/* At once, unsent bytes are dropped; on_close(reason) at the end of the pass.
 */
void conn_abort(struct conn *c, int reason);

/* Give the socket back: *fd is the caller's, the unread bytes are appended to
 * `unread`, the unsent ones to `unsent`. The connection is then an empty shell
 * to be freed; no callback comes any more. From on_data: the bytes it was given
 * count as unread, minus `consumed`; its return value is ignored. Returns 0;
 * WEIR_ECLOSED: nothing to give; WEIR_ENOMEM: nothing happened. */
WEIR_MUST_CHECK int conn_detach(struct conn *c, int *fd, size_t consumed,
				struct buf *unread, struct buf *unsent);

/* The TLS of a socket that was given back, without which it is of no use; the
 * caller's. NULL: there is none. */
struct tls *conn_take_tls(struct conn *c);

struct conn_stats {
	uint64_t in_bytes;
	uint64_t out_bytes; /* accepted by the kernel */
	uint64_t opened_ms; /* loop's time */
	uint64_t last_in_ms;
	uint64_t last_out_ms;
};
void conn_stats(const struct conn *c, struct conn_stats *out);

/* The peer; "?" until connected. Borrowed. */
const char *conn_peer_text(const struct conn *c);
const struct net_addr *conn_peer_addr(const struct conn *c);
int conn_fd(const struct conn *c); /* -1: closed; for socket options */

/* Free, closing at once what is open; set to NULL; NULL is fine. */
void conn_free(struct conn **c);

#endif
