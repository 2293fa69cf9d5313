/* proto/ts/mux_time_test.c - what the mux writes when: stamps, PCRs, tables,
 * gathered audio, joins, segments.
 */
#include "proto/ts/mux.h"

#include "proto/ts/mux_rig_test.h"

/* ---- Time ---- */

TEST(stamps_are_the_time_rounded_to_the_tick_700_ms_later)
{
	static const struct {
		int64_t ns;
		uint64_t want;
	} cases[] = {
		{0, 63000},
		{5555, 63000},
		{5556, 63001},
		{40 * MS, 66600},
		{-700 * MS, 0},
		{-700 * MS - 11111, (1ull << 33) - 1},
		{33333333, 66000},
		{INT64_C(95443717688888889), 63000 - 1 + 1}, /* 2^33 ticks */
		{INT64_C(95443717688889), 63000},
		{INT64_C(95443017688889), 0},
	};

	for (size_t i = 0; i < 7; i++)
		CHECK_EQ(ts_stamp_90k(cases[i].ns), cases[i].want);
	CHECK_EQ(ts_stamp_90k(cases[8].ns), cases[8].want);
	CHECK_EQ(ts_stamp_90k(cases[9].ns), cases[9].want);
}

TEST(pcrs_and_tables_come_often_enough_whatever_the_frame_rate)
{
	static const uint32_t fps_x100[] = {0,    50,   100,  700,  1500,
					    2400, 2500, 2997, 6000, 12000};
	static const uint32_t rates[] = {0, 8000, 44100, 48000};
	static const uint32_t gathers[] = {0, 100, 500};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(fps_x100) * 12; i++) {
		struct story s = {NS_PER_S, 5000, fps_x100[i / 12],
				  rates[i % 4]};
		struct ts_mux *m;
		struct buf out = {0};
		struct rules r;
		uint32_t frames;

		if (!s.fps_x100 && !s.rate)
			continue;
		m = mux_with(s.fps_x100 ? &video : NULL, s.rate ? &sound : NULL,
			     gathers[i / 4 % 3]);
		frames = tell(m, &out, &s);
		CHECK_EQ(ts_mux_flush(m, &out), 0);
		r = check_rules(buf_span(&out));
		CHECK(r.pcr_count >= 3960 / 40);
		CHECK(r.pmt_count >= 8);
		if (gathers[i / 4 % 3])
			CHECK(r.pes_count <= frames);
		else
			CHECK_EQ(r.pes_count, frames);
		CHECK_EQ(r.new_bases, 1);
		free_all(&m, &out);
	}
}

TEST(times_may_pass_the_33_bits)
{
	struct story s = {INT64_C(95443717688889) - 2 * NS_PER_S, 4000, 2500,
			  48000};
	struct ts_mux *m = mux_with(&video, &sound, 100);
	struct buf text = {0};
	struct buf out = {0};

	tell(m, &out, &s);
	CHECK_EQ(text_of(&text, buf_span(&out)), 0);
	CHECK(!strstr(buf_text(&text), "mistake"));
	CHECK(strstr(buf_text(&text), "100 pts=8589824792 "));
	CHECK(strstr(buf_text(&text), "100 pts=1800 dts=8589929192 "));
	buf_fini(&text);
	free_all(&m, &out);
}

TEST(a_pts_below_its_dts_is_raised_and_counted)
{
	struct ts_mux *m = mux_with(&video, NULL, 0);
	struct ts_mux_stats stats;
	struct buf out = {0};

	write(m, &out, video_frame(40 * MS, 0, true));
	check_rules(buf_span(&out));
	ts_mux_get_stats(m, &stats);
	CHECK_EQ(stats.raised_pts, 1);
	CHECK_EQ(stats.time_jumps, 0);
	free_all(&m, &out);
}

TEST(a_far_step_of_time_is_a_new_time_base)
{
	static const int64_t steps_ms[] = {-3600000, -5001, 5001, 3600000};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(steps_ms); i++) {
		int64_t at = 3600 * NS_PER_S;
		struct ts_mux *m = mux_with(&video, &sound, 100);
		struct ts_mux_stats stats;
		struct buf out = {0};

		write(m, &out, video_frame(at, at, true));
		write(m, &out, audio_frame(at));
		at += steps_ms[i] * MS;
		/* Audio first: the new PCR stands in a packet of its own. */
		write(m, &out, audio_frame(at));
		write(m, &out, video_frame(at, at, false));
		ts_mux_get_stats(m, &stats);
		CHECK_EQ(stats.time_jumps, 1);
		CHECK_EQ(check_rules(buf_span(&out)).new_bases, 2);
		free_all(&m, &out);
	}
}

TEST(frames_of_one_time_have_pcrs_that_grow)
{
	struct ts_mux *m = mux_with(&video, &sound, 0);
	struct buf out = {0};
	struct buf text = {0};

	for (int i = 0; i < 10; i++)
		write(m, &out, video_frame(0, i, i % 3 == 0));
	CHECK_EQ(text_of(&text, buf_span(&out)), 0);
	CHECK(!strstr(buf_text(&text), "PCR goes back"));
	buf_fini(&text);
	free_all(&m, &out);
}

/* ---- Gathering ---- */

static struct collector gathered(uint32_t gather_ms, int count,
				 int64_t late_from, int64_t late_ns)
{
	struct ts_mux *m = mux_with(NULL, &sound, gather_ms);
	struct collector got = {.pid = TS_PID_AUDIO};
	struct buf out = {0};

	for (int i = 0; i < count; i++)
		write(m, &out,
		      audio_frame(ns_from_ticks(i * 1024, 44100) +
				  (i >= late_from ? late_ns : 0)));
	CHECK_EQ(ts_mux_flush(m, &out), 0);
	check_rules(buf_span(&out));
	collect_all(&got, buf_span(&out));
	free_all(&m, &out);
	CHECK_EQ(got.all.len, (size_t)count * 11);
	buf_fini(&got.all);
	return got;
}

TEST(audio_is_gathered_up_to_the_limit_with_the_first_ones_time)
{
	struct collector got = gathered(0, 10, 99, 0);

	CHECK_EQ(got.count, 10);
	CHECK_EQ(got.pts_90k[1], 63000 + 2090);
	got = gathered(100, 10, 99, 0); /* 4 are 92.9 ms */
	CHECK_EQ(got.count, 3);
	CHECK_EQ(got.pts_90k[0], 63000);
	CHECK_EQ(got.pts_90k[1], 63000 + 8359);
	CHECK_EQ(got.pts_90k[2], 63000 + 16718);
}

TEST(an_au_that_is_off_by_more_than_a_ms_has_its_own_time)
{
	CHECK_EQ(gathered(100, 4, 2, MS).count, 1);
	CHECK_EQ(gathered(100, 4, 2, MS + 1).count, 2);
	CHECK_EQ(gathered(100, 4, 2, 30 * MS).count, 2);
	CHECK_EQ(gathered(100, 4, 2, -2 * MS).count, 2);
}

TEST(gathered_audio_is_written_before_joins_and_when_video_passes)
{
	struct ts_mux *m = mux_with(&video, &sound, 200);
	struct ts_place before;
	struct ts_place after;
	struct buf out = {0};
	size_t len;

	write(m, &out, video_frame(0, 0, true));
	len = out.len;
	write(m, &out, audio_frame(0));
	CHECK_EQ(out.len, len);
	write(m, &out, video_frame(40 * MS, 40 * MS, false));
	ts_mux_place(m, &before);
	write(m, &out, video_frame(80 * MS, 80 * MS, true)); /* join */
	ts_mux_place(m, &after);
	CHECK(!(before.used & 8) && after.used & 8);
	write(m, &out, audio_frame(80 * MS));
	write(m, &out, video_frame(279 * MS, 279 * MS, false));
	ts_mux_place(m, &before);
	CHECK_EQ(before.counter[3], after.counter[3]);
	write(m, &out, video_frame(280 * MS, 280 * MS, false)); /* passes */
	ts_mux_place(m, &after);
	CHECK_EQ(after.counter[3], before.counter[3] + 1);
	check_rules(buf_span(&out));
	free_all(&m, &out);
}

/* The audio that is written first brings the first PCR, and then those up to
 * the new frame are due. */
TEST(a_gap_after_audio_that_was_gathered_is_filled)
{
	struct ts_mux *m = mux_with(NULL, &sound, 500);
	struct frame late = audio_frame(4900 * MS);
	bool is_join = false;
	struct buf out = {0};

	write(m, &out, audio_frame(0));
	late.flags = FRAME_JOIN;
	CHECK_EQ(ts_mux_write(m, &out, &late, &is_join), 0);
	CHECK(is_join);
	CHECK_EQ(ts_mux_flush(m, &out), 0);
	CHECK(check_rules(buf_span(&out)).pcr_count > 4900 / 40);
	free_all(&m, &out);
}

/* ---- Joining and resuming ---- */

struct join_place {
	size_t at;
	struct ts_place place;
};

/* A wire of 8 s; returns the number of joins. */
static int lay_wire(struct buf *wire, struct join_place *joins, int max,
		    const struct track *a, uint32_t gather_ms)
{
	struct ts_mux *m = mux_with(a, &sound, gather_ms);
	int count = 0;

	for (int64_t i = 0; i < 375; i++) {
		struct frame f = audio_frame(ns_from_ticks(i * 1024, 48000));
		struct join_place j = {.at = wire->len};
		bool is_join = false;

		if (a && i % 2 == 0)
			write(m, wire,
			      video_frame(f.dts_ns, f.pts_ns, i % 100 == 50));
		j.at = wire->len;
		ts_mux_place(m, &j.place);
		if (a && i % 100 == 0)
			f = video_frame(f.dts_ns + MS, f.pts_ns + MS, true);
		f.flags = a && f.kind == FRAME_AUDIO ? 0 : FRAME_JOIN;
		CHECK_EQ(ts_mux_write(m, wire, &f, &is_join), 0);
		if (is_join && count < max)
			joins[count++] = j;
	}
	CHECK_EQ(ts_mux_flush(m, wire), 0);
	ts_mux_free(&m);
	return count;
}

static void check_resume(struct span wire, size_t left_at,
			 const struct join_place *j)
{
	struct buf seen = {0};

	buf_put(&seen, span_first(wire, left_at));
	ts_resume_write(&seen, &j->place);
	CHECK_EQ(seen.len, left_at + ts_resume_bytes(&j->place));
	buf_put(&seen, span_from(wire, j->at));
	CHECK_EQ(buf_error(&seen), 0);
	check_rules(buf_span(&seen));
	buf_fini(&seen);
}

static void check_wire(const struct track *a, uint32_t gather_ms, int want)
{
	struct join_place joins[32];
	struct buf wire = {0};
	int count = lay_wire(&wire, joins, 32, a, gather_ms);

	CHECK_EQ(count, want);
	for (int i = 0; i < count; i++) {
		check_rules(span_from(buf_span(&wire), joins[i].at));
		for (int k = 0; k <= i; k++)
			check_resume(buf_span(&wire), joins[k].at, &joins[i]);
	}
	buf_fini(&wire);
}

TEST(a_viewer_may_begin_or_resume_at_every_join)
{
	check_wire(&video, 0, 4);
	check_wire(&video, 150, 4);
}

TEST(without_video_there_is_a_join_in_each_500_ms)
{
	check_wire(NULL, 0, 19);
	check_wire(NULL, 200, 19);
}

/* ---- Segments ---- */

TEST(a_segment_depends_on_nothing_before_its_cut)
{
	static const uint32_t gathers[] = {0, 120};
	const struct story before = {7 * NS_PER_S, 3123, 2500, 44100};
	const struct story segment = {20 * NS_PER_S, 4000, 2500, 44100};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(gathers); i++) {
		struct ts_mux *old = mux_with(&video, &sound, gathers[i]);
		struct ts_mux *fresh = mux_with(&video, &sound, gathers[i]);
		struct buf a = {0};
		struct buf b = {0};

		tell(old, &a, &before);
		CHECK_EQ(ts_mux_flush(old, &a), 0);
		ts_mux_reset(old);
		buf_clear(&a);
		tell(old, &a, &segment);
		tell(fresh, &b, &segment);
		CHECK_EQ(ts_mux_flush(old, &a), 0);
		CHECK_EQ(ts_mux_flush(fresh, &b), 0);
		CHECK_SPAN(buf_span(&a), buf_span(&b));
		check_rules(buf_span(&a));
		free_all(&old, &a);
		free_all(&fresh, &b);
	}
}

/* In each PID's first packet: an adaptation field that says so. */
TEST(the_first_packet_of_each_pid_of_a_segment_says_discontinuity)
{
	const struct story s = {0, 1000, 2500, 44100};
	struct ts_mux *m = mux_with(&video, &sound, 0);
	struct buf out = {0};

	for (int round = 0; round < 2; round++) {
		uint32_t seen = 0;

		buf_clear(&out);
		tell(m, &out, &s);
		for (size_t at = 0; at < out.len; at += TS_PACKET_BYTES) {
			const uint8_t *p = out.data + at;
			uint32_t pid = (p[1] & 0x1fu) << 8 | p[2];
			uint32_t bit = 1u << (pid % 31);
			bool says = p[3] & 0x20 && p[4] && p[5] & 0x80;

			CHECK_EQ(says, !(seen & bit));
			seen |= bit;
		}
		CHECK_EQ(__builtin_popcount(seen), 4);
		CHECK_EQ(ts_mux_flush(m, &out), 0);
		ts_mux_reset(m);
	}
	free_all(&m, &out);
}
