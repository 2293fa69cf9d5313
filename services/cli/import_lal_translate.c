/* services/cli/import_lal_translate.c - what of lal weir has as well. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/access/rule.h"
#include "common/io/net.h"
#include "services/cli/import_lal_priv.h"

#define SESSION_KEY_MAX 256 /* bytes, of hls.session_key */

/* ---- into weir's ---- */

/* Takes the value; NULL (no memory) is left out. */
static void set(struct import *im, const char *section, const char *name,
		struct json_object *value)
{
	struct json_object *o = NULL;

	if (!json_object_object_get_ex(im->to, section, &o)) {
		o = json_object_new_object();
		json_object_object_add(im->to, section, o);
	}
	json_object_object_add(o, name, value);
}

static void set_text(struct import *im, const char *section, const char *name,
		     const char *text)
{
	set(im, section, name, json_object_new_string(text));
}

static bool is_addr(const char *text)
{
	struct net_addr addr;

	return net_addr_parse(&addr, text) == 0;
}

/* A port of weir's; empty when it is off there. `path`: where it stood. */
static void set_listen(struct import *im, const char *section, const char *name,
		       const char *path, const char *addr, bool is_on)
{
	if (is_on && !is_addr(addr)) {
		import_lose(im, path,
			    "no address that can be listened at; weir's "
			    "default holds");
		return;
	}
	set_text(im, section, name, is_on ? addr : "");
}

/* A number, if lal's file has it. */
static void set_int(struct import *im, const char *section, const char *name,
		    const char *path, int64_t min, int64_t max)
{
	struct json_object *o = import_find(im, path);
	int64_t n = json_object_get_int64(o);
	char why[96];

	if (!o)
		return;
	if (json_object_is_type(o, json_type_int) && n >= min && n <= max) {
		set(im, section, name, json_object_new_int64(n));
		return;
	}
	snprintf(why, sizeof(why),
		 "%s.%s takes %" PRId64 " to %" PRId64 "; its default holds",
		 section, name, min, max);
	import_lose(im, path, why);
}

/* ---- HTTP: lal has a port for each form, an edge one for all ---- */

static const char *const forms[] = {"httpflv", "httpts", "hls"};

struct http_side {
	const char *enable, *listen, *weir;
};

/* The setting of a form, or the one that all inherit. */
static const char *form_text(const struct import *im, char path[64],
			     const char *form, const char *name)
{
	const char *text;

	snprintf(path, 64, "%s.%s", form, name);
	text = import_text(im, path);
	if (*text)
		return text;
	snprintf(path, 64, "default_http.%s", name);
	return import_text(im, path);
}

static bool is_form_on(const struct import *im, const char *form,
		       const char *enable)
{
	char path[64];

	snprintf(path, sizeof(path), "%s.%s", form, enable);
	return import_is_on(im, path);
}

static void translate_side(struct import *im, const struct http_side *side)
{
	const char *addr = NULL;
	unsigned on_count = 0;
	char path[64], first[64] = "";

	for (size_t i = 0; i < WEIR_ARRAY_LEN(forms); i++) {
		const char *a = form_text(im, path, forms[i], side->listen);

		if (!is_form_on(im, forms[i], side->enable))
			continue;
		on_count++;
		if (addr && strcmp(addr, a) != 0)
			import_lose(im, path,
				    "an edge has one such port for all forms");
		if (!addr)
			memcpy(first, path, sizeof(first));
		addr = addr ? addr : a;
	}
	set_listen(im, "edge", side->weir, first, addr ? addr : "",
		   addr != NULL);
	if (on_count == 0 || on_count == WEIR_ARRAY_LEN(forms))
		return;
	for (size_t i = 0; i < WEIR_ARRAY_LEN(forms); i++) {
		snprintf(path, sizeof(path), "%s.%s", forms[i], side->enable);
		if (!import_is_on(im, path))
			import_lose(im, path,
				    "off; the port has FLV, TS and HLS alike");
	}
}

/* ---- certificates: an edge has one ---- */

static void take_cert(struct import *im, const char **taken, const char *path,
		      const char *file)
{
	if (!*file)
		return;
	if (*taken && strcmp(*taken, file) != 0)
		import_lose(im, path, "an edge has one certificate and key");
	else
		*taken = file;
}

static void translate_tls(struct import *im)
{
	const char *cert = NULL, *key = NULL;
	char path[64];

	for (size_t i = 0; i < WEIR_ARRAY_LEN(forms); i++) {
		const char *file;

		if (!is_form_on(im, forms[i], "enable_https"))
			continue;
		file = form_text(im, path, forms[i], "https_cert_file");
		take_cert(im, &cert, path, file);
		file = form_text(im, path, forms[i], "https_key_file");
		take_cert(im, &key, path, file);
	}
	if (import_is_on(im, "rtmp.rtmps_enable")) {
		import_lose(im, "rtmp.rtmps_enable",
			    "for players; publishers by RTMPS are not there "
			    "yet");
		take_cert(im, &cert, "rtmp.rtmps_cert_file",
			  import_text(im, "rtmp.rtmps_cert_file"));
		take_cert(im, &key, "rtmp.rtmps_key_file",
			  import_text(im, "rtmp.rtmps_key_file"));
	}
	if (cert)
		set_text(im, "edge", "tls.cert", cert);
	if (key)
		set_text(im, "edge", "tls.key", key);
}

static void translate_ports(struct import *im)
{
	static const struct http_side http = {"enable", "http_listen_addr",
					      "http.listen"};
	static const struct http_side https = {
		"enable_https", "https_listen_addr", "https.listen"};

	set_listen(im, "edge", "rtmp.listen", "rtmp.addr",
		   import_text(im, "rtmp.addr"),
		   import_is_on(im, "rtmp.enable"));
	set_listen(im, "edge", "rtmps.listen", "rtmp.rtmps_addr",
		   import_text(im, "rtmp.rtmps_addr"),
		   import_is_on(im, "rtmp.rtmps_enable"));
	translate_side(im, &http);
	translate_side(im, &https);
	translate_tls(im);
}

/* ---- HLS ---- */

/* With a key lal's HLS viewers are sessions. */
static void translate_hls_sessions(struct import *im)
{
	const char *path = "hls.sub_session_hash_key";
	const char *key = import_text(im, path);

	if (!*key)
		return;
	set(im, "hls", "session", json_object_new_boolean(true));
	if (strlen(key) <= SESSION_KEY_MAX)
		set_text(im, "hls", "session_key", key);
	else
		import_lose(im, path, "too long; made of cluster.key instead");
}

static void translate_hls(struct import *im)
{
	int64_t fragment_ms = json_object_get_int64(
		import_find(im, "hls.fragment_duration_ms"));
	int64_t fragments =
		json_object_get_int64(import_find(im, "hls.fragment_num"));
	struct json_object *timeout =
		import_find(im, "hls.sub_session_timeout_ms");

	if (!import_is_on(im, "hls.enable") &&
	    !import_is_on(im, "hls.enable_https")) {
		/* What nobody fetches costs nothing. */
		set_text(im, "hls", "mode", "on_demand");
		return;
	}
	set_int(im, "cluster", "fragment_duration_ms",
		"hls.fragment_duration_ms", 200, 60000);
	/* lal cuts at ten times its target. */
	if (fragment_ms >= 200 && fragment_ms <= 60000)
		set(im, "cluster", "max_fragment_ms",
		    json_object_new_int64(WEIR_MAX(fragment_ms * 10, 1000)));
	set_int(im, "hls", "fragment_num", "hls.fragment_num", 1, 1000);
	/* 0 is twice what a playlist holds. */
	if (json_object_is_type(timeout, json_type_int) &&
	    json_object_get_int64(timeout) == 0 && fragment_ms > 0 &&
	    fragment_ms <= 60000 && fragments > 0 && fragments <= 30)
		set(im, "hls", "sub_session_timeout_ms",
		    json_object_new_int64(
			    WEIR_MAX(fragment_ms * fragments * 2, 1000)));
	else
		set_int(im, "hls", "sub_session_timeout_ms",
			"hls.sub_session_timeout_ms", 1000, 3600000);
	translate_hls_sessions(im);
}

/* ---- relays ---- */

static struct json_object *relay_url(const char *addr)
{
	char url[URL_BYTES_MAX];
	int len = snprintf(url, sizeof(url), "rtmp://%s/$key", addr);

	if (len < 0 || (size_t)len >= sizeof(url) ||
	    url_template_check(span_str(url), "rtmp", NULL))
		return NULL;
	return json_object_new_string(url);
}

static struct json_object *relay_rule(struct json_object *urls,
				      const char *kind, const char *id)
{
	struct json_object *r = json_object_new_object();

	json_object_object_add(r, "kind", json_object_new_string(kind));
	json_object_object_add(r, "id", json_object_new_string(id));
	json_object_object_add(r, "streams", json_object_new_string("**"));
	json_object_object_add(r, "urls", urls);
	return r;
}

/* The addresses of a push rule: those from `from` on, as many as one takes. */
static struct json_object *push_urls(struct import *im,
				     struct json_object *list, size_t from)
{
	struct json_object *urls = json_object_new_array();
	size_t end =
		WEIR_MIN(json_object_array_length(list), from + RULE_URLS_MAX);

	for (size_t i = from; i < end; i++) {
		struct json_object *addr = json_object_array_get_idx(list, i);
		struct json_object *url = NULL;

		if (json_object_is_type(addr, json_type_string))
			url = relay_url(json_object_get_string(addr));
		if (url)
			json_object_array_add(urls, url);
		else
			import_lose(im, "relay_push.addr_list",
				    "one of its entries is no host:port");
	}
	return urls;
}

static void translate_push(struct import *im, struct json_object *rules)
{
	struct json_object *list = import_find(im, "relay_push.addr_list");
	size_t count = json_object_is_type(list, json_type_array)
			       ? json_object_array_length(list)
			       : 0;

	if (!import_is_on(im, "relay_push.enable"))
		return;
	for (size_t i = 0; i < count; i += RULE_URLS_MAX) {
		struct json_object *urls = push_urls(im, list, i);
		struct json_object *r;
		char id[32];

		if (json_object_array_length(urls) == 0) {
			json_object_put(urls);
			continue;
		}
		snprintf(id, sizeof(id), "lal-push-%zu", i / RULE_URLS_MAX + 1);
		r = relay_rule(urls, "push", id);
		json_object_object_add(r, "forward_query",
				       json_object_new_boolean(1));
		json_object_array_add(rules, r);
	}
}

/* lal's: for whoever watches, again and again, over when nobody does. */
static void translate_pull(struct import *im, struct json_object *rules)
{
	struct json_object *urls, *url, *r;

	if (!import_is_on(im, "static_relay_pull.enable"))
		return;
	url = relay_url(import_text(im, "static_relay_pull.addr"));
	if (!url) {
		import_lose(im, "static_relay_pull.addr", "it is no host:port");
		return;
	}
	urls = json_object_new_array();
	json_object_array_add(urls, url);
	r = relay_rule(urls, "pull", "lal-pull");
	json_object_object_add(r, "retry_num", json_object_new_int(-1));
	json_object_object_add(r, "auto_stop_ms", json_object_new_int(0));
	json_object_object_add(r, "pull_timeout_ms",
			       json_object_new_int(10000));
	json_object_array_add(rules, r);
}

static void translate_relays(struct import *im)
{
	struct json_object *rules = json_object_new_array();

	translate_push(im, rules);
	translate_pull(im, rules);
	if (json_object_array_length(rules) == 0) {
		json_object_put(rules);
		return;
	}
	set(im, "cluster", "rules", rules);
	import_lose(im, "relay_push, static_relay_pull",
		    "every stream has the app \"live\" at the other side, for "
		    "the app does not count");
}

/* ---- the others ---- */

static void translate_auth(struct import *im)
{
	static const char *const texts[] = {"key", "dangerous_lal_secret"};
	static const char *const switches[] = {
		"pub_rtmp_enable",   "sub_rtmp_enable", "sub_httpflv_enable",
		"sub_httpts_enable", "pub_rtsp_enable", "sub_rtsp_enable",
		"hls_m3u8_enable",
	};
	char path[64], name[64];

	for (size_t i = 0; i < WEIR_ARRAY_LEN(texts); i++) {
		snprintf(path, sizeof(path), "simple_auth.%s", texts[i]);
		snprintf(name, sizeof(name), "lal.%s", texts[i]);
		if (*import_text(im, path))
			set_text(im, "auth", name, import_text(im, path));
	}
	for (size_t i = 0; i < WEIR_ARRAY_LEN(switches); i++) {
		snprintf(path, sizeof(path), "simple_auth.%s", switches[i]);
		snprintf(name, sizeof(name), "lal.%s", switches[i]);
		if (import_find(im, path))
			set(im, "auth", name,
			    json_object_new_boolean(import_is_on(im, path)));
	}
}

static void translate_api(struct import *im)
{
	bool is_on = import_is_on(im, "http_api.enable");
	const char *id = import_text(im, "server_id");

	set_listen(im, "dispatch", "api.listen", "http_api.addr",
		   import_text(im, "http_api.addr"), is_on);
	if (is_on)
		import_lose(im, "http_api.enable",
			    "without a token it answers on this machine only: "
			    "set dispatch.api.token, or dispatch.api.open");
	if (*id && strlen(id) < 64)
		set_text(im, "dispatch", "server_id", id);
}

static void translate_log(struct import *im)
{
	static const char *const levels[] = {"debug", "debug", "info",
					     "warn",  "error", "error",
					     "error", "error"};
	struct json_object *o = import_find(im, "log.level");
	int64_t n = json_object_get_int64(o);

	if (json_object_is_type(o, json_type_int) && n >= 0 &&
	    n < (int64_t)WEIR_ARRAY_LEN(levels))
		set_text(im, "log", "level", levels[n]);
}

void import_translate(struct import *im)
{
	/* lal takes the name alone. */
	set_text(im, "cluster", "stream_identity", "name");
	translate_relays(im);
	translate_hls(im);
	translate_auth(im);
	translate_ports(im);
	translate_api(im);
	translate_log(im);
}
