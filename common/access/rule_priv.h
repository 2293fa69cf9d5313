/* common/access/rule_priv.h - reading rules, for this room only. */
#ifndef WEIR_ACCESS_RULE_PRIV_H
#define WEIR_ACCESS_RULE_PRIV_H

#include "common/access/rule.h"

/* Say what is wrong; returns WEIR_EINVAL. `fault` may be NULL. */
int rule_fault_set(struct rule_fault *fault, const char *where,
		   const char *what);

/* Parse strict JSON. The caller gives *out back with json_object_put; NULL is
 * JSON's null. Returns 0, WEIR_EINVAL with *fault, or WEIR_ENOMEM. */
WEIR_MUST_CHECK int rule_parse_json(struct json_object **out, struct span json,
				    struct rule_fault *fault);

#endif
