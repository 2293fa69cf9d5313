/* proto/hls/watch_rig_test.h - a server in memory, for the tests of the watch.
 */
#ifndef WEIR_HLS_WATCH_RIG_TEST_H
#define WEIR_HLS_WATCH_RIG_TEST_H

#include "proto/hls/watch.h"

#include <stdio.h>

#include "common/test/check.h"
#include "proto/ts/mux.h"

#define MS           NS_PER_MS
#define START_UTC    INT64_C(1795382189123)
#define FIRST        100 /* media sequence */
#define SEGMENTS     12
#define SEGMENT_MS   2000
#define FRAME_MS     200
#define OK_CACHE     "public, max-age=3600, immutable"
#define PLAYLIST_URI "/-/live/a/"

/* ---- Segments ---- */

static const uint8_t avcc[] = {1, 0x42, 0, 30, 0xff, 0xe1, 0,   4, 0x67, 0x42,
			       0, 0x1e, 1, 0,  2,    0x68, 0xce};
static const uint8_t asc[] = {0x12, 0x10};
static const uint8_t idr[] = {0, 0, 0, 4, 0x65, 1, 2, 3};
static const uint8_t slice[] = {0, 0, 0, 3, 0x41, 4, 5};
static const uint8_t sound[] = {0x21, 9, 8, 7};

/* What a segment says of itself, and what is in it. */
struct part {
	char uri[40];
	struct hls_segment said;
	int64_t start_ms; /* of its content */
	int64_t length_ms;
	bool has_sound;
	bool has_no_key;
	bool has_no_tables;
	uint8_t salt; /* another one makes other bytes */
};

struct world {
	struct hls_watch *w;
	struct buf said;
	int64_t now_ms;
	struct part part[SEGMENTS];
	struct hls_playlist pl;   /* segment is filled in by show() */
	const char *type, *cache; /* headers; NULL: the right ones */
	const char *part_type, *part_cache;
	unsigned part_status; /* 0: 200 */
	bool is_lazy;         /* nothing is fetched */
};

static inline void on_complaint(void *ctx, const struct hls_complaint *c)
{
	struct world *x = ctx;

	buf_printf(&x->said, "%s%s: %s\n", c->is_note ? "note " : "",
		   hls_rule_name(c->rule), c->words);
}

static inline void set_up(struct world *x, unsigned replicas)
{
	const struct hls_watch_options o = {.replica_count = replicas};

	*x = (struct world){.now_ms = 50000};
	CHECK_EQ(hls_watch_new(&x->w, &o, on_complaint, x), 0);
	for (int i = 0; i < SEGMENTS; i++) {
		struct part *p = &x->part[i];

		snprintf(p->uri, sizeof(p->uri), PLAYLIST_URI "1-2-%d.ts",
			 FIRST + i);
		p->said = (struct hls_segment){
			.uri = span_str(p->uri),
			.duration_us = SEGMENT_MS * 1000,
			.utc_ms = START_UTC + (int64_t)i * SEGMENT_MS,
		};
		p->start_ms = (int64_t)i * SEGMENT_MS;
		p->length_ms = SEGMENT_MS;
	}
	x->pl.target_duration_s = 2;
	x->pl.is_independent = true;
}

static inline void tear_down(struct world *x)
{
	hls_watch_free(&x->w);
	buf_fini(&x->said);
}

static inline void put_frame(struct ts_mux *m, struct buf *out, uint8_t kind,
			     int64_t ms, bool is_join, struct span payload)
{
	struct frame f = {
		.kind = kind,
		.flags = is_join ? FRAME_JOIN : 0,
		.track = kind == FRAME_VIDEO ? 1 : 2,
		.dts_ns = ms * MS,
		.pts_ns = ms * MS,
		.payload = payload,
	};

	CHECK_EQ(ts_mux_write(m, out, &f, NULL), 0);
}

static inline void make_part(struct buf *out, const struct part *p)
{
	struct tracks t = {
		.count = p->has_sound ? 2 : 1,
		.track = {{.id = 1, .kind = FRAME_VIDEO, .codec = CODEC_H264},
			  {.id = 2,
			   .kind = FRAME_AUDIO,
			   .codec = CODEC_AAC,
			   .rate = 44100,
			   .channels = 2}},
	};
	uint8_t first[sizeof(idr)];
	struct ts_mux *m = NULL;

	memcpy(first, idr, sizeof(idr));
	first[7] = p->salt;
	CHECK_EQ(ts_mux_new(&m, NULL), 0);
	CHECK_EQ(ts_mux_set_tracks(m, out, &t), 0);
	CHECK_EQ(ts_mux_set_config(m, out, 1, SPAN(avcc)), 0);
	if (p->has_sound)
		CHECK_EQ(ts_mux_set_config(m, out, 2, SPAN(asc)), 0);
	for (int64_t ms = 0; ms < p->length_ms; ms += FRAME_MS) {
		bool is_join = ms == 0 && !p->has_no_key;

		put_frame(m, out, FRAME_VIDEO, p->start_ms + ms, is_join,
			  is_join ? SPAN(first) : SPAN(slice));
		if (p->has_sound)
			put_frame(m, out, FRAME_AUDIO, p->start_ms + ms, false,
				  SPAN(sound));
	}
	ts_mux_free(&m);
	if (p->has_no_tables) /* a packet of nothing goes first */
		memcpy(out->data + TS_PACKET_BYTES, out->data, TS_PACKET_BYTES);
}

/* ---- Telling ---- */

static inline void answer(struct world *x, unsigned replica,
			  const struct hls_answer *a)
{
	CHECK_EQ(hls_watch_playlist(x->w, replica, x->now_ms, a), 0);
}

static inline struct hls_answer right_answer(const struct world *x,
					     struct span body)
{
	return (struct hls_answer){
		.asked_ms = x->now_ms,
		.status = 200,
		.content_type = span_str(x->type ? x->type : HLS_PLAYLIST_TYPE),
		.cache_control = span_str(x->cache ? x->cache : "max-age=1"),
		.body = body,
	};
}

static inline void fetch(struct world *x, unsigned replica, struct span uri)
{
	struct buf bytes = {0};
	struct hls_answer a = {
		.asked_ms = x->now_ms,
		.status = x->part_status ? x->part_status : 200,
		.content_type = span_str(x->part_type ? x->part_type
						      : HLS_SEGMENT_TYPE),
		.cache_control =
			span_str(x->part_cache ? x->part_cache : OK_CACHE),
	};

	for (int i = 0; i < SEGMENTS; i++)
		if (a.status == 200 && span_eq(x->part[i].said.uri, uri))
			make_part(&bytes, &x->part[i]);
	a.body = buf_span(&bytes);
	CHECK_EQ(hls_watch_segment(x->w, replica, x->now_ms, uri, &a), 0);
	buf_fini(&bytes);
}

static inline unsigned fetch_all(struct world *x, unsigned replica)
{
	struct hls_want want;
	unsigned count = 0;

	while (hls_watch_want(x->w, replica, x->now_ms, &want)) {
		count++;
		fetch(x, replica, want.uri);
	}
	return count;
}

/* `count` segments from number `first` on, now; then what is wanted. */
static inline void show(struct world *x, unsigned replica, unsigned first,
			unsigned count)
{
	struct hls_segment list[SEGMENTS];
	struct hls_playlist pl = x->pl;
	struct buf text = {0};
	struct hls_answer a;

	for (unsigned i = 0; i < count; i++)
		list[i] = x->part[first - FIRST + i].said;
	pl.segment = list;
	pl.segment_count = count;
	pl.media_sequence += first;
	CHECK_EQ(hls_playlist_write(&text, &pl), 0);
	a = right_answer(x, buf_span(&text));
	answer(x, replica, &a);
	buf_fini(&text);
	if (!x->is_lazy)
		fetch_all(x, replica);
}

static inline void pass(struct world *x, int64_t ms)
{
	x->now_ms += ms;
}

static inline void check_said(struct world *x, const char *words)
{
	CHECK_STR(buf_text(&x->said), words);
	CHECK_EQ(buf_error(&x->said), 0);
}

#endif
