/* common/member/gate_stay.c - who may stay: after the rules have changed, and when
 * somebody is kicked.
 */
#include <stdio.h>

#include "common/member/gate_priv.h"

/* Passes, after the rules have changed: about a millisecond, for any number of
 * rules. */
#define CHECKED_AT_ONCE 1000

/* `addr` is for the answer. */
static struct rule_subject subject_of(const struct gate_pass *pass,
				      struct ip_addr *addr)
{
	bool has_ip = !ip_addr_of(addr, &pass->peer->ss);

	return (struct rule_subject){
		.op = (enum access_op)pass->op,
		.session = pass->session ? pass->session->id : NULL,
		.key = pass->session ? pass->session->key : &pass->wait->key,
		.ip = has_ip ? addr : NULL,
		.user = gate_user(pass),
	};
}

/* ---- by the rules ---- */

static bool key_is_gone(const struct gate *g, const char *kid)
{
	const struct ruleset *rules = gate_rules(g);

	return *kid && !ruleset_get(rules, RULES_SETTINGS, RULE_KEY, kid) &&
	       !ruleset_get(rules, RULES_REGISTRY, RULE_KEY, kid);
}

enum reason stay_judge(const struct gate *g, const struct gate_pass *pass,
		       const char **detail)
{
	const struct ruleset *rules = gate_rules(g);
	struct ip_addr addr;
	const struct rule_subject who = subject_of(pass, &addr);
	int64_t utc_ms = gate_utc_ms(g);

	*detail = "";
	if (ruleset_ban(rules, &who, utc_ms))
		return REASON_banned;
	if (who.ip && (ruleset_denies(rules, who.ip, who.op, utc_ms) ||
		       !ruleset_allows(rules, who.ip, who.op, utc_ms)))
		return REASON_denied;
	if (!key_is_gone(g, gate_kid(pass)))
		return REASON_none;
	*detail = "the key that it was signed with is gone";
	return REASON_unauthorized;
}

static void end(struct gate_pass *pass, enum reason why, const char *detail)
{
	pass->is_ending = true;
	pass->owner->on_end(pass->ctx, why, detail);
}

/* Some of those who were let in before the rules changed; the others have the
 * next ticks. */
void stay_check_some(struct gate *g)
{
	for (size_t i = 0; i < CHECKED_AT_ONCE && !list_is_empty(&g->unchecked);
	     i++) {
		struct gate_pass *pass = gate_pass_at(g->unchecked.next);
		const char *detail;
		enum reason why = pass->is_ending || pass->is_ours
					  ? REASON_none
					  : stay_judge(g, pass, &detail);

		list_remove(&pass->link);
		list_append(&g->in, &pass->link);
		if (why)
			end(pass, why, detail);
	}
}

/* Who waits for the webhook had been judged by the old rules. */
static void check_waiting(struct gate *g)
{
	list_each (it, &g->waiting) {
		struct gate_pass *pass = gate_pass_at(it);
		struct gate_answer a = {.why = REASON_none};
		const char *detail;
		enum reason why;

		if (!pass->wait || !pass->wait->question)
			continue;
		why = stay_judge(g, pass, &detail);
		if (!why)
			continue;
		a.why = why;
		snprintf(a.detail, sizeof(a.detail), "%s", detail);
		hook_leave(pass->wait);
		gate_tell(g, pass->wait, &a);
	}
}

void gate_on_rules(struct gate *g)
{
	list_append_all(&g->unchecked, &g->in);
	check_waiting(g);
	gate_wake_now(g);
}

/* ---- kicking ---- */

static void add(struct json_object *o, const char *name, const char *text)
{
	if (text)
		json_object_object_add(o, name, json_object_new_string(text));
}

struct rule *gate_ban_of(const struct gate_match *who)
{
	struct json_object *o = json_object_new_object();
	struct rule *r = NULL;

	if (!o)
		return NULL;
	add(o, "session", who->session_id);
	add(o, "stream", who->stream);
	add(o, "ip", who->ip);
	add(o, "user", who->user);
	if (rule_read_json(&r, o, rule_kind_name(RULE_BAN), "kick", NULL))
		r = NULL;
	json_object_put(o);
	return r;
}

static bool fits(const struct gate_pass *pass, const struct rule_ban *ban)
{
	struct ip_addr addr;
	const struct rule_subject who = subject_of(pass, &addr);

	return rule_ban_fits(ban, &who);
}

static size_t kick_of(struct list *passes, const struct rule_ban *ban)
{
	size_t kicked = 0;

	list_each_safe (it, passes) {
		struct gate_pass *pass = gate_pass_at(it);

		if (!pass->session || !fits(pass, ban))
			continue;
		kicked++;
		if (!pass->is_ending)
			end(pass, REASON_kicked, "");
	}
	return kicked;
}

size_t gate_kick(struct gate *g, const struct gate_match *who)
{
	struct rule *r = gate_ban_of(who);
	size_t kicked = 0;

	if (r)
		kicked = kick_of(&g->in, &r->ban) +
			 kick_of(&g->unchecked, &r->ban) +
			 kick_of(&g->waiting, &r->ban);
	rule_unref(&r);
	return kicked;
}

struct gate_match gate_match_of(struct json_object *args)
{
	return (struct gate_match){
		.session_id = member_json_text(args, "session_id"),
		.stream = member_json_text(args, "stream"),
		.ip = member_json_text(args, "ip"),
		.user = member_json_text(args, "user"),
	};
}

struct json_object *gate_kick_json(struct gate *g, struct json_object *args)
{
	const struct gate_match who = gate_match_of(args);
	struct json_object *o = json_object_new_object();

	if (o)
		json_object_object_add(
			o, "kicked",
			json_object_new_int64((int64_t)gate_kick(g, &who)));
	return o;
}
