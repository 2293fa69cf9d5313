/* common/registry/rank_test.c */
#include "common/registry/rank.h"

#include <stdio.h>

#include "common/test/check.h"

static void put(struct copy *c, const char *id, const char *role,
		bool is_draining)
{
	struct node n = {.is_draining = is_draining};

	snprintf(n.ref.id, sizeof(n.ref.id), "%s", id);
	snprintf(n.ref.role, sizeof(n.ref.role), "%s", role);
	CHECK_EQ(copy_put_node(c, &n), 0);
}

static struct copy *copy_of(size_t count)
{
	static const struct copy_events none;
	struct copy *c = NULL;
	char id[16];

	CHECK_EQ(copy_new(&c, NULL, &none, NULL, 1), 0);
	for (size_t i = 0; i < count; i++) {
		snprintf(id, sizeof(id), "packager-%zu", i + 1);
		put(c, id, "packager", false);
	}
	return c;
}

static const struct stream_key key = {"live/cam1"};

TEST(everybody_finds_the_same_order)
{
	struct copy *c = copy_of(5);
	const struct node *n[RANK_MAX];

	CHECK_EQ(rank_nodes(c, "packager", &key, n, RANK_MAX), 5);
	for (size_t i = 0; i < 5; i++)
		CHECK_EQ(rank_before(c, "packager", &key, n[i]->ref.id), i);
	copy_free(&c);
}

TEST(fewer_are_given_from_the_top_of_the_same_order)
{
	struct copy *c = copy_of(9);
	const struct node *all[RANK_MAX], *top[2];

	CHECK_EQ(rank_nodes(c, "packager", &key, all, RANK_MAX), 9);
	CHECK_EQ(rank_nodes(c, "packager", &key, top, 2), 2);
	CHECK(top[0] == all[0] && top[1] == all[1]);
	CHECK_EQ(rank_nodes(c, "packager", &key, top, 0), 0);
	copy_free(&c);
}

TEST(no_more_than_the_most_are_given)
{
	struct copy *c = copy_of(40);
	const struct node *n[100];

	CHECK_EQ(rank_nodes(c, "packager", &key, n, 100), RANK_MAX);
	CHECK_EQ(rank_before(c, "packager", &key, n[15]->ref.id), 15);
	copy_free(&c);
}

TEST(who_drains_or_has_another_role_is_left_out)
{
	struct copy *c = copy_of(3);
	const struct node *n[RANK_MAX];

	put(c, "packager-2", "packager", true);
	put(c, "edge-1", "edge", false);
	CHECK_EQ(rank_nodes(c, "packager", &key, n, RANK_MAX), 2);
	CHECK(rank_before(c, "packager", &key, "packager-2") <= 2);
	CHECK(rank_before(c, "packager", &key, "nobody") <= 2);
	copy_free(&c);
}

TEST(a_node_that_goes_leaves_the_order_of_the_others)
{
	struct copy *c = copy_of(4);
	const struct node *n[RANK_MAX];
	char id[4][NODE_ID_SIZE];

	CHECK_EQ(rank_nodes(c, "packager", &key, n, RANK_MAX), 4);
	for (size_t i = 0; i < 4; i++)
		memcpy(id[i], n[i]->ref.id, sizeof(id[i]));
	copy_drop_node(c, id[1]);
	CHECK_EQ(rank_nodes(c, "packager", &key, n, RANK_MAX), 3);
	CHECK_STR(n[0]->ref.id, id[0]);
	CHECK_STR(n[1]->ref.id, id[2]);
	CHECK_STR(n[2]->ref.id, id[3]);
	copy_free(&c);
}

static bool is_not_the(const void *ctx, const struct node_ref *node)
{
	return strcmp(node->id, ctx) != 0;
}

TEST(of_nodes_at_hand_the_best_is_the_first_of_that_order)
{
	struct copy *c = copy_of(5);
	const struct node *n[RANK_MAX];
	struct node_ref at_hand[5] = {0};
	const struct node_ref *best;

	CHECK_EQ(rank_nodes(c, "packager", &key, n, RANK_MAX), 5);
	for (size_t i = 0; i < 5; i++)
		at_hand[4 - i] = n[i]->ref;
	best = rank_best(at_hand, 5, &key, NULL, NULL);
	CHECK(best == &at_hand[4]);
	best = rank_best(at_hand, 5, &key, is_not_the, n[0]->ref.id);
	CHECK(best == &at_hand[3]);
	CHECK(!rank_best(at_hand + 4, 1, &key, is_not_the, n[0]->ref.id));
	CHECK(!rank_best(at_hand, 0, &key, NULL, NULL));
	copy_free(&c);
}
