/* services/dispatch/carriers.c - which edges have a stream already. */
#include "services/dispatch/carriers.h"

#include <stdio.h>
#include <stdlib.h>

#include "services/dispatch/internal.h"

#define KNOWN_MAX 256
#define KNOWN_MS  1000
#define ASK_MS    300 /* then the answer is given without */

struct known {
	struct stream_key key;
	int64_t until_ms;
	size_t count;
	char node[CARRIERS_MAX][NODE_ID_SIZE];
};

struct carriers {
	struct dispatch *dispatch;
	struct list waits;
	struct known known[KNOWN_MAX];
	size_t next;
};

struct wait {
	struct list link; /* in carriers.waits */
	struct carriers *owner;
	struct stream_key key;
	carriers_fn *fn;
	void *ctx;
};

static const struct carrying nobody = {0, NULL};

static int64_t now_of(const struct carriers *c)
{
	return member_now_ms(c->dispatch->member);
}

static struct known *find(struct carriers *c, const struct stream_key *key)
{
	for (size_t i = 0; i < KNOWN_MAX; i++)
		if (!strcmp(c->known[i].key.text, key->text))
			return &c->known[i];
	return NULL;
}

static void tell(const struct known *k, carriers_fn *fn, void *ctx)
{
	const struct carrying c = {k->count,
				   (const char(*)[NODE_ID_SIZE])k->node};

	fn(ctx, &c);
}

/* ---- the home's answer ---- */

static void take_edges(struct known *k, struct json_object *stream)
{
	struct json_object *list = NULL;

	if (!json_object_object_get_ex(stream, "consumers", &list) ||
	    !json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0;
	     i < json_object_array_length(list) && k->count < CARRIERS_MAX;
	     i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *node = member_json_text(o, "node");
		const char *role = member_json_text(o, "role");

		if (node && role && !strcmp(role, "edge"))
			snprintf(k->node[k->count++], NODE_ID_SIZE, "%s", node);
	}
}

static void on_answer(void *ctx, int err, struct json_object *json)
{
	struct wait *w = ctx;
	struct carriers *c = w->owner;
	struct known *k = find(c, &w->key);
	struct json_object *list = NULL;

	if (!k)
		k = &c->known[c->next++ % KNOWN_MAX];
	k->key = w->key;
	k->until_ms = now_of(c) + KNOWN_MS;
	k->count = 0;
	if (!err && json_object_object_get_ex(json, "streams", &list) &&
	    json_object_is_type(list, json_type_array))
		take_edges(k, json_object_array_get_idx(list, 0));
	list_remove(&w->link);
	tell(k, w->fn, w->ctx);
	free(w);
}

static link_id home_of(const struct carriers *c, const struct stream_key *key)
{
	struct member *m = c->dispatch->member;
	const struct stream_entry *e =
		copy_stream(store_copy(member_store(m)), key);

	return e && !e->is_ended ? bus_link_to(member_bus(m), e->home_node) : 0;
}

static int ask(struct wait *w, link_id home)
{
	struct json_object *args = json_object_new_object();
	int err;

	if (!args)
		return WEIR_ENOMEM;
	json_object_object_add(args, "stream",
			       json_object_new_string(w->key.text));
	err = member_ask(w->owner->dispatch->member, home, "streams", args,
			 ASK_MS, on_answer, w);
	json_object_put(args);
	return err;
}

void carriers_ask(struct carriers *c, const struct stream_key *key,
		  carriers_fn *fn, void *ctx)
{
	const struct known *k = find(c, key);
	link_id home = home_of(c, key);
	struct wait *w;

	if (k && k->until_ms > now_of(c)) {
		tell(k, fn, ctx);
		return;
	}
	w = home ? calloc(1, sizeof(*w)) : NULL;
	if (!w) {
		fn(ctx, &nobody);
		return;
	}
	*w = (struct wait){.owner = c, .key = *key, .fn = fn, .ctx = ctx};
	list_init(&w->link);
	list_append(&c->waits, &w->link);
	if (!ask(w, home))
		return;
	list_remove(&w->link);
	free(w);
	fn(ctx, &nobody);
}

int carriers_new(struct carriers **out, struct dispatch *d)
{
	struct carriers *c = calloc(1, sizeof(*c));

	if (!c)
		return WEIR_ENOMEM;
	c->dispatch = d;
	list_init(&c->waits);
	*out = c;
	return 0;
}

void carriers_free(struct carriers **pc)
{
	struct carriers *c = *pc;

	if (!c)
		return;
	*pc = NULL;
	list_each_safe (it, &c->waits) {
		struct wait *w = list_entry(it, struct wait, link);

		w->fn(w->ctx, &nobody);
		free(w);
	}
	free(c);
}
