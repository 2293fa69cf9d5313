/* common/bus/testing.h - a stream by hand, for the tests of this room. */
#ifndef WEIR_BUS_TESTING_H
#define WEIR_BUS_TESTING_H

#include "common/bus/feed.h"
#include "common/test/check.h"

static const struct log_limits test_limits = {
	.retain_ms = 60000,
	.retain_bytes = 1 << 20,
	.gop_max_bytes = 1 << 20,
	.join_spacing_ms = 500,
};

/* The writer's uuid is the counter in every byte. */
static inline struct epoch test_epoch(uint64_t counter)
{
	struct epoch e = {.counter = counter};

	memset(e.writer.byte, (int)counter, sizeof(e.writer.byte));
	return e;
}

static inline struct position test_position(uint64_t counter, uint64_t sequence)
{
	return (struct position){test_epoch(counter), sequence};
}

static inline struct frame *test_frame(uint8_t kind, uint8_t flags,
				       uint64_t counter, uint64_t sequence,
				       int64_t dts_ms, struct span payload)
{
	struct frame head = {
		.kind = kind,
		.flags = flags,
		.track = 1,
		.position = test_position(counter, sequence),
		.dts_ns = dts_ms * NS_PER_MS,
		.pts_ns = dts_ms * NS_PER_MS,
	};
	struct frame *f = NULL;

	CHECK_EQ(frame_new(&f, &head, payload), 0);
	return f;
}

/* Append; returns what log_append says. */
static inline int test_append(struct log *log, struct frame *f, bool is_gap)
{
	int err = is_gap ? log_append_gap(log, f) : log_append(log, f);

	frame_unref(&f);
	return err;
}

/* EPOCH (sequence 0) that says that it follows on (`previous`, `last`). */
static inline struct frame *test_epoch_frame(uint64_t counter, int64_t dts_ms,
					     uint64_t previous, uint64_t last)
{
	struct epoch_state says = {
		.incarnation = 1,
		.last_sequence = last,
		.dts_base_ns = dts_ms * NS_PER_MS,
	};
	struct buf b = {0};
	struct frame *f;

	if (previous)
		says.previous = test_epoch(previous);
	epoch_state_write(&b, &says);
	CHECK_EQ(buf_error(&b), 0);
	f = test_frame(FRAME_EPOCH, 0, counter, 0, dts_ms, buf_span(&b));
	buf_fini(&b);
	return f;
}

/* Video frames [from, to): 40 ms each, a JOIN at every `gop`th sequence. */
static inline void test_video(struct log *log, uint64_t counter, uint64_t from,
			      uint64_t to, uint64_t gop)
{
	for (uint64_t s = from; s < to; s++) {
		uint8_t flags = s % gop == 1 ? FRAME_JOIN : 0;
		int err = test_append(
			log,
			test_frame(FRAME_VIDEO, flags, counter, s,
				   (int64_t)(counter * 100000 + s * 40),
				   span_of(&s, sizeof(s))),
			false);

		CHECK_EQ(err, 0);
	}
}

/* A log with EPOCH and video up to sequence `last`. */
static inline struct log *test_log(uint64_t counter, uint64_t last,
				   uint64_t gop)
{
	struct log *log = NULL;

	CHECK_EQ(log_new(&log, &test_limits), 0);
	CHECK_EQ(
		test_append(log,
			    test_epoch_frame(counter,
					     (int64_t)(counter * 100000), 0, 0),
			    false),
		0);
	test_video(log, counter, 1, last + 1, gop);
	return log;
}

#endif
