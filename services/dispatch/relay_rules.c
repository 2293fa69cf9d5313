/* services/dispatch/relay_rules.c - pulls that rules order: for who waits, and
 * those that are kept on.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/conf/json.h"
#include "services/dispatch/relay_priv.h"

#define AGAIN_MS      1000 /* an order is not given twice in that time */
#define AGAIN_LATE_MS 5000 /* … that was refused or not answered */

/* Whose publisher cannot be asked any more may be dead: the claim finds out. */
bool relay_is_live(const struct relay *r, const struct stream_key *key)
{
	const struct stream_entry *e =
		copy_stream(r->world.copy(r->world.ctx), key);

	return e && e->is_live && !e->is_ended &&
	       r->world.reaches(r->world.ctx, e->writer_node);
}

/* ---- what was ordered a moment ago ---- */

static int64_t now_of(const struct relay *r)
{
	return r->world.now_ms(r->world.ctx);
}

struct recent {
	struct list link; /* in relay.recents */
	int64_t until_ms;
	struct stream_key key;
};

static struct recent *recent_at(struct list *it)
{
	return list_entry(it, struct recent, link);
}

static bool is_recent(const struct relay *r, const struct stream_key *key)
{
	const struct recent *one = map_get(&r->recent, span_str(key->text));

	return one && one->until_ms > now_of(r);
}

static void recent_free(struct relay *r, struct recent *one)
{
	list_remove(&one->link);
	(void)map_remove(&r->recent, span_str(one->key.text));
	free(one);
}

/* Those that are over, and the oldest where there are too many. */
static void forget_recents(struct relay *r)
{
	list_each_safe (it, &r->recents) {
		if (recent_at(it)->until_ms > now_of(r) &&
		    r->recent.count < RELAY_RECENT_MAX)
			return;
		recent_free(r, recent_at(it));
	}
}

/* NULL: no memory. */
static struct recent *recent_new(struct relay *r, const struct stream_key *key)
{
	struct recent *one = calloc(1, sizeof(*one));

	forget_recents(r);
	if (!one)
		return NULL;
	list_init(&one->link);
	one->key = *key;
	if (map_put(&r->recent, span_str(key->text), one)) {
		free(one);
		return NULL;
	}
	return one;
}

static void note_recent(struct relay *r, const struct stream_key *key,
			int64_t for_ms)
{
	struct recent *one = map_get(&r->recent, span_str(key->text));

	if (!one)
		one = recent_new(r, key);
	if (!one)
		return; /* it may be ordered twice: the claim decides */
	one->until_ms = now_of(r) + for_ms;
	list_remove(&one->link);
	list_append(&r->recents, &one->link);
}

/* ---- an order by a rule ---- */

struct ruled {
	struct relay *relay;
	struct stream_key key;
	bool is_join; /* of who pulls it already */
};

static void on_ordered(void *ctx, const struct relay_answer *a)
{
	struct ruled *w = ctx;

	if (a->verdict == RELAY_SPENT || a->verdict == RELAY_BAD_URL)
		note_recent(w->relay, &w->key, AGAIN_LATE_MS);
	else if (w->is_join && a->verdict != RELAY_EXISTS)
		note_recent(w->relay, &w->key, 0); /* it is going, or gone */
	free(w);
}

/* The rule's addresses for the stream; NULL: one of them cannot be made. */
static struct json_object *urls_of(const struct rule_pull *p,
				   const struct stream_key *key)
{
	struct json_object *urls = json_object_new_array();
	struct buf url = {0};
	int err = 0;

	for (unsigned i = 0; !err && i < p->url_count; i++) {
		buf_clear(&url);
		err = url_template_expand(&url, span_str(p->url[i]), key);
		if (!err)
			json_object_array_add(
				urls, json_object_new_string(buf_text(&url)));
	}
	buf_fini(&url);
	if (!err)
		return urls;
	json_object_put(urls);
	return NULL;
}

static struct json_object *
args_of(const struct rule *rule, const struct stream_key *key, const char *via)
{
	const struct rule_pull *p = &rule->pull;
	struct json_object *args, *urls = urls_of(p, key);

	if (!urls)
		return NULL;
	args = json_object_new_object();
	json_object_object_add(args, "urls", urls);
	json_object_object_add(args, "rule", json_object_new_string(rule->id));
	json_object_object_add(args, "via", json_object_new_string(via));
	json_add_int(args, "pull_timeout_ms", p->pull_timeout_ms);
	/* One that is kept on never gives up, and never stops by itself. */
	json_add_int(args, "retry_num", p->is_on_demand ? p->retry_num : -1);
	json_add_int(args, "auto_stop_ms",
		     p->is_on_demand ? p->auto_stop_ms : -1);
	return args;
}

/* `node`: the ingest that pulls it already, and hears of the way; NULL: any. */
static void order(struct relay *r, const struct rule *rule,
		  const struct stream_key *key, const char *via,
		  const char *node)
{
	struct json_object *args = args_of(rule, key, via);
	struct ruled *w = args ? calloc(1, sizeof(*w)) : NULL;

	note_recent(r, key, AGAIN_MS);
	if (!w) {
		json_object_put(args);
		return;
	}
	w->relay = r;
	w->key = *key;
	w->is_join = node != NULL;
	if (r->world.order(r->world.ctx, key, node, args, on_ordered, w))
		free(w);
}

/* ---- who wants one ---- */

static bool is_pulled(const struct stream_entry *e)
{
	return e && !strcmp(e->kind, "pull");
}

/* Order it, if nobody has it and there is a rule. Returns whether that is to be
 * looked at again: somebody seems to have it, or it was ordered a moment ago. */
static bool want(struct relay *r, const struct stream_key *key, const char *via)
{
	const struct ruleset *rules = r->world.rules(r->world.ctx);
	const struct rule *rule =
		ruleset_pull(rules, key, r->world.utc_ms(r->world.ctx));
	const struct stream_entry *e =
		copy_stream(r->world.copy(r->world.ctx), key);

	if (!rule)
		return false;
	if (is_recent(r, key))
		return true;
	if (relay_is_live(r, key)) {
		if (is_pulled(e))
			order(r, rule, key, via, e->writer_node);
		return true;
	}
	/* What comes back to us by others is not begun for them. */
	if (!via_has(span_str(via), r->cluster))
		order(r, rule, key, via, NULL);
	return false;
}

static void look_again(struct relay *r, const struct question *q,
		       int64_t now_ms)
{
	struct relay_wanted *w = NULL;

	for (size_t i = 0; i < RELAY_WANTED_MAX; i++)
		if (!strcmp(r->wanted[i].key.text, q->key.text))
			w = &r->wanted[i];
	if (!w)
		w = &r->wanted[r->next_wanted++ % RELAY_WANTED_MAX];
	w->key = q->key;
	w->term_number = q->term.number;
	memcpy(w->via, q->via, sizeof(w->via));
	w->until_ms = now_ms + r->world.resolve_retry_ms;
}

void relay_wanted(struct relay *r, const struct question *q, int64_t now_ms)
{
	if (want(r, &q->key, q->via))
		look_again(r, q, now_ms);
}

/* Has it come since, even if it has gone again? Then who looked for it has found
 * it. */
static bool has_come(const struct relay *r, const struct relay_wanted *w)
{
	const struct stream_entry *e =
		copy_stream(r->world.copy(r->world.ctx), &w->key);

	return e && e->term.number > w->term_number;
}

static void want_again(struct relay *r)
{
	for (size_t i = 0; i < RELAY_WANTED_MAX; i++) {
		struct relay_wanted *w = &r->wanted[i];

		if (w->until_ms > now_of(r) &&
		    (has_come(r, w) || !want(r, &w->key, w->via)))
			w->until_ms = 0;
	}
}

/* Returns whether it was ordered. */
static bool keep_one(struct relay *r, const struct rule *rule)
{
	struct stream_key key = {0};

	if (rule->pull.is_on_demand || rule->pull.is_once ||
	    rule_is_over(rule, r->world.utc_ms(r->world.ctx)))
		return false;
	snprintf(key.text, sizeof(key.text), "%s", rule->pull.streams.text);
	if (is_recent(r, &key) || relay_is_live(r, &key))
		return false;
	order(r, rule, &key, "", NULL);
	return true;
}

/* The rules that are kept on, whether somebody wants them or not. */
static void keep_on(struct relay *r)
{
	const struct ruleset *rules = r->world.rules(r->world.ctx);
	size_t count = ruleset_count(rules, RULE_PULL);
	size_t looks = WEIR_MIN(count, (size_t)RELAY_LOOKS_AT_ONCE);
	unsigned orders = 0;

	while (looks-- && orders < RELAY_ORDERS_AT_ONCE) {
		size_t i = r->next_rule++ % count;

		orders += keep_one(r, ruleset_at(rules, RULE_PULL, i, NULL));
	}
}

void relay_rules_tick(struct relay *r)
{
	want_again(r);
	keep_on(r);
}

/* ---- life ---- */

void relay_rules_init(struct relay *r, uint64_t seed)
{
	map_init(&r->recent, seed);
	list_init(&r->recents);
}

void relay_rules_fini(struct relay *r)
{
	list_each_safe (it, &r->recents)
		recent_free(r, recent_at(it));
	map_fini(&r->recent);
}
