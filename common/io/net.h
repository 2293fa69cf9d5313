/* common/io/net.h - addresses, listening sockets, accepting.
 *
 * Every descriptor made here is non-blocking and close-on-exec. IPv4, IPv6
 * (a listener on [::] takes both), and for hand-over Unix sockets.
 */
#ifndef WEIR_IO_NET_H
#define WEIR_IO_NET_H

#include <sys/socket.h>

#include "common/io/loop.h"

struct net_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};

#define NET_ADDR_TEXT_SIZE 64 /* "[…]:65535" with scope, and a NUL */

/* Read "127.0.0.1:1935", "[::1]:80", ":8080" (any address, IPv6 and IPv4) or
 * "localhost:80". Port 0 is allowed. Returns 0 or WEIR_EINVAL. */
WEIR_MUST_CHECK int net_addr_parse(struct net_addr *out, const char *text);

/* "203.0.113.9:51822", "[::1]:80", "unix", or "?". An IPv4 address inside IPv6
 * is written as IPv4. Returns `out`. */
char *net_addr_text(char out[NET_ADDR_TEXT_SIZE], const struct net_addr *a);

/* The same without the port: for limits per address. */
char *net_addr_ip_text(char out[NET_ADDR_TEXT_SIZE], const struct net_addr *a);

bool net_addr_is_loopback(const struct net_addr *a); /* Unix sockets too */
unsigned net_addr_port(const struct net_addr *a);    /* 0 when it has none */
void net_addr_set_port(struct net_addr *a, unsigned port);

/* Both ends of a socket. Return 0 or -errno. */
WEIR_MUST_CHECK int net_local_addr(struct net_addr *out, int fd);
WEIR_MUST_CHECK int net_peer_addr(struct net_addr *out, int fd);

/* The descriptor of this process whose ends are these two, for what a library
 * keeps to itself; it stays the library's. -1: there is none. Looks at all
 * descriptors. */
int net_find_socket(const struct net_addr *local, const struct net_addr *peer);

/* A listening TCP socket (SO_REUSEADDR). *out is the caller's. Returns 0 or
 * -errno (EADDRINUSE, EACCES). */
WEIR_MUST_CHECK int net_listen(int *out, const struct net_addr *addr);

/* Begin to connect; writable when done, net_socket_error says how. Returns 0
 * or -errno. */
WEIR_MUST_CHECK int net_connect(int *out, const struct net_addr *addr);

/* The pending error of a socket as -errno; 0: none. */
int net_socket_error(int fd);

/* Options; what the kernel refuses is left as it is. */
void net_set_nodelay(int fd);
void net_set_sndbuf(int fd, unsigned bytes);
void net_set_notsent_lowat(int fd, unsigned bytes);
/* Bytes accepted by the kernel and not yet sent; 0 when it does not say. */
unsigned net_unsent_bytes(int fd);

/* ---- Unix sockets (SOCK_SEQPACKET), for processes of one user ---- */

/* Listen at `path` (absolute, any length): 0600, and in place of a socket that
 * nobody listens at any more. Returns 0, WEIR_EINVAL or -errno (EADDRINUSE). */
WEIR_MUST_CHECK int net_unix_listen(int *out, const char *path);

/* Connect to `path`, without waiting. Returns 0, WEIR_EINVAL or -errno (ENOENT,
 * ECONNREFUSED; EAGAIN: its queue is full). */
WEIR_MUST_CHECK int net_unix_connect(int *out, const char *path);

/* Does a process of our own user have the other end? (SO_PEERCRED) */
bool net_unix_is_ours(int fd);

/* ---- sockets that our parent opened: LISTEN_FDS, LISTEN_FDNAMES ---- */

#define NET_INHERIT_MAX 32

struct net_inherit {
	struct {
		char name[32];
		int fd; /* -1: taken */
	} socket[NET_INHERIT_MAX];
	size_t count;
};

/* Find them once, at start, and remove the variables. A LISTEN_PID of another
 * process means none are ours; without LISTEN_PID they are. */
void net_inherit_init(struct net_inherit *in);

/* Take the next one of that name ("rtmp", "http"). The caller owns *out.
 * Returns 0, or WEIR_ENOENT when no more are there. */
WEIR_MUST_CHECK int net_inherit_take(struct net_inherit *in, int *out,
				     const char *name);

/* Close those that nobody took. */
void net_inherit_fini(struct net_inherit *in);

/* ---- accepting ---- */

struct listener;

struct listener_limits {
	unsigned batch_count; /* accepted in one pass; 0: 64 */
	unsigned open_max;    /* accepted and not yet done; 0: no limit */
};

struct listener_stats {
	uint64_t accepted_count;
	uint64_t refused_full_count; /* open_max was reached */
	uint64_t refused_lack_count; /* no descriptors or memory left */
	unsigned open_count;
};

/* The callback owns `fd`. `peer` is borrowed. Call listener_done when the
 * connection is over (once per accepted fd, wherever it went). */
typedef void listener_fn(void *ctx, int fd, const struct net_addr *peer);

/* Accept from `fd`, which the listener takes (on failure too), at most
 * batch_count in one pass. Past open_max, or out of descriptors, a peer is
 * accepted and closed at once: it is refused, and the loop does not spin.
 * Returns 0, WEIR_ENOMEM or -errno. */
#define listener_new(out, loop, fd, limits, cb, ctx)                           \
	listener_make((out), (loop), (fd), (limits),                           \
		      LOOP_TYPED(listener_fn, cb, ctx, 0,                      \
				 (const struct net_addr *)0),                  \
		      (ctx))
WEIR_MUST_CHECK int listener_make(struct listener **out, struct loop *loop,
				  int fd, const struct listener_limits *limits,
				  listener_fn *cb, void *ctx);

void listener_done(struct listener *l);

/* Leave peers in the queue (other processes may share it), and take them
 * again. */
void listener_pause(struct listener *l);
void listener_resume(struct listener *l);

void listener_stats(const struct listener *l, struct listener_stats *out);

/* Where it listens, with the port that the kernel chose. */
const struct net_addr *listener_addr(const struct listener *l);

/* Stop, close the socket, free, set to NULL; NULL is fine. */
void listener_free(struct listener **l);

#endif
