/* services/edge/crowd_test.c - connections per address. */
#include "services/edge/crowd.h"

#include "common/test/check.h"

TEST(one_address_may_come_so_often_and_no_more)
{
	struct net_addr one, other;
	struct crowd c;

	CHECK_EQ(net_addr_parse(&one, "203.0.113.9:1000"), 0);
	CHECK_EQ(net_addr_parse(&other, "203.0.113.8:1000"), 0);
	crowd_init(&c, 2, 1);
	CHECK_EQ(crowd_enter(&c, &one), 0);
	net_addr_set_port(&one, 2000); /* the same, whatever its port */
	CHECK_EQ(crowd_enter(&c, &one), 0);
	CHECK_EQ(crowd_enter(&c, &one), WEIR_ELIMIT);
	CHECK_EQ(crowd_enter(&c, &other), 0);
	crowd_leave(&c, &one);
	CHECK_EQ(crowd_enter(&c, &one), 0);
	crowd_leave(&c, &other);
	CHECK_EQ(c.by_ip.count, 1);
	crowd_fini(&c);
}

TEST(without_a_limit_nobody_is_counted)
{
	struct net_addr one;
	struct crowd c;

	CHECK_EQ(net_addr_parse(&one, "[2001:db8::1]:1000"), 0);
	crowd_init(&c, 0, 1);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(crowd_enter(&c, &one), 0);
	CHECK_EQ(c.by_ip.count, 0);
	crowd_leave(&c, &one);
	crowd_fini(&c);
}
