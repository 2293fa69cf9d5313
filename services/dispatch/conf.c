/* services/dispatch/conf.c - settings of a dispatch. */
#include "services/dispatch/dispatch.h"

#define S struct dispatch_settings

/* clang-format off */
static const struct conf_key keys[] = {
	CONF_ADDR_NAMED("api.listen", S, api_listen, ":8083", CONF_FIXED, "Where the HTTP API listens."),
	CONF_STRING_NAMED("api.token", S, api_token, 0, 255, "", CONF_SECRET,
			  "Who calls the API must send it; without any the API answers on loopback only."),
	CONF_LIST_NAMED("api.tokens", S, api_tokens, 0, 31, "", CONF_SECRET,
			"More tokens, each as NAME:ROLE:TOKEN; the role is read or control, the name stands in the log."),
	CONF_BOOL_NAMED("api.open", S, api_open, false, CONF_FIXED,
			"The API answers everybody, from anywhere, without a token; for networks where all may do all."),
	CONF_LIST_NAMED("api.origins", S, api_origins, 0, 64, "", CONF_FIXED,
			"Web pages of other hosts that may call the API, as https://www.example.org; * is every page, where a token is needed or api.open is set."),
	CONF_INT_NAMED("api.calls_per_second", S, api_calls_per_second, "count", 0, 1000000, 500, CONF_FIXED,
		       "How many requests one address may send, then 429; 0: no limit."),
	CONF_INT_NAMED("api.failures_per_minute", S, api_failures_per_minute, "count", 0, 1000000, 60, CONF_FIXED,
		       "How many wrong tokens one address may send, then 429 for every token; 0: no limit."),
	CONF_STRING(S, server_id, 1, 63, "1", CONF_FIXED, "The name of this cluster in the API's answers."),
	CONF_BOOL_NAMED("web.open", S, web_open, false, CONF_FIXED,
			"Browsers on this machine may list the streams without the token, too."),
	CONF_STRING_NAMED("web.http_url", S, web_http_url, 0, 255, "", CONF_FIXED,
			  "Where the browser page plays from, as http://live.example.org:8080; empty: the edges' addresses."),
	CONF_STRING_NAMED("web.rtmp_url", S, web_rtmp_url, 0, 255, "", CONF_FIXED,
			  "What the browser page names for RTMP, as rtmp://live.example.org; empty: the edges' addresses."),
	CONF_LIST(S, zones, 0, 256, "", CONF_FIXED,
		  "Which addresses of clients are near which nodes (cluster.zone), as 10.1.0.0/16=fra1; the longest block counts."),
	CONF_INT(S, ask_ms, "ms", 50, 60000, 2000, CONF_FIXED, "How long other nodes are waited for."),
};
/* clang-format on */

const struct conf_table dispatch_conf =
	CONF_TABLE("dispatch", "Places streams, answers the API.", S, keys);
