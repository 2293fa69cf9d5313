/* services/packager/stream_test.h - a stream, frame by frame, for the tests of
 * this folder: 25 pictures a second, a CUT before each second.
 */
#ifndef WEIR_PACKAGER_STREAM_TEST_H
#define WEIR_PACKAGER_STREAM_TEST_H

#include "common/media/log.h"
#include "common/media/testing.h"
#include "common/media/track.h"

#define PICTURE_MS 40
#define UTC_US     INT64_C(1764796800000000)

struct writer {
	struct log *log;
	uint64_t counter, sequence, incarnation;
	int64_t at_ms;
	uint64_t next_segment;
};

static inline void put(struct writer *w, struct frame head, struct span payload)
{
	struct frame *f;

	head.position = position_of(w->counter, w->sequence++);
	head.dts_ns = w->at_ms * NS_PER_MS;
	if (!head.pts_ns)
		head.pts_ns = head.dts_ns;
	f = frame_of(head, payload);
	CHECK(f);
	CHECK_EQ(log_append_gap(w->log, f), 0);
	frame_unref(&f);
}

static inline void put_buf(struct writer *w, uint8_t kind, struct buf *b)
{
	CHECK_EQ(buf_error(b), 0);
	put(w, (struct frame){.kind = kind}, buf_span(b));
	buf_fini(b);
}

/* A new epoch of incarnation `incarnation`, with its tracks and clock. */
static inline void put_epoch(struct writer *w, uint64_t incarnation)
{
	static const uint8_t avcc[] = {1, 66, 0,    30,   0xff, 0xe1,
				       0, 4,  0x67, 66,   0,    30,
				       1, 0,  2,    0x68, 0xce};
	struct epoch_state epoch = {
		.is_new_incarnation = w->incarnation != incarnation,
		.incarnation = incarnation,
		.dts_base_ns = w->at_ms * NS_PER_MS,
		.segment = w->next_segment,
	};
	struct tracks tracks = {
		.count = 1,
		.track = {{.id = 1, .kind = FRAME_VIDEO, .codec = CODEC_H264}},
	};
	struct clock_state clock = {
		.dts_ns = w->at_ms * NS_PER_MS,
		.utc_us = UTC_US + w->at_ms * 1000,
		.source = CLOCK_ARRIVAL,
	};
	struct buf b = {0};

	w->counter++;
	w->sequence = 0;
	w->incarnation = incarnation;
	epoch_state_write(&b, &epoch);
	put_buf(w, FRAME_EPOCH, &b);
	tracks_write(&b, &tracks);
	put_buf(w, FRAME_TRACKS, &b);
	put(w, (struct frame){.kind = FRAME_CONFIG, .track = 1}, SPAN(avcc));
	clock_state_write(&b, &clock);
	put_buf(w, FRAME_CLOCK, &b);
}

static inline void put_cut(struct writer *w, uint64_t number,
			   uint64_t discontinuity)
{
	struct cut_state cut = {
		.segment = number,
		.discontinuity = discontinuity,
		.target_ms = 1000,
	};
	struct buf b = {0};

	w->next_segment = number + 1;
	cut_state_write(&b, &cut);
	put_buf(w, FRAME_CUT, &b);
}

static inline void put_picture(struct writer *w, bool is_join)
{
	uint8_t unit[] = {0, 0, 0, 6, 0x41, 0x9a, 0, 0, 0, 0};

	if (is_join)
		unit[4] = 0x65;
	unit[8] = (uint8_t)(w->at_ms >> 8);
	unit[9] = (uint8_t)w->at_ms;
	put(w,
	    (struct frame){.kind = FRAME_VIDEO,
			   .track = 1,
			   .flags = is_join ? FRAME_JOIN : 0},
	    SPAN(unit));
	w->at_ms += PICTURE_MS;
}

/* A second of pictures behind a CUT. */
static inline void put_segment(struct writer *w, uint64_t number)
{
	put_cut(w, number, 1);
	for (int i = 0; i < 25; i++)
		put_picture(w, i == 0);
}

static inline void writer_init(struct writer *w)
{
	const struct log_limits limits = {600000, 1u << 30, 1u << 30, 100};

	*w = (struct writer){0};
	CHECK_EQ(log_new(&w->log, &limits), 0);
}

#endif
