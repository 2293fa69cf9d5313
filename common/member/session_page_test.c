/* common/member/session_page_test.c - pages of sessions that come and go. */
#include "common/member/session_page.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/member/member.h"
#include "common/test/check.h"

#define SESSIONS 40

static const struct stream_key key_a = {"live/a"}, key_b = {"live/b"};

/* Their ids grow with `number`, but for their order in a list. */
static void make(struct session *s, unsigned number)
{
	*s = (struct session){
		.protocol = number % 2 ? "FLV" : "RTMP",
		.base_type = number % 5 ? "SUB" : "PUB",
		.key = number % 3 ? &key_a : &key_b,
	};
	snprintf(s->id, sizeof(s->id), "FLVPUBSUB%03u", number);
	snprintf(s->remote_addr, sizeof(s->remote_addr),
		 number % 2 ? "10.0.0.%u:5000" : "[2001:db8::%x]:5000", number);
}

static struct json_object *args_of(const char *json)
{
	struct json_object *o = json_tokener_parse(json);

	CHECK(o);
	return o;
}

/* Of an id, or of what is printed. */
static int number_at(const char *digits)
{
	return (int)strtol(digits, NULL, 10);
}

/* The numbers on a page of those that are there, as text: "1 2 +" */
static void page(char out[256], const struct session *s, size_t count,
		 const char *args_json)
{
	struct json_object *args = args_of(args_json), *o, *list;
	struct session_page p;
	size_t len = 0;

	CHECK(session_page_is_asked(args));
	CHECK_EQ(session_page_begin(&p, args), 0);
	for (size_t i = 0; i < count; i++) /* in no order of ids */
		session_page_offer(&p, (struct session *)&s[i * 7 % count]);
	o = session_page_end(&p);
	out[0] = '\0';
	CHECK(json_object_object_get_ex(o, "sessions", &list));
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);

		CHECK(!member_json_text(one, "url_param"));
		len += (size_t)snprintf(
			out + len, 256 - len, "%d ",
			number_at(member_json_text(one, "session_id") + 9));
	}
	if (json_object_object_get_ex(o, "more", NULL))
		snprintf(out + len, 256 - len, "+");
	json_object_put(o);
	json_object_put(args);
}

TEST(a_page_has_the_first_ids_that_are_asked_for)
{
	static const struct {
		const char *args, *page;
	} rows[] = {
		{"{\"limit\":3}", "0 1 2 +"},
		{"{\"limit\":3,\"after\":\"FLVPUBSUB002\"}", "3 4 5 +"},
		{"{\"limit\":3,\"after\":\"FLVPUBSUB036\"}", "37 38 39 "},
		{"{\"limit\":3,\"after\":\"FLVPUBSUB039\"}", ""},
		{"{\"limit\":3,\"after\":\"\"}", "0 1 2 +"},
		{"{\"limit\":9,\"stream\":\"live/b\",\"protocol\":\"FLV\"}",
		 "3 9 15 21 27 33 39 "},
		{"{\"limit\":9,\"base_type\":\"PUB\"}",
		 "0 5 10 15 20 25 30 35 "},
		{"{\"limit\":8,\"base_type\":\"PUB\"}",
		 "0 5 10 15 20 25 30 35 "},
		{"{\"limit\":7,\"base_type\":\"PUB\"}", "0 5 10 15 20 25 30 +"},
		{"{\"limit\":9,\"ip\":\"10.0.0.0/29\"}", "1 3 5 7 "},
		{"{\"limit\":9,\"ip\":\"2001:db8::2\"}", "2 "},
		{"{\"limit\":9,\"stream\":\"live/c\"}", ""},
		{"{\"limit\":9,\"user\":\"bob\"}", "13 "},
	};
	static struct session s[SESSIONS];
	char bob[] = "bob";

	for (unsigned i = 0; i < SESSIONS; i++)
		make(&s[i], i);
	s[13].user = bob;
	for (size_t i = 0; i < WEIR_ARRAY_LEN(rows); i++) {
		char got[256];

		page(got, s, SESSIONS - 1, rows[i].args);
		page(got, s, SESSIONS, rows[i].args);
		CHECK_STR(got, rows[i].page);
	}
}

TEST(no_address_is_refused_and_a_limit_has_limits)
{
	struct json_object *bad = args_of("{\"limit\":1,\"ip\":\"x\"}");
	struct json_object *all = args_of("{\"stream\":\"live/a\"}");
	struct json_object *many = args_of("{\"limit\":1000000}");
	struct session_page p;

	CHECK_EQ(session_page_begin(&p, bad), WEIR_EINVAL);
	CHECK(!session_page_is_asked(all));
	CHECK_EQ(session_page_begin(&p, many), 0);
	CHECK_EQ(p.limit, SESSION_PAGE_MAX);
	json_object_put(bad);
	json_object_put(all);
	json_object_put(many);
}

/* Those of even numbers stay, the others are away now and then. */
TEST(who_stays_is_told_once_whoever_comes_and_goes)
{
	static struct session s[SESSIONS], now[SESSIONS];
	unsigned seen[SESSIONS] = {0}, pages = 0;
	char args[64], got[256], last[16] = "";

	for (unsigned i = 0; i < SESSIONS; i++)
		make(&s[i], i);
	do {
		unsigned count = 0;

		for (unsigned i = 0; i < SESSIONS; i++)
			if (i % 2 == 0 || (i + pages) % 3)
				now[count++] = s[i];
		snprintf(args, sizeof(args), "{\"limit\":4,\"after\":\"%s\"}",
			 last);
		page(got, now, count, args);
		for (char *at = got; *at && *at != '+';
		     at = strchr(at, ' ') + 1) {
			seen[number_at(at)]++;
			snprintf(last, sizeof(last), "FLVPUBSUB%03d",
				 number_at(at));
		}
		pages++;
	} while (strchr(got, '+'));
	for (unsigned i = 0; i < SESSIONS; i++) {
		CHECK(seen[i] <= 1);
		CHECK(seen[i] == 1 || i % 2);
	}
}
