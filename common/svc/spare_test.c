/* common/svc/spare_test.c - when memory is given back. */
#include "common/svc/svc_priv.h"

#include "common/test/check.h"

#define MB ((size_t)1024 * 1024)

TEST(what_many_streams_left_is_given_back_once)
{
	struct svc_spare s = {0};

	CHECK(!svc_spare_is_due(&s, 0, 20 * MB));
	CHECK(svc_spare_is_due(&s, 18 * MB, 2 * MB));
	CHECK(!svc_spare_is_due(&s, 18 * MB, 2 * MB));
	CHECK(!svc_spare_is_due(&s, 19 * MB, 1 * MB));
}

TEST(what_is_used_again_and_left_again_is_given_back_again)
{
	struct svc_spare s = {0};

	CHECK(svc_spare_is_due(&s, 18 * MB, 2 * MB));
	CHECK(!svc_spare_is_due(&s, 5 * MB, 15 * MB));
	CHECK(svc_spare_is_due(&s, 18 * MB, 2 * MB));
}

/* So many looks, with so much work before each; returns how many were wanted. */
static unsigned wanted(struct svc_spare *s, unsigned looks, uint64_t work_us)
{
	unsigned count = 0;

	while (looks-- > 0)
		count += svc_spare_wants_look(s, s->cpu_us + work_us);
	return count;
}

TEST(while_there_is_as_much_to_do_as_before_nobody_looks)
{
	struct svc_spare s = {0};

	CHECK_EQ(wanted(&s, 50, 1000), 0);
	CHECK_EQ(wanted(&s, 50, 3000), 0);
	CHECK_EQ(wanted(&s, 50, 1600), 0);
}

TEST(when_there_is_half_as_much_to_do_it_looks_soon_and_later)
{
	struct svc_spare s = {0};

	wanted(&s, 10, 3000);
	CHECK_EQ(wanted(&s, 2, 1500), 2);
	CHECK_EQ(wanted(&s, 1, 1500), 0);
	CHECK_EQ(wanted(&s, 1, 1500), 1);
	CHECK_EQ(wanted(&s, 60, 1500), 4);  /* after 8, 16, 32, 64 */
	CHECK_EQ(wanted(&s, 100, 1500), 0); /* this is usual now */
	CHECK_EQ(wanted(&s, 1, 750), 1);
}

TEST(a_moment_with_less_to_do_begins_anew)
{
	struct svc_spare s = {0};

	wanted(&s, 10, 3000);
	CHECK_EQ(wanted(&s, 3, 1000), 2);
	CHECK_EQ(wanted(&s, 1, 3000), 0);
	CHECK_EQ(wanted(&s, 3, 1000), 2);
}

TEST(who_does_nothing_looks_seldom)
{
	struct svc_spare s = {0};

	CHECK_EQ(wanted(&s, 64, 0), 7);
	CHECK_EQ(wanted(&s, 64, 0), 7);
}

TEST(a_heap_that_is_mostly_used_is_left_alone)
{
	struct svc_spare s = {0};

	CHECK(!svc_spare_is_due(&s, 90 * MB, 100 * MB));
}

TEST(a_small_heap_is_left_alone)
{
	struct svc_spare s = {0};

	CHECK(!svc_spare_is_due(&s, 3 * MB, MB));
}
