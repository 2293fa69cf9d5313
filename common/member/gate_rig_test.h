/* common/member/gate_rig_test.h - a gate in a world of its own, for tests.
 *
 * Included once by each. What it would ask a dispatch is kept, its time stands
 * until it is set, its rules are those of a ruleset that tests fill.
 */
#ifndef WEIR_MEMBER_GATE_RIG_TEST_H
#define WEIR_MEMBER_GATE_RIG_TEST_H

#include <stdlib.h>

#include "common/member/gate_priv.h"
#include "common/test/check.h"

#define RIG_ASKED_MAX 64

struct gate_rig {
	struct gate *gate;
	struct gate_world world;
	struct access_settings settings;
	struct member_limits_settings limits;
	struct ruleset *rules;
	bool is_unknown; /* the rules */
	int64_t now_ms, utc_ms;
	int64_t due_ms; /* of the next tick */
	struct gate_usage usage;
	struct {
		uint64_t tag;
		char *text;
		uint32_t deadline_ms;
	} asked[RIG_ASKED_MAX];
	size_t asked_count;
};

static inline int64_t rig_now_ms(void *ctx)
{
	return ((struct gate_rig *)ctx)->now_ms;
}

static inline int64_t rig_utc_ms(void *ctx)
{
	return ((struct gate_rig *)ctx)->utc_ms;
}

static inline const struct ruleset *rig_rules(void *ctx)
{
	return ((struct gate_rig *)ctx)->rules;
}

static inline bool rig_rules_are_known(void *ctx)
{
	return !((struct gate_rig *)ctx)->is_unknown;
}

static inline void rig_usage(void *ctx, struct gate_usage *out)
{
	*out = ((struct gate_rig *)ctx)->usage;
}

static inline void rig_ask(void *ctx, uint64_t tag, struct json_object *args,
			   uint32_t deadline_ms)
{
	struct gate_rig *r = ctx;
	const char *text = json_object_to_json_string_ext(
		args, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	BUG_ON(r->asked_count == RIG_ASKED_MAX);
	r->asked[r->asked_count].tag = tag;
	r->asked[r->asked_count].text = strdup(text ? text : "");
	CHECK(r->asked[r->asked_count].text);
	r->asked[r->asked_count++].deadline_ms = deadline_ms;
}

static inline void rig_wake_at(void *ctx, int64_t due_ms)
{
	struct gate_rig *r = ctx;

	r->due_ms = WEIR_MIN(r->due_ms, due_ms);
}

static inline int rig_begin(struct gate_rig *r)
{
	struct gate_start start = {.world = &r->world,
				   .settings = &r->settings,
				   .limits = &r->limits,
				   .seed = 1};
	int err;

	r->world = (struct gate_world){
		.ctx = r,
		.now_ms = rig_now_ms,
		.utc_ms = rig_utc_ms,
		.rules = rig_rules,
		.rules_are_known = rig_rules_are_known,
		.usage = rig_usage,
		.ask = rig_ask,
		.wake_at = rig_wake_at,
	};
	r->due_ms = INT64_MAX;
	r->utc_ms = 1000000;
	r->settings.lal_key = r->settings.dangerous_lal_secret = "";
	if (!r->settings.on_publish_auth)
		r->settings.on_publish_auth = "";
	if (!r->settings.on_play_auth)
		r->settings.on_play_auth = "";
	err = ruleset_new(&r->rules, 1);
	return err ? err : gate_make(&r->gate, &start);
}

static inline void rig_end(struct gate_rig *r)
{
	gate_unmake(&r->gate);
	ruleset_free(&r->rules);
	for (size_t i = 0; i < r->asked_count; i++)
		free(r->asked[i].text);
}

/* Until nothing is due now. */
static inline void rig_tick(struct gate_rig *r)
{
	while (r->due_ms <= r->now_ms) {
		r->due_ms = INT64_MAX;
		gate_tick(r->gate);
	}
}

static inline int rig_rule(struct gate_rig *r, const char *json)
{
	struct rule_fault fault;
	struct rule *rule;
	int err = rule_read(&rule, span_str(json), &fault);

	if (err)
		return err;
	err = ruleset_put(r->rules, RULES_REGISTRY, rule);
	rule_unref(&rule);
	return err;
}

#endif
