/* services/edge/edge.h - the process of an edge: it has the viewers. */
#ifndef WEIR_EDGE_EDGE_H
#define WEIR_EDGE_EDGE_H

#include "common/conf/conf.h"
#include "common/member/member.h"

/* Section "edge". */
struct edge_settings {
	const char *rtmp_listen;
	const char *rtmp_own_listen;
	const char *http_listen;
	const char *http_own_listen;
	const char *rtmps_listen;
	const char *https_listen;
	const char *tls_cert;
	const char *tls_key;
	struct conf_list http_origins;
	int64_t http_idle_max;
	int64_t viewers_max;
	int64_t streams_max;
	int64_t half_open_max;
	int64_t half_open_ms;
	int64_t per_ip_max;
	int64_t wait_publish_ms;
	int64_t publish_wait_ms;
	int64_t handover_ms;
	int64_t viewer_max_lag_ms;
	int64_t latency_budget_ms;
	int64_t slow_viewer_timeout_ms;
	int64_t idle_keep_ms;
	int64_t audio_join_ms;
	int64_t gop_max_bytes;
	int64_t wire_logs_per_stream;
	int64_t sndbuf_bytes;
	int64_t notsent_lowat_bytes;
	int64_t hls_cache_bytes;
};

extern const struct conf_table edge_conf;
extern const struct stat_table *const edge_stats_tables[]; /* NULL at the end */
extern const struct log_event *const edge_log_events[];    /* NULL at the end */

struct edge;

/* svc_desc.check: are certificate and key fit for TLS? */
WEIR_MUST_CHECK int edge_check(const struct conf *conf, char why[SVC_WHY_SIZE]);

/* Join the cluster as an edge and open its listeners. Returns 0, WEIR_ENOMEM,
 * WEIR_ECONF, -errno. */
WEIR_MUST_CHECK int edge_new(struct edge **out, struct svc *svc);
void edge_free(struct edge **e);

#endif
