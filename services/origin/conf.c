/* services/origin/conf.c - settings of an origin. */
#include "services/origin/origin.h"

#define S struct origin_settings

/* clang-format off */
static const struct conf_key keys[] = {
	CONF_INT(S, retain_ms, "ms", 1000, 3600000, 30000, CONF_FIXED,
		 "How much of each stream is kept for consumers."),
	CONF_INT(S, retain_bytes, "bytes", 1000000, 17179869184, 134217728, CONF_FIXED,
		 "Most bytes that are kept of one stream; the newest group of pictures stays in any case."),
	CONF_INT(S, gop_max_bytes, "bytes", 1000000, 1073741824, 67108864, CONF_FIXED,
		 "Most bytes of one group of pictures."),
	CONF_INT(S, consumer_max_lag_ms, "ms", 100, 600000, 5000, CONF_FIXED,
		 "An edge that lags further is moved to the newest key frame."),
	CONF_INT(S, streams_max, "count", 1, 1000000, 10000, CONF_FIXED,
		 "Most streams; names that are only asked for take half of them at most."),
	CONF_INT(S, consumers_max, "count", 1, 1000000, 20000, CONF_FIXED,
		 "Most subscriptions and questions of one node."),
	CONF_INT(S, push_connect_ms, "ms", 100, 600000, 10000, CONF_FIXED,
		 "Within this time a server that a stream is pushed to must be reached and have accepted it."),
	CONF_INT(S, push_retry_ms, "ms", 10, 600000, 200, CONF_FIXED,
		 "Behind a push that failed it is tried again after so long, then after twice that, and so on …"),
	CONF_INT(S, push_retry_max_ms, "ms", 10, 3600000, 2000, CONF_FIXED,
		 "… up to this."),
	CONF_INT(S, push_max_lag_ms, "ms", 100, 600000, 5000, CONF_FIXED,
		 "A push whose server takes it more slowly than it comes goes on at the newest key frame when it lags further."),
	CONF_INT(S, push_stall_ms, "ms", 100, 600000, 10000, CONF_FIXED,
		 "A server that takes no byte of a push for so long is left, and tried again."),
	CONF_INT(S, pushes_max, "count", 0, 1000000, 1000, CONF_FIXED,
		 "Most pushes at a time; others are left out, and counted."),
};
/* clang-format on */

const struct conf_table origin_conf =
	CONF_TABLE("origin", "Holds the streams.", S, keys);
