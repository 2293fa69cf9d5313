/* proto/ts/mux_priv.h - the inside of the mux: mux.c decides what comes when,
 * mux_track.c keeps tracks and configs, mux_tables.c makes PAT and PMT,
 * mux_unit.c turns payloads into elementary streams, packet.c cuts packets.
 *
 * What appends to a buffer here cannot fail: whoever calls has reserved room
 * for it (ts_mux_reserve), so that a write happens as a whole or not at all.
 */
#ifndef WEIR_TS_MUX_PRIV_H
#define WEIR_TS_MUX_PRIV_H

#include "common/media/aac.h"
#include "proto/ts/mux.h"

#define ADTS_HEAD_BYTES     7
#define PES_HEAD_MAX        19
#define PES_LENGTH_MAX      65535
#define PES_AUDIO_MAX       (PES_LENGTH_MAX - (PES_HEAD_MAX - 6))
#define SECTION_BYTES_MAX   320 /* PMT: 17 + 15 for each of 16 tracks */
#define PACKET_ROOM         (TS_PACKET_BYTES - 4)
#define ADAPTATION_HEAD     2 /* length and flags */
#define ADAPTATION_HEAD_PCR 8

/* Index of a PID in counters: PAT, PMT, then 0x100, 0x101, … */
enum { INDEX_PAT = 0, INDEX_PMT = 1, INDEX_MEDIA = 2 };

/* ---- packets ---- */

struct ts_counters {
	uint32_t used;                /* bit set of indices */
	uint8_t counter[TS_PIDS_MAX]; /* of the last packet */
};

/* What stands in the adaptation field of one packet. */
struct ts_mark {
	bool is_discontinuity;
	bool is_random_access;
	bool has_pcr;
	uint64_t pcr_27m; /* 33-bit base * 300 + extension */
};

/* Cuts `left` bytes, which come by packets_put, into packets of one PID; the
 * last one is filled up in its adaptation field. */
struct packets {
	struct buf *out;
	struct ts_counters *counters;
	uint8_t index;
	struct ts_mark mark; /* of the first packet */
	bool is_begun;
	size_t left;
	uint8_t *at; /* in the packet that is open */
	size_t room;
};

void packets_begin(struct packets *p, struct buf *out, struct ts_counters *c,
		   uint8_t index, const struct ts_mark *mark, size_t bytes);
void packets_put(struct packets *p, struct span s);

/* One packet without payload. */
void packet_write_mark(struct buf *out, struct ts_counters *c, uint8_t index,
		       const struct ts_mark *mark);

/* A section behind its pointer_field, filled up with 0xff. */
void packets_write_section(struct buf *out, struct ts_counters *c,
			   uint8_t index, struct span section);

/* ---- tracks ---- */

struct ts_es {
	uint16_t track;
	uint8_t kind;
	uint8_t codec;
	uint8_t index; /* of its PID */
	uint8_t stream_type;
	uint8_t stream_id;
	uint8_t channels;
	bool is_refused; /* AAC that ADTS cannot say */
	bool has_config; /* AAC: adts and the next two are right */
	uint8_t adts[ADTS_HEAD_BYTES];
	uint16_t frame_samples;
	uint32_t rate;
	struct buf sets; /* parameter sets, with start codes */
	/* Audio that is gathered: */
	struct buf pending;
	int64_t first_pts_ns;
	uint64_t samples; /* in pending */
	uint32_t samples_rate;
	bool is_random_access;
};

static inline bool es_is_listed(const struct ts_es *es)
{
	return !es->is_refused;
}

struct ts_clock {
	bool has_time;
	bool has_pcr;     /* since the time base or the PCR's PID changed */
	bool has_tables;  /* and no newer ones */
	bool is_new_base; /* the next PCR says discontinuity */
	int64_t now_ns;   /* newest dts */
	int64_t pcr_ns;
	int64_t tables_ns;
};

struct ts_mux {
	struct ts_mux_options options;
	struct ts_mux_stats stats;
	uint8_t es_count;
	struct ts_es es[TRACKS_MAX];
	struct ts_counters counters;
	struct ts_clock clock;
	uint8_t pcr_index; /* 0: no track is listed */
	bool is_pmt_stale;
	bool has_pmt; /* since the last reset */
	uint8_t pmt_version;
	uint32_t pmt_crc; /* of the PMT as if it were version 0 */
	size_t pmt_len;
	uint8_t pmt[SECTION_BYTES_MAX];
};

struct ts_es *mux_find(struct ts_mux *m, uint16_t track);

/* ---- tables ---- */

/* Make the PMT anew if it is stale; a change makes tables due. */
void mux_refresh_pmt(struct ts_mux *m);
void mux_put_tables(struct ts_mux *m, struct buf *out, int64_t at_ns);

/* ---- units ---- */

/* One H.26x access unit, looked at before it is written. */
struct ts_video_unit {
	struct span payload;
	struct span delimiter; /* borrowed from the payload, or static */
	struct span sets;      /* to be put in; may be empty */
	size_t bytes;          /* as an elementary stream */
};

/* Returns 0 or WEIR_EPROTO. */
int video_unit_scan(struct ts_video_unit *out, const struct ts_es *es,
		    const struct frame *f);
void video_unit_put(const struct ts_video_unit *u, struct packets *p);

/* What goes before an audio AU in the elementary stream; `head` has room for
 * AUDIO_HEAD_MAX bytes. Returns the length. */
#define AUDIO_HEAD_MAX (2 + PES_LENGTH_MAX / 255 + 1)
size_t audio_unit_head(const struct ts_es *es, size_t payload_bytes,
		       uint8_t *head);

/* How many samples an AU is worth, and at which rate; 0: not known. */
uint32_t audio_unit_samples(const struct ts_es *es, struct span payload,
			    uint32_t *rate);

#endif
