/* services/ingest/ingest.h - the process of an ingest. */
#ifndef WEIR_INGEST_INGEST_H
#define WEIR_INGEST_INGEST_H

#include "common/bus/writer.h"
#include "common/member/member.h"
#include "services/ingest/maker.h"

/* Section "ingest". */
struct ingest_settings {
	const char *rtmp_listen;
	const char *rtmp_own_listen;
	int64_t publishers_max;
	int64_t half_open_max;
	int64_t handshake_ms;
	int64_t publish_idle_ms;
	int64_t retain_ms;
	int64_t retain_bytes;
	int64_t replicas;
	int64_t gop_max_bytes;
	int64_t tracks_settle_ms;
	int64_t join_wait_max_ms;
	int64_t pulls_max;
	int64_t pull_probe_ms;
};

extern const struct conf_table ingest_conf;
extern const struct stat_table ingest_stat;
extern const struct log_event *const ingest_log_events[]; /* ends with NULL */

struct ingest;

/* Join the cluster as an ingest and open its listeners. Returns 0, WEIR_ENOMEM,
 * WEIR_ECONF, -errno. */
WEIR_MUST_CHECK int ingest_new(struct ingest **out, struct svc *svc);
void ingest_free(struct ingest **in);

#endif
