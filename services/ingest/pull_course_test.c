/* services/ingest/pull_course_test.c - which address of a pull is tried next. */
#include "services/ingest/pull_course.h"

#include "common/test/check.h"

static enum pull_step failed(struct pull_course *c, uint64_t *pause_ms)
{
	return pull_course_failed(c, false, 0, 0, pause_ms);
}

TEST(addresses_are_tried_in_order_and_behind_the_last_comes_the_first)
{
	struct pull_course c = {.url_count = 3, .retry_num = -1};
	uint64_t pause_ms = 7;

	CHECK_EQ(failed(&c, &pause_ms), PULL_STEP_NEXT);
	CHECK_EQ(c.url_at, 1);
	CHECK_EQ(pause_ms, 0);
	CHECK_EQ(failed(&c, &pause_ms), PULL_STEP_NEXT);
	CHECK_EQ(c.url_at, 2);
	CHECK_EQ(c.failures, 0); /* the round is not over */
	CHECK_EQ(failed(&c, &pause_ms), PULL_STEP_PAUSE);
	CHECK_EQ(c.url_at, 0);
	CHECK_EQ(pause_ms, 500);
}

TEST(one_that_had_brought_media_is_followed_by_the_first_and_not_the_next)
{
	struct pull_course c = {.url_count = 3, .retry_num = -1, .url_at = 1};
	uint64_t pause_ms;

	CHECK_EQ(pull_course_failed(&c, true, 100, 0, &pause_ms),
		 PULL_STEP_PAUSE);
	CHECK_EQ(c.url_at, 0);
	CHECK_EQ(c.failures, 1);
}

TEST(pauses_double_up_to_five_seconds_and_a_quarter_by_chance)
{
	static const uint64_t want[] = {500,  1000, 2000, 4000,
					5000, 5000, 5000};
	struct pull_course c = {.url_count = 1, .retry_num = -1};
	uint64_t pause_ms;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(want); i++) {
		CHECK_EQ(failed(&c, &pause_ms), PULL_STEP_PAUSE);
		CHECK_EQ(pause_ms, want[i]);
	}
	c.failures = 1000000;
	CHECK_EQ(pull_course_failed(&c, false, 0, 255, &pause_ms),
		 PULL_STEP_PAUSE);
	CHECK_EQ(pause_ms, 6250);
}

TEST(rounds_are_counted_behind_the_first)
{
	struct pull_course c = {.url_count = 2, .retry_num = 1};
	uint64_t pause_ms;

	CHECK_EQ(failed(&c, &pause_ms), PULL_STEP_NEXT);
	CHECK_EQ(failed(&c, &pause_ms), PULL_STEP_PAUSE);
	CHECK_EQ(failed(&c, &pause_ms), PULL_STEP_NEXT);
	CHECK_EQ(failed(&c, &pause_ms), PULL_STEP_SPENT);
	c = (struct pull_course){.url_count = 1, .retry_num = 0};
	CHECK_EQ(failed(&c, &pause_ms), PULL_STEP_SPENT);
}

TEST(who_brought_media_for_long_had_not_failed_before)
{
	struct pull_course c = {.url_count = 1, .retry_num = 1, .failures = 1};
	uint64_t pause_ms;

	CHECK_EQ(pull_course_failed(&c, true, PULL_STEADY_MS, 0, &pause_ms),
		 PULL_STEP_PAUSE);
	CHECK_EQ(c.failures, 1);
	CHECK_EQ(pull_course_failed(&c, true, PULL_STEADY_MS - 1, 0, &pause_ms),
		 PULL_STEP_SPENT);
}
