/* proto/hls/watch_test.c - a stream watched: a good story, and each rule of
 * playlists that can be broken.
 */
#include "proto/hls/watch_rig_test.h"

/* ---- The good story ---- */

TEST(nothing_is_said_of_a_good_stream)
{
	struct hls_watch_stats st;
	struct world x;

	set_up(&x, 1);
	x.part[4].said.is_discontinuity = true; /* the publisher returned */
	x.part[4].start_ms = x.part[5].start_ms = 900000;
	x.part[5].start_ms += SEGMENT_MS;
	x.part[6].said.is_discontinuity = true;
	for (unsigned i = 0; i < 6; i++) {
		pass(&x, SEGMENT_MS);
		x.pl.is_ended = i == 5;
		x.pl.discontinuity_sequence = i >= 5;
		show(&x, 0, FIRST + i, 4);
	}
	pass(&x, 60000); /* after its end it may rest */
	show(&x, 0, FIRST + 5, 4);
	check_said(&x, "");
	CHECK(hls_watch_is_ended(x.w, 0));
	CHECK_EQ(hls_watch_target_s(x.w, 0), 2);
	hls_watch_get_stats(x.w, 0, &st);
	CHECK_EQ(st.playlists, 7);
	CHECK_EQ(st.changes, 6);
	CHECK_EQ(st.segments, 9);
	CHECK_EQ(st.fetched, 9);
	CHECK(st.removed_fetched > 0);
	CHECK_EQ(st.complaints, 0);
	tear_down(&x);
}

TEST(equal_replicas_are_compared_and_nothing_is_said)
{
	struct hls_watch_stats st;
	struct world x;

	set_up(&x, 2);
	for (unsigned i = 0; i < 2; i++) {
		pass(&x, SEGMENT_MS);
		show(&x, 0, FIRST + i, 4);
		show(&x, 1, FIRST + i + 1, 3); /* its window may differ */
	}
	check_said(&x, "");
	hls_watch_get_stats(x.w, 1, &st);
	CHECK_EQ(st.fetched, 4);
	CHECK_EQ(st.compared, 4);
	hls_watch_get_stats(x.w, 0, &st);
	CHECK_EQ(st.compared, 0); /* it was the first to show them */
	tear_down(&x);
}

TEST(gaps_are_not_fetched_and_times_go_on_behind_them)
{
	struct hls_watch_stats st;
	struct world x;

	set_up(&x, 1);
	x.part[1].said.is_gap = true;
	show(&x, 0, FIRST, 4);
	check_said(&x, "");
	hls_watch_get_stats(x.w, 0, &st);
	CHECK_EQ(st.segments, 4);
	CHECK_EQ(st.gaps, 1);
	CHECK_EQ(st.fetched, 3);
	tear_down(&x);
}

TEST(each_segment_is_wanted_once_and_once_more_when_it_was_removed)
{
	struct hls_want want;
	struct world x;

	set_up(&x, 1);
	show(&x, 0, FIRST, 4);
	CHECK(!hls_watch_want(x.w, 0, x.now_ms, &want));
	pass(&x, SEGMENT_MS);
	show(&x, 0, FIRST + 1, 4);
	/* Listed last at 50 s, it has to stay for 2 + 8 s from then on. */
	CHECK(!hls_watch_want(x.w, 0, 57499, &want));
	CHECK(hls_watch_want(x.w, 0, 57500, &want));
	CHECK_EQ(want.sequence, FIRST);
	CHECK(want.is_removed);
	CHECK_SPAN(want.uri, x.part[0].said.uri);
	CHECK(!hls_watch_want(x.w, 0, 57501, &want));
	tear_down(&x);
}

/* ---- Numbers ---- */

TEST(media_sequence_may_not_go_back)
{
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	show(&x, 0, FIRST + 1, 4);
	show(&x, 0, FIRST, 4);
	check_said(&x,
		   "media-sequence: EXT-X-MEDIA-SEQUENCE went back from "
		   "101 to 100\n");
	tear_down(&x);
}

TEST(media_sequence_grows_by_exactly_the_removed_segments)
{
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	show(&x, 0, FIRST, 4);
	x.pl.media_sequence = 1; /* one more than was removed */
	show(&x, 0, FIRST + 1, 4);
	check_said(&x,
		   "media-sequence: 1-2-101.ts had number 101 and has 102 "
		   "now\n"
		   "media-sequence: 1-2-102.ts had number 102 and has 103 "
		   "now\n"
		   "media-sequence: 1-2-103.ts had number 103 and has 104 "
		   "now\n"
		   "changed-lines: number 102 was 1-2-102.ts and is now "
		   "1-2-101.ts\n");
	tear_down(&x);
}

TEST(no_number_is_passed_over_while_one_watches)
{
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	show(&x, 0, FIRST, 3);
	pass(&x, 2000);
	show(&x, 0, FIRST + 5, 3);
	check_said(&x,
		   "media-sequence: numbers 103 to 104 were never listed\n");
	pass(&x, 20000); /* nobody looked for longer than the playlist */
	buf_clear(&x.said);
	show(&x, 0, FIRST + 9, 3);
	check_said(&x,
		   "note media-sequence: numbers 108 to 108 were not "
		   "seen: the playlist was away too long\n");
	tear_down(&x);
}

TEST(a_number_keeps_its_segment)
{
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	show(&x, 0, FIRST, 4);
	x.part[2].uri[10] = '9';
	show(&x, 0, FIRST, 4);
	check_said(&x,
		   "changed-lines: number 102 was 1-2-102.ts and is now "
		   "9-2-102.ts\n");
	tear_down(&x);
}

TEST(nothing_is_taken_from_the_end)
{
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	show(&x, 0, FIRST, 4);
	show(&x, 0, FIRST, 3);
	check_said(&x,
		   "changed-lines: number 103 (1-2-103.ts) was taken from "
		   "the end of the playlist\n");
	tear_down(&x);
}

TEST(lines_of_a_segment_do_not_change)
{
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	show(&x, 0, FIRST, 4);
	x.part[0].said.duration_us++;
	x.part[1].said.utc_ms++;
	x.part[2].said.is_gap = true;
	x.part[3].said.is_discontinuity = true;
	show(&x, 0, FIRST, 4);
	check_said(&x,
		   "changed-lines: 1-2-100.ts: EXTINF is not what it was\n"
		   "changed-lines: 1-2-101.ts: EXT-X-PROGRAM-DATE-TIME is not "
		   "what it was\n"
		   "changed-lines: 1-2-102.ts: EXT-X-GAP is not what it was\n"
		   "changed-lines: 1-2-103.ts: EXT-X-DISCONTINUITY is not what "
		   "it was\n");
	tear_down(&x);
}

TEST(discontinuity_sequence_grows_with_each_removed_discontinuity)
{
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	x.part[0].said.is_discontinuity = true;
	show(&x, 0, FIRST, 4);
	show(&x, 0, FIRST + 1, 4);
	check_said(&x,
		   "changed-lines: 1-2-101.ts: the discontinuity number is not "
		   "what it was\n"
		   "changed-lines: 1-2-102.ts: the discontinuity number is not "
		   "what it was\n"
		   "changed-lines: 1-2-103.ts: the discontinuity number is not "
		   "what it was\n"
		   "discontinuity-sequence: EXT-X-DISCONTINUITY-SEQUENCE is 0, "
		   "but with 1 segments removed it has to be 1\n");
	tear_down(&x);
}

TEST(discontinuity_sequence_does_not_grow_by_itself)
{
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	show(&x, 0, FIRST, 4);
	x.pl.discontinuity_sequence = 1;
	show(&x, 0, FIRST + 4, 4);
	check_said(&x,
		   "discontinuity-sequence: EXT-X-DISCONTINUITY-SEQUENCE is 1, "
		   "but with 4 segments removed it has to be 0\n");
	tear_down(&x);
}

/* ---- Durations and dates ---- */

TEST(the_target_duration_never_shrinks_and_growing_is_noted)
{
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	show(&x, 0, FIRST, 6);
	x.pl.target_duration_s = 3;
	show(&x, 0, FIRST, 7);
	check_said(&x,
		   "note target-duration: the target duration grew from "
		   "2 s to 3 s\n");
	buf_clear(&x.said);
	x.pl.target_duration_s = 2;
	show(&x, 0, FIRST, 8);
	check_said(&x,
		   "target-duration: the target duration shrank from 3 s "
		   "to 2 s\n");
	tear_down(&x);
}

TEST(no_segment_is_longer_than_the_target_duration)
{
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	x.part[1].said.duration_us = 2499999;
	x.part[2].said.duration_us = 2500000;
	for (int i = 0; i < SEGMENTS; i++)
		x.part[i].said.utc_ms = HLS_NO_DATE;
	show(&x, 0, FIRST, 4);
	check_said(&x,
		   "target-duration: 1-2-102.ts lasts 2.500 s, the target "
		   "duration is 2 s\n");
	tear_down(&x);
}

TEST(three_target_durations_stay_listed)
{
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	show(&x, 0, FIRST, 2); /* at first there is no more */
	show(&x, 0, FIRST, 4);
	show(&x, 0, FIRST + 1, 3);
	check_said(&x, "");
	show(&x, 0, FIRST + 2, 2);
	check_said(&x,
		   "three-targets: segments were removed, though only "
		   "4.000 s are left: less than three target durations, "
		   "6 s\n");
	tear_down(&x);
}

TEST(dates_follow_from_the_ones_before)
{
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	x.part[1].said.utc_ms += 150; /* within what is tolerated */
	x.part[3].said.utc_ms -= 151;
	x.part[4].said.is_discontinuity = true; /* here it may jump, */
	for (int i = 4; i < SEGMENTS; i++)
		x.part[i].said.utc_ms += 70000;
	x.part[6].said.is_discontinuity = true; /* but not back */
	x.part[6].said.utc_ms -= 80000;
	show(&x, 0, FIRST, 7);
	check_said(&x,
		   "program-date-time: 1-2-103.ts: the date lies -151 ms "
		   "beside the one before and its EXTINF\n"
		   "program-date-time: 1-2-106.ts: the date goes back by "
		   "78000 ms\n");
	tear_down(&x);
}

TEST(a_date_may_be_missing)
{
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	x.part[1].said.utc_ms = HLS_NO_DATE;
	show(&x, 0, FIRST, 4);
	check_said(&x, "");
	tear_down(&x);
}

/* ---- Time ---- */

TEST(a_new_segment_comes_within_one_and_a_half_target_durations)
{
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	show(&x, 0, FIRST, 4);
	pass(&x, 4000); /* 3 s and what caches may add */
	show(&x, 0, FIRST, 4);
	check_said(&x, "");
	pass(&x, 1);
	show(&x, 0, FIRST, 4);
	pass(&x, 5000);
	show(&x, 0, FIRST, 4); /* told once */
	check_said(&x,
		   "late: no new segment for 4.0 s, the target duration "
		   "is 2 s\n");
	show(&x, 0, FIRST, 5);
	pass(&x, 4500);
	show(&x, 0, FIRST, 5);
	CHECK_STR(buf_text(&x.said),
		  "late: no new segment for 4.0 s, the target duration is 2 "
		  "s\nlate: no new segment for 4.5 s, the target duration is "
		  "2 s\n");
	tear_down(&x);
}

TEST(a_request_that_waited_long_is_no_proof_of_lateness)
{
	struct hls_answer a;
	struct buf text = {0};
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	buf_printf(&text, "#EXTM3U\n#EXT-X-TARGETDURATION:2\n");
	CHECK_EQ(buf_error(&text), 0);
	a = right_answer(&x, buf_span(&text));
	answer(&x, 0, &a);
	pass(&x, 9000); /* asked at 51 s */
	a.asked_ms += 1000;
	answer(&x, 0, &a);
	check_said(&x, "");
	buf_fini(&text);
	tear_down(&x);
}

TEST(nothing_changes_after_the_end)
{
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	x.pl.is_ended = true;
	show(&x, 0, FIRST, 4);
	show(&x, 0, FIRST, 4);
	check_said(&x, "");
	show(&x, 0, FIRST, 5);
	check_said(&x, "after-end: the playlist changed after EXT-X-ENDLIST\n");
	tear_down(&x);
}

TEST(removed_segments_stay_for_a_while)
{
	struct world x;

	set_up(&x, 1);
	show(&x, 0, FIRST, 4);
	pass(&x, SEGMENT_MS);
	show(&x, 0, FIRST + 1, 4);
	x.part_status = 404;
	x.part_cache = "no-store";
	x.now_ms = 58000;
	CHECK_EQ(fetch_all(&x, 0), 1);
	check_said(&x,
		   "removed-too-early: 1-2-100.ts was removed from the "
		   "playlist and is answered with 404 2.0 s too early\n");
	tear_down(&x);
}

TEST(segments_of_one_viewer_are_private)
{
	struct world x;

	set_up(&x, 1);
	x.part_cache = "private, max-age=3600, immutable";
	show(&x, 0, FIRST, 1);
	check_said(&x, "");
	tear_down(&x);
}

TEST(a_listed_segment_has_to_be_there)
{
	struct world x;

	set_up(&x, 1);
	x.part_status = 404;
	x.part_cache = "max-age=3600";
	show(&x, 0, FIRST, 1);
	check_said(&x,
		   "cache-control: the 404 for a segment has Cache-Control "
		   "\"max-age=3600\", not \"no-store\"\n"
		   "answer: 1-2-100.ts is listed and answered with 404\n");
	tear_down(&x);
}

/* ---- Answers ---- */

TEST(playlists_have_their_headers)
{
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	x.type = "Application/VND.apple.mpegurl; charset=utf-8";
	x.cache = "public,MAX-AGE=1 , stale-while-revalidate=5";
	show(&x, 0, FIRST, 1);
	check_said(&x, "");
	x.type = "text/plain";
	x.cache = "max-age=10";
	show(&x, 0, FIRST, 1);
	show(&x, 0, FIRST, 1);
	check_said(&x,
		   "mime-type: the playlist has Content-Type \"text/plain\", "
		   "not application/vnd.apple.mpegurl\n"
		   "cache-control: the playlist has Cache-Control "
		   "\"max-age=10\", not \"max-age=1\"\n");
	tear_down(&x);
}

TEST(a_playlist_that_is_not_there_or_broken_is_said)
{
	struct hls_watch_stats st;
	struct hls_answer a;
	struct world x;

	set_up(&x, 1);
	a = right_answer(&x, SPAN_LIT("#EXTM3U\n#EXTINF:x,\n"));
	answer(&x, 0, &a);
	a.status = 404;
	answer(&x, 0, &a);
	a.status = 0;
	answer(&x, 0, &a);
	answer(&x, 0, &a);
	check_said(&x,
		   "syntax: line 2: EXTINF is not a number of seconds\n"
		   "cache-control: the 404 for the playlist has Cache-Control "
		   "\"max-age=1\", not \"no-store\"\n"
		   "answer: the playlist is answered with 404\n"
		   "answer: there is no answer for the playlist\n");
	hls_watch_get_stats(x.w, 0, &st);
	CHECK_EQ(st.complaints, 4);
	tear_down(&x);
}

TEST(an_absent_replica_may_be_tolerated_while_another_answers)
{
	const struct hls_watch_options o = {.replica_count = 2,
					    .may_be_absent = true};
	struct hls_answer none = {0};
	struct world x;

	set_up(&x, 2);
	hls_watch_free(&x.w);
	CHECK_EQ(hls_watch_new(&x.w, &o, on_complaint, &x), 0);
	show(&x, 0, FIRST, 4);
	show(&x, 1, FIRST, 4);
	pass(&x, SEGMENT_MS);
	show(&x, 0, FIRST + 1, 4);
	none.asked_ms = x.now_ms;
	answer(&x, 1, &none);
	check_said(&x, "");
	pass(&x, 3 * SEGMENT_MS); /* the window was passed over meanwhile */
	show(&x, 0, FIRST + 4, 4);
	show(&x, 1, FIRST + 4, 4);
	check_said(&x, "");
	answer(&x, 1, &none);
	answer(&x, 0, &none); /* now nobody answers */
	check_said(&x, "answer: there is no answer for the playlist\n");
	tear_down(&x);
}

TEST(a_master_playlist_is_handed_back)
{
	struct hls_answer a;
	struct world x;

	set_up(&x, 1);
	a = right_answer(&x, SPAN_LIT("#EXTM3U\n"
				      "#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n"));
	CHECK_EQ(hls_watch_playlist(x.w, 0, x.now_ms, &a), WEIR_EUNSUPPORTED);
	check_said(&x, "");
	tear_down(&x);
}

TEST(what_cannot_be_checked_is_said)
{
	struct hls_answer a;
	struct world x;

	set_up(&x, 1);
	a = right_answer(&x, SPAN_LIT("#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
				      "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n"
				      "#EXT-X-MAP:URI=\"i.mp4\"\n"));
	answer(&x, 0, &a);
	check_said(&x,
		   "not-checked: the segments are encrypted\n"
		   "not-checked: the segments are fragments of MP4\n");
	tear_down(&x);
}

TEST(between_none_and_four_replicas_can_be_watched)
{
	struct hls_watch_options o = {.replica_count = 0};
	struct hls_watch *w = NULL;

	CHECK_EQ(hls_watch_new(&w, &o, on_complaint, NULL), WEIR_EINVAL);
	o.replica_count = HLS_REPLICAS_MAX + 1;
	CHECK_EQ(hls_watch_new(&w, &o, on_complaint, NULL), WEIR_EINVAL);
	hls_watch_free(&w);
	CHECK_STR(hls_rule_section(HLS_RULE_SEQUENCE), "RFC 8216 4.3.3.2");
}
