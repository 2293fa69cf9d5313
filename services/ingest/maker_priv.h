/* services/ingest/maker_priv.h - the inside of a maker, shared by maker.c and
 * maker_save.c. Nobody else includes it.
 */
#ifndef WEIR_INGEST_MAKER_PRIV_H
#define WEIR_INGEST_MAKER_PRIV_H

#include "services/ingest/cutter.h"
#include "services/ingest/maker.h"
#include "services/ingest/timeline.h"

#define VIDEO_ID 1
#define AUDIO_ID 2

/* What is known of one track beside struct track. */
struct source {
	struct buf config; /* normalised; what the CONFIG frame holds */
	uint8_t length_size;
	bool is_there; /* in the list of tracks */
	bool has_frame;
	bool must_join; /* video: drop until a JOIN */
};

/* A media frame that waits; dts_ns is the unwrapped time of the publisher in
 * ms, pts_ns its composition in ms. */
struct held {
	struct frame *frame;
};

struct maker {
	struct maker_limits limits;
	struct maker_start start;
	const struct maker_events *events;
	void *ctx;
	struct tracks tracks;
	struct source source[3]; /* by track id */
	struct buf meta;
	bool is_settled, is_open, has_meta;
	bool wants_video, wants_audio;
	int64_t first_ms; /* now_ms of the first media; -1 none */
	int64_t settled_ms;
	unsigned joins_held;
	struct held *held;
	size_t held_count, held_cap;
	uint64_t held_bytes;
	uint64_t sequence;
	struct timeline timeline;
	struct cutter cutter;
	struct wall_clock clock;
	int64_t last_join_ns; /* video */
	bool has_join, said_no_key, said_unsupported;
	struct buf scratch;
	struct maker_stats stats;
	int64_t fps_from_ns;
	uint32_t fps_count;
};

#endif
