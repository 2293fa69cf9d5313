/* services/dispatch/census.c - how many the whole cluster has of what is limited.
 *
 * A name has an entry for each node that has some of it, or for which others
 * make it full. An entry whose node should hear of it is in the node's news.
 */
#include "services/dispatch/census.h"

#include <stdlib.h>

#define KEY_MAX  (COUNTS_NAME_MAX + 1)
#define NO_LIMIT UINT32_MAX
#define LOOK_MS  1000
#define AT_ONCE  2000 /* entries of nodes that leave */

static const struct census_limits default_limits = {
	.nodes = 1024,
	.entries = 1000000,
	.node_entries = 250000,
};

struct census {
	struct census_limits limits;
	struct map nodes, names;
	struct list all;              /* nodes */
	struct list leaving;          /* nodes that have gone */
	struct list crowded;          /* names that are full for somebody */
	uint32_t least[COUNTS_KINDS]; /* of the limits; NO_LIMIT: none */
	size_t entry_count;
	uint64_t round;
	int64_t look_ms; /* for nodes that are silent */
	uint64_t left_out;
};

struct census_node {
	struct list link; /* in census.all, then in leaving */
	struct list entries, news;
	size_t entry_count;
	int64_t session, next_seq;
	int64_t heard_ms;
	uint32_t limit[COUNTS_KINDS]; /* NO_LIMIT: none */
	uint64_t round;               /* in which an entry of it was seen */
	uint16_t id_len;
	char id[];
};

struct census_name {
	struct list entries;
	struct list crowded; /* alone: it is not */
	uint64_t total;
	uint8_t kind;
	uint16_t len;
	uint8_t key[]; /* the kind, and the name */
};

struct census_entry {
	struct list of_node, of_name;
	struct list news; /* alone: the node knows */
	struct census_node *node;
	struct census_name *name;
	uint32_t own;  /* what the node has */
	uint32_t told; /* what it was told of the others */
};

static struct census_node *node_at(struct list *it)
{
	return list_entry(it, struct census_node, link);
}

/* ---- what a node is to hear ---- */

static uint32_t others_of(const struct census_entry *e)
{
	uint64_t others = e->name->total - e->own;

	return (uint32_t)WEIR_MIN(others, (uint64_t)COUNTS_MAX);
}

static bool is_full_for(const struct census_name *n,
			const struct census_node *node)
{
	return n->total >= node->limit[n->kind];
}

/* Nothing, where it has none of it and may have some. */
static uint32_t wanted(const struct census_entry *e)
{
	return e->own || is_full_for(e->name, e->node) ? others_of(e) : 0;
}

static void note(struct census_entry *e)
{
	if (list_is_empty(&e->news) &&
	    (wanted(e) != e->told || (!e->own && !e->told)))
		list_append(&e->node->news, &e->news);
}

/* ---- entries ---- */

static struct census_entry *entry_of(const struct census_name *n,
				     const struct census_node *node)
{
	list_each (it, &n->entries) {
		struct census_entry *e =
			list_entry(it, struct census_entry, of_name);

		if (e->node == node)
			return e;
	}
	return NULL;
}

static struct census_entry *entry_new(struct census *c, struct census_name *n,
				      struct census_node *node)
{
	struct census_entry *e = NULL;

	if (c->entry_count < c->limits.entries &&
	    node->entry_count < c->limits.node_entries)
		e = calloc(1, sizeof(*e));
	if (!e) {
		c->left_out++;
		return NULL;
	}
	e->node = node;
	e->name = n;
	list_init(&e->of_node);
	list_init(&e->of_name);
	list_init(&e->news);
	list_append(&node->entries, &e->of_node);
	list_append(&n->entries, &e->of_name);
	c->entry_count++;
	node->entry_count++;
	return e;
}

/* What it had must have been taken off before. */
static void entry_free(struct census *c, struct census_entry *e)
{
	list_remove(&e->of_node);
	list_remove(&e->of_name);
	list_remove(&e->news);
	c->entry_count--;
	e->node->entry_count--;
	free(e);
}

/* ---- names ---- */

static struct census_name *name_find(const struct census *c,
				     enum counts_kind kind, struct span text)
{
	uint8_t key[KEY_MAX] = {(uint8_t)kind};

	memcpy(key + 1, text.data, text.len);
	return map_get(&c->names, span_of(key, text.len + 1));
}

static struct census_name *name_new(struct census *c, enum counts_kind kind,
				    struct span text)
{
	struct census_name *n = calloc(1, sizeof(*n) + text.len + 1);

	if (!n)
		return NULL;
	list_init(&n->entries);
	list_init(&n->crowded);
	n->kind = (uint8_t)kind;
	n->len = (uint16_t)(text.len + 1);
	n->key[0] = (uint8_t)kind;
	memcpy(n->key + 1, text.data, text.len);
	if (map_put(&c->names, span_of(n->key, n->len), n)) {
		free(n);
		return NULL;
	}
	return n;
}

/* Gone, when no node has anything to do with it. */
static void name_end(struct census *c, struct census_name *n)
{
	if (!list_is_empty(&n->entries))
		return;
	list_remove(&n->crowded);
	map_remove(&c->names, span_of(n->key, n->len));
	free(n);
}

static void set_crowded(struct census *c, struct census_name *n)
{
	list_remove(&n->crowded);
	if (n->total >= c->least[n->kind])
		list_append(&c->crowded, &n->crowded);
}

/* Nodes that have none of it hear of it, too, when they may have none. */
static void note_others(struct census *c, struct census_name *n)
{
	list_each (it, &c->all) {
		struct census_node *node = node_at(it);
		struct census_entry *e;

		if (node->round == c->round || !is_full_for(n, node))
			continue;
		e = entry_new(c, n, node);
		if (e)
			note(e);
	}
}

static void note_all(struct census *c, struct census_name *n)
{
	c->round++;
	list_each (it, &n->entries) {
		struct census_entry *e =
			list_entry(it, struct census_entry, of_name);

		e->node->round = c->round;
		note(e);
	}
	set_crowded(c, n);
	if (!list_is_empty(&n->crowded))
		note_others(c, n);
}

/* ---- what a node tells ---- */

struct telling {
	struct census *c;
	struct census_node *node;
};

static void set_own(struct census *c, struct census_entry *e, uint32_t own)
{
	e->name->total += own;
	e->name->total -= e->own;
	e->own = own;
	note_all(c, e->name);
}

static int take(void *ctx, enum counts_kind kind, struct span text,
		uint32_t count)
{
	struct telling *t = ctx;
	struct census_name *n = name_find(t->c, kind, text);
	struct census_entry *e = n ? entry_of(n, t->node) : NULL;

	if (!e && !count)
		return 0;
	if (!n)
		n = name_new(t->c, kind, text);
	if (!n) {
		t->c->left_out++;
		return 0;
	}
	if (!e)
		e = entry_new(t->c, n, t->node);
	if (e)
		set_own(t->c, e, count);
	else
		name_end(t->c, n);
	return 0;
}

/* ---- what a node hears ---- */

/* It is known now; an entry that says nothing goes. */
static void heard(struct census *c, struct census_entry *e)
{
	struct census_name *n = e->name;

	e->told = wanted(e);
	list_remove(&e->news);
	if (e->own || e->told)
		return;
	entry_free(c, e);
	name_end(c, n);
}

static int write_one(struct counts_page *p, const struct census_entry *e)
{
	const struct census_name *n = e->name;

	if (wanted(e) == e->told)
		return 0;
	return counts_page_put(p, (enum counts_kind)n->kind,
			       span_of(n->key + 1, n->len - 1u), wanted(e));
}

/* As much of the news as an answer takes. */
static int write_news(struct census *c, struct census_node *node,
		      struct counts_page *p)
{
	list_each_safe (it, &node->news) {
		struct census_entry *e =
			list_entry(it, struct census_entry, news);
		int err = write_one(p, e);

		if (err)
			return err;
		heard(c, e);
	}
	return 0;
}

/* ---- nodes ---- */

/* Nodes have come or gone. */
static void find_least(struct census *c)
{
	uint32_t before[COUNTS_KINDS];

	memcpy(before, c->least, sizeof(before));
	for (size_t k = 0; k < COUNTS_KINDS; k++)
		c->least[k] = NO_LIMIT;
	list_each (it, &c->all)
		for (size_t k = 0; k < COUNTS_KINDS; k++)
			c->least[k] =
				WEIR_MIN(c->least[k], node_at(it)->limit[k]);
	if (!memcmp(before, c->least, sizeof(before)))
		return;
	map_each (slot, &c->names)
		set_crowded(c, slot->value);
}

static void take_away(struct census *c, struct census_entry *e)
{
	struct census_name *n = e->name;

	n->total -= e->own;
	entry_free(c, e);
	note_all(c, n);
	name_end(c, n);
}

/* At most *count entries. Are all gone? */
static bool strip(struct census *c, struct census_node *node, size_t *count)
{
	list_each_safe (it, &node->entries) {
		if (!*count)
			return false;
		--*count;
		take_away(c, list_entry(it, struct census_entry, of_node));
	}
	return true;
}

/* So much of the nodes that leave; the rest has the next ticks. */
static void take_away_some(struct census *c, size_t count)
{
	list_each_safe (it, &c->leaving) {
		if (!strip(c, node_at(it), &count))
			return;
		list_remove(it);
		free(node_at(it));
	}
}

static void leave(struct census *c, struct census_node *node)
{
	map_remove(&c->nodes, span_of(node->id, node->id_len));
	list_remove(&node->link);
	list_append(&c->leaving, &node->link);
	find_least(c);
	take_away_some(c, AT_ONCE);
}

static struct census_node *node_find(const struct census *c, const char *id)
{
	return map_get(&c->nodes, span_str(id));
}

static struct census_node *node_new(struct census *c, struct span id)
{
	struct census_node *node = NULL;

	if (c->nodes.count < c->limits.nodes)
		node = calloc(1, sizeof(*node) + id.len);
	if (!node)
		return NULL;
	list_init(&node->link);
	list_init(&node->entries);
	list_init(&node->news);
	node->id_len = (uint16_t)id.len;
	memcpy(node->id, id.data, id.len);
	if (map_put(&c->nodes, id, node)) {
		free(node);
		return NULL;
	}
	list_append(&c->all, &node->link);
	return node;
}

/* What is full already, it has to know. */
static void tell_crowded(struct census *c, struct census_node *node)
{
	list_each (it, &c->crowded) {
		struct census_name *n =
			list_entry(it, struct census_name, crowded);
		struct census_entry *e =
			is_full_for(n, node) ? entry_new(c, n, node) : NULL;

		if (e)
			note(e);
	}
}

/* What it told before is over. */
static struct census_node *begin(struct census *c, const char *id,
				 const struct counts_report *r)
{
	struct census_node *node;

	census_forget(c, id);
	take_away_some(c, SIZE_MAX); /* it must not hear of itself */
	node = node_new(c, span_str(id));
	if (!node)
		return NULL;
	node->session = r->session;
	for (size_t k = 0; k < COUNTS_KINDS; k++)
		node->limit[k] = r->limit[k] ? r->limit[k] : NO_LIMIT;
	find_least(c);
	tell_crowded(c, node);
	return node;
}

void census_forget(struct census *c, const char *id)
{
	struct census_node *node = node_find(c, id);

	if (node)
		leave(c, node);
}

static void forget_silent(struct census *c, int64_t now_ms)
{
	list_each_safe (it, &c->all)
		if (now_ms - node_at(it)->heard_ms >= CENSUS_SILENT_MS)
			leave(c, node_at(it));
}

int64_t census_tick(struct census *c, int64_t now_ms)
{
	take_away_some(c, AT_ONCE);
	if (now_ms >= c->look_ms) {
		c->look_ms = now_ms + LOOK_MS;
		forget_silent(c, now_ms);
	}
	if (!list_is_empty(&c->leaving))
		return now_ms;
	return c->nodes.count ? c->look_ms : INT64_MAX;
}

/* ---- the call ---- */

static struct json_object *again(int64_t seq)
{
	const struct counts_answer head = {.seq = seq, .is_again = true};
	struct counts_page p;

	if (counts_page_begin(&p))
		return NULL;
	return counts_page_answer(&p, &head);
}

static struct json_object *answer(struct census *c, struct census_node *node,
				  int64_t seq)
{
	struct counts_answer head = {.seq = seq};
	struct counts_page p;
	int err = counts_page_begin(&p);

	if (err)
		return NULL;
	err = write_news(c, node, &p);
	head.has_more = err == WEIR_ELIMIT;
	if (!err || head.has_more)
		return counts_page_answer(&p, &head);
	counts_page_drop(&p);
	return NULL;
}

/* A report that is lost, or came twice, ends the talk: counts are told anew. */
static struct census_node *node_of(struct census *c, const char *id,
				   const struct counts_report *r)
{
	struct census_node *node = node_find(c, id);

	if (!r->seq)
		return begin(c, id, r);
	if (node && node->session == r->session && node->next_seq == r->seq)
		return node;
	return NULL;
}

struct json_object *census_serve(struct census *c, const char *id,
				 struct json_object *args, int64_t now_ms)
{
	struct counts_report r;
	struct telling t = {.c = c};
	struct json_object *out;

	if (counts_report_read(&r, args))
		return NULL;
	t.node = node_of(c, id, &r);
	if (!t.node)
		return again(r.seq);
	t.node->heard_ms = now_ms;
	t.node->next_seq = r.seq + 1;
	out = counts_each(args, take, &t) ? NULL : answer(c, t.node, r.seq);
	if (!out)
		census_forget(c, id); /* it does not know what it missed */
	return out;
}

/* ---- life ---- */

int census_new(struct census **out, const struct census_limits *limits,
	       uint64_t seed)
{
	struct census *c = calloc(1, sizeof(*c));

	if (!c)
		return WEIR_ENOMEM;
	c->limits = limits ? *limits : default_limits;
	map_init(&c->nodes, seed);
	map_init(&c->names, ~seed);
	list_init(&c->all);
	list_init(&c->leaving);
	list_init(&c->crowded);
	find_least(c);
	*out = c;
	return 0;
}

void census_free(struct census **pc)
{
	struct census *c = *pc;

	if (!c)
		return;
	list_each_safe (it, &c->all) {
		list_remove(it);
		list_append(&c->leaving, it);
	}
	take_away_some(c, SIZE_MAX);
	map_fini(&c->nodes);
	map_fini(&c->names);
	free(c);
	*pc = NULL;
}

void census_read(const struct census *c, struct census_stats *out)
{
	*out = (struct census_stats){
		.nodes = c->nodes.count,
		.names = c->names.count,
		.left_out = c->left_out,
	};
}
