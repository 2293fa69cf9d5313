/* common/base/blob_test.c */
#include "common/base/blob.h"

#include "common/test/check.h"

TEST(a_blob_takes_the_memory_of_a_buffer)
{
	struct buf b = {.limit_bytes = 100};
	struct blob *blob = NULL;

	buf_put(&b, SPAN_LIT("abc"));
	CHECK_EQ(blob_take_buf(&blob, &b), 0);
	CHECK_SPAN(blob->bytes, SPAN_LIT("abc"));
	CHECK_EQ(b.len, 0);
	CHECK_EQ(b.limit_bytes, 100);
	CHECK(!b.data);
	blob_unref(&blob);
	CHECK(!blob);
	buf_fini(&b);
}

TEST(a_blob_lives_until_its_last_reference)
{
	struct blob *a = NULL, *b;

	CHECK_EQ(blob_new(&a, SPAN_LIT("xyz")), 0);
	b = blob_ref(a);
	blob_unref(&a);
	CHECK_SPAN(b->bytes, SPAN_LIT("xyz"));
	blob_unref(&b);
	blob_unref(&b);
	CHECK(!blob_ref(NULL));
}

TEST(an_empty_blob_is_one_too)
{
	struct buf b = {0};
	struct blob *blob = NULL;

	CHECK_EQ(blob_take_buf(&blob, &b), 0);
	CHECK_EQ(blob->bytes.len, 0);
	blob_unref(&blob);
}

TEST(a_buffer_that_failed_makes_no_blob)
{
	struct buf b = {.limit_bytes = 2};
	struct blob *blob = NULL;

	buf_put(&b, SPAN_LIT("abc"));
	CHECK_EQ(blob_take_buf(&blob, &b), WEIR_ELIMIT);
	CHECK(!blob);
	buf_fini(&b);
}
