/* common/member/internal.h - what the files of this room share. */
#ifndef WEIR_MEMBER_INTERNAL_H
#define WEIR_MEMBER_INTERNAL_H

#include <stdio.h>
#include <unistd.h>

#include "common/base/map.h"
#include "common/member/events.h"
#include "common/member/member.h"
#include "common/member/once.h"

/* An answer for which there was no memory: of a question WEIR_ENOMEM, of a
 * script WEIR_ETIMEOUT. */
struct owed {
	uint64_t tag;
	bool is_script;
};

#define OWED_MAX 64 /* beyond, the machines' own time-outs answer */

/* A change of rules that could not be asked for. */
struct rule_owed {
	member_rule_fn *fn;
	void *ctx;
	int err;
};

#define RULES_OWED_MAX 16

struct member {
	struct svc *svc;
	struct loop *loop;
	struct logger *log;
	const struct member_events *events;
	void *ctx;
	uint64_t seed;
	struct world world;
	struct node self;
	struct bus *bus;
	struct store *store;
	struct event_book *book;
	struct once *once;    /* answers of calls with a request id */
	struct timer *timer;  /* the machines' next due time */
	int64_t due_ms;       /* which is this */
	struct timer *second; /* load, once a second */
	uint64_t bus_in_before, bus_out_before; /* bytes, a second ago */
	uint64_t cpu_us, cpu_at_us;             /* used until then */
	struct pass_task pass_end;
	struct pass_task deferred_task;
	struct list deferred; /* answers that come later by rule */
	struct pass_task owed_task;
	struct owed owed[OWED_MAX];
	size_t owed_count;
	struct list scripts; /* that the store runs */
	struct list asked;   /* questions under way */
	struct list named;   /* calls under way */
	struct list dials;   /* nodes that are dialed to be asked */
	uint32_t last_dial;
	unsigned bus_port;
	bool is_wildcard; /* the bus listens on any address */
	struct ruleset *rules;
	bool rules_are_stale;  /* there was no memory for the new ones */
	unsigned bad_rules;    /* of this change */
	int64_t rules_over_ms; /* UTC: when to look for those that are over */
	struct list rule_asks; /* changes under way */
	struct rule_owed rule_owed[RULES_OWED_MAX];
	size_t rule_owed_count;
	struct pass_task rule_owed_task;
	struct stat_series bus_series, store_series;
	struct stat_refresh refresh;
	struct bus_stats bus_stats;
	struct store_stats store_stats;
};

extern const struct log_event member_stream_event, member_failed;

/* world.c: struct world as the machines see it. */
void world_init(struct member *m);

/* calls.c: questions and calls on the control connections. */
void calls_on_request(void *ctx, const struct node_ref *from,
		      struct bus_request *rq, struct span json);
void calls_on_up(struct member *m, const struct node_ref *node);
void calls_ask(struct member *m, link_id link, uint64_t tag,
	       const struct question *q, uint32_t deadline_ms);
void calls_ask_dispatch(struct member *m, uint64_t tag,
			const struct question *q, uint32_t deadline_ms);
/* Is this a node that was dialed to be asked? Then it is dialed at its new
 * address; and it went, for good. */
bool calls_must_dial(struct member *m, const struct node *n);
void calls_on_went(struct member *m, const char *node);
/* Nobody listens where a node was: who waits for it is answered
 * -ECONNREFUSED. */
void calls_on_absent(struct member *m, const char *node);
/* The link to a node; an ingest that is known and not linked is dialed, and a
 * number stands for it that only calls_ask takes. */
link_id calls_link_to(struct member *m, const char *node);
/* Run it; on_script comes later, once. */
void calls_script(struct member *m, uint64_t tag, const struct script_call *c);
/* Give the answer at the end of this pass. */
void calls_answer_later(struct member *m, uint64_t tag, const struct answer *a);
/* There was no memory to ask, or to run a script: say so, as late. */
void calls_owe(struct member *m, uint64_t tag, bool is_script);
/* When bus and store are gone: nothing of the above comes any more. */
void calls_fini(struct member *m);

/* rules.c */
extern const struct log_event member_bad_rule;
int rules_init(struct member *m);
void rules_fini(struct member *m); /* when the store is gone */
void rules_on_rule(void *ctx, const char *name, const char *text);
void rules_on_change(void *ctx); /* the store has others */
void rules_on_second(struct member *m);

/* stat.c */
void member_stats_add(struct member *m);
void member_stats_remove(struct member *m);

#endif
