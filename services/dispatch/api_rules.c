/* services/dispatch/api_rules.c - rules of the cluster: list, show, put, delete.
 *
 * Secrets never leave: rules are shown in the form for people.
 */
#include <stdio.h>

#include "common/access/ruleset.h"
#include "common/conf/json.h"
#include "services/dispatch/api_calls.h"
#include "services/dispatch/internal.h"

#define AFTER_SIZE 128

/* ---- showing ---- */

static const char *source_name(enum rule_source source)
{
	return source == RULES_SETTINGS ? "settings" : "api";
}

/* NULL without memory. */
static struct json_object *rule_json(const struct rule *rule,
				     enum rule_source source)
{
	struct buf text = {0};
	struct json_object *o = NULL;

	rule_write(&text, rule, RULE_SHOWN);
	if (!buf_error(&text))
		o = json_tokener_parse(buf_text(&text));
	buf_fini(&text);
	if (o)
		json_add_text(o, "source", source_name(source));
	return o;
}

/* ---- lists ---- */

/* A page of all rules in order: by kind, those of the settings first. */
struct listing {
	struct json_object *list;
	size_t limit;
	const char *after; /* "deny/api/ID"; NULL: from the beginning */
	bool is_behind;    /* that one was passed */
	bool has_more;
	char last[AFTER_SIZE];
};

static void write_place(char out[AFTER_SIZE], const struct rule *rule,
			enum rule_source source)
{
	snprintf(out, AFTER_SIZE, "%s/%s/%s", rule_kind_name(rule->kind),
		 source_name(source), rule->id);
}

static void list_rule(struct listing *l, const struct rule *rule,
		      enum rule_source source)
{
	struct json_object *o;
	char place[AFTER_SIZE];

	write_place(place, rule, source);
	if (!l->is_behind) {
		l->is_behind = !strcmp(place, l->after);
		return;
	}
	if (json_object_array_length(l->list) == l->limit) {
		l->has_more = true;
		return;
	}
	o = rule_json(rule, source);
	if (o)
		json_object_array_add(l->list, o);
	snprintf(l->last, sizeof(l->last), "%s", place);
}

static void list_kind(struct listing *l, const struct ruleset *rs,
		      enum rule_kind kind)
{
	size_t count = ruleset_count(rs, kind);
	int64_t now_ms = io_utc_us() / 1000;

	for (size_t i = 0; i < count && !l->has_more; i++) {
		enum rule_source source;
		const struct rule *rule = ruleset_at(rs, kind, i, &source);

		if (!rule_is_over(rule, now_ms))
			list_rule(l, rule, source);
	}
}

/* A dispatch that has just started must not say that there are none. */
static bool is_too_early(struct api_call *call)
{
	if (member_rules_are_known(call->dispatch->member))
		return false;
	api_refuse(&call, 503, NULL, "the rules have not been read yet");
	return true;
}

static void list_rules(struct api_call *call)
{
	const struct ruleset *rs = member_rules(call->dispatch->member);
	const char *only = api_text(call, "kind");
	struct json_object *o = json_object_new_object();
	struct listing l = {
		.list = json_object_new_array(),
		.limit = (size_t)api_int(call, "limit"),
		.after = api_text(call, "after"),
	};

	l.is_behind = !l.after;
	for (int kind = 0; kind < RULE_KIND_COUNT && !l.has_more; kind++)
		if (!only || !strcmp(only, rule_kind_name(kind)))
			list_kind(&l, rs, kind);
	if (!l.is_behind) { /* what it was is gone */
		json_object_put(l.list);
		json_object_put(o);
		api_refuse(&call, 410, "after",
			   "after: that rule is gone; begin again");
		return;
	}
	json_object_object_add(o, "rules", l.list);
	if (l.has_more)
		json_add_text(o, "next", l.last);
	api_answer(&call, o);
}

void api_rules(struct api_call *call)
{
	if (!is_too_early(call))
		list_rules(call);
}

/* ---- one ---- */

/* The API's own before the one of this process's settings. */
static const struct rule *find(const struct ruleset *rs, enum rule_kind kind,
			       const char *id, enum rule_source *source)
{
	const struct rule *rule;

	*source = RULES_REGISTRY;
	rule = ruleset_get(rs, *source, kind, id);
	if (rule)
		return rule;
	*source = RULES_SETTINGS;
	return ruleset_get(rs, *source, kind, id);
}

static void show_rule(struct api_call *call)
{
	const struct ruleset *rs = member_rules(call->dispatch->member);
	int kind = rule_kind_of(span_str(api_text(call, "kind")));
	enum rule_source source;
	const struct rule *rule = find(rs, kind, api_text(call, "id"), &source);
	struct json_object *o;

	if (!rule || rule_is_over(rule, io_utc_us() / 1000)) {
		api_refuse(&call, 404, "id", "there is no such rule");
		return;
	}
	o = rule_json(rule, source);
	if (o)
		api_answer(&call, o);
	else
		api_refuse(&call, 503, NULL, "out of memory");
}

void api_rule(struct api_call *call)
{
	if (!is_too_early(call))
		show_rule(call);
}

/* ---- changes ---- */

void api_refuse_rule(struct api_call **call, int err)
{
	switch (err) {
	case WEIR_ENOENT:
		api_refuse(call, 404, "id", "there is no such rule of the API");
		break;
	case WEIR_EEXIST:
		api_refuse(call, 409, "X-Request-Id",
			   "this request id was used for another change");
		break;
	case WEIR_ELIMIT:
		api_refuse(call, 409, NULL, "too many rules");
		break;
	case WEIR_ETIMEOUT:
		api_refuse(call, 503, NULL, "the registry does not answer");
		break;
	default:
		api_refuse(call, 503, NULL, weir_strerror(err));
	}
}

static void on_put(void *ctx, int err, bool is_repeat)
{
	struct api_call *call = ctx;
	struct json_object *o;

	if (err) {
		api_refuse_rule(&call, err);
		return;
	}
	o = json_object_new_object();
	json_add_text(o, "kind", api_text(call, "kind"));
	json_add_text(o, "id", api_text(call, "id"));
	json_object_object_add(o, "repeated",
			       json_object_new_boolean(is_repeat));
	api_answer(&call, o);
}

static void refuse_fault(struct api_call *call, const struct rule_fault *fault)
{
	char why[sizeof(fault->where) + sizeof(fault->what) + 2];

	snprintf(why, sizeof(why), "%s%s%s", fault->where,
		 *fault->where ? ": " : "", fault->what);
	api_refuse(&call, 400, fault->where, why);
}

void api_put_rule(struct api_call *call)
{
	/* "put_deny" */
	const char *kind = strchr(call->route->name, '_') + 1;
	struct rule_fault fault = {.where = ""};
	struct rule *rule = NULL;
	int err;

	json_add_text(call->in, "kind", kind);
	err = rule_read_json(&rule, call->in, NULL, NULL, &fault);
	if (err == WEIR_EINVAL || err == WEIR_ELIMIT)
		refuse_fault(call, &fault);
	else if (err)
		api_refuse_rule(&call, err);
	else
		member_put_rule(call->dispatch->member, rule, call->request_id,
				on_put, call);
	rule_unref(&rule);
}

void api_delete_rule(struct api_call *call)
{
	member_delete_rule(call->dispatch->member, api_text(call, "kind"),
			   api_text(call, "id"), call->request_id, on_put,
			   call);
}
