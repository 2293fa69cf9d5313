/* common/http/http_test.c - the server, asked by raw sockets, and the client.
 *
 * Not repeated with failing allocations: libuv ends the process when it cannot
 * grow its table of descriptors.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/http/client.h"
#include "common/http/site_test.h"

/* ---- handlers ---- */

static void answer_hello(void *ctx, struct http_request *req)
{
	struct site *s = ctx;

	s->asked_count++;
	CHECK(net_addr_is_loopback(http_peer(req)));
	http_answer_text(req, 200, "hello");
}

static void answer_echo(void *ctx, struct http_request *req)
{
	struct site *s = ctx;
	struct buf text = {0};
	const char *q = http_query(req, "q");

	s->asked_count++;
	buf_printf(&text, "%s %s 0=%s 1=%s q=%s h=%s b=", http_method(req),
		   http_path(req), http_path_part(req, 0),
		   http_path_part(req, 1), q ? q : "-",
		   http_header(req, "x-h") ? http_header(req, "x-h") : "-");
	buf_put(&text, http_body(req));
	http_answer_text(req, 200, buf_text(&text));
	buf_fini(&text);
}

static void note_gone(void *ctx)
{
	struct site *s = ctx;

	s->gone_count++;
	s->held = NULL;
}

static void hold(void *ctx, struct http_request *req)
{
	struct site *s = ctx;

	s->asked_count++;
	s->held = req;
	http_on_gone(req, note_gone, s);
}

static void note_freed(void *ctx)
{
	((struct site *)ctx)->freed_count++;
}

static void answer_borrowed(void *ctx, struct http_request *req)
{
	static const struct http_header headers[] = {{"X-Mine", "yes"}};
	const struct http_answer a = {
		.status = 201,
		.content_type = "video/mp2t",
		.body = SPAN_LIT("segment"),
		.body_free = note_freed,
		.body_ctx = ctx,
		.headers = headers,
		.header_count = 1,
	};

	http_answer(req, &a);
}

/* ---- routes ---- */

TEST_NO_OOM(routes_choose_by_method_and_path)
{
	struct site s = {0};

	OPEN_SITE(&s, NULL, {"GET", "/hello", 0, answer_hello, &s},
		  {"POST", "/hello", 0, answer_echo, &s},
		  {NULL, "/a/*/b/*", 0, answer_echo, &s},
		  {"GET", "/files/**", 0, answer_echo, &s});
	check_answer(&s, "GET /hello " HEAD "\r\n", "HTTP/1.1 200 ", "hello");
	check_answer(&s, "HEAD /hello " HEAD "\r\n", "HTTP/1.1 200 ",
		     "\r\n\r\n");
	check_answer(&s,
		     "POST /hello?q=a%20b&c " HEAD
		     "X-H: v\r\n"
		     "Content-Length: 3\r\n\r\nxyz",
		     "HTTP/1.1 200 ", "POST /hello 0= 1= q=a b h=v b=xyz");
	check_answer(&s, "DELETE /a/one/b/t%20o?q " HEAD "\r\n",
		     "HTTP/1.1 200 ",
		     "DELETE /a/one/b/t o 0=one 1=t o q= h=- b=");
	check_answer(&s, "GET /files/x/y.ts " HEAD "\r\n", "HTTP/1.1 200 ",
		     "0=x/y.ts 1= q=- h=- b=");
	check_answer(&s, "PUT /hello " HEAD "\r\n", "HTTP/1.1 405 ",
		     "{\"error_code\":405,\"desp\":\"not with this "
		     "method\"}\n");
	check_answer(&s, "GET /hello/x " HEAD "\r\n", "HTTP/1.1 404 ",
		     "{\"error_code\":404,\"desp\":\"there is nothing at this "
		     "path\"}\n");
	check_answer(&s, "GET /a//b/x " HEAD "\r\n", "HTTP/1.1 404 ", "}\n");
	close_site(&s);
}

TEST_NO_OOM(paths_without_a_route_go_to_the_fallback)
{
	struct site s = {0};
	struct http_server_options o = {.fallback = answer_echo,
					.fallback_ctx = &s,
					.fallback_flags = HTTP_OPEN};

	OPEN_SITE(&s, &o, {"GET", "/hello", 0, answer_hello, &s});
	check_answer(&s, "GET /live/a.m3u8 HTTP/1.0\r\n\r\n", "HTTP/1.",
		     "GET /live/a.m3u8 0= 1= q=- h=- b=");
	close_site(&s);
}

TEST_NO_OOM(a_connection_is_kept_for_more_requests)
{
	struct site s = {0};
	struct peer p;

	OPEN_SITE(&s, NULL, {"GET", "/hello", 0, answer_hello, &s});
	p = dial(&s);
	for (unsigned i = 1; i <= 3; i++) {
		say(&p, "GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
		CHECK(LOOP_UNTIL(s.loop, has_seen(&p, "hello")));
		CHECK_EQ(s.asked_count, i);
		buf_clear(&p.seen);
	}
	CHECK(!p.is_over);
	hang_up(&p);
	close_site(&s);
}

TEST_NO_OOM(a_borrowed_body_is_given_back)
{
	struct site s = {0};
	struct peer p;

	OPEN_SITE(&s, NULL, {"GET", "/s", 0, answer_borrowed, &s});
	p = dial(&s);
	say(&p, "GET /s " HEAD "\r\n");
	CHECK(LOOP_UNTIL(s.loop, has_ended(&p)));
	CHECK(has_seen(&p, "HTTP/1.1 201 "));
	CHECK(has_seen(&p, "\r\nX-Mine: yes\r\n"));
	CHECK(has_seen(&p, "\r\nContent-Type: video/mp2t\r\n"));
	CHECK(has_seen(&p, "\r\n\r\nsegment"));
	CHECK(LOOP_UNTIL(s.loop, s.freed_count == 1));
	hang_up(&p);
	close_site(&s);
}

/* ---- later answers ---- */

TEST_NO_OOM(an_answer_may_come_later_and_others_are_served_meanwhile)
{
	struct site s = {0};
	struct http_server_stats stats;
	struct peer p;

	OPEN_SITE(&s, NULL, {"GET", "/hold", 0, hold, &s},
		  {"GET", "/hello", 0, answer_hello, &s});
	p = dial(&s);
	say(&p, "GET /hold " HEAD "\r\n");
	CHECK(LOOP_UNTIL(s.loop, s.held));
	check_answer(&s, "GET /hello " HEAD "\r\n", "HTTP/1.1 200 ", "hello");
	CHECK(!has_seen(&p, "HTTP"));
	http_server_stats(s.server, &stats);
	CHECK_EQ(stats.requests_open, 1);
	http_answer_json(s.held, 200, SPAN_LIT("{\"late\":true}"));
	CHECK(LOOP_UNTIL(s.loop, has_ended(&p)));
	CHECK(has_seen(&p, "{\"late\":true}"));
	CHECK_EQ(s.gone_count, 0);
	http_server_stats(s.server, &stats);
	CHECK_EQ(stats.requests_open, 0);
	CHECK_EQ(stats.requests_count, 2);
	hang_up(&p);
	close_site(&s);
}

TEST_NO_OOM(an_answer_to_a_peer_that_left_goes_nowhere)
{
	struct site s = {0};
	struct http_server_stats stats;
	struct peer p;

	OPEN_SITE(&s, NULL, {"GET", "/hold", 0, hold, &s});
	p = dial(&s);
	say(&p, "GET /hold " HEAD "\r\n");
	CHECK(LOOP_UNTIL(s.loop, s.held));
	hang_up(&p);
	http_answer_text(s.held, 200, "nobody hears");
	CHECK(LOOP_UNTIL(s.loop, (http_server_stats(s.server, &stats),
				  stats.connections_open == 0)));
	close_site(&s);
}

TEST_NO_OOM(an_answer_that_does_not_come_is_504)
{
	struct site s = {0};
	struct http_server_options o = {.answer_timeout_ms = 20};

	OPEN_SITE(&s, &o, {"GET", "/hold", 0, hold, &s});
	check_answer(&s, "GET /hold " HEAD "\r\n", "HTTP/1.1 504 ",
		     "\"no answer in time\"}\n");
	CHECK_EQ(s.gone_count, 1);
	close_site(&s);
}

TEST_NO_OOM(a_server_that_ends_tells_who_would_have_answered)
{
	struct site s = {0};
	struct peer p;

	OPEN_SITE(&s, NULL, {"GET", "/hold", 0, hold, &s});
	p = dial(&s);
	say(&p, "GET /hold " HEAD "\r\n");
	CHECK(LOOP_UNTIL(s.loop, s.held));
	http_server_free(&s.server);
	CHECK_EQ(s.gone_count, 1);
	CHECK(!s.held);
	hang_up(&p);
	close_site(&s);
}

/* ---- limits ---- */

TEST_NO_OOM(a_body_that_is_too_long_is_refused_announced_or_not)
{
	struct site s = {0};
	struct http_server_options o = {.body_bytes_max = 16};

	OPEN_SITE(&s, &o, {"POST", "/e", 0, answer_echo, &s});
	check_answer(&s,
		     "POST /e " HEAD
		     "Content-Length: 16\r\n\r\n"
		     "0123456789abcdef",
		     "HTTP/1.1 200 ", "b=0123456789abcdef");
	check_answer(&s,
		     "POST /e " HEAD
		     "Content-Length: 17\r\n\r\n"
		     "0123456789abcdefg",
		     "HTTP/1.1 413 ", "\"the body is too long\"}\n");
	check_answer(&s,
		     "POST /e " HEAD
		     "Transfer-Encoding: chunked\r\n\r\n"
		     "a\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
		     "HTTP/1.1 413 ", "\"the body is too long\"}\n");
	CHECK_EQ(s.asked_count, 1);
	close_site(&s);
}

TEST_NO_OOM(an_endless_body_is_cut_off)
{
	struct site s = {0};
	struct http_server_options o = {.body_bytes_max = 100};
	struct peer p;
	unsigned count = 0;

	OPEN_SITE(&s, &o, {"POST", "/e", 0, answer_echo, &s});
	p = dial(&s);
	say(&p, "POST /e " HEAD "Transfer-Encoding: chunked\r\n\r\n");
	while (!p.is_over && count++ < 1000) {
		static const char chunk[] = "10\r\n0123456789abcdef\r\n";

		if (send(p.fd, chunk, strlen(chunk), MSG_NOSIGNAL) < 0)
			break;
		loop_run_passes(s.loop, 2);
		(void)has_ended(&p);
	}
	CHECK(LOOP_UNTIL(s.loop, has_ended(&p)));
	CHECK(count < 1000);
	CHECK_EQ(s.asked_count, 0);
	hang_up(&p);
	close_site(&s);
}

TEST_NO_OOM(a_head_that_is_too_long_is_refused)
{
	struct site s = {0};
	struct peer p;
	char line[4000];
	unsigned count = 0;

	OPEN_SITE(&s, NULL, {"GET", "/hello", 0, answer_hello, &s});
	p = dial(&s);
	memset(line, 'x', sizeof(line));
	memcpy(line, "X-Long: ", 8);
	memcpy(line + sizeof(line) - 3, "\r\n", 3);
	say(&p, "GET /hello HTTP/1.1\r\n");
	while (!has_ended(&p) && count++ < 100)
		if (send(p.fd, line, sizeof(line) - 1, MSG_NOSIGNAL) < 0 ||
		    LOOP_UNTIL(s.loop, has_ended(&p) || count < 20))
			continue;
	CHECK(LOOP_UNTIL(s.loop, has_ended(&p)));
	CHECK_EQ(s.asked_count, 0);
	hang_up(&p);
	close_site(&s);
}

TEST_NO_OOM(how_long_a_head_may_be_is_the_caller_s_to_say)
{
	const struct http_server_options small = {.head_bytes_max = 8192};
	struct site s = {0};
	struct buf b = {0};

	buf_printf(&b, "GET /hello " HEAD "X-Long: %*s\r\n\r\n", 10000, "x");
	OPEN_SITE(&s, NULL, {"GET", "/hello", 0, answer_hello, &s});
	check_answer(&s, buf_text(&b), "HTTP/1.1 200 ", "hello");
	close_site(&s);
	open_site(&s, &small, routes_, 1);
	check_answer(&s, buf_text(&b), "HTTP/1.1 431 ", "");
	check_answer(&s, "GET /hello " HEAD "\r\n", "HTTP/1.1 200 ", "hello");
	close_site(&s);
	buf_fini(&b);
}

TEST_NO_OOM(connections_have_a_limit_in_all_and_by_address)
{
	struct site s = {0};
	struct http_server_options o = {.per_address_max = 2};
	struct http_server_stats stats;
	struct peer p[3];

	OPEN_SITE(&s, &o, {"GET", "/hello", 0, answer_hello, &s});
	for (int i = 0; i < 3; i++)
		p[i] = dial(&s);
	CHECK(LOOP_UNTIL(s.loop, has_ended(&p[2])));
	CHECK(!has_ended(&p[0]));
	CHECK(!has_ended(&p[1]));
	http_server_stats(s.server, &stats);
	CHECK_EQ(stats.connections_open, 2);
	for (int i = 0; i < 3; i++)
		hang_up(&p[i]);
	CHECK(LOOP_UNTIL(s.loop, (http_server_stats(s.server, &stats),
				  stats.connections_open == 0)));
	check_answer(&s, "GET /hello " HEAD "\r\n", "HTTP/1.1 200 ", "hello");
	close_site(&s);
}

TEST_NO_OOM(a_peer_that_says_nothing_is_left)
{
	struct site s = {0};
	struct http_server_options o = {.idle_timeout_s = 1};
	struct peer p;

	OPEN_SITE(&s, &o, {"GET", "/hello", 0, answer_hello, &s});
	p = dial(&s);
	say(&p, "GET /hel");
	CHECK(LOOP_UNTIL(s.loop, has_ended(&p)));
	CHECK_EQ(s.asked_count, 0);
	hang_up(&p);
	close_site(&s);
}

static void say_more(struct peer *p)
{
	(void)send(p->fd, "x", 1, MSG_NOSIGNAL);
}

TEST_NO_OOM(a_peer_that_trickles_is_left_too)
{
	struct site s = {0};
	struct http_server_options o = {.request_timeout_ms = 300};
	struct timer *trickle;
	struct peer p;

	OPEN_SITE(&s, &o, {"GET", "/hello", 0, answer_hello, &s});
	p = dial(&s);
	CHECK_EQ(timer_new(&trickle, s.loop, say_more, &p), 0);
	timer_repeat(trickle, 100);
	say(&p, "GET /");
	CHECK(LOOP_UNTIL(s.loop, has_ended(&p)));
	timer_free(&trickle);
	hang_up(&p);
	close_site(&s);
}

TEST_NO_OOM(bytes_that_are_no_http_are_answered_or_cut_and_nothing_else)
{
	static const char *const garbage[] = {
		"\r\n\r\n\r\n",
		"GET\r\n\r\n",
		"\x16\x03\x01\x02\x01\r\n\r\n",
		"GET /hello HTTP/9.9\r\n\r\n",
		"GET /%00%ff HTTP/1.0\r\n\r\n",
		"POST /hello HTTP/1.1\r\nHost: localhost\r\n"
		"Content-Length: -1\r\nConnection: close\r\n\r\n",
		"POST /hello HTTP/1.1\r\nHost: localhost\r\n"
		"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
	};
	struct site s = {0};
	/* libmicrohttpd does not see the end of who sent only empty lines */
	struct http_server_options o = {.idle_timeout_s = 1};

	OPEN_SITE(&s, &o, {"GET", "/hello", 0, answer_hello, &s});
	for (size_t i = 0; i < WEIR_ARRAY_LEN(garbage); i++) {
		struct peer p = dial(&s);

		say(&p, garbage[i]);
		CHECK_EQ(shutdown(p.fd, SHUT_WR), 0);
		if (!LOOP_UNTIL(s.loop, has_ended(&p)))
			CHECK_STR(garbage[i], "answered or closed");
		hang_up(&p);
	}
	CHECK_EQ(s.asked_count, 0);
	check_answer(&s, "GET /hello " HEAD "\r\n", "HTTP/1.1 200 ", "hello");
	close_site(&s);
}

/* ---- who may ask ---- */

#define ASK(method, host, more)                                                \
	method " HTTP/1.1\r\nHost: " host "\r\nConnection: close\r\n" more     \
	       "\r\n"

TEST_NO_OOM(without_a_token_foreign_pages_are_refused)
{
	static const char *const hosts[] = {"stream.example"};
	struct http_server_options o = {.hosts = hosts, .host_count = 1};
	struct site s = {0};
	static const struct {
		const char *question;
		const char *status;
	} cases[] = {
		{ASK("GET /hello", "localhost:8083", ""), "HTTP/1.1 200 "},
		{ASK("GET /hello", "127.0.0.1", ""), "HTTP/1.1 200 "},
		{ASK("GET /hello", "[::1]:8083", ""), "HTTP/1.1 200 "},
		{ASK("GET /hello", "Stream.Example:1", ""), "HTTP/1.1 200 "},
		{ASK("GET /hello", "evil.example", ""), "HTTP/1.1 403 "},
		{ASK("GET /hello", "localhost.evil.example", ""),
		 "HTTP/1.1 403 "},
		{ASK("GET /hello", "", ""), "HTTP/1.1 403 "},
		{ASK("GET /hello", "localhost",
		     "Origin: http://localhost:1\r\n"),
		 "HTTP/1.1 200 "},
		{ASK("GET /hello", "localhost",
		     "Origin: https://stream.example\r\n"),
		 "HTTP/1.1 200 "},
		{ASK("GET /hello", "localhost",
		     "Origin: http://evil.example\r\n"),
		 "HTTP/1.1 403 "},
		{ASK("GET /hello", "localhost", "Origin: null\r\n"),
		 "HTTP/1.1 403 "},
		{ASK("POST /do", "localhost",
		     "Content-Type: application/json\r\n"
		     "Content-Length: 0\r\n"),
		 "HTTP/1.1 200 "},
		{ASK("POST /do", "localhost",
		     "Content-Type: Application/JSON; charset=utf-8\r\n"
		     "Content-Length: 0\r\n"),
		 "HTTP/1.1 200 "},
		{ASK("POST /do", "localhost",
		     "Content-Type: text/plain\r\nContent-Length: 0\r\n"),
		 "HTTP/1.1 415 "},
		{ASK("POST /do", "localhost",
		     "Content-Type: application/jsonp\r\n"
		     "Content-Length: 0\r\n"),
		 "HTTP/1.1 415 "},
		{ASK("POST /do", "localhost", "Content-Length: 0\r\n"),
		 "HTTP/1.1 415 "},
		{ASK("GET /open", "evil.example",
		     "Origin: http://evil.example\r\n"),
		 "HTTP/1.1 200 "},
	};

	OPEN_SITE(&s, &o, {"GET", "/hello", 0, answer_hello, &s},
		  {"GET", "/open", HTTP_OPEN, answer_hello, &s},
		  {"POST", "/do", HTTP_CONTROL, answer_hello, &s});
	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++)
		check_answer(&s, cases[i].question, cases[i].status, "");
	close_site(&s);
}

TEST_NO_OOM(with_a_token_only_its_bearer_is_let_in)
{
	struct http_server_options o = {.token = "s3cret"};
	struct site s = {0};
	static const struct {
		const char *question;
		const char *status;
	} cases[] = {
		{ASK("GET /hello", "any.example",
		     "Authorization: Bearer s3cret\r\n"),
		 "HTTP/1.1 200 "},
		{ASK("POST /do", "any.example",
		     "authorization: bearer s3cret\r\n"
		     "Content-Length: 0\r\n"),
		 "HTTP/1.1 200 "},
		{ASK("GET /hello", "localhost", ""), "HTTP/1.1 401 "},
		{ASK("GET /hello", "localhost",
		     "Authorization: Bearer s3cre\r\n"),
		 "HTTP/1.1 401 "},
		{ASK("GET /hello", "localhost",
		     "Authorization: Bearer s3crets3cret\r\n"),
		 "HTTP/1.1 401 "},
		{ASK("GET /hello", "localhost",
		     "Authorization: Basic s3cret\r\n"),
		 "HTTP/1.1 401 "},
		{ASK("GET /hello", "localhost", "Authorization: Bearer\r\n"),
		 "HTTP/1.1 401 "},
		{ASK("GET /open", "localhost", ""), "HTTP/1.1 200 "},
	};

	OPEN_SITE(&s, &o, {"GET", "/hello", 0, answer_hello, &s},
		  {"GET", "/open", HTTP_OPEN, answer_hello, &s},
		  {"POST", "/do", HTTP_CONTROL, answer_hello, &s});
	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++)
		check_answer(&s, cases[i].question, cases[i].status, "");
	close_site(&s);
}

TEST_NO_OOM(a_local_route_takes_a_token_or_loopback)
{
	struct http_server_options o = {.token = "s3cret"};
	struct site s = {0};
	static const struct {
		const char *question;
		const char *status;
	} cases[] = {
		{ASK("GET /list", "any.example",
		     "Authorization: Bearer s3cret\r\n"),
		 "HTTP/1.1 200 "},
		{ASK("GET /list", "localhost:8083", ""), "HTTP/1.1 200 "},
		{ASK("GET /list", "localhost",
		     "Origin: http://127.0.0.1:8083\r\n"),
		 "HTTP/1.1 200 "},
		{ASK("GET /list", "evil.example", ""), "HTTP/1.1 401 "},
		{ASK("GET /list", "localhost",
		     "Origin: http://evil.example\r\n"),
		 "HTTP/1.1 401 "},
		{ASK("GET /list", "any.example",
		     "Authorization: Bearer s3cre\r\n"),
		 "HTTP/1.1 401 "},
		{ASK("GET /hello", "localhost", ""), "HTTP/1.1 401 "},
	};

	OPEN_SITE(&s, &o, {"GET", "/hello", 0, answer_hello, &s},
		  {"GET", "/list", HTTP_LOCAL, answer_hello, &s});
	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++)
		check_answer(&s, cases[i].question, cases[i].status, "");
	close_site(&s);
}

TEST_NO_OOM(a_peer_that_is_not_on_loopback_needs_a_token)
{
	struct site s = {0};
	struct net_addr far;
	struct peer p = {0};
	int fd[2];

	OPEN_SITE(&s, NULL, {"GET", "/hello", HTTP_LOCAL, answer_hello, &s},
		  {"GET", "/open", HTTP_OPEN, answer_hello, &s});
	CHECK_EQ(net_addr_parse(&far, "203.0.113.9:1000"), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	p.fd = fd[0];
	CHECK_EQ(http_server_adopt(s.server, fd[1], &far), 0);
	say(&p, "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
	CHECK(LOOP_UNTIL(s.loop, has_seen(&p, "HTTP/1.1 403 ")));
	hang_up(&p);
	close_site(&s);
}

/* ---- handing connections over ---- */

TEST_NO_OOM(a_connection_whose_head_was_peeked_at_can_be_handed_over)
{
	struct site s = {0};
	struct peer p = {0};
	struct net_addr addr;
	char peeked[64];
	int listen_fd;
	int fd;

	OPEN_SITE(&s, NULL, {"GET", "/hello", 0, answer_hello, &s});
	CHECK_EQ(net_addr_parse(&addr, "127.0.0.1:0"), 0);
	CHECK_EQ(net_listen(&listen_fd, &addr), 0);
	CHECK_EQ(net_local_addr(&addr, listen_fd), 0);
	p.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(connect(p.fd, (struct sockaddr *)&addr.ss, addr.len), 0);
	say(&p, "GET /hello " HEAD "\r\n");
	fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(LOOP_UNTIL(s.loop,
			 recv(fd, peeked, sizeof(peeked), MSG_PEEK) > 10));
	CHECK_EQ(net_peer_addr(&addr, fd), 0);
	CHECK_EQ(http_server_adopt(s.server, fd, &addr), 0);
	CHECK(LOOP_UNTIL(s.loop, has_ended(&p)));
	CHECK(has_seen(&p, "hello"));
	close(listen_fd);
	hang_up(&p);
	close_site(&s);
}

/* ---- the client ---- */

struct caller {
	unsigned done_count;
	int err;
	unsigned status;
	struct buf body;
};

static void on_done(struct caller *c, int err, unsigned status,
		    struct span body)
{
	c->done_count++;
	c->err = err;
	c->status = status;
	buf_clear(&c->body);
	buf_put(&c->body, body);
}

static const char *url(char out[128], const struct site *s, const char *path)
{
	snprintf(out, 128, "http://127.0.0.1:%u%s", net_addr_port(&s->addr),
		 path);
	return out;
}

TEST_NO_OOM(the_client_asks_and_gets_answers)
{
	struct http_server_options o = {.token = "t0ken"};
	struct site s = {0};
	struct http_client *client;
	struct caller c = {0};
	char text[128];
	struct http_question q = {.token = "t0ken"};

	OPEN_SITE(&s, &o, {"GET", "/hello", 0, answer_hello, &s},
		  {"POST", "/echo", HTTP_CONTROL, answer_echo, &s});
	CHECK_EQ(http_client_new(&client, s.loop, NULL), 0);
	q.url = url(text, &s, "/hello");
	CHECK_EQ(http_client_ask(client, NULL, &q, on_done, &c), 0);
	CHECK_EQ(c.done_count, 0);
	CHECK(LOOP_UNTIL(s.loop, c.done_count == 1));
	CHECK_EQ(c.err, 0);
	CHECK_EQ(c.status, 200);
	CHECK_SPAN(buf_span(&c.body), SPAN_LIT("hello"));
	q.url = url(text, &s, "/echo?q=1");
	q.body = SPAN_LIT("{}");
	CHECK_EQ(http_client_ask(client, NULL, &q, on_done, &c), 0);
	CHECK(LOOP_UNTIL(s.loop, c.done_count == 2));
	CHECK_SPAN(buf_span(&c.body),
		   SPAN_LIT("POST /echo 0= 1= q=1 h=- b={}"));
	q.token = "wrong";
	CHECK_EQ(http_client_ask(client, NULL, &q, on_done, &c), 0);
	CHECK(LOOP_UNTIL(s.loop, c.done_count == 3));
	CHECK_EQ(c.err, 0);
	CHECK_EQ(c.status, 401);
	buf_fini(&c.body);
	http_client_free(&client);
	close_site(&s);
}

TEST_NO_OOM(the_client_says_why_there_is_no_answer)
{
	struct site s = {0};
	struct http_client *client;
	struct http_client_options limits = {.body_bytes_max = 3};
	struct caller c = {0};
	char text[128];
	struct http_question q = {.timeout_ms = 50};

	OPEN_SITE(&s, NULL, {"GET", "/hold", 0, hold, &s},
		  {"GET", "/hello", 0, answer_hello, &s});
	CHECK_EQ(http_client_new(&client, s.loop, &limits), 0);
	q.url = url(text, &s, "/hold");
	CHECK_EQ(http_client_ask(client, NULL, &q, on_done, &c), 0);
	CHECK(LOOP_UNTIL(s.loop, c.done_count == 1));
	CHECK_EQ(c.err, WEIR_ETIMEOUT);
	q.timeout_ms = 0;
	q.url = url(text, &s, "/hello");
	CHECK_EQ(http_client_ask(client, NULL, &q, on_done, &c), 0);
	CHECK(LOOP_UNTIL(s.loop, c.done_count == 2));
	CHECK_EQ(c.err, WEIR_ELIMIT);
	q.url = "http://127.0.0.1:1/";
	CHECK_EQ(http_client_ask(client, NULL, &q, on_done, &c), 0);
	CHECK(LOOP_UNTIL(s.loop, c.done_count == 3));
	CHECK_EQ(c.err, WEIR_ECLOSED);
	q.url = "file:///etc/passwd";
	CHECK_EQ(http_client_ask(client, NULL, &q, on_done, &c), WEIR_EINVAL);
	q.url = "http://a b/";
	CHECK_EQ(http_client_ask(client, NULL, &q, on_done, &c), WEIR_EINVAL);
	buf_fini(&c.body);
	http_client_free(&client);
	close_site(&s);
}

TEST_NO_OOM(a_cancelled_call_is_not_heard_of_again)
{
	struct site s = {0};
	struct http_client *client;
	struct http_call *call;
	struct caller c = {0};
	char text[128];
	struct http_question q = {0};

	OPEN_SITE(&s, NULL, {"GET", "/hold", 0, hold, &s});
	CHECK_EQ(http_client_new(&client, s.loop, NULL), 0);
	q.url = url(text, &s, "/hold");
	CHECK_EQ(http_client_ask(client, &call, &q, on_done, &c), 0);
	CHECK(LOOP_UNTIL(s.loop, s.held));
	http_client_cancel(&call);
	CHECK(!call);
	CHECK_EQ(http_client_ask(client, &call, &q, on_done, &c), 0);
	http_client_free(&client);
	CHECK_EQ(c.done_count, 0);
	close_site(&s);
}
