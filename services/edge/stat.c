/* services/edge/stat.c - counters of an edge. */
#include "services/edge/stat.h"

#define S      struct edge_stats
#define SKIP   struct edge_skip_stats
#define REASON struct edge_reason_stats
#define PROTO  struct edge_protocol_stats

const struct stat_bounds edge_start_bounds = {
	.count = 14,
	.scale = 1000000,
	.bound = {1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000,
		  1000000, 2500000, 5000000, 10000000, 30000000},
};

/* clang-format off */
static const struct stat_metric metrics[] = {
	STAT_GAUGE(S, connections, "weir_edge_connections", "count", "Connections that are open, viewers included."),
	STAT_GAUGE(S, web_connections, "weir_edge_web_connections", "count",
		   "HTTP connections that play nothing live."),
	STAT_COUNTER(S, web_requests, "weir_edge_web_requests_total", "count",
		     "HTTP requests that were not for a live stream."),
	STAT_GAUGE(S, half_open, "weir_edge_half_open", "count", "Connections that have not asked for a stream yet."),
	STAT_GAUGE(S, waiting, "weir_edge_waiting", "count", "Connections that wait for their stream to begin."),
	STAT_GAUGE(S, passing, "weir_edge_passing", "count", "Publishers that wait for an ingest of this machine."),
	STAT_COUNTER(S, sent_on, "weir_edge_sent_on_total", "count",
		     "Players for whom there was no room and who were sent to another edge (302)."),
	STAT_COUNTER(S, passed, "weir_edge_passed_total", "count",
		     "Publishers that were handed to an ingest of this machine."),
	STAT_GAUGE(S, streams, "weir_edge_streams", "count", "Streams that this edge follows: one subscription each."),
	STAT_GAUGE(S, wires, "weir_edge_wires", "count", "Wire logs."),
	STAT_GAUGE(S, wire_bytes, "weir_edge_wire_bytes", "bytes", "Memory of wire logs, and of payloads that they refer to."),
	STAT_COUNTER(S, gaps, "weir_edge_gaps_total", "count",
		     "Times that a stream did not go on from where it was: frames are missing, or those of another writer follow."),
	STAT_COUNTER(S, written_bytes, "weir_edge_written_bytes_total", "bytes", "Bytes written into wire logs."),
	STAT_COUNTER(S, sent_bytes, "weir_edge_sent_bytes_total", "bytes", "Bytes that the kernel took for viewers."),
	STAT_COUNTER(S, sends, "weir_edge_sends_total", "count", "Calls to the kernel that sent something to a viewer."),
	{"weir_edge_send_delay_seconds", STAT_KIND_GAUGE, "seconds",
	 "How long frames may wait for others before they are sent; 0 while the loop has time.", NULL, 1000000,
	 STAT_AT(S, delay_us, uint64_t)},
	STAT_HISTOGRAM(S, age, "weir_edge_frame_age_seconds", &stat_age_bounds,
		       "Age of the newest frame when a viewer has got it."),
	STAT_HISTOGRAM(S, start, "weir_edge_start_seconds", &edge_start_bounds,
		       "From a viewer's connection to its first key frame, where the stream was live."),
};

static const struct stat_metric skip_metrics[] = {
	STAT_COUNTER(SKIP, skips, "weir_edge_skips_total", "count", "Moves of a viewer to a newer key frame."),
	STAT_COUNTER(SKIP, frames, "weir_edge_skipped_frames_total", "count", "Frames that viewers did not get."),
};

static const struct stat_metric reason_metrics[] = {
	STAT_COUNTER(REASON, refused, "weir_edge_refused_total", "count", "Connections and requests that were refused."),
	STAT_COUNTER(REASON, ended, "weir_edge_ended_total", "count", "Viewers that left or were closed."),
};

static const struct stat_metric protocol_metrics[] = {
	STAT_GAUGE(PROTO, viewers, "weir_edge_viewers", "count", "Viewers that play."),
	STAT_COUNTER(PROTO, started, "weir_edge_started_total", "count", "Viewers that began to play."),
};
/* clang-format on */

const struct stat_table edge_stat = STAT_TABLE("edge", "", 1, S, metrics);
const struct stat_table edge_skip_stat =
	STAT_TABLE("edge: skips", "reason", 3, SKIP, skip_metrics);
const struct stat_table edge_reason_stat = STAT_TABLE(
	"edge: reasons", "reason", REASON_COUNT, REASON, reason_metrics);
const struct stat_table edge_protocol_stat =
	STAT_TABLE("edge: viewers", "protocol", 8, PROTO, protocol_metrics);

const char *edge_way_name(enum edge_way way)
{
	static const char *const name[EDGE_WAYS] = {
		[EDGE_RTMP] = "RTMP",   [EDGE_FLV] = "FLV",
		[EDGE_TS] = "TS",       [EDGE_WS_FLV] = "WS-FLV",
		[EDGE_WS_TS] = "WS-TS", [EDGE_HLS] = "HLS",
	};

	return name[way];
}

uint64_t edge_viewers(const struct edge_stats *s)
{
	uint64_t count = 0;

	for (int i = 0; i < EDGE_WAYS; i++)
		count += s->way[i].viewers;
	return count;
}

static int add(struct stats *st, const struct stat_table *table,
	       struct stat_series *series, const void *values,
	       const char *label)
{
	return stat_add(st, table, series, values, &label);
}

int edge_stat_add(struct stats *st, struct edge_stat_series *s,
		  const struct edge_stats *v)
{
	int err = stat_add(st, &edge_stat, &s->all, v, NULL);

	if (!err)
		err = add(st, &edge_skip_stat, &s->lag, &v->lag, "lag");
	if (!err)
		err = add(st, &edge_skip_stat, &s->gap, &v->gap, "gap");
	if (!err)
		err = add(st, &edge_skip_stat, &s->unsupported, &v->unsupported,
			  "unsupported");
	for (int i = 0; !err && i < EDGE_WAYS; i++)
		err = add(st, &edge_protocol_stat, &s->way[i], &v->way[i],
			  edge_way_name((enum edge_way)i));
	for (int i = 0; !err && i < REASON_COUNT; i++)
		err = add(st, &edge_reason_stat, &s->reason[i], &v->reason[i],
			  reason_name(i));
	return err;
}

void edge_stat_remove(struct edge_stat_series *s)
{
	stat_remove(&s->all);
	stat_remove(&s->lag);
	stat_remove(&s->gap);
	stat_remove(&s->unsupported);
	for (int i = 0; i < EDGE_WAYS; i++)
		stat_remove(&s->way[i]);
	for (int i = 0; i < REASON_COUNT; i++)
		stat_remove(&s->reason[i]);
}
