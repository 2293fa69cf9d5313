/* services/edge/door.h - the doors of an edge: what connections of every
 * protocol have in common, from accept to close.
 *
 * A guest comes in half-open, asks for a stream, waits until it can be played,
 * views, leaves. While it views, its socket belongs to a viewer; before and
 * after, to a conn. A protocol fills in door_ops.
 */
#ifndef WEIR_EDGE_DOOR_H
#define WEIR_EDGE_DOOR_H

#include "common/io/conn.h"
#include "services/edge/stream.h"

struct door;
struct edge;

enum guest_phase {
	GUEST_HALF_OPEN,
	GUEST_WAITING,
	GUEST_VIEWING,
	GUEST_PASSING, /* wants another process: see passing.h */
	GUEST_LEAVING,
};

struct guest {
	struct list link; /* in its door's list of its phase */
	struct door *door;
	struct edge *edge;
	struct listener *listener;
	struct net_addr addr;
	enum guest_phase phase;
	struct conn *conn;     /* NULL while it views */
	struct viewer *viewer; /* else NULL */
	void *protocol;        /* the door_ops' own */
	bool wants_no_media;   /* HTTP HEAD */
	struct stream *stream;
	struct waiter waiter;
	struct passing *passing; /* while it is passed on; else NULL */
	struct session session;  /* from guest_ask on */
	bool has_asked, has_played, is_passed;
	uint64_t accepted_us; /* loop's time */
	uint64_t since_ms;    /* of this phase */
	uint64_t played_ms;   /* when it began to */
	enum reason why;
	char detail[96];
};

struct door_ops {
	const char *name;      /* of sockets and addresses: "rtmp" */
	const char *protocol;  /* of sessions: "RTMP" */
	const char *id_prefix; /* "RTMPPUBSUB" */
	const struct wire_format *format;
	struct conn_limits limits;
	/* Make and free guest->protocol. */
	int (*open)(struct guest *g);
	void (*close)(struct guest *g);
	/* As conn_ops.on_data; a negative verdict may leave guest->detail. */
	int64_t (*on_data)(struct guest *g, struct span in);
	/* As viewer_ops.on_data. */
	enum reason (*on_viewer_data)(struct guest *g, struct span in);
	/* Say yes. Returns 0; WEIR_ESTOP: all is said, no media is wanted; or
	 * an error. */
	int (*accept)(struct guest *g);
	/* Say no. */
	void (*refuse)(struct guest *g, enum reason why, const char *detail);
	/* Last words to a viewer. */
	void (*finish)(struct guest *g, enum reason why);
	/* guest->protocol as bytes, for another process (errors are the
	 * buffer's), and the name of their form. NULL: it is not passed on. */
	void (*save)(struct guest *g, struct buf *out);
	const char *saved_form;
};

extern const struct door_ops door_rtmp;
extern const struct door_ops door_http;

/* Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int door_new(struct door **out, struct edge *e,
			     const struct door_ops *ops);
/* Let guests in from a listening socket, which it takes (on failure too).
 * *bound is where it listens. Returns 0, WEIR_ELIMIT, WEIR_ENOMEM, -errno. */
WEIR_MUST_CHECK int door_listen(struct door *d, int fd, struct net_addr *bound);
/* Closes all guests at once. */
void door_free(struct door **d);

void door_close(struct door *d); /* accept nobody any more */
size_t door_guests(const struct door *d);
/* Every 100 to 500 ms: time-outs. */
void door_tick(struct door *d, uint64_t now_ms);
/* End at most `count` guests that wait or view. */
void door_end_some(struct door *d, size_t count, enum reason why);

/* Those that have asked, of one stream or (NULL) of all. */
void door_each_session(struct door *d, const char *stream,
		       void (*fn)(void *ctx, struct session *s), void *ctx);
/* false: it is not here. */
bool door_kick(struct door *d, const char *session_id);

/* ---- for protocols ---- */

const struct door_ops *guest_ops(const struct guest *g);

/* Queue bytes for the peer, whoever has its socket. Returns 0 or a conn_send
 * error; a viewer that cannot take it ends by itself. */
WEIR_MUST_CHECK int guest_send(struct guest *g, struct span bytes);

/* It asks for a stream: wait for it, then door_ops.accept or refuse. */
void guest_ask(struct guest *g, const struct stream_key *key,
	       struct span query);

/* Say no through door_ops.refuse, count it, close in order. */
void guest_refuse(struct guest *g, enum reason why, const char *detail);

/* It asks to publish: let an ingest of this machine have it. Nothing more is
 * read from it here; it ends passed on, or refused. */
void guest_pass(struct guest *g, const struct stream_key *key);

/* It is another process's: forget it, and leave its connection open. `node`
 * has it. */
void guest_passed(struct guest *g, const char *node, const char *stream);

/* All is said: close in order. */
void guest_close(struct guest *g, enum reason why, const char *detail);

#endif
