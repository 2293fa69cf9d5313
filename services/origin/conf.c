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
};
/* clang-format on */

const struct conf_table origin_conf =
	CONF_TABLE("origin", "Holds the streams.", S, keys);
