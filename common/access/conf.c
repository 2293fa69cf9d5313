/* common/access/conf.c - settings of who may publish and play. */
#include "common/access/conf.h"

#include <stdio.h>

#include "common/access/ruleset.h"

#define S struct access_settings
#define R struct access_rules_settings

static bool rules_check(struct span json, struct conf_fault *fault)
{
	struct rule_fault why = {"", ""};
	int err = ruleset_load(NULL, RULES_SETTINGS, json, &why);

	if (err == WEIR_ENOMEM)
		(void)snprintf(why.what, sizeof(why.what), "out of memory");
	(void)snprintf(fault->where, sizeof(fault->where), "%s", why.where);
	(void)snprintf(fault->what, sizeof(fault->what), "%s", why.what);
	return err == 0;
}

/* clang-format off */
static const struct conf_key keys[] = {
	CONF_ENUM(S, signature, "none|publish|play|both", "none", CONF_FIXED,
		  "What needs a signed address. Where one is signed, the signature must be right in any case."),
	CONF_LIST(S, referers, 0, 256, "", CONF_FIXED,
		  "Hosts of the pages that may play by HTTP: example.com, or *.example.com for all below it; none: all may."),
	CONF_BOOL(S, needs_referer, false, CONF_FIXED,
		  "Whether players that name no page are refused where referers are set."),
	CONF_STRING_NAMED("lal.key", S, lal_key, 0, 256, "", CONF_SECRET,
			  "lal's simple_auth key: lal_secret is the md5 of it and the stream's name; empty: none is right."),
	CONF_STRING_NAMED("lal.dangerous_lal_secret", S, dangerous_lal_secret, 0, 256, "", CONF_SECRET,
			  "A lal_secret that is right for every stream; empty: none."),
	CONF_BOOL_NAMED("lal.pub_rtmp_enable", S, pub_rtmp_enable, false, CONF_FIXED,
			"Whether publishing by RTMP needs lal_secret (or a signed address)."),
	CONF_BOOL_NAMED("lal.sub_rtmp_enable", S, sub_rtmp_enable, false, CONF_FIXED,
			"Whether playing by RTMP needs it."),
	CONF_BOOL_NAMED("lal.sub_httpflv_enable", S, sub_httpflv_enable, false, CONF_FIXED,
			"Whether playing by HTTP-FLV and WebSocket-FLV needs it."),
	CONF_BOOL_NAMED("lal.sub_httpts_enable", S, sub_httpts_enable, false, CONF_FIXED,
			"Whether playing by HTTP-TS and WebSocket-TS needs it."),
	CONF_BOOL_NAMED("lal.pub_rtsp_enable", S, pub_rtsp_enable, false, CONF_FIXED,
			"Whether publishing by RTSP needs it."),
	CONF_BOOL_NAMED("lal.sub_rtsp_enable", S, sub_rtsp_enable, false, CONF_FIXED,
			"Whether playing by RTSP needs it."),
	CONF_BOOL_NAMED("lal.hls_m3u8_enable", S, hls_m3u8_enable, false, CONF_FIXED,
			"Whether playlists of HLS need it."),
	CONF_STRING_NAMED("webhook.on_publish_auth", S, on_publish_auth, 0, 1024, "", CONF_SECRET,
			  "Address (http or https) that is asked whether somebody may publish; empty: nobody is asked."),
	CONF_STRING_NAMED("webhook.on_play_auth", S, on_play_auth, 0, 1024, "", CONF_SECRET,
			  "Address that is asked whether somebody may play; empty: nobody is asked."),
	CONF_INT_NAMED("webhook.timeout_ms", S, webhook_timeout_ms, "ms", 100, 60000, 3000, CONF_FIXED,
		       "How long an answer is waited for."),
	CONF_ENUM_NAMED("webhook.on_timeout", S, webhook_on_timeout, "deny|allow", "deny", CONF_FIXED,
			"What holds without an answer."),
	CONF_INT_NAMED("webhook.cache_ms", S, webhook_cache_ms, "ms", 0, 600000, 5000, CONF_FIXED,
		       "How long an answer holds for the same question; 0: not at all."),
};

static const struct conf_key rules_keys[] = {
	CONF_OBJECTS(R, rules, rules_check, CONF_SECRET,
		     "Rules of this process: lists of addresses, bans, signing keys, relays (docs/auth.md, docs/relay.md)."),
};
/* clang-format on */

const struct conf_table access_conf =
	CONF_TABLE("auth", "Who may publish and play.", S, keys);
const struct conf_table access_rules_conf =
	CONF_TABLE("cluster", "Rules of the whole cluster.", R, rules_keys);
