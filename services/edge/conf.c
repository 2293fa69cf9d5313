/* services/edge/conf.c - settings of an edge. */
#include "services/edge/edge.h"

#define S struct edge_settings

/* clang-format off */
static const struct conf_key keys[] = {
	CONF_ADDR_NAMED("rtmp.listen", S, rtmp_listen, ":1935", CONF_FIXED,
			"Where RTMP publishers and players connect; a socket passed as \"rtmp\" takes its place; empty: nowhere."),
	CONF_ADDR_NAMED("rtmp.own_listen", S, rtmp_own_listen, "", CONF_FIXED,
			"An RTMP port of this process alone, besides the public one; empty: none."),
	CONF_ADDR_NAMED("http.listen", S, http_listen, ":8080", CONF_FIXED,
			"Where HTTP players connect; a socket passed as \"http\" takes its place; empty: nowhere."),
	CONF_ADDR_NAMED("http.own_listen", S, http_own_listen, "", CONF_FIXED,
			"An HTTP port of this process alone, besides the public one; empty: none."),
	CONF_LIST_NAMED("http.origins", S, http_origins, 0, 64, "*", CONF_FIXED,
			"Web pages that may play and read answers: origins (https://a.example) or * for all."),
	CONF_INT_NAMED("http.idle_max", S, http_idle_max, "count", 1, 1000000, 4096, CONF_FIXED,
		       "Most HTTP connections that play nothing live: playlists, segments, pages."),
	CONF_INT(S, viewers_max, "count", 1, 1000000, 20000, CONF_FIXED, "Most viewers, waiting ones included."),
	CONF_INT(S, streams_max, "count", 1, 1000000, 10000, CONF_FIXED, "Most streams that are followed at a time."),
	CONF_INT(S, half_open_max, "count", 1, 1000000, 4096, CONF_FIXED,
		 "Most connections of a port that have not asked for a stream yet; then the oldest one is closed."),
	CONF_INT(S, half_open_ms, "ms", 100, 600000, 10000, CONF_FIXED,
		 "A connection must have asked for a stream within this time."),
	CONF_INT(S, per_ip_max, "count", 0, 1000000, 0, CONF_FIXED, "Most connections from one address; 0: no limit."),
	CONF_INT(S, wait_publish_ms, "ms", -1, 86400000, 30000, CONF_FIXED,
		 "How long a viewer waits for a stream that nobody publishes; -1: for ever."),
	CONF_INT(S, publish_wait_ms, "ms", 0, 60000, 2000, CONF_FIXED,
		 "How long a publisher is kept while no ingest of this machine takes it."),
	CONF_INT(S, handover_ms, "ms", 10, 10000, 200, CONF_FIXED,
		 "How long one ingest is waited for when a publisher is handed to it; then the next is asked."),
	CONF_INT(S, viewer_max_lag_ms, "ms", 100, 600000, 3000, CONF_FIXED,
		 "A viewer that lags further goes on at a newer key frame."),
	CONF_INT(S, latency_budget_ms, "ms", 0, 1000, 100, CONF_FIXED,
		 "Under load frames wait at most so long for others, so that one send has more in it; 0: never."),
	CONF_INT(S, slow_viewer_timeout_ms, "ms", 100, 600000, 10000, CONF_FIXED,
		 "A viewer that takes no byte for so long is closed."),
	CONF_INT(S, idle_keep_ms, "ms", 0, 3600000, 10000, CONF_FIXED,
		 "How long a stream is followed after its last viewer."),
	CONF_INT(S, audio_join_ms, "ms", 0, 60000, 1000, CONF_FIXED,
		 "How much of a stream without video a new viewer gets at once."),
	CONF_INT(S, gop_max_bytes, "bytes", 1000000, 1073741824, 67108864, CONF_FIXED,
		 "Most bytes of one stream that are kept for one form of playing."),
	CONF_INT(S, wire_logs_per_stream, "count", 1, 64, 8, CONF_FIXED, "Most forms of playing of one stream."),
	CONF_INT(S, sndbuf_bytes, "bytes", 0, 67108864, 0, CONF_FIXED,
		 "Kernel's buffer for each viewer; 0: as the kernel likes."),
	CONF_INT(S, notsent_lowat_bytes, "bytes", 0, 67108864, 131072, CONF_FIXED,
		 "Most bytes for each viewer that the kernel takes ahead of what it can send; 0: as it likes."),
	CONF_INT(S, hls_cache_bytes, "bytes", 1000000, 1099511627776, 268435456, CONF_FIXED,
		 "Most bytes of playlists and segments in the cache."),
};
/* clang-format on */

const struct conf_table edge_conf = CONF_TABLE("edge", "Viewers.", S, keys);
