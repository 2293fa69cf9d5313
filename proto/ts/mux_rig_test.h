/* proto/ts/mux_rig_test.h - frames, a mux and what it wrote, for the tests of
 * the mux.
 */
#ifndef WEIR_TS_MUX_RIG_TEST_H
#define WEIR_TS_MUX_RIG_TEST_H

#include "proto/ts/mux.h"
#include "proto/ts/text_test.h"

#define MS NS_PER_MS

static const uint8_t avcc[] = {1, 0x42, 0, 30, 0xff, 0xe1, 0,   4, 0x67, 0x42,
			       0, 0x1e, 1, 0,  2,    0x68, 0xce};
static const uint8_t asc[] = {0x12, 0x10}; /* LC, 44.1 kHz, stereo */
static const uint8_t idr[] = {0, 0, 0, 4, 0x65, 1, 2, 3};
static const uint8_t slice[] = {0, 0, 0, 3, 0x41, 4, 5};
static const uint8_t au[] = {0x21, 9, 8, 7};

static const struct track video = {
	.id = 1, .kind = FRAME_VIDEO, .codec = CODEC_H264};
static const struct track sound = {.id = 2,
				   .kind = FRAME_AUDIO,
				   .codec = CODEC_AAC,
				   .rate = 44100,
				   .channels = 2};

static inline struct tracks tracks_of(const struct track *a,
				      const struct track *b)
{
	struct tracks t = {0};

	if (a)
		t.track[t.count++] = *a;
	if (b)
		t.track[t.count++] = *b;
	return t;
}

static inline struct ts_mux *mux_with(const struct track *a,
				      const struct track *b, uint32_t gather_ms)
{
	struct tracks t = tracks_of(a, b);
	struct ts_mux *m = NULL;
	struct buf none = {0};

	CHECK_EQ(ts_mux_new(&m, &(struct ts_mux_options){gather_ms}), 0);
	CHECK_EQ(ts_mux_set_tracks(m, &none, &t), 0);
	for (uint8_t i = 0; i < t.count; i++) {
		if (t.track[i].codec == CODEC_H264)
			CHECK_EQ(ts_mux_set_config(m, &none, t.track[i].id,
						   SPAN(avcc)),
				 0);
		if (t.track[i].codec == CODEC_AAC)
			CHECK_EQ(ts_mux_set_config(m, &none, t.track[i].id,
						   SPAN(asc)),
				 0);
	}
	CHECK_EQ(none.len, 0);
	return m;
}

static inline struct frame video_frame(int64_t dts_ns, int64_t pts_ns,
				       bool is_join)
{
	return (struct frame){.kind = FRAME_VIDEO,
			      .flags = is_join ? FRAME_JOIN : 0,
			      .track = 1,
			      .dts_ns = dts_ns,
			      .pts_ns = pts_ns,
			      .payload = is_join ? SPAN(idr) : SPAN(slice)};
}

static inline struct frame audio_frame(int64_t ns)
{
	return (struct frame){.kind = FRAME_AUDIO,
			      .track = 2,
			      .dts_ns = ns,
			      .pts_ns = ns,
			      .payload = SPAN(au)};
}

static inline void write(struct ts_mux *m, struct buf *out, struct frame f)
{
	CHECK_EQ(ts_mux_write(m, out, &f, NULL), 0);
}

/* A stream of `ms` from `start_ns`, GOPs of a second; fps_x100 0: no video. */
struct story {
	int64_t start_ns;
	int64_t ms;
	uint32_t fps_x100;
	uint32_t rate; /* of AAC; 0: no audio */
};

/* Returns the number of frames. */
static inline uint32_t tell(struct ts_mux *m, struct buf *out,
			    const struct story *s)
{
	int64_t v_ns = s->fps_x100 ? 0 : INT64_MAX;
	int64_t a_ns = s->rate ? 0 : INT64_MAX;
	int64_t second = -1;
	int64_t v = 0;
	int64_t a = 0;

	while (WEIR_MIN(v_ns, a_ns) < s->ms * MS) {
		if (v_ns <= a_ns) {
			write(m, out,
			      video_frame(s->start_ns + v_ns,
					  s->start_ns + v_ns + 80 * MS,
					  v_ns / NS_PER_S != second));
			second = v_ns / NS_PER_S;
			v_ns = ns_from_ticks(++v * 100, s->fps_x100);
		} else {
			write(m, out, audio_frame(s->start_ns + a_ns));
			a_ns = ns_from_ticks(++a * 1024, s->rate);
		}
	}
	return (uint32_t)(v + a);
}

static inline void free_all(struct ts_mux **m, struct buf *out)
{
	ts_mux_free(m);
	CHECK(!*m);
	buf_fini(out);
}

/* The payloads of all PES of one PID, one behind the other. */
struct collector {
	uint16_t pid;
	struct buf all;
	int count;
	uint64_t pts_90k[64];
};

static inline int collect(void *ctx, const struct ts_pes *pes)
{
	struct collector *c = ctx;

	if (pes->stream->pid != c->pid)
		return 0;
	if (c->count < 64)
		c->pts_90k[c->count] = pes->pts_90k;
	c->count++;
	buf_put(&c->all, pes->payload);
	return buf_error(&c->all);
}

static inline void collect_all(struct collector *c, struct span in)
{
	const struct ts_reader_events events = {.on_pes = collect,
						.on_mistake = rules_mistake};
	struct ts_reader *rd = NULL;

	CHECK_EQ(ts_reader_new(&rd, NULL, &events, c), 0);
	CHECK_EQ(ts_reader_feed(rd, in), 0);
	CHECK_EQ(ts_reader_end(rd), 0);
	ts_reader_free(&rd);
}

#endif
