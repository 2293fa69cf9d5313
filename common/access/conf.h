/* common/access/conf.h - settings of who may publish and play.
 *
 * Section "auth", shared by all roles, and cluster.rules.
 */
#ifndef WEIR_ACCESS_CONF_H
#define WEIR_ACCESS_CONF_H

#include "common/conf/conf.h"

/* In their order of access_ops_name, "none" before: 0 or enum access_op. */
enum access_needed {
	ACCESS_NEEDED_NONE = 0,
	ACCESS_NEEDED_PUBLISH = 1,
	ACCESS_NEEDED_PLAY = 2,
	ACCESS_NEEDED_BOTH = 3,
};

enum access_timeout { ACCESS_TIMEOUT_DENY, ACCESS_TIMEOUT_ALLOW };

struct access_settings {
	int signature; /* enum access_needed: for what one must stand */

	/* Hosts of pages that may play by HTTP: "example.com",
	 * "*.example.com"; none: all may. */
	struct conf_list referers;
	bool needs_referer; /* if there are referers: none is refused too */

	/* lal's simple_auth, with its names. */
	const char *lal_key;
	const char *dangerous_lal_secret;
	bool pub_rtmp_enable;
	bool sub_rtmp_enable;
	bool sub_httpflv_enable;
	bool sub_httpts_enable;
	bool pub_rtsp_enable;
	bool sub_rtsp_enable;
	bool hls_m3u8_enable;

	/* The webhook; an empty address: not asked. */
	const char *on_publish_auth;
	const char *on_play_auth;
	int64_t webhook_timeout_ms;
	int webhook_on_timeout; /* enum access_timeout */
	int64_t webhook_cache_ms;
};

struct access_rules_settings {
	const char *rules; /* JSON: ruleset_load takes it */
};

extern const struct conf_table access_conf;       /* "auth" */
extern const struct conf_table access_rules_conf; /* "cluster": rules */

#endif
