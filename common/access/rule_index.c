/* common/access/rule_index.c - rules by what they ask for. */
#include "common/access/rule_index.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY_MAX (2 + STREAM_KEY_MAX) /* the longest under which a rule stands */

/* What the map holds: never empty. */
struct bucket {
	struct rule_ref *first;
};

/* A key of the map: which index, then its own key. */
struct index_key {
	uint8_t byte[KEY_MAX];
	size_t len;
};

static struct span key_of(struct index_key *k, enum rule_index_of of,
			  struct span key)
{
	key = span_first(key, KEY_MAX - 1);
	k->byte[0] = (uint8_t)of;
	if (key.len)
		memcpy(k->byte + 1, key.data, key.len);
	k->len = key.len + 1;
	return span_of(k->byte, k->len);
}

static struct span block_key(uint8_t out[17], const struct ip_addr *first,
			     unsigned bits)
{
	out[0] = (uint8_t)bits;
	memcpy(out + 1, first->byte, 16);
	return span_of(out, 17);
}

void rule_index_init(struct rule_index *ix, uint64_t seed)
{
	*ix = (struct rule_index){.block_count = {{0}}};
	map_init(&ix->map, seed);
	map_init(&ix->shapes, seed);
}

void rule_index_fini(struct rule_index *ix)
{
	map_each (slot, &ix->map) {
		struct bucket *b = slot->value;

		while (b->first) {
			struct rule_ref *next = b->first->next;

			free(b->first);
			b->first = next;
		}
		free(b);
	}
	map_fini(&ix->map);
	map_each (slot, &ix->shapes)
		free(slot->value);
	map_fini(&ix->shapes);
}

static int bucket_make(struct bucket **out, struct map *m, struct span key)
{
	struct bucket *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return WEIR_ENOMEM;
	err = map_put(m, key, b);
	if (err)
		free(b);
	else
		*out = b;
	return err;
}

int rule_index_add(struct rule_index *ix, enum rule_index_of of,
		   struct span key, const struct rule *rule)
{
	struct rule_ref *ref = malloc(sizeof(*ref));
	struct index_key k;
	struct bucket *b;
	int err = ref ? 0 : WEIR_ENOMEM;

	key = key_of(&k, of, key);
	b = map_get(&ix->map, key);
	if (!err && !b)
		err = bucket_make(&b, &ix->map, key);
	if (err) {
		free(ref);
		return err;
	}
	*ref = (struct rule_ref){b->first, rule};
	b->first = ref;
	return 0;
}

/* Returns whether it was there. */
static bool remove_ref(struct rule_index *ix, enum rule_index_of of,
		       struct span key, const struct rule *rule)
{
	struct rule_ref **at, *ref;
	struct index_key k;
	struct bucket *b;

	key = key_of(&k, of, key);
	b = map_get(&ix->map, key);
	if (!b)
		return false;
	for (at = &b->first; *at && (*at)->rule != rule;)
		at = &(*at)->next;
	ref = *at;
	if (!ref)
		return false;
	*at = ref->next;
	free(ref);
	if (!b->first)
		free(map_remove(&ix->map, key));
	return true;
}

void rule_index_remove(struct rule_index *ix, enum rule_index_of of,
		       struct span key, const struct rule *rule)
{
	(void)remove_ref(ix, of, key, rule);
}

int rule_index_add_block(struct rule_index *ix, enum rule_index_of of,
			 const struct cidr *block, const struct rule *rule)
{
	uint8_t key[17];
	int err = rule_index_add(
		ix, of, block_key(key, &block->first, block->bits), rule);

	if (!err)
		ix->block_count[of][block->bits]++;
	return err;
}

void rule_index_remove_block(struct rule_index *ix, enum rule_index_of of,
			     const struct cidr *block, const struct rule *rule)
{
	uint8_t key[17];

	if (remove_ref(ix, of, block_key(key, &block->first, block->bits),
		       rule))
		ix->block_count[of][block->bits]--;
}

const struct rule_ref *rule_index_find(const struct rule_index *ix,
				       enum rule_index_of of, struct span key)
{
	struct index_key k;
	const struct bucket *b = map_get(&ix->map, key_of(&k, of, key));

	return b ? b->first : NULL;
}

const struct rule_ref *rule_index_find_block(const struct rule_index *ix,
					     enum rule_index_of of,
					     const struct ip_addr *ip,
					     unsigned bits)
{
	struct ip_addr first;
	uint8_t key[17];

	/* Blocks of IPv6 that IPv4 would lie in are not meant for it. */
	if (!ix->block_count[of][bits] || (bits < 96 && ip_addr_is_v4(ip)))
		return NULL;
	first = ip_addr_prefix(ip, bits);
	return rule_index_find(ix, of, block_key(key, &first, bits));
}

/* ---- patterns ---- */

/* One more rule of this shape. Returns 0 or WEIR_ENOMEM. */
static int count_shape(struct rule_index *ix, enum rule_index_of of,
		       const char *text)
{
	struct index_key k;
	struct span key = key_of(&k, of, span_str(text));
	struct rule_shape *s = map_get(&ix->shapes, key);
	int err;

	if (!s) {
		s = calloc(1, sizeof(*s));
		err = s ? map_put(&ix->shapes, key, s) : WEIR_ENOMEM;
		if (err) {
			free(s);
			return err;
		}
		snprintf(s->text, sizeof(s->text), "%s", text);
		s->next = ix->shape[of];
		ix->shape[of] = s;
	}
	s->count++;
	return 0;
}

static void uncount_shape(struct rule_index *ix, enum rule_index_of of,
			  const char *text)
{
	struct index_key k;
	struct span key = key_of(&k, of, span_str(text));
	struct rule_shape *s = map_get(&ix->shapes, key);
	struct rule_shape **at = &ix->shape[of];

	BUG_ON(!s);
	if (--s->count)
		return;
	(void)map_remove(&ix->shapes, key);
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	free(s);
}

int rule_index_add_pattern(struct rule_index *ix, enum rule_index_of of,
			   const struct stream_pattern *pattern,
			   const struct rule *rule)
{
	char shape[STREAM_SHAPE_SIZE];
	int err;

	stream_pattern_shape(shape, pattern);
	err = count_shape(ix, of, shape);
	if (err)
		return err;
	err = rule_index_add(ix, of, span_str(pattern->text), rule);
	if (err)
		uncount_shape(ix, of, shape);
	return err;
}

void rule_index_remove_pattern(struct rule_index *ix, enum rule_index_of of,
			       const struct stream_pattern *pattern,
			       const struct rule *rule)
{
	char shape[STREAM_SHAPE_SIZE];

	if (!remove_ref(ix, of, span_str(pattern->text), rule))
		return;
	stream_pattern_shape(shape, pattern);
	uncount_shape(ix, of, shape);
}

const struct rule_ref *rule_index_next_pattern(const struct rule_index *ix,
					       enum rule_index_of of,
					       const struct stream_key *key,
					       const struct rule_shape **at)
{
	const struct rule_shape *s = *at ? (*at)->next : ix->shape[of];
	const struct rule_ref *ref = NULL;
	struct stream_pattern p;

	for (; s && !ref; s = s->next) {
		*at = s;
		if (stream_pattern_of(&p, s->text, key))
			ref = rule_index_find(ix, of, span_str(p.text));
	}
	return ref;
}
