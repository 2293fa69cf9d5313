/* common/bus/world.h - what the stream machines ask of what is around them.
 *
 * writer, home and follower are state machines without sockets or clocks. They
 * reach the rest only through this table; a process fills it with the bus, the
 * registry and the loop, the simulator with faults. All calls return at once;
 * answers come later, never from inside the call (so no machine is re-entered).
 * Times are now_ms of one monotonic clock, passed in with every event.
 */
#ifndef WEIR_BUS_WORLD_H
#define WEIR_BUS_WORLD_H

#include "common/bus/record.h"
#include "common/media/reason.h"
#include "common/media/via.h"

struct feed;

/* A link is the pair of connections to one instance of one node, while it is
 * up. Numbers are never reused in a process; 0 is none. */
typedef uint32_t link_id;

struct node_ref {
	char id[NODE_ID_SIZE];
	char role[ROLE_SIZE];
	char url[NODE_URL_SIZE]; /* bus address */
	struct uuid instance;
	link_id link; /* 0: not reachable */
};

/* What a stream's entry in the registry says (registry/scripts.h). */
struct stream_entry {
	struct stream_key key;
	char kind[ROLE_SIZE]; /* publish, pull */
	bool is_live;         /* false: lost, or over */
	bool is_ended;
	bool is_local; /* written without a claim in this registry */
	struct epoch epoch;
	struct term term;
	int64_t start_us;
	int64_t birth_ms;      /* UTC: first epoch of this life of the stream */
	int64_t lost_until_ms; /* UTC; when not live */
	char writer_node[NODE_ID_SIZE];
	struct uuid writer_instance;
	char home_node[NODE_ID_SIZE];
	struct uuid home_instance;
	char home_url[NODE_URL_SIZE];
	bool writer_has_lease; /* at the time of the answer */
};

/* Questions between nodes: REQ/REP on the control connection. */
enum question_kind {
	QUESTION_PLACE = 1, /* dispatch: which origin for this stream? */
	QUESTION_ALIVE,     /* ingest or home: does your publisher live? */
	QUESTION_CLAIM,     /* home: a claim without the registry */
	QUESTION_RESOLVE,   /* dispatch: where is it; may order a pull */
	QUESTION_VALIDATE,  /* home or origin: the highest you know? */
	QUESTION_LOST,      /* loser's writer is told by the winner */
};

enum alive_verdict {
	ALIVE_UNKNOWN = 0, /* this node knows nothing of it */
	ALIVE_YES,         /* input within publish_stall_ms */
	ALIVE_SILENT,      /* no input for publish_stall_ms */
	ALIVE_LEFT,        /* the publisher left */
	ALIVE_LINK_LOST,   /* home only: the writer's link is down */
	ALIVE_SAME_USER,   /* the credential is the same: may be taken over */
};

struct question {
	uint8_t kind; /* enum question_kind */
	struct stream_key key;
	struct epoch epoch; /* whom it is about; CLAIM: the claimant */
	struct term term;
	int64_t start_us;
	struct epoch expected;    /* CLAIM: may be displaced; 0: nobody */
	char credential[64];      /* of the newcomer; "" anonymous */
	char avoid[NODE_ID_SIZE]; /* PLACE: not this one (it died) */
	char via[VIA_SIZE];       /* RESOLVE: clusters through which all that
				   * want it have come */
};

struct answer {
	int err;            /* 0; WEIR_ETIMEOUT; WEIR_ECLOSED; WEIR_ENOENT; …;
			  * -ECONNREFUSED: no such process any more, says its
			  * machine */
	uint8_t verdict;    /* ALIVE: enum alive_verdict */
	bool is_granted;    /* CLAIM: the place is the claimant's */
	bool is_known;      /* VALIDATE, CLAIM: the fields below hold */
	struct epoch epoch; /* CLAIM, VALIDATE: highest known */
	struct term term;
	int64_t start_us;
	char node[NODE_ID_SIZE]; /* PLACE, RESOLVE: origin; CLAIM: who has it */
	char url[NODE_URL_SIZE];
	struct uuid instance;
	uint32_t silent_ms; /* ALIVE: since the last input, when YES */
	bool is_live; /* CLAIM, VALIDATE: with a bound or claiming writer */
	bool has_log; /* VALIDATE: frames of it are here */
	int64_t top_counter;  /* CLAIM, VALIDATE: highest counter heard of,
			       * also where nothing else is known */
	char kind[ROLE_SIZE]; /* CLAIM, VALIDATE: publish, pull */
	char writer_node[NODE_ID_SIZE]; /* CLAIM, VALIDATE: of `epoch` */
};

/* The scripts of the registry, and what they take. registry/scripts.h. */
enum script_kind {
	SCRIPT_CLAIM = 1, /* take the stream; expects nobody, or `expected` */
	SCRIPT_MOVE,      /* set the home; compare-and-set on the term */
	SCRIPT_LOST,      /* the publisher left: until */
	SCRIPT_END,       /* grace is over */
	SCRIPT_VERIFY,    /* read the entry: am I still it? */
	SCRIPT_SETTLE,    /* write again after the registry lost it */
};

struct script_call {
	uint8_t kind;              /* enum script_kind */
	struct stream_entry entry; /* what the caller wants written */
	struct epoch expected;     /* CLAIM: displaces this one */
	uint64_t told_counter;     /* CLAIM: highest counter known elsewhere */
	uint64_t told_term;        /* CLAIM: highest term number, as well */
	struct term expected_term; /* MOVE */
	bool only_without_lease;   /* LOST, END: not while the writer's node
				  * holds its lease (who calls is no writer) */
};

struct script_result {
	int err; /* 0; WEIR_EBUSY; WEIR_ESTALE; WEIR_ENOENT; WEIR_ETIMEOUT:
		  * no registry */
	struct stream_entry entry;    /* in force after the call */
	struct stream_entry previous; /* CLAIM: what was there before */
	bool has_previous;
};

/* Rules that the simulator breaks to see that it notices. */
enum mutant {
	MUTANT_NO_FENCE = 1 << 0,      /* origins take any term and epoch */
	MUTANT_COPY_SERVES = 1 << 1,   /* a copy takes itself for the home */
	MUTANT_COPY_DELIVERS = 1 << 2, /* what a copy has is delivered */
	MUTANT_COPY_UNUSED = 1 << 3, /* a lost home does not move to the copy */
	MUTANT_SAME_TERM = 1 << 4,   /* who takes a writer keeps its term */
};

/* The first byte of a tag says whose it is; others are the process's own. */
#define TAG_WRITERS   ((uint64_t)1 << 56)
#define TAG_HOMES     ((uint64_t)2 << 56)
#define TAG_FOLLOWERS ((uint64_t)3 << 56)

/* `tag` is the caller's: the answer comes back with it to the machine's
 * on_answer / on_script. Each tag gets exactly one answer (a time-out too). */
struct world {
	void *ctx;
	struct node_ref self;
	uint64_t seed; /* of the machines' maps: random, no peer knows it */
	/* settings, ms */
	uint32_t publish_stall_ms, peer_dead_ms, publish_grace_ms, place_ms,
		registry_ms, resume_window_ms, loop_away_ms, resolve_retry_ms;
	bool takeover;    /* a newcomer always wins */
	uint32_t mutants; /* the simulator's: rules to break (enum mutant);
			   * 0 everywhere else */

	int64_t (*utc_us)(void *ctx);
	/* Queue a record (copied) on the media connection, in order with frames
	 * of its sid. false: the link is down. */
	bool (*send)(void *ctx, link_id link, const struct record *r);
	/* Pull frames from `feed` whenever the link has room, until stopped or
	 * the link is down. The feed stays the machine's. */
	void (*feed_start)(void *ctx, link_id link, struct feed *feed);
	void (*feed_stop)(void *ctx, link_id link, struct feed *feed);
	/* A started feed has something again: its log grew, it goes on after a
	 * pause, it owes a record. */
	void (*feed_kick)(void *ctx, struct feed *feed);
	/* Ask one node. */
	void (*ask)(void *ctx, link_id link, uint64_t tag,
		    const struct question *q, uint32_t deadline_ms);
	/* Ask any dispatch (the next one on silence). */
	void (*ask_dispatch)(void *ctx, uint64_t tag, const struct question *q,
			     uint32_t deadline_ms);
	/* Run a script; WEIR_ETIMEOUT after registry_ms. */
	void (*script)(void *ctx, uint64_t tag, const struct script_call *c);
	/* Origins whose link is up; returns how many were written. */
	size_t (*origins)(void *ctx, struct node_ref *out, size_t max);
	/* The link to a node by id, 0: down. The process may begin to dial a
	 * node that it knows; who needs it asks again. */
	link_id (*link_to)(void *ctx, const char *node);
	/* The local copy's entry, NULL: not known. Borrowed, for the moment. */
	const struct stream_entry *(*known)(void *ctx,
					    const struct stream_key *key);
	/* One event of a stream's life, for logs and `weir explain`. */
	void (*event)(void *ctx, const struct stream_key *key, const char *what,
		      int reason, const char *detail);
};

#endif
