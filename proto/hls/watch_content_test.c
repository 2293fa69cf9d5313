/* proto/hls/watch_content_test.c - a stream watched: what is in its segments,
 * and replicas that differ.
 */
#include "proto/hls/watch_rig_test.h"

/* ---- Content ---- */

TEST(what_extinf_says_is_held_against_the_content)
{
	struct world x;

	set_up(&x, 1);
	x.part[1].length_ms = 1800; /* a frame less */
	x.part[3].length_ms = 1400;
	show(&x, 0, FIRST, 4);
	check_said(&x,
		   "duration: 1-2-103.ts: EXTINF is 2.000 s, the content "
		   "lasts 1.400 s\n");
	tear_down(&x);
}

TEST(times_go_on_from_segment_to_segment)
{
	struct world x;

	set_up(&x, 1);
	x.part[2].start_ms += 700;
	for (int i = 3; i < SEGMENTS; i++)
		x.part[i].start_ms -= 300;
	show(&x, 0, FIRST, 4);
	check_said(&x,
		   "time-stamps: 1-2-102.ts: times of PID 256 jump by 0.900 s "
		   "without EXT-X-DISCONTINUITY\n"
		   "duration: 1-2-102.ts begins +0.700 s beside the end that "
		   "EXTINF gives 1-2-101.ts\n"
		   "time-stamps: 1-2-103.ts: times of PID 256 go back by "
		   "0.800 s\n"
		   "duration: 1-2-103.ts begins -1.000 s beside the end that "
		   "EXTINF gives 1-2-102.ts\n");
	tear_down(&x);
}

TEST(times_may_pass_33_bits)
{
	struct world x;

	set_up(&x, 1);
	for (int i = 0; i < SEGMENTS; i++) /* 2^33 / 90 ms, less the margin */
		x.part[i].start_ms += 95443717 - 700 - SEGMENT_MS - 1000;
	show(&x, 0, FIRST, 4);
	check_said(&x, "");
	tear_down(&x);
}

TEST(other_tracks_need_a_discontinuity)
{
	struct world x;

	set_up(&x, 1);
	x.part[1].has_sound = x.part[2].has_sound = true;
	x.part[2].said.is_discontinuity = x.part[3].said.is_discontinuity =
		true;
	show(&x, 0, FIRST, 4);
	check_said(&x,
		   "tracks: 1-2-101.ts has other tracks than the one "
		   "before, without EXT-X-DISCONTINUITY\n");
	tear_down(&x);
}

TEST(independent_segments_begin_with_a_key_frame)
{
	struct world x;

	set_up(&x, 1);
	x.part[1].has_no_key = true;
	show(&x, 0, FIRST, 2);
	check_said(&x,
		   "key-frame: 1-2-101.ts does not begin with a key "
		   "frame\n");
	tear_down(&x);
	set_up(&x, 1);
	x.pl.is_independent = false;
	x.part[1].has_no_key = true;
	show(&x, 0, FIRST, 2);
	check_said(&x, "");
	tear_down(&x);
}

TEST(segments_begin_with_their_tables)
{
	struct world x;

	set_up(&x, 1);
	x.part[0].has_no_tables = true;
	show(&x, 0, FIRST, 1);
	CHECK(strstr(buf_text(&x.said),
		     "tables: 1-2-100.ts does not begin with PAT and PMT\n"));
	tear_down(&x);
}

TEST(what_is_no_transport_stream_is_said)
{
	struct hls_want want;
	struct hls_answer a;
	struct world x;

	set_up(&x, 1);
	x.is_lazy = true;
	show(&x, 0, FIRST, 1);
	CHECK(hls_watch_want(x.w, 0, x.now_ms, &want));
	a = right_answer(&x, SPAN_LIT("<html>not here</html>"));
	a.content_type = SPAN_LIT("text/html");
	CHECK_EQ(hls_watch_segment(x.w, 0, x.now_ms, want.uri, &a), 0);
	CHECK(strstr(buf_text(&x.said), "transport-stream: 1-2-100.ts: "));
	CHECK(strstr(buf_text(&x.said),
		     "mime-type: a segment has Content-Type \"text/html\", not "
		     "video/mp2t\n"));
	CHECK(strstr(buf_text(&x.said), "cache-control: a segment has "));
	tear_down(&x);
}

/* ---- Replicas ---- */

TEST(equal_names_have_equal_bytes)
{
	struct world x;

	set_up(&x, 2);
	show(&x, 0, FIRST, 2);
	x.part[1].salt = 77;
	show(&x, 1, FIRST, 2);
	check_said(&x,
		   "equal-bytes: 1-2-101.ts has 10528 bytes here, and other "
		   "10528 bytes on replica 1\n");
	tear_down(&x);
}

TEST(a_segment_never_changes)
{
	struct world x;

	set_up(&x, 1);
	show(&x, 0, FIRST, 4);
	pass(&x, SEGMENT_MS);
	show(&x, 0, FIRST + 1, 4);
	x.part[0].salt = 77;
	x.now_ms = 58000;
	CHECK_EQ(fetch_all(&x, 0), 1);
	check_said(&x, "equal-bytes: 1-2-100.ts has other bytes than before\n");
	tear_down(&x);
}

TEST(equal_names_have_equal_lines)
{
	struct world x;

	set_up(&x, 2);
	x.is_lazy = true;
	show(&x, 0, FIRST, 4);
	x.part[0].said.duration_us++;
	x.part[1].said.utc_ms++;
	x.part[2].uri[10] = '9';
	x.part[3].said.is_discontinuity = true;
	show(&x, 1, FIRST, 4);
	check_said(
		&x,
		"equal-lines: 1-2-100.ts: EXTINF is not what replica 1 has\n"
		"equal-lines: 1-2-101.ts: EXT-X-PROGRAM-DATE-TIME is not what "
		"replica 1 has\n"
		"equal-lines: number 102 is 9-2-102.ts here and 1-2-102.ts on "
		"replica 1\n"
		"equal-lines: 1-2-103.ts: EXT-X-DISCONTINUITY is not what "
		"replica 1 has\n");
	tear_down(&x);
}

TEST(replicas_agree_about_discontinuity_numbers)
{
	struct world x;

	set_up(&x, 2);
	x.is_lazy = true;
	show(&x, 0, FIRST, 1);
	x.pl.discontinuity_sequence = 3;
	show(&x, 1, FIRST, 1);
	check_said(&x,
		   "equal-lines: 1-2-100.ts: the discontinuity number is "
		   "not what replica 1 has\n");
	tear_down(&x);
}
