/* common/member/events_test.c - the book of events: bounded, in order. */
#include "common/member/events.h"

#include <stdio.h>

#include "common/media/reason.h"
#include "common/test/check.h"

static struct stream_key key_of(int i)
{
	struct stream_key key = {""};

	snprintf(key.text, sizeof(key.text), "live/%d", i);
	return key;
}

static int64_t time_of(struct json_object *list, size_t i)
{
	struct json_object *t = NULL;

	CHECK(json_object_object_get_ex(json_object_array_get_idx(list, i),
					"utc_us", &t));
	return json_object_get_int64(t);
}

static size_t count_of(struct event_book *b, int i)
{
	const struct stream_key key = key_of(i);
	struct json_object *list = event_book_json(b, key.text, "n");
	size_t count = json_object_array_length(list);

	json_object_put(list);
	return count;
}

TEST(an_event_is_shown_with_its_reason_by_name)
{
	const struct stream_key key = key_of(1);
	struct event_book *b = NULL;
	struct json_object *list;

	CHECK_EQ(event_book_new(&b, 1), 0);
	event_book_add(b, &key, 42, "claim.refused", REASON_busy, "by \"x\"");
	list = event_book_json(b, "live/1", "ingest-1");
	CHECK_STR(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN),
		  test_is_starved() && !json_object_array_length(list)
			  ? "[]"
			  : "[{\"utc_us\":42,\"event\":\"claim.refused\","
			    "\"reason\":\"busy\",\"detail\":\"by \\\"x\\\"\","
			    "\"node\":\"ingest-1\"}]");
	json_object_put(list);
	event_book_free(&b);
	CHECK(b == NULL);
}

TEST(of_one_stream_the_last_hundred_are_kept_oldest_first)
{
	const struct stream_key key = key_of(1);
	struct event_book *b = NULL;
	struct json_object *list;

	CHECK_EQ(event_book_new(&b, 1), 0);
	for (int i = 0; i < 250; i++)
		event_book_add(b, &key, i, "skip", REASON_lag, NULL);
	list = event_book_json(b, key.text, "n");
	CHECK_EQ(json_object_array_length(list), EVENTS_PER_STREAM);
	for (size_t i = 0; i < EVENTS_PER_STREAM; i++)
		CHECK_EQ(time_of(list, i), 150 + i);
	json_object_put(list);
	event_book_free(&b);
}

TEST(the_stream_that_had_none_for_longest_is_forgotten_first)
{
	const struct stream_key old = key_of(0);
	struct event_book *b = NULL;

	CHECK_EQ(event_book_new(&b, 1), 0);
	for (int i = 0; i < EVENT_STREAMS; i++) {
		const struct stream_key key = key_of(i);

		event_book_add(b, &key, i, "a", REASON_none, "");
	}
	event_book_add(b, &old, 5000, "again", REASON_none, "");
	for (int i = EVENT_STREAMS; i < EVENT_STREAMS + 2; i++) {
		const struct stream_key key = key_of(i);

		event_book_add(b, &key, i, "a", REASON_none, "");
	}
	CHECK_EQ(count_of(b, 0), 2);
	CHECK_EQ(count_of(b, 1), 0);
	CHECK_EQ(count_of(b, 2), 0);
	CHECK_EQ(count_of(b, 3), 1);
	CHECK_EQ(count_of(b, EVENT_STREAMS + 1), 1);
	event_book_free(&b);
}

TEST(long_texts_are_cut)
{
	const struct stream_key key = key_of(1);
	struct event_book *b = NULL;
	struct json_object *list, *o = NULL;
	char text[400];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	CHECK_EQ(event_book_new(&b, 1), 0);
	event_book_add(b, &key, 1, text, 4711, text);
	list = event_book_json(b, key.text, "n");
	CHECK(json_object_object_get_ex(json_object_array_get_idx(list, 0),
					"detail", &o));
	CHECK(strlen(json_object_get_string(o)) < 100);
	CHECK(json_object_object_get_ex(json_object_array_get_idx(list, 0),
					"reason", &o));
	CHECK_STR(json_object_get_string(o), "unknown");
	json_object_put(list);
	event_book_free(&b);
}
