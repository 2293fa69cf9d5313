/* common/base/ring_test.c */
#include "common/base/ring.h"

#include "common/test/check.h"

static int push(struct ring *r, int value)
{
	int err = ring_reserve(r);

	if (!err)
		*(int *)ring_push(r) = value;
	return err;
}

static int at(const struct ring *r, size_t index)
{
	return *(const int *)ring_at(r, index);
}

TEST(items_come_out_in_the_order_in_which_they_went_in)
{
	struct ring r;
	int in = 0, out = 0;

	ring_init(&r, sizeof(int));
	CHECK(!ring_last(&r));
	for (int round = 1; round < 40; round++) {
		for (int i = 0; i < round; i++)
			CHECK_EQ(push(&r, in++), 0);
		CHECK_EQ(*(int *)ring_last(&r), in - 1);
		for (int i = 0; i < round / 2; i++) {
			CHECK_EQ(at(&r, 0), out++);
			ring_drop(&r, 1);
		}
		CHECK_EQ(r.count, in - out);
		for (size_t i = 0; i < r.count; i++)
			CHECK_EQ(at(&r, i), out + (int)i);
	}
	ring_fini(&r);
	CHECK_EQ(r.count, 0);
}

TEST(a_ring_that_is_nearly_empty_gives_room_back)
{
	struct ring r;
	size_t large;

	ring_init(&r, sizeof(int));
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(push(&r, i), 0);
	large = r.cap;
	CHECK(large >= 1000 && large < 1250);
	for (int i = 0; i < 995; i++)
		ring_drop(&r, 1);
	CHECK(test_is_starved() || r.cap <= 64);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(at(&r, (size_t)i), 995 + i);
	ring_fini(&r);
}

TEST(a_small_ring_that_is_emptied_and_filled_again_keeps_its_room)
{
	struct ring r;
	const uint8_t *data = NULL;

	ring_init(&r, sizeof(int));
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 5; i++)
			CHECK_EQ(push(&r, i), 0);
		CHECK(!data || r.data == data);
		data = r.data;
		for (int i = 0; i < 5; i++)
			ring_drop(&r, 1);
		CHECK(r.data == data);
	}
	ring_fini(&r);
}

TEST(a_full_ring_without_memory_keeps_what_it_has)
{
	struct ring r;

	ring_init(&r, sizeof(int));
	for (int i = 0; i < 100; i++) {
		size_t count = r.count;
		int err = push(&r, i);

		CHECK(err == 0 || err == WEIR_ENOMEM);
		CHECK_EQ(r.count, count + !err);
		if (err)
			CHECK_EQ(push(&r, i), 0);
		CHECK_EQ(at(&r, 0), 0);
	}
	ring_drop(&r, 1000);
	CHECK_EQ(r.count, 0);
	ring_fini(&r);
}
