/* services/packager/cutting_test.c */
#include "services/packager/cutting.h"

#include "services/packager/stream_test.h"

#define MADE_MAX 32

/* ---- what is cut ---- */

struct made {
	struct cutting *c;
	struct segment *s[MADE_MAX];
	size_t count;
};

static void on_segment(void *ctx, struct segment *s)
{
	struct made *m = ctx;

	CHECK(m->count < MADE_MAX);
	m->s[m->count++] = s;
}

static void made_init(struct made *m)
{
	*m = (struct made){0};
	CHECK_EQ(cutting_new(&m->c, 1u << 20, on_segment, m), 0);
}

static void made_fini(struct made *m)
{
	for (size_t i = 0; i < m->count; i++)
		segment_free(&m->s[i]);
	cutting_free(&m->c);
}

static void read_from_to(struct made *m, const struct writer *w, uint64_t from,
			 uint64_t to)
{
	for (uint64_t o = from; o < to; o++)
		cutting_put(m->c, log_at(w->log, o),
			    log_state_before(w->log, o));
}

static void read_all(struct made *m, const struct writer *w)
{
	read_from_to(m, w, log_tail(w->log), log_next(w->log));
}

static void check_same(const struct segment *a, const struct segment *b)
{
	CHECK_EQ(a->number, b->number);
	CHECK_EQ(a->incarnation, b->incarnation);
	CHECK_EQ(a->discontinuity, b->discontinuity);
	CHECK_EQ(a->is_marked, b->is_marked);
	CHECK_EQ(a->duration_us, b->duration_us);
	CHECK_EQ(a->utc_ms, b->utc_ms);
	CHECK_EQ(a->target_ms, b->target_ms);
	CHECK(a->body && b->body);
	CHECK_SPAN(a->body->bytes, b->body->bytes);
}

TEST(a_segment_is_what_stands_between_two_cuts)
{
	struct writer w;
	struct made m;

	writer_init(&w);
	made_init(&m);
	put_epoch(&w, 5000);
	put_segment(&w, 41);
	put_segment(&w, 42);
	put_cut(&w, 43, 1);
	read_all(&m, &w);
	CHECK_EQ(m.count, 2);
	CHECK_EQ(m.s[0]->number, 41);
	CHECK_EQ(m.s[0]->incarnation, 5000);
	CHECK_EQ(m.s[0]->discontinuity, 1);
	CHECK_EQ(m.s[0]->duration_us, 1000000);
	CHECK_EQ(m.s[0]->utc_ms, UTC_US / 1000);
	CHECK_EQ(m.s[1]->utc_ms, UTC_US / 1000 + 1000);
	CHECK(m.s[0]->body);
	CHECK(m.s[0]->body->bytes.len % 188 == 0);
	CHECK_EQ(m.s[0]->body->bytes.data[0], 0x47);
	made_fini(&m);
	log_free(&w.log);
}

TEST(it_does_not_matter_when_a_packager_began_to_read)
{
	struct writer w;
	struct made early, late;

	writer_init(&w);
	made_init(&early);
	put_epoch(&w, 5000);
	for (uint64_t n = 1; n <= 10; n++)
		put_segment(&w, n);
	read_all(&early, &w);
	CHECK_EQ(early.count, 9);
	/* From each frame of the first six seconds. */
	for (uint64_t from = 0; from < 6 * 26; from += 7) {
		made_init(&late);
		read_from_to(&late, &w, from, log_next(w.log));
		CHECK(late.count >= 3);
		for (size_t i = 1; i <= late.count; i++)
			check_same(late.s[late.count - i],
				   early.s[early.count - i]);
		made_fini(&late);
	}
	made_fini(&early);
	log_free(&w.log);
}

TEST(who_begins_right_behind_a_cut_waits_for_the_next_one)
{
	struct writer w;
	struct made m;

	writer_init(&w);
	made_init(&m);
	put_epoch(&w, 5000);
	put_segment(&w, 1);
	put_segment(&w, 2);
	put_cut(&w, 3, 1);
	read_from_to(&m, &w, 4 + 26 + 1, log_next(w.log));
	CHECK_EQ(m.count, 0); /* what stood before that CUT is not known */
	made_fini(&m);
	log_free(&w.log);
}

TEST(a_new_epoch_goes_on_and_says_so)
{
	struct writer w;
	struct made m;

	writer_init(&w);
	made_init(&m);
	put_epoch(&w, 5000);
	put_segment(&w, 1);
	w.at_ms += 2000; /* it was away */
	put_epoch(&w, 5000);
	put_cut(&w, 2, 2);
	put_picture(&w, true);
	put_cut(&w, 3, 2);
	read_all(&m, &w);
	CHECK_EQ(m.count, 2);
	CHECK_EQ(m.s[0]->duration_us, 3000000);
	CHECK_EQ(m.s[0]->discontinuity, 1);
	CHECK_EQ(m.s[1]->discontinuity, 2);
	CHECK_EQ(m.s[1]->duration_us, 40000);
	CHECK(!m.s[0]->is_marked && m.s[1]->is_marked);
	made_fini(&m);
	log_free(&w.log);
}

/* An epoch with sound: its tracks, then 25 pictures, then the sound from
 * `from_ms` on, `count` AUs of 1024 samples at 48 kHz. */
static void put_sounding(struct writer *w, uint64_t segment, int64_t from_ms,
			 int count)
{
	static const uint8_t asc[] = {0x11, 0x90}, au[] = {0x21, 0x10, 0x04};
	struct buf b = {0};
	struct tracks tracks = {
		.count = 2,
		.track = {{.id = 1, .kind = FRAME_VIDEO, .codec = CODEC_H264},
			  {.id = 2, .kind = FRAME_AUDIO, .codec = CODEC_AAC}},
	};
	int64_t end_ms = w->at_ms + 1000;

	from_ms += w->at_ms;
	put_epoch(w, 5000);
	tracks_write(&b, &tracks);
	put_buf(w, FRAME_TRACKS, &b);
	put(w, (struct frame){.kind = FRAME_CONFIG, .track = 2}, SPAN(asc));
	put_cut(w, segment, segment);
	for (int i = 0; i < 25; i++)
		put_picture(w, i == 0);
	for (int i = 0; i < count; i++) {
		w->at_ms = from_ms + ns_from_ticks(i * 1024, 48000) / NS_PER_MS;
		put(w, (struct frame){.kind = FRAME_AUDIO, .track = 2},
		    SPAN(au));
	}
	w->at_ms = end_ms;
}

/* How many AUs of silence are in it, each with an ADTS head. */
static size_t silent_in(const struct segment *s)
{
	static const uint8_t silent[] = {0x01, 0xbf, 0xfc, 0x21, 0, 0, 0, 0};
	size_t n = 0;

	CHECK(s->body);
	for (size_t i = 0; i + sizeof(silent) <= s->body->bytes.len; i++)
		n += !memcmp(s->body->bytes.data + i, silent, sizeof(silent));
	return n;
}

TEST(sound_that_broke_off_is_filled_on_both_sides_of_a_seam)
{
	struct writer w;
	struct made m;

	writer_init(&w);
	made_init(&m);
	put_sounding(&w, 1, 100, 35); /* nothing is filled before: new */
	put_sounding(&w, 2, 45, 40);  /* 154 ms are missing, and 45 */
	put_cut(&w, 3, 2);
	read_all(&m, &w);
	CHECK_EQ(m.count, 2);
	CHECK_EQ(silent_in(m.s[0]), 7);
	CHECK_EQ(silent_in(m.s[1]), 2);
	CHECK_EQ(m.s[0]->duration_us, 1000000);
	CHECK_EQ(m.s[1]->duration_us, 1000000);
	made_fini(&m);
	log_free(&w.log);
}

TEST(silence_is_the_same_whoever_reads_it)
{
	struct writer w;
	struct made early, late;
	uint64_t second;

	writer_init(&w);
	made_init(&early);
	put_sounding(&w, 1, 0, 40);
	second = log_next(w.log) + 6; /* its CUT */
	put_sounding(&w, 2, 45, 40);
	put_sounding(&w, 3, 0, 40);
	put_cut(&w, 4, 3);
	read_all(&early, &w);
	CHECK_EQ(early.count, 3);
	/* From its CUT on, and from right behind it after a gap. */
	for (uint64_t from = second; from < second + 2; from++) {
		made_init(&late);
		if (from > second) {
			read_from_to(&late, &w, 0, 20);
			cutting_gap(late.c);
		}
		read_from_to(&late, &w, from, log_next(w.log));
		check_same(late.s[late.count - 2], early.s[1]);
		check_same(late.s[late.count - 1], early.s[2]);
		made_fini(&late);
	}
	made_fini(&early);
	log_free(&w.log);
}

TEST(a_break_within_an_epoch_is_marked_whoever_reads_it)
{
	struct writer w;
	struct made early, late;
	uint64_t third;

	writer_init(&w);
	made_init(&early);
	made_init(&late);
	put_epoch(&w, 5000);
	put_segment(&w, 1);
	put_segment(&w, 2);
	third = log_next(w.log);
	put_cut(&w, 3, 2); /* put_segment says 1 */
	put_picture(&w, true);
	put_cut(&w, 4, 2);
	read_all(&early, &w);
	read_from_to(&late, &w, third, log_next(w.log));
	CHECK_EQ(early.count, 3);
	CHECK_EQ(late.count, 1);
	CHECK(!early.s[1]->is_marked && early.s[2]->is_marked);
	check_same(early.s[2], late.s[0]);
	made_fini(&early);
	made_fini(&late);
	log_free(&w.log);
}

TEST(before_another_incarnation_a_segment_ends_with_its_last_frame)
{
	struct writer w;
	struct made m;

	writer_init(&w);
	made_init(&m);
	put_epoch(&w, 5000);
	put_segment(&w, 1);
	w.at_ms += 600000;
	put_epoch(&w, 605000);
	put_segment(&w, 605);
	put_cut(&w, 606, 2);
	read_all(&m, &w);
	CHECK_EQ(m.count, 2);
	CHECK_EQ(m.s[0]->duration_us, 1000000);
	CHECK_EQ(m.s[1]->incarnation, 605000);
	CHECK_EQ(m.s[1]->number, 605);
	made_fini(&m);
	log_free(&w.log);
}

TEST(the_end_of_the_stream_ends_the_open_segment)
{
	struct writer w;
	struct made m;

	writer_init(&w);
	made_init(&m);
	put_epoch(&w, 5000);
	put_segment(&w, 1);
	read_all(&m, &w);
	cutting_end(m.c);
	CHECK_EQ(m.count, 1);
	CHECK_EQ(m.s[0]->duration_us, 1000000);
	CHECK_EQ(m.s[0]->target_ms, 1000);
	cutting_end(m.c);
	CHECK_EQ(m.count, 1);
	made_fini(&m);
	log_free(&w.log);
}

TEST(a_segment_that_lacks_frames_is_a_gap)
{
	struct writer w;
	struct made m;
	uint64_t cut;

	writer_init(&w);
	made_init(&m);
	put_epoch(&w, 5000);
	put_segment(&w, 1);
	cut = log_next(w.log);
	put_segment(&w, 2);
	put_segment(&w, 3);
	put_cut(&w, 4, 1);
	read_from_to(&m, &w, 0, cut + 10);
	cutting_gap(m.c);
	read_from_to(&m, &w, cut + 12, log_next(w.log));
	CHECK_EQ(m.count, 3);
	CHECK(m.s[0]->body && m.s[2]->body);
	CHECK(!m.s[1]->body);
	CHECK_EQ(m.s[1]->number, 2);
	CHECK_EQ(m.s[1]->duration_us, 1000000);
	made_fini(&m);
	log_free(&w.log);
}

TEST(segments_that_are_missing_altogether_share_their_time)
{
	struct writer w;
	struct made m;
	uint64_t ordinal[7];

	writer_init(&w);
	made_init(&m);
	put_epoch(&w, 5000);
	for (uint64_t n = 1; n <= 6; n++) {
		ordinal[n] = log_next(w.log);
		put_segment(&w, n);
	}
	put_cut(&w, 7, 1);
	read_from_to(&m, &w, 0, ordinal[2] + 5);
	cutting_gap(m.c);
	/* It goes on in the middle of 5. */
	read_from_to(&m, &w, ordinal[5] + 9, log_next(w.log));
	CHECK_EQ(m.count, 6);
	for (size_t i = 0; i < 6; i++) {
		CHECK_EQ(m.s[i]->number, i + 1);
		CHECK_EQ(m.s[i]->duration_us, 1000000);
		CHECK_EQ(m.s[i]->utc_ms, UTC_US / 1000 + (int64_t)i * 1000);
		CHECK_EQ(m.s[i]->body != NULL, i == 0 || i == 5);
	}
	made_fini(&m);
	log_free(&w.log);
}

TEST(a_gap_that_ends_right_behind_a_cut_costs_nothing_of_its_segment)
{
	struct writer w;
	struct made m;
	uint64_t second, third;

	writer_init(&w);
	made_init(&m);
	put_epoch(&w, 5000);
	put_segment(&w, 1);
	second = log_next(w.log);
	put_segment(&w, 2);
	third = log_next(w.log);
	put_segment(&w, 3);
	put_cut(&w, 4, 1);
	read_from_to(&m, &w, 0, second + 5);
	cutting_gap(m.c);
	read_from_to(&m, &w, third + 1, log_next(w.log));
	CHECK_EQ(m.count, 3);
	CHECK(!m.s[1]->body);
	CHECK(m.s[2]->body);
	made_fini(&m);
	log_free(&w.log);
}

TEST(a_segment_beyond_the_limit_is_a_gap_and_the_next_is_none)
{
	struct cutting_stats stats;
	struct writer w;
	struct made m = {0};

	writer_init(&w);
	/* One picture with its tables fits, 25 do not. */
	CHECK_EQ(cutting_new(&m.c, 188 * 24, on_segment, &m), 0);
	put_epoch(&w, 5000);
	put_segment(&w, 1);
	put_cut(&w, 2, 1);
	put_picture(&w, true);
	put_cut(&w, 3, 1);
	read_all(&m, &w);
	CHECK_EQ(m.count, 2);
	CHECK(!m.s[0]->body);
	CHECK(m.s[1]->body);
	cutting_get_stats(m.c, &stats);
	CHECK_EQ(stats.too_long, 1);
	made_fini(&m);
	log_free(&w.log);
}

TEST(durations_are_ticks_and_add_up)
{
	struct writer w;
	struct made m;
	int64_t sum_us = 0;

	writer_init(&w);
	made_init(&m);
	put_epoch(&w, 5000);
	for (uint64_t n = 1; n <= 31; n++) {
		put_cut(&w, n, 1);
		put_picture(&w, true);
		w.at_ms += 3; /* 43 ms: 3870 ticks */
	}
	read_all(&m, &w);
	CHECK_EQ(m.count, 30);
	for (size_t i = 0; i < m.count; i++)
		sum_us += m.s[i]->duration_us;
	CHECK_EQ(sum_us, 30 * 43000);
	made_fini(&m);
	log_free(&w.log);
}

TEST(what_is_no_cut_or_media_begins_nothing)
{
	struct writer w;
	struct made m;

	writer_init(&w);
	made_init(&m);
	put_epoch(&w, 5000);
	put_picture(&w, true);
	put(&w, (struct frame){.kind = FRAME_CUT}, SPAN_LIT("nonsense"));
	put_picture(&w, true);
	cutting_gap(m.c);
	read_all(&m, &w);
	cutting_end(m.c);
	CHECK_EQ(m.count, 0);
	made_fini(&m);
	log_free(&w.log);
}
