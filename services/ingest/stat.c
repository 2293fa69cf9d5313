/* services/ingest/stat.c - counters of an ingest. */
#include "services/ingest/internal.h"

#define S struct ingest_stats

/* clang-format off */
static const struct stat_metric metrics[] = {
	STAT_GAUGE(S, connections, "weir_ingest_connections", "count", "Connections that are open."),
	STAT_GAUGE(S, publishers, "weir_ingest_publishers", "count", "Publishers that are live."),
	STAT_COUNTER(S, accepted, "weir_ingest_accepted_total", "count", "Publishers that were let in."),
	STAT_COUNTER(S, refused, "weir_ingest_refused_total", "count", "Publishers and connections that were refused."),
	STAT_COUNTER(S, in_bytes, "weir_ingest_in_bytes_total", "bytes", "Bytes from publishers."),
	STAT_COUNTER(S, in_frames, "weir_ingest_frames_total", "count", "Media frames that were made."),
	STAT_COUNTER(S, dropped, "weir_ingest_dropped_frames_total", "count",
		     "Media before the first key frame, or before the epoch's time."),
	STAT_COUNTER(S, corrupt, "weir_ingest_corrupt_units_total", "count", "Units that could not be read."),
	STAT_COUNTER(S, unsupported, "weir_ingest_unsupported_units_total", "count",
		     "Units of codecs that are not carried."),
	STAT_COUNTER(S, clamped, "weir_ingest_clamped_times_total", "count", "Times that went back a little."),
	STAT_COUNTER(S, jumps, "weir_ingest_time_jumps_total", "count", "Times that went far."),
	STAT_COUNTER(S, protocol_errors, "weir_ingest_protocol_errors_total", "count",
		     "Peers that broke their protocol or a limit."),
	STAT_COUNTER(S, handed, "weir_ingest_handed_total", "count",
		     "Publishers that edges of this machine handed over."),
	STAT_COUNTER(S, given, "weir_ingest_given_total", "count",
		     "Publishers that were given to another ingest of this machine when this one ended."),
	STAT_COUNTER(S, handed_faults, "weir_ingest_handed_faults_total", "count",
		     "Hand-overs that were broken off because of what the other process sent."),
	STAT_GAUGE(S, pulls, "weir_ingest_pulls", "count", "Streams that are pulled from elsewhere, or shall be."),
	STAT_COUNTER(S, pull_starts, "weir_ingest_pull_starts_total", "count", "Pulls that were begun."),
	STAT_COUNTER(S, pull_fails, "weir_ingest_pull_fails_total", "count",
		     "Attempts at an address of a pull that failed, and connections to one that ended."),
	STAT_COUNTER(S, timeouts, "weir_ingest_timeouts_total", "count", "Peers that did not go on in time."),
	STAT_HISTOGRAM(S, age, "weir_ingest_frame_age_seconds", &stat_age_bounds,
		       "Age of frames when they leave for an origin."),
};
/* clang-format on */

const struct stat_table ingest_stat = STAT_TABLE("ingest", "", 1, S, metrics);
