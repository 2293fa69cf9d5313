/* services/edge/hls_cache_test.c */
#include "services/edge/hls_cache.h"

#include <stdio.h>

#include "common/test/check.h"

static const struct stream_key cam = {"live/cam"};

static struct hls_item *get(struct hls_cache *c, const struct hls_name *name)
{
	struct hls_item *it = NULL;

	CHECK_EQ(hls_cache_get(c, &it, &cam, name), 0);
	return it;
}

static struct hls_item *put_segment(struct hls_cache *c, uint64_t number,
				    size_t bytes, int64_t now_ms)
{
	static const uint8_t zero[100000];
	const struct hls_name name = {1, 2, number};
	struct hls_item *it = get(c, &name);

	CHECK_EQ(hls_cache_put(c, it, span_of(zero, bytes), now_ms), 0);
	return it;
}

static bool has(struct hls_cache *c, uint64_t number)
{
	const struct hls_name name = {1, 2, number};

	return hls_cache_find(c, &cam, &name) != NULL;
}

/* Puts a playlist whose newest segment has that number. */
static int put_playlist(struct hls_cache *c, uint64_t incarnation,
			uint64_t number, bool is_ended, int64_t now_ms)
{
	struct buf b = {0};
	int err;

	buf_printf(&b,
		   "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n"
		   "#EXT-X-MEDIA-SEQUENCE:%u\n#EXTINF:2.000000,\n"
		   "/-/live/cam/%u-00000002-%u.ts\n%s",
		   (unsigned)number, (unsigned)incarnation, (unsigned)number,
		   is_ended ? "#EXT-X-ENDLIST\n" : "");
	CHECK_EQ(buf_error(&b), 0);
	err = hls_cache_put(c, get(c, NULL), buf_span(&b), now_ms);
	buf_fini(&b);
	return err;
}

TEST(playlists_and_segments_of_a_stream_are_items_of_their_own)
{
	const struct hls_name one = {1, 2, 1}, two = {1, 2, 2};
	struct hls_cache c;

	hls_cache_init(&c, 1000000, 10, 1);
	CHECK(!hls_cache_find(&c, &cam, NULL));
	CHECK(get(&c, NULL) == get(&c, NULL));
	CHECK(get(&c, &one) == get(&c, &one));
	CHECK(get(&c, &one) != get(&c, &two));
	CHECK(get(&c, NULL) != get(&c, &one));
	CHECK_EQ(c.by_path.count, 3);
	hls_cache_fini(&c);
}

TEST(a_playlist_is_fresh_for_half_a_second)
{
	struct hls_cache c;

	hls_cache_init(&c, 1000000, 10, 1);
	CHECK_EQ(put_playlist(&c, 1, 5, false, 1000), 0);
	CHECK(hls_item_is_fresh(get(&c, NULL), 1000 + HLS_FRESH_MS - 1));
	CHECK(!hls_item_is_fresh(get(&c, NULL), 1000 + HLS_FRESH_MS));
	CHECK(get(&c, NULL)->body);
	hls_cache_fini(&c);
}

TEST(a_playlist_never_takes_the_place_of_a_newer_one)
{
	struct hls_cache c;

	hls_cache_init(&c, 1000000, 10, 1);
	CHECK_EQ(put_playlist(&c, 1, 5, false, 0), 0);
	CHECK_EQ(put_playlist(&c, 1, 4, false, 0), WEIR_ESTALE);
	CHECK_EQ(put_playlist(&c, 1, 5, false, 0), 0);
	CHECK_EQ(put_playlist(&c, 1, 5, true, 0), 0);
	CHECK_EQ(put_playlist(&c, 1, 5, false, 0), WEIR_ESTALE);
	CHECK_EQ(put_playlist(&c, 2, 3, false, 0), 0);
	CHECK_EQ(put_playlist(&c, 1, 9, false, 0), WEIR_ESTALE);
	CHECK_EQ(put_playlist(&c, 2, 4, false, 0), 0);
	hls_cache_fini(&c);
}

TEST(what_is_no_playlist_of_ours_is_refused)
{
	static const char *const bad[] = {
		"", "<html>", "#EXTM3U\n",
		"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nother.ts\n"};
	struct hls_cache c;

	hls_cache_init(&c, 1000000, 10, 1);
	CHECK_EQ(put_playlist(&c, 1, 5, false, 0), 0);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++)
		CHECK(hls_cache_put(&c, get(&c, NULL), span_str(bad[i]), 0) <
		      0);
	CHECK_EQ(get(&c, NULL)->name.number, 5);
	hls_cache_fini(&c);
}

TEST(segments_go_when_there_is_no_room_least_used_first)
{
	struct hls_cache c;

	hls_cache_init(&c, 30000, 100, 1);
	for (uint64_t n = 1; n <= 3; n++)
		put_segment(&c, n, 10000, 0);
	CHECK_EQ(c.bytes, 30000);
	CHECK(has(&c, 1)); /* is used */
	put_segment(&c, 4, 10000, 0);
	CHECK(!has(&c, 2));
	CHECK(has(&c, 1) && has(&c, 3) && has(&c, 4));
	CHECK_EQ(c.evicted, 1);
	hls_cache_fini(&c);
	CHECK_EQ(c.bytes, 0);
}

TEST(what_is_waited_for_stays)
{
	struct hls_cache c;
	struct hls_item *it;

	hls_cache_init(&c, 30000, 3, 1);
	it = put_segment(&c, 1, 20000, 0);
	hls_item_use(it);
	put_segment(&c, 2, 20000, 0); /* more than there is room for */
	CHECK(has(&c, 1) && !has(&c, 2));
	hls_cache_tick(&c, INT64_MAX);
	CHECK(has(&c, 1));
	hls_item_leave(it);
	hls_cache_tick(&c, INT64_MAX);
	CHECK(!has(&c, 1));
	hls_cache_fini(&c);
}

TEST(items_are_as_many_as_may_be_and_no_more)
{
	struct hls_item *it, *other = NULL;
	const struct hls_name name = {9, 9, 9};
	struct hls_cache c;

	hls_cache_init(&c, 1000000, 2, 1);
	it = get(&c, NULL);
	hls_item_use(it);
	for (uint64_t n = 1; n <= 5; n++)
		put_segment(&c, n, 10, 0);
	CHECK_EQ(c.by_path.count, 2);
	CHECK(has(&c, 5));
	other = put_segment(&c, 6, 10, 0);
	hls_item_use(other);
	CHECK_EQ(hls_cache_get(&c, &other, &cam, &name), WEIR_ELIMIT);
	hls_item_leave(it);
	hls_item_leave(other);
	hls_cache_fini(&c);
}

TEST(what_is_good_for_nothing_any_more_is_dropped)
{
	struct hls_cache c;

	hls_cache_init(&c, 1000000, 10, 1);
	CHECK_EQ(put_playlist(&c, 1, 5, false, 1000), 0);
	put_segment(&c, 5, 10, 1000);
	hls_cache_tick(&c, 1000 + HLS_STALE_MS - 1);
	CHECK_EQ(c.by_path.count, 2);
	hls_cache_tick(&c, 1000 + HLS_STALE_MS);
	CHECK(!hls_cache_find(&c, &cam, NULL));
	hls_cache_tick(&c, 1000 + HLS_SEGMENT_MS);
	CHECK_EQ(c.by_path.count, 0);
	hls_cache_fini(&c);
}

TEST(without_memory_an_item_is_as_it_was)
{
	struct hls_cache c;
	struct hls_item *it = NULL;
	int err;

	hls_cache_init(&c, 1000000, 10, 1);
	err = hls_cache_get(&c, &it, &cam, NULL);
	if (!err)
		err = hls_cache_put(
			&c, it,
			SPAN_LIT("#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
				 "#EXTINF:2,\n/-/live/cam/1-00000002-5.ts\n"),
			0);
	hls_cache_fini(&c);
	CHECK_EQ(err, 0);
	CHECK_EQ(c.bytes, 0);
}

TEST(viewers_with_addresses_of_their_own_share_one_playlist)
{
	struct hls_cache c;
	const struct hls_own *own;
	struct hls_item *it;
	uint64_t bytes;

	hls_cache_init(&c, 1000000, 10, 1);
	CHECK_EQ(put_playlist(&c, 1, 5, false, 0), 0);
	it = get(&c, NULL);
	bytes = c.bytes;
	own = hls_cache_own(&c, it);
	CHECK(own);
	if (!own || !own->body) {
		hls_cache_fini(&c);
		return;
	}
	CHECK(memmem(own->body->bytes.data, own->body->bytes.len,
		     "\n1-00000002-5.ts\n", 17));
	CHECK(!memmem(own->body->bytes.data, own->body->bytes.len, "/-/", 3));
	CHECK(c.bytes > bytes);
	CHECK(hls_cache_own(&c, it)->body == own->body);
	CHECK_EQ(put_playlist(&c, 1, 6, false, 0), 0);
	CHECK(!it->own.body);
	CHECK_EQ(c.bytes, bytes);
	hls_cache_fini(&c);
	CHECK_EQ(c.bytes, 0);
}
