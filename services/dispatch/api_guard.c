/* services/dispatch/api_guard.c - who may call the API, by the settings. */
#include <stdio.h>
#include <stdlib.h>

#include "services/dispatch/internal.h"
#include "services/dispatch/route.h"

#define NAME_MAX_BYTES 63

const struct log_event dispatch_api_open = {
	"api.open", LOG_WARN, "listen",
	"The API answers everybody without a token (dispatch.api.open)."};

const struct log_event dispatch_api_refused = {
	"api.refused", LOG_INFO, "method path peer caller status why",
	"A request was refused before it was looked at."};

static bool is_name(const char *text)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		"._-";
	size_t len = strlen(text);

	return len > 0 && len <= NAME_MAX_BYTES && strspn(text, plain) == len;
}

/* Ends the part at its ':', and leads to the next one. */
static char *cut(char *text)
{
	char *end = text ? strchr(text, ':') : NULL;

	if (!end)
		return NULL;
	*end = '\0';
	return end + 1;
}

int api_token_read(struct http_token *out, char *text)
{
	char *role = cut(text);
	char *secret = cut(role);

	if (!secret || !*secret || !is_name(text))
		return WEIR_EINVAL;
	if (strcmp(role, "read") != 0 && strcmp(role, "control") != 0)
		return WEIR_EINVAL;
	*out = (struct http_token){
		.name = text, .secret = secret, .is_reader = *role == 'r'};
	return 0;
}

/* ---- settings that are fine one by one ---- */

static bool is_token(const char *item)
{
	char *text = strdup(item);
	struct http_token token;
	bool is_one = text && !api_token_read(&token, text);

	free(text);
	return is_one;
}

static bool are_zones(const struct conf_list *zones, char why[SVC_WHY_SIZE])
{
	struct cidr block;
	const char *zone;

	for (size_t i = 0; i < zones->count; i++)
		if (route_zone_read(&block, &zone, zones->item[i])) {
			snprintf(why, SVC_WHY_SIZE,
				 "dispatch.zones: \"%.80s\" is not of the form "
				 "10.1.0.0/16=zone",
				 zones->item[i]);
			return false;
		}
	return true;
}

int dispatch_check(const struct conf *conf, char why[SVC_WHY_SIZE])
{
	const struct dispatch_settings *s = conf_get(conf, &dispatch_conf);

	/* Which one is wrong is told by its place: it is a secret. */
	for (size_t i = 0; i < s->api_tokens.count; i++)
		if (!is_token(s->api_tokens.item[i])) {
			snprintf(why, SVC_WHY_SIZE,
				 "dispatch.api.tokens: number %zu is not "
				 "NAME:read:TOKEN or NAME:control:TOKEN",
				 i + 1);
			return WEIR_ECONF;
		}
	if (!are_zones(&s->zones, why))
		return WEIR_ECONF;
	if (s->api_open && (*s->api_token || s->api_tokens.count)) {
		snprintf(why, SVC_WHY_SIZE,
			 "dispatch.api.open: with a token it is not open; one "
			 "of them must go");
		return WEIR_ECONF;
	}
	return 0;
}

/* ---- the server ---- */

static void on_refused(void *ctx, const struct http_request *req,
		       unsigned status, const char *why)
{
	struct dispatch *d = ctx;

	logger_event(svc_log(d->svc), &dispatch_api_refused,
		     kv_str("method", http_method(req)),
		     kv_str("path", http_path(req)),
		     kv_addr("peer", http_peer(req)),
		     kv_str("caller", http_caller(req)),
		     kv_uint("status", status), kv_str("why", why));
}

/* Their texts are in *kept, which is the caller's. */
static int read_tokens(struct http_token *out, char **kept,
		       const struct conf_list *list)
{
	int err = 0;

	for (size_t i = 0; !err && i < list->count; i++) {
		kept[i] = strdup(list->item[i]);
		err = kept[i] ? api_token_read(&out[i], kept[i]) : WEIR_ENOMEM;
	}
	return err;
}

static int make_server(struct dispatch *d, const struct http_token *tokens)
{
	const struct dispatch_settings *s = d->settings;
	const struct http_server_options options = {
		.token = *s->api_token ? s->api_token : NULL,
		.tokens = tokens,
		.token_count = s->api_tokens.count,
		.is_open = s->api_open,
		.per_second = (unsigned)s->api_calls_per_second,
		.failures_per_minute = (unsigned)s->api_failures_per_minute,
		.origins = s->api_origins.count ? &d->api_origins : NULL,
		.has_cors_control = true,
		.refused = on_refused,
		.refused_ctx = d,
	};

	return http_server_new(&d->http, svc_loop(d->svc), &options);
}

int api_server_new(struct dispatch *d)
{
	const struct dispatch_settings *s = d->settings;
	struct http_token tokens[HTTP_TOKENS_MAX] = {0};
	char *kept[HTTP_TOKENS_MAX] = {0};
	int err;

	d->api_origins = (struct http_origins){s->api_origins.item,
					       s->api_origins.count};
	err = read_tokens(tokens, kept, &s->api_tokens);
	if (!err)
		err = make_server(d, tokens);
	for (size_t i = 0; i < HTTP_TOKENS_MAX; i++)
		free(kept[i]);
	if (!err && s->api_open)
		logger_event(svc_log(d->svc), &dispatch_api_open,
			     kv_str("listen", s->api_listen));
	return err == WEIR_EINVAL ? WEIR_ECONF : err;
}
