/* services/origin/push_plan.h - where a stream is to be pushed, by the rules.
 *
 * Pure: rules and a key in, addresses out.
 */
#ifndef WEIR_ORIGIN_PUSH_PLAN_H
#define WEIR_ORIGIN_PUSH_PLAN_H

#include "common/access/ruleset.h"

#define PUSH_TARGETS_MAX 32 /* of one stream; more are left out */

struct push_want {
	char rule[RULE_ID_MAX + 1]; /* the first that names this address */
	bool is_query_forwarded;
	bool keeps_pull; /* by one of the rules that name it */
	char *url;       /* of this stream, without the publisher's query */
	char *shown;     /* for logs and answers: without what may be secret */
};

struct push_plan {
	size_t count;
	struct push_want want[PUSH_TARGETS_MAX];
	size_t left_out; /* past the limit, or too long an address */
};

/* Each address once, in the order of the rules. Returns 0 and *out, to be given
 * to push_plan_fini; or WEIR_ENOMEM. */
WEIR_MUST_CHECK int push_plan_make(struct push_plan *out,
				   const struct ruleset *rules,
				   const struct stream_key *key,
				   int64_t now_ms);
void push_plan_fini(struct push_plan *p);

/* Append the address with the publisher's query behind it, but for parameters
 * that are secret (common/access/redact.h) or weir's own. Failures are the
 * buffer's. */
void push_url_put(struct buf *out, const char *url, struct span query);

/* How long to wait behind the `failures`th attempt in a row that failed (from
 * 1): first_ms, doubled up to max_ms; spread by an eighth with `seed`. */
uint32_t push_backoff_ms(uint32_t first_ms, uint32_t max_ms, unsigned failures,
			 uint64_t seed);

#endif
