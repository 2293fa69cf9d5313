/* common/base/tally_test.c - counting by name. */
#include "common/base/tally.h"

#include "common/test/check.h"

#define A SPAN_LIT("a")
#define B SPAN_LIT("b")

TEST(each_name_is_counted_by_itself_up_to_the_limit)
{
	struct tally t;
	int one, two, three, other, again;

	tally_init(&t, 1);
	one = tally_enter(&t, A, 2);
	two = tally_enter(&t, A, 2);
	three = tally_enter(&t, A, 2);
	other = tally_enter(&t, B, 2);
	tally_leave(&t, A);
	again = tally_enter(&t, A, 2);
	CHECK_EQ(tally_of(&t, A), 2);
	tally_leave(&t, A);
	tally_leave(&t, A);
	CHECK_EQ(tally_of(&t, A), 0);
	CHECK_EQ(tally_of(&t, B), 1);
	tally_fini(&t);
	CHECK_EQ(one, 0);
	CHECK_EQ(two, 0);
	CHECK_EQ(three, WEIR_ELIMIT);
	CHECK_EQ(other, 0);
	CHECK_EQ(again, 0);
}

TEST(without_a_limit_all_are_counted_and_who_was_not_may_leave)
{
	struct tally t;
	size_t count = 0;

	tally_init(&t, 1);
	for (unsigned i = 0; i < 100; i++)
		count += tally_enter(&t, A, 0) == 0;
	CHECK_EQ(tally_of(&t, A), count);
	tally_leave(&t, B);
	tally_fini(&t);
	CHECK_EQ(count, 100);
}
