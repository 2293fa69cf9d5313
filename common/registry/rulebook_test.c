/* common/registry/rulebook_test.c - names and texts of rules, and their file. */
#include "common/registry/rulebook.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/registry/scripts.h"
#include "common/test/check.h"

static int take(struct rulebook *b, const char *name, const char *text)
{
	bool is_other;

	return rulebook_put(b, span_str(name), span_str(text), &is_other);
}

static const char *text_of(const struct rulebook *b, const char *name)
{
	const char *text = rulebook_text(b, span_str(name));

	return text ? text : "";
}

static void fill(struct rulebook *b)
{
	rulebook_init(b, 1);
	b->version = (struct rule_version){12, "dispatch-1 a"};
	CHECK_EQ(take(b, "ban bob", "{\"user\":\"bob\"}"), 0);
	CHECK_EQ(take(b, "deny a b", "{\"cidr\":\"10.0.0.0/8\"}"), 0);
}

TEST(a_rule_that_is_put_again_is_another_one_if_its_text_is)
{
	bool is_other[3] = {false};
	struct rulebook b;
	int err;

	fill(&b);
	err = rulebook_put(&b, SPAN_LIT("ban new"), SPAN_LIT("{}"),
			   &is_other[0]);
	if (!err)
		err = rulebook_put(&b, SPAN_LIT("ban new"), SPAN_LIT("{}"),
				   &is_other[1]);
	if (!err)
		err = rulebook_put(&b, SPAN_LIT("ban new"), SPAN_LIT("{1}"),
				   &is_other[2]);
	if (!err && strcmp(text_of(&b, "ban new"), "{1}") != 0)
		err = WEIR_EPROTO;
	rulebook_fini(&b);
	CHECK_EQ(err, 0);
	CHECK(is_other[0] && !is_other[1] && is_other[2]);
}

TEST(what_has_not_been_put_again_is_found)
{
	struct rulebook b;
	struct span name[4];
	size_t before, count;
	bool is_it, is_removed, is_other;

	fill(&b);
	before = rulebook_unmarked(&b, name, 4);
	rulebook_mark(&b);
	CHECK_EQ(rulebook_put(&b, SPAN_LIT("ban bob"),
			      SPAN_LIT("{\"user\":\"bob\"}"), &is_other),
		 0);
	count = rulebook_unmarked(&b, name, 4);
	is_it = count == 1 && span_eq_str(name[0], "deny a b");
	is_removed = rulebook_remove(&b, SPAN_LIT("deny a b")) &&
		     !rulebook_remove(&b, SPAN_LIT("deny a b")) &&
		     rulebook_count(&b) == 1;
	rulebook_fini(&b);
	CHECK_EQ(before, 0);
	CHECK(is_it);
	CHECK(is_removed);
}

TEST(what_is_no_rule_is_left_out)
{
	static const struct {
		const char *name, *text;
	} bad[] = {
		{"", "{}"},        {"ban", "{}"},     {"ban ", "{}"},
		{" x", "{}"},      {"Ban x", "{}"},   {"ban x", ""},
		{"ban x\n", "{}"}, {"ban x", "{\n}"}, {"ban x", "{\x7f}"},
	};
	char longer[RULEBOOK_TEXT_MAX + 2];
	struct rulebook b;
	unsigned refused = 0;
	int too_long, long_enough;

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	rulebook_init(&b, 1);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++)
		refused += take(&b, bad[i].name, bad[i].text) == WEIR_EPROTO;
	too_long = take(&b, "ban x", longer);
	long_enough = take(&b, "ban x", longer + 1);
	rulebook_fini(&b);
	CHECK_EQ(refused, WEIR_ARRAY_LEN(bad));
	CHECK_EQ(too_long, WEIR_EPROTO);
	CHECK_EQ(long_enough, 0);
}

/* Returns the number of parts. */
static unsigned write_all(const struct rulebook *b, struct buf *out)
{
	const void *at = NULL;
	unsigned parts = 1;

	while (!rulebook_write(b, out, &at))
		parts++;
	return parts;
}

TEST(the_file_comes_back)
{
	struct rulebook b, back;
	struct buf text = {0};
	bool is_same;
	int err;

	fill(&b);
	rulebook_init(&back, 2);
	CHECK(write_all(&b, &text) == 1);
	err = buf_error(&text);
	if (!err)
		err = rulebook_read(&back, buf_span(&text));
	is_same = !err && rule_version_eq(&b.version, &back.version) &&
		  rulebook_count(&back) == 2 &&
		  !strcmp(text_of(&b, "deny a b"), text_of(&back, "deny a b"));
	buf_fini(&text);
	rulebook_fini(&b);
	rulebook_fini(&back);
	CHECK_EQ(err, 0);
	CHECK(is_same);
}

TEST(a_damaged_file_is_read_as_far_as_it_is_one)
{
	static const struct {
		const char *text;
		int err;
		size_t count;
		const char *tag;
	} file[] = {
		{"", WEIR_EPROTO, 0, ""},
		{"{}\n", WEIR_EPROTO, 0, ""},
		{"weir-rules 1 5\n", WEIR_EPROTO, 0, ""},
		{"weir-rules 1 5 t", WEIR_EPROTO, 0, ""},
		{"weir-rules 1 5 t\n", 0, 0, "t"},
		{"weir-rules 1 5 t\nban a\n{}\nban b\n{", 0, 1, "~"},
		{"weir-rules 1 5 t\nban a\n{}\nban b\n", 0, 1, "~"},
		{"weir-rules 1 5 t\nnonsense\n{}\nban b\n{}\n", 0, 1, "~"},
		{"weir-rules 1 5 t\nban b\n{}\nban b\n{1}\n", 0, 1, "t"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(file); i++) {
		struct rulebook b;
		size_t count;
		bool is_tag;
		int err;

		rulebook_init(&b, 1);
		err = rulebook_read(&b, span_str(file[i].text));
		count = rulebook_count(&b);
		is_tag = !strcmp(b.version.tag, file[i].tag);
		rulebook_fini(&b);
		CHECK_EQ(err, file[i].err);
		CHECK_EQ(count, file[i].count);
		CHECK(is_tag || err);
	}
}

TEST_NO_OOM(a_long_file_is_written_in_parts) /* many allocations */
{
	struct rulebook b, back;
	struct buf text = {0};
	char name[32];
	unsigned parts;

	rulebook_init(&b, 1);
	rulebook_init(&back, 2);
	for (unsigned i = 0; i < 2500; i++) {
		snprintf(name, sizeof(name), "ban %u", i);
		CHECK_EQ(take(&b, name, "{}"), 0);
	}
	parts = write_all(&b, &text);
	CHECK_EQ(rulebook_read(&back, buf_span(&text)), 0);
	CHECK_EQ(rulebook_count(&back), 2500);
	CHECK_EQ(parts, 3);
	buf_fini(&text);
	rulebook_fini(&b);
	rulebook_fini(&back);
}

TEST_NO_OOM(there_are_twice_as_many_as_the_registry_takes) /* … */
{
	struct rulebook b;
	char name[32];
	int err = 0;
	size_t count;

	rulebook_init(&b, 1);
	for (unsigned i = 0; !err; i++) {
		snprintf(name, sizeof(name), "ban %u", i);
		err = take(&b, name, "{}");
	}
	count = rulebook_count(&b);
	rulebook_fini(&b);
	CHECK_EQ(err, WEIR_ELIMIT);
	CHECK_EQ(count, 2 * REGISTRY_RULES_MAX);
}
