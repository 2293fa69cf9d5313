/* common/bus/writer_priv.h - the inside of the writers, shared by writer.c (the
 * interface), writer_ask.c (what others ask), writer_move.c (homes),
 * writer_drain.c (homes that take leave), writer_copy.c (second origins) and
 * writer_check.c (claims that stand or fall). Nobody else includes it.
 */
#ifndef WEIR_BUS_WRITER_PRIV_H
#define WEIR_BUS_WRITER_PRIV_H

#include "common/base/map.h"
#include "common/bus/writer.h"
#include "common/registry/claim.h"

#define WRITER_ORIGINS_MAX 64

enum writer_state {
	WRITER_CLAIMING,
	WRITER_WAITING, /* for an earlier session's last frames to go out */
	WRITER_PLACING, /* where to? */
	WRITER_MOVING,  /* the registry is being told where */
	WRITER_OPENING, /* PUB is sent */
	WRITER_FEEDING,
	WRITER_SPENT, /* on_end was called */
};

/* What this process knows of a key beyond the sessions of now. */
struct writer_memory {
	struct list link; /* writers.memories: oldest first */
	uint64_t counter, term;
	struct uuid passed; /* the session that was given away last, */
	int64_t passed_ms;  /* and when */
	struct stream_key key;
};

struct writers {
	const struct world *world;
	struct list all;   /* struct writer, in the order of their numbers */
	struct list *walk; /* where the walk under way goes on */
	uint64_t numbers;
	uint32_t sids;       /* followers' have the highest bit */
	int64_t now_ms;      /* of the event under way */
	bool has_news;       /* something is due earlier, maybe, than */
	int64_t due_ms;      /* … when the last tick said */
	uint64_t generation; /* of the registry, as far as was noticed */
	unsigned replicas;
	link_id draining[WRITER_ORIGINS_MAX]; /* origins that take leave */
	size_t draining_count;
	struct map memory; /* key to struct writer_memory */
	struct list memories;
};

/* Questions that are out; 0: none. */
struct writer_tags {
	uint64_t place, move, settle, verify, lost;
	uint64_t validate_first; /* one for each origin asked */
	uint32_t validate_count, validate_left;
	bool has_word; /* an origin answered */
};

/* The second origin. */
struct writer_copy {
	link_id link; /* PUB was sent there; 0: none */
	uint32_t sid;
	bool is_fed;
	struct feed feed;
	int64_t due_ms; /* when to ask again */
	char node[NODE_ID_SIZE];
};

struct writer {
	struct list link; /* writers.all */
	struct writers *ws;
	uint64_t number;
	int64_t input_ms; /* last byte of the publisher */
	link_id home;     /* PUB was sent there; 0: none */
	uint32_t sid;
	bool is_fed; /* the feed is with the world, on `home` */
	struct feed feed;
	struct writer_copy copy;
	/* Of its request; the rest of that stands in `entry`. */
	struct uuid session;
	char credential[64];
	struct log *log;
	struct writer_events events;
	void *ctx;
	enum writer_state state;
	struct claim *claim; /* while CLAIMING */
	struct stream_entry entry;
	struct term stored;  /* what the registry is known to have */
	uint64_t generation; /* of the registry that was asked last */
	bool continues;      /* the registry knew a life of the stream */
	bool has_epoch;      /* on_granted was called */
	bool is_leaving;     /* the publisher left */
	bool is_delivered;   /* all of it is at the home */
	bool is_checking;    /* nothing is sent until the claim is validated */
	bool is_lost_noted;  /* the registry knows that the publisher left */
	bool must_settle;    /* the registry has to be told of the entry */
	bool is_wanted;
	bool has_heard_wanted; /* behind PUB: newer than what RESUME says */
	enum reason leave_why;
	int64_t due_ms;    /* of the state */
	int64_t settle_ms; /* when to try again */
	int64_t check_ms;  /* when to try again */
	int64_t wait_until_ms;
	int64_t leave_ms; /* when grace is over */
	uint32_t tries;   /* PUBs of this opening */
	uint32_t raises;  /* terms raised since the last RESUME */
	uint16_t serial;
	struct writer_tags tag;
	char avoid[NODE_ID_SIZE];
	struct node_ref target; /* MOVING: where to */
	struct stateset *told;  /* state frames of the home */
};

/* ---- writer.c ---- */

uint64_t writer_tag(struct writer *w);
/* One that has nothing yet, among the others. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int writer_make(struct writer **out, struct writers *ws,
				const struct writer_request *request,
				const struct writer_events *events, void *ctx,
				int64_t now_ms);
void writer_event(struct writer *w, const char *what, enum reason why,
		  const char *detail);
/* The home has all of it; *w may be gone afterwards. */
void writer_on_delivered(struct writer *w);
/* Stop, tell the owner; *w may be gone afterwards. */
void writer_end(struct writer *w, enum reason why, const char *detail);
/* A script is asked for, or has answered: if the registry has become another one
 * in between, it does not have what it said. */
void writer_note_asked(struct writer *w);
void writer_note_answered(struct writer *w, int64_t now_ms);
/* Remember the highest counter and term of the key; and tell the owner that the
 * term is another one; or that its session is another process's now. */
void writer_remember(struct writer *w);
void writer_note_term(struct writer *w);
void writer_remember_passed(struct writer *w, int64_t now_ms);
bool writers_have_passed(const struct writers *ws, const struct stream_key *key,
			 const struct uuid *session, int64_t now_ms);

/* A walk over all that outlives their ends; one at a time. NULL: at the end. */
struct writer *writers_walk_first(struct writers *ws);
struct writer *writers_walk_next(struct writers *ws);

/* ---- writer_move.c ---- */

/* The claim is ours: go to the home (when earlier sessions are through). */
void writer_open(struct writer *w, int64_t now_ms);
/* Look for another home than `avoid` ("": any). */
void writer_place(struct writer *w, const char *avoid, int64_t now_ms);
/* What is known of term and home by somebody else is right: follow it. */
void writer_adopt(struct writer *w, const struct term *term, const char *node,
		  const char *url, const struct uuid *instance, int64_t now_ms);
void writer_stop_feed(struct writer *w);
void writer_tell_home(struct writer *w, const struct node_ref *origin,
		      bool is_live);
void writer_tell_homes(struct writer *w, bool is_live);
/* A feed of the writer's log for an origin that sent `r` (RESUME): from right
 * behind what it has, else from the oldest that is kept. */
void writer_feed_begin(struct writer *w, struct feed *f, uint32_t sid,
		       const struct record *r);
void writer_on_resume(struct writer *w, const struct record *r, int64_t now_ms);
void writer_on_placed(struct writer *w, const struct answer *a, int64_t now_ms);
void writer_on_moved(struct writer *w, const struct script_result *r,
		     int64_t now_ms);
void writer_on_home_lost(struct writer *w, const char *node, int64_t now_ms);
void writer_on_origin_up(struct writer *w, const struct node_ref *origin,
			 int64_t now_ms);
/* The state's due time has come. */
void writer_go_on(struct writer *w, int64_t now_ms);

/* ---- writer_drain.c ---- */

void writers_on_drain(struct writers *ws, link_id link, int64_t now_ms);
/* The link is lost. */
void writers_drain_over(struct writers *ws, link_id link);
bool writers_is_draining(const struct writers *ws, link_id link);
/* For rank_best, with a struct writer: neither its home nor one that drains. */
bool writer_may_go_to(const void *ctx, const struct node_ref *origin);
/* If the home drains: look for another one, as soon as there is one and the
 * epoch has begun. */
void writer_move_due(struct writer *w, int64_t now_ms);

/* ---- writer_copy.c ---- */

/* The home is fed: have a second origin, if there is to be one. */
void writer_copy_open(struct writer *w, int64_t now_ms);
/* Nothing more is sent there; and it is told that nothing comes. */
void writer_copy_stop(struct writer *w);
void writer_copy_end(struct writer *w, enum reason why);
/* false: not of one of these. */
bool writer_copy_on_record(struct writers *ws, link_id link,
			   const struct record *r, int64_t now_ms);
void writer_copy_on_link(struct writer *w, const struct node_ref *node,
			 bool is_up, int64_t now_ms);
void writer_copy_on_drain(struct writer *w, link_id link, int64_t now_ms);
void writer_copy_kick(struct writer *w);
void writer_copy_pause(struct writer *w, bool is_paused);
/* Where the home goes when it is lost: false: there is no copy. */
bool writer_copy_target(const struct writer *w, struct node_ref *out);

/* ---- writer_check.c ---- */

/* Nothing is sent until the claim has been found to stand. */
void writer_check(struct writer *w, int64_t now_ms);
/* Tell the registry what this writer is, or learn who is in its place. */
void writer_settle(struct writer *w, int64_t now_ms);
void writer_note_lost(struct writer *w);
/* A term that is not lower is known elsewhere: raise ours past it. */
void writer_raise(struct writer *w, const struct term *past, int64_t now_ms);
void writer_on_fenced(struct writer *w, const struct record *r, int64_t now_ms);
void writer_on_settled(struct writer *w, const struct script_result *r,
		       int64_t now_ms);
void writer_on_verified(struct writer *w, const struct script_result *r,
			int64_t now_ms);
void writer_on_validated(struct writer *w, uint64_t tag, const struct answer *a,
			 int64_t now_ms);
void writer_on_entry(struct writer *w, const struct stream_entry *e,
		     int64_t now_ms);

#endif
