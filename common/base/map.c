/* common/base/map.c - byte keys to pointers, chained buckets. */
#include "common/base/map.h"

#include <stdlib.h>

#include "common/base/hash.h"

void map_init(struct map *m, uint64_t seed)
{
	*m = (struct map){.seed = seed};
}

void map_fini(struct map *m)
{
	for (size_t i = 0; i < m->bucket_count; i++) {
		struct map_slot *s = m->bucket[i];

		while (s) {
			struct map_slot *next = s->next;

			free(s);
			s = next;
		}
	}
	free(m->bucket);
	*m = (struct map){.seed = m->seed};
}

/* Where the slot of `key` hangs, or the end of its chain. */
static struct map_slot **find(const struct map *m, uint64_t hash,
			      struct span key)
{
	struct map_slot **at = &m->bucket[hash & (m->bucket_count - 1)];

	while (*at) {
		struct map_slot *s = *at;

		if (s->hash == hash && s->key_len == key.len &&
		    (!key.len || !memcmp(s->key, key.data, key.len)))
			break;
		at = &s->next;
	}
	return at;
}

void *map_get(const struct map *m, struct span key)
{
	struct map_slot *s;

	if (!m->count)
		return NULL;
	s = *find(m, hash_bytes(m->seed, key), key);
	return s ? s->value : NULL;
}

static int rehash(struct map *m)
{
	size_t count = m->bucket_count ? m->bucket_count * 2 : 16;
	struct map_slot **bucket = calloc(count, sizeof(struct map_slot *));

	if (!bucket)
		return WEIR_ENOMEM;
	for (size_t i = 0; i < m->bucket_count; i++) {
		struct map_slot *s = m->bucket[i];

		while (s) {
			struct map_slot *next = s->next;
			struct map_slot **to = &bucket[s->hash & (count - 1)];

			s->next = *to;
			*to = s;
			s = next;
		}
	}
	free(m->bucket);
	m->bucket = bucket;
	m->bucket_count = count;
	return 0;
}

int map_put(struct map *m, struct span key, void *value)
{
	uint64_t hash = hash_bytes(m->seed, key);
	struct map_slot **at, *s;

	BUG_ON(!value);
	if (m->count >= m->bucket_count && rehash(m))
		return WEIR_ENOMEM;
	at = find(m, hash, key);
	if (*at)
		return WEIR_EEXIST;
	s = malloc(sizeof(*s) + key.len);
	if (!s)
		return WEIR_ENOMEM;
	*s = (struct map_slot){
		.value = value, .hash = hash, .key_len = key.len};
	if (key.len)
		memcpy(s->key, key.data, key.len);
	*at = s;
	m->count++;
	return 0;
}

void *map_remove(struct map *m, struct span key)
{
	struct map_slot **at, *s;
	void *value;

	if (!m->count)
		return NULL;
	at = find(m, hash_bytes(m->seed, key), key);
	s = *at;
	if (!s)
		return NULL;
	value = s->value;
	*at = s->next;
	free(s);
	m->count--;
	return value;
}

struct map_slot *map_next(const struct map *m, const struct map_slot *slot)
{
	size_t i = 0;

	if (slot && slot->next)
		return slot->next;
	if (slot)
		i = (slot->hash & (m->bucket_count - 1)) + 1;
	for (; i < m->bucket_count; i++)
		if (m->bucket[i])
			return m->bucket[i];
	return NULL;
}
