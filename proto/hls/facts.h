/* proto/hls/facts.h - what is in the bytes of a TS segment.
 *
 * Spec: RFC 8216, section 3.2; ISO/IEC 13818-1 through proto/ts/reader.h. Pure
 * code; the input may be hostile.
 */
#ifndef WEIR_HLS_FACTS_H
#define WEIR_HLS_FACTS_H

#include "proto/ts/reader.h"

#define HLS_FACTS_TRACKS 8
#define HLS_HASH_BYTES   32

struct hls_track_facts {
	uint16_t pid;
	uint8_t stream_type;
	bool is_video;
	bool begins_with_key;  /* random_access_indicator on its first PES */
	uint32_t pes_count;    /* with a time stamp */
	int64_t first_dts_90k; /* unwrapped from the segment's first stamp on */
	int64_t last_dts_90k;
	int64_t min_pts_90k;
	int64_t max_pts_90k;
	int64_t max_step_90k; /* largest distance of two DTS that follow */
};

struct hls_facts {
	uint64_t bytes;
	uint8_t sha256[HLS_HASH_BYTES];
	bool begins_with_tables; /* PAT, PMT are the first two packets */
	uint64_t mistakes;       /* breaches of a rule of TS */
	char words[100];  /* the first of them, or why it cannot be read; "" */
	bool is_readable; /* to its end, and there was a PES */
	uint8_t track_count;
	struct hls_track_facts track[HLS_FACTS_TRACKS];
};

/* Read a whole segment. What is wrong with it stands in *out. Returns 0 or
 * WEIR_ENOMEM. */
WEIR_MUST_CHECK int hls_facts_read(struct hls_facts *out, struct span ts);

/* The track that times are measured on: the first video track, else the first
 * track; NULL: there is none. */
const struct hls_track_facts *hls_facts_lead(const struct hls_facts *f);

/* How long its content lasts: from the first PTS to the last, and a mean
 * distance of two. 0: unknown, fewer than two time stamps. */
int64_t hls_track_duration_us(const struct hls_track_facts *t);

#endif
