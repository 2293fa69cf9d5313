/* common/http/cors_test.c - which web pages may read our answers. */
#include "common/http/cors.h"

#include <stdio.h>

#include "common/test/check.h"

#define ORIGINS(...)                                                           \
	{                                                                      \
		(const char *const[]){__VA_ARGS__},                            \
			sizeof((const char *const[]){__VA_ARGS__}) /           \
				sizeof(char *)                                 \
	}

static const struct http_origins all = ORIGINS("*");
static const struct http_origins two =
	ORIGINS("https://a.example", "http://b.example:8000");
static const struct http_origins none;

static void note(void *ctx, const char *name, const char *value)
{
	char *text = ctx;
	size_t len = strlen(text);

	snprintf(text + len, 1024 - len, "%s: %s\n", name, value);
}

static const char *fields(char text[1024], const struct http_origins *origins,
			  const char *origin)
{
	text[0] = '\0';
	http_cors_fields(origins, span_str(origin), note, text);
	return text;
}

TEST(an_origin_is_allowed_by_its_whole_name_or_by_a_star)
{
	CHECK(http_cors_allows(&all, SPAN_LIT("http://any.example")));
	CHECK(http_cors_allows(&all, SPAN_LIT("null")));
	CHECK(http_cors_allows(&two, SPAN_LIT("https://a.example")));
	CHECK(http_cors_allows(&two, SPAN_LIT("http://b.example:8000")));
	CHECK(!http_cors_allows(&two, SPAN_LIT("http://b.example")));
	CHECK(!http_cors_allows(&two, SPAN_LIT("https://a.example.evil")));
	CHECK(!http_cors_allows(&none, SPAN_LIT("https://a.example")));
}

TEST(what_is_no_origin_is_nobodys)
{
	uint8_t long_one[300];

	memset(long_one, 'a', sizeof(long_one));
	CHECK(!http_cors_allows(&all, SPAN_LIT("")));
	CHECK(!http_cors_allows(&all, SPAN_LIT("http://a\r\nX: y")));
	CHECK(!http_cors_allows(&all, SPAN_LIT("http://a http://b")));
	CHECK(!http_cors_allows(&all, SPAN_LIT("http://a,http://b")));
	CHECK(!http_cors_allows(&all, SPAN(long_one)));
}

TEST(an_allowed_origin_is_echoed_and_never_with_credentials)
{
	char text[1024];

	fields(text, &all, "http://page.example");
	CHECK(strstr(text,
		     "Access-Control-Allow-Origin: http://page.example\n"));
	CHECK(strstr(text, "Access-Control-Expose-Headers: "));
	CHECK(strstr(text, "Vary: Origin\n"));
	CHECK(strstr(text, "Cross-Origin-Resource-Policy: cross-origin\n"));
	CHECK(!strstr(text, "Credentials"));
}

TEST(others_learn_only_that_it_depends_on_the_origin)
{
	char text[1024];

	CHECK_STR(fields(text, &two, "https://c.example"), "Vary: Origin\n");
	CHECK_STR(fields(text, &two, ""), "Vary: Origin\n");
	CHECK(strstr(fields(text, &two, "https://a.example"),
		     "Allow-Origin: https://a.example\n"));
	CHECK_STR(fields(text, &all, ""),
		  "Vary: Origin\nCross-Origin-Resource-Policy: "
		  "cross-origin\n");
}

TEST(a_preflight_is_good_for_a_day)
{
	char text[1024] = "";

	http_cors_preflight_fields(note, text);
	CHECK(strstr(text,
		     "Access-Control-Allow-Methods: GET, HEAD, "
		     "OPTIONS\n"));
	CHECK(strstr(text, "Access-Control-Allow-Headers: *\n"));
	CHECK(strstr(text, "Access-Control-Max-Age: 86400\n"));
}
