/* services/packager/conf.c - settings of a packager. */
#include "services/packager/packager.h"

#define S struct packager_settings

/* clang-format off */
static const struct conf_key keys[] = {
	CONF_INT(S, replicas, "count", 1, 16, 2, CONF_FIXED, "How many packagers follow each stream."),
	CONF_INT(S, retain_ms, "ms", 1000, 600000, 10000, CONF_FIXED, "How much of each stream is kept."),
	CONF_INT(S, retain_bytes, "bytes", 1000000, 17179869184, 67108864, CONF_FIXED,
		 "Most bytes that are kept of one stream."),
	CONF_INT(S, gop_max_bytes, "bytes", 1000000, 1073741824, 67108864, CONF_FIXED,
		 "Most bytes of one group of pictures."),
	CONF_INT(S, streams_max, "count", 1, 100000, 2000, CONF_FIXED, "Most streams."),
	CONF_ADDR_NAMED("http.listen", S, http_listen, "127.0.0.1:0", CONF_FIXED,
			"Where edges, other packagers and players fetch playlists and segments; port 0: any."),
	CONF_INT(S, connections_max, "count", 1, 100000, 1024, CONF_FIXED, "Most HTTP connections."),
	CONF_INT(S, held_max, "count", 0, 100000, 512, CONF_FIXED,
		 "Most requests for playlists that wait for a first segment."),
	CONF_INT(S, segment_max_bytes, "bytes", 1000000, 1073741824, 134217728, CONF_FIXED,
		 "Most bytes of one segment; a longer one is listed as a gap."),
	CONF_INT(S, segments_max_bytes, "bytes", 1000000, 1099511627776, 2147483648, CONF_FIXED,
		 "Most bytes of all segments; then those that are no longer listed go, and new ones become gaps."),
};
/* clang-format on */

const struct conf_table packager_conf =
	CONF_TABLE("packager", "Live HLS.", S, keys);
