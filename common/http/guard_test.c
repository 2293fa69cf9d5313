/* common/http/guard_test.c - roles, limits, pages of others, and a server that
 * is open. http_test.c has the rest.
 */
#include <stdio.h>

#include "common/http/site_test.h"

#define ASK(line, host, more)                                                  \
	line " HTTP/1.1\r\nHost: " host "\r\n" CLOSE more "\r\n"
#define CLOSE     "Connection: close\r\n"
#define POST_JSON "Content-Type: application/json\r\nContent-Length: 0\r\n"

struct question {
	const char *text;
	const char *status;
};

static void answer_caller(void *ctx, struct http_request *req)
{
	struct site *s = ctx;

	s->asked_count++;
	http_answer_text(req, 200, http_caller(req));
}

static void ask_all(struct site *s, const struct question *q, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_answer(s, q[i].text, q[i].status, "");
}

TEST_NO_OOM(a_reader_reads_and_a_controller_does_both)
{
	static const struct http_token tokens[] = {
		{"monitor", "look", true},
		{"business", "act", false},
	};
	const struct http_server_options o = {
		.token = "s3cret", .tokens = tokens, .token_count = 2};
	struct site s = {0};

	OPEN_SITE(&s, &o, {"GET", "/list", 0, answer_caller, &s},
		  {"POST", "/do", HTTP_CONTROL, answer_caller, &s});
	check_answer(&s,
		     ASK("GET /list", "h", "Authorization: Bearer look\r\n"),
		     "HTTP/1.1 200 ", "monitor");
	check_answer(&s, ASK("GET /list", "h", "Authorization: Bearer act\r\n"),
		     "HTTP/1.1 200 ", "business");
	check_answer(
		&s,
		ASK("POST /do", "h", "Authorization: Bearer act\r\n" POST_JSON),
		"HTTP/1.1 200 ", "business");
	check_answer(&s,
		     ASK("POST /do", "h",
			 "Authorization: Bearer s3cret\r\n" POST_JSON),
		     "HTTP/1.1 200 ", "token");
	check_answer(&s,
		     ASK("POST /do", "h",
			 "Authorization: Bearer look\r\n" POST_JSON),
		     "HTTP/1.1 403 ",
		     "{\"error_code\":403,\"desp\":\"this token is for "
		     "reading only\"}\n");
	CHECK_EQ(s.asked_count, 4);
	close_site(&s);
}

TEST_NO_OOM(an_empty_token_is_nobody_s)
{
	static const struct http_token tokens[] = {{"empty", "", false}};
	const struct http_server_options o = {.tokens = tokens,
					      .token_count = 1};
	struct site s = {0};

	OPEN_SITE(&s, &o, {"GET", "/list", 0, answer_caller, &s});
	check_answer(&s, ASK("GET /list", "h", "Authorization: Bearer \r\n"),
		     "HTTP/1.1 401 ", "");
	close_site(&s);
}

TEST_NO_OOM(who_guesses_is_not_listened_to_even_when_he_is_right)
{
	const struct http_server_options o = {.token = "s3cret",
					      .failures_per_minute = 3};
	struct site s = {0};

	OPEN_SITE(&s, &o, {"GET", "/list", 0, answer_caller, &s});
	for (unsigned i = 0; i < 3; i++)
		check_answer(&s,
			     ASK("GET /list", "h",
				 "Authorization: Bearer guess\r\n"),
			     "HTTP/1.1 401 ", "");
	check_answer(&s,
		     ASK("GET /list", "h", "Authorization: Bearer s3cret\r\n"),
		     "HTTP/1.1 429 ",
		     "{\"error_code\":429,\"desp\":\"too many wrong "
		     "tokens\"}\n");
	/* Who sends none guesses nothing. */
	check_answer(&s, ASK("GET /list", "h", ""), "HTTP/1.1 401 ", "");
	CHECK_EQ(s.asked_count, 0);
	close_site(&s);
}

static void note_refused(void *ctx, const struct http_request *req,
			 unsigned status, const char *why)
{
	struct site *s = ctx;

	s->gone_count += status;
	CHECK_STR(http_path(req), "/list");
	CHECK(strlen(why) > 0);
}

TEST_NO_OOM(whoever_is_refused_is_told_of)
{
	struct site s = {0};
	const struct http_server_options o = {
		.token = "s3cret", .refused = note_refused, .refused_ctx = &s};

	OPEN_SITE(&s, &o, {"GET", "/list", 0, answer_caller, &s});
	check_answer(&s, ASK("GET /list", "h", ""), "HTTP/1.1 401 ", "");
	check_answer(&s, ASK("PUT /list", "h", ""), "HTTP/1.1 405 ", "");
	CHECK_EQ(s.gone_count, 401 + 405);
	close_site(&s);
}

TEST_NO_OOM(right_tokens_are_no_guesses)
{
	const struct http_server_options o = {.token = "s3cret",
					      .failures_per_minute = 1};
	struct site s = {0};

	OPEN_SITE(&s, &o, {"GET", "/list", 0, answer_caller, &s});
	for (unsigned i = 0; i < 5; i++)
		check_answer(&s,
			     ASK("GET /list", "h",
				 "Authorization: Bearer s3cret\r\n"),
			     "HTTP/1.1 200 ", "token");
	close_site(&s);
}

TEST_NO_OOM(who_asks_too_often_is_told_to_wait)
{
	const struct http_server_options o = {.per_second = 2};
	struct site s = {0};
	struct peer p;

	OPEN_SITE(&s, &o, {"GET", "/list", HTTP_OPEN, answer_caller, &s});
	p = dial(&s);
	for (unsigned i = 0; i < 3; i++)
		say(&p, "GET /list HTTP/1.1\r\nHost: h\r\n\r\n");
	CHECK(LOOP_UNTIL(s.loop, has_seen(&p, "too many requests")));
	CHECK(has_seen(&p, "HTTP/1.1 429 "));
	CHECK(has_seen(&p, "Retry-After: 1\r\n"));
	CHECK_EQ(s.asked_count, 2);
	hang_up(&p);
	close_site(&s);
}

TEST_NO_OOM(pages_that_are_listed_come_in_without_a_token_and_all_pages_do_not)
{
	static const char *const items[] = {"https://a.example", "*"};
	static const struct http_origins origins = {items, 2};
	const struct http_server_options o = {.origins = &origins,
					      .has_cors_control = true};
	static const struct question cases[] = {
		{ASK("POST /do", "localhost",
		     "Origin: https://a.example\r\n" POST_JSON),
		 "HTTP/1.1 200 "},
		{ASK("POST /do", "localhost",
		     "Origin: https://b.example\r\n" POST_JSON),
		 "HTTP/1.1 403 "},
		{ASK("POST /do", "localhost", "Origin: *\r\n" POST_JSON),
		 "HTTP/1.1 403 "},
	};
	struct site s = {0};
	struct peer p;

	OPEN_SITE(&s, &o, {"POST", "/do", HTTP_CONTROL, answer_caller, &s});
	ask_all(&s, cases, WEIR_ARRAY_LEN(cases));
	p = dial(&s);
	say(&p,
	    ASK("OPTIONS /do", "localhost", "Origin: https://a.example\r\n"));
	CHECK(LOOP_UNTIL(s.loop, has_ended(&p)));
	CHECK(has_seen(&p, "HTTP/1.1 204 "));
	CHECK(has_seen(&p,
		       "Access-Control-Allow-Origin: https://a.example\r\n"));
	CHECK(has_seen(&p,
		       "Access-Control-Allow-Methods: GET, HEAD, POST, "
		       "PUT, DELETE, OPTIONS\r\n"));
	CHECK(has_seen(&p,
		       "Access-Control-Allow-Headers: Authorization, "
		       "Content-Type, X-Request-Id\r\n"));
	hang_up(&p);
	close_site(&s);
}

TEST_NO_OOM(what_a_browser_sends_for_another_site_changes_nothing)
{
	static const struct question cases[] = {
		{ASK("GET /stop", "localhost", ""), "HTTP/1.1 200 "},
		{ASK("GET /stop", "localhost", "Sec-Fetch-Site: none\r\n"),
		 "HTTP/1.1 200 "},
		{ASK("GET /stop", "localhost",
		     "Sec-Fetch-Site: same-origin\r\n"),
		 "HTTP/1.1 200 "},
		{ASK("GET /stop", "localhost",
		     "Sec-Fetch-Site: cross-site\r\n"),
		 "HTTP/1.1 403 "},
		{ASK("GET /stop", "localhost", "Sec-Fetch-Site: same-site\r\n"),
		 "HTTP/1.1 403 "},
		{ASK("DELETE /stop", "localhost", ""), "HTTP/1.1 200 "},
		{ASK("POST /stop", "localhost", "Content-Length: 0\r\n"),
		 "HTTP/1.1 415 "},
	};
	struct site s = {0};

	OPEN_SITE(&s, NULL, {NULL, "/stop", HTTP_CONTROL, answer_caller, &s});
	ask_all(&s, cases, WEIR_ARRAY_LEN(cases));
	close_site(&s);
}

TEST_NO_OOM(an_open_server_answers_all_but_pages_of_others)
{
	const struct http_server_options o = {.is_open = true};
	static const struct question cases[] = {
		{ASK("GET /list", "any.example", ""), "HTTP/1.1 200 "},
		{ASK("POST /do", "any.example", "Content-Length: 0\r\n"),
		 "HTTP/1.1 200 "},
		{ASK("GET /list", "any.example:8083",
		     "Origin: http://any.example:8083\r\n"),
		 "HTTP/1.1 200 "},
		{ASK("GET /list", "any.example:8083",
		     "Origin: http://any.example\r\n"),
		 "HTTP/1.1 403 "},
		{ASK("GET /list", "any.example", "Origin: null\r\n"),
		 "HTTP/1.1 403 "},
		{ASK("GET /stop", "any.example", ""), "HTTP/1.1 200 "},
		/* An image in a page of somebody else. */
		{ASK("GET /stop", "any.example",
		     "Sec-Fetch-Site: cross-site\r\n"),
		 "HTTP/1.1 403 "},
		{ASK("GET /list", "any.example",
		     "Sec-Fetch-Site: cross-site\r\n"),
		 "HTTP/1.1 200 "},
	};
	struct site s = {0};

	OPEN_SITE(&s, &o, {"GET", "/list", 0, answer_caller, &s},
		  {"POST", "/do", HTTP_CONTROL, answer_caller, &s},
		  {NULL, "/stop", HTTP_CONTROL, answer_caller, &s});
	ask_all(&s, cases, WEIR_ARRAY_LEN(cases));
	close_site(&s);
}

TEST_NO_OOM(an_open_server_takes_every_page_where_that_is_said)
{
	static const char *const items[] = {"*"};
	static const struct http_origins origins = {items, 1};
	const struct http_server_options o = {.is_open = true,
					      .origins = &origins};
	struct site s = {0};

	OPEN_SITE(&s, &o, {"GET", "/list", 0, answer_caller, &s});
	check_answer(&s,
		     ASK("GET /list", "any.example",
			 "Origin: http://page.example\r\n"),
		     "HTTP/1.1 200 ", "");
	close_site(&s);
}
