/* services/packager/stat.c - what a packager counts. */
#include "services/packager/stat.h"

#define S struct packager_stats
#define H struct hls_stats
#define L struct live_stats
/* clang-format off */
static const struct stat_metric metrics[] = {
	STAT_GAUGE(S, streams, "weir_packager_streams", "count", "Streams that are followed."),
	STAT_COUNTER(S, frames, "weir_packager_frames_total", "count", "Frames that came."),
	STAT_COUNTER(S, missing_frames, "weir_packager_missing_frames_total", "count", "Frames that nobody had any more."),
	STAT_GAUGE(S, log_bytes, "weir_packager_log_bytes", "bytes", "Bytes kept in the logs."),
};

static const struct stat_metric hls_metrics[] = {
	STAT_COUNTER(H, playlists, "weir_packager_playlist_requests_total", "count", "Requests for playlists."),
	STAT_COUNTER(H, segments, "weir_packager_segment_requests_total", "count", "Requests for segments."),
	STAT_COUNTER(H, not_carried, "weir_packager_not_carried_total", "count",
		     "Requests that were sent on to another packager, or to a later time (503)."),
	STAT_COUNTER(H, not_found, "weir_packager_not_found_total", "count", "Requests for what is not there (404)."),
	STAT_GAUGE(H, held, "weir_packager_held_requests", "count", "Requests that wait for a first segment."),
	STAT_COUNTER(H, held_full, "weir_packager_held_full_total", "count",
		     "Requests that could not wait, because held_max did."),
	STAT_COUNTER(H, sent_bytes, "weir_packager_answer_bytes_total", "bytes", "Bytes of playlists and segments answered."),
};

static const struct stat_metric live_metrics[] = {
	STAT_COUNTER(L, segments, "weir_packager_segments_total", "count", "Segments that were made, gaps included."),
	STAT_COUNTER(L, copied, "weir_packager_segments_copied_total", "count", "Segments that were copied from a sibling."),
	STAT_COUNTER(L, gaps, "weir_packager_gaps_total", "count", "Segments in which frames were missing."),
	STAT_COUNTER(L, left_out, "weir_packager_frames_left_out_total", "count",
		     "Frames that cannot be in a transport stream."),
	STAT_COUNTER(L, too_long, "weir_packager_segments_too_long_total", "count",
		     "Segments that became gaps because of segment_max_bytes."),
	STAT_COUNTER(L, refused, "weir_packager_segments_refused_total", "count",
		     "Segments that became gaps because of segments_max_bytes."),
	STAT_COUNTER(L, starved, "weir_packager_segments_starved_total", "count",
		     "Segments that became gaps for lack of memory."),
	STAT_COUNTER(L, shed, "weir_packager_segments_shed_total", "count",
		     "Segments that went before their time because of segments_max_bytes."),
	STAT_GAUGE(L, bytes, "weir_packager_segment_bytes", "bytes", "Bytes of all segments."),
	STAT_GAUGE(L, kept, "weir_packager_segments_kept", "count", "Segments that can be fetched."),
	STAT_COUNTER(L, playlists_made, "weir_packager_playlists_made_total", "count",
		     "Playlists that were written; each is sent many times."),
};
/* clang-format on */
const struct stat_table packager_stat =
	STAT_TABLE("packager", "", 1, S, metrics);
const struct stat_table packager_hls_stat =
	STAT_TABLE("packager: requests", "", 1, H, hls_metrics);
const struct stat_table packager_live_stat =
	STAT_TABLE("packager: segments", "", 1, L, live_metrics);

int packager_stat_add(struct stats *st, struct packager_series *s,
		      const struct packager_stats *all,
		      const struct hls_stats *hls,
		      const struct live_stats *live)
{
	int err = stat_add(st, &packager_stat, &s->all, all, NULL);

	if (!err)
		err = stat_add(st, &packager_hls_stat, &s->hls, hls, NULL);
	if (!err)
		err = stat_add(st, &packager_live_stat, &s->live, live, NULL);
	return err;
}

void packager_stat_remove(struct packager_series *s)
{
	stat_remove(&s->all);
	stat_remove(&s->hls);
	stat_remove(&s->live);
}
