/* services/edge/elsewhere_test.c - where a player may go whom an edge has no
 * room for. */
#include "services/edge/elsewhere.h"

#include <stdio.h>

#include "common/test/check.h"

struct scene {
	struct copy *copy;
	struct elsewhere_self self;
};

static void begin(struct scene *s)
{
	static const struct copy_events none;

	*s = (struct scene){.self = {.id = "edge-1", .zone = "fra"}};
	CHECK_EQ(copy_new(&s->copy, NULL, &none, NULL, 1), 0);
	s->self.copy = s->copy;
}

static void put(struct scene *s, unsigned n, const char *zone, bool is_full)
{
	struct node node = {.load.is_full = is_full};
	char addr[32];

	snprintf(node.ref.id, sizeof(node.ref.id), "edge-%u", n);
	snprintf(node.ref.role, sizeof(node.ref.role), "edge");
	node.ref.instance.byte[0] = (uint8_t)n;
	snprintf(addr, sizeof(addr), "10.0.0.%u:8080", n);
	CHECK_EQ(node_set_address(&node, "http", addr), 0);
	CHECK_EQ(node_set_zone(&node, zone), 0);
	CHECK_EQ(copy_put_node(s->copy, &node), 0);
}

static void check_sent(const struct scene *s, const char *query,
		       const char *expected)
{
	const struct elsewhere_request rq = {
		.came_by = SPAN_LIT("live.example.org:8080"),
		.path = SPAN_LIT("/live/a%20b.flv"),
		.query = span_str(query),
	};
	struct buf out = {0};
	bool is_there = elsewhere_put(&out, &s->self, &rq, 7);

	CHECK_EQ(is_there, *expected != '\0');
	if (!buf_error(&out))
		CHECK_STR(buf_text(&out), expected);
	buf_fini(&out);
}

TEST(a_player_goes_to_an_edge_of_the_zone_that_has_room)
{
	struct scene s;

	begin(&s);
	put(&s, 1, "fra", false); /* itself */
	put(&s, 2, "fra", true);
	put(&s, 3, "par", false);
	check_sent(&s, "", "http://10.0.0.3:8080/live/a%20b.flv?sent_on=1");
	put(&s, 4, "fra", false);
	check_sent(&s, "token=x&a=b",
		   "http://10.0.0.4:8080/live/a%20b.flv?token=x&a=b&"
		   "sent_on=1");
	copy_free(&s.copy);
}

TEST(nobody_is_sent_on_twice_or_to_nobody)
{
	struct scene s;

	begin(&s);
	put(&s, 1, "fra", false);
	check_sent(&s, "", "");
	put(&s, 2, "fra", false);
	check_sent(&s, "sent_on=1", "");
	check_sent(&s, "a=b&sent_on=1&c=d", "");
	check_sent(&s, "xsent_on=1",
		   "http://10.0.0.2:8080/live/a%20b.flv?xsent_on=1&"
		   "sent_on=1");
	s.self.copy = NULL;
	check_sent(&s, "", "");
	copy_free(&s.copy);
}

TEST(only_a_lack_of_this_edge_sends_players_on)
{
	CHECK(elsewhere_helps(REASON_overloaded));
	CHECK(elsewhere_helps(REASON_no_resources));
	CHECK(elsewhere_helps(REASON_draining));
	CHECK(!elsewhere_helps(REASON_unauthorized));
	CHECK(!elsewhere_helps(REASON_too_many));
	CHECK(!elsewhere_helps(REASON_not_found));
}
