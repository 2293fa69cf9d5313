/* services/origin/internal.h - what the files of an origin share. */
#ifndef WEIR_ORIGIN_INTERNAL_H
#define WEIR_ORIGIN_INTERNAL_H

#include "common/base/map.h"
#include "services/origin/origin.h"
#include "services/origin/push.h"

struct origin_stats {
	uint64_t streams, live, wanting, following, log_bytes, frames;
	struct stat_histogram age;
	struct push_stats push;
};

struct origin_stream_stats {
	uint64_t consumers, log_bytes, skipped;
};

extern const struct log_event origin_failed;

#endif
