/* common/member/stat.c - counters of the bus and the registry. */
#include "common/member/internal.h"

#define B struct bus_stats
#define S struct store_stats

/* clang-format off */
static const struct stat_metric bus_metrics[] = {
	STAT_COUNTER(B, bytes_in, "weir_bus_in_bytes_total", "bytes", "Bytes from other nodes."),
	STAT_COUNTER(B, bytes_out, "weir_bus_out_bytes_total", "bytes", "Bytes to other nodes."),
	STAT_COUNTER(B, records_in, "weir_bus_in_records_total", "count", "Records from other nodes."),
	STAT_COUNTER(B, records_out, "weir_bus_out_records_total", "count", "Records to other nodes."),
	STAT_COUNTER(B, frames_in, "weir_bus_in_frames_total", "count", "Frames from other nodes."),
	STAT_COUNTER(B, frames_out, "weir_bus_out_frames_total", "count", "Frames to other nodes."),
	STAT_COUNTER(B, writes, "weir_bus_writes_total", "count", "Writes to other nodes."),
	STAT_COUNTER(B, put_off, "weir_bus_put_off_total", "count", "Writes that waited for others (flush_ms)."),
	STAT_COUNTER(B, unknown_records, "weir_bus_unknown_records_total", "count",
		     "Records of unknown types that were skipped."),
	STAT_COUNTER(B, refused_peers, "weir_bus_refused_total", "count",
		     "Connections to the bus that were refused."),
	STAT_COUNTER(B, skips, "weir_bus_skips_total", "count", "SKIPs sent to nodes that lagged."),
	STAT_GAUGE(B, backlog_bytes, "weir_bus_backlog_bytes", "bytes", "Queued for other nodes."),
};

static const struct stat_metric store_metrics[] = {
	STAT_GAUGE(S, is_up, "weir_registry_up", "count", "Is the registry reached."),
	STAT_COUNTER(S, connects, "weir_registry_connects_total", "count", "Connections to the registry."),
	STAT_COUNTER(S, losses, "weir_registry_losses_total", "count", "Connections to the registry that were lost."),
	STAT_COUNTER(S, calls, "weir_registry_calls_total", "count", "Scripts that were asked for."),
	STAT_COUNTER(S, timeouts, "weir_registry_timeouts_total", "count", "Scripts without an answer in time."),
	STAT_COUNTER(S, late, "weir_registry_late_total", "count", "Answers that nobody waited for any more."),
};
/* clang-format on */

const struct stat_table member_bus_stat =
	STAT_TABLE("bus", "", 1, B, bus_metrics);
const struct stat_table member_store_stat =
	STAT_TABLE("registry", "", 1, S, store_metrics);

static void refresh(void *ctx)
{
	struct member *m = ctx;

	bus_get_stats(m->bus, &m->bus_stats);
	store_get_stats(m->store, &m->store_stats);
}

void member_stats_add(struct member *m)
{
	struct stats *st = svc_stats(m->svc);

	if (stat_add(st, &member_bus_stat, &m->bus_series, &m->bus_stats,
		     NULL) == 0 &&
	    stat_add(st, &member_store_stat, &m->store_series, &m->store_stats,
		     NULL) == 0)
		stat_refresh_add(st, &m->refresh, refresh, m);
}

void member_stats_remove(struct member *m)
{
	if (m->refresh.fn)
		stat_refresh_remove(&m->refresh);
	stat_remove(&m->bus_series);
	stat_remove(&m->store_series);
}
