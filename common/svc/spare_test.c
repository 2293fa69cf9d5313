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
