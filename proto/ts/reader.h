/* proto/ts/reader.h - transport stream bytes in; tables, PES and PCRs out.
 *
 * Spec: ISO/IEC 13818-1 section 2.4. Strict: meant to check streams. What makes
 * the rest unreadable ends the feed (ts_reader_fault says why, in words); what
 * only breaks a rule is told to on_mistake and reading goes on. One program:
 * the first of the PAT. Pure code; input may be hostile.
 */
#ifndef WEIR_TS_READER_H
#define WEIR_TS_READER_H

#include "common/base/buf.h"
#include "proto/ts/ts.h"

#define TS_READER_STREAMS_MAX 32

struct ts_reader; /* one per file, segment or connection */

/* What a peer may make us hold; going past it is WEIR_ELIMIT. 0 stands for the
 * default. */
struct ts_reader_limits {
	uint32_t pes_bytes;   /* one PES packet; FRAME_PAYLOAD_MAX + 64 kB */
	uint32_t total_bytes; /* of all streams; twice pes_bytes */
};

struct ts_stream {
	uint16_t pid;
	uint8_t stream_type; /* enum ts_stream_type, or another */
	uint8_t codec;       /* enum codec; CODEC_NONE: not known here */
	uint8_t channels;    /* Opus: its descriptor's word; else 0 */
};

struct ts_program {
	uint16_t number;
	uint16_t pmt_pid;
	uint16_t pcr_pid;
	uint8_t version; /* of the PMT: 0-31 */
	uint8_t count;
	struct ts_stream stream[TS_READER_STREAMS_MAX];
};

struct ts_pes {
	const struct ts_stream *stream; /* borrowed: dies with the call */
	uint8_t stream_id;
	bool has_pts;
	bool has_dts;          /* told apart from PTS */
	bool is_random_access; /* of the packet in which it begins */
	bool is_discontinuity; /* likewise, or a packet before it */
	bool is_aligned;       /* data_alignment_indicator */
	uint64_t pts_90k;      /* 33 bits, as on the wire */
	uint64_t dts_90k;      /* = pts_90k when not told apart */
	/* Unwrapped: the first stamp of the reader as it is, all others within
	 * 2^32 of the one before, of whatever stream. */
	int64_t pts_long_90k;
	int64_t dts_long_90k;
	uint64_t offset;     /* of the packet in which it begins, bytes */
	uint64_t pcr_27m;    /* the last PCR before it; has_pcr */
	bool has_pcr;        /* there was one */
	struct span payload; /* borrowed: dies with the call */
};

struct ts_pcr {
	uint16_t pid;
	uint64_t pcr_27m; /* 33-bit base * 300 + extension */
	bool is_discontinuity;
	bool is_random_access;
	uint64_t offset; /* of its packet */
};

enum ts_mistake {
	TS_MISTAKE_CONTINUITY = 1, /* packets are missing or doubled */
	TS_MISTAKE_CRC,            /* of a section, which is passed over */
	TS_MISTAKE_SECTION,        /* one that cannot be read: passed over */
	TS_MISTAKE_ADAPTATION,     /* a field that does not fit */
	TS_MISTAKE_PES,            /* header broken: passed over */
	TS_MISTAKE_LENGTH,         /* PES longer or shorter than it said */
	TS_MISTAKE_ORDER,          /* DTS of a stream, or PCR, goes back */
	TS_MISTAKE_LATE,           /* DTS lies before the PCR */
	TS_MISTAKE_STRAY,          /* a packet of a PID that no table names */
	TS_MISTAKE_ERROR_BIT,      /* transport_error_indicator, scrambling */
};

struct ts_mistake_event {
	enum ts_mistake what;
	uint16_t pid;
	uint64_t offset;  /* of the packet */
	const char *text; /* static, one line without full stop */
};

/* Each may be NULL. Return 0 to go on; any other value ends the feed, which
 * returns it. They must not feed or free the reader. */
struct ts_reader_events {
	/* A whole, right PAT. */
	int (*on_pat)(void *ctx, uint64_t offset);
	/* A whole, right PMT; is_new: the first, or not the one before. */
	int (*on_pmt)(void *ctx, const struct ts_program *program, bool is_new,
		      uint64_t offset);
	int (*on_pes)(void *ctx, const struct ts_pes *pes);
	int (*on_pcr)(void *ctx, const struct ts_pcr *pcr);
	int (*on_mistake)(void *ctx, const struct ts_mistake_event *e);
};

struct ts_reader_stats {
	uint64_t packets;
	uint64_t pes;
	uint64_t mistakes;
	uint64_t discontinuities; /* packets with that indicator */
};

/* `limits` and `events` are copied; NULL limits: the defaults. Returns 0 and
 * *out, owned by the caller; or WEIR_ENOMEM. */
WEIR_MUST_CHECK int ts_reader_new(struct ts_reader **out,
				  const struct ts_reader_limits *limits,
				  const struct ts_reader_events *events,
				  void *ctx);

/* Free *rd and set it to NULL; NULL is fine. */
void ts_reader_free(struct ts_reader **rd);

/* Read all of `in` (borrowed, cut anywhere). After an error the reader is
 * spent. Returns 0; WEIR_EPROTO when this is no transport stream (no sync byte
 * where one must be); WEIR_ELIMIT; WEIR_ENOMEM; or the value with which a
 * callback ended the feed. */
WEIR_MUST_CHECK int ts_reader_feed(struct ts_reader *rd, struct span in);

/* The input is over: tell the PES packets that were open. Returns as above;
 * WEIR_EPROTO also for half a packet at the end. The reader is then spent. */
WEIR_MUST_CHECK int ts_reader_end(struct ts_reader *rd);

/* Why the feed ended; "" while it has not. Static. */
const char *ts_reader_fault(const struct ts_reader *rd);

void ts_reader_get_stats(const struct ts_reader *rd,
			 struct ts_reader_stats *out);

/* The access units of an audio PES, one after the other: takes the next one off
 * the front of *rest. AAC: raw, without its ADTS header; Opus: one packet; MP3:
 * one frame. Returns 0; WEIR_ENOENT: *rest is empty; WEIR_EPROTO;
 * WEIR_EUNSUPPORTED for other codecs. */
WEIR_MUST_CHECK int ts_audio_next(struct span *out, struct span *rest,
				  uint8_t codec);

#endif
