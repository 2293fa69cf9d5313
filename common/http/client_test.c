/* common/http/client_test.c - what the client tells beside the body; addresses.
 *
 * Asking is not repeated with failing allocations (see http_test.c).
 */
#include "common/http/client.h"

#include <stdio.h>

#include "common/http/site_test.h"

static void answer_text(void *ctx, struct http_request *req)
{
	(void)ctx;
	http_answer_text(req, 200, "hello");
}

struct asker {
	struct http_call *call;
	unsigned done_count;
	struct buf type;
	bool has_type;
	bool has_other;
};

static void on_done(struct asker *a, int err, unsigned status, struct span body)
{
	struct span value;

	(void)body;
	a->done_count++;
	CHECK_EQ(err, 0);
	CHECK_EQ(status, 200);
	a->has_other = http_call_field(a->call, "X-Nothing", &value);
	a->has_type = http_call_field(a->call, "content-type", &value);
	if (a->has_type)
		buf_put(&a->type, value);
}

TEST_NO_OOM(fields_of_an_answer_can_be_asked_for)
{
	struct site s = {0};
	struct http_client *client;
	struct asker a = {0};
	char text[128];
	struct http_question q = {.url = text};

	OPEN_SITE(&s, NULL, {"GET", "/hello", 0, answer_text, &s});
	CHECK_EQ(http_client_new(&client, s.loop, NULL), 0);
	snprintf(text, sizeof(text), "http://127.0.0.1:%u/hello",
		 net_addr_port(&s.addr));
	CHECK_EQ(http_client_ask(client, &a.call, &q, on_done, &a), 0);
	CHECK(LOOP_UNTIL(s.loop, a.done_count == 1));
	CHECK(!a.has_other);
	CHECK(a.has_type);
	CHECK(span_eq_str(span_first(buf_span(&a.type), 10), "text/plain"));
	buf_fini(&a.type);
	http_client_free(&client);
	close_site(&s);
}

/* ---- a body as it comes, behind a redirect ---- */

static void answer_redirect(void *ctx, struct http_request *req)
{
	const struct http_header where = {"Location", "/hello"};
	const struct http_answer a = {
		.status = 302,
		.content_type = "text/plain",
		.body = SPAN_LIT("it is elsewhere"),
		.headers = &where,
		.header_count = 1,
	};

	(void)ctx;
	http_answer(req, &a);
}

static void answer_via(void *ctx, struct http_request *req)
{
	const char *via = http_header(req, "X-Weir-Via");

	(void)ctx;
	http_answer_text(req, via ? 200 : 404, via ? via : "");
}

struct listener_of {
	struct buf body;
	unsigned done_count, status;
	int err, verdict;
};

static int on_piece(void *ctx, struct span piece)
{
	struct listener_of *l = ctx;

	buf_put(&l->body, piece);
	return l->verdict;
}

static void on_heard(struct listener_of *l, int err, unsigned status,
		     struct span body)
{
	CHECK_EQ(body.len, 0);
	l->done_count++;
	l->err = err;
	l->status = status;
}

static void hear(struct site *s, struct http_client *client, const char *path,
		 unsigned redirects_max, struct listener_of *l)
{
	char text[128];
	struct http_question q = {
		.url = text,
		.redirects_max = redirects_max,
		.field_name = "X-Weir-Via",
		.field_value = "paris",
		.on_piece = on_piece,
	};

	snprintf(text, sizeof(text), "http://127.0.0.1:%u%s",
		 net_addr_port(&s->addr), path);
	CHECK_EQ(http_client_ask(client, NULL, &q, on_heard, l), 0);
	CHECK(LOOP_UNTIL(s->loop, l->done_count == 1));
}

TEST_NO_OOM(a_body_is_given_as_it_comes)
{
	struct site s = {0};
	struct http_client *client;
	struct listener_of followed = {0}, stays = {0},
			   stops = {.verdict = -77}, said = {0};

	OPEN_SITE(&s, NULL, {"GET", "/hello", 0, answer_text, &s},
		  {"GET", "/moved", 0, answer_redirect, &s},
		  {"GET", "/via", 0, answer_via, &s});
	CHECK_EQ(http_client_new(&client, s.loop, NULL), 0);
	hear(&s, client, "/moved", 1, &followed);
	CHECK_EQ(followed.status, 200);
	CHECK_SPAN(buf_span(&followed.body), SPAN_LIT("hello"));
	hear(&s, client, "/moved", 0, &stays);
	CHECK_EQ(stays.status, 302);
	CHECK_EQ(stays.body.len, 0);
	hear(&s, client, "/hello", 0, &stops);
	CHECK_EQ(stops.err, -77);
	hear(&s, client, "/via", 0, &said);
	CHECK_SPAN(buf_span(&said.body), SPAN_LIT("paris"));
	buf_fini(&followed.body);
	buf_fini(&stays.body);
	buf_fini(&stops.body);
	buf_fini(&said.body);
	http_client_free(&client);
	close_site(&s);
}

TEST(addresses_are_joined)
{
	static const struct {
		const char *base, *ref, *joined;
	} row[] = {
		{"http://h:1/live/a.m3u8?t=1", "/-/live/a/1.ts",
		 "http://h:1/-/live/a/1.ts"},
		{"http://h:1/live/a.m3u8?t=1", "1.ts?x=2",
		 "http://h:1/live/1.ts?x=2"},
		{"http://h/a/b/c.m3u8", "../d.ts", "http://h/a/d.ts"},
		{"http://h/a.m3u8", "https://cdn/1.ts", "https://cdn/1.ts"},
		{"http://h/a.m3u8", "//cdn/1.ts", "http://cdn/1.ts"},
		{"http://h/a.m3u8", "my file.ts", "http://h/my%20file.ts"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(row); i++) {
		struct buf out = {0};

		CHECK_EQ(http_url_join(&out, row[i].base, span_str(row[i].ref)),
			 0);
		CHECK_SPAN(buf_span(&out), span_str(row[i].joined));
		buf_fini(&out);
	}
}

TEST(addresses_of_other_kinds_are_refused)
{
	static const struct {
		const char *base;
		struct span ref;
	} row[] = {
		{"http://h/a.m3u8", SPAN_LIT("file:///etc/passwd")},
		{"http://h/a.m3u8", SPAN_LIT("ftp://h/x")},
		{"http://h/a.m3u8", SPAN_LIT("a\0b")},
		{"a.m3u8", SPAN_LIT("b.ts")},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(row); i++) {
		struct buf out = {0};

		CHECK_EQ(http_url_join(&out, row[i].base, row[i].ref),
			 WEIR_EINVAL);
		CHECK_EQ(out.len, 0);
		buf_fini(&out);
	}
}
