/* common/bus/bus_priv.h - what the files of the bus share among themselves.
 *
 * bus.c: the public calls, timers. channel.c: one connection. peer.c: pairs of
 * them, and whom we dial. request.c: questions and answers.
 *
 * Nothing is freed while its own code may be on the stack: what is closed goes
 * to a list of the dead, and a task at the end of the pass frees it. on_up and
 * on_down, too, come from a task at the end of a pass.
 */
#ifndef WEIR_BUS_BUS_PRIV_H
#define WEIR_BUS_BUS_PRIV_H

#include "common/base/map.h"
#include "common/bus/bus.h"
#include "common/bus/handshake.h"
#include "common/bus/link.h"
#include "common/bus/pipe.h"

#define BUS_TICK_MS         100u
#define BUS_LAST_MS         100u /* silence behind the end of one of a pair */
#define BUS_BACKOFF_MIN_MS  50u
#define BUS_BACKOFF_MAX_MS  500u
#define BUS_QUEUE_MAX_BYTES (8u * 1024 * 1024) /* records, of one connection */
#define BUS_REQUEST_BYTES   60000u /* JSON in one REQ or one piece of a REP */
#define BUS_PENDING_MAX     4096u  /* requests of peers not yet answered */

enum channel_state {
	CHANNEL_DIALING,
	CHANNEL_HANDSHAKE,
	CHANNEL_PROVEN, /* waits for the other one; nothing is read */
	CHANNEL_UP,
	CHANNEL_ENDED, /* gone at its end; its pair is read to the last byte */
	CHANNEL_DEAD,  /* waits to be freed */
};

struct channel {
	struct list link; /* of bus: half_open, channels or dead_channels */
	struct bus *bus;
	struct pipe *pipe;     /* NULL: ENDED, DEAD */
	struct target *target; /* who dialed it; NULL: accepted */
	struct peer *peer;     /* whose it is, once PROVEN */
	enum channel_state state;
	struct handshake hs;
	struct link_sender tx;
	struct link_receiver rx;
	struct pass_task flush;
	uint64_t opened_ms, heard_ms, written_ms;
	uint64_t wait_until_ms; /* a flush that was put off; 0: none */
	uint32_t pending_bytes; /* of frames since the last write, about */
	char addr[PIPE_ADDR_SIZE];
};

enum peer_state { PEER_HALF, PEER_UP, PEER_DOWN };

/* The pair of connections with one instance of a node. */
struct peer {
	struct list link; /* of bus: halves, peers, downs or dead_peers */
	struct bus *bus;
	struct node_ref node;
	bool is_dialed;
	enum peer_state state;
	enum reason why;         /* DOWN */
	struct channel *conn[2]; /* media, control */
};

/* A node to which a link is to be kept. */
struct target {
	struct list link;
	struct bus *bus;
	char node[NODE_ID_SIZE];
	char url[NODE_URL_SIZE];
	struct pipe_dialer *dialer;
	struct channel *conn[2]; /* until they are dead */
	uint32_t backoff_ms;
	uint64_t next_ms;     /* not dialed before */
	const char *reported; /* the refusal that was told last */
};

struct bus {
	struct loop *loop;
	struct pipes *pipes;
	struct bus_config config;
	struct handshake_self self;
	uint8_t *key;
	struct bus_events events;
	void *ctx;
	link_id next_link;
	uint32_t half_open_count;
	uint64_t seed;         /* of the jitter */
	struct list half_open; /* accepted, not UP; oldest first */
	struct list channels;  /* all others that are not dead */
	struct list halves, peers, downs;
	struct list targets;
	struct list dead_channels, dead_peers;
	struct map by_link, by_node; /* UP peers */
	struct pass_task settle, reap, rested;
	struct timer *tick, *due;
	uint64_t due_ms, tick_ms, ping_ms;
	bool is_busy;          /* writes are put off */
	bool has_rested;       /* but for those of this pass */
	struct bus_stats past; /* of connections that are gone */
	struct list asks;      /* struct ask */
	struct map ask_by_id;
	uint64_t next_ask;
	struct list pending, answered; /* struct bus_request */
	struct map request_by_id;
	size_t pending_count, answered_count, answered_bytes;
};

/* bus.c */
uint64_t bus_now_ms(const struct bus *b);
uint64_t bus_now_us(const struct bus *b);
void bus_due_at(struct bus *b, uint64_t at_ms); /* run what is due then */
void bus_reap_soon(struct bus *b);

/* channel.c */
void channel_accept(struct bus *b, struct pipe *p);
WEIR_MUST_CHECK int channel_dial(struct target *t, uint8_t connection);
/* Close it alone, without a word. */
void channel_close(struct channel *c);
/* It failed: with it go its pair, or its target's attempt. */
void channel_lost(struct channel *c, enum reason why);
/* The same, by its own fault: told and counted. */
void channel_refuse(struct channel *c, enum reason why, const char *detail);
void channel_go_up(struct channel *c);
/* Read what waits; c may be dead afterwards. */
void channel_read(struct channel *c);
/* Queue and send soon; on a failure the link is lost. */
bool channel_send(struct channel *c, const struct record *r);
void channel_flush_soon(struct channel *c);
/* Returns whether it was closed (and others with it, maybe). */
bool channel_tick(struct channel *c, uint64_t now_ms);
void channel_free(struct channel *c);

/* peer.c */
struct peer *peer_by_link(const struct bus *b, link_id link);
struct peer *peer_by_node(const struct bus *b, const char *node);
void peer_join(struct channel *c); /* it is PROVEN */
void peer_leave(struct channel *c);
void peer_down(struct peer *p, enum reason why);
void peers_settle_soon(struct bus *b);
struct target *target_find(const struct bus *b, const char *node);
void target_failed(struct target *t);
void targets_run(struct bus *b, uint64_t now_ms);
void target_free(struct target *t);

/* request.c */
void requests_init(struct bus *b);
void requests_fini(struct bus *b);
int requests_on_req(struct channel *c, const struct record *r);
int requests_on_rep(struct channel *c, const struct record *r);
void requests_on_down(struct bus *b, link_id link);
void requests_run(struct bus *b, uint64_t now_ms);
void requests_tick(struct bus *b, uint64_t now_ms);

#endif
