/* services/origin/origin.h - the process of an origin. */
#ifndef WEIR_ORIGIN_ORIGIN_H
#define WEIR_ORIGIN_ORIGIN_H

#include "common/bus/home.h"
#include "common/member/member.h"

/* Section "origin". */
struct origin_settings {
	int64_t retain_ms;
	int64_t retain_bytes;
	int64_t gop_max_bytes;
	int64_t consumer_max_lag_ms;
	int64_t streams_max;
	int64_t consumers_max;
	int64_t push_connect_ms;
	int64_t push_retry_ms;
	int64_t push_retry_max_ms;
	int64_t push_max_lag_ms;
	int64_t push_stall_ms;
	int64_t pushes_max;
};

extern const struct conf_table origin_conf;
extern const struct stat_table origin_stat;
extern const struct stat_table origin_stream_stat;
extern const struct log_event *const origin_log_events[]; /* ends with NULL */

struct origin;

/* Join the cluster as an origin. Returns 0, WEIR_ENOMEM, WEIR_ECONF, -errno. */
WEIR_MUST_CHECK int origin_new(struct origin **out, struct svc *svc);
void origin_free(struct origin **o);

#endif
