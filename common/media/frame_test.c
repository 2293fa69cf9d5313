/* common/media/frame_test.c */
#include "common/media/frame.h"

#include <stdio.h>

#include "common/media/testing.h"

TEST(a_frame_holds_a_copy_of_its_payload)
{
	uint8_t bytes[] = {1, 2, 3};
	struct frame *f = frame_of(HEAD(FRAME_VIDEO, 7, 9, .flags = FRAME_JOIN,
					.track = 1, .dts_ns = -5, .pts_ns = 6,
					.arrival_us = 8),
				   SPAN(bytes));

	CHECK(f);
	bytes[0] = 9;
	CHECK_SPAN(f->payload, SPAN_LIT("\1\2\3"));
	CHECK(f->kind == FRAME_VIDEO && f->flags == FRAME_JOIN);
	CHECK(f->track == 1 && f->position.sequence == 9);
	CHECK(f->position.epoch.counter == 7);
	CHECK(f->dts_ns == -5 && f->pts_ns == 6 && f->arrival_us == 8);
	frame_unref(&f);
	CHECK(!f);
}

TEST(a_frame_lives_as_long_as_somebody_refers_to_it)
{
	struct frame *f = frame_of(HEAD(FRAME_AUDIO, 1, 1), SPAN_LIT("abc"));
	struct frame *again;

	CHECK(f);
	again = frame_ref(f);
	CHECK(again == f);
	frame_unref(&f);
	CHECK_SPAN(again->payload, SPAN_LIT("abc"));
	frame_unref(&again);
	frame_unref(&again); /* NULL is fine */
}

TEST(the_references_of_the_head_are_not_taken_over)
{
	struct frame *f =
		frame_of(HEAD(FRAME_AUDIO, 1, 1, .refs = 55), SPAN_LIT(""));

	CHECK(f);
	CHECK_EQ(f->refs, 1);
	CHECK_EQ(f->payload.len, 0);
	frame_unref(&f);
}

TEST(payloads_up_to_16_mb_are_taken_and_larger_ones_refused)
{
	struct frame head = HEAD(FRAME_VIDEO, 1, 1), *f = NULL;
	uint8_t *at = NULL;

	CHECK_EQ(frame_new_blank(&f, &head, FRAME_PAYLOAD_MAX + 1, &at),
		 WEIR_ELIMIT);
	CHECK(!f && !at);
	CHECK_EQ(frame_new_blank(&f, &head, FRAME_PAYLOAD_MAX, &at), 0);
	CHECK(f->payload.data == at && f->payload.len == FRAME_PAYLOAD_MAX);
	at[FRAME_PAYLOAD_MAX - 1] = 1;
	frame_unref(&f);
}

TEST(two_frames_are_the_same_only_if_no_field_and_no_byte_differs)
{
	const struct frame head = HEAD(FRAME_VIDEO, 3, 4, .dts_ns = 5);
	struct frame other[9];
	struct frame *a = frame_of(head, SPAN_LIT("abc"));

	CHECK(a);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(other); i++) {
		other[i] = head;
		other[i].payload = SPAN_LIT("abc");
	}
	other[0].refs = 9; /* is not part of it */
	CHECK(frame_digest_same(a, &other[0]));
	other[0].kind = FRAME_AUDIO;
	other[1].flags = FRAME_JOIN;
	other[2].track = 1;
	other[3].position.epoch = epoch_of(4);
	other[4].position.sequence = 3;
	other[5].dts_ns = 6;
	other[6].pts_ns = 6;
	other[7].arrival_us = 6;
	other[8].payload = SPAN_LIT("abd");
	for (size_t i = 0; i < WEIR_ARRAY_LEN(other); i++)
		CHECK(!frame_digest_same(a, &other[i]));
	frame_unref(&a);
}

TEST(epochs_are_equal_by_counter_and_writer)
{
	struct epoch a = epoch_of(1), b = a;

	CHECK(epoch_eq(&a, &b));
	b.writer.byte[15] = 1;
	CHECK(!epoch_eq(&a, &b));
	b = a;
	b.counter = 2;
	CHECK(!epoch_eq(&a, &b));
}

TEST(state_frames_are_known_by_their_kind)
{
	struct frame media = HEAD(FRAME_RAW, 1, 1);
	struct frame state = HEAD(FRAME_EPOCH, 1, 1);

	CHECK(!frame_is_state(&media));
	CHECK(frame_is_state(&state));
}

TEST(ticks_become_the_nearest_nanosecond_and_half_goes_away_from_zero)
{
	CHECK_EQ(ns_from_ticks(1, 90000), 11111);
	CHECK_EQ(ns_from_ticks(2, 90000), 22222);
	CHECK_EQ(ns_from_ticks(5, 90000), 55556);
	CHECK_EQ(ns_from_ticks(-5, 90000), -55556);
	CHECK_EQ(ns_from_ticks(1, 48000), 20833);
	CHECK_EQ(ns_from_ticks(3, 3), NS_PER_S);
	CHECK_EQ(ns_from_ticks(1, 3), 333333333);
	CHECK_EQ(ns_from_ticks(2, 3), 666666667);
	CHECK_EQ(ns_to_ticks(500 * NS_PER_MS, 1), 1);
	CHECK_EQ(ns_to_ticks(-500 * NS_PER_MS, 1), -1);
	CHECK_EQ(ns_to_ticks(500 * NS_PER_MS - 1, 1), 0);
	CHECK_EQ(ns_to_ticks(-500 * NS_PER_MS + 1, 1), 0);
	CHECK_EQ(ns_to_ticks(1500 * NS_PER_MS, 1), 2);
	CHECK_EQ(ns_to_ticks(2500 * NS_PER_MS, 1), 3);
}

TEST(times_that_do_not_fit_stop_at_the_ends)
{
	CHECK_EQ(ns_from_ticks(INT64_MAX, 1), INT64_MAX);
	CHECK_EQ(ns_from_ticks(INT64_MIN, 1), INT64_MIN);
	CHECK_EQ(ns_from_ticks(INT64_MIN, 999999999), INT64_MIN);
	CHECK_EQ(ns_to_ticks(INT64_MAX, UINT32_MAX), INT64_MAX);
	CHECK_EQ(ns_to_ticks(INT64_MIN, UINT32_MAX), INT64_MIN);
	CHECK_EQ(ns_from_ticks(5, 0), 0);
	CHECK_EQ(ns_to_ticks(5, 0), 0);
}

/* xorshift64: the same numbers in every run. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A count of ticks whose time fits, of random size and sign. */
static int64_t random_ticks(uint64_t *state, uint32_t rate)
{
	int64_t most = (int64_t)((__int128)INT64_MAX * rate / NS_PER_S) - 1;
	uint64_t r = next_random(state) >> (next_random(state) % 63 + 1);
	int64_t ticks = (int64_t)(r % (uint64_t)most);

	return next_random(state) & 1 ? -ticks : ticks;
}

static void check_there_and_back(uint32_t rate, int64_t ticks)
{
	int64_t ns = ns_from_ticks(ticks, rate);

	if (ns_to_ticks(ns, rate) == ticks)
		return;
	fprintf(stderr, "rate %" PRIu32 "\n", rate);
	CHECK_EQ(ns_to_ticks(ns, rate), ticks);
}

TEST(ticks_come_back_exactly_for_every_rate_below_1e9)
{
	static const uint32_t common[] = {
		1,     24,    25,    30,    1000,      8000,      11025, 12000,
		16000, 22050, 24000, 30000, 32000,     44100,     48000, 60000,
		64000, 88200, 90000, 96000, 705600000, 999999999,
	};
	uint64_t state = 0x9e3779b97f4a7c15;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(common); i++)
		for (int k = 0; k < 20000; k++) {
			uint32_t rate = common[i];

			check_there_and_back(rate, k);
			check_there_and_back(rate, random_ticks(&state, rate));
		}
	for (int i = 0; i < 300000; i++) {
		uint32_t rate = 1 + next_random(&state) % 999999999;

		check_there_and_back(rate, random_ticks(&state, rate));
	}
	/* beyond what a double could count */
	check_there_and_back(705600000, (INT64_C(1) << 53) + 1);
	check_there_and_back(999999999, -(INT64_C(1) << 62) - 1);
}
