/* services/edge/stat.h - what an edge counts. */
#ifndef WEIR_EDGE_STAT_H
#define WEIR_EDGE_STAT_H

#include "common/media/reason.h"
#include "common/stat/stat.h"

/* Microseconds: 1 ms to 30 s. */
extern const struct stat_bounds edge_start_bounds;

struct edge_skip_stats {
	uint64_t skips;
	uint64_t frames;
};

struct edge_reason_stats {
	uint64_t refused; /* connections and requests */
	uint64_t ended;   /* viewers */
};

struct edge_protocol_stats {
	uint64_t viewers;
	uint64_t started;
};

/* Ways to play. */
enum edge_way {
	EDGE_RTMP,
	EDGE_FLV,
	EDGE_TS,
	EDGE_WS_FLV,
	EDGE_WS_TS,
	EDGE_HLS, /* with hls.session */
	EDGE_WAYS
};

struct edge_stats {
	uint64_t connections;
	uint64_t web_connections; /* given to the web */
	uint64_t web_requests;
	uint64_t half_open;
	uint64_t waiting;
	uint64_t passing; /* publishers */
	uint64_t sent_on; /* players, to other edges */
	uint64_t passed;
	uint64_t streams; /* with a subscription, as seen from here */
	uint64_t gaps;
	uint64_t wires;
	uint64_t wire_bytes;
	uint64_t written_bytes; /* into wires */
	uint64_t sent_bytes;
	uint64_t delay_us;           /* for which frames wait for others */
	uint64_t sends;              /* system calls */
	struct stat_histogram age;   /* of the newest frame when it is sent */
	struct stat_histogram start; /* connected to first key frame sent */
	struct edge_skip_stats lag, gap, unsupported;
	struct edge_protocol_stats way[EDGE_WAYS];
	struct edge_reason_stats reason[REASON_COUNT];
};

extern const struct stat_table edge_stat;
extern const struct stat_table edge_skip_stat;     /* edge_skip_stats */
extern const struct stat_table edge_reason_stat;   /* edge_reason_stats */
extern const struct stat_table edge_protocol_stat; /* edge_protocol_stats */

/* All series of one struct edge_stats. */
struct edge_stat_series {
	struct stat_series all, lag, gap, unsupported, way[EDGE_WAYS],
		reason[REASON_COUNT];
};

/* "RTMP", "FLV", "TS", "WS-FLV", "WS-TS", "HLS". */
const char *edge_way_name(enum edge_way way);

/* Who plays, in whichever way. */
uint64_t edge_viewers(const struct edge_stats *s);

WEIR_MUST_CHECK int edge_stat_add(struct stats *st, struct edge_stat_series *s,
				  const struct edge_stats *values);
void edge_stat_remove(struct edge_stat_series *s);

#endif
