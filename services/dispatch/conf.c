/* services/dispatch/conf.c - settings of a dispatch. */
#include "services/dispatch/dispatch.h"

#define S struct dispatch_settings

/* clang-format off */
static const struct conf_key keys[] = {
	CONF_ADDR_NAMED("api.listen", S, api_listen, ":8083", CONF_FIXED, "Where the HTTP API listens."),
	CONF_STRING_NAMED("api.token", S, api_token, 0, 255, "", CONF_SECRET,
			  "Who calls the API must send it; without one the API answers on loopback only."),
	CONF_STRING(S, server_id, 1, 63, "1", CONF_FIXED, "The name of this cluster in the API's answers."),
	CONF_BOOL_NAMED("web.open", S, web_open, false, CONF_FIXED,
			"Browsers on this machine may list the streams without the token, too."),
	CONF_STRING_NAMED("web.http_url", S, web_http_url, 0, 255, "", CONF_FIXED,
			  "Where the browser page plays from, as http://live.example.org:8080; empty: the edges' addresses."),
	CONF_STRING_NAMED("web.rtmp_url", S, web_rtmp_url, 0, 255, "", CONF_FIXED,
			  "What the browser page names for RTMP, as rtmp://live.example.org; empty: the edges' addresses."),
	CONF_INT(S, ask_ms, "ms", 50, 60000, 2000, CONF_FIXED, "How long other nodes are waited for."),
};
/* clang-format on */

const struct conf_table dispatch_conf =
	CONF_TABLE("dispatch", "Places streams, answers the API.", S, keys);
