/* common/access/ruleset.h - all rules of a process, ready to be asked.
 *
 * Rules come from two sources: settings (this process's own, in the order in
 * which they stand) and the registry (the cluster's, in the order of their ids,
 * the same on every node). Kind and id name a rule within its source. Where the
 * first that fits counts, those of the settings come first.
 *
 * now_ms is UTC everywhere here: rules that are over are passed over, whether
 * they have been removed or not. Rules that are answered are borrowed until the
 * set changes: take rule_ref to keep one. Single-threaded; pure code.
 */
#ifndef WEIR_ACCESS_RULESET_H
#define WEIR_ACCESS_RULESET_H

#include "common/access/rule.h"

enum rule_source {
	RULES_SETTINGS,
	RULES_REGISTRY,
	RULE_SOURCE_COUNT,
};

#define RULESET_MAX 100000 /* rules of one source */

struct ruleset;

/* `seed` as for map_init. Returns 0 and *out, or WEIR_ENOMEM. */
WEIR_MUST_CHECK int ruleset_new(struct ruleset **out, uint64_t seed);
void ruleset_free(struct ruleset **rs);

/* Put a rule (a reference is taken; the same object must not be in both sources)
 * in place of the one of its source, kind and id. Returns 0, WEIR_ELIMIT or WEIR_ENOMEM; then the set is as it was. */
WEIR_MUST_CHECK int ruleset_put(struct ruleset *rs, enum rule_source source,
				const struct rule *rule);

/* Returns whether it was there. */
bool ruleset_remove(struct ruleset *rs, enum rule_source source,
		    enum rule_kind kind, const char *id);

/* All rules of a source at once, in place of those that are there; of two with
 * one kind and id the last counts. Returns 0, WEIR_ELIMIT or WEIR_ENOMEM; then
 * the set is as it was. */
WEIR_MUST_CHECK int ruleset_replace(struct ruleset *rs, enum rule_source source,
				    const struct rule *const *rule,
				    size_t count);

/* The same from JSON: a list of objects, as in cluster.rules. One without an id
 * is "conf-N", N its place from 1. Two with one kind and id are a fault. `rs` may
 * be NULL: the text is only checked. Returns 0; WEIR_EINVAL and WEIR_ELIMIT with
 * *fault; WEIR_ENOMEM. */
WEIR_MUST_CHECK int ruleset_load(struct ruleset *rs, enum rule_source source,
				 struct span json, struct rule_fault *fault);

/* Remove what is over. Returns when the next one will be (INT64_MAX: none). */
int64_t ruleset_expire(struct ruleset *rs, int64_t now_ms);

/* Another number after each change of the set. */
uint64_t ruleset_version(const struct ruleset *rs);

/* ---- looking ---- */

/* Number of rules of a kind, those that are over included; and one of them, in
 * order. *source (may be NULL) is where it comes from. */
size_t ruleset_count(const struct ruleset *rs, enum rule_kind kind);
const struct rule *ruleset_at(const struct ruleset *rs, enum rule_kind kind,
			      size_t i, enum rule_source *source);

/* By name, or NULL. */
const struct rule *ruleset_get(const struct ruleset *rs,
			       enum rule_source source, enum rule_kind kind,
			       const char *id);

/* A rule that denies the address this operation, or NULL. */
const struct rule *ruleset_denies(const struct ruleset *rs,
				  const struct ip_addr *ip, enum access_op op,
				  int64_t now_ms);

/* Is there no allow rule for this operation, or one that has the address? */
bool ruleset_allows(const struct ruleset *rs, const struct ip_addr *ip,
		    enum access_op op, int64_t now_ms);

/* The key of an id, or NULL. */
const struct rule *ruleset_key(const struct ruleset *rs, const char *kid,
			       int64_t now_ms);

/* Who somebody is. NULL where that is not known. */
struct rule_subject {
	enum access_op op;
	const char *session;
	const struct stream_key *key;
	const struct ip_addr *ip;
	const char *user; /* "": nobody */
};

/* Does a ban fit? Whether it is over is not looked at. */
bool rule_ban_fits(const struct rule_ban *ban, const struct rule_subject *who);

/* A ban that fits, or NULL. */
const struct rule *ruleset_ban(const struct ruleset *rs,
			       const struct rule_subject *who, int64_t now_ms);

/* The first pull rule for a stream, or NULL. Those of one pull are passed over:
 * nobody starts them by looking. */
const struct rule *ruleset_pull(const struct ruleset *rs,
				const struct stream_key *key, int64_t now_ms);

/* The push rules for a stream, one after the other: *at is 0 at first. NULL: no
 * more. */
const struct rule *ruleset_push(const struct ruleset *rs,
				const struct stream_key *key, size_t *at,
				int64_t now_ms);

#endif
