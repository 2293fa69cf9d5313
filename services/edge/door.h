/* services/edge/door.h - the doors of an edge: what connections of every
 * protocol have in common, from accept to close.
 *
 * A guest comes in half-open, asks for a stream, waits until it can be played,
 * views, leaves. While it views, its socket belongs to a viewer; before and
 * after, to a conn. Where others live behind a door too, its bytes are only
 * peeked at until it is known whose guest it is; what is behind TLS cannot be,
 * and stays with the door. A protocol fills in door_ops.
 */
#ifndef WEIR_EDGE_DOOR_H
#define WEIR_EDGE_DOOR_H

#include "common/io/conn.h"
#include "common/io/peek.h"
#include "common/io/tls.h"
#include "common/member/gate.h"
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

/* One way to play. */
struct door_way {
	enum edge_way way;        /* of logs and counters */
	const char *protocol;     /* of sessions, as lal has it: "FLV" */
	const char *id_prefix;    /* "FLVPUBSUB" */
	const char *content_type; /* NULL: no HTTP answer */
	const struct wire_format *format;
};

extern const struct door_way way_rtmp;
extern const struct door_way way_flv, way_ts, way_ws_flv, way_ws_ts;

enum door_claim {
	DOOR_UNSURE, /* until more has come */
	DOOR_OURS,
	DOOR_THEIRS,
};

struct guest {
	struct list link; /* in its door's list of its phase */
	struct door *door;
	struct edge *edge;
	struct listener *listener; /* NULL: it came another way */
	struct net_addr addr;
	enum guest_phase phase;
	struct peek *peek;     /* at first, where the door peeks */
	int fd;                /* only while it is peeked at; else -1 */
	struct conn *conn;     /* NULL while it views */
	struct viewer *viewer; /* else NULL */
	void *protocol;        /* the door_ops' own */
	bool wants_no_media;   /* HTTP HEAD */
	bool has_tls;
	char *via;     /* of its words, until it enters; NULL: none */
	bool is_relay; /* another cluster, which wants to know who we are */
	bool is_given; /* away: nothing is to be said of it */
	const struct door_way *way; /* from guest_ask on */
	struct gate_pass pass;      /* likewise: may it? */
	struct stream_key *key;     /* until it may, or for good; else NULL */
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
	const char *name;     /* of sockets and addresses: "rtmp" */
	const char *protocol; /* of who never asked, in the log: "RTMP" */
	struct conn_limits limits;
	/* Whose is it? Sees at most peek_bytes, more each time. is_last: there
	 * will be no more; one that is unsure then is closed. NULL: ours. */
	size_t peek_bytes;
	enum door_claim (*on_peek)(struct guest *g, struct span in,
				   bool is_last);
	/* It is theirs: takes `fd`, with all bytes in it, on failure too.
	 * Returns 0 or an error. */
	int (*give)(struct guest *g, int fd);
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
	/* Last words to a viewer whose connection ends in order. */
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
/* Let guests in from a listening socket, which it takes (on failure too); with
 * an `identity` (borrowed) by TLS. *bound is where it listens. Returns 0,
 * WEIR_ELIMIT, WEIR_ENOMEM, -errno. */
WEIR_MUST_CHECK int door_listen(struct door *d, int fd,
				struct tls_identity *identity,
				struct net_addr *bound);
/* Let in one that came another way. `fd` is taken; `unread` (copied) is what it
 * has said. It may be turned away like all others. */
void door_adopt(struct door *d, int fd, const struct net_addr *peer,
		struct span unread);
/* Closes all guests at once. */
void door_free(struct door **d);

void door_close(struct door *d); /* accept nobody any more */
size_t door_guests(const struct door *d);
/* Every 100 to 500 ms: time-outs. */
void door_tick(struct door *d, uint64_t now_ms);
/* End at most `count` guests that wait or view; returns how many. */
size_t door_end_some(struct door *d, size_t count, enum reason why);

/* Those that have asked, of one stream or (NULL) of all. */
void door_each_session(struct door *d, const char *stream,
		       void (*fn)(void *ctx, struct session *s), void *ctx);

/* ---- for protocols ---- */

const struct door_ops *guest_ops(const struct guest *g);

/* Queue bytes for the peer, whoever has its socket. Returns 0 or a conn_send
 * error; a viewer that cannot take it ends by itself. */
WEIR_MUST_CHECK int guest_send(struct guest *g, struct span bytes);

/* What came with its question; "" where nothing did. */
struct guest_words {
	struct span query; /* raw, all there are, joined by '&' */
	struct span referer, user_agent;
	struct span via; /* clusters (common/media/via.h); empty: none */
};

/* It asks for a stream: ask whether it may, wait for the stream, then
 * door_ops.accept or refuse. */
void guest_ask(struct guest *g, const struct door_way *way,
	       const struct stream_key *key, const struct guest_words *words);

/* Say no through door_ops.refuse, count it, close in order. */
void guest_refuse(struct guest *g, enum reason why, const char *detail);

/* For the stream's history (common/member/events.h). That of who has asked by
 * guest_ask is told at its end. */
void guest_visit(struct guest *g, enum event_visit_kind kind,
		 const struct stream_key *key, enum reason why,
		 const char *detail);

/* Into another list, and another count. */
void guest_go_to(struct guest *g, enum guest_phase phase);

/* At once, whatever it has. Not from inside a callback of its conn. */
void guest_free(struct guest *g);

/* All is said: close in order. */
void guest_close(struct guest *g, enum reason why, const char *detail);

#endif
