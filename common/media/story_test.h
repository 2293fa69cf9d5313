/* common/media/story_test.h - a stream told by hand into a log, for tests of
 * whatever writes logs out.
 */
#ifndef WEIR_MEDIA_STORY_TEST_H
#define WEIR_MEDIA_STORY_TEST_H

#include "common/media/log.h"
#include "common/media/track.h"
#include "common/test/check.h"

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

#endif
