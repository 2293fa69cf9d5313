/* services/origin/stat.c - counters of an origin. */
#include "services/origin/internal.h"

#define S struct origin_stats
#define T struct origin_stream_stats

/* clang-format off */
static const struct stat_metric metrics[] = {
	STAT_GAUGE(S, streams, "weir_origin_streams", "count", "Streams that are here."),
	STAT_GAUGE(S, live, "weir_origin_live_streams", "count", "Streams whose writer is connected."),
	STAT_GAUGE(S, wanting, "weir_origin_wanting_consumers", "count", "Subscriptions of edges with viewers."),
	STAT_GAUGE(S, following, "weir_origin_following_consumers", "count", "Subscriptions of packagers and the like."),
	STAT_GAUGE(S, log_bytes, "weir_origin_log_bytes", "bytes", "Bytes kept in the logs."),
	STAT_COUNTER(S, frames, "weir_origin_frames_total", "count", "Frames that came from writers."),
	STAT_GAUGE(S, push.running, "weir_origin_pushes", "count", "Pushes that other servers take."),
	STAT_GAUGE(S, push.left_out, "weir_origin_pushes_left_out", "count", "Addresses of push rules that are left out for a limit."),
	STAT_COUNTER(S, push.attempts, "weir_origin_push_attempts_total", "count", "Times that a server was dialed for a push."),
	STAT_COUNTER(S, push.failures, "weir_origin_push_failures_total", "count", "Pushes that were refused, or broke."),
	STAT_COUNTER(S, push.bytes, "weir_origin_push_bytes_total", "bytes", "Bytes that were pushed."),
	STAT_COUNTER(S, push.frames, "weir_origin_push_frames_total", "count", "Frames that were pushed."),
	STAT_COUNTER(S, push.skipped, "weir_origin_push_skipped_frames_total", "count", "Frames left out of pushes that lagged."),
	STAT_HISTOGRAM(S, age, "weir_origin_frame_age_seconds", &stat_age_bounds, "Age of frames when they arrive here."),
};

static const struct stat_metric stream_metrics[] = {
	STAT_GAUGE(T, consumers, "weir_origin_stream_consumers", "count", "Subscriptions of the stream."),
	STAT_GAUGE(T, log_bytes, "weir_origin_stream_log_bytes", "bytes", "Bytes kept of the stream."),
	STAT_GAUGE(T, skipped, "weir_origin_stream_skipped_frames", "count", "Frames left out for consumers that lagged."),
};
/* clang-format on */

const struct stat_table origin_stat = STAT_TABLE("origin", "", 1, S, metrics);
const struct stat_table origin_stream_stat =
	STAT_TABLE("streams of an origin", "stream", 256, T, stream_metrics);
