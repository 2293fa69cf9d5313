/* common/media/state_test.c */
#include "common/media/state.h"

#include "common/media/testing.h"
#include "common/media/track.h"

/* clang-format off */
static const uint8_t epoch_bytes[] = {
	1, 1, 0, 0,
	7, 0, 0, 0, 0, 0, 0, 0,
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	0x39, 0x30, 0, 0, 0, 0, 0, 0,
	0x15, 0xcd, 0x5b, 7, 0, 0, 0, 0,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	3, 0, 0, 0, 0, 0, 0, 0,
	4, 0, 0, 0, 0, 0, 0, 0,
	5, 0, 0, 0, 0, 0, 0, 0x80,
};
static const uint8_t clock_bytes[] = {
	1, 2, 0, 0, 0, 0, 0, 0,
	0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	2,
};
static const uint8_t cut_bytes[] = {
	1, 0, 0, 0, 0, 0, 0, 1,
	2, 0, 0, 0, 0, 0, 0, 2,
	0xd0, 7, 0, 0,
	0xf4, 1, 0, 0,
};
/* clang-format on */

static int epoch_there_and_back(struct buf *out, struct span in)
{
	struct epoch_state s;
	int err = epoch_state_read(&s, in);

	if (!err)
		epoch_state_write(out, &s);
	return err;
}

static int clock_there_and_back(struct buf *out, struct span in)
{
	struct clock_state s;
	int err = clock_state_read(&s, in);

	if (!err)
		clock_state_write(out, &s);
	return err;
}

static int cut_there_and_back(struct buf *out, struct span in)
{
	struct cut_state s;
	int err = cut_state_read(&s, in);

	if (!err)
		cut_state_write(out, &s);
	return err;
}

struct form {
	struct span bytes;
	int (*there_and_back)(struct buf *out, struct span in);
};

static const struct form forms[] = {
	{{epoch_bytes, sizeof(epoch_bytes)}, epoch_there_and_back},
	{{clock_bytes, sizeof(clock_bytes)}, clock_there_and_back},
	{{cut_bytes, sizeof(cut_bytes)}, cut_there_and_back},
};

TEST(an_epoch_payload_says_what_the_header_says)
{
	struct epoch_state s;

	CHECK_EQ(epoch_state_read(&s, SPAN(epoch_bytes)), 0);
	CHECK(s.is_new_incarnation);
	CHECK_EQ(s.previous.counter, 7);
	CHECK_EQ(s.previous.writer.byte[15], 15);
	CHECK_EQ(s.last_sequence, 12345);
	CHECK_EQ(s.incarnation, 123456789);
	CHECK_EQ(s.dts_base_ns, -1);
	CHECK_EQ(s.segment, 3);
	CHECK_EQ(s.discontinuity, 4);
	CHECK_EQ(s.start_us, INT64_MIN + 5);
}

TEST(clock_and_cut_payloads_say_what_the_header_says)
{
	struct clock_state clock;
	struct cut_state cut;

	CHECK_EQ(clock_state_read(&clock, SPAN(clock_bytes)), 0);
	CHECK_EQ(clock.dts_ns, 513);
	CHECK_EQ(clock.utc_us, -2);
	CHECK_EQ(clock.source, CLOCK_RTCP);
	CHECK_EQ(cut_state_read(&cut, SPAN(cut_bytes)), 0);
	CHECK_EQ(cut.segment, 0x0100000000000001);
	CHECK_EQ(cut.discontinuity, 0x0200000000000002);
	CHECK_EQ(cut.target_ms, 2000);
	CHECK_EQ(cut.part_ms, 500);
}

TEST(payloads_that_were_read_are_written_as_they_were)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(forms); i++) {
		struct buf b = {0};

		CHECK_EQ(forms[i].there_and_back(&b, forms[i].bytes), 0);
		CHECK_EQ(buf_error(&b), 0);
		CHECK_SPAN(buf_span(&b), forms[i].bytes);
		buf_fini(&b);
	}
}

TEST(payloads_of_any_other_length_are_refused)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(forms); i++) {
		struct span whole = forms[i].bytes;
		uint8_t longer[100] = {0};
		struct buf b = {0};

		for (size_t len = 0; len < whole.len; len++)
			CHECK_EQ(forms[i].there_and_back(
					 &b, span_first(whole, len)),
				 WEIR_EPROTO);
		memcpy(longer, whole.data, whole.len);
		CHECK_EQ(forms[i].there_and_back(
				 &b, span_of(longer, whole.len + 1)),
			 WEIR_EPROTO);
		CHECK_EQ(b.len, 0);
	}
}

TEST(bits_that_mean_nothing_yet_are_refused)
{
	uint8_t bytes[sizeof(epoch_bytes)];
	struct epoch_state s = {.segment = 99};

	memcpy(bytes, epoch_bytes, sizeof(bytes));
	bytes[0] = 2;
	CHECK_EQ(epoch_state_read(&s, SPAN(bytes)), WEIR_EUNSUPPORTED);
	bytes[0] = 1;
	bytes[1] = 3;
	CHECK_EQ(epoch_state_read(&s, SPAN(bytes)), WEIR_EPROTO);
	bytes[1] = 0;
	bytes[2] = 1;
	CHECK_EQ(epoch_state_read(&s, SPAN(bytes)), WEIR_EPROTO);
	CHECK_EQ(s.segment, 99);
	bytes[2] = 0;
	CHECK_EQ(epoch_state_read(&s, SPAN(bytes)), 0);
	CHECK(!s.is_new_incarnation);
}

TEST(clock_sources_that_are_not_known_here_are_refused)
{
	uint8_t bytes[sizeof(clock_bytes)];
	struct clock_state s;

	memcpy(bytes, clock_bytes, sizeof(bytes));
	for (unsigned source = 0; source < 256; source++) {
		bytes[16] = (uint8_t)source;
		CHECK_EQ(clock_state_read(&s, SPAN(bytes)),
			 source >= 1 && source <= 3 ? 0 : WEIR_EUNSUPPORTED);
	}
}

/* ---- sets of state frames ---- */

/* *s with one more frame, whose payload is `payload`. */
static int put(struct stateset **s, struct frame head, struct span payload)
{
	struct frame *f = frame_of(head, payload);
	struct stateset *old = *s;
	int err = f ? stateset_with(s, old, f) : WEIR_ENOMEM;

	if (!err)
		stateset_unref(&old);
	frame_unref(&f);
	return err;
}

static uint64_t sequence_of(const struct stateset *s, uint8_t kind,
			    uint16_t track)
{
	struct frame *f = stateset_get(s, kind, track);

	return f ? f->position.sequence : UINT64_MAX;
}

TEST(a_set_holds_the_newest_frame_of_each_kind_and_track_in_order)
{
	struct stateset *s = NULL;

	CHECK(!stateset_get(s, FRAME_EPOCH, 0));
	CHECK_EQ(put(&s, HEAD(FRAME_CUT, 1, 1), SPAN_LIT("")), 0);
	CHECK_EQ(put(&s, HEAD(FRAME_CONFIG, 1, 2, .track = 2), SPAN_LIT("")),
		 0);
	CHECK_EQ(put(&s, HEAD(FRAME_CONFIG, 1, 3, .track = 1), SPAN_LIT("")),
		 0);
	CHECK_EQ(put(&s, HEAD(FRAME_EPOCH, 1, 4), SPAN_LIT("")), 0);
	CHECK_EQ(put(&s, HEAD(FRAME_CUT, 1, 5), SPAN_LIT("")), 0);
	CHECK_EQ(s->count, 4);
	CHECK_EQ(s->frame[0]->kind, FRAME_EPOCH);
	CHECK_EQ(s->frame[1]->track, 1);
	CHECK_EQ(s->frame[2]->track, 2);
	CHECK_EQ(s->frame[3]->kind, FRAME_CUT);
	CHECK_EQ(sequence_of(s, FRAME_CUT, 0), 5);
	CHECK_EQ(sequence_of(s, FRAME_CONFIG, 2), 2);
	CHECK(!stateset_get(s, FRAME_CONFIG, 3));
	CHECK(!stateset_get(s, FRAME_META, 0));
	stateset_unref(&s);
}

TEST(a_set_is_never_changed_only_followed_by_another)
{
	struct stateset *first = NULL, *kept;

	CHECK_EQ(put(&first, HEAD(FRAME_META, 1, 1), SPAN_LIT("a")), 0);
	kept = stateset_ref(first);
	CHECK_EQ(put(&first, HEAD(FRAME_META, 1, 2), SPAN_LIT("b")), 0);
	CHECK(first != kept);
	CHECK_EQ(sequence_of(kept, FRAME_META, 0), 1);
	CHECK_SPAN(kept->frame[0]->payload, SPAN_LIT("a"));
	CHECK_EQ(sequence_of(first, FRAME_META, 0), 2);
	stateset_unref(&first);
	stateset_unref(&kept);
	stateset_unref(&kept);
	CHECK(!stateset_ref(NULL));
}

TEST(an_epoch_frame_empties_the_set_if_its_epoch_is_another)
{
	struct stateset *s = NULL;

	CHECK_EQ(put(&s, HEAD(FRAME_EPOCH, 1, 0), SPAN_LIT("")), 0);
	CHECK_EQ(put(&s, HEAD(FRAME_META, 1, 1), SPAN_LIT("")), 0);
	CHECK_EQ(put(&s, HEAD(FRAME_EPOCH, 1, 0), SPAN_LIT("")), 0);
	CHECK_EQ(s->count, 2); /* sent again: nothing is lost */
	CHECK_EQ(put(&s, HEAD(FRAME_EPOCH, 2, 0), SPAN_LIT("")), 0);
	CHECK_EQ(s->count, 1);
	CHECK_EQ(s->frame[0]->position.epoch.counter, 2);
	stateset_unref(&s);
}

TEST(an_epoch_frame_drops_what_an_older_epoch_left_behind)
{
	struct stateset *s = NULL;

	CHECK_EQ(put(&s, HEAD(FRAME_META, 1, 1), SPAN_LIT("")), 0);
	CHECK_EQ(put(&s, HEAD(FRAME_CUT, 2, 8), SPAN_LIT("")), 0);
	CHECK_EQ(put(&s, HEAD(FRAME_EPOCH, 2, 0), SPAN_LIT("")), 0);
	CHECK_EQ(s->count, 2);
	CHECK(!stateset_get(s, FRAME_META, 0));
	stateset_unref(&s);
}

/* A TRACKS payload that lists these two ids. */
static void list_tracks(struct buf *out, uint16_t a, uint16_t b)
{
	struct tracks t = {
		.count = 2,
		.track = {{.id = a, .kind = FRAME_VIDEO},
			  {.id = b, .kind = FRAME_AUDIO}},
	};

	tracks_write(out, &t);
}

TEST(a_tracks_frame_drops_the_configurations_of_tracks_it_does_not_list)
{
	struct stateset *s = NULL;
	struct buf b = {0};

	list_tracks(&b, 1, 3);
	CHECK_EQ(buf_error(&b), 0);
	for (uint16_t track = 1; track <= 3; track++)
		CHECK_EQ(put(&s, HEAD(FRAME_CONFIG, 1, track, .track = track),
			     SPAN_LIT("")),
			 0);
	CHECK_EQ(put(&s, HEAD(FRAME_TRACKS, 1, 9), buf_span(&b)), 0);
	CHECK_EQ(s->count, 3);
	CHECK_EQ(sequence_of(s, FRAME_CONFIG, 1), 1);
	CHECK(!stateset_get(s, FRAME_CONFIG, 2));
	CHECK_EQ(sequence_of(s, FRAME_CONFIG, 3), 3);
	CHECK_EQ(put(&s, HEAD(FRAME_TRACKS, 1, 10), SPAN_LIT("\xff")), 0);
	CHECK_EQ(s->count, 3); /* it cannot be read: nothing is dropped */
	CHECK_EQ(sequence_of(s, FRAME_TRACKS, 0), 10);
	stateset_unref(&s);
	buf_fini(&b);
}

TEST(a_set_holds_all_kinds_and_16_configurations_and_no_more)
{
	static const uint8_t kinds[] = {FRAME_EPOCH, FRAME_TRACKS, FRAME_META,
					FRAME_CLOCK, FRAME_CUT};
	struct stateset *s = NULL;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(kinds); i++)
		CHECK_EQ(put(&s, HEAD(kinds[i], 1, i), SPAN_LIT("")), 0);
	for (uint16_t track = 1; track <= 16; track++)
		CHECK_EQ(put(&s, HEAD(FRAME_CONFIG, 1, 5, .track = track),
			     SPAN_LIT("")),
			 0);
	CHECK_EQ(s->count, STATESET_MAX);
	CHECK_EQ(put(&s, HEAD(FRAME_CONFIG, 1, 6, .track = 17), SPAN_LIT("")),
		 WEIR_ELIMIT);
	CHECK_EQ(s->count, STATESET_MAX);
	CHECK_EQ(put(&s, HEAD(FRAME_CONFIG, 1, 7, .track = 16), SPAN_LIT("")),
		 0);
	CHECK_EQ(sequence_of(s, FRAME_CONFIG, 16), 7);
	stateset_unref(&s);
}
