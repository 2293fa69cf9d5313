/* tests/sim/rules.h - the cluster's rules: changed by dispatches, read by all, asked
 * by the gates of ingests and edges.
 *
 * The texts of the registry, rulebooks, sets of rules and gates are the real ones;
 * reading is a model of common/registry/store_rules_read.c. What happens here has
 * randomness of its own.
 */
#ifndef WEIR_SIM_RULES_H
#define WEIR_SIM_RULES_H

#include "tests/sim/sim.h"

#define DISPATCHES     2
#define READERS_SECRET "sixteen-bytes-and-more" /* of key "k", of settings */
#define ACTIONS_MAX    16

/* What the business has asked for. */
struct action {
	bool is_put;
	char name[40];              /* "<kind> <id>" */
	char text[160];             /* of a put */
	char request[24];           /* its id */
	int64_t until_us;           /* a ban: of the clock; else INT64_MAX */
	size_t publisher;           /* whom it bans; SIZE_MAX: nobody */
	int64_t begun_us, acked_us; /* INT64_MAX: not yet */
	unsigned tries;
};

struct readers; /* sim.readers */
struct ruleset;

/* ---- readers.c: who knows what ---- */

void readers_init(struct sim *s);
void readers_fini(struct sim *s);
void readers_node_up(struct sim *s,
		     struct sim_node *n); /* with what is on its disk */
void readers_node_died(struct sim *s, struct sim_node *n);
void readers_timer(struct sim *s, struct sim_node *n);
/* A message says that they have changed. */
void readers_noticed(struct sim *s);
/* Those that the node knows; NULL: it is down. */
const struct ruleset *readers_of(const struct sim_node *n);
bool readers_are_known(const struct sim_node *n);
uint64_t readers_random(struct sim *s, uint64_t below);
/* By this dispatch; business_answer comes, or does not. */
void readers_change(struct sim *s, size_t dispatch, size_t action);
/* At the end: all know what the registry has, and that is what was asked for. */
void readers_check_end(struct sim *s);
/* Since this time the node could know what is in the registry. */
bool readers_could_know(const struct sim *s, const struct sim_node *n,
			int64_t since_us);
/* Changes were made while the registry had lost others: those may be gone. */
bool readers_have_forked(const struct sim *s);

/* ---- business.c: who asks a dispatch ---- */

void business_init(struct sim *s);
void business_fini(struct sim *s);
size_t business_count(const struct sim *s);
struct action *business_action(struct sim *s, size_t i);
void business_answer(struct sim *s, size_t action, bool is_done);
/* Is this one banned now, as far as anybody has said so? */
bool business_bans(struct sim *s, size_t publisher);
/* A ban that the node must know by now; NULL: none. */
const struct action *business_ban_known(struct sim *s, const struct sim_node *n,
					size_t publisher);

/* ---- guests.c: publishers at the gate ---- */

struct sim_gate;

void guests_node_up(struct sim_node *n);
void guests_node_died(struct sim_node *n);
void guests_on_rules(struct sim_node *n);
/* From dispatch: who has this address goes. */
void guests_kick(struct sim_node *n, const char *ip);
void guests_check(struct sim *s);

#endif
