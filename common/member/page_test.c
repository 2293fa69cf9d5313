/* common/member/page_test.c - lists in pages, and fields that a peer sent. */
#include "common/member/member.h"
#include "common/test/check.h"

/* Ask page by page for a list of `count`; returns how many came, and pages. */
static int64_t ask_all(int64_t count, int64_t *pages)
{
	int64_t from = 0, got = 0;

	for (*pages = 1;; ++*pages) {
		struct member_page p = {.from = from};
		struct json_object *o = json_object_new_object();
		int64_t next;

		for (int64_t i = 0; i < count; i++)
			got += member_page_takes(&p);
		member_page_end(&p, o);
		next = member_json_int(o, "next");
		json_object_put(o);
		if (!next)
			return got;
		CHECK(next > from);
		from = next;
	}
}

TEST(every_item_is_on_one_page)
{
	static const struct {
		int64_t count, pages;
	} rows[] = {
		{0, 1},
		{1, 1},
		{MEMBER_PAGE, 1},
		{MEMBER_PAGE + 1, 2},
		{3 * MEMBER_PAGE, 3},
	};
	int64_t pages;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(rows); i++) {
		CHECK_EQ(ask_all(rows[i].count, &pages), rows[i].count);
		CHECK_EQ(pages, rows[i].pages);
	}
}

TEST(a_page_far_behind_the_end_is_empty_and_the_last)
{
	static const int64_t froms[] = {2, 1000000, INT64_MAX};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(froms); i++) {
		struct member_page p = {.from = froms[i]};
		struct json_object *o = json_object_new_object();

		CHECK(!member_page_takes(&p));
		CHECK(!member_page_takes(&p));
		member_page_end(&p, o);
		CHECK_EQ(json_object_object_length(o), 0);
		json_object_put(o);
	}
}

TEST(fields_of_another_type_are_as_if_they_were_absent)
{
	struct json_object *o = json_tokener_parse(
		"{\"text\":\"x\",\"number\":7,\"list\":[1],\"none\":null}");
	struct json_object *list = json_tokener_parse("[1]");

	CHECK_STR(member_json_text(o, "text"), "x");
	CHECK(!member_json_text(o, "number"));
	CHECK(!member_json_text(o, "list"));
	CHECK(!member_json_text(o, "none"));
	CHECK(!member_json_text(o, "absent"));
	CHECK(!member_json_text(NULL, "text"));
	CHECK(!member_json_text(list, "text"));
	CHECK_EQ(member_json_int(o, "number"), 7);
	CHECK_EQ(member_json_int(o, "list"), 0);
	CHECK_EQ(member_json_int(o, "absent"), 0);
	CHECK_EQ(member_json_int(NULL, "number"), 0);
	json_object_put(o);
	json_object_put(list);
}
