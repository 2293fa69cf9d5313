/* services/cli/args_test.c - options of subcommands. */
#include "services/cli/args.h"

#include <stdio.h>

#include "common/test/check.h"

struct wanted {
	bool is_loud;
	unsigned count;
	const char *name;
	struct arg_list sets;
};

static const struct arg args[] = {
	{"loud", ARG_FLAG, "", 0, 0, offsetof(struct wanted, is_loud),
	 "Be loud."},
	{"count", ARG_UINT, "N", 1, 16, offsetof(struct wanted, count),
	 "How many."},
	{"name", ARG_TEXT, "NAME", 0, 0, offsetof(struct wanted, name),
	 "Its name."},
	{"set", ARG_LIST, "KEY=VALUE", 0, 0, offsetof(struct wanted, sets),
	 "A setting."},
};

static const struct arg_table table = {
	.command = "try",
	.operands = "FILE URL",
	.sentence = "Tries it.",
	.operand_count = 2,
	.arg = args,
	.arg_count = WEIR_ARRAY_LEN(args),
};

#define WORDS_MAX 64

struct got {
	struct wanted w;
	struct arg_rest rest;
	char why[200];
	int err;
};

/* `line` is split at blanks. */
static struct got parse(const char *line)
{
	struct got g = {.w = {.count = 7}};
	static char text[1024];
	char *argv[WORDS_MAX] = {(char *)"try"};
	struct buf fault = {0};
	int argc = 1;
	char *save = NULL;

	snprintf(text, sizeof(text), "%s", line);
	for (char *w = strtok_r(text, " ", &save); w;
	     w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	g.err = args_parse(&g.w, &g.rest, &table, argc, argv, &fault);
	snprintf(g.why, sizeof(g.why), "%s", buf_text(&fault));
	buf_fini(&fault);
	return g;
}

TEST(options_and_operands_may_be_mixed)
{
	struct got g =
		parse("a.flv --count 3 --set x=1 --name=n=m --set y rtmp "
		      "--loud");

	CHECK_EQ(g.err, 0);
	CHECK(g.w.is_loud);
	CHECK_EQ(g.w.count, 3);
	CHECK_STR(g.w.name, "n=m");
	CHECK_EQ(g.w.sets.count, 2);
	CHECK_STR(g.w.sets.item[0], "x=1");
	CHECK_STR(g.w.sets.item[1], "y");
	CHECK_STR(g.rest.operand[0], "a.flv");
	CHECK_STR(g.rest.operand[1], "rtmp");
}

TEST(what_is_not_given_keeps_its_default)
{
	struct got g = parse("a b");

	CHECK_EQ(g.err, 0);
	CHECK_EQ(g.w.count, 7);
	CHECK(!g.w.name);
	CHECK(!g.w.is_loud);
}

TEST(two_dashes_end_the_options)
{
	struct got g = parse("-- --loud -");

	CHECK_EQ(g.err, 0);
	CHECK(!g.w.is_loud);
	CHECK_STR(g.rest.operand[0], "--loud");
	CHECK_STR(g.rest.operand[1], "-");
}

TEST(help_is_found_anywhere)
{
	CHECK_EQ(parse("--help").err, WEIR_ESTOP);
	CHECK_EQ(parse("a --count 2 -h").err, WEIR_ESTOP);
}

TEST(mistakes_are_named)
{
	static const struct {
		const char *line;
		const char *why;
	} bad[] = {
		{"", "FILE URL is missing"},
		{"a", "a word is missing"},
		{"a b c", "\"c\" is one word too many"},
		{"a b --quiet", "there is no option --quiet"},
		{"a b -q", "there is no option -q"},
		{"a b --loud=1", "--loud takes no value"},
		{"a b --name", "--name needs a value: NAME"},
		{"a b --count 0", "--count takes a number from 1 to 16, not 0"},
		{"a b --count 17",
		 "--count takes a number from 1 to 16, not 17"},
		{"a b --count=", "--count takes a number from 1 to 16, not "},
		{"a b --count 3x",
		 "--count takes a number from 1 to 16, not 3x"},
		{"a b --count 99999999999",
		 "--count takes a number from 1 to 16, not 99999999999"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct got g = parse(bad[i].line);

		CHECK_EQ(g.err, WEIR_EINVAL);
		if (!test_is_starved())
			CHECK_STR(g.why, bad[i].why);
	}
}

TEST(the_last_operands_may_be_missing_where_the_table_says_so)
{
	static const struct arg_table some = {.command = "try",
					      .operands = "URL [URL...]",
					      .operand_count = 3,
					      .operands_optional = 2};
	static const int errors[] = {WEIR_EINVAL, 0, 0, 0, WEIR_EINVAL};
	char word[] = "x";
	char *argv[] = {word, word, word, word, word};

	for (int count = 0; count < 5; count++) {
		struct arg_rest rest = {0};
		struct buf fault = {0};

		CHECK_EQ(
			args_parse(NULL, &rest, &some, count + 1, argv, &fault),
			errors[count]);
		CHECK_EQ(rest.count, WEIR_MIN(count, 3));
		buf_fini(&fault);
	}
}

TEST(a_list_has_an_end)
{
	char line[512] = "a b";
	size_t len = 3;
	struct got g;

	for (int i = 0; i <= ARG_LIST_MAX; i++)
		len += (size_t)snprintf(line + len, sizeof(line) - len,
					" --set=k");
	g = parse(line);
	CHECK_EQ(g.err, WEIR_EINVAL);
}

TEST(the_help_page_names_every_option)
{
	struct buf page = {0};
	bool is_whole;

	args_help(&page, &table);
	is_whole = strstr(buf_text(&page), "weir try [options] FILE URL\n") &&
		   strstr(buf_text(&page), "--count N") &&
		   strstr(buf_text(&page), "A setting.");
	buf_fini(&page);
	if (!test_is_starved())
		CHECK(is_whole);
}
