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
		event_book_add(b, &key, i, i % 2 ? "skip" : "gap", REASON_lag,
			       NULL);
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

/* ---- what comes again ---- */

static int64_t number_of(struct json_object *list, size_t i, const char *name)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(json_object_array_get_idx(list, i),
					 name, &v)
		       ? json_object_get_int64(v)
		       : -1;
}

static const char *text_of(struct json_object *list, size_t i, const char *name)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(json_object_array_get_idx(list, i),
					 name, &v)
		       ? json_object_get_string(v)
		       : "?";
}

TEST(an_event_that_is_as_the_one_before_it_is_counted_there)
{
	const struct stream_key key = key_of(1);
	struct event_book *b = NULL;
	struct json_object *list;

	CHECK_EQ(event_book_new(&b, 1), 0);
	event_book_add(b, &key, 1, "home.open", REASON_none, "origin-1");
	event_book_add(b, &key, 2, "home.open", REASON_none, "origin-2");
	for (int i = 0; i < 200; i++) {
		char detail[32];

		snprintf(detail, sizeof(detail), "live, %d ms ago", i);
		event_book_add(b, &key, 10 + i, "claim.refused", REASON_busy,
			       detail);
	}
	event_book_add(b, &key, 301, "claim.refused", REASON_fenced, "");
	list = event_book_json(b, key.text, "n");
	CHECK_EQ(json_object_array_length(list), 4);
	CHECK_EQ(number_of(list, 1, "count"), -1);
	CHECK_EQ(number_of(list, 2, "count"), 200);
	CHECK_EQ(number_of(list, 2, "since_utc_us"), 10);
	CHECK_EQ(number_of(list, 2, "utc_us"), 209);
	CHECK_STR(text_of(list, 2, "detail"), "live, 199 ms ago");
	json_object_put(list);
	event_book_free(&b);
}

/* ---- visits ---- */

static void visit(struct event_book *b, const struct stream_key *key,
		  int64_t utc_us, enum event_visit_kind kind, int reason,
		  const char *address)
{
	const struct event_visit v = {kind, reason, "RTMP", address, "why"};

	event_book_visit(b, key, utc_us, &v);
}

TEST(who_was_refused_is_told_with_address_and_protocol)
{
	const struct stream_key key = key_of(1);
	struct event_book *b = NULL;
	struct json_object *list;

	CHECK_EQ(event_book_new(&b, 1), 0);
	visit(b, &key, 42, EVENT_PUBLISH_REFUSED, REASON_banned, "192.0.2.7");
	list = event_book_json(b, "live/1", "ingest-1");
	CHECK_STR(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN),
		  test_is_starved() && !json_object_array_length(list)
			  ? "[]"
			  : "[{\"utc_us\":42,\"event\":\"publish.refused\","
			    "\"reason\":\"banned\",\"detail\":\"why\","
			    "\"node\":\"ingest-1\",\"address\":\"192.0.2.7\","
			    "\"protocol\":\"RTMP\",\"count\":1,"
			    "\"since_utc_us\":42}]");
	json_object_put(list);
	event_book_free(&b);
}

TEST(visits_of_one_address_and_reason_are_counted_together)
{
	const struct stream_key key = key_of(1);
	struct event_book *b = NULL;
	struct json_object *list;

	CHECK_EQ(event_book_new(&b, 1), 0);
	for (int i = 0; i < 1000; i++) {
		visit(b, &key, i, EVENT_PLAY_REFUSED, REASON_unauthorized,
		      i % 2 ? "192.0.2.7" : "192.0.2.8");
		visit(b, &key, i, EVENT_PLAY_END, REASON_kicked, "192.0.2.7");
	}
	visit(b, &key, 5000, EVENT_PLAY_REFUSED, REASON_banned, "192.0.2.7");
	list = event_book_json(b, key.text, "n");
	CHECK_EQ(json_object_array_length(list), 4);
	CHECK_EQ(number_of(list, 0, "count"), 500);
	CHECK_EQ(number_of(list, 1, "count"), 500);
	CHECK_EQ(number_of(list, 2, "count"), 1);
	CHECK_STR(text_of(list, 3, "event"), "play.end");
	CHECK_EQ(number_of(list, 3, "count"), 1000);
	json_object_put(list);
	event_book_free(&b);
}

TEST(of_more_addresses_than_are_kept_the_others_are_one)
{
	const struct stream_key key = key_of(1);
	struct event_book *b = NULL;
	struct json_object *list;
	int64_t sum = 0;

	CHECK_EQ(event_book_new(&b, 1), 0);
	for (int i = 0; i < 10000; i++) {
		char address[16];

		snprintf(address, sizeof(address), "10.0.%d.%d", i / 100,
			 i % 100);
		visit(b, &key, 10 + i, EVENT_PLAY_REFUSED, REASON_denied,
		      address);
	}
	list = event_book_json(b, key.text, "n");
	CHECK_EQ(json_object_array_length(list), VISITS_PER_STREAM + 1);
	CHECK_STR(text_of(list, 0, "detail"), "others");
	CHECK_STR(text_of(list, 0, "address"), "");
	CHECK_EQ(number_of(list, 0, "since_utc_us"), 10);
	for (size_t i = 0; i < VISITS_PER_STREAM + 1; i++)
		sum += number_of(list, i, "count");
	CHECK_EQ(sum, 10000);
	CHECK_EQ(number_of(list, 0, "utc_us"), 10009 - VISITS_PER_STREAM);
	json_object_put(list);
	event_book_free(&b);
}

/* Whoever guesses names, or keys, drives nothing out but what is as he. */
TEST(visits_push_out_no_event_and_no_stream)
{
	struct event_book *b = NULL;
	const struct stream_key first = key_of(0);

	CHECK_EQ(event_book_new(&b, 1), 0);
	for (int i = 0; i < EVENT_STREAMS; i++) {
		const struct stream_key key = key_of(i);

		event_book_add(b, &key, i, "a", REASON_none, "");
	}
	visit(b, &first, 1, EVENT_PUBLISH_REFUSED, REASON_banned, "192.0.2.1");
	for (int i = EVENT_STREAMS; i < 5 * EVENT_STREAMS; i++) {
		const struct stream_key key = key_of(i);

		visit(b, &key, i, EVENT_PLAY_REFUSED, REASON_unauthorized,
		      "192.0.2.9");
		visit(b, &first, i, EVENT_PLAY_REFUSED, REASON_unauthorized,
		      "192.0.2.9");
	}
	CHECK_EQ(count_of(b, 0), 3);
	for (int i = 1; i < EVENT_STREAMS; i++)
		CHECK_EQ(count_of(b, i), 1);
	CHECK_EQ(count_of(b, 5 * EVENT_STREAMS - STRANGE_STREAMS - 1), 0);
	CHECK_EQ(count_of(b, 5 * EVENT_STREAMS - STRANGE_STREAMS), 1);
	event_book_free(&b);
}

/* Without events it was a stranger; what was known of it stays. */
TEST(a_stranger_that_is_published_is_none_any_more)
{
	const struct stream_key key = key_of(0);
	struct event_book *b = NULL;

	CHECK_EQ(event_book_new(&b, 1), 0);
	visit(b, &key, 1, EVENT_PLAY_REFUSED, REASON_not_found, "192.0.2.1");
	event_book_add(b, &key, 2, "epoch", REASON_none, "1");
	for (int i = 1; i < 3 * STRANGE_STREAMS; i++) {
		const struct stream_key other = key_of(i);

		visit(b, &other, i, EVENT_PLAY_REFUSED, REASON_not_found, "");
	}
	CHECK_EQ(count_of(b, 0), 2);
	CHECK_EQ(count_of(b, 1), 0);
	event_book_free(&b);
}
