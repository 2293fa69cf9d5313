/* services/ingest/conf.c - settings of an ingest. */
#include "services/ingest/ingest.h"

#define S struct ingest_settings

/* clang-format off */
static const struct conf_key keys[] = {
	CONF_ADDR_NAMED("rtmp.listen", S, rtmp_listen, ":1936", CONF_FIXED,
			"Where RTMP publishers connect to this ingest itself; a socket passed as \"rtmp\" takes its place; "
			"empty: nowhere."),
	CONF_ADDR_NAMED("rtmp.own_listen", S, rtmp_own_listen, "", CONF_FIXED,
			"An RTMP port of this process alone, besides that one; empty: none."),
	CONF_INT(S, publishers_max, "count", 1, 100000, 4000, CONF_FIXED, "Most publishers."),
	CONF_INT(S, half_open_max, "count", 1, 100000, 1000, CONF_FIXED,
		 "Most connections that have not asked to publish yet; then the oldest one is closed."),
	CONF_INT(S, handshake_ms, "ms", 100, 600000, 10000, CONF_FIXED,
		 "A connection must have asked to publish within this time."),
	CONF_INT(S, publish_idle_ms, "ms", 100, 3600000, 30000, CONF_FIXED,
		 "A publisher that sends nothing for so long is closed."),
	CONF_INT(S, retain_ms, "ms", 1000, 600000, 10000, CONF_FIXED,
		 "How much of each stream is kept for another origin; the newest group of pictures stays in any case."),
	CONF_INT(S, retain_bytes, "bytes", 1000000, 17179869184, 67108864, CONF_FIXED,
		 "Most bytes that are kept of one stream."),
	CONF_INT(S, replicas, "count", 1, 2, 1, CONF_FIXED,
		 "On how many origins each stream is kept: 1, its home alone; 2: the next home has all of it, and nothing is "
		 "sent again when the first one dies."),
	CONF_INT(S, gop_max_bytes, "bytes", 1000000, 1073741824, 67108864, CONF_FIXED,
		 "Most bytes of one group of pictures."),
	CONF_INT(S, tracks_settle_ms, "ms", 0, 60000, 500, CONF_FIXED,
		 "How long announced tracks are waited for, at most a group of pictures."),
	CONF_INT(S, join_wait_max_ms, "ms", 100, 600000, 10000, CONF_FIXED,
		 "Without a key frame for so long a stream begins at any picture."),
	CONF_INT(S, pulls_max, "count", 0, 100000, 1000, CONF_FIXED, "Most streams that are pulled from elsewhere."),
	CONF_INT_NAMED("pull.probe_ms", S, pull_probe_ms, "ms", 1000, 3600000, 30000, CONF_FIXED,
		       "While a later address of a pull is in use: how often the first one is tried again."),
};

/* clang-format on */

const struct conf_table ingest_conf =
	CONF_TABLE("ingest", "Takes publishers in.", S, keys);
