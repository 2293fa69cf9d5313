/* services/packager/window_test.c */
#include "services/packager/window.h"

#include <stdio.h>

#include "common/test/check.h"

#define SECOND INT64_C(1000000) /* us */

struct scene {
	struct window w;
	uint64_t bytes;
	int64_t now_ms;
	struct buf text;
};

static void scene_init(struct scene *s, uint32_t list_count)
{
	*s = (struct scene){.now_ms = 1000};
	window_init(&s->w, list_count, &s->bytes);
}

static void finish(struct scene *s)
{
	window_fini(&s->w);
	CHECK_EQ(s->bytes, 0);
	CHECK_EQ(s->w.count, 0);
	buf_fini(&s->text);
}

/* A segment of `seconds`; NULL when a starved test finds no memory. */
static struct segment *make(uint64_t number, int64_t seconds, const char *body)
{
	struct segment *s = segment_new();

	CHECK(s);
	s->incarnation = 1000;
	s->number = number;
	s->discontinuity = 7;
	s->duration_us = seconds * SECOND;
	s->utc_ms = 1764796800000 + (int64_t)number * 1000;
	s->target_ms = (uint32_t)seconds * 1000;
	if (body && blob_new(&s->body, span_str(body)))
		segment_free(&s);
	CHECK(s);
	return s;
}

static void add(struct scene *s, uint64_t number, int64_t seconds)
{
	window_take(&s->w, make(number, seconds, "ts"), s->now_ms);
}

static const char *playlist(struct scene *s)
{
	buf_clear(&s->text);
	CHECK_EQ(window_write(&s->w, &s->text, SPAN_LIT("/-/a/b/")), 0);
	return buf_text(&s->text);
}

static bool has(struct scene *s, uint64_t number)
{
	const struct hls_name name = {1000, segment_form(), number};

	return window_find(&s->w, &name) != NULL;
}

static uint64_t first_listed(struct scene *s)
{
	return window_oldest(&s->w)->number;
}

static size_t listed(struct scene *s)
{
	int64_t shown_us;

	return window_listed(&s->w, &shown_us);
}

TEST(an_empty_window_has_no_playlist)
{
	struct scene s;

	scene_init(&s, 6);
	CHECK_EQ(window_write(&s.w, &s.text, SPAN_LIT("/")), WEIR_ENOENT);
	finish(&s);
}

TEST(a_playlist_says_all_that_rfc_8216_asks_for)
{
	struct scene s;
	char want[512];

	scene_init(&s, 6);
	add(&s, 41, 2);
	add(&s, 42, 3);
	snprintf(want, sizeof(want),
		 "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n"
		 "#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:41\n"
		 "#EXT-X-DISCONTINUITY-SEQUENCE:7\n"
		 "#EXT-X-PROGRAM-DATE-TIME:2025-12-03T21:20:41.000Z\n"
		 "#EXTINF:2.000000,\n/-/a/b/1000-%08x-41.ts\n"
		 "#EXT-X-PROGRAM-DATE-TIME:2025-12-03T21:20:42.000Z\n"
		 "#EXTINF:3.000000,\n/-/a/b/1000-%08x-42.ts\n",
		 segment_form(), segment_form());
	CHECK_STR(playlist(&s), want);
	finish(&s);
}

TEST(as_many_are_listed_as_was_set)
{
	struct scene s;

	scene_init(&s, 6);
	for (uint64_t n = 1; n <= 10; n++)
		add(&s, n, 3);
	CHECK_EQ(listed(&s), 6);
	CHECK_EQ(first_listed(&s), 5);
	finish(&s);
}

TEST(never_less_than_three_target_durations_once_they_exist)
{
	struct scene s;
	int64_t shown_us;

	scene_init(&s, 2);
	add(&s, 1, 10);
	for (uint64_t n = 2; n <= 60; n++) {
		struct segment *next = make(n, 1, "ts");

		next->target_ms = 10000; /* the longest so far */
		window_take(&s.w, next, s.now_ms);
		CHECK(window_listed(&s.w, &shown_us) == n ||
		      shown_us >= 30 * SECOND);
	}
	CHECK_EQ(listed(&s), 30);
	finish(&s);
}

TEST(what_left_the_list_is_kept_for_its_time)
{
	struct scene s;

	scene_init(&s, 3);
	for (uint64_t n = 1; n <= 3; n++)
		add(&s, n, 2);
	s.now_ms = 50000;
	add(&s, 4, 2); /* 1 leaves */
	CHECK_EQ(first_listed(&s), 2);
	/* its own 2 s, the 6 s of the longest playlist, and caches */
	CHECK_EQ(window_tick(&s.w, s.now_ms), 50000 + 8000 + WINDOW_SPARE_MS);
	(void)window_tick(&s.w, 50000 + 8000 + WINDOW_SPARE_MS - 1);
	CHECK(has(&s, 1));
	CHECK_EQ(window_tick(&s.w, 50000 + 8000 + WINDOW_SPARE_MS), INT64_MAX);
	CHECK(!has(&s, 1));
	CHECK(has(&s, 2));
	finish(&s);
}

TEST(names_of_another_form_or_incarnation_are_not_found)
{
	struct scene s;
	struct hls_name name = {1000, segment_form(), 1};

	scene_init(&s, 3);
	add(&s, 1, 2);
	CHECK(window_find(&s.w, &name));
	name.form++;
	CHECK(!window_find(&s.w, &name));
	name.form--;
	name.incarnation++;
	CHECK(!window_find(&s.w, &name));
	finish(&s);
}

TEST(another_discontinuity_number_is_marked_where_it_begins)
{
	struct scene s;
	struct segment *other = make(2, 1, "ts");

	scene_init(&s, 6);
	add(&s, 1, 1);
	other->discontinuity = 8;
	other->is_marked = true;
	window_take(&s.w, other, s.now_ms);
	CHECK(strstr(playlist(&s), "DISCONTINUITY-SEQUENCE:7\n"));
	CHECK(strstr(playlist(&s), "-1.ts\n#EXT-X-DISCONTINUITY\n"));
	finish(&s);
}

TEST(the_mark_goes_into_the_sequence_when_its_segment_leaves)
{
	struct scene s;

	scene_init(&s, 3);
	add(&s, 1, 1);
	for (uint64_t n = 2; n <= 5; n++) {
		struct segment *other = make(n, 1, "ts");

		other->discontinuity = 8;
		other->is_marked = n == 2;
		window_take(&s.w, other, s.now_ms);
		if (n != 4)
			continue;
		CHECK(strstr(playlist(&s), "DISCONTINUITY-SEQUENCE:7\n"));
		CHECK(strstr(playlist(&s), "#EXT-X-DISCONTINUITY\n"));
	}
	CHECK(strstr(playlist(&s), "DISCONTINUITY-SEQUENCE:8\n"));
	CHECK(!strstr(playlist(&s), "#EXT-X-DISCONTINUITY\n"));
	finish(&s);
}

TEST(the_end_is_said_and_taken_back_when_it_goes_on)
{
	struct scene s;

	scene_init(&s, 3);
	add(&s, 1, 1);
	CHECK(!strstr(playlist(&s), "ENDLIST"));
	window_end(&s.w);
	CHECK(strstr(playlist(&s), "#EXT-X-ENDLIST\n"));
	add(&s, 2, 1);
	CHECK(!strstr(playlist(&s), "ENDLIST"));
	finish(&s);
}

TEST(a_number_that_is_missing_begins_a_new_list)
{
	struct scene s;

	scene_init(&s, 6);
	add(&s, 1, 1);
	add(&s, 2, 1);
	add(&s, 9, 1);
	CHECK_EQ(listed(&s), 1);
	CHECK(has(&s, 1) && has(&s, 2));
	finish(&s);
}

TEST(another_incarnation_begins_a_new_list)
{
	struct scene s;
	struct segment *other = make(2, 1, "ts");

	scene_init(&s, 6);
	add(&s, 1, 1);
	other->incarnation++;
	window_take(&s.w, other, s.now_ms);
	CHECK_EQ(listed(&s), 1);
	CHECK(has(&s, 1));
	finish(&s);
}

TEST(a_gap_is_listed_as_one)
{
	struct scene s;

	scene_init(&s, 6);
	add(&s, 1, 1);
	window_take(&s.w, make(2, 1, NULL), s.now_ms);
	CHECK(strstr(playlist(&s), "#EXT-X-GAP\n"));
	CHECK(strstr(playlist(&s), "#EXT-X-VERSION:8\n"));
	finish(&s);
}

TEST(nothing_is_listed_behind_a_gap_that_may_be_filled)
{
	struct scene s;
	struct segment *gap = make(2, 1, NULL);
	const struct hls_name open = {1000, segment_form(), 4};

	scene_init(&s, 6);
	add(&s, 1, 1);
	gap->is_asked = true;
	window_take(&s.w, gap, s.now_ms);
	add(&s, 3, 1);
	CHECK_EQ(listed(&s), 1);
	CHECK_EQ(window_asked(&s.w)->number, 2);
	CHECK(window_fill(&s.w, make(2, 1, "copied"), &open));
	CHECK(!window_asked(&s.w));
	CHECK_EQ(listed(&s), 3);
	CHECK(!strstr(playlist(&s), "GAP"));
	finish(&s);
}

TEST(a_gap_that_nobody_fills_is_one_in_the_end)
{
	struct scene s;
	struct segment *gap = make(2, 1, NULL);

	scene_init(&s, 6);
	add(&s, 1, 1);
	gap->is_asked = true;
	window_take(&s.w, gap, s.now_ms);
	add(&s, 3, 1);
	window_give_up(&s.w, s.now_ms);
	CHECK_EQ(listed(&s), 3);
	CHECK(strstr(playlist(&s), "#EXT-X-GAP\n"));
	finish(&s);
}

TEST(older_ones_of_a_sibling_go_in_front_without_a_hole)
{
	struct scene s;
	const struct hls_name open = {1000, segment_form(), 6};

	scene_init(&s, 6);
	CHECK(!window_fill(&s.w, make(4, 1, "x"), &open));
	CHECK(window_fill(&s.w, make(5, 1, "x"), &open));
	add(&s, 6, 1);
	CHECK(!window_fill(&s.w, make(3, 1, "x"), &open));
	CHECK(window_fill(&s.w, make(4, 1, "x"), &open));
	CHECK(!window_fill(&s.w, make(4, 1, "x"), &open));
	CHECK_EQ(listed(&s), 3);
	CHECK_EQ(first_listed(&s), 4);
	finish(&s);
}

TEST(what_a_sibling_lists_no_more_is_kept_like_our_own)
{
	struct scene s;
	uint64_t lowest = 99;

	scene_init(&s, 3);
	CHECK(!window_lowest(&s.w, 1000, &lowest));
	add(&s, 6, 2);
	CHECK(window_lowest(&s.w, 1000, &lowest));
	CHECK_EQ(lowest, 6);
	window_keep(&s.w, make(5, 2, "x"), s.now_ms);
	CHECK(has(&s, 5));
	CHECK_EQ(listed(&s), 1);
	CHECK(window_lowest(&s.w, 1000, &lowest));
	CHECK_EQ(lowest, 5);
	CHECK(!window_lowest(&s.w, 1001, &lowest));
	(void)window_tick(&s.w, s.now_ms + 4000 + WINDOW_SPARE_MS);
	CHECK(!has(&s, 5));
	finish(&s);
}

TEST(what_must_go_early_goes_oldest_first_and_only_from_behind_the_list)
{
	struct scene s;

	scene_init(&s, 3);
	for (uint64_t n = 1; n <= 5; n++)
		add(&s, n, 1);
	CHECK(window_shed(&s.w));
	CHECK(!has(&s, 1) && has(&s, 2));
	CHECK(window_shed(&s.w));
	CHECK(!window_shed(&s.w));
	CHECK_EQ(listed(&s), 3);
	finish(&s);
}

TEST(without_memory_a_playlist_is_refused_and_nothing_is_lost)
{
	struct window w;
	uint64_t bytes = 0;
	struct buf out = {0};
	struct segment *s = segment_new();
	int err;

	window_init(&w, 3, &bytes);
	if (s) {
		s->number = 1;
		window_take(&w, s, 0);
	}
	err = window_write(&w, &out, SPAN_LIT("/-/a/b/"));
	buf_fini(&out);
	window_fini(&w);
	CHECK_EQ(err, 0);
}
