/* common/base/idmap_test.c */
#include "common/base/idmap.h"

#include "common/base/map.h"
#include "common/test/check.h"

#define MANY     4096
#define SMALLEST 8 /* slots */

static int values[MANY];

static uint32_t draw(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

/* As they come: in a row, with a bit of their own, in steps, far apart. */
static uint32_t id_of(uint32_t i)
{
	switch (i % 4) {
	case 0:
		return i;
	case 1:
		return UINT32_C(0x80000000) | i;
	case 2:
		return i << 16;
	default:
		return ~(i * UINT32_C(2654435761));
	}
}

/* Where an id stands in a map of the smallest size that is empty else. */
static size_t home_of(uint64_t seed, uint32_t id)
{
	struct idmap m;
	size_t home = 0;

	idmap_init(&m, seed);
	if (idmap_put(&m, id, values) && idmap_put(&m, id, values))
		CHECK(false);
	CHECK_EQ(m.slot_count, SMALLEST);
	while (!m.slot[home].value)
		home++;
	idmap_fini(&m);
	return home;
}

/* The next id whose home it is. */
static uint32_t id_at(uint64_t seed, size_t home, uint32_t after)
{
	while (home_of(seed, ++after) != home)
		;
	return after;
}

static void put(struct idmap *m, uint32_t id, int *value)
{
	int err = idmap_put(m, id, value);

	CHECK(err == 0 || (err == WEIR_ENOMEM && test_is_starved()));
	if (!err)
		return;
	CHECK(!idmap_get(m, id));
	CHECK_EQ(idmap_put(m, id, value), 0);
}

TEST(what_was_put_is_found_until_it_is_removed)
{
	struct idmap m;

	idmap_init(&m, 7);
	CHECK(!idmap_get(&m, 5));
	CHECK(!idmap_remove(&m, 5));
	put(&m, 5, &values[1]);
	CHECK(idmap_get(&m, 5) == &values[1]);
	CHECK(!idmap_get(&m, 6));
	CHECK(!idmap_remove(&m, 6));
	CHECK_EQ(idmap_put(&m, 5, &values[2]), WEIR_EEXIST);
	CHECK(idmap_get(&m, 5) == &values[1]);
	CHECK(idmap_remove(&m, 5) == &values[1]);
	CHECK(!idmap_get(&m, 5));
	CHECK_EQ(m.count, 0);
	idmap_fini(&m);
}

TEST(the_first_and_the_last_id_are_ids_like_others)
{
	struct idmap m;

	idmap_init(&m, 0);
	CHECK(!idmap_get(&m, 0));
	put(&m, 0, &values[0]);
	put(&m, UINT32_MAX, &values[1]);
	CHECK(idmap_get(&m, 0) == &values[0]);
	CHECK(idmap_get(&m, UINT32_MAX) == &values[1]);
	CHECK(idmap_remove(&m, 0) == &values[0]);
	CHECK(!idmap_get(&m, 0));
	CHECK(idmap_get(&m, UINT32_MAX) == &values[1]);
	idmap_fini(&m);
	CHECK(!idmap_get(&m, UINT32_MAX));
}

TEST(looking_ahead_changes_nothing_and_takes_any_map)
{
	struct idmap m;

	idmap_init(&m, 7);
	idmap_ahead(&m, 1);
	put(&m, 1, &values[1]);
	idmap_ahead(&m, 1);
	idmap_ahead(&m, 2);
	CHECK(idmap_get(&m, 1) == &values[1]);
	CHECK_EQ(m.count, 1);
	CHECK(idmap_remove(&m, 1) == &values[1]);
	idmap_ahead(&m, 1);
	idmap_fini(&m);
	idmap_ahead(&m, 1);
}

/* Five stand around the end of the array, `wrapped` of them at home in its last
 * slot and the others in its first; `gone` goes. */
static void check_wrap(uint64_t seed, size_t wrapped, size_t gone)
{
	uint32_t id[5] = {0};
	struct idmap m;

	for (size_t i = 0; i < 5; i++)
		id[i] = id_at(seed, i < wrapped ? SMALLEST - 1 : 0,
			      i ? id[i - 1] : 0);
	idmap_init(&m, seed);
	for (size_t i = 0; i < 5; i++) /* alternating between the two */
		put(&m, id[i * 2 % 5], &values[i * 2 % 5]);
	CHECK_EQ(m.slot_count, SMALLEST);
	CHECK(m.slot[0].value && m.slot[SMALLEST - 1].value);
	CHECK(idmap_remove(&m, id[gone]) == &values[gone]);
	for (size_t i = 0; i < 5; i++)
		CHECK(idmap_get(&m, id[i]) == (i == gone ? NULL : &values[i]));
	put(&m, id[gone], &values[gone]);
	for (size_t i = 0; i < 5; i++)
		CHECK(idmap_remove(&m, id[i]) == &values[i]);
	for (size_t i = 0; i < SMALLEST; i++)
		CHECK(!m.slot[i].value);
	idmap_fini(&m);
}

TEST_NO_OOM(
	ids_that_wrap_around_the_end_are_found_when_any_goes) /* many puts */
{
	for (uint64_t seed = 0; seed < 8; seed++)
		for (size_t wrapped = 1; wrapped <= 5; wrapped++)
			for (size_t gone = 0; gone < 5; gone++)
				check_wrap(seed, wrapped, gone);
}

static struct span key_of(const uint32_t *id)
{
	return span_of(id, sizeof(*id));
}

/* One put or remove of a random one of the first `range` ids, in both. */
static void step(struct idmap *m, struct map *model, uint64_t *random,
		 uint32_t range)
{
	const uint32_t i = draw(random) % range;
	const uint32_t id = id_of(i);
	int *const had = map_get(model, key_of(&id));

	CHECK(idmap_get(m, id) == had);
	if (draw(random) % 2) {
		CHECK(idmap_remove(m, id) == had);
		CHECK(map_remove(model, key_of(&id)) == had);
		CHECK(!idmap_get(m, id));
	} else if (had) {
		CHECK_EQ(idmap_put(m, id, &values[i]), WEIR_EEXIST);
	} else {
		put(m, id, &values[i]);
		CHECK_EQ(map_put(model, key_of(&id), &values[i]), 0);
	}
	CHECK_EQ(m->count, model->count);
	CHECK(m->count * 8 <= m->slot_count * 5);
}

static void check_same(const struct idmap *m, const struct map *model)
{
	size_t taken = 0;

	for (uint32_t i = 0; i < MANY; i++) {
		const uint32_t id = id_of(i);

		CHECK(idmap_get(m, id) == map_get(model, key_of(&id)));
	}
	for (size_t i = 0; i < m->slot_count; i++)
		taken += m->slot[i].value != NULL;
	CHECK_EQ(taken, m->count);
}

TEST_NO_OOM(it_does_what_a_map_does_while_it_grows_and_shrinks) /* many puts */
{
	static const uint32_t ranges[] = {4, 40, 400, MANY, 400, 4, MANY, 1};

	for (uint64_t seed = 0; seed < 8; seed++) {
		uint64_t random = seed;
		struct map model;
		struct idmap m;

		map_init(&model, seed);
		idmap_init(&m, seed);
		for (size_t r = 0; r < WEIR_ARRAY_LEN(ranges); r++) {
			for (size_t i = 0; i < 4 * MANY; i++)
				step(&m, &model, &random, ranges[r]);
			check_same(&m, &model);
		}
		map_fini(&model);
		idmap_fini(&m);
	}
}

TEST(it_grows_and_shrinks_without_memory_too)
{
	struct idmap m;

	idmap_init(&m, 7);
	for (uint32_t i = 0; i < 500; i++)
		put(&m, id_of(i), &values[i]);
	CHECK_EQ(m.count, 500);
	CHECK_EQ(m.slot_count, 1024);
	for (uint32_t i = 0; i < 500; i++) {
		CHECK(idmap_remove(&m, id_of(i)) == &values[i]);
		for (uint32_t k = 0; k < 500; k += 7)
			CHECK(idmap_get(&m, id_of(k)) ==
			      (k > i ? &values[k] : NULL));
	}
	CHECK_EQ(m.count, 0);
	CHECK(m.slot_count <= (test_is_starved() ? 2 : 1) * SMALLEST);
	idmap_fini(&m);
}

TEST(what_grows_and_shrinks_in_turn_stays_as_large_as_it_is)
{
	const struct idmap_slot *slot;
	struct idmap m;

	idmap_init(&m, 7);
	for (uint32_t i = 0; i < 21; i++)
		put(&m, i, &values[i]);
	slot = m.slot;
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 10; i < 21; i++)
			CHECK(idmap_remove(&m, i) == &values[i]);
		for (uint32_t i = 10; i < 21; i++)
			put(&m, i, &values[i]);
	}
	CHECK(m.slot == slot);
	idmap_fini(&m);
}

/* How many stand in one row, at most. */
static size_t longest_row(const struct idmap *m)
{
	size_t row = 0, longest = 0;

	for (size_t i = 0; i < 2 * m->slot_count; i++) {
		row = m->slot[i & (m->slot_count - 1)].value ? row + 1 : 0;
		longest = WEIR_MAX(longest, row);
	}
	return longest;
}

TEST_NO_OOM(ids_in_steps_are_spread_whatever_the_seed) /* many puts */
{
	static const uint32_t steps[] = {1, 2, 3, 256, 65536, 1u << 20};

	for (uint64_t seed = 0; seed < 500; seed++)
		for (size_t k = 0; k < WEIR_ARRAY_LEN(steps); k++) {
			struct idmap m;

			idmap_init(&m, seed);
			for (uint32_t i = 0; i < 600; i++)
				put(&m, i * steps[k], &values[i]);
			CHECK_EQ(m.slot_count, 1024);
			CHECK(longest_row(&m) < 200);
			idmap_fini(&m);
		}
}

TEST(a_map_is_emptied_by_what_it_names)
{
	bool is_seen[300] = {false};
	struct idmap m;
	int *value;

	idmap_init(&m, 7);
	CHECK(!idmap_any(&m));
	for (uint32_t i = 0; i < 200; i++)
		put(&m, id_of(i), &values[i]);
	for (uint32_t count = 0; (value = idmap_any(&m)) != NULL; count++) {
		const long i = value - values;

		CHECK(idmap_any(&m) == value);
		CHECK(!is_seen[i]);
		is_seen[i] = true;
		CHECK(idmap_remove(&m, id_of((uint32_t)i)) == value);
		if (count < 100) /* what comes on the way is not passed over */
			put(&m, id_of(200 + count), &values[200 + count]);
	}
	for (size_t i = 0; i < 300; i++)
		CHECK(is_seen[i]);
	CHECK_EQ(m.count, 0);
	idmap_fini(&m);
}
