/* common/http/content_test.c - what needs no connection; the rest is asked end
 * to end.
 */
#include "common/http/content.h"

#include <stdlib.h>
#include <zlib.h>

#include "common/test/check.h"

struct range_case {
	const char *field;
	int err;
	uint64_t first, count;
};

/* clang-format off */
static const struct range_case ranges[] = { /* of 1000 bytes */
	{"bytes=0-0", 0, 0, 1},
	{"bytes=0-999", 0, 0, 1000},
	{"bytes=10-19", 0, 10, 10},
	{"Bytes= 10-19 ", 0, 10, 10},
	{"bytes=990-", 0, 990, 10},
	{"bytes=990-5000", 0, 990, 10},
	{"bytes=-1", 0, 999, 1},
	{"bytes=-5000", 0, 0, 1000},
	{"bytes=1000-", WEIR_EINVAL, 0, 0},
	{"bytes=1000-2000", WEIR_EINVAL, 0, 0},
	{"bytes=-0", WEIR_EINVAL, 0, 0},
	{NULL, WEIR_ENOENT, 0, 0},
	{"", WEIR_ENOENT, 0, 0},
	{"bytes=", WEIR_ENOENT, 0, 0},
	{"bytes=-", WEIR_ENOENT, 0, 0},
	{"bytes=5", WEIR_ENOENT, 0, 0},
	{"bytes=5-2", WEIR_ENOENT, 0, 0},
	{"bytes=0-1,5-6", WEIR_ENOENT, 0, 0},
	{"bytes=a-b", WEIR_ENOENT, 0, 0},
	{"bytes=--5", WEIR_ENOENT, 0, 0},
	{"lines=0-5", WEIR_ENOENT, 0, 0},
	{"bytes=9999999999999999999999-", WEIR_ENOENT, 0, 0},
};
/* clang-format on */

TEST(one_range_is_read_and_nonsense_means_the_whole)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(ranges); i++) {
		struct http_range r = {0, 0};

		CHECK_EQ(http_range_read(&r, ranges[i].field, 1000),
			 ranges[i].err);
		CHECK_EQ(r.first, ranges[i].first);
		CHECK_EQ(r.count, ranges[i].count);
	}
}

TEST(of_nothing_no_range_can_be_had)
{
	struct http_range r;

	CHECK_EQ(http_range_read(&r, "bytes=0-", 0), WEIR_EINVAL);
	CHECK_EQ(http_range_read(&r, "bytes=-1", 0), WEIR_EINVAL);
}

TEST(gzip_is_taken_where_it_is_named_and_not_at_weight_0)
{
	static const char *const yes[] = {"gzip", "br, gzip",
					  "deflate,gzip;q=1", "gzip;q=0.5, br",
					  "GZIP"};
	static const char *const no[] = {
		"",          "br",     "gzip;q=0", "gzip;q=0.000, br",
		"x-gzipped", "gzippy", ",,,",      "identity"};

	CHECK(!http_accepts_gzip(NULL));
	for (size_t i = 0; i < WEIR_ARRAY_LEN(yes); i++)
		CHECK(http_accepts_gzip(yes[i]));
	for (size_t i = 0; i < WEIR_ARRAY_LEN(no); i++)
		CHECK(!http_accepts_gzip(no[i]));
}

TEST(a_tag_matches_itself_weak_or_strong_or_any)
{
	CHECK(http_matches("\"a\"", "\"a\""));
	CHECK(http_matches("W/\"a\"", "\"a\""));
	CHECK(http_matches("\"b\", \"a\"", "\"a\""));
	CHECK(http_matches("*", "\"a\""));
	CHECK(!http_matches("\"ab\"", "\"a\""));
	CHECK(!http_matches("a", "\"a\""));
	CHECK(!http_matches("", "\"a\""));
	CHECK(!http_matches(NULL, "\"a\""));
}

TEST(what_is_compressed_comes_back_and_is_the_same_each_time)
{
	static const uint8_t text[5000] = "#EXTM3U\n";
	struct blob *a = NULL, *b = NULL;
	uint8_t back[6000];
	z_stream z = {0};
	int status;

	CHECK_EQ(http_gzip(&a, SPAN(text)), 0);
	CHECK_EQ(http_gzip(&b, SPAN(text)), 0);
	CHECK_SPAN(a->bytes, b->bytes);
	CHECK(a->bytes.len < 200);
	CHECK_EQ(inflateInit2(&z, MAX_WBITS + 16), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)a->bytes.data;
	z.avail_in = (uInt)a->bytes.len;
	z.next_out = back;
	z.avail_out = sizeof(back);
	status = inflate(&z, Z_FINISH);
	CHECK_EQ(z.total_out, sizeof(text));
	inflateEnd(&z);
	CHECK_EQ(status, Z_STREAM_END);
	CHECK_SPAN(span_of(back, sizeof(text)), SPAN(text));
	blob_unref(&a);
	blob_unref(&b);
}
