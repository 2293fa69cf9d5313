/* services/dispatch/web_url.c - addresses as a browser reaches them. Pure. */
#include <stdlib.h>
#include <strings.h>

#include "services/dispatch/web.h"

/* "http://[::1]:8080/x": scheme, host, and the rest. */
struct parts {
	struct span scheme; /* "http" */
	struct span host;   /* "[::1]" */
	struct span rest;   /* ":8080/x" */
};

static bool is_plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
	       c == ':' || c == '[' || c == ']';
}

static bool is_all_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_plain(s.data[i]))
			return false;
	return s.len > 0;
}

/* How long the host at the beginning of "host:port" is. */
static size_t host_len(const char *text)
{
	if (*text == '[')
		return strcspn(text, "]") + (strchr(text, ']') != NULL);
	return strcspn(text, ":/");
}

static bool cut(struct parts *out, const char *url)
{
	const char *at = strstr(url, "://");
	size_t len;

	if (!at)
		return false;
	out->scheme = span_first(span_str(url), (size_t)(at - url));
	at += 3;
	len = host_len(at);
	out->host = span_first(span_str(at), len);
	out->rest = span_str(at + len);
	return is_all_plain(out->host);
}

static bool is_this_machine(struct span host)
{
	static const char *const names[] = {"127.0.0.1", "localhost", "[::1]",
					    "0.0.0.0", "[::]"};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(names); i++)
		if (host.len == strlen(names[i]) &&
		    !strncasecmp((const char *)host.data, names[i], host.len))
			return true;
	return false;
}

void web_put_url(struct buf *out, const char *url, const char *host)
{
	struct parts p;
	struct span name = span_str("");

	if (host)
		name = span_first(span_str(host), host_len(host));
	if (!cut(&p, url) || !is_this_machine(p.host) || !is_all_plain(name)) {
		buf_put(out, span_str(url));
		return;
	}
	buf_put(out, p.scheme);
	buf_put(out, span_str("://"));
	buf_put(out, name);
	buf_put(out, p.rest);
}

/* " http://h:8080", its path left off; or for a WebSocket " ws://h:8080". */
static void put_source(struct buf *out, const char *url, bool is_socket)
{
	struct parts p;
	struct span port;
	const char *scheme;

	if (!cut(&p, url))
		return;
	if (span_eq_str(p.scheme, "https"))
		scheme = is_socket ? "wss" : "https";
	else
		scheme = is_socket ? "ws" : "http";
	port = span_first(p.rest, strcspn((const char *)p.rest.data, "/"));
	if (port.len > 0 && !is_all_plain(port))
		return;
	buf_printf(out, " %s://", scheme);
	buf_put(out, p.host);
	buf_put(out, port);
}

static void put_sources(struct buf *out, const char *const *url, size_t count,
			bool is_socket)
{
	for (size_t i = 0; i < count; i++)
		put_source(out, url[i], is_socket);
}

void web_put_policy(struct buf *out, const char *const *url, size_t count)
{
	buf_printf(out,
		   "default-src 'none'; script-src 'self'; "
		   "style-src 'self'; img-src 'self'; connect-src 'self'");
	put_sources(out, url, count, false);
	put_sources(out, url, count, true);
	buf_printf(out, "; media-src blob:"); /* what a script feeds a player */
	put_sources(out, url, count, false);
	buf_printf(out,
		   "; base-uri 'none'; form-action 'none'; "
		   "frame-ancestors 'none'");
}
