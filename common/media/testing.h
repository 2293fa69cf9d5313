/* common/media/testing.h - frames by the line, for the tests of this room. */
#ifndef WEIR_MEDIA_TESTING_H
#define WEIR_MEDIA_TESTING_H

#include "common/media/frame.h"
#include "common/test/check.h"

/* The epoch with this counter; its writer follows from it. */
static inline struct epoch epoch_of(uint64_t counter)
{
	return (struct epoch){counter, {{(uint8_t)counter, 0xee}}};
}

static inline struct position position_of(uint64_t counter, uint64_t sequence)
{
	return (struct position){epoch_of(counter), sequence};
}

/* A frame's head; the rest by name: HEAD(FRAME_VIDEO, 1, 5, .track = 1). */
#define HEAD(kind_, counter_, sequence_, ...)                                  \
	((struct frame){.kind = (kind_),                                       \
			.position = position_of((counter_), (sequence_)),      \
			__VA_ARGS__})

/* A frame with `payload`; NULL where a starved test finds no memory. */
static inline struct frame *frame_of(struct frame head, struct span payload)
{
	struct frame *f = NULL;

	return frame_new(&f, &head, payload) ? NULL : f;
}

/* The same, with so many bytes of zero. */
static inline struct frame *frame_of_size(struct frame head, size_t bytes)
{
	struct frame *f = NULL;
	uint8_t *payload;

	if (frame_new_blank(&f, &head, bytes, &payload))
		return NULL;
	memset(payload, 0, bytes);
	return f;
}

#endif
