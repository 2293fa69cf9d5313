/* common/http/guard.c - who may ask what. */
#include <strings.h>

#include "common/http/server_priv.h"

/* Takes as long for a wrong token as for the right one. */
static bool is_same_secret(struct span given, struct span token)
{
	unsigned difference = given.len != token.len;

	for (size_t i = 0; i < given.len && token.len > 0; i++)
		difference |= given.data[i] ^ token.data[i % token.len];
	return difference == 0;
}

static bool has_token(const struct http_request *req)
{
	static const char scheme[] = "Bearer ";
	const char *given = http_header(req, "Authorization");

	if (!given || strncasecmp(given, scheme, strlen(scheme)) != 0)
		return false;
	return is_same_secret(span_str(given + strlen(scheme)),
			      span_str(req->server->token));
}

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
	if (origin && !is_own_origin(req->server, origin))
		return MHD_HTTP_FORBIDDEN;
	*why = "Content-Type must be application/json";
	if ((flags & HTTP_CONTROL) && !is_json(req))
		return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
	return 0;
}

unsigned http_guard(const struct http_request *req, unsigned flags,
		    const char **why)
{
	if (flags & HTTP_OPEN)
		return 0;
	if (!req->server->token)
		return guard_local(req, flags, why);
	if (has_token(req))
		return 0;
	if ((flags & HTTP_LOCAL) && !guard_local(req, flags, why))
		return 0;
	*why = "a token is needed";
	return MHD_HTTP_UNAUTHORIZED;
}
