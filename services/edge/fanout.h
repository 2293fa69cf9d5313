/* services/edge/fanout.h - one stream's viewers: its wire logs, who waits for
 * them, who is sent to.
 *
 * A fanout watches a log and writes what is appended into its wires, one per
 * format (and generation of time). At the end of each pass every viewer that
 * can take bytes gets what is new; while the pace has a delay, when it is the
 * turn of the viewer's slot. Nothing is allocated, formatted or logged per
 * viewer and frame.
 */
#ifndef WEIR_EDGE_FANOUT_H
#define WEIR_EDGE_FANOUT_H

#include "common/io/loop.h"
#include "common/member/session.h"
#include "services/edge/pace.h"
#include "services/edge/wire.h"

struct fanout;
struct tls;
struct viewer;

struct fanout_limits {
	struct wire_limits wire;
	uint32_t wires_max;
	uint32_t max_lag_ms;   /* a viewer that lags further is moved */
	uint32_t slow_ms;      /* no byte taken for so long: closed */
	uint32_t keep_idle_ms; /* a wire without viewers */
};

struct fanout_events {
	/* `viewers` were moved to a newer key frame since the last call, past
	 * `frames` frames. At most once a second. */
	void (*on_skips)(void *ctx, uint64_t viewers, uint64_t frames);
};

/* `pace` (and its loop), `log`, `stats` and `events` are borrowed. Returns 0 or
 * WEIR_ENOMEM. */
WEIR_MUST_CHECK int fanout_new(struct fanout **out, struct pace *pace,
			       struct log *log,
			       const struct fanout_limits *limits,
			       struct edge_stats *stats,
			       const struct fanout_events *events, void *ctx);
/* Waiters are forgotten; there must be no viewers (fanout_end). */
void fanout_free(struct fanout **fo);

/* Watch this log from now on (borrowed): the one of before is gone. Then
 * fanout_end, as nothing of a new log goes on where the old one stopped. */
void fanout_set_log(struct fanout *fo, struct log *log);

/* The stream is over: every viewer ends with `why`, waiters stay, and nothing
 * that the log has so far will be sent to anybody. */
void fanout_end(struct fanout *fo, enum reason why);

/* Frames are missing in the log from here on. */
void fanout_gap(struct fanout *fo, uint64_t frames);

/* To be called every 100 to 500 ms: lags, time-outs, wires that nobody uses. */
void fanout_tick(struct fanout *fo, uint64_t now_ms);

/* ---- waiting ---- */

/* Storage of the owner; list_init(&link) before, and while it does not wait. */
struct waiter {
	struct list link;
	/* A viewer can begin: call viewer_new now, or never. It waits no more.
	 * At the end of a pass, never from inside fanout_wait. */
	void (*on_ready)(void *ctx);
	/* No viewer of that format ever will; why, in words. Likewise. */
	void (*on_refused)(void *ctx, const char *why);
	void *ctx;
};

/* Wait until a viewer of that format can begin. Returns 0; WEIR_ELIMIT: too
 * many wires; WEIR_ENOMEM. Stop waiting by list_remove. */
WEIR_MUST_CHECK int fanout_wait(struct fanout *fo,
				const struct wire_format *format,
				struct waiter *w);

/* ---- viewers ---- */

struct viewer_ops {
	/* Bytes came from the peer; borrowed. Anything but REASON_none ends the
	 * viewer. viewer_insert and viewer_end are allowed, freeing is not. */
	enum reason (*on_data)(void *ctx, struct span in);
	/* It is over, at the end of a pass: detach or free it, here or later.
	 * Not called after either. */
	void (*on_end)(void *ctx, enum reason why);
};

struct viewer_start {
	/* Taken when viewer_new succeeds. */
	int fd;
	struct tls *tls; /* of fd; NULL: none */
	const struct viewer_ops *ops;
	void *ctx;
	struct session *session; /* borrowed: its counters are kept up */
	struct span greeting;    /* sent before anything; copied */
	uint64_t connected_us;   /* loop's time, for the histogram; 0: do not */
};

/* From on_ready: begin to send. Returns 0; WEIR_EAGAIN: no place to begin;
 * WEIR_ENOMEM or -errno. */
WEIR_MUST_CHECK int viewer_new(struct viewer **out, struct fanout *fo,
			       const struct wire_format *format,
			       const struct viewer_start *start);

/* Send this (copied) at the next unit's end. A viewer that lets too much pile
 * up ends with REASON_limit. */
void viewer_insert(struct viewer *v, struct span bytes);

/* End it; on_end follows. The first reason stays. */
void viewer_end(struct viewer *v, enum reason why);

/* From on_end on: give the socket back with its TLS (NULL: none), and append to
 * `unsent` what has to go out before anything else may. Then only viewer_free.
 * Returns 0 or WEIR_ENOMEM: nothing happened. */
WEIR_MUST_CHECK int viewer_detach(struct viewer *v, int *fd, struct tls **tls,
				  struct buf *unsent);

/* Close what was not detached, free, set to NULL; NULL is fine. Not from
 * on_data. */
void viewer_free(struct viewer **v);

size_t fanout_viewers(const struct fanout *fo);
uint64_t fanout_wire_bytes(const struct fanout *fo); /* memory of wires */

#endif
