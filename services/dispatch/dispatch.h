/* services/dispatch/dispatch.h - the process of a dispatch. */
#ifndef WEIR_DISPATCH_DISPATCH_H
#define WEIR_DISPATCH_DISPATCH_H

#include "common/member/member.h"

/* Section "dispatch". */
struct dispatch_settings {
	const char *api_listen;
	const char *api_token;
	struct conf_list api_tokens;
	bool api_open;
	struct conf_list api_origins;
	int64_t api_calls_per_second;
	int64_t api_failures_per_minute;
	const char *server_id;
	bool web_open;
	const char *web_http_url;
	const char *web_rtmp_url;
	int64_t ask_ms;
	struct conf_list zones; /* route.h */
};

extern const struct conf_table dispatch_conf;
extern const struct stat_table dispatch_stat;
extern const struct log_event *const dispatch_log_events[]; /* ends with NULL */

struct dispatch;

/* For svc_desc. */
int dispatch_check(const struct conf *conf, char why[SVC_WHY_SIZE]);

/* Join the cluster as a dispatch and open the API. Returns 0, WEIR_ENOMEM,
 * WEIR_ECONF, -errno. */
WEIR_MUST_CHECK int dispatch_new(struct dispatch **out, struct svc *svc);
void dispatch_free(struct dispatch **d);

#endif
