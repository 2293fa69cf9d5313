/* services/edge/story_test.h - a stream told by hand into a log, and a wire
 * format whose bytes say what they are, for the tests of this room.
 */
#ifndef WEIR_EDGE_STORY_TEST_H
#define WEIR_EDGE_STORY_TEST_H

#include "common/base/reader.h"
#include "common/test/check.h"
#include "services/edge/wire.h"

#define STORY_VIDEO 1 /* ids of tracks */
#define STORY_AUDIO 2

struct story {
	struct log *log;
	uint64_t counter;  /* of the epoch */
	uint8_t writer;    /* of it; 0: as the counter */
	uint64_t sequence; /* next */
	uint32_t number;   /* of the next media frame, over all epochs */
	uint32_t config;   /* version of the video's CONFIG in force */
	int64_t ms;        /* dts of the next frame */
};

static const struct log_limits story_log_limits = {
	.retain_ms = 60000,
	.retain_bytes = 256 << 20,
	.gop_max_bytes = 256 << 20,
	.join_spacing_ms = 100,
};

/* Append a frame; false where a starved test finds no memory. */
static inline bool story_put(struct story *s, uint8_t kind, uint8_t flags,
			     uint16_t track, struct span payload)
{
	struct frame head = {
		.kind = kind,
		.flags = flags,
		.track = track,
		.position = {{s->counter,
			      {{s->writer ? s->writer : (uint8_t)s->counter}}},
			     s->sequence},
		.dts_ns = s->ms * NS_PER_MS,
		.pts_ns = s->ms * NS_PER_MS,
	};
	struct frame *f = NULL;
	int err = frame_new(&f, &head, payload);

	if (!err)
		err = log_append_gap(s->log, f);
	frame_unref(&f);
	s->sequence++;
	return !err;
}

static inline bool story_put_buf(struct story *s, uint8_t kind, uint16_t track,
				 struct buf *payload)
{
	bool ok = !buf_error(payload) &&
		  story_put(s, kind, 0, track, buf_span(payload));

	buf_fini(payload);
	return ok;
}

static inline bool story_epoch(struct story *s)
{
	struct epoch_state e = {.incarnation = 1,
				.dts_base_ns = s->ms * NS_PER_MS};
	struct buf b = {0};

	s->counter++;
	s->sequence = 0;
	epoch_state_write(&b, &e);
	return story_put_buf(s, FRAME_EPOCH, 0, &b);
}

static inline bool story_tracks(struct story *s, bool has_video, bool has_audio)
{
	struct tracks t = {0};
	struct buf b = {0};

	if (has_video)
		t.track[t.count++] = (struct track){.id = STORY_VIDEO,
						    .kind = FRAME_VIDEO,
						    .codec = CODEC_H264,
						    .width = 640,
						    .height = 360};
	if (has_audio)
		t.track[t.count++] = (struct track){.id = STORY_AUDIO,
						    .kind = FRAME_AUDIO,
						    .codec = CODEC_AAC,
						    .rate = 44100,
						    .channels = 2};
	tracks_write(&b, &t);
	return story_put_buf(s, FRAME_TRACKS, 0, &b);
}

/* Another CONFIG of the video. */
static inline bool story_config(struct story *s)
{
	uint32_t config = ++s->config;

	return story_put(s, FRAME_CONFIG, 0, STORY_VIDEO,
			 span_of(&config, sizeof(config)));
}

/* A media frame of `len` bytes (at least 8): its number and the config's. */
static inline bool story_media(struct story *s, uint8_t kind, bool is_join,
			       size_t len)
{
	struct buf b = {0};
	uint8_t *at = buf_grow(&b, WEIR_MAX(len, 8));
	bool ok = at != NULL;

	if (ok) {
		memcpy(at, &s->number, 4);
		memcpy(at + 4, &s->config, 4);
		ok = story_put(s, kind, is_join ? FRAME_JOIN : 0,
			       kind == FRAME_VIDEO ? STORY_VIDEO : STORY_AUDIO,
			       buf_span(&b));
	}
	s->number++;
	buf_fini(&b);
	return ok;
}

/* EPOCH, TRACKS and CONFIG; free the log afterwards. */
static inline bool story_begin(struct story *s, bool has_video, bool has_audio)
{
	*s = (struct story){0};
	return !log_new(&s->log, &story_log_limits) && story_epoch(s) &&
	       story_tracks(s, has_video, has_audio) &&
	       (!has_video || story_config(s));
}

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
			     const struct wire_time *at, bool *is_join)
{
	(void)memory;
	(void)track;
	(void)is_join;
	plain_put(out, f->kind, f->flags & FRAME_JOIN, at->ms, f->payload);
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
