/* common/member/gate_counts.h - how many there are of each stream and address,
 * here and elsewhere; the inside of a gate.
 *
 * Each gate tells every dispatch what it counts, and hears how many the others
 * have (common/member/counts.h). What came here a moment ago may pass a limit; what
 * was told is never older than a second, and where something is full, a
 * fifth of that. Without any dispatch only what is here counts.
 *
 * Pure: what is around it, it reaches through struct counts_world.
 *
 * gate_counts.c has the names, gate_tell.c the talk with dispatches.
 */
#ifndef WEIR_MEMBER_GATE_COUNTS_H
#define WEIR_MEMBER_GATE_COUNTS_H

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/bus/world.h"
#include "common/member/counts.h"

#define COUNTS_PEERS_MAX   4 /* dispatches that are told */
#define COUNTS_EACH_MS     1000
#define COUNTS_GAP_MS      200 /* when there is news, or something is full */
#define COUNTS_MORE_MS     5   /* between parts of a long talk */
#define COUNTS_ANSWER_MS   1000
#define COUNTS_SETTLE_MS   3000 /* by then a dispatch has heard of all gates */
#define COUNTS_KEEP_MS     5000 /* the word of a dispatch that is gone */
#define COUNTS_FOREIGN_MAX 100000 /* names that only others have */
#define COUNTS_CLEAR_NAMES 2000   /* at once */

/* None of these calls back from inside. */
struct counts_world {
	void *ctx;
	/* The links to dispatches that are up. */
	size_t (*dispatches)(void *ctx, link_id *out, size_t max);
	/* Put the call "counts"; `args` is borrowed. gate_counts_answer comes
	 * once, unless all is freed. Returns 0; WEIR_ENOMEM: it never does. */
	int (*ask)(void *ctx, link_id link, uint64_t tag,
		   struct json_object *args, uint32_t deadline_ms);
	/* gate_counts_tick is to be called at this time, if not before. */
	void (*wake_at)(void *ctx, int64_t due_ms);
};

/* A stream or an address, while somebody has it or is to know that nobody has. */
struct gate_name {
	struct list all;  /* in gate_counts.all */
	struct list link; /* in told; alone: all know */
	uint64_t version;
	uint32_t own;
	uint32_t said[COUNTS_PEERS_MAX]; /* by each dispatch, of the others */
	bool is_full;                    /* and by those here alone it is not */
	uint8_t kind;
	uint16_t len;
	char text[];
};

enum counts_peer_state {
	COUNTS_FREE,
	COUNTS_TALKING,
	COUNTS_GONE,     /* what it said is kept for a while */
	COUNTS_CLEARING, /* and then forgotten, in turns */
};

/* One dispatch. */
struct counts_peer {
	enum counts_peer_state state;
	link_id link;
	int64_t session, seq;
	struct gate_name
		*next;     /* the first that it is to be told; NULL: none */
	bool is_asked;     /* and has not answered yet */
	bool was_answered; /* at least once */
	bool has_more;     /* to say */
	bool was_cut;      /* what it was told: there is more */
	int64_t asked_ms;  /* the last time */
	int64_t all_ms;    /* since then it knows all; INT64_MAX: not yet */
	int64_t gone_ms;   /* since then; clearing: when to go on with it */
	size_t left;       /* names that are still to be looked at */
};

struct gate_counts {
	const struct counts_world *world; /* NULL: nobody is told */
	uint32_t limit[COUNTS_KINDS];     /* 0: none, and nothing is counted */
	struct map names;                 /* kind and name → gate_name */
	struct list all;                  /* they, in turns */
	struct list told; /* names that are here, or that somebody is to
			       * know are not; the last change is last */
	uint64_t version; /* which this is */
	uint64_t seed;
	uint64_t sessions; /* begun */
	struct counts_peer peer[COUNTS_PEERS_MAX];
	int64_t looked_ms;    /* for dispatches, the last time */
	size_t full_count;    /* names that are full because of others */
	size_t foreign_count; /* names that are not here */
	uint64_t refused, failed, left_out;
};

/* `limit` is copied; `seed` as for map_init. */
void gate_counts_init(struct gate_counts *c, const uint32_t limit[COUNTS_KINDS],
		      uint64_t seed);
void gate_counts_fini(struct gate_counts *c);

/* One more of this name. Returns 0; WEIR_ELIMIT: here and elsewhere there are as
 * many as may be; WEIR_ENOMEM. What has no limit or no name is not counted: 0. */
WEIR_MUST_CHECK int gate_counts_enter(struct gate_counts *c,
				      enum counts_kind kind, struct span name);
/* The same for one that moves here, and is counted elsewhere for a while yet:
 * only those here count. */
WEIR_MUST_CHECK int gate_counts_move(struct gate_counts *c,
				     enum counts_kind kind, struct span name);
/* The same for one that is in already, elsewhere: whatever the limit. */
WEIR_MUST_CHECK int gate_counts_adopt(struct gate_counts *c,
				      enum counts_kind kind, struct span name);
/* One less; for each of those that returned 0. */
void gate_counts_leave(struct gate_counts *c, enum counts_kind kind,
		       struct span name);

/* From now on dispatches are told; `world` is borrowed. */
void gate_counts_start(struct gate_counts *c, const struct counts_world *world);
/* From now on nobody is. */
void gate_counts_stop(struct gate_counts *c);
/* Say what is due to be said; returns when it is due again (INT64_MAX: never). */
int64_t gate_counts_tick(struct gate_counts *c, int64_t now_ms);
/* err as of member_ask; json is borrowed, NULL with an error. */
void gate_counts_answer(struct gate_counts *c, uint64_t tag, int err,
			struct json_object *json, int64_t now_ms);

/* For metrics. */
struct gate_counts_stats {
	uint64_t names;      /* here */
	uint64_t full;       /* because of others */
	uint64_t dispatches; /* that know all that is here */
	uint64_t refused;    /* because of others */
	uint64_t failed;     /* talks with a dispatch that broke off */
	uint64_t left_out;   /* foreign names that there was no room for */
};
void gate_counts_read(const struct gate_counts *c,
		      struct gate_counts_stats *out);

/* ---- gate_counts.c, for gate_tell.c ---- */

/* What a peer says that others have. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int gate_counts_hear(struct gate_counts *c, unsigned peer,
				     enum counts_kind kind, struct span name,
				     uint32_t count);
/* Forget what this peer said of the first `count` names, which are the last ones
 * then. */
void gate_counts_unhear(struct gate_counts *c, unsigned peer, size_t count);
/* The first to tell, and the one behind; NULL: none. */
struct gate_name *gate_counts_first(const struct gate_counts *c);
struct gate_name *gate_counts_next(const struct gate_counts *c,
				   const struct gate_name *n);
/* Let it go, if nobody is here, and nobody is to know that. */
void gate_counts_passed(struct gate_counts *c, struct gate_name *n);

/* ---- gate_tell.c, for gate_counts.c ---- */

/* There is news. */
void gate_counts_wake(struct gate_counts *c);

#endif
