/* services/dispatch/relay_priv.h - the inside of relay pulls, shared by relay.c,
 * relay_rules.c and relay_kept.c. Nobody else includes it.
 */
#ifndef WEIR_DISPATCH_RELAY_PRIV_H
#define WEIR_DISPATCH_RELAY_PRIV_H

#include "common/access/ruleset.h"
#include "common/base/map.h"
#include "services/dispatch/internal.h"
#include "services/dispatch/relay.h"

#define RELAY_RECENT_MAX     16384 /* more than there are rules */
#define RELAY_WANTED_MAX     256
#define RELAY_LOOKS_AT_ONCE  2000 /* rules that are kept on, of each sort */
#define RELAY_ORDERS_AT_ONCE 100
#define RELAY_TRIES_MAX      3

/* What is around the rules; ctx is the struct relay. */
struct relay_world {
	void *ctx;
	int64_t (*now_ms)(void *ctx);
	int64_t (*utc_ms)(void *ctx);
	const struct ruleset *(*rules)(void *ctx);
	struct copy *(*copy)(void *ctx);
	bool (*reaches)(void *ctx, const char *node);
	/* As relay_order, or relay_order_of that `node`. */
	int (*order)(void *ctx, const struct stream_key *key, const char *node,
		     struct json_object *args, relay_fn *fn, void *fn_ctx);
	void (*delete_pull)(void *ctx, const char *id);
	int64_t resolve_retry_ms; /* who looks for a stream asks again then */
};

struct relay {
	struct dispatch *dispatch;
	struct relay_world world;
	struct list orders; /* under way */
	struct list stops;
	struct map kept;    /* by the rule's id */
	struct list turns;  /* of those, as they are looked at */
	size_t next_rule;   /* to be looked at, if it is kept on */
	struct timer *tick; /* of rules that are kept on */
	const char *cluster;
	/* Orders by rule that need not be given again so soon: by the stream,
	 * and the oldest first. */
	struct map recent;
	struct list recents;
	/* What is looked for though somebody seemed to have it: one may just
	 * have died. */
	struct relay_wanted {
		struct stream_key key;
		char via[VIA_SIZE];
		uint64_t term_number; /* that who looks for it knows */
		int64_t until_ms;
	} wanted[RELAY_WANTED_MAX];
	size_t next_wanted;
};

/* Has it a publisher, or a pull, as far as this dispatch can see? */
bool relay_is_live(const struct relay *r, const struct stream_key *key);

/* Order a pull of an ingest, or of the next when it takes none. `args` as the
 * ingests' call "pull" has them, taken on failure too. `fn` comes once, later.
 * Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int relay_order(struct relay *r, const struct stream_key *key,
				struct json_object *args, relay_fn *fn,
				void *ctx);
/* The same of one ingest alone. */
WEIR_MUST_CHECK int relay_order_of(struct relay *r,
				   const struct stream_key *key,
				   const char *node, struct json_object *args,
				   relay_fn *fn, void *ctx);

/* relay_rules.c: asks the world alone. `seed` as for map_init. */
void relay_rules_init(struct relay *r, uint64_t seed);
/* When no order is under way any more. */
void relay_rules_fini(struct relay *r);
/* In turns, so many at once. */
void relay_rules_tick(struct relay *r);

/* relay_kept.c: what the API has begun is kept on, by its rules. Asks the world
 * alone. */
void relay_kept_init(struct relay *r, uint64_t seed);
void relay_kept_on_rules(struct relay *r);
/* In turns, so many at once. */
void relay_kept_tick(struct relay *r);
/* The rule of such a pull of the stream; NULL. */
const struct rule *relay_kept_rule(const struct relay *r,
				   const struct stream_key *key);
/* When no order is under way any more. */
void relay_kept_fini(struct relay *r);

#endif
