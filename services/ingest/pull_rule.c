/* services/ingest/pull_rule.c - the rule of a pull that the API has begun: put when
 * the stream is claimed, deleted when the pull has ended by itself.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/conf/json.h"
#include "services/ingest/pull_priv.h"

#define AGAIN_MS 1000 /* between two tries to delete it */

struct pull_rule {
	struct list link; /* in pulls.rules */
	struct pulls *owner;
	struct pull *pull; /* NULL: that is gone */
	char id[RULE_ID_MAX + 1];
	bool is_asking; /* the registry */
	bool may_stand; /* it was put, or nobody knows */
	bool is_over;   /* the rule goes, too */
	uint64_t again_ms;
};

int pull_rule_new(struct pull *p)
{
	struct pull_rule *r = calloc(1, sizeof(*r));

	if (!r)
		return WEIR_ENOMEM;
	r->owner = p->owner;
	r->pull = p;
	snprintf(r->id, sizeof(r->id), "%s", p->order.rule);
	list_init(&r->link);
	list_append(&p->owner->rules, &r->link);
	p->rule = r;
	return 0;
}

static void rule_free(struct pull_rule *r)
{
	list_remove(&r->link);
	free(r);
}

/* ---- it is put ---- */

/* Returns 0 or what rule_read_json returns. */
static int make_rule(struct rule **out, const struct pull_order *o)
{
	struct json_object *json = json_object_new_object();
	struct json_object *urls = json_object_new_array();
	int err;

	for (unsigned i = 0; i < o->url_count; i++)
		json_object_array_add(urls, json_object_new_string(o->url[i]));
	json_add_text(json, "streams", o->key.text);
	json_object_object_add(json, "urls", urls);
	json_object_object_add(json, "once", json_object_new_boolean(true));
	json_add_int(json, "pull_timeout_ms", o->pull_timeout_ms);
	json_add_int(json, "retry_num", o->retry_num);
	json_add_int(json, "auto_stop_ms", o->auto_stop_ms);
	json_add_text(json, "note", "start_relay_pull");
	err = rule_read_json(out, json, "pull", o->rule, NULL);
	json_object_put(json);
	return err;
}

static void delete_rule(struct pull_rule *r);

static void on_put(void *ctx, int err, bool is_repeat)
{
	struct pull_rule *r = ctx;

	(void)is_repeat;
	r->is_asking = false;
	r->may_stand = !err || err == WEIR_ETIMEOUT;
	if (r->pull)
		pull_on_kept(r->pull, err);
	else if (r->is_over && r->may_stand)
		delete_rule(r);
	else
		rule_free(r);
}

void pull_rule_put(struct pull *p)
{
	struct pull_rule *r = p->rule;
	struct rule *rule = NULL;
	int err = make_rule(&rule, &p->order);

	if (err) {
		pull_on_kept(p, err);
		return;
	}
	r->is_asking = true;
	member_put_rule(p->owner->in->member, rule, NULL, on_put, r);
	rule_unref(&rule);
}

/* ---- it goes ---- */

static void on_deleted(void *ctx, int err, bool is_repeat)
{
	struct pull_rule *r = ctx;

	(void)is_repeat;
	r->is_asking = false;
	if (!err || err == WEIR_ENOENT)
		rule_free(r);
	else
		r->again_ms = loop_now_ms(r->owner->in->loop) + AGAIN_MS;
}

static void delete_rule(struct pull_rule *r)
{
	r->is_asking = true;
	member_delete_rule(r->owner->in->member, "pull", r->id, NULL,
			   on_deleted, r);
}

/* Does it go with the pull? Who was told that it could not be kept shall not find
 * it later. */
static bool must_go(const struct pull *p, const struct pull_rule *r,
		    bool is_over)
{
	return p->order.rule_hash ? is_over : r->may_stand;
}

void pull_rule_leave(struct pull *p, bool is_over)
{
	struct pull_rule *r = p->rule;

	p->rule = NULL;
	if (!r)
		return;
	r->pull = NULL;
	r->is_over = is_over;
	if (r->is_asking)
		return;
	r->is_over = must_go(p, r, is_over);
	if (r->is_over)
		delete_rule(r);
	else
		rule_free(r);
}

bool pull_rule_is_going(const struct pulls *ps, const char *id)
{
	list_each (it, &ps->rules) {
		struct pull_rule *r = list_entry(it, struct pull_rule, link);

		if (!r->pull && r->is_over && !strcmp(r->id, id))
			return true;
	}
	return false;
}

void pull_rules_tick(struct pulls *ps)
{
	uint64_t now_ms = loop_now_ms(ps->in->loop);

	list_each_safe (it, &ps->rules) {
		struct pull_rule *r = list_entry(it, struct pull_rule, link);

		if (!r->pull && !r->is_asking && r->again_ms <= now_ms)
			delete_rule(r);
	}
}

void pull_rules_fini(struct pulls *ps)
{
	list_each_safe (it, &ps->rules)
		rule_free(list_entry(it, struct pull_rule, link));
}
