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
