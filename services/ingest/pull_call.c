/* services/ingest/pull_call.c - calls of dispatch about pulls: order, stop, list.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/conf/json.h"
#include "services/ingest/pull_priv.h"

#define TIMEOUT_MAX_MS 3600000

/* ---- an order ---- */

/* A copy; NULL: it is no address to pull from. */
static char *copy_url(const char *url)
{
	return url && strlen(url) <= URL_BYTES_MAX && pull_source_protocol(url)
		       ? strdup(url)
		       : NULL;
}

static bool take_urls(struct pull_order *o, struct json_object *args)
{
	struct json_object *list;
	size_t count;

	if (!json_object_object_get_ex(args, "urls", &list) ||
	    !json_object_is_type(list, json_type_array))
		return false;
	count = json_object_array_length(list);
	if (!count || count > RULE_URLS_MAX)
		return false;
	for (size_t i = 0; i < count; i++) {
		o->url[i] = copy_url(json_object_get_string(
			json_object_array_get_idx(list, i)));
		if (!o->url[i])
			return false;
		o->url_count++;
	}
	return true;
}

static int64_t clamped(struct json_object *args, const char *name, int64_t min,
		       int64_t max)
{
	return WEIR_MAX(min, WEIR_MIN(member_json_int(args, name), max));
}

/* Who asks has come by these clusters; and now by this one. */
static bool take_via(struct pull_order *o, const struct pulls *ps,
		     struct json_object *args)
{
	const char *via = member_json_text(args, "via");

	return !via_add(o->via, span_str(via ? via : ""), ps->cluster);
}

uint64_t pull_rule_hash(const struct rule *r)
{
	struct buf text = {0};
	uint64_t h;

	rule_write(&text, r, RULE_WHOLE);
	h = hash_bytes(0, buf_span(&text));
	buf_fini(&text);
	return h ? h : 1;
}

const struct rule *pull_rule_of(const struct pulls *ps, const char *id)
{
	const struct ruleset *rules = member_rules(ps->in->member);
	const struct rule *r;

	if (!rules || !*id)
		return NULL;
	r = ruleset_get(rules, RULES_SETTINGS, RULE_PULL, id);
	return r ? r : ruleset_get(rules, RULES_REGISTRY, RULE_PULL, id);
}

static bool bool_of(struct json_object *args, const char *name)
{
	struct json_object *o = NULL;

	return json_object_object_get_ex(args, name, &o) &&
	       json_object_get_boolean(o);
}

/* Returns what is wrong; NULL: nothing. */
static const char *take_rule(struct pull_order *o, const struct pulls *ps,
			     struct json_object *args)
{
	const char *id = member_json_text(args, "rule");
	const struct rule *r;

	snprintf(o->rule, sizeof(o->rule), "%s", id ? id : "");
	r = pull_rule_of(ps, o->rule);
	o->rule_hash = r ? pull_rule_hash(r) : 0;
	o->is_once = bool_of(args, "once");
	o->is_new = o->is_once && bool_of(args, "new");
	if (!o->is_once)
		return NULL;
	return o->rule[0] && strlen(o->rule) <= RULE_ONCE_MAX
		       ? NULL
		       : "no id of a session";
}

static const char *take_order(struct pull_order *o, const struct pulls *ps,
			      struct json_object *args)
{
	const char *stream = member_json_text(args, "stream");
	const char *fault;

	if (!stream ||
	    stream_key_from_text(&o->key, span_str(stream)) != KEY_OK)
		return "no name of a stream";
	if (!take_urls(o, args))
		return "urls: 1 to 8 of rtmp, rtmps, http, https";
	if (!take_via(o, ps, args))
		return "it has come through too many clusters";
	fault = take_rule(o, ps, args);
	if (fault)
		return fault;
	o->pull_timeout_ms =
		(uint32_t)clamped(args, "pull_timeout_ms", 0, TIMEOUT_MAX_MS);
	o->retry_num = (int32_t)clamped(args, "retry_num", -1, INT32_MAX);
	o->auto_stop_ms = clamped(args, "auto_stop_ms", -1, INT64_MAX / 2);
	return NULL;
}

static bool is_same_once(const struct pull *p, const struct pull_order *o)
{
	return o->is_once && p->order.rule_hash &&
	       !strcmp(p->order.rule, o->rule);
}

/* It is under way; who wants it now may have come by fewer clusters. */
static void join(struct pull *p, const struct pull_order *o,
		 struct member_call **call)
{
	char via[VIA_SIZE];

	via_common(via, span_str(p->order.via), span_str(o->via));
	if (strcmp(via, p->order.via) != 0) {
		snprintf(p->order.via, sizeof(p->order.via), "%s", via);
		pull_go_another_way(p);
	}
	/* Who orders it again because the other dispatch did so, too. */
	pull_answer(call, is_same_once(p, o) ? "done" : "exists", p->session_id,
		    "");
}

static void begin(struct pulls *ps, struct pull_order *o,
		  struct member_call **call)
{
	if (o->is_once ? pull_rule_is_going(ps, o->rule)
		       : o->rule[0] && pull_is_spent(ps, &o->key))
		pull_answer(call, "spent", "", "its attempts are spent");
	else if (o->is_once && !o->is_new && !o->rule_hash)
		pull_answer(call, "no_ingest", "", "its rule is not known");
	else if (ps->in->is_draining)
		pull_answer(call, "no_ingest", "", "it takes leave");
	else if (pull_start(ps, o, call))
		pull_answer(call, "no_ingest", "", "too many pulls");
}

void pulls_order(struct pulls *ps, struct member_call *call,
		 struct json_object *args)
{
	struct pull_order o = {0};
	const char *fault = take_order(&o, ps, args);
	struct pull *p = map_get(&ps->by_key, span_str(o.key.text));

	if (fault)
		pull_answer(&call, "bad_url", "", fault);
	else if (p)
		join(p, &o, &call);
	else
		begin(ps, &o, &call);
	pull_order_fini(&o);
}

struct json_object *pulls_stop_json(struct pulls *ps, const char *stream)
{
	struct pull *p = stream ? map_get(&ps->by_key, span_str(stream)) : NULL;
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "stopped",
			       json_object_new_boolean(p != NULL));
	json_object_object_add(o, "session_id",
			       json_object_new_string(p ? p->session_id : ""));
	if (p && p->order.is_once)
		json_add_text(o, "rule", p->order.rule);
	if (p)
		pull_finish(p, REASON_kicked, "stopped by the API");
	return o;
}

/* ---- lists ---- */

static const char *state_name(const struct pull *p)
{
	static const char *const name[] = {
		[PULL_CLAIMS] = "claims",
		[PULL_DIALS] = "dials",
		[PULL_RUNS] = "runs",
		[PULL_PAUSES] = "pauses",
	};

	return name[p->state];
}

static struct json_object *pull_json(const struct pull *p)
{
	const struct session *s = publish_session(p->publish);
	struct json_object *o = json_object_new_object();
	char url[PULL_URL_SHOWN];

	pull_url_shown(url, p);
	json_add_text(o, "stream", p->order.key.text);
	json_add_text(o, "session_id", p->session_id);
	json_add_text(o, "protocol", s->protocol);
	json_add_text(o, "url", url);
	json_add_text(o, "rule", p->order.rule);
	json_add_text(o, "state", state_name(p));
	json_add_text(o, "reason", p->why ? reason_name(p->why) : "");
	json_add_text(o, "detail", p->why ? p->detail : "");
	json_add_int(o, "attempts", p->attempts);
	json_add_int(o, "start_us", p->start_us);
	json_add_int(
		o, "read_bytes",
		(int64_t)(p->bytes_before +
			  (p->source ? pull_source_in_bytes(p->source) : 0)));
	json_add_int(o, "auto_stop_ms", p->order.auto_stop_ms);
	json_add_int(o, "retry_num", p->order.retry_num);
	json_object_object_add(o, "wanted",
			       json_object_new_boolean(!p->unwanted_ms));
	return o;
}

void pulls_json(const struct pulls *ps, struct member_page *page)
{
	list_each (it, &ps->all)
		if (member_page_takes(page))
			json_object_array_add(
				page->list,
				pull_json(list_entry(it, struct pull, link)));
}

/* ---- rules ---- */

void pulls_on_rules(struct pulls *ps)
{
	if (!member_rules_are_known(ps->in->member))
		return;
	list_each_safe (it, &ps->all) {
		struct pull *p = list_entry(it, struct pull, link);
		const struct rule *r = pull_rule_of(ps, p->order.rule);

		/* One that was never known here is of a dispatch's settings. */
		if (p->order.rule_hash &&
		    (!r || pull_rule_hash(r) != p->order.rule_hash))
			pull_finish(p, REASON_kicked, "its rule has changed");
	}
}
