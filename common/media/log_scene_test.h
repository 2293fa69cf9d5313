/* common/media/log_scene_test.h - logs that are fed by hand, for the tests of logs.
 */
#ifndef WEIR_MEDIA_LOG_SCENE_TEST_H
#define WEIR_MEDIA_LOG_SCENE_TEST_H

#include "common/media/log.h"
#include "common/media/testing.h"

#define PLENTY (UINT64_C(1) << 40)

static const struct log_limits roomy = {3600000, PLENTY, PLENTY, 0};

typedef int append_fn(struct log *log, struct frame *f);

static inline int feed_by(append_fn *append, struct log *log, struct frame head,
			  size_t bytes)
{
	struct frame *f = frame_of_size(head, bytes);
	int err = f ? append(log, f) : WEIR_ENOMEM;

	frame_unref(&f);
	return err;
}

static inline int feed(struct log *log, struct frame head)
{
	return feed_by(log_append, log, head, 0);
}

static inline int feed_gap(struct log *log, struct frame head)
{
	return feed_by(log_append_gap, log, head, 0);
}

#define VIDEO(counter, sequence, ms)                                           \
	HEAD(FRAME_VIDEO, counter, sequence, .track = 1,                       \
	     .dts_ns = (ms)*NS_PER_MS)
#define KEY(counter, sequence, ms)                                             \
	HEAD(FRAME_VIDEO, counter, sequence, .track = 1, .flags = FRAME_JOIN,  \
	     .dts_ns = (ms)*NS_PER_MS)
#define AUDIO(counter, sequence, ms)                                           \
	HEAD(FRAME_AUDIO, counter, sequence, .track = 2, .flags = FRAME_JOIN,  \
	     .dts_ns = (ms)*NS_PER_MS)

/* A log with epoch `counter` opened. */
static inline struct log *open_log(const struct log_limits *limits,
				   uint64_t counter)
{
	struct log *log = NULL;

	CHECK_EQ(log_new(&log, limits), 0);
	CHECK_EQ(feed(log, HEAD(FRAME_EPOCH, counter, 0)), 0);
	return log;
}

/* Video frames `from` to `to` - 1, 40 ms apart; those whose sequence divided by
 * `gop` leaves 1 are key frames. */
static inline void feed_video(struct log *log, uint64_t counter, uint64_t from,
			      uint64_t to, uint64_t gop, size_t bytes)
{
	for (uint64_t s = from; s < to; s++) {
		struct frame head = VIDEO(counter, s, (int64_t)s * 40);

		head.flags = s % gop == 1 ? FRAME_JOIN : 0;
		CHECK_EQ(feed_by(log_append, log, head, bytes), 0);
	}
}

static inline struct log_stats stats_of(const struct log *log)
{
	struct log_stats s;

	log_stats(log, &s);
	return s;
}

#endif
