/* common/media/via_test.c - the clusters that a stream has come through. */
#include "common/media/via.h"

#include "common/test/check.h"

TEST(a_name_is_found_only_whole)
{
	struct span via = SPAN_LIT("paris,lyon-2,weir");

	CHECK(via_has(via, "paris"));
	CHECK(via_has(via, "lyon-2"));
	CHECK(via_has(via, "weir"));
	CHECK(!via_has(via, "lyon"));
	CHECK(!via_has(via, "weird"));
	CHECK(!via_has(via, "Paris"));
	CHECK(!via_has(via, ""));
	CHECK(!via_has((struct span){0}, "paris"));
}

TEST(names_are_added_behind_and_what_is_odd_in_them_is_plain)
{
	char via[VIA_SIZE] = "";

	CHECK_EQ(via_add(via, span_str(via), "paris"), 0);
	CHECK_STR(via, "paris");
	CHECK_EQ(via_add(via, span_str(via), "a b,c"), 0);
	CHECK_STR(via, "paris,a_b_c");
	CHECK(via_has(span_str(via), "a b,c"));
	CHECK_EQ(via_add(via, SPAN_LIT(",,x\r\nSet: y\0z,"), "w"), 0);
	CHECK_STR(via, "x,Set,y,z,w");
}

TEST(a_list_that_grows_too_long_is_refused)
{
	char via[VIA_SIZE] = "", before[VIA_SIZE];
	int count = 0;

	for (; !via_add(via, span_str(via), "cluster-of-12"); count++)
		memcpy(before, via, sizeof(via));
	CHECK_EQ(count, (VIA_SIZE - 1 + 1) / 14);
	CHECK_STR(via, before);
}

TEST(what_two_lists_have_in_common_stands_in_the_order_of_the_first)
{
	char out[VIA_SIZE] = "c,a,b";

	via_common(out, span_str(out), SPAN_LIT("b,x,c"));
	CHECK_STR(out, "c,b");
	via_common(out, span_str(out), SPAN_LIT("bc"));
	CHECK_STR(out, "");
}
