/* common/http/rate_test.c - how often each address may do something. */
#include "common/http/rate.h"

#include <stdio.h>

#include "common/test/check.h"

static struct net_addr addr(const char *text)
{
	struct net_addr a;

	CHECK_EQ(net_addr_parse(&a, text), 0);
	return a;
}

static unsigned takes(struct rate *r, const char *who, uint64_t now_ms)
{
	struct net_addr a = addr(who);
	unsigned count = 0;

	while (count < 1000 && rate_take(r, &a, now_ms))
		count++;
	return count;
}

/* Who takes as often as it may, when, and how often that is. */
struct taking {
	const char *who;
	uint64_t now_ms;
	unsigned count;
};

static void check_takings(uint32_t per_second, const struct taking *t,
			  size_t count)
{
	struct rate *r = NULL;

	CHECK_EQ(rate_new(&r, per_second, 1000, 1), 0);
	for (size_t i = 0; i < count; i++)
		CHECK_EQ(takes(r, t[i].who, t[i].now_ms), t[i].count);
	rate_free(&r);
}

TEST(an_address_may_so_often_at_once_and_again_as_time_passes)
{
	static const struct taking t[] = {
		{"192.0.2.1:1", 5000, 10}, {"192.0.2.1:2", 5000, 0},
		{"192.0.2.1:3", 5099, 0},  {"192.0.2.1:3", 5100, 1},
		{"192.0.2.1:3", 5600, 5},  {"192.0.2.1:3", 99000, 10},
	};

	check_takings(10, t, WEIR_ARRAY_LEN(t));
}

TEST(addresses_are_counted_apart_and_networks_of_ipv6_together)
{
	static const struct taking t[] = {
		{"192.0.2.1:1", 0, 2},          {"192.0.2.2:1", 0, 2},
		{"[::ffff:192.0.2.2]:1", 0, 0}, {"[2001:db8::1]:1", 0, 2},
		{"[2001:db8::2]:1", 0, 0},      {"[2001:db8:0:1::2]:1", 0, 2},
	};

	check_takings(2, t, WEIR_ARRAY_LEN(t));
}

TEST(asking_whether_it_may_is_not_counted)
{
	struct net_addr a = addr("192.0.2.1:1");
	struct rate *r = NULL;

	CHECK_EQ(rate_new(&r, 1, 1000, 3), 0);
	for (unsigned i = 0; i < 10; i++)
		CHECK(rate_may(r, &a, 0));
	CHECK(rate_take(r, &a, 0));
	CHECK(!rate_may(r, &a, 0));
	rate_free(&r);
}

/* Whoever is at his limit stays there while others come and go, as long as
 * their number is not out of all proportion. */
TEST(who_has_used_up_everything_is_not_forgotten_for_newcomers)
{
	struct net_addr busy = addr("192.0.2.1:1");
	struct rate *r = NULL;
	char text[32];

	CHECK_EQ(rate_new(&r, 100, 60000, 4), 0);
	CHECK_EQ(takes(r, "192.0.2.1:1", 0), 100);
	for (unsigned i = 0; i < 50000; i++) {
		struct net_addr a;

		snprintf(text, sizeof(text), "10.%u.%u.1:1", i / 256 % 256,
			 i % 256);
		a = addr(text);
		CHECK(rate_take(r, &a, 0));
	}
	CHECK(!rate_may(r, &busy, 0));
	rate_free(&r);
}
