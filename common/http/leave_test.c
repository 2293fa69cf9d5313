/* common/http/leave_test.c - answers for web pages, and connections that leave
 * the server.
 *
 * Not repeated with failing allocations: see http_test.c.
 */
#include <sys/socket.h>

#include "common/http/site_test.h"

static void answer_hello(void *ctx, struct http_request *req)
{
	(void)ctx;
	http_answer_text(req, 200, "hello");
}

static void answer_raw(void *ctx, struct http_request *req)
{
	struct buf text = {0};

	(void)ctx;
	buf_put(&text, http_raw_path(req));
	buf_put(&text, SPAN_LIT(" ? "));
	buf_put(&text, http_raw_query(req));
	http_answer_text(req, 200, buf_text(&text));
	buf_fini(&text);
}

/* ---- web pages ---- */

static const struct http_origins pages = {
	(const char *const[]){"http://page.example"}, 1};

TEST_NO_OOM(every_answer_tells_a_page_that_it_may_read)
{
	static const char *const asked[] = {
		"GET /hello " HEAD "Origin: http://page.example\r\n\r\n",
		"PUT /hello " HEAD "Origin: http://page.example\r\n\r\n",
		"GET /nothing " HEAD "Origin: http://page.example\r\n\r\n",
	};
	const struct http_server_options o = {.origins = &pages};
	struct site s = {0};

	OPEN_SITE(&s, &o, {"GET", "/hello", HTTP_OPEN, answer_hello, &s});
	for (size_t i = 0; i < WEIR_ARRAY_LEN(asked); i++) {
		struct peer p = dial(&s);

		say(&p, asked[i]);
		CHECK(LOOP_UNTIL(s.loop, has_ended(&p)));
		CHECK(has_seen(&p,
			       "\r\nAccess-Control-Allow-Origin: "
			       "http://page.example\r\n"));
		CHECK(has_seen(&p, "\r\nVary: Origin\r\n"));
		CHECK(!has_seen(&p, "Credentials"));
		hang_up(&p);
	}
	close_site(&s);
}

TEST_NO_OOM(a_page_that_asks_first_is_told_for_every_path)
{
	const struct http_server_options o = {.origins = &pages};
	struct site s = {0};
	struct peer p;

	OPEN_SITE(&s, &o, {"GET", "/hello", HTTP_OPEN, answer_hello, &s});
	p = dial(&s);
	say(&p,
	    "OPTIONS /other HTTP/1.1\r\nHost: h\r\n"
	    "Origin: http://page.example\r\n"
	    "Access-Control-Request-Method: GET\r\n\r\n");
	CHECK(LOOP_UNTIL(s.loop, has_seen(&p, "\r\n\r\n")));
	CHECK(!has_seen(&p, "Connection: close")); /* it asks again here */
	CHECK(!strncmp(buf_text(&p.seen), "HTTP/1.1 204 ", 13));
	CHECK(has_seen(&p, "\r\nAccess-Control-Max-Age: 86400\r\n"));
	CHECK(has_seen(&p, "\r\nAllow: GET, HEAD, OPTIONS\r\n"));
	CHECK(has_seen(&p, "\r\nAccess-Control-Allow-Origin: "));
	hang_up(&p);
	close_site(&s);
}

TEST_NO_OOM(who_asks_in_the_wrong_way_is_told_the_right_ones)
{
	struct site s = {0};
	struct peer p;

	OPEN_SITE(&s, NULL, {"GET", "/hello", 0, answer_hello, &s},
		  {"POST", "/hello", 0, answer_hello, &s},
		  {"GET", "/hello", 0, answer_raw, &s});
	p = dial(&s);
	say(&p, "DELETE /hello " HEAD "\r\n");
	CHECK(LOOP_UNTIL(s.loop, has_ended(&p)));
	CHECK(has_seen(&p, "HTTP/1.1 405 "));
	CHECK(has_seen(&p, "\r\nAllow: GET, HEAD, POST\r\n"));
	CHECK(!has_seen(&p, "Access-Control"));
	hang_up(&p);
	close_site(&s);
}

TEST_NO_OOM(a_target_can_be_read_as_it_was_written)
{
	struct site s = {0};

	OPEN_SITE(&s, NULL, {"GET", "/**", 0, answer_raw, &s});
	check_answer(&s, "GET /a%20b/%2525.m3u8?x=%41&y " HEAD "\r\n",
		     "HTTP/1.1 200 ", "\r\n\r\n/a%20b/%2525.m3u8 ? x=%41&y");
	check_answer(&s, "GET /a " HEAD "\r\n", "HTTP/1.1 200 ",
		     "\r\n\r\n/a ? ");
	check_answer(&s, "GET http://h:80/a%20b?x " HEAD "\r\n",
		     "HTTP/1.1 200 ", "\r\n\r\n/a%20b ? x");
	check_answer(&s, "GET http://h?x " HEAD "\r\n", "HTTP/1.1 200 ",
		     "\r\n\r\n/ ? ");
	close_site(&s);
}

/* ---- leaving ---- */

struct leaver {
	struct site site;
	int fd; /* what was detached */
	struct buf head;
	unsigned count;
};

static void leave(void *ctx, struct http_request *req)
{
	struct leaver *l = ctx;

	l->count++;
	CHECK_EQ(http_detach(req, &l->fd, &l->head), 0);
}

static bool has_left(struct leaver *l)
{
	struct http_server_stats stats;

	http_server_stats(l->site.server, &stats);
	return l->count && stats.connections_open == 0;
}

static bool hears_pong(struct leaver *l)
{
	char got[4];

	return recv(l->fd, got, 4, MSG_PEEK | MSG_DONTWAIT) == 4 &&
	       !memcmp(got, "pong", 4);
}

TEST_NO_OOM(a_connection_that_was_kept_alive_can_leave_with_its_request)
{
	struct leaver l = {0};
	struct peer p;

	OPEN_SITE(&l.site, NULL, {"GET", "/hello", 0, answer_hello, &l},
		  {"GET", "/live/**", 0, leave, &l});
	p = dial(&l.site);
	say(&p, "GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
	CHECK(LOOP_UNTIL(l.site.loop, has_seen(&p, "hello")));
	say(&p,
	    "GET /live/a%20b.flv?t=%31 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	    "Upgrade: x\r\n\r\n");
	CHECK(LOOP_UNTIL(l.site.loop, has_left(&l)));
	CHECK_STR(buf_text(&l.head),
		  "GET /live/a%20b.flv?t=%31 HTTP/1.1\r\n"
		  "Host: 127.0.0.1\r\nUpgrade: x\r\n\r\n");
	/* The connection lives on without the server. */
	buf_clear(&p.seen);
	CHECK(!has_ended(&p));
	CHECK_EQ(send(l.fd, "live", 4, MSG_NOSIGNAL), 4);
	CHECK(LOOP_UNTIL(l.site.loop, has_seen(&p, "live")));
	say(&p, "pong");
	CHECK(LOOP_UNTIL(l.site.loop, hears_pong(&l)));
	close(l.fd);
	CHECK(LOOP_UNTIL(l.site.loop, has_ended(&p)));
	CHECK_EQ(l.count, 1);
	buf_fini(&l.head);
	hang_up(&p);
	close_site(&l.site);
}

TEST_NO_OOM(a_server_may_end_before_those_that_left)
{
	struct leaver l = {0};
	struct peer p;

	OPEN_SITE(&l.site, NULL, {"GET", "/live", 0, leave, &l});
	p = dial(&l.site);
	say(&p, "GET /live HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
	CHECK(LOOP_UNTIL(l.site.loop, has_left(&l)));
	http_server_free(&l.site.server);
	CHECK_EQ(send(l.fd, "live", 4, MSG_NOSIGNAL), 4);
	CHECK(LOOP_UNTIL(l.site.loop, has_seen(&p, "live")));
	close(l.fd);
	buf_fini(&l.head);
	hang_up(&p);
	close_site(&l.site);
}
