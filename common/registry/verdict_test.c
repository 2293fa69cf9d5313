/* common/registry/verdict_test.c - whose word counts, row by row. */
#include "common/registry/verdict.h"

#include "common/test/check.h"

#define STALL_MS 3000

struct row {
	bool has_ingest, has_home, waited, takes_over, is_pull;
	uint8_t ingest, home; /* enum alive_verdict */
	uint32_t silent_ms;
	int64_t held_ms;
	enum verdict verdict;
};

static enum verdict verdict_of_row(const struct row *r, uint32_t *hold_ms)
{
	const struct verdict_facts facts = {
		.has_ingest_word = r->has_ingest,
		.has_home_word = r->has_home,
		.ingest = {.verdict = r->ingest, .silent_ms = r->silent_ms},
		.home = {.verdict = r->home},
		.waited = r->waited,
		.may_take_over = r->takes_over,
		.is_pull = r->is_pull,
		.held_ms = r->held_ms,
		.publish_stall_ms = STALL_MS,
	};

	return verdict_of(&facts, hold_ms);
}

static void check_rows(const struct row *row, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t hold_ms = 0;

		CHECK_EQ(verdict_of_row(&row[i], &hold_ms), row[i].verdict);
	}
}

TEST(the_ingest_has_the_first_word_at_any_time)
{
	static const struct row row[] = {
		{.has_ingest = true,
		 .ingest = ALIVE_YES,
		 .has_home = true,
		 .home = ALIVE_LINK_LOST,
		 .verdict = VERDICT_BUSY},
		{.has_ingest = true,
		 .ingest = ALIVE_SILENT,
		 .has_home = true,
		 .home = ALIVE_YES,
		 .verdict = VERDICT_FREE},
		{.has_ingest = true,
		 .ingest = ALIVE_LEFT,
		 .verdict = VERDICT_FREE},
		{.has_ingest = true,
		 .ingest = ALIVE_UNKNOWN,
		 .verdict = VERDICT_FREE},
		{.has_ingest = true,
		 .ingest = ALIVE_SAME_USER,
		 .verdict = VERDICT_FREE},
		{.has_ingest = true,
		 .ingest = ALIVE_YES,
		 .takes_over = true,
		 .verdict = VERDICT_FREE},
	};

	check_rows(row, WEIR_ARRAY_LEN(row));
}

TEST(the_homes_word_counts_once_the_ingest_had_its_time)
{
	static const struct row row[] = {
		{.verdict = VERDICT_WAIT},
		{.has_home = true,
		 .home = ALIVE_LINK_LOST,
		 .verdict = VERDICT_WAIT},
		{.has_home = true,
		 .home = ALIVE_LINK_LOST,
		 .waited = true,
		 .verdict = VERDICT_FREE},
		{.has_home = true,
		 .home = ALIVE_SILENT,
		 .waited = true,
		 .verdict = VERDICT_FREE},
		{.has_home = true,
		 .home = ALIVE_LEFT,
		 .waited = true,
		 .verdict = VERDICT_FREE},
		{.has_home = true,
		 .home = ALIVE_YES,
		 .waited = true,
		 .verdict = VERDICT_BUSY},
		{.has_home = true,
		 .home = ALIVE_YES,
		 .waited = true,
		 .takes_over = true,
		 .verdict = VERDICT_FREE},
	};

	check_rows(row, WEIR_ARRAY_LEN(row));
}

TEST(a_machine_without_the_ingest_and_a_home_without_the_link_are_enough)
{
	static const uint8_t other[] = {ALIVE_YES, ALIVE_SILENT, ALIVE_LEFT,
					ALIVE_UNKNOWN};
	struct verdict_facts f = {
		.is_ingest_absent = true,
		.has_home_word = true,
		.home = {.verdict = ALIVE_LINK_LOST},
		.publish_stall_ms = STALL_MS,
	};
	uint32_t hold_ms = 0;

	CHECK_EQ(verdict_of(&f, &hold_ms), VERDICT_FREE);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(other); i++) {
		f.home.verdict = other[i];
		CHECK_EQ(verdict_of(&f, &hold_ms), VERDICT_WAIT);
	}
	f.home.verdict = ALIVE_LINK_LOST;
	f.has_home_word = false;
	CHECK_EQ(verdict_of(&f, &hold_ms), VERDICT_WAIT);
	f.has_home_word = true;
	f.is_ingest_absent = false;
	CHECK_EQ(verdict_of(&f, &hold_ms), VERDICT_WAIT);
}

TEST(with_no_word_at_all_the_lease_decides)
{
	static const struct row row[] = {
		{.waited = true, .verdict = VERDICT_LEASE},
		{.has_home = true,
		 .home = ALIVE_UNKNOWN,
		 .waited = true,
		 .verdict = VERDICT_LEASE},
	};

	check_rows(row, WEIR_ARRAY_LEN(row));
}

TEST(a_pull_never_takes_over)
{
	static const struct row row[] = {
		{.is_pull = true,
		 .takes_over = true,
		 .has_ingest = true,
		 .ingest = ALIVE_YES,
		 .verdict = VERDICT_BUSY},
		{.is_pull = true,
		 .has_ingest = true,
		 .ingest = ALIVE_SAME_USER,
		 .verdict = VERDICT_BUSY},
		{.is_pull = true,
		 .takes_over = true,
		 .has_home = true,
		 .home = ALIVE_YES,
		 .waited = true,
		 .verdict = VERDICT_BUSY},
		{.is_pull = true,
		 .has_ingest = true,
		 .ingest = ALIVE_SILENT,
		 .verdict = VERDICT_FREE},
	};

	check_rows(row, WEIR_ARRAY_LEN(row));
}

TEST(who_may_be_the_newcomer_itself_is_given_the_time_to_fall_silent)
{
	const struct row quiet = {
		.has_ingest = true, .ingest = ALIVE_YES, .silent_ms = 2000};
	const struct row spoke = {.has_ingest = true,
				  .ingest = ALIVE_YES,
				  .silent_ms = 800,
				  .held_ms = 1000};
	uint32_t hold_ms = 0;

	CHECK_EQ(verdict_of_row(&quiet, &hold_ms), VERDICT_HOLD);
	CHECK(hold_ms > STALL_MS - 2000 && hold_ms < STALL_MS - 1800);
	CHECK_EQ(verdict_of_row(&spoke, &hold_ms), VERDICT_BUSY);
}
