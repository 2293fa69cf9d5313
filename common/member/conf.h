/* common/member/conf.h - settings that every member of a cluster has. */
#ifndef WEIR_MEMBER_CONF_H
#define WEIR_MEMBER_CONF_H

#include "common/conf/conf.h"

enum member_conflict { MEMBER_CONFLICT_REFUSE, MEMBER_CONFLICT_TAKE_OVER };

/* Section "cluster", what the stream machines need. */
struct member_cluster_settings {
	int64_t publish_stall_ms;
	int64_t publish_grace_ms;
	int64_t place_ms;
	int64_t resume_window_ms;
	int64_t loop_away_ms;
	int64_t resolve_retry_ms;
	int publish_conflict; /* enum member_conflict */
	int64_t fragment_duration_ms;
	int64_t max_fragment_ms;
	const char *state_dir;
	const char *run_dir;
	const char *ca_file; /* for tls_trust_new */
	const char *zone;
	const char *public_host;
};

struct member_redis_settings {
	const char *url;
	const char *user;
	const char *password;
	int64_t registry_ms;
	int64_t registry_settle_ms;
	int64_t lease_ms;
	int64_t lease_ttl_ms;
	int64_t reread_ms;
};

struct member_bus_settings {
	const char *listen;
	const char *advertise;
	int64_t flush_ms;
	int64_t flush_busy_percent;
	int64_t ping_ms;
	int64_t peer_dead_ms;
	int64_t window_max_bytes;
	int64_t handshake_ms;
	int64_t peers_max;
};

enum member_hls_mode { MEMBER_HLS_ALWAYS, MEMBER_HLS_ON_DEMAND };

/* Section "hls": packagers and edges. */
struct member_hls_settings {
	int mode; /* enum member_hls_mode */
	int64_t fragment_num;
	int64_t sub_session_timeout_ms;
	int64_t hold_ms;
	bool session;
	const char *session_key;
};

/* Section "limits": ingests and edges. 0: no limit. */
struct member_limits_settings {
	int64_t viewers_per_stream;
	int64_t viewers_per_ip;
	int64_t publishers_per_ip;
	int64_t failures_per_ip;
	int64_t out_bps;
	int64_t memory_bytes;
	int64_t memory_percent;
	int64_t descriptors_percent;
	int64_t busy_percent;
};

extern const struct conf_table member_limits_conf;
extern const struct conf_table member_cluster_conf;
extern const struct conf_table member_redis_conf;
extern const struct conf_table member_bus_conf;
extern const struct conf_table member_hls_conf;

#endif
