/* services/cli/plan_test.c - nodes and ports of `weir up`. */
#include "services/cli/plan.h"

#include "common/test/check.h"

TEST(the_default_ports_are_those_of_the_addresses_page)
{
	const struct plan_wish w = {{1, 2, 1, 1, 1}, 1, PLAN_NO_BASE, false};
	struct plan p;

	CHECK_EQ(plan_make(&p, &w), 0);
	CHECK_EQ(p.count, 6);
	CHECK_EQ(p.rtmp_port, 1935);
	CHECK_EQ(p.http_port, 8080);
	CHECK_EQ(p.api_port, 8083);
	CHECK_STR(p.node[0].id, "ingest-1");
	CHECK(!p.node[0].has_rtmp);
	CHECK_EQ(p.node[0].rtmp_port, 0);
	CHECK_EQ(p.node[0].admin_port, 9101);
	CHECK_STR(p.node[2].id, "origin-2");
	CHECK_EQ(p.node[2].admin_port, 9112);
	CHECK_STR(p.node[3].id, "edge-1");
	CHECK_EQ(p.node[3].admin_port, 9103);
	CHECK_EQ(p.node[5].admin_port, 9105);
}

TEST(a_base_port_moves_everything_and_nothing_collides)
{
	const struct plan_wish w = {{16, 16, 8, 16, 16}, 2, 20000, true};
	struct plan p;
	unsigned port[256];
	size_t count = 0;

	CHECK_EQ(plan_make(&p, &w), 0);
	CHECK_EQ(p.count, 80);
	port[count++] = p.rtmp_port;
	port[count++] = p.http_port;
	port[count++] = p.api_port;
	for (size_t i = 0; i < p.count; i++) {
		port[count++] = p.node[i].admin_port;
		if (p.node[i].has_rtmp)
			port[count++] = p.node[i].rtmp_port;
	}
	for (size_t i = 0; i < count; i++) {
		CHECK(port[i] >= 20000 && port[i] < 20300);
		for (size_t j = 0; j < i; j++)
			CHECK(port[i] != port[j]);
	}
}

TEST(ingests_have_ports_of_their_own_if_asked_for)
{
	const struct plan_wish w = {
		{2, 1, 1, 1, 1}, 1, PLAN_NO_BASE, .has_ingest_ports = true};
	struct plan p;

	CHECK_EQ(plan_make(&p, &w), 0);
	CHECK(p.node[1].has_rtmp);
	CHECK_EQ(p.node[0].rtmp_port, 1936);
	CHECK_EQ(p.node[1].rtmp_port, 1937);
	CHECK(!p.node[2].has_rtmp);
}

TEST(workers_are_nodes_of_their_own)
{
	const struct plan_wish w = {{0, 0, 2, 0, 0}, 2, PLAN_NO_BASE, false};
	struct plan p;

	CHECK_EQ(plan_make(&p, &w), 0);
	CHECK_EQ(p.count, 4);
	CHECK_STR(p.node[0].id, "edge-1.0");
	CHECK_STR(p.node[3].id, "edge-2.1");
	CHECK_EQ(p.node[3].admin_port, 9133);
}

TEST(base_port_0_asks_for_free_ports_everywhere)
{
	const struct plan_wish w = {{1, 1, 1, 1, 1}, 1, 0, false};
	struct plan p;

	CHECK_EQ(plan_make(&p, &w), 0);
	CHECK_EQ(p.rtmp_port | p.http_port | p.api_port, 0);
	for (size_t i = 0; i < p.count; i++)
		CHECK_EQ(p.node[i].admin_port | p.node[i].rtmp_port, 0);
}

TEST(too_much_is_refused)
{
	const struct plan_wish many = {{1, 1, 9, 1, 1}, 2, PLAN_NO_BASE, false};
	const struct plan_wish high = {{1, 1, 1, 1, 1}, 1, 65500, false};
	struct plan p;

	CHECK_EQ(plan_make(&p, &many), WEIR_ELIMIT);
	CHECK_EQ(plan_make(&p, &high), WEIR_EINVAL);
}
