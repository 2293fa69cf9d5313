/* common/http/kept_test.c - answers that are made once and given to many.
 *
 * Not repeated with failing allocations: see http_test.c.
 */
#include <sys/socket.h>

#include "common/http/site_test.h"

static const struct http_origins pages = {
	(const char *const[]){"http://a.example", "http://b.example"}, 2};

struct shop {
	struct site site;
	struct http_kept *kept;
	struct http_request *held[2];
	size_t held_count;
	unsigned freed_count; /* bodies */
};

static void note_freed(void *ctx)
{
	((struct shop *)ctx)->freed_count++;
}

static void answer_kept(struct shop *shop, struct http_request *req)
{
	static const struct http_header headers[] = {{"ETag", "\"1\""}};
	const struct http_answer a = {
		.status = 200,
		.content_type = "video/mp2t",
		.body = SPAN_LIT("segment"),
		.body_free = note_freed,
		.body_ctx = shop,
		.headers = headers,
		.header_count = 1,
		.kept = &shop->kept,
	};

	http_answer(req, &a);
}

static void serve(void *ctx, struct http_request *req)
{
	answer_kept(ctx, req);
}

static void hold(void *ctx, struct http_request *req)
{
	struct shop *shop = ctx;

	shop->held[shop->held_count++] = req;
}

#define OPEN_SHOP(shop, handler)                                               \
	const struct http_server_options o_ = {.origins = &pages};             \
	OPEN_SITE(&(shop)->site, &o_, {"GET", "/s", HTTP_OPEN, handler, shop})

static void close_shop(struct shop *shop)
{
	close_site(&shop->site);
	http_kept_free(&shop->kept);
}

/* Ask as a page of `origin` (NULL: as a player), and check whom the answer says
 * it is for. */
static void check_page(struct shop *shop, const char *origin, const char *told)
{
	struct peer p = dial(&shop->site);
	struct buf b = {0};

	buf_put(&b, SPAN_LIT("GET /s " HEAD));
	if (origin)
		buf_printf(&b, "Origin: %s\r\n", origin);
	buf_put(&b, SPAN_LIT("\r\n"));
	say(&p, buf_text(&b));
	CHECK(LOOP_UNTIL(shop->site.loop, has_ended(&p)));
	CHECK(has_seen(&p, "\r\n\r\nsegment"));
	CHECK(has_seen(&p, "\r\nETag: \"1\"\r\n"));
	b.len = 0;
	buf_printf(&b, "\r\nAccess-Control-Allow-Origin: %s\r\n",
		   told ? told : "");
	CHECK_EQ(has_seen(&p, told ? buf_text(&b) : "Allow-Origin"), !!told);
	buf_fini(&b);
	hang_up(&p);
}

TEST_NO_OOM(an_answer_is_made_once_and_holds_its_body_until_it_is_dropped)
{
	struct shop shop = {0};

	OPEN_SHOP(&shop, serve);
	check_answer(&shop.site, "GET /s " HEAD "\r\n", "HTTP/1.1 200 ",
		     "\r\n\r\nsegment");
	CHECK_EQ(shop.freed_count, 0);
	check_answer(&shop.site, "HEAD /s " HEAD "\r\n", "HTTP/1.1 200 ",
		     "\r\n\r\n");
	check_answer(&shop.site, "GET /s HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ",
		     "\r\n\r\nsegment");
	check_answer(&shop.site, "GET /s " HEAD "\r\n", "HTTP/1.1 200 ",
		     "\r\n\r\nsegment");
	CHECK_EQ(shop.freed_count, 3);
	http_kept_free(&shop.kept);
	CHECK(!shop.kept);
	CHECK_EQ(shop.freed_count, 4);
	check_answer(&shop.site, "GET /s " HEAD "\r\n", "HTTP/1.1 200 ",
		     "\r\n\r\nsegment");
	close_shop(&shop);
	CHECK_EQ(shop.freed_count, 5);
}

TEST_NO_OOM(each_page_is_told_of_itself_and_of_no_other)
{
	struct shop shop = {0};

	OPEN_SHOP(&shop, serve);
	for (int i = 0; i < 2; i++) {
		check_page(&shop, "http://a.example", "http://a.example");
		check_page(&shop, "http://a.example", "http://a.example");
		check_page(&shop, NULL, NULL);
		check_page(&shop, "http://b.example", "http://b.example");
		check_page(&shop, "http://c.example", NULL);
		check_page(&shop, "", NULL);
	}
	close_shop(&shop);
	CHECK_EQ(shop.freed_count, 12);
}

TEST_NO_OOM(an_answer_that_is_under_way_outlives_its_place)
{
	struct shop shop = {0};
	struct peer p[2];

	OPEN_SHOP(&shop, hold);
	for (int i = 0; i < 2; i++) {
		p[i] = dial(&shop.site);
		say(&p[i], "GET /s " HEAD "\r\n");
	}
	CHECK(LOOP_UNTIL(shop.site.loop, shop.held_count == 2));
	answer_kept(&shop, shop.held[0]);
	answer_kept(&shop, shop.held[1]);
	http_kept_free(&shop.kept);
	CHECK_EQ(shop.freed_count, 1);
	for (int i = 0; i < 2; i++) {
		CHECK(LOOP_UNTIL(shop.site.loop, has_ended(&p[i])));
		CHECK(has_seen(&p[i], "\r\n\r\nsegment"));
		hang_up(&p[i]);
	}
	CHECK_EQ(shop.freed_count, 2);
	close_shop(&shop);
}

TEST_NO_OOM(a_server_may_end_before_a_kept_answer_is_sent)
{
	struct shop shop = {0};
	struct peer p;

	OPEN_SHOP(&shop, hold);
	p = dial(&shop.site);
	say(&p, "GET /s " HEAD "\r\n");
	CHECK(LOOP_UNTIL(shop.site.loop, shop.held_count == 1));
	answer_kept(&shop, shop.held[0]);
	close_shop(&shop);
	CHECK_EQ(shop.freed_count, 1);
	hang_up(&p);
}
