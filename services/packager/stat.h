/* services/packager/stat.h - what a packager counts. */
#ifndef WEIR_PACKAGER_STAT_H
#define WEIR_PACKAGER_STAT_H

#include "services/packager/hls.h"

struct packager_stats {
	uint64_t streams, frames, missing_frames, log_bytes;
};

/* All series of a packager. */
struct packager_series {
	struct stat_series all, hls, live;
};

/* The values are borrowed until packager_stat_remove. Returns 0 or WEIR_ENOMEM.
 */
WEIR_MUST_CHECK int packager_stat_add(struct stats *st,
				      struct packager_series *s,
				      const struct packager_stats *all,
				      const struct hls_stats *hls,
				      const struct live_stats *live);
void packager_stat_remove(struct packager_series *s);

#endif
