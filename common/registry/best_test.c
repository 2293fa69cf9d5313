/* common/registry/best_test.c - which nodes should get what is new. */
#include "common/registry/best.h"

#include <stdio.h>

#include "common/test/check.h"

struct scene {
	struct copy *copy;
	struct node node; /* the next to be put */
	unsigned count;
};

static int begin(struct scene *s)
{
	static const struct copy_events none;

	*s = (struct scene){0};
	return copy_new(&s->copy, NULL, &none, NULL, 1);
}

/* "edge-N" in that zone; its load is the caller's to fill in before. */
static void put(struct scene *s, const char *zone, struct node_load load)
{
	struct node *n = &s->node;

	*n = (struct node){.load = load};
	s->count++;
	snprintf(n->ref.id, sizeof(n->ref.id), "edge-%u", s->count);
	snprintf(n->ref.role, sizeof(n->ref.role), "edge");
	n->ref.instance.byte[0] = (uint8_t)s->count;
	CHECK_EQ(node_set_zone(n, zone), 0);
	CHECK_EQ(node_set_address(n, "http", "10.0.0.1:8080"), 0);
	CHECK_EQ(copy_put_node(s->copy, n), 0);
}

static const char *first(struct scene *s, const char *zone, uint64_t seed)
{
	const struct best_wish wish = {
		.role = "edge", .address = "http", .zone = zone, .seed = seed};
	const struct node *out[1];

	return best_nodes(s->copy, &wish, out, 1) ? out[0]->ref.id : "";
}

TEST(who_is_wished_for_comes_first_of_the_near_ones_unless_busy)
{
	static const char wished[2][NODE_ID_SIZE] = {"edge-2", "edge-4"};
	struct best_wish wish = {
		.role = "edge", .zone = "a", .first = wished, .first_count = 2};
	const struct node *out[4];
	struct scene s;

	CHECK_EQ(begin(&s), 0);
	put(&s, "a", (struct node_load){.busy_permille = 0});
	put(&s, "a", (struct node_load){.busy_permille = 790});
	put(&s, "b", (struct node_load){.busy_permille = 0});
	put(&s, "b", (struct node_load){.busy_permille = 790});
	CHECK_EQ(best_nodes(s.copy, &wish, out, 4), 4);
	CHECK_STR(out[0]->ref.id, "edge-2");
	CHECK_STR(out[1]->ref.id, "edge-1");
	CHECK_STR(out[2]->ref.id, "edge-4"); /* far */
	s.node.load.is_full = true;
	snprintf(s.node.ref.id, sizeof(s.node.ref.id), "edge-2");
	CHECK_EQ(node_set_zone(&s.node, "a"), 0);
	CHECK_EQ(copy_put_node(s.copy, &s.node), 0);
	CHECK_EQ(best_nodes(s.copy, &wish, out, 4), 4);
	CHECK_STR(out[0]->ref.id, "edge-1");
	CHECK_STR(out[3]->ref.id, "edge-2");
	s.node.load = (struct node_load){.busy_permille = 800};
	CHECK_EQ(copy_put_node(s.copy, &s.node), 0);
	CHECK_EQ(best_nodes(s.copy, &wish, out, 4), 4);
	CHECK_STR(out[0]->ref.id, "edge-1");
	CHECK_STR(out[1]->ref.id, "edge-2");
	copy_free(&s.copy);
}

TEST(room_comes_before_nearness_and_nearness_before_idleness)
{
	struct scene s;

	CHECK_EQ(begin(&s), 0);
	put(&s, "a", (struct node_load){.is_full = true});
	put(&s, "b", (struct node_load){.busy_permille = 100});
	put(&s, "a", (struct node_load){.busy_permille = 700});
	put(&s, "b", (struct node_load){.busy_permille = 900});
	CHECK_STR(first(&s, "a", 1), "edge-3");
	CHECK_STR(first(&s, "b", 1), "edge-2");
	CHECK_STR(first(&s, "c", 1), "edge-2");
	CHECK_STR(first(&s, NULL, 1), "edge-2");
	copy_free(&s.copy);
}

TEST(all_are_listed_the_full_ones_last)
{
	struct scene s;
	const struct best_wish wish = {.role = "edge"};
	const struct best_wish wants_free = {
		.role = "edge", .is_free = true, .without = "edge-3"};
	const struct node *out[10];

	CHECK_EQ(begin(&s), 0);
	put(&s, "", (struct node_load){.is_full = true});
	put(&s, "", (struct node_load){.busy_permille = 999});
	put(&s, "", (struct node_load){.busy_permille = 1});
	CHECK_EQ(best_nodes(s.copy, &wish, out, 10), 3);
	CHECK_STR(out[0]->ref.id, "edge-3");
	CHECK_STR(out[1]->ref.id, "edge-2");
	CHECK_STR(out[2]->ref.id, "edge-1");
	CHECK_EQ(best_nodes(s.copy, &wish, out, 2), 2);
	CHECK_EQ(best_nodes(s.copy, &wants_free, out, 10), 1);
	CHECK_STR(out[0]->ref.id, "edge-2");
	copy_free(&s.copy);
}

TEST(who_drains_or_has_no_such_address_is_left_out)
{
	struct scene s;
	const struct best_wish wish = {.role = "edge", .address = "rtmp"};
	const struct node *out[10];

	CHECK_EQ(begin(&s), 0);
	put(&s, "", (struct node_load){0});
	put(&s, "", (struct node_load){0});
	CHECK_EQ(node_set_address(&s.node, "rtmp", "10.0.0.1:1935"), 0);
	CHECK_EQ(copy_put_node(s.copy, &s.node), 0);
	CHECK_EQ(best_nodes(s.copy, &wish, out, 10), 1);
	s.node.is_draining = true;
	CHECK_EQ(copy_put_node(s.copy, &s.node), 0);
	CHECK_EQ(best_nodes(s.copy, &wish, out, 10), 0);
	copy_free(&s.copy);
}

/* Each chooses by the same numbers, which nobody brings up to date. */
TEST(many_who_choose_at_once_do_not_all_choose_the_same)
{
	struct scene s;
	unsigned count[5] = {0};

	CHECK_EQ(begin(&s), 0);
	for (uint32_t i = 0; i < 4; i++)
		put(&s, "", (struct node_load){.viewers = 10 * i});
	for (uint64_t seed = 0; seed < 1000; seed++) {
		const char *id = first(&s, "", seed);

		if (*id)
			count[id[5] - '0']++;
	}
	/* 7, 5, 3 and 1 of 16, by calculation. */
	CHECK(count[1] > 380 && count[1] < 500);
	CHECK(count[2] > 250 && count[2] < 375);
	CHECK(count[3] > 130 && count[3] < 245);
	CHECK(count[4] > 30 && count[4] < 100);
	copy_free(&s.copy);
}

static void check_public(const char *addr, const char *told,
			 const char *came_by, const char *expected)
{
	struct node n = {0};
	struct buf b = {0};
	bool is_there;

	CHECK_EQ(node_set_address(&n, "http", addr), 0);
	if (told)
		CHECK_EQ(node_set_address(&n, "host", told), 0);
	is_there = node_put_public(&b, &n, "http", span_str(came_by));
	CHECK_EQ(is_there, expected != NULL);
	if (expected && !buf_error(&b))
		CHECK_STR(buf_text(&b), expected);
	buf_fini(&b);
}

TEST(the_host_that_clients_know_is_told)
{
	check_public("10.0.0.7:8080", NULL, "", "10.0.0.7:8080");
	check_public("10.0.0.7:8080", NULL, "example.org", "10.0.0.7:8080");
	check_public("10.0.0.7:8080", "live1.example.org", "",
		     "live1.example.org:8080");
	check_public("0.0.0.0:8080", NULL, "example.org", "example.org:8080");
	check_public("[::]:8080", NULL, "[2001:db8::1]", "[2001:db8::1]:8080");
	check_public("127.0.0.1:8080", NULL, "10.1.1.1", "10.1.1.1:8080");
	check_public("127.0.0.1:8080", NULL, "", "127.0.0.1:8080");
	check_public("0.0.0.0:8080", NULL, "", NULL);
	check_public("0.0.0.0:8080", NULL, "a/b", NULL);
	check_public("0.0.0.0:8080", NULL, "a\r\nb", NULL);
}

TEST(an_address_that_is_not_there_is_not_told)
{
	struct node n = {0};
	struct buf b = {0};

	CHECK(!node_put_public(&b, &n, "http", span_str("h")));
	CHECK_EQ(b.len, 0);
	buf_fini(&b);
}
