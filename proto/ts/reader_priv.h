/* proto/ts/reader_priv.h - the inside of the reader: reader.c takes packets and
 * PES apart, reader_tables.c sections.
 */
#ifndef WEIR_TS_READER_PRIV_H
#define WEIR_TS_READER_PRIV_H

#include "proto/ts/reader.h"

#define SECTION_MAX 1024 /* bytes, 2.4.4: length at most 1021 */

struct ts_packet {
	uint16_t pid;
	uint8_t counter;
	bool is_start;
	bool is_unreadable; /* transport_error_indicator, or scrambled */
	bool has_payload;
	bool is_discontinuity;
	bool is_random_access;
	bool has_pcr;
	uint64_t pcr_27m;
	struct span payload;
};

struct reader_pid {
	bool is_seen;
	uint8_t counter;
};

struct reader_table {
	struct reader_pid pid;
	bool is_open;
	size_t len;
	uint8_t bytes[SECTION_MAX];
};

struct reader_es {
	struct ts_stream stream;
	struct reader_pid pid;
	bool is_open;          /* a PES is being put together */
	bool is_skipping;      /* what comes belongs to no PES that was begun */
	bool is_discontinuity; /* told by a packet before the next PES */
	bool has_dts;
	int64_t dts_90k;   /* of the last PES, unwrapped */
	struct ts_pes pes; /* what is known when it begins */
	struct buf data;
};

struct ts_reader {
	struct ts_reader_limits limits;
	struct ts_reader_events events;
	void *ctx;
	struct ts_reader_stats stats;
	const char *fault;
	uint64_t offset; /* of the packet that is read now */
	size_t part_len;
	uint8_t part[TS_PACKET_BYTES];
	struct reader_table pat;
	struct reader_table pmt;
	struct reader_pid pcr_pid; /* where it is no stream's */
	bool has_pat;
	bool has_program;
	bool has_pcr;
	bool is_pcr_free; /* the next PCR may be any */
	bool has_long;
	uint64_t pcr_27m;
	int64_t long_90k; /* the last DTS, unwrapped */
	uint64_t held_bytes;
	struct ts_program program; /* has_pat: number and pmt_pid are right */
	struct reader_es es[TS_READER_STREAMS_MAX]; /* as program.stream */
};

/* Count and tell. Returns what the callback does. */
WEIR_MUST_CHECK int reader_mistake(struct ts_reader *rd, enum ts_mistake what,
				   uint16_t pid, const char *text);

/* Tell the PES that is open, if one is, as the last of its stream. */
WEIR_MUST_CHECK int reader_close_es(struct ts_reader *rd, struct reader_es *es);

/* A packet of the PAT's or PMT's PID with payload. */
WEIR_MUST_CHECK int reader_take_section(struct ts_reader *rd,
					const struct ts_packet *p);

#endif
