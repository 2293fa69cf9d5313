/* services/edge/fanout_inner.h - the inside of a fanout, shared by fanout.c
 * (wires, passes) and viewer.c (one viewer). Nobody else includes it.
 */
#ifndef WEIR_EDGE_FANOUT_INNER_H
#define WEIR_EDGE_FANOUT_INNER_H

#include "services/edge/fanout.h"

/* One wire and who reads it. */
struct branch {
	struct list link;
	struct fanout *fo;
	const struct wire_format *format;
	struct wire *wire; /* NULL: no memory yet */
	struct list waiters;
	struct list due;     /* viewers that can be sent to */
	struct list blocked; /* viewers whose socket is full */
	/* Viewers that had all when they were sent to last, by slots; and an
	 * offset before which none of them stands. */
	struct list idle[PACER_SLOTS];
	uint64_t idle_from[PACER_SLOTS];
	unsigned idle_slots;         /* where somebody may be: a bit of each */
	unsigned next_slot;          /* of the next viewer */
	size_t viewers, tls_viewers; /* of these, by TLS */
	bool takes_viewers;          /* new ones; else a newer branch does */
	uint64_t used_ms;            /* last time somebody was here */
	uint64_t left_out;           /* of the wire, as counted so far */
	uint64_t refused;
	uint64_t written_bytes;
	/* When it was looked for what is spare. */
	uint64_t roomy_frames, roomy_bytes, roomy_groups;
};

struct fanout {
	struct loop *loop;
	struct pace *pace;
	struct pace_member member;
	struct log *log;
	struct log_watch watch;
	struct pass_task task;
	struct fanout_limits limits;
	struct edge_stats *stats;
	const struct fanout_events *events;
	void *ctx;
	struct list branches;
	uint64_t first; /* ordinal; nothing before it is sent any more */
	struct edge_skip_stats untold;
	uint64_t told_ms;
};

/* What a send touches stands first: with thousands of viewers none of it is in
 * the processor's cache when its turn comes. */
struct viewer {
	struct list link; /* in a list of its branch */
	struct branch *branch;
	struct session *session;
	struct tls *tls; /* NULL: none */
	int fd;
	uint8_t slot;    /* in which it has its turn */
	bool is_blocked; /* since progress_ms no byte was taken */
	bool is_over;
	uint32_t allow_ms; /* lag that is allowed now */
	struct wire_cursor cursor;
	struct buf insert; /* goes out at a unit's end */
	size_t inserted;   /* bytes of it that are sent */
	uint64_t connected_us;
	size_t insert_max;
	uint64_t progress_ms;
	struct loop_watch *watch;
	struct pass_task end_task;
	const struct viewer_ops *ops;
	void *ctx;
	enum reason why;
};

enum viewer_state {
	VIEWER_HAS_ALL,
	VIEWER_IS_BLOCKED,
	VIEWER_WANTS_MORE, /* its share of this pass is used up */
	VIEWER_IS_OVER,
};

/* Send what there is, a share at a time. */
enum viewer_state viewer_send(struct viewer *v);

/* It lags too far: leave the place, go on at a newer join. */
void viewer_skip(struct viewer *v);

/* How far it lags; is it more than it may? */
bool viewer_lags(struct viewer *v);
/* Is it still on its way to the newest frame, from where it began? */
bool viewer_catches_up(const struct viewer *v);

/* Watch for room in the socket, or not. */
void viewer_watch_room(struct viewer *v, bool is_wanted);

/* There is something to do at the end of this pass. */
void fanout_schedule(struct fanout *fo);

#endif
