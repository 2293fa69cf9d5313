/* proto/hls/watch_test.c - a stream watched: a good story, and each rule that
 * can be broken. */
#include "proto/hls/watch.h"

#include <stdio.h>

#include "common/test/check.h"
#include "proto/ts/mux.h"

#define MS           NS_PER_MS
#define START_UTC    INT64_C(1795382189123)
#define FIRST        100 /* media sequence */
#define SEGMENTS     12
#define SEGMENT_MS   2000
#define FRAME_MS     200
#define OK_CACHE     "public, max-age=3600, immutable"
#define PLAYLIST_URI "/-/live/a/"

/* ---- Segments ---- */

static const uint8_t avcc[] = {1, 0x42, 0, 30, 0xff, 0xe1, 0,   4, 0x67, 0x42,
			       0, 0x1e, 1, 0,  2,    0x68, 0xce};
static const uint8_t asc[] = {0x12, 0x10};
static const uint8_t idr[] = {0, 0, 0, 4, 0x65, 1, 2, 3};
static const uint8_t slice[] = {0, 0, 0, 3, 0x41, 4, 5};
static const uint8_t sound[] = {0x21, 9, 8, 7};

/* What a segment says of itself, and what is in it. */
struct part {
	char uri[40];
	struct hls_segment said;
	int64_t start_ms; /* of its content */
	int64_t length_ms;
	bool has_sound;
	bool has_no_key;
	bool has_no_tables;
	uint8_t salt; /* another one makes other bytes */
};

struct world {
	struct hls_watch *w;
	struct buf said;
	int64_t now_ms;
	struct part part[SEGMENTS];
	struct hls_playlist pl;   /* segment is filled in by show() */
	const char *type, *cache; /* headers; NULL: the right ones */
	const char *part_type, *part_cache;
	unsigned part_status; /* 0: 200 */
	bool is_lazy;         /* nothing is fetched */
};

static void on_complaint(void *ctx, const struct hls_complaint *c)
{
	struct world *x = ctx;

	buf_printf(&x->said, "%s%s: %s\n", c->is_note ? "note " : "",
		   hls_rule_name(c->rule), c->words);
}

static void set_up(struct world *x, unsigned replicas)
{
	const struct hls_watch_options o = {.replica_count = replicas};

	*x = (struct world){.now_ms = 50000};
	CHECK_EQ(hls_watch_new(&x->w, &o, on_complaint, x), 0);
	for (int i = 0; i < SEGMENTS; i++) {
		struct part *p = &x->part[i];

		snprintf(p->uri, sizeof(p->uri), PLAYLIST_URI "1-2-%d.ts",
			 FIRST + i);
		p->said = (struct hls_segment){
			.uri = span_str(p->uri),
			.duration_us = SEGMENT_MS * 1000,
			.utc_ms = START_UTC + (int64_t)i * SEGMENT_MS,
		};
		p->start_ms = (int64_t)i * SEGMENT_MS;
		p->length_ms = SEGMENT_MS;
	}
	x->pl.target_duration_s = 2;
	x->pl.is_independent = true;
}

static void tear_down(struct world *x)
{
	hls_watch_free(&x->w);
	buf_fini(&x->said);
}

static void put_frame(struct ts_mux *m, struct buf *out, uint8_t kind,
		      int64_t ms, bool is_join, struct span payload)
{
	struct frame f = {
		.kind = kind,
		.flags = is_join ? FRAME_JOIN : 0,
		.track = kind == FRAME_VIDEO ? 1 : 2,
		.dts_ns = ms * MS,
		.pts_ns = ms * MS,
		.payload = payload,
	};

	CHECK_EQ(ts_mux_write(m, out, &f, NULL), 0);
}

static void make_part(struct buf *out, const struct part *p)
{
	struct tracks t = {
		.count = p->has_sound ? 2 : 1,
		.track = {{.id = 1, .kind = FRAME_VIDEO, .codec = CODEC_H264},
			  {.id = 2,
			   .kind = FRAME_AUDIO,
			   .codec = CODEC_AAC,
			   .rate = 44100,
			   .channels = 2}},
	};
	uint8_t first[sizeof(idr)];
	struct ts_mux *m = NULL;

	memcpy(first, idr, sizeof(idr));
	first[7] = p->salt;
	CHECK_EQ(ts_mux_new(&m, NULL), 0);
	CHECK_EQ(ts_mux_set_tracks(m, out, &t), 0);
	CHECK_EQ(ts_mux_set_config(m, out, 1, SPAN(avcc)), 0);
	if (p->has_sound)
		CHECK_EQ(ts_mux_set_config(m, out, 2, SPAN(asc)), 0);
	for (int64_t ms = 0; ms < p->length_ms; ms += FRAME_MS) {
		bool is_join = ms == 0 && !p->has_no_key;

		put_frame(m, out, FRAME_VIDEO, p->start_ms + ms, is_join,
			  is_join ? SPAN(first) : SPAN(slice));
		if (p->has_sound)
			put_frame(m, out, FRAME_AUDIO, p->start_ms + ms, false,
				  SPAN(sound));
	}
	ts_mux_free(&m);
	if (p->has_no_tables) /* a packet of nothing goes first */
		memcpy(out->data + TS_PACKET_BYTES, out->data, TS_PACKET_BYTES);
}

/* ---- Telling ---- */

static void answer(struct world *x, unsigned replica,
		   const struct hls_answer *a)
{
	CHECK_EQ(hls_watch_playlist(x->w, replica, x->now_ms, a), 0);
}

static struct hls_answer right_answer(const struct world *x, struct span body)
{
	return (struct hls_answer){
		.asked_ms = x->now_ms,
		.status = 200,
		.content_type = span_str(x->type ? x->type : HLS_PLAYLIST_TYPE),
		.cache_control = span_str(x->cache ? x->cache : "max-age=1"),
		.body = body,
	};
}

static void fetch(struct world *x, unsigned replica, struct span uri)
{
	struct buf bytes = {0};
	struct hls_answer a = {
		.asked_ms = x->now_ms,
		.status = x->part_status ? x->part_status : 200,
		.content_type = span_str(x->part_type ? x->part_type
						      : HLS_SEGMENT_TYPE),
		.cache_control =
			span_str(x->part_cache ? x->part_cache : OK_CACHE),
	};

	for (int i = 0; i < SEGMENTS; i++)
		if (a.status == 200 && span_eq(x->part[i].said.uri, uri))
			make_part(&bytes, &x->part[i]);
	a.body = buf_span(&bytes);
	CHECK_EQ(hls_watch_segment(x->w, replica, x->now_ms, uri, &a), 0);
	buf_fini(&bytes);
}

static unsigned fetch_all(struct world *x, unsigned replica)
{
	struct hls_want want;
	unsigned count = 0;

	while (hls_watch_want(x->w, replica, x->now_ms, &want)) {
		count++;
		fetch(x, replica, want.uri);
	}
	return count;
}

/* `count` segments from number `first` on, now; then what is wanted. */
static void show(struct world *x, unsigned replica, unsigned first,
		 unsigned count)
{
	struct hls_segment list[SEGMENTS];
	struct hls_playlist pl = x->pl;
	struct buf text = {0};
	struct hls_answer a;

	for (unsigned i = 0; i < count; i++)
		list[i] = x->part[first - FIRST + i].said;
	pl.segment = list;
	pl.segment_count = count;
	pl.media_sequence += first;
	CHECK_EQ(hls_playlist_write(&text, &pl), 0);
	a = right_answer(x, buf_span(&text));
	answer(x, replica, &a);
	buf_fini(&text);
	if (!x->is_lazy)
		fetch_all(x, replica);
}

static void pass(struct world *x, int64_t ms)
{
	x->now_ms += ms;
}

static void check_said(struct world *x, const char *words)
{
	CHECK_STR(buf_text(&x->said), words);
	CHECK_EQ(buf_error(&x->said), 0);
}

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
