/* services/dispatch/relay_kept.c - pulls that the API has started here: when their
 * ingest dies or takes leave, another one goes on.
 */
#include <stdio.h>
#include <stdlib.h>

#include "services/dispatch/relay_priv.h"

#define AGAIN_MS   1000  /* between two tries */
#define GIVE_UP_MS 30000 /* … or until it has come for the first time */

struct kept {
	struct list link; /* in relay.kept */
	struct relay *relay;
	struct stream_key key;
	struct json_object *args;
	char node[NODE_ID_SIZE]; /* of whom it was ordered */
	bool was_seen;           /* live, at that one */
	bool is_asking;
	bool is_over; /* while it asks */
	int64_t since_ms, again_ms;
};

static void kept_free(struct kept *k)
{
	if (k->is_asking) { /* when it is answered */
		k->is_over = true;
		return;
	}
	list_remove(&k->link);
	json_object_put(k->args);
	free(k);
}

void relay_keep(struct relay *r, const struct stream_key *key, const char *node,
		struct json_object *args)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (!k)
		return; /* then it is not */
	k->relay = r;
	k->key = *key;
	k->args = json_object_get(args);
	k->since_ms = member_now_ms(r->dispatch->member);
	snprintf(k->node, sizeof(k->node), "%s", node);
	list_init(&k->link);
	list_append(&r->kept, &k->link);
}

void relay_forget(struct relay *r, const struct stream_key *key)
{
	list_each_safe (it, &r->kept) {
		struct kept *k = list_entry(it, struct kept, link);

		if (!strcmp(k->key.text, key->text))
			kept_free(k);
	}
}

static void on_ordered(void *ctx, const struct relay_answer *a)
{
	struct kept *k = ctx;

	k->is_asking = false;
	if (k->is_over || a->verdict == RELAY_EXISTS ||
	    a->verdict == RELAY_BAD_URL) {
		kept_free(k);
		return;
	}
	if (a->verdict != RELAY_DONE)
		return;
	snprintf(k->node, sizeof(k->node), "%s", a->node);
	k->was_seen = false;
	k->since_ms = member_now_ms(k->relay->dispatch->member);
}

static void order_anew(struct kept *k, int64_t now_ms)
{
	if (now_ms < k->again_ms)
		return;
	k->again_ms = now_ms + AGAIN_MS;
	k->is_asking = true;
	if (relay_order(k->relay, &k->key, json_object_get(k->args), on_ordered,
			k))
		k->is_asking = false;
}

static bool is_there(const struct kept *k)
{
	struct member *m = k->relay->dispatch->member;
	const struct node *n = copy_node(store_copy(member_store(m)), k->node);

	return bus_link_to(member_bus(m), k->node) != 0 &&
	       !(n && n->is_draining);
}

/* Its ingest is well: is it still pulled? */
static void look(struct kept *k, int64_t now_ms)
{
	struct member *m = k->relay->dispatch->member;
	const struct stream_entry *e =
		copy_stream(store_copy(member_store(m)), &k->key);

	if (e && e->is_live && !strcmp(e->kind, "pull") &&
	    !strcmp(e->writer_node, k->node)) {
		k->was_seen = true;
		k->since_ms = now_ms;
	} else if (k->was_seen || now_ms - k->since_ms > GIVE_UP_MS) {
		kept_free(k); /* it is over, or a publisher has it */
	}
}

void relay_kept_tick(struct relay *r)
{
	int64_t now_ms = member_now_ms(r->dispatch->member);

	list_each_safe (it, &r->kept) {
		struct kept *k = list_entry(it, struct kept, link);

		if (k->is_asking)
			continue;
		if (is_there(k))
			look(k, now_ms);
		else if (now_ms - k->since_ms > GIVE_UP_MS)
			kept_free(k);
		else
			order_anew(k, now_ms);
	}
}

void relay_kept_fini(struct relay *r)
{
	list_each_safe (it, &r->kept) {
		struct kept *k = list_entry(it, struct kept, link);

		k->is_asking = false;
		kept_free(k);
	}
}
