/* common/base/map_test.c */
#include "common/base/map.h"

#include <stdio.h>

#include "common/test/check.h"

#define MANY 1000

static int values[MANY];

static struct span key_of(char text[16], int i)
{
	snprintf(text, 16, "key %d", i);
	return span_str(text);
}

TEST(what_was_put_is_found_until_it_is_removed)
{
	struct map m;

	map_init(&m, 7);
	CHECK(!map_get(&m, SPAN_LIT("a")));
	CHECK(!map_remove(&m, SPAN_LIT("a")));
	CHECK_EQ(map_put(&m, SPAN_LIT("a"), &values[1]), 0);
	CHECK(map_get(&m, SPAN_LIT("a")) == &values[1]);
	CHECK_EQ(map_put(&m, SPAN_LIT("a"), &values[2]), WEIR_EEXIST);
	CHECK(map_remove(&m, SPAN_LIT("a")) == &values[1]);
	CHECK(!map_get(&m, SPAN_LIT("a")));
	CHECK_EQ(m.count, 0);
	map_fini(&m);
}

TEST(keys_are_bytes_and_may_be_empty_or_hold_a_nul)
{
	struct map m;

	map_init(&m, 7);
	CHECK_EQ(map_put(&m, SPAN_LIT(""), &values[0]), 0);
	CHECK_EQ(map_put(&m, SPAN_LIT("\0"), &values[1]), 0);
	CHECK_EQ(map_put(&m, SPAN_LIT("\0\0"), &values[2]), 0);
	CHECK(map_get(&m, (struct span){0}) == &values[0]);
	CHECK(map_get(&m, SPAN_LIT("\0")) == &values[1]);
	CHECK(map_get(&m, SPAN_LIT("\0\0")) == &values[2]);
	map_fini(&m);
}

TEST(keys_are_copied)
{
	char key[] = "abc";
	struct map m;

	map_init(&m, 7);
	CHECK_EQ(map_put(&m, span_str(key), &values[0]), 0);
	key[0] = 'x';
	CHECK(map_get(&m, SPAN_LIT("abc")) == &values[0]);
	CHECK(!map_get(&m, SPAN_LIT("xbc")));
	map_fini(&m);
}

TEST_NO_OOM(many_keys_are_kept_apart_and_walked_once) /* a thousand puts */
{
	bool is_seen[MANY] = {false};
	char text[16];
	struct map m;
	size_t count = 0;

	map_init(&m, 7);
	for (int i = 0; i < MANY; i++)
		CHECK_EQ(map_put(&m, key_of(text, i), &values[i]), 0);
	for (int i = 0; i < MANY; i += 2)
		CHECK(map_remove(&m, key_of(text, i)) == &values[i]);
	map_each (slot, &m) {
		long i = (int *)slot->value - values;

		CHECK(i % 2 == 1 && !is_seen[i]);
		CHECK_SPAN(span_of(slot->key, slot->key_len),
			   key_of(text, (int)i));
		is_seen[i] = true;
		count++;
	}
	CHECK_EQ(count, MANY / 2);
	CHECK_EQ(m.count, MANY / 2);
	for (int i = 0; i < MANY; i++)
		CHECK(!!map_get(&m, key_of(text, i)) == i % 2);
	map_fini(&m);
}

TEST(a_put_without_memory_leaves_the_map_as_it_was)
{
	char text[16];
	struct map m;

	map_init(&m, 7);
	for (int i = 0; i < 20; i++) {
		int err = map_put(&m, key_of(text, i), &values[i]);

		CHECK(err == 0 || err == WEIR_ENOMEM);
		CHECK(map_get(&m, key_of(text, i)) ==
		      (err ? NULL : &values[i]));
		if (err)
			CHECK_EQ(map_put(&m, key_of(text, i), &values[i]), 0);
		CHECK_EQ(m.count, i + 1);
	}
	map_fini(&m);
}

TEST(an_empty_map_has_nothing_to_walk)
{
	struct map m;

	map_init(&m, 7);
	CHECK(!map_next(&m, NULL));
	map_fini(&m);
}
