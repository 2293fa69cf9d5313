/* services/cli/table_test.c - columns for people. */
#include "services/cli/table.h"

#include "common/test/check.h"

TEST(columns_are_as_wide_as_their_widest_cell)
{
	static const char *const heads[] = {"A", "LONG HEAD", "C", NULL};
	struct buf out = {0};
	struct table t;
	bool is_right;
	int err;

	table_begin(&t, heads);
	table_cell(&t, "wide cell");
	table_cell(&t, "%d", 7);
	table_cell(&t, "x");
	table_end(&t, &out);
	err = buf_error(&out);
	is_right = !strcmp(buf_text(&out),
			   "A          LONG HEAD  C\n"
			   "wide cell  7          x\n");
	buf_fini(&out);
	CHECK_EQ(err, 0);
	CHECK(is_right);
}

TEST(letters_count_and_not_bytes)
{
	static const char *const heads[] = {"K", "V", NULL};
	struct buf out = {0};
	struct table t;
	bool is_right;

	table_begin(&t, heads);
	table_cell(&t, "äö");
	table_cell(&t, "1");
	table_end(&t, &out);
	is_right = !strcmp(buf_text(&out), "K   V\näö  1\n");
	buf_fini(&out);
	if (!test_is_starved())
		CHECK(is_right);
}

TEST(nothing_that_steers_a_terminal_gets_through)
{
	static const char *const heads[] = {"K", NULL};
	struct buf out = {0};
	struct table t;
	bool is_right;

	table_begin(&t, heads);
	table_cell(&t, "a\x1b[2Jb\nc");
	table_end(&t, &out);
	is_right = !strcmp(buf_text(&out), "K\na?[2Jb?c\n");
	buf_fini(&out);
	if (!test_is_starved())
		CHECK(is_right);
}

TEST(rates_and_ages_are_readable)
{
	char text[24];

	CHECK_STR(table_bps(text, 0), "0 kb/s");
	CHECK_STR(table_bps(text, 64000), "64 kb/s");
	CHECK_STR(table_bps(text, 2500000), "2.5 Mb/s");
	CHECK_STR(table_bps(text, 1.25e9), "1.2 Gb/s");
	CHECK_STR(table_age(text, -3), "0 s");
	CHECK_STR(table_age(text, 59.9), "59 s");
	CHECK_STR(table_age(text, 61), "1 min 1 s");
	CHECK_STR(table_age(text, 7260), "2 h 1 min");
	CHECK_STR(table_age(text, 90000), "1 d 1 h");
}
