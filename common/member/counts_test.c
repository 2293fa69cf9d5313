/* common/member/counts_test.c - the call "counts", byte by byte. */
#include "common/member/counts.h"

#include <stdio.h>

#include "common/test/check.h"

/* As calls are written. */
static const char *text_of(struct json_object *o)
{
	return json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

TEST(a_report_and_an_answer_are_these_bytes)
{
	const struct counts_report first = {.session = 4711,
					    .limit = {9, 0, 2}};
	const struct counts_report later = {.session = 4711, .seq = 7};
	const struct counts_answer said = {.seq = 7, .has_more = true};
	const struct counts_answer again = {.seq = 8, .is_again = true};
	struct json_object *o[4];
	struct counts_page p;

	CHECK_EQ(counts_page_begin(&p), 0);
	CHECK_EQ(counts_page_put(&p, COUNTS_STREAMS, SPAN_LIT("live/a"), 3), 0);
	CHECK_EQ(counts_page_put(&p, COUNTS_PUBLISHERS, SPAN_LIT("192.0.2.7"),
				 1),
		 0);
	CHECK((o[0] = counts_page_report(&p, &first)));
	CHECK_EQ(counts_page_begin(&p), 0);
	CHECK_EQ(counts_page_put(&p, COUNTS_STREAMS, SPAN_LIT("live/\"q\""), 0),
		 0);
	CHECK((o[1] = counts_page_report(&p, &later)));
	CHECK_EQ(counts_page_begin(&p), 0);
	CHECK_EQ(counts_page_put(&p, COUNTS_VIEWERS, SPAN_LIT("::1"), 12), 0);
	CHECK((o[2] = counts_page_answer(&p, &said)));
	CHECK_EQ(counts_page_begin(&p), 0);
	CHECK((o[3] = counts_page_answer(&p, &again)));
	CHECK_STR(text_of(o[0]),
		  "{\"streams\":{\"live/a\":3},"
		  "\"publishers\":{\"192.0.2.7\":1},\"session\":4711,\"seq\":0,"
		  "\"limits\":{\"streams\":9,\"viewers\":0,\"publishers\":2}}");
	CHECK_STR(text_of(o[1]),
		  "{\"streams\":{\"live/\\\"q\\\"\":0},"
		  "\"session\":4711,\"seq\":7}");
	CHECK_STR(text_of(o[2]),
		  "{\"viewers\":{\"::1\":12},\"seq\":7,\"more\":true}");
	CHECK_STR(text_of(o[3]), "{\"seq\":8,\"again\":true}");
	for (size_t i = 0; i < WEIR_ARRAY_LEN(o); i++)
		json_object_put(o[i]);
}

struct seen {
	char text[256];
	size_t len;
};

static int see(void *ctx, enum counts_kind kind, struct span name,
	       uint32_t count)
{
	struct seen *s = ctx;

	s->len += (size_t)snprintf(s->text + s->len, sizeof(s->text) - s->len,
				   "%d %.*s %u;", (int)kind, (int)name.len,
				   (const char *)name.data, count);
	return 0;
}

static int stop(void *ctx, enum counts_kind kind, struct span name,
		uint32_t count)
{
	(void)ctx, (void)kind, (void)name, (void)count;
	return WEIR_ESTOP;
}

TEST(what_was_written_is_read)
{
	struct json_object *o = json_tokener_parse(
		"{\"session\":1,\"seq\":0,\"streams\":{\"live/a\":3,\"b\":0},"
		"\"viewers\":{\"10.0.0.1\":1000000000},\"else\":[1],"
		"\"limits\":{\"streams\":9,\"viewers\":0,\"publishers\":2}}");
	struct seen s = {.len = 0};
	struct counts_report r;

	CHECK(o);
	CHECK_EQ(counts_report_read(&r, o), 0);
	CHECK_EQ(r.session, 1);
	CHECK_EQ(r.seq, 0);
	CHECK_EQ(r.limit[COUNTS_STREAMS], 9);
	CHECK_EQ(r.limit[COUNTS_PUBLISHERS], 2);
	CHECK_EQ(counts_each(o, see, &s), 0);
	CHECK_STR(s.text, "0 live/a 3;0 b 0;1 10.0.0.1 1000000000;");
	CHECK_EQ(counts_each(o, stop, &s), WEIR_ESTOP);
	json_object_put(o);
}

#define LIMITS "\"limits\":{\"streams\":1,\"viewers\":1,\"publishers\":1}"

TEST(a_report_that_is_not_right_is_none)
{
	static const char *const bad[] = {
		"[]",
		"7",
		"{}",
		"{\"session\":1}",
		"{\"session\":1,\"seq\":0}", /* without limits */
		"{\"session\":\"1\",\"seq\":1}",
		"{\"session\":-1,\"seq\":1}",
		"{\"session\":1,\"seq\":-1}",
		"{\"session\":1,\"seq\":9223372036854775807}",
		"{\"session\":1,\"seq\":1.5}",
		"{\"session\":1,\"seq\":0,\"limits\":{\"streams\":1}}",
		"{\"session\":1,\"seq\":0,\"limits\":[]}",
		"{\"session\":1,\"seq\":0,\"limits\":{\"streams\":1,"
		"\"viewers\":1,\"publishers\":1000000001}}",
		"{\"session\":1,\"seq\":0," LIMITS ",\"streams\":[\"a\",1]}",
		"{\"session\":1,\"seq\":0," LIMITS ",\"streams\":{\"a\":-1}}",
		"{\"session\":1,\"seq\":0," LIMITS
		",\"streams\":{\"a\":\"1\"}}",
		"{\"session\":1,\"seq\":0," LIMITS ",\"streams\":{\"a\":null}}",
		"{\"session\":1,\"seq\":0," LIMITS
		",\"streams\":{\"a\":1000000001}}",
		"{\"session\":1,\"seq\":0," LIMITS ",\"streams\":{\"\":1}}",
		"{\"session\":1,\"seq\":0," LIMITS
		",\"viewers\":{\"a\\u0001\":1}}",
		"{\"session\":1,\"seq\":0," LIMITS
		",\"publishers\":{\"\xff\":1}}",
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct json_object *o = json_tokener_parse(bad[i]);
		struct counts_report r;

		CHECK(o);
		CHECK_EQ(counts_report_read(&r, o), WEIR_EPROTO);
		json_object_put(o);
	}
}

TEST(an_answer_that_is_not_right_is_none)
{
	static const char *const bad[] = {
		"{}",
		"[1]",
		"{\"error\":\"no such call\"}",
		"{\"seq\":\"0\"}",
		"{\"seq\":0,\"again\":1}",
		"{\"seq\":0,\"more\":\"true\"}",
		"{\"seq\":0,\"streams\":{\"a\":{}}}",
	};
	struct counts_answer a;

	CHECK_EQ(counts_answer_read(&a, NULL), WEIR_EPROTO);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct json_object *o = json_tokener_parse(bad[i]);

		CHECK(o);
		CHECK_EQ(counts_answer_read(&a, o), WEIR_EPROTO);
		json_object_put(o);
	}
}

/* TEST_NO_OOM: thousands of allocations. */
TEST_NO_OOM(a_page_has_an_end_by_names_and_by_bytes)
{
	char name[COUNTS_NAME_MAX + 1];
	struct counts_answer head = {0};
	struct counts_report r;
	struct json_object *o;
	struct counts_page p;
	unsigned i;

	for (int is_long = 0; is_long < 2; is_long++) {
		int err = counts_page_begin(&p);

		for (i = 0; !err; i++) {
			snprintf(name, sizeof(name), "%0*u",
				 is_long ? COUNTS_NAME_MAX : 4, i);
			err = counts_page_put(&p, COUNTS_STREAMS,
					      span_str(name), COUNTS_MAX);
		}
		CHECK_EQ(err, WEIR_ELIMIT);
		CHECK_EQ(i - 1, is_long ? COUNTS_PAGE_BYTES /
						  (2 * COUNTS_NAME_MAX + 20)
					: COUNTS_PAGE_NAMES);
		o = counts_page_answer(&p, &head);
		CHECK(o);
		CHECK(strlen(text_of(o)) < COUNTS_PAGE_BYTES);
		CHECK_EQ(counts_answer_read(&head, o), 0);
		json_object_put(o);
	}
	/* One more than that is no report. */
	o = json_tokener_parse("{\"session\":1,\"seq\":1,\"viewers\":{}}");
	CHECK(o);
	for (i = 0; i <= COUNTS_PAGE_NAMES; i++) {
		snprintf(name, sizeof(name), "%u", i);
		json_object_object_add(json_object_object_get(o, "viewers"),
				       name, json_object_new_int(1));
	}
	CHECK_EQ(counts_report_read(&r, o), WEIR_ELIMIT);
	json_object_put(o);
}

TEST(without_memory_there_is_no_page)
{
	const struct counts_report head = {.session = 1};
	struct json_object *o = NULL;
	struct counts_page p;

	if (counts_page_begin(&p))
		return;
	if (counts_page_put(&p, COUNTS_STREAMS, SPAN_LIT("live/a"), 1))
		counts_page_drop(&p);
	else
		o = counts_page_report(&p, &head);
	json_object_put(o);
	CHECK(o);
}
