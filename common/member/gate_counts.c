/* common/member/gate_counts.c - how many there are of each name, here and
 * elsewhere.
 */
#include "common/member/gate_counts.h"

#include <stdlib.h>

#define KEY_MAX (COUNTS_NAME_MAX + 1)

static struct gate_name *name_at(struct list *it)
{
	return list_entry(it, struct gate_name, link);
}

/* ---- names ---- */

/* The kind stands before the name. */
static struct span key_of(uint8_t out[KEY_MAX], enum counts_kind kind,
			  struct span name)
{
	out[0] = (uint8_t)kind;
	memcpy(out + 1, name.data, name.len);
	return span_of(out, name.len + 1);
}

static struct gate_name *find(const struct gate_counts *c,
			      enum counts_kind kind, struct span name)
{
	uint8_t key[KEY_MAX];

	if (name.len > COUNTS_NAME_MAX)
		return NULL;
	return map_get(&c->names, key_of(key, kind, name));
}

static struct gate_name *add(struct gate_counts *c, enum counts_kind kind,
			     struct span name)
{
	uint8_t key[KEY_MAX];
	struct gate_name *n;

	if (name.len > COUNTS_NAME_MAX)
		return NULL;
	n = calloc(1, sizeof(*n) + name.len);
	if (!n)
		return NULL;
	list_init(&n->all);
	list_init(&n->link);
	n->kind = (uint8_t)kind;
	n->len = (uint16_t)name.len;
	memcpy(n->text, name.data, name.len);
	if (map_put(&c->names, key_of(key, kind, name), n)) {
		free(n);
		return NULL;
	}
	list_append(&c->all, &n->all);
	c->foreign_count++;
	return n;
}

static void drop(struct gate_counts *c, struct gate_name *n)
{
	uint8_t key[KEY_MAX];

	list_remove(&n->all);
	list_remove(&n->link);
	map_remove(&c->names, key_of(key, (enum counts_kind)n->kind,
				     span_of(n->text, n->len)));
	c->full_count -= n->is_full;
	c->foreign_count--;
	free(n);
}

/* A dispatch that knows less has not heard of all. */
static uint32_t others_of(const struct gate_name *n)
{
	uint32_t most = 0;

	for (size_t i = 0; i < COUNTS_PEERS_MAX; i++)
		most = WEIR_MAX(most, n->said[i]);
	return most;
}

static bool is_full(const struct gate_counts *c, const struct gate_name *n)
{
	return (uint64_t)n->own + others_of(n) >= c->limit[n->kind];
}

static void weigh(struct gate_counts *c, struct gate_name *n)
{
	bool is_now = n->own < c->limit[n->kind] && is_full(c, n);

	c->full_count += is_now;
	c->full_count -= n->is_full;
	n->is_full = is_now;
}

struct gate_name *gate_counts_first(const struct gate_counts *c)
{
	return list_is_empty(&c->told) ? NULL : name_at(c->told.next);
}

struct gate_name *gate_counts_next(const struct gate_counts *c,
				   const struct gate_name *n)
{
	return n->link.next == &c->told ? NULL : name_at(n->link.next);
}

static bool is_to_be_told(const struct gate_counts *c,
			  const struct gate_name *n)
{
	for (size_t i = 0; i < COUNTS_PEERS_MAX; i++) {
		const struct gate_name *next = c->peer[i].next;

		if (next && next->version <= n->version)
			return true;
	}
	return false;
}

void gate_counts_passed(struct gate_counts *c, struct gate_name *n)
{
	if (n->own || (!list_is_empty(&n->link) && is_to_be_told(c, n)))
		return;
	list_remove(&n->link);
	if (!others_of(n))
		drop(c, n);
}

/* Those here have changed: it is the last of what is to be told. */
static void touch(struct gate_counts *c, struct gate_name *n)
{
	for (size_t i = 0; i < COUNTS_PEERS_MAX; i++)
		if (c->peer[i].next == n)
			c->peer[i].next = gate_counts_next(c, n);
	list_remove(&n->link);
	list_append(&c->told, &n->link);
	n->version = ++c->version;
	for (size_t i = 0; i < COUNTS_PEERS_MAX; i++)
		if (c->peer[i].state == COUNTS_TALKING && !c->peer[i].next)
			c->peer[i].next = n;
	weigh(c, n);
}

/* ---- those here ---- */

/* Who stands in the way of one more. */
enum against { ALL, THOSE_HERE, NOBODY };

static bool has_no_room(const struct gate_counts *c, const struct gate_name *n,
			enum against against)
{
	return against == ALL
		       ? is_full(c, n)
		       : against == THOSE_HERE && n->own >= c->limit[n->kind];
}

static int enter(struct gate_counts *c, enum counts_kind kind, struct span name,
		 enum against against)
{
	struct gate_name *n;

	if (!c->limit[kind] || !name.len)
		return 0;
	n = find(c, kind, name);
	if (n && has_no_room(c, n, against)) {
		c->refused += n->is_full;
		return WEIR_ELIMIT;
	}
	if (!n)
		n = add(c, kind, name);
	if (!n)
		return WEIR_ENOMEM;
	c->foreign_count -= !n->own++;
	touch(c, n);
	gate_counts_wake(c);
	return 0;
}

int gate_counts_enter(struct gate_counts *c, enum counts_kind kind,
		      struct span name)
{
	return enter(c, kind, name, ALL);
}

int gate_counts_move(struct gate_counts *c, enum counts_kind kind,
		     struct span name)
{
	return enter(c, kind, name, THOSE_HERE);
}

int gate_counts_adopt(struct gate_counts *c, enum counts_kind kind,
		      struct span name)
{
	return enter(c, kind, name, NOBODY);
}

void gate_counts_leave(struct gate_counts *c, enum counts_kind kind,
		       struct span name)
{
	struct gate_name *n = c->limit[kind] ? find(c, kind, name) : NULL;

	if (!n || !n->own)
		return;
	c->foreign_count += !--n->own;
	touch(c, n);
	gate_counts_passed(c, n);
	gate_counts_wake(c);
}

/* ---- those elsewhere ---- */

int gate_counts_hear(struct gate_counts *c, unsigned peer,
		     enum counts_kind kind, struct span name, uint32_t count)
{
	struct gate_name *n = find(c, kind, name);

	if (!n) {
		if (!count || !c->limit[kind])
			return 0;
		if (c->foreign_count >= COUNTS_FOREIGN_MAX) {
			c->left_out++;
			return 0;
		}
		n = add(c, kind, name);
	}
	if (!n)
		return WEIR_ENOMEM;
	n->said[peer] = count;
	weigh(c, n);
	gate_counts_passed(c, n);
	return 0;
}

void gate_counts_unhear(struct gate_counts *c, unsigned peer, size_t count)
{
	while (count-- && !list_is_empty(&c->all)) {
		struct gate_name *n =
			list_entry(c->all.next, struct gate_name, all);

		list_remove(&n->all);
		list_append(&c->all, &n->all);
		n->said[peer] = 0;
		weigh(c, n);
		gate_counts_passed(c, n);
	}
}

/* ---- life ---- */

void gate_counts_init(struct gate_counts *c, const uint32_t limit[COUNTS_KINDS],
		      uint64_t seed)
{
	*c = (struct gate_counts){.seed = seed};
	memcpy(c->limit, limit, sizeof(c->limit));
	map_init(&c->names, seed);
	list_init(&c->all);
	list_init(&c->told);
}

void gate_counts_fini(struct gate_counts *c)
{
	map_each (slot, &c->names)
		free(slot->value);
	map_fini(&c->names);
}

void gate_counts_read(const struct gate_counts *c,
		      struct gate_counts_stats *out)
{
	*out = (struct gate_counts_stats){
		.names = c->names.count - c->foreign_count,
		.full = c->full_count,
		.refused = c->refused,
		.failed = c->failed,
		.left_out = c->left_out,
	};
	for (size_t i = 0; i < COUNTS_PEERS_MAX; i++)
		out->dispatches += c->peer[i].state == COUNTS_TALKING &&
				   c->peer[i].all_ms != INT64_MAX;
}
