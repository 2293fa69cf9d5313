/* services/packager/live_test.c */
#include "services/packager/live.h"

#include "services/packager/stream_test.h"

struct scene {
	struct live_room room;
	struct live *live;
	struct writer w;
	int64_t now_ms;
	bool has_siblings;
	unsigned missing_count, change_count;
};

static int64_t scene_now_ms(void *ctx)
{
	return ((struct scene *)ctx)->now_ms;
}

static bool scene_has_siblings(void *ctx)
{
	return ((struct scene *)ctx)->has_siblings;
}

static void scene_on_missing(void *ctx)
{
	((struct scene *)ctx)->missing_count++;
}

static void scene_on_change(void *ctx)
{
	((struct scene *)ctx)->change_count++;
}

static const struct live_events events = {
	.now_ms = scene_now_ms,
	.has_siblings = scene_has_siblings,
	.on_missing = scene_on_missing,
	.on_change = scene_on_change,
};

static const struct stream_key cam = {"live/cam"};

static void scene_init(struct scene *s)
{
	*s = (struct scene){.now_ms = 1000};
	live_room_init(&s->room);
	s->room.list_count = 3;
	s->room.segment_bytes = 1u << 20;
	s->room.max_bytes = 1u << 30;
	s->room.session_ms = 5000;
	writer_init(&s->w);
	put_epoch(&s->w, 5000);
}

static void begin(struct scene *s)
{
	CHECK_EQ(live_new(&s->live, &s->room, &cam, &events, s), 0);
	live_set_log(s->live, s->w.log);
	live_set_current(s->live);
}

static void finish(struct scene *s)
{
	live_free(&s->live);
	CHECK(list_is_empty(&s->room.lives));
	CHECK_EQ(s->room.stats.bytes, 0);
	log_free(&s->w.log);
}

static int page_error(struct scene *s)
{
	struct live_page page;

	return live_page(s->live, &page);
}

static bool page_has(struct scene *s, const char *text)
{
	struct live_page page;
	struct buf copy = {0};
	bool is_there;

	CHECK_EQ(live_page(s->live, &page), 0);
	buf_put(&copy, page.plain->bytes);
	is_there = strstr(buf_text(&copy), text) != NULL;
	buf_fini(&copy);
	return is_there;
}

static struct segment *find(struct scene *s, uint64_t number)
{
	const struct hls_name name = {5000, segment_form(), number};

	return live_find(s->live, &name);
}

TEST(a_playlist_is_there_when_its_first_segment_is_whole)
{
	struct scene s;

	scene_init(&s);
	begin(&s);
	put_segment(&s.w, 1);
	CHECK_EQ(page_error(&s), WEIR_EAGAIN);
	put_segment(&s.w, 2);
	CHECK_EQ(page_error(&s), 0);
	CHECK(page_has(&s, "/-/live/cam/5000-"));
	CHECK(find(&s, 1) && !find(&s, 2));
	CHECK(s.change_count > 0);
	finish(&s);
}

TEST(a_playlist_is_written_once_however_many_ask)
{
	struct scene s;

	scene_init(&s);
	begin(&s);
	for (uint64_t n = 1; n <= 4; n++)
		put_segment(&s.w, n);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(page_error(&s), 0);
	CHECK_EQ(s.room.stats.playlists_made, 1);
	finish(&s);
}

TEST(what_the_log_has_already_is_read)
{
	struct scene s;

	scene_init(&s);
	for (uint64_t n = 1; n <= 5; n++)
		put_segment(&s.w, n);
	begin(&s);
	CHECK_EQ(page_error(&s), 0);
	CHECK(find(&s, 1) && find(&s, 4));
	finish(&s);
}

TEST(an_old_playlist_is_not_shown)
{
	struct scene s;

	scene_init(&s);
	begin(&s);
	live_set_log(s.live, s.w.log);
	put_segment(&s.w, 1);
	CHECK_EQ(page_error(&s), WEIR_EAGAIN);
	put_segment(&s.w, 2);
	CHECK_EQ(page_error(&s), WEIR_EBUSY);
	live_set_current(s.live);
	CHECK_EQ(page_error(&s), 0);
	finish(&s);
}

TEST(on_demand_nothing_is_made_until_somebody_asks)
{
	struct scene s;

	scene_init(&s);
	s.room.is_on_demand = true;
	begin(&s);
	for (uint64_t n = 1; n <= 3; n++)
		put_segment(&s.w, n);
	CHECK_EQ(s.room.stats.segments, 0);
	CHECK(!live_is_wanted(s.live));
	live_touch(s.live);
	CHECK(live_is_wanted(s.live));
	CHECK_EQ(s.room.stats.segments, 2);
	CHECK_EQ(page_error(&s), 0);
	finish(&s);
}

TEST(on_demand_it_ends_when_nobody_asked_for_long)
{
	struct scene s;

	scene_init(&s);
	s.room.is_on_demand = true;
	begin(&s);
	live_touch(s.live);
	put_segment(&s.w, 1);
	put_segment(&s.w, 2);
	s.now_ms += 5000;
	(void)live_tick(s.live);
	put_segment(&s.w, 3);
	CHECK_EQ(s.room.stats.segments, 1);
	CHECK_EQ(page_error(&s), WEIR_EAGAIN);
	CHECK(find(&s, 1)); /* for who has the list still */
	live_touch(s.live);
	CHECK_EQ(page_error(&s), 0);
	finish(&s);
}

TEST(the_end_is_told_only_when_it_is_one)
{
	struct scene s;

	scene_init(&s);
	begin(&s);
	put_segment(&s.w, 1);
	put_segment(&s.w, 2);
	live_end(s.live, true);
	CHECK(page_has(&s, "#EXT-X-ENDLIST"));
	CHECK(find(&s, 2));
	CHECK(live_linger_ms(s.live) >= 4000);
	finish(&s);
	scene_init(&s);
	begin(&s);
	put_segment(&s.w, 1);
	put_segment(&s.w, 2);
	live_end(s.live, false);
	CHECK_EQ(page_error(&s), WEIR_EAGAIN);
	CHECK(find(&s, 1));
	finish(&s);
}

TEST(the_window_is_copied_before_it_is_shown)
{
	struct scene s;
	struct segment *older = segment_new();

	CHECK(older);
	scene_init(&s);
	s.has_siblings = true;
	begin(&s);
	put_segment(&s.w, 4);
	CHECK_EQ(s.missing_count, 1);
	put_segment(&s.w, 5);
	CHECK_EQ(page_error(&s), WEIR_EBUSY);
	older->incarnation = 5000;
	older->number = 3;
	older->target_ms = 1000;
	older->duration_us = 1000000;
	CHECK_EQ(blob_new(&older->body, SPAN_LIT("x")), 0);
	live_fill(s.live, older);
	live_copied(s.live);
	CHECK_EQ(page_error(&s), 0);
	CHECK(page_has(&s, "#EXT-X-MEDIA-SEQUENCE:3\n"));
	CHECK_EQ(s.missing_count, 1);
	finish(&s);
}

TEST(what_is_lacking_is_older_ones_and_gaps_of_our_form)
{
	struct scene s;
	struct hls_name name = {5000, segment_form(), 3};

	scene_init(&s);
	s.has_siblings = true;
	begin(&s);
	put_segment(&s.w, 4);
	CHECK(live_lacks(s.live, &name));
	name.form ^= 1;
	CHECK(!live_lacks(s.live, &name));
	name.form ^= 1;
	name.incarnation++;
	CHECK(!live_lacks(s.live, &name));
	name.incarnation--;
	name.number = 4;
	CHECK(!live_lacks(s.live, &name));
	put_segment(&s.w, 5);
	live_copied(s.live);
	put_picture(&s.w, false);
	live_gap(s.live);
	put_segment(&s.w, 6);
	name.number = 5;
	CHECK(live_is_asking(s.live));
	CHECK(live_lacks(s.live, &name));
	CHECK_EQ(s.missing_count, 2);
	live_copied(s.live);
	CHECK(!live_is_asking(s.live));
	CHECK(page_has(&s, "#EXT-X-GAP"));
	CHECK_EQ(s.room.stats.gaps, 1);
	finish(&s);
}

TEST(without_room_old_segments_go_and_then_new_ones_are_gaps)
{
	struct scene s;
	size_t one;

	scene_init(&s);
	begin(&s);
	for (uint64_t n = 1; n <= 6; n++)
		put_segment(&s.w, n);
	live_room_measure(&s.room);
	CHECK_EQ(s.room.stats.kept, 5); /* two of them not listed */
	one = segment_bytes(find(&s, 1));
	s.room.max_bytes = 5 * one + one / 2;
	put_segment(&s.w, 7);
	CHECK_EQ(s.room.stats.shed, 1);
	CHECK(!find(&s, 1) && find(&s, 2));
	CHECK_EQ(s.room.stats.refused, 0);
	s.room.max_bytes = one;
	put_segment(&s.w, 8);
	CHECK_EQ(s.room.stats.refused, 1);
	CHECK(!find(&s, 7)->body);
	CHECK(page_has(&s, "#EXT-X-GAP"));
	finish(&s);
}

static size_t bytes_of(struct scene *s, uint64_t number)
{
	const struct segment *x = find(s, number);

	return x ? segment_bytes(x) : 0;
}

TEST(the_room_knows_what_all_its_streams_hold)
{
	const uint64_t *bytes;
	struct live *other = NULL;
	struct scene s;
	uint64_t one;

	scene_init(&s);
	bytes = &s.room.stats.bytes;
	begin(&s);
	for (uint64_t n = 1; n <= 4; n++)
		put_segment(&s.w, n);
	one = *bytes;
	CHECK(one >= 3 * bytes_of(&s, 1) && bytes_of(&s, 1));
	if (!live_new(&other, &s.room, &cam, &events, &s)) {
		live_set_log(other, s.w.log);
		CHECK(*bytes > one + bytes_of(&s, 1));
		live_free(&other);
	}
	CHECK_EQ(*bytes, one);
	live_set_log(s.live, NULL); /* the open segment goes */
	one = *bytes;
	for (uint64_t n = 1; n <= 5; n++)
		one -= bytes_of(&s, n);
	CHECK_EQ(one, 0);
	finish(&s);
}

TEST(a_stream_that_ts_cannot_carry_is_told_so)
{
	static const uint8_t au[] = {0x0a, 0x01, 0x00};
	struct tracks tracks = {
		.count = 1,
		.track = {{.id = 1, .kind = FRAME_VIDEO, .codec = CODEC_AV1}},
	};
	struct buf b = {0};
	struct scene s;

	scene_init(&s);
	tracks_write(&b, &tracks);
	put_buf(&s.w, FRAME_TRACKS, &b);
	begin(&s);
	for (uint64_t n = 1; n <= 3; n++) {
		put_cut(&s.w, n, 1);
		put(&s.w,
		    (struct frame){.kind = FRAME_VIDEO,
				   .track = 1,
				   .flags = FRAME_JOIN},
		    SPAN(au));
		s.w.at_ms += 1000;
	}
	CHECK_EQ(page_error(&s), WEIR_EUNSUPPORTED);
	CHECK(s.room.stats.left_out >= 2);
	finish(&s);
}
