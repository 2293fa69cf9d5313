/* proto/http/head_test.c - request heads: real, odd and hostile ones. */
#include "proto/http/head.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/test/check.h"
#include "common/test/vector.h"

#define VECTORS "proto/http/vectors/"

static void put_named(struct buf *out, const char *name, struct span value)
{
	buf_printf(out, "%s=", name);
	buf_put(out, value);
}

static void put_text(struct buf *out, const struct http_head *h)
{
	buf_put(out, h->method);
	put_named(out, " path", h->path);
	put_named(out, " query", h->query);
	put_named(out, " host", h->host);
	buf_printf(out, " 1.%u%s%s\n", h->minor,
		   h->is_keep_alive ? " keep-alive" : "",
		   h->is_websocket_upgrade ? " websocket" : "");
	put_named(out, "range", h->range);
	put_named(out, " origin", h->origin);
	buf_printf(out, "\nfields=%u\n", h->field_count);
}

TEST(heads_of_real_clients_are_understood)
{
	static const char *const names[] = {"firefox_websocket",
					    "chromium_websocket", "ffmpeg_flv",
					    "curl_range"};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(names); i++) {
		char path[128];
		struct buf file = {0};
		struct buf text = {0};
		struct http_head h;

		snprintf(path, sizeof(path), VECTORS "%s.http", names[i]);
		vector_load(&file, path);
		for (size_t len = 0; len < file.len; len++)
			CHECK_EQ(http_head_parse(&h, span_of(file.data, len),
						 NULL),
				 WEIR_ESHORT);
		CHECK_EQ(http_head_parse(&h, buf_span(&file), NULL), 0);
		CHECK_EQ(h.head_bytes, file.len);
		put_text(&text, &h);
		snprintf(path, sizeof(path), VECTORS "%s.http.txt", names[i]);
		vector_check(path, buf_span(&text));
		buf_fini(&file);
		buf_fini(&text);
	}
}

#define H11 " HTTP/1.1\r\nHost: h\r\n"

TEST(what_follows_the_head_is_left_alone)
{
	struct http_head h;
	const struct span in =
		SPAN_LIT("POST /x" H11 "Content-Length: 4\r\n\r\nbody\r\n\r\n");

	CHECK_EQ(http_head_parse(&h, in, NULL), 0);
	CHECK_EQ(h.head_bytes, in.len - 8);
	CHECK_EQ(h.content_bytes, 4);
	CHECK(http_is_method(&h, "POST"));
	CHECK(!http_is_method(&h, "post"));
}

TEST(targets_of_every_legal_form_are_taken_apart)
{
	static const struct {
		struct span in;
		const char *path;
		const char *query;
		const char *host;
	} good[] = {
		{SPAN_LIT("GET /" H11 "\r\n"), "/", "", "h"},
		{SPAN_LIT("GET /a%20b/../c.flv?x=1?y" H11 "\r\n"),
		 "/a%20b/../c.flv", "x=1?y", "h"},
		{SPAN_LIT("GET //a?" H11 "\r\n"), "//a", "", "h"},
		{SPAN_LIT("GET /\xc3\xa4" H11 "\r\n"), "/\xc3\xa4", "", "h"},
		{SPAN_LIT("GET http://o:81/p?q" H11 "\r\n"), "/p", "q", "o:81"},
		{SPAN_LIT("GET HTTP://o?q" H11 "\r\n"), "/", "q", "o"},
		{SPAN_LIT("GET https://o" H11 "\r\n"), "/", "", "o"},
		{SPAN_LIT("OPTIONS *" H11 "\r\n"), "*", "", "h"},
		{SPAN_LIT("\r\n\r\nGET /" H11 "\r\n"), "/", "", "h"},
		{SPAN_LIT("GET / HTTP/1.0\r\n\r\n"), "/", "", ""},
		{SPAN_LIT("GET / HTTP/1.7\r\nHOST:\t[::1]:80 \t\r\n\r\n"), "/",
		 "", "[::1]:80"},
		{SPAN_LIT("GET / HTTP/1.1\r\nHost:\r\n\r\n"), "/", "", ""},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(good); i++) {
		struct http_head h;

		CHECK_EQ(http_head_parse(&h, good[i].in, NULL), 0);
		CHECK_SPAN(h.path, span_str(good[i].path));
		CHECK_SPAN(h.query, span_str(good[i].query));
		CHECK_SPAN(h.host, span_str(good[i].host));
		CHECK_EQ(h.head_bytes, good[i].in.len);
	}
}

struct bad_head {
	const char *why;
	struct span in;
	int err;
};

static void check_bad(const struct bad_head *bad, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct http_head h = {.minor = 9};

		CHECK_EQ(http_head_parse(&h, bad[i].in, NULL), bad[i].err);
		CHECK_EQ(h.minor, 9);
	}
}

TEST(heads_that_two_parsers_could_read_differently_are_refused)
{
	static const struct bad_head bad[] = {
		{"bare LF", SPAN_LIT("GET / HTTP/1.1\nHost: h\n\n"),
		 WEIR_EPROTO},
		{"bare CR", SPAN_LIT("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n"),
		 WEIR_EPROTO},
		{"NUL", SPAN_LIT("GET /" H11 "A: b\0c\r\n\r\n"), WEIR_EPROTO},
		{"NUL in the target", SPAN_LIT("GET /\0" H11 "\r\n"),
		 WEIR_EPROTO},
		{"DEL", SPAN_LIT("GET /" H11 "A: b\x7f\r\n\r\n"), WEIR_EPROTO},
		{"TLS", SPAN_LIT("\x16\3\1\2\0\1\0"), WEIR_EPROTO},
		{"folded", SPAN_LIT("GET /" H11 "A: b\r\n c\r\n\r\n"),
		 WEIR_EPROTO},
		{"folded at once",
		 SPAN_LIT("GET / HTTP/1.1\r\n Host: h\r\n\r\n"), WEIR_EPROTO},
		{"blank before the colon",
		 SPAN_LIT("GET /" H11 "A : b\r\n\r\n"), WEIR_EPROTO},
		{"no colon", SPAN_LIT("GET /" H11 "A\r\n\r\n"), WEIR_EPROTO},
		{"no name", SPAN_LIT("GET /" H11 ": b\r\n\r\n"), WEIR_EPROTO},
		{"odd name", SPAN_LIT("GET /" H11 "A(: b\r\n\r\n"),
		 WEIR_EPROTO},
		{"no Host in 1.1", SPAN_LIT("GET / HTTP/1.1\r\n\r\n"),
		 WEIR_EPROTO},
		{"two Hosts", SPAN_LIT("GET /" H11 "Host: h\r\n\r\n"),
		 WEIR_EPROTO},
		{"two Hosts in one",
		 SPAN_LIT("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), WEIR_EPROTO},
		{"a path as Host",
		 SPAN_LIT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), WEIR_EPROTO},
	};

	check_bad(bad, WEIR_ARRAY_LEN(bad));
}

TEST(heads_whose_body_has_a_doubtful_length_are_refused)
{
	static const struct bad_head bad[] = {
		{"two lengths",
		 SPAN_LIT("GET /" H11 "Content-Length: 1\r\n"
			  "content-length: 2\r\n\r\n"),
		 WEIR_EPROTO},
		{"a list of lengths",
		 SPAN_LIT("GET /" H11 "Content-Length: 1, 1\r\n\r\n"),
		 WEIR_EPROTO},
		{"a signed length",
		 SPAN_LIT("GET /" H11 "Content-Length: +1\r\n\r\n"),
		 WEIR_EPROTO},
		{"an empty length",
		 SPAN_LIT("GET /" H11 "Content-Length:\r\n\r\n"), WEIR_EPROTO},
		{"a length past 64 bits",
		 SPAN_LIT("GET /" H11
			  "Content-Length: 18446744073709551616\r\n\r\n"),
		 WEIR_EPROTO},
		{"length and chunks",
		 SPAN_LIT("GET /" H11 "Content-Length: 1\r\n"
			  "Transfer-Encoding: chunked\r\n\r\n"),
		 WEIR_EPROTO},
		{"two codings",
		 SPAN_LIT("GET /" H11 "Transfer-Encoding: chunked\r\n"
			  "Transfer-Encoding: chunked\r\n\r\n"),
		 WEIR_EPROTO},
		{"chunks in 1.0",
		 SPAN_LIT("GET / HTTP/1.0\r\n"
			  "Transfer-Encoding: chunked\r\n\r\n"),
		 WEIR_EPROTO},
		{"another coding",
		 SPAN_LIT("GET /" H11
			  "Transfer-Encoding: gzip, chunked\r\n\r\n"),
		 WEIR_EUNSUPPORTED},
	};

	check_bad(bad, WEIR_ARRAY_LEN(bad));
}

TEST(request_lines_that_are_none_are_refused_as_soon_as_they_end)
{
	static const struct {
		struct span in;
		int err;
	} bad[] = {
		{SPAN_LIT("GET /\r\n"), WEIR_EPROTO}, /* HTTP/0.9 */
		{SPAN_LIT("GET\r\n"), WEIR_EPROTO},
		{SPAN_LIT(" GET / HTTP/1.1\r\n"), WEIR_EPROTO},
		{SPAN_LIT("GET  / HTTP/1.1\r\n"), WEIR_EPROTO},
		{SPAN_LIT("GET /  HTTP/1.1\r\n"), WEIR_EPROTO},
		{SPAN_LIT("GET / HTTP/1.1 \r\n"), WEIR_EPROTO},
		{SPAN_LIT("GET / x HTTP/1.1\r\n"), WEIR_EPROTO},
		{SPAN_LIT("GET / http/1.1\r\n"), WEIR_EPROTO},
		{SPAN_LIT("GET / HTTP/1.11\r\n"), WEIR_EPROTO},
		{SPAN_LIT("GET / HTTP/1,1\r\n"), WEIR_EPROTO},
		{SPAN_LIT("GET / HTTP/a.1\r\n"), WEIR_EPROTO},
		{SPAN_LIT("GET /\tx HTTP/1.1\r\n"), WEIR_EPROTO},
		{SPAN_LIT("GET /#x HTTP/1.1\r\n"), WEIR_EPROTO},
		{SPAN_LIT("GET a HTTP/1.1\r\n"), WEIR_EPROTO},
		{SPAN_LIT("GET * HTTP/1.1\r\n"), WEIR_EPROTO},
		{SPAN_LIT("GET ftp://h/ HTTP/1.1\r\n"), WEIR_EPROTO},
		{SPAN_LIT("GET http:///x HTTP/1.1\r\n"), WEIR_EPROTO},
		{SPAN_LIT("GET http://u@h/x HTTP/1.1\r\n"), WEIR_EPROTO},
		{SPAN_LIT("CONNECT h:80 HTTP/1.1\r\n"), WEIR_EPROTO},
		{SPAN_LIT("G(T / HTTP/1.1\r\n"), WEIR_EPROTO},
		{SPAN_LIT("PRI * HTTP/2.0\r\n"), WEIR_EUNSUPPORTED},
		{SPAN_LIT("GET / HTTP/3.0\r\n"), WEIR_EUNSUPPORTED},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct http_head h;

		CHECK_EQ(http_head_parse(&h, bad[i].in, NULL), bad[i].err);
	}
}

TEST(heads_have_limits)
{
	const struct http_limits small = {40, 2};
	struct http_head h;
	uint8_t *big = malloc(8192);

	CHECK(big);
	memset(big, 'a', 8192);
	CHECK_EQ(http_head_parse(&h, span_of(big, 8191), NULL), WEIR_ESHORT);
	CHECK_EQ(http_head_parse(&h, span_of(big, 8192), NULL), WEIR_ELIMIT);
	for (size_t i = 0; i < 8192; i++)
		big[i] = i & 1 ? '\n' : '\r';
	CHECK_EQ(http_head_parse(&h, span_of(big, 8192), NULL), WEIR_ELIMIT);
	free(big);
	/* a head of exactly the limit, one byte more, a field more */
	CHECK_EQ(http_head_parse(&h,
				 SPAN_LIT("GET /12345 HTTP/1.1\r\n"
					  "Host: h\r\nA: bcd\r\n\r\n"),
				 &small),
		 0);
	CHECK_EQ(h.head_bytes, 40);
	CHECK_EQ(http_head_parse(&h,
				 SPAN_LIT("GET /123456 HTTP/1.1\r\n"
					  "Host: h\r\nA: bcd\r\n\r\n"),
				 &small),
		 WEIR_ELIMIT);
	CHECK_EQ(http_head_parse(&h,
				 SPAN_LIT("GET / HTTP/1.1\r\nHost: h\r\n"
					  "A:\r\nB:\r\n\r\n"),
				 &small),
		 WEIR_ELIMIT);
}

TEST(fields_are_found_in_any_case_and_tokens_in_any_list)
{
	struct http_head h;
	struct span value;

	CHECK_EQ(http_head_parse(&h,
				 SPAN_LIT("GET /" H11 "X-One:  a b \r\n"
					  "x-one: c\r\nList: a , B,c\r\n"
					  "LIST: d\r\n\r\n"),
				 NULL),
		 0);
	CHECK(http_head_get(&h, "X-ONE", &value));
	CHECK_SPAN(value, SPAN_LIT("a b"));
	CHECK(!http_head_get(&h, "X-On", &value));
	CHECK(http_head_has_token(&h, "list", "b"));
	CHECK(http_head_has_token(&h, "list", "D"));
	CHECK(!http_head_has_token(&h, "list", "a , B"));
	CHECK(!http_head_has_token(&h, "list", ""));
}

TEST(keep_alive_follows_version_and_connection)
{
	static const struct {
		struct span in;
		bool is_keep_alive;
	} heads[] = {
		{SPAN_LIT("GET /" H11 "\r\n"), true},
		{SPAN_LIT("GET /" H11 "Connection: Close\r\n\r\n"), false},
		{SPAN_LIT("GET /" H11 "Connection: x, close\r\n\r\n"), false},
		{SPAN_LIT("GET / HTTP/1.0\r\n\r\n"), false},
		{SPAN_LIT("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"),
		 true},
		{SPAN_LIT("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n"
			  "\r\n"),
		 false},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(heads); i++) {
		struct http_head h;

		CHECK_EQ(http_head_parse(&h, heads[i].in, NULL), 0);
		CHECK_EQ(h.is_keep_alive, heads[i].is_keep_alive);
	}
}

TEST(websocket_upgrades_are_known_in_any_case)
{
	static const struct {
		struct span in;
		bool is_upgrade;
	} heads[] = {
		{SPAN_LIT("GET /" H11 "Connection: upgrade\r\n"
			  "Upgrade: WebSocket\r\n\r\n"),
		 true},
		{SPAN_LIT("GET /" H11 "Upgrade: websocket\r\n"
			  "Connection: keep-alive\r\n"
			  "Connection: Upgrade\r\n\r\n"),
		 true},
		{SPAN_LIT("GET /" H11 "Upgrade: websocket\r\n\r\n"), false},
		{SPAN_LIT("GET /" H11 "Connection: Upgrade\r\n"
			  "Upgrade: h2c\r\n\r\n"),
		 false},
		{SPAN_LIT("POST /" H11 "Connection: Upgrade\r\n"
			  "Upgrade: websocket\r\n\r\n"),
		 false},
		{SPAN_LIT("GET / HTTP/1.0\r\nConnection: Upgrade\r\n"
			  "Upgrade: websocket\r\n\r\n"),
		 false},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(heads); i++) {
		struct http_head h;

		CHECK_EQ(http_head_parse(&h, heads[i].in, NULL), 0);
		CHECK_EQ(h.is_websocket_upgrade, heads[i].is_upgrade);
	}
}

TEST(an_answer_is_written_and_cannot_be_split)
{
	struct buf out = {0};

	http_status_put(&out, 404);
	http_field_put_str(&out, "Content-Type", "text/plain");
	http_field_put(&out, "X", SPAN_LIT("a\r\nSet-Cookie: b\0c"));
	http_head_end(&out);
	CHECK_STR(buf_text(&out),
		  "HTTP/1.1 404 Not Found\r\n"
		  "Content-Type: text/plain\r\n"
		  "X: a  Set-Cookie: b c\r\n\r\n");
	CHECK_STR(http_reason(599), "Unknown");
	buf_fini(&out);
}
