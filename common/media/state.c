/* common/media/state.c - payloads of state frames, and sets of them. */
#include "common/media/state.h"

#include <stdlib.h>

#include "common/base/reader.h"
#include "common/media/track.h"

#define EPOCH_VERSION         1
#define EPOCH_NEW_INCARNATION 1

void epoch_state_write(struct buf *out, const struct epoch_state *s)
{
	buf_put_u8(out, EPOCH_VERSION);
	buf_put_u8(out, s->is_new_incarnation ? EPOCH_NEW_INCARNATION : 0);
	buf_put_u16_le(out, 0);
	buf_put_u64_le(out, s->previous.counter);
	buf_put(out, SPAN(s->previous.writer.byte));
	buf_put_u64_le(out, s->last_sequence);
	buf_put_u64_le(out, s->incarnation);
	buf_put_u64_le(out, (uint64_t)s->dts_base_ns);
	buf_put_u64_le(out, s->segment);
	buf_put_u64_le(out, s->discontinuity);
	buf_put_u64_le(out, (uint64_t)s->start_us);
}

static struct uuid read_uuid(struct reader *r)
{
	struct uuid u = {{0}};
	struct span s = read_span(r, sizeof(u.byte));

	if (s.len)
		memcpy(u.byte, s.data, sizeof(u.byte));
	return u;
}

int epoch_state_read(struct epoch_state *out, struct span in)
{
	struct reader r = reader_of(in);
	struct epoch_state s = {0};
	uint8_t version = read_u8(&r);
	uint8_t flags = read_u8(&r);
	uint16_t zero = read_u16_le(&r);

	if (!reader_failed(&r) && version != EPOCH_VERSION)
		return WEIR_EUNSUPPORTED;
	s.is_new_incarnation = flags & EPOCH_NEW_INCARNATION;
	s.previous.counter = read_u64_le(&r);
	s.previous.writer = read_uuid(&r);
	s.last_sequence = read_u64_le(&r);
	s.incarnation = read_u64_le(&r);
	s.dts_base_ns = (int64_t)read_u64_le(&r);
	s.segment = read_u64_le(&r);
	s.discontinuity = read_u64_le(&r);
	s.start_us = (int64_t)read_u64_le(&r);
	if (reader_failed(&r) || reader_left(&r))
		return WEIR_EPROTO;
	if (flags & ~EPOCH_NEW_INCARNATION || zero)
		return WEIR_EPROTO;
	*out = s;
	return 0;
}

void clock_state_write(struct buf *out, const struct clock_state *s)
{
	buf_put_u64_le(out, (uint64_t)s->dts_ns);
	buf_put_u64_le(out, (uint64_t)s->utc_us);
	buf_put_u8(out, s->source);
}

int clock_state_read(struct clock_state *out, struct span in)
{
	struct reader r = reader_of(in);
	struct clock_state s = {
		.dts_ns = (int64_t)read_u64_le(&r),
		.utc_us = (int64_t)read_u64_le(&r),
		.source = read_u8(&r),
	};

	if (reader_failed(&r) || reader_left(&r))
		return WEIR_EPROTO;
	if (s.source < CLOCK_ARRIVAL || s.source > CLOCK_STREAM)
		return WEIR_EUNSUPPORTED;
	*out = s;
	return 0;
}

void cut_state_write(struct buf *out, const struct cut_state *s)
{
	buf_put_u64_le(out, s->segment);
	buf_put_u64_le(out, s->discontinuity);
	buf_put_u32_le(out, s->target_ms);
	buf_put_u32_le(out, s->part_ms);
}

int cut_state_read(struct cut_state *out, struct span in)
{
	struct reader r = reader_of(in);
	struct cut_state s;

	s.segment = read_u64_le(&r);
	s.discontinuity = read_u64_le(&r);
	s.target_ms = read_u32_le(&r);
	s.part_ms = read_u32_le(&r);
	if (reader_failed(&r) || reader_left(&r))
		return WEIR_EPROTO;
	*out = s;
	return 0;
}

/* Only CONFIG is held per track. */
static uint16_t slot_track(const struct frame *f)
{
	return f->kind == FRAME_CONFIG ? f->track : 0;
}

/* Order of the set: by kind, then by track. */
static int slot_cmp(const struct frame *a, const struct frame *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (slot_track(a) != slot_track(b))
		return slot_track(a) < slot_track(b) ? -1 : 1;
	return 0;
}

/* May `old` stand beside `f`, which comes into the set? `listed` are the
 * tracks of `f`, NULL when it lists none. */
static bool stays(const struct frame *old, const struct frame *f,
		  const struct tracks *listed)
{
	if (!slot_cmp(old, f))
		return false;
	if (f->kind == FRAME_EPOCH)
		return epoch_eq(&old->position.epoch, &f->position.epoch);
	if (listed && old->kind == FRAME_CONFIG)
		return tracks_find(listed, old->track) != NULL;
	return true;
}

/* Insert in order; takes a reference. */
static int insert(struct stateset *s, struct frame *f)
{
	uint32_t at = s->count;

	if (s->count == STATESET_MAX)
		return WEIR_ELIMIT;
	while (at && slot_cmp(f, s->frame[at - 1]) < 0) {
		s->frame[at] = s->frame[at - 1];
		at--;
	}
	s->frame[at] = frame_ref(f);
	s->count++;
	return 0;
}

int stateset_with(struct stateset **out, const struct stateset *old,
		  struct frame *f)
{
	struct stateset *s = calloc(1, sizeof(*s));
	struct tracks tracks;
	const struct tracks *listed = NULL;
	int err;

	if (!s)
		return WEIR_ENOMEM;
	s->refs = 1;
	if (f->kind == FRAME_TRACKS && !tracks_read(&tracks, f->payload))
		listed = &tracks;
	for (uint32_t i = 0; old && i < old->count; i++)
		if (stays(old->frame[i], f, listed))
			s->frame[s->count++] = frame_ref(old->frame[i]);
	err = insert(s, f);
	if (err)
		stateset_unref(&s);
	else
		*out = s;
	return err;
}

struct stateset *stateset_ref(struct stateset *s)
{
	if (s) {
		BUG_ON(s->refs == 0 || s->refs == UINT32_MAX);
		s->refs++;
	}
	return s;
}

void stateset_unref(struct stateset **s)
{
	struct stateset *old = *s;

	*s = NULL;
	if (!old)
		return;
	BUG_ON(old->refs == 0);
	if (--old->refs)
		return;
	for (uint32_t i = 0; i < old->count; i++)
		frame_unref(&old->frame[i]);
	free(old);
}

struct frame *stateset_get(const struct stateset *s, uint8_t kind,
			   uint16_t track)
{
	for (uint32_t i = 0; s && i < s->count; i++)
		if (s->frame[i]->kind == kind &&
		    slot_track(s->frame[i]) == track)
			return s->frame[i];
	return NULL;
}
