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
	struct carriers_world world;
	struct list inquiries; /* under way */
	struct known known[KNOWN_MAX];
	size_t next;
};

/* To one home. */
struct inquiry {
	struct list link; /* in carriers.inquiries */
	struct carriers *owner;
	struct stream_key key;
	struct list waits;
};

struct wait {
	struct list link; /* in inquiry.waits */
	carriers_fn *fn;
	void *ctx;
};

static const struct carrying nobody = {0, NULL};

static int64_t now_of(const struct carriers *c)
{
	return c->world.now_ms(c->world.ctx);
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

/* Who waits is told (k NULL: of none), and it is over. */
static void inquiry_end(struct inquiry *q, const struct known *k)
{
	list_remove(&q->link);
	list_each_safe (it, &q->waits) {
		struct wait *w = list_entry(it, struct wait, link);

		if (k)
			tell(k, w->fn, w->ctx);
		else
			w->fn(w->ctx, &nobody);
		free(w);
	}
	free(q);
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
	struct inquiry *q = ctx;
	struct carriers *c = q->owner;
	struct known *k = find(c, &q->key);
	struct json_object *list = NULL;

	if (!k)
		k = &c->known[c->next++ % KNOWN_MAX];
	k->key = q->key;
	k->until_ms = now_of(c) + KNOWN_MS;
	k->count = 0;
	if (!err && json_object_object_get_ex(json, "streams", &list) &&
	    json_object_is_type(list, json_type_array))
		take_edges(k, json_object_array_get_idx(list, 0));
	inquiry_end(q, k);
}

/* ---- asking it ---- */

static struct inquiry *inquiry_find(struct carriers *c,
				    const struct stream_key *key)
{
	list_each (it, &c->inquiries) {
		struct inquiry *q = list_entry(it, struct inquiry, link);

		if (!strcmp(q->key.text, key->text))
			return q;
	}
	return NULL;
}

static struct inquiry *inquiry_new(struct carriers *c,
				   const struct stream_key *key)
{
	struct inquiry *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	*q = (struct inquiry){.owner = c, .key = *key};
	list_init(&q->link);
	list_init(&q->waits);
	if (c->world.ask(c->world.ctx, key, on_answer, q)) {
		free(q);
		return NULL;
	}
	list_append(&c->inquiries, &q->link);
	return q;
}

/* Who has the same question waits for the same answer. Returns 0 or an error:
 * nobody is asked. */
static int join_inquiry(struct carriers *c, const struct stream_key *key,
			carriers_fn *fn, void *ctx)
{
	struct wait *w = calloc(1, sizeof(*w));
	struct inquiry *q;

	if (!w)
		return WEIR_ENOMEM;
	q = inquiry_find(c, key);
	if (!q)
		q = inquiry_new(c, key);
	if (!q) {
		free(w);
		return WEIR_ENOENT;
	}
	*w = (struct wait){.fn = fn, .ctx = ctx};
	list_init(&w->link);
	list_append(&q->waits, &w->link);
	return 0;
}

void carriers_ask(struct carriers *c, const struct stream_key *key,
		  carriers_fn *fn, void *ctx)
{
	const struct known *k = find(c, key);

	if (k && k->until_ms > now_of(c))
		tell(k, fn, ctx);
	else if (join_inquiry(c, key, fn, ctx))
		fn(ctx, &nobody);
}

int carriers_new(struct carriers **out, const struct carriers_world *world)
{
	struct carriers *c = calloc(1, sizeof(*c));

	if (!c)
		return WEIR_ENOMEM;
	c->world = *world;
	list_init(&c->inquiries);
	*out = c;
	return 0;
}

void carriers_free(struct carriers **pc)
{
	struct carriers *c = *pc;

	if (!c)
		return;
	*pc = NULL;
	list_each_safe (it, &c->inquiries)
		inquiry_end(list_entry(it, struct inquiry, link), NULL);
	free(c);
}

/* ---- the world ---- */

static int64_t world_now_ms(void *ctx)
{
	const struct dispatch *d = ctx;

	return member_now_ms(d->member);
}

static link_id home_of(struct member *m, const struct stream_key *key)
{
	const struct stream_entry *e =
		copy_stream(store_copy(member_store(m)), key);

	return e && !e->is_ended ? bus_link_to(member_bus(m), e->home_node) : 0;
}

static int world_ask(void *ctx, const struct stream_key *key,
		     member_answer_fn *fn, void *fn_ctx)
{
	struct member *m = ((struct dispatch *)ctx)->member;
	link_id home = home_of(m, key);
	struct json_object *args = home ? json_object_new_object() : NULL;
	int err;

	if (!args)
		return home ? WEIR_ENOMEM : WEIR_ENOENT;
	json_object_object_add(args, "stream",
			       json_object_new_string(key->text));
	err = member_ask(m, home, "streams", args, ASK_MS, fn, fn_ctx);
	json_object_put(args);
	return err;
}

void carriers_world_of(struct carriers_world *out, struct dispatch *d)
{
	*out = (struct carriers_world){d, world_now_ms, world_ask};
}
