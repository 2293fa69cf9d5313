/* common/http/guard.c - who may ask what. */
#include <strings.h>

#include "common/http/server_priv.h"

static bool is_name(struct span s, const char *name)
{
	return s.len == strlen(name) &&
	       !strncasecmp((const char *)s.data, name, s.len);
}

/* "[::1]:80" and "host:80" without the port. */
static struct span without_port(struct span s)
{
	if (s.len > 0 && s.data[0] == '[') {
		const void *end = memchr(s.data, ']', s.len);
		size_t len = end ? (size_t)((const uint8_t *)end - s.data) + 1
				 : s.len;

		return span_first(s, len);
	}
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] == ':')
			return span_first(s, i);
	return s;
}

static bool is_own_host(const struct http_server *s, struct span host)
{
	host = without_port(host);
	if (is_name(host, "localhost") || is_name(host, "127.0.0.1") ||
	    is_name(host, "[::1]"))
		return true;
	for (size_t i = 0; i < s->options.host_count; i++)
		if (is_name(host, s->hosts[i]))
			return true;
	return false;
}

/* A page that a browser shows may be anybody's: its origin must be one of our
 * names. "null" and other schemes are nobody's. */
static bool is_own_origin(const struct http_server *s, const char *origin)
{
	if (!strncasecmp(origin, "http://", 7))
		return is_own_host(s, span_str(origin + 7));
	if (!strncasecmp(origin, "https://", 8))
		return is_own_host(s, span_str(origin + 8));
	return false;
}

static bool is_json(const struct http_request *req)
{
	static const char json[] = "application/json";
	const char *type = http_header(req, "Content-Type");

	if (!type || strncasecmp(type, json, strlen(json)) != 0)
		return false;
	type += strlen(json);
	return *type == '\0' || *type == ';' || *type == ' ';
}

/* Pages of others that may come in where the place of a peer stands for a token.
 * "*" is nobody here. */
static bool is_listed_origin(const struct http_server *s, const char *origin)
{
	const struct http_origins *list = s->options.origins;

	for (size_t i = 0; list && i < list->count; i++)
		if (strcmp(list->item[i], "*") != 0 &&
		    !strcmp(list->item[i], origin))
			return true;
	return false;
}

static bool is_method(const struct http_request *req, const char *method)
{
	return !strcmp(req->method, method);
}

/* An image of another site's page, for example: it has no Origin. */
static bool is_of_other_site(const struct http_request *req)
{
	const char *site = http_header(req, "Sec-Fetch-Site");

	return site && strcmp(site, "same-origin") != 0 &&
	       strcmp(site, "none") != 0 && !http_header(req, "Origin");
}

/* Could a page of somebody else have had the browser send this unasked? Browsers
 * ask first (CORS) for all but GET and simple POSTs. */
static unsigned guard_forged(const struct http_request *req, const char **why)
{
	*why = "Content-Type must be application/json";
	if (is_method(req, "POST") && !is_json(req))
		return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
	*why = "this comes from another site";
	return is_of_other_site(req) ? MHD_HTTP_FORBIDDEN : 0;
}

/* Who may ask without a token. */
static unsigned guard_local(const struct http_request *req, unsigned flags,
			    const char **why)
{
	const char *host = http_header(req, "Host");
	const char *origin = http_header(req, "Origin");

	*why = "without a token this is for loopback only";
	if (!net_addr_is_loopback(&req->peer))
		return MHD_HTTP_FORBIDDEN;
	*why = "the Host is not this server";
	if (!host || !is_own_host(req->server, span_str(host)))
		return MHD_HTTP_FORBIDDEN;
	*why = "the Origin is not this server";
	if (origin && !is_own_origin(req->server, origin) &&
	    !is_listed_origin(req->server, origin))
		return MHD_HTTP_FORBIDDEN;
	return flags & HTTP_CONTROL ? guard_forged(req, why) : 0;
}

/* Whoever may read what is given to everybody. */
static bool is_read_by(const struct http_server *s, const char *origin)
{
	return s->options.origins &&
	       http_cors_allows(s->options.origins, span_str(origin));
}

static bool takes_all_pages(const struct http_server *s)
{
	const struct http_origins *list = s->options.origins;

	for (size_t i = 0; list && i < list->count; i++)
		if (!strcmp(list->item[i], "*"))
			return true;
	return false;
}

/* "http://h:8083" for "h:8083". */
static bool is_of_host(const char *origin, const char *host)
{
	const char *at = strstr(origin, "://");

	return at && host && !strcasecmp(at + 3, host);
}

static unsigned guard_open(const struct http_request *req, unsigned flags,
			   const char **why)
{
	const char *origin = http_header(req, "Origin");

	*why = "this comes from another site";
	if ((flags & HTTP_CONTROL) && is_of_other_site(req) &&
	    !takes_all_pages(req->server))
		return MHD_HTTP_FORBIDDEN;

	*why = "the Origin is not this server";
	if (origin && !is_of_host(origin, http_header(req, "Host")) &&
	    !is_read_by(req->server, origin))
		return MHD_HTTP_FORBIDDEN;
	return 0;
}

static bool is_failing(const struct http_request *req)
{
	struct http_server *s = req->server;

	return s->failures &&
	       !rate_may(s->failures, &req->peer, loop_now_ms(s->loop));
}

static void note_failure(const struct http_request *req)
{
	struct http_server *s = req->server;

	if (s->failures)
		(void)rate_take(s->failures, &req->peer, loop_now_ms(s->loop));
}

static unsigned guard_token(struct http_request *req, unsigned flags,
			    const char **why)
{
	static const char scheme[] = "Bearer ";
	const char *given = http_header(req, "Authorization");

	*why = "a token is needed";
	if (!given)
		return MHD_HTTP_UNAUTHORIZED;
	*why = "too many wrong tokens";
	if (is_failing(req))
		return MHD_HTTP_TOO_MANY_REQUESTS;
	if (!strncasecmp(given, scheme, strlen(scheme)))
		req->token = http_tokens_find(req->server,
					      span_str(given + strlen(scheme)));
	*why = "a token is needed, and this is none";
	if (!req->token) {
		note_failure(req);
		return MHD_HTTP_UNAUTHORIZED;
	}
	*why = "this token is for reading only";
	return flags & HTTP_CONTROL && req->token->is_reader
		       ? MHD_HTTP_FORBIDDEN
		       : 0;
}

unsigned http_guard(struct http_request *req, unsigned flags, const char **why)
{
	const char *local_why;

	if (flags & HTTP_OPEN)
		return 0;
	if (req->server->options.is_open)
		return guard_open(req, flags, why);
	if (!req->server->token_count)
		return guard_local(req, flags, why);
	if ((flags & HTTP_LOCAL) && !guard_local(req, flags, &local_why))
		return 0;
	return guard_token(req, flags, why);
}
