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

struct origin {
	struct svc *svc;
	struct member *member;
	struct homes *homes;
	struct pushes *pushes;
	struct tls_trust *trust; /* of servers that are pushed to */
	struct list queries;     /* under way to ingests */
	struct stat_series series;
	struct stat_refresh refresh;
	struct origin_stats stats;
	struct list shown;
	struct map by_key;
	struct timer *drain;
	uint64_t pushed_before; /* bytes, a second ago */
};

extern const struct log_event origin_failed;

/* ---- pushing.c ---- */

/* Once the homes are there. Failure of what settings name is logged. */
WEIR_MUST_CHECK int origin_pushes_open(struct origin *o);
/* When pushes, homes and member are gone. */
void origin_pushes_fini(struct origin *o);
/* As on_change of homes, and on_rules of the member. */
void origin_on_home(void *ctx, const struct home_info *info);
void origin_on_rules(void *ctx, int64_t now_ms);
/* The call "pushes". The caller's. */
struct json_object *origin_pushes_json(const struct origin *o,
				       struct json_object *args);

#endif
