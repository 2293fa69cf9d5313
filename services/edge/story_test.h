/* services/edge/story_test.h - a wire format whose bytes say what they are, for
 * the tests of this room.
 */
#ifndef WEIR_EDGE_STORY_TEST_H
#define WEIR_EDGE_STORY_TEST_H

#include "common/base/reader.h"
#include "common/media/story_test.h"
#include "services/edge/wire.h"

/* ---- the format: u8 kind, u8 is_join, u32 ms, u32 length, payload ---- */

#define PLAIN_META    'M'
#define PLAIN_OPENING 'O'

static inline void plain_put(struct buf *out, uint8_t kind, uint8_t is_join,
			     uint32_t ms, struct span payload)
{
	buf_put_u8(out, kind);
	buf_put_u8(out, is_join);
	buf_put_u32(out, ms);
	buf_put_u32(out, (uint32_t)payload.len);
	buf_put(out, payload);
}

static inline const char *plain_refusal(const struct track *track)
{
	return track->codec == CODEC_OPUS ? "no Opus" : NULL;
}

static inline void plain_opening(struct buf *out, const struct tracks *tracks)
{
	plain_put(out, PLAIN_OPENING, tracks->count, 0, (struct span){0});
}

static inline int plain_metadata(void *memory, struct buf *out,
				 const struct tracks *tracks, struct span meta)
{
	(void)memory;
	plain_put(out, PLAIN_META, tracks->count, 0, meta);
	return buf_error(out);
}

static inline int plain_unit(void *memory, struct buf *out,
			     const struct track *track, const struct frame *f,
			     const struct wire_time *at, bool *is_join,
			     size_t *payload_at)
{
	(void)memory;
	(void)track;
	(void)is_join;
	plain_put(out, f->kind, f->flags & FRAME_JOIN, at->ms, f->payload);
	if (payload_at) {
		*payload_at = out->len - f->payload.len;
		out->len = *payload_at;
	}
	return buf_error(out);
}

static const struct wire_format wire_plain = {
	.name = "plain",
	.refusal = plain_refusal,
	.opening = plain_opening,
	.metadata = plain_metadata,
	.unit = plain_unit,
};

/* What a viewer of such a wire has understood. */
struct plain_reader {
	struct buf in;
	uint32_t config; /* the newest CONFIG that came */
	uint64_t openings, metas, configs, frames;
	uint32_t last_number, first_number;
	uint32_t last_ms;
	bool needs_join;   /* the next frame has to be one */
	const char *fault; /* NULL: all was well */
};

static inline void plain_read_unit(struct plain_reader *r, uint8_t kind,
				   bool is_join, uint32_t ms,
				   struct span payload)
{
	uint32_t number, config;

	if (kind == PLAIN_OPENING || kind == PLAIN_META) {
		r->openings += kind == PLAIN_OPENING;
		r->metas += kind == PLAIN_META;
		return;
	}
	if (kind == FRAME_CONFIG) {
		memcpy(&r->config, payload.data, sizeof(r->config));
		r->configs++;
		return;
	}
	memcpy(&number, payload.data, sizeof(number));
	memcpy(&config, payload.data + 4, sizeof(config));
	if (kind == FRAME_VIDEO && config != r->config)
		r->fault = "a frame of another config than was sent";
	if (r->frames && number <= r->last_number)
		r->fault = "a frame a second time";
	if (r->frames && ms < r->last_ms)
		r->fault = "time went back";
	if (r->needs_join && !is_join)
		r->fault = "after a skip comes no join";
	r->needs_join = false;
	if (!r->frames)
		r->first_number = number;
	r->frames++;
	r->last_number = number;
	r->last_ms = ms;
}

/* Take bytes, cut anywhere. */
static inline void plain_read(struct plain_reader *r, struct span bytes)
{
	buf_put(&r->in, bytes);
	for (;;) {
		struct reader in = reader_of(buf_span(&r->in));
		uint8_t kind = read_u8(&in);
		bool is_join = read_u8(&in);
		uint32_t ms = read_u32(&in);
		struct span payload = read_span(&in, read_u32(&in));

		if (reader_failed(&in))
			return;
		plain_read_unit(r, kind, is_join, ms, payload);
		buf_drop(&r->in, 10 + payload.len);
	}
}

#endif
