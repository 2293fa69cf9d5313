/* common/io/handover.h - a connection is handed to another process of this
 * machine: its descriptor, and what was read and not yet used.
 *
 * The donor connects to the target's Unix socket (SOCK_SEQPACKET, 0600, same
 * user at both ends by SO_PEERCRED) and says what it has; only when the target
 * wants it, the goods follow, and the descriptor last:
 *
 *	donor   OFFER                    PART … GIVE + descriptor
 *	target        READY | NO reason                           (it is its own)
 *
 * Until GIVE has left, all is the donor's and nothing has happened: it may ask
 * the next target. From then on it never touches the connection again. If the
 * target dies with it, the kernel closes it.
 *
 * What is handed over is told in words (protocol, work), so that more can be
 * handed over later without a change here. Unknown fields are skipped.
 */
#ifndef WEIR_IO_HANDOVER_H
#define WEIR_IO_HANDOVER_H

#include "common/base/buf.h"
#include "common/io/loop.h"
#include "common/media/reason.h"

#define HANDOVER_WORD_SIZE   16
#define HANDOVER_NODE_SIZE   64
#define HANDOVER_STREAM_SIZE 513
#define HANDOVER_PEER_SIZE   64
#define HANDOVER_DETAIL_SIZE 96
#define HANDOVER_GOODS_MAX   (20u << 20) /* bytes; with a half-read message */

/* What is on offer. Texts without control characters, cut to their size. */
struct handover_offer {
	char to[HANDOVER_NODE_SIZE];       /* whom it is meant for */
	char from[HANDOVER_NODE_SIZE];     /* the donor */
	char protocol[HANDOVER_WORD_SIZE]; /* "rtmp" */
	char work[HANDOVER_WORD_SIZE];     /* "publish" */
	char stream[HANDOVER_STREAM_SIZE]; /* key */
	char peer[HANDOVER_PEER_SIZE];     /* "203.0.113.9:51822" */
	uint8_t hops;                      /* handed over so often before */
};

/* What goes with the descriptor. All borrowed. */
struct handover_goods {
	struct span state;  /* the protocol's own */
	struct span unread; /* read from the peer, not used */
	struct span unsent; /* for the peer, not written */
	uint64_t in_bytes;  /* read so far, unread ones included */
	uint64_t out_bytes;
};

/* ---- the donor ---- */

struct handover; /* one offer to one target */

/* Either may free the handover. */
struct handover_events {
	/* It is wanted: handover_give, at once or later. */
	void (*on_ready)(void *ctx);
	/* It is over. err 0: given. Else nothing was given: WEIR_EBUSY: the
	 * target said no, `why` and `detail` (borrowed) are its words;
	 * WEIR_ETIMEOUT; WEIR_ECLOSED; WEIR_EPROTO; WEIR_ENOMEM; -errno. */
	void (*on_end)(void *ctx, int err, enum reason why, const char *detail);
};

struct handover_times {
	unsigned ready_ms; /* from the offer to READY or NO; 0: 200 */
	unsigned give_ms;  /* for the goods to leave; 0: 1000 */
};

/* Offer to who listens at `path`. `offer` is copied, `times` (may be NULL) too,
 * `events` is borrowed; they never come from inside this call. Returns 0;
 * WEIR_ENOMEM; or -errno when nobody can be asked there: ENOENT, ECONNREFUSED,
 * EAGAIN (its queue is full), EPERM (another user's). */
WEIR_MUST_CHECK int handover_new(struct handover **out, struct loop *loop,
				 const char *path,
				 const struct handover_offer *offer,
				 const struct handover_times *times,
				 const struct handover_events *events,
				 void *ctx);

/* Once, after on_ready. `fd` (borrowed: close it when it is given) must be left
 * alone until it is; `goods` is copied. Returns 0: given, no event follows;
 * WEIR_EAGAIN: under way, on_end tells; else as on_end. */
WEIR_MUST_CHECK int handover_give(struct handover *h, int fd,
				  const struct handover_goods *goods);

/* Take back what was not given yet. Sets to NULL; NULL is fine. */
void handover_free(struct handover **h);

/* ---- the target ---- */

struct handover_door;

struct handover_door_ops {
	/* Would we take it? REASON_none: yes. `detail`: more words for a no. */
	enum reason (*on_offer)(void *ctx, const struct handover_offer *offer,
				char detail[HANDOVER_DETAIL_SIZE]);
	/* It is here. `fd`, a connected stream socket, is the callee's;
	 * close-on-exec, non-blocking. The rest is borrowed. */
	void (*on_given)(void *ctx, const struct handover_offer *offer, int fd,
			 const struct handover_goods *goods);
	/* A donor was closed because of what it did or did not; for the log. */
	void (*on_fault)(void *ctx, int err, const char *what);
};

struct handover_door_limits {
	unsigned open_max;  /* donors at a time; 0: 256 */
	size_t goods_bytes; /* of one; 0: HANDOVER_GOODS_MAX */
	unsigned give_ms;   /* from connecting to GIVE; 0: 3000 */
};

struct handover_door_stats {
	uint64_t offers, given, refused, faults;
	unsigned open_count;
};

/* Listen at `path` (absolute). A socket that nobody listens at any more is
 * replaced. `limits` (may be NULL) is copied, `ops` borrowed. Returns 0,
 * WEIR_ENOMEM, WEIR_EINVAL or -errno (EADDRINUSE: somebody lives there). */
WEIR_MUST_CHECK int handover_door_new(struct handover_door **out,
				      struct loop *loop, const char *path,
				      const struct handover_door_limits *limits,
				      const struct handover_door_ops *ops,
				      void *ctx);

void handover_door_stats(const struct handover_door *d,
			 struct handover_door_stats *out);

/* Close all, remove the socket, set to NULL; NULL is fine. Not from inside its
 * callbacks. */
void handover_door_free(struct handover_door **d);

#endif
