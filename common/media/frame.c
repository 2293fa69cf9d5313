/* common/media/frame.c - making, sharing and comparing frames; ticks. */
#include "common/media/frame.h"

#include <stdlib.h>

int frame_new_blank(struct frame **out, const struct frame *head,
		    size_t payload_len, uint8_t **payload)
{
	struct frame *f;

	if (payload_len > FRAME_PAYLOAD_MAX)
		return WEIR_ELIMIT;
	f = malloc(sizeof(*f) + payload_len);
	if (!f)
		return WEIR_ENOMEM;
	*f = *head;
	f->refs = 1;
	f->payload = span_of(f + 1, payload_len);
	*payload = (uint8_t *)(f + 1);
	*out = f;
	return 0;
}

int frame_new(struct frame **out, const struct frame *head, struct span payload)
{
	uint8_t *at;
	int err = frame_new_blank(out, head, payload.len, &at);

	if (!err && payload.len)
		memcpy(at, payload.data, payload.len);
	return err;
}

struct frame *frame_ref(struct frame *f)
{
	BUG_ON(f->refs == 0 || f->refs == UINT32_MAX);
	f->refs++;
	return f;
}

void frame_unref(struct frame **f)
{
	struct frame *old = *f;

	*f = NULL;
	if (!old)
		return;
	BUG_ON(old->refs == 0);
	if (--old->refs == 0)
		free(old);
}

bool frame_digest_same(const struct frame *a, const struct frame *b)
{
	return a->kind == b->kind && a->flags == b->flags &&
	       a->track == b->track &&
	       epoch_eq(&a->position.epoch, &b->position.epoch) &&
	       a->position.sequence == b->position.sequence &&
	       a->dts_ns == b->dts_ns && a->pts_ns == b->pts_ns &&
	       a->arrival_us == b->arrival_us &&
	       span_eq(a->payload, b->payload);
}

/* round(v * num / den), half away from zero, held within int64_t. */
static int64_t scale(int64_t v, uint32_t num, uint32_t den)
{
	__int128 product = (__int128)v * num;
	__int128 half = den / 2;
	__int128 q;

	if (!den)
		return 0;
	/* Truncation goes towards zero, so half goes away from it. An odd
	 * den has no exact half, and its rounded-down one is right. */
	q = (product + (product < 0 ? -half : half)) / den;
	if (q > INT64_MAX)
		return INT64_MAX;
	if (q < INT64_MIN)
		return INT64_MIN;
	return (int64_t)q;
}

int64_t ns_from_ticks(int64_t ticks, uint32_t rate)
{
	return scale(ticks, (uint32_t)NS_PER_S, rate);
}

int64_t ns_to_ticks(int64_t ns, uint32_t rate)
{
	return scale(ns, rate, (uint32_t)NS_PER_S);
}
