/* common/member/gate_priv.h - the inside of a gate. gate.c, gate_stay.c,
 * gate_limits.c, gate_hook.c and gate_asker.c are pure: they reach what is around
 * them through struct gate_world and struct asker_world, which gate_member.c fills
 * and a test fakes. Nobody else includes it.
 */
#ifndef WEIR_MEMBER_GATE_PRIV_H
#define WEIR_MEMBER_GATE_PRIV_H

#include "common/access/verdict.h"
#include "common/base/tally.h"
#include "common/member/conf.h"
#include "common/member/gate.h"
#include "common/member/gate_counts.h"

#define GATE_HOOK_KEY 32 /* bytes of a digest */

/* What this process uses now. */
struct gate_usage {
	unsigned descriptors; /* in use, at least */
	unsigned descriptors_max;
	uint64_t memory_max_bytes; /* that it may have; 0: not known */
};

/* Each answer comes by gate_hook_answer, exactly once unless the gate is freed,
 * and never from inside. */
struct gate_world {
	void *ctx;
	int64_t (*now_ms)(void *ctx); /* the loop's */
	int64_t (*utc_ms)(void *ctx);
	const struct ruleset *(*rules)(void *ctx);
	bool (*rules_are_known)(void *ctx);
	void (*usage)(void *ctx, struct gate_usage *out);
	/* Ask a dispatch; `args` is borrowed. */
	void (*ask)(void *ctx, uint64_t tag, struct json_object *args,
		    uint32_t deadline_ms);
	/* gate_tick is to be called at this time. */
	void (*wake_at)(void *ctx, int64_t due_ms);
};

/* ---- gate_limits.c ---- */

struct gate_limits {
	const struct member_limits_settings *settings;
	struct gate_counts counts; /* by stream, by address */
	struct tally failures;     /* by address, in this window of time */
	int64_t window_ms;         /* which ends then */
	size_t viewer_count;
	size_t new_viewers; /* since the load was told */
	struct node_load load;
	struct gate_usage usage;
	unsigned busy_seconds; /* one after the other, as far as they count */
	bool is_busy;
};

void limits_init(struct gate_limits *l,
		 const struct member_limits_settings *settings, uint64_t seed);
void limits_fini(struct gate_limits *l);
/* Each second. */
void limits_on_load(struct gate_limits *l, const struct node_load *load,
		    const struct gate_usage *usage);
/* Count one more. REASON_none, or why not: then it is not counted. has_moved: a
 * viewer of another edge, where it is counted for a while yet. */
enum reason limits_enter(struct gate_limits *l, enum access_op op,
			 const char *stream, const char *ip, bool has_moved,
			 const char **detail);
/* Count a publisher that is in already, elsewhere: no limit keeps it out. false:
 * there was no memory, and it is not counted. */
bool limits_adopt(struct gate_limits *l, const char *ip);
void limits_leave(struct gate_limits *l, enum access_op op, const char *stream,
		  const char *ip);
/* One who guesses: may this address try, and it has been refused again. */
bool limits_may_try(struct gate_limits *l, const struct ip_addr *ip,
		    int64_t now_ms);
void limits_failed(struct gate_limits *l, const struct ip_addr *ip,
		   int64_t now_ms);
/* Is there room for anybody? */
enum reason limits_budget(const struct gate_limits *l, enum access_op op,
			  const char **detail);

/* ---- gate_hook.c: the webhook, asked of any dispatch ---- */

struct gate_wait {
	struct list link; /* in gate.holding, gate.told, hook_question.waits */
	struct gate_pass *pass;
	struct hook_question *question; /* else it waits for the rules */
	struct gate_answer answer;      /* once it is in gate.told */
	/* A copy of what was asked. */
	struct access_request rq;
	struct stream_key key;
	struct ip_addr ip;
	char session_id[SESSION_ID_SIZE];
	char remote_addr[NET_ADDR_TEXT_SIZE];
	uint8_t bytes[]; /* query, referer, user agent */
};

struct gate_hook {
	struct map questions; /* digest of what is asked → hook_question */
	struct list open;     /* not answered, the oldest first */
	struct list kept;     /* answered, the oldest first */
	uint64_t last_tag;
	uint64_t asked, failed; /* counters */
};

enum hook_word { HOOK_YES, HOOK_NO, HOOK_WAITS };

void hook_init(struct gate_hook *h, uint64_t seed);
void hook_fini(struct gate_hook *h);
/* Known already, or *wait joins those who wait for the same answer. */
enum hook_word hook_ask(struct gate *g, struct gate_wait *wait,
			const char *user, struct gate_answer *out);
/* It does not wait any more. */
void hook_leave(struct gate_wait *wait);
/* Time-outs, and what is old; when it is due again. */
int64_t hook_tick(struct gate *g, int64_t now_ms);

/* From the world: err as of member_ask; json borrowed. */
void gate_hook_answer(struct gate *g, uint64_t tag, int err,
		      struct json_object *json);

/* ---- gate_asker.c: which dispatch is asked, and whether it lives ---- */

#define ASKER_DISPATCHES_MAX 16

struct asker_world {
	void *ctx;
	int64_t (*now_ms)(void *ctx);
	/* Links to all that are there; how many. */
	size_t (*dispatches)(void *ctx, link_id *out, size_t max);
	/* As member_ask. */
	int (*call)(void *ctx, link_id link, const char *name,
		    struct json_object *args, uint32_t deadline_ms,
		    member_answer_fn *fn, void *fn_ctx);
	/* As gate_hook_answer: exactly once for each question, unless asker_fini
	 * is called; never from inside asker_ask. */
	void (*answered)(void *ctx, uint64_t tag, int err,
			 struct json_object *json);
	/* asker_tick is to be called at this time. */
	void (*wake_at)(void *ctx, int64_t due_ms);
};

struct gate_asker {
	const struct asker_world *world;
	int64_t sign_ms;       /* within which a dispatch shows that it lives */
	struct list questions; /* under way */
	struct list unasked;   /* that could not be asked */
	struct list peers;     /* who has questions, and silent ones */
};

void asker_init(struct gate_asker *a, const struct asker_world *world,
		int64_t sign_ms);
/* Nothing is answered any more; what is under way may still come, to nobody. */
void asker_fini(struct gate_asker *a);
/* Ask one dispatch, each tag the next one; `args` is borrowed. Without memory
 * nothing is asked, and nothing answered. */
void asker_ask(struct gate_asker *a, uint64_t tag, struct json_object *args,
	       uint32_t deadline_ms);
/* What is due; when something is again. */
int64_t asker_tick(struct gate_asker *a);

/* ---- gate_counts_member.c: what is counted, told by this process ---- */

struct counts_member;

/* `c` is borrowed until it is freed. Returns 0, WEIR_ENOMEM or -errno. */
WEIR_MUST_CHECK int counts_member_new(struct counts_member **out,
				      struct svc *svc, struct member *m,
				      struct gate_counts *c);
void counts_member_free(struct counts_member **cm);

/* ---- gate_stay.c ---- */

/* By rules alone: REASON_none, or why it may not be here; *detail is static. */
enum reason stay_judge(const struct gate *g, const struct gate_pass *pass,
		       const char **detail);
/* Some of gate.unchecked; the others have the next ticks. */
void stay_check_some(struct gate *g);

/* ---- gate.c ---- */

struct gate {
	const struct gate_world *world;
	const struct access_settings *settings;
	struct list in;        /* passes that were let in, */
	struct list unchecked; /* of which these not since the rules changed */
	struct list waiting;   /* passes without a word yet */
	struct list holding;   /* waits until rules are known */
	struct list told;      /* waits whose answer goes out at the tick */
	int64_t hold_until_ms;
	struct gate_limits limits;
	struct gate_hook hook;
	struct gate_member *member; /* gate_member.c's; NULL in tests */
};

struct gate_start {
	const struct gate_world *world;
	const struct access_settings *settings;
	const struct member_limits_settings *limits;
	uint64_t seed;
};

/* All is borrowed. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int gate_make(struct gate **out, const struct gate_start *s);
/* Without what gate_member.c has. */
void gate_unmake(struct gate **g);

/* Give the answers that have come, check who may stay. */
void gate_tick(struct gate *g);

struct gate_pass *gate_pass_at(struct list *it);
int64_t gate_utc_ms(const struct gate *g);
const struct ruleset *gate_rules(const struct gate *g);
void gate_wake_now(struct gate *g);
const char *gate_kid(const struct gate_pass *pass); /* "": none */

/* A wait has its answer: it goes out at the next tick. */
void gate_tell(struct gate *g, struct gate_wait *wait,
	       const struct gate_answer *a);

#endif
