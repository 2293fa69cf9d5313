/* services/dispatch/relay_kept.c - pulls that the API has begun, each by its rule:
 * when their ingest dies or takes leave, another one goes on. Every dispatch looks
 * after all of them; who is late finds the stream claimed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/conf/json.h"
#include "services/dispatch/relay_priv.h"

#define AGAIN_MS 1000 /* between two orders */
#define FRESH_MS 500  /* the registry's copy here may be older than the rule */
#define TAKEN_MS 2000 /* a publisher has it for so long: the pull is over */
/* So long an ingest that lives and does not pull it any more may take to delete
 * the rule. */
#define ENDING_MS 10000

struct kept {
	struct list link; /* in relay.turns */
	struct relay *relay;
	char id[RULE_ID_MAX + 1];
	struct stream_key key;
	bool is_there;  /* among the rules */
	bool is_asking; /* freed when it is answered, if it is not there */
	enum { KEPT_WELL, KEPT_TAKEN, KEPT_ENDING, KEPT_LOST } state;
	int64_t since_ms; /* in that state */
	int64_t again_ms;
};

static int64_t now_of(const struct relay *r)
{
	return r->world.now_ms(r->world.ctx);
}

static const struct rule *rule_of(const struct relay *r, const char *id)
{
	const struct rule *rule = ruleset_get(r->world.rules(r->world.ctx),
					      RULES_REGISTRY, RULE_PULL, id);

	return rule && rule->pull.is_once ? rule : NULL;
}

static struct kept *kept_at(struct list *it)
{
	return list_entry(it, struct kept, link);
}

/* ---- which there are ---- */

static void let_go(struct relay *r, struct kept *k)
{
	list_remove(&k->link);
	(void)map_remove(&r->kept, span_str(k->id));
	if (!k->is_asking)
		free(k);
}

static void take_in(struct relay *r, const struct rule *rule)
{
	struct kept *k = map_get(&r->kept, span_str(rule->id));

	if (!k) {
		k = calloc(1, sizeof(*k));
		if (!k)
			return; /* with the next change */
		k->relay = r;
		k->again_ms = now_of(r) + FRESH_MS;
		snprintf(k->id, sizeof(k->id), "%s", rule->id);
		if (map_put(&r->kept, span_str(rule->id), k)) {
			free(k);
			return;
		}
		list_init(&k->link);
		list_append(&r->turns, &k->link);
	}
	k->is_there = true;
	snprintf(k->key.text, sizeof(k->key.text), "%s",
		 rule->pull.streams.text);
}

void relay_kept_on_rules(struct relay *r)
{
	const struct ruleset *rules = r->world.rules(r->world.ctx);
	const struct rule *rule;

	list_each (it, &r->turns)
		kept_at(it)->is_there = false;
	for (size_t i = 0; (rule = ruleset_at(rules, RULE_PULL, i, NULL)); i++)
		if (rule->pull.is_once && rule == rule_of(r, rule->id))
			take_in(r, rule);
	list_each_safe (it, &r->turns)
		if (!kept_at(it)->is_there)
			let_go(r, kept_at(it));
}

const struct rule *relay_kept_rule(const struct relay *r,
				   const struct stream_key *key)
{
	map_each (slot, &r->kept) {
		const struct kept *k = slot->value;

		if (!strcmp(k->key.text, key->text))
			return rule_of(r, k->id);
	}
	return NULL;
}

/* ---- it is ordered again ---- */

static void on_ordered(void *ctx, const struct relay_answer *a)
{
	struct kept *k = ctx;

	(void)a; /* how it goes is seen in the registry */
	k->is_asking = false;
	if (!k->is_there)
		free(k);
}

static struct json_object *args_of(const struct rule *rule)
{
	const struct rule_pull *p = &rule->pull;
	struct json_object *args = json_object_new_object();
	struct json_object *urls = json_object_new_array();

	for (unsigned i = 0; i < p->url_count; i++)
		json_object_array_add(urls, json_object_new_string(p->url[i]));
	json_object_object_add(args, "urls", urls);
	json_object_object_add(args, "once", json_object_new_boolean(true));
	json_add_text(args, "rule", rule->id);
	json_add_int(args, "pull_timeout_ms", p->pull_timeout_ms);
	json_add_int(args, "retry_num", p->retry_num);
	json_add_int(args, "auto_stop_ms", p->auto_stop_ms);
	return args;
}

/* Returns whether it was. */
static bool order_anew(struct kept *k, int64_t now_ms)
{
	const struct rule *rule = rule_of(k->relay, k->id);

	if (!rule || now_ms < k->again_ms)
		return false;
	k->again_ms = now_ms + AGAIN_MS;
	k->is_asking = true;
	if (k->relay->world.order(k->relay->world.ctx, &k->key, NULL,
				  args_of(rule), on_ordered, k))
		k->is_asking = false;
	return true;
}

/* ---- how it is ---- */

/* Is the one that had it at work, the same process as then? */
static bool is_writer_there(const struct relay *r, const struct stream_entry *e)
{
	const struct node *n =
		copy_node(r->world.copy(r->world.ctx), e->writer_node);

	return n && !n->is_draining &&
	       uuid_eq(&n->ref.instance, &e->writer_instance) &&
	       r->world.reaches(r->world.ctx, e->writer_node);
}

static int state_of(const struct kept *k)
{
	struct relay *r = k->relay;
	const struct stream_entry *e =
		copy_stream(r->world.copy(r->world.ctx), &k->key);
	bool is_pull = e && !strcmp(e->kind, "pull");

	if (relay_is_live(r, &k->key))
		return is_pull ? KEPT_WELL : KEPT_TAKEN;
	return is_pull && is_writer_there(r, e) ? KEPT_ENDING : KEPT_LOST;
}

/* Returns whether something was asked for. */
static bool look(struct kept *k, int64_t now_ms)
{
	int state = state_of(k);

	if (state != (int)k->state) {
		k->state = state;
		k->since_ms = now_ms;
	}
	if (state == KEPT_LOST ||
	    (state == KEPT_ENDING && now_ms - k->since_ms >= ENDING_MS))
		return order_anew(k, now_ms);
	if (state != KEPT_TAKEN || now_ms - k->since_ms < TAKEN_MS ||
	    now_ms < k->again_ms)
		return false;
	k->again_ms = now_ms + AGAIN_MS;
	k->relay->world.delete_pull(k->relay->world.ctx, k->id);
	return true;
}

void relay_kept_tick(struct relay *r)
{
	size_t looks = WEIR_MIN(r->kept.count, (size_t)RELAY_LOOKS_AT_ONCE);
	int64_t now_ms = now_of(r);
	unsigned asked = 0;

	while (looks-- && asked < RELAY_ORDERS_AT_ONCE) {
		struct kept *k = kept_at(r->turns.next);

		list_remove(&k->link);
		list_append(&r->turns, &k->link);
		asked += !k->is_asking && look(k, now_ms);
	}
}

void relay_kept_init(struct relay *r, uint64_t seed)
{
	map_init(&r->kept, seed);
	list_init(&r->turns);
}

void relay_kept_fini(struct relay *r)
{
	map_each (slot, &r->kept)
		free(slot->value);
	map_fini(&r->kept);
}
