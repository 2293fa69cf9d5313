/* common/registry/rulebook_test.c - names and texts of rules, and their file. */
#include "common/registry/rulebook.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/registry/scripts.h"
#include "common/test/check.h"

static int take(struct rulebook *b, const char *name, const char *text)
{
	return rulebook_take(b, span_str(name), span_str(text));
}

static const char *text_of(const struct rulebook *b, const char *name)
{
	const char *text = map_get(&b->texts, span_str(name));

	return text ? text : "";
}

static void fill(struct rulebook *b)
{
	rulebook_init(b, 1);
	CHECK_EQ(take(b, "#version", "12"), 0);
	CHECK_EQ(take(b, "#tag", "dispatch-1 a"), 0);
	CHECK_EQ(take(b, "#later", "what a later version keeps"), 0);
	CHECK_EQ(take(b, "ban bob", "{\"user\":\"bob\"}"), 0);
	CHECK_EQ(take(b, "deny a b", "{\"cidr\":\"10.0.0.0/8\"}"), 0);
}

TEST(fields_of_the_registry_are_taken)
{
	struct rulebook b;
	bool is_right;

	fill(&b);
	is_right = b.version.number == 12 &&
		   !strcmp(b.version.tag, "dispatch-1 a") &&
		   b.texts.count == 2 &&
		   !strcmp(text_of(&b, "ban bob"), "{\"user\":\"bob\"}");
	rulebook_fini(&b);
	CHECK(is_right);
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

TEST(the_file_comes_back)
{
	struct rulebook b, back;
	struct buf text = {0};
	bool is_same;
	int err;

	fill(&b);
	rulebook_init(&back, 2);
	rulebook_write(&b, &text);
	err = buf_error(&text);
	if (!err)
		err = rulebook_read(&back, buf_span(&text));
	is_same = !err && rule_version_eq(&b.version, &back.version) &&
		  back.texts.count == 2 &&
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
	} file[] = {
		{"", WEIR_EPROTO, 0},
		{"{}\n", WEIR_EPROTO, 0},
		{"weir-rules 1 5\n", WEIR_EPROTO, 0},
		{"weir-rules 1 5 t", WEIR_EPROTO, 0},
		{"weir-rules 1 5 t\n", 0, 0},
		{"weir-rules 1 5 t\nban a\n{}\nban b\n{", 0, 1},
		{"weir-rules 1 5 t\nnonsense\n{}\nban b\n{}\n", 0, 1},
		{"weir-rules 1 5 t\nban b\n{}\nban b\n{}\n", 0, 1},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(file); i++) {
		struct rulebook b;
		size_t count;
		int err;

		rulebook_init(&b, 1);
		err = rulebook_read(&b, span_str(file[i].text));
		count = b.texts.count;
		rulebook_fini(&b);
		CHECK_EQ(err, file[i].err);
		CHECK_EQ(count, file[i].count);
	}
}

TEST_NO_OOM(there_are_not_more_than_the_registry_takes) /* many allocations */
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
	count = b.texts.count;
	rulebook_fini(&b);
	CHECK_EQ(err, WEIR_ELIMIT);
	CHECK_EQ(count, REGISTRY_RULES_MAX);
}
