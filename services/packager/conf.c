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
};
/* clang-format on */

const struct conf_table packager_conf =
	CONF_TABLE("packager", "Follows streams for segments.", S, keys);
