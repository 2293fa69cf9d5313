/* common/http/route.c - which handler is a path for. */
#include <stdio.h>

#include "common/http/server_priv.h"

static bool is_method(const struct http_route *r, const char *method)
{
	if (!r->method || !strcmp(r->method, method))
		return true;
	return !strcmp(r->method, "GET") && !strcmp(method, "HEAD");
}

/* An element of the pattern at *p that is `len` long, against the path's one at
 * `at`, also `at_len` long. */
static bool fits(const char *p, size_t len, const char *at, size_t at_len)
{
	if (len == 1 && *p == '*')
		return at_len > 0;
	return len == at_len && !memcmp(p, at, len);
}

static void add_part(struct http_request *req, const char *part)
{
	if (req->part_count < HTTP_PARTS_MAX)
		req->part[req->part_count++] = part;
}

/* Match, and keep what the stars took. `elements` is the path with its slashes
 * cut. */
static bool match(struct http_request *req, const char *pattern)
{
	const char *at = req->path;
	const char *p = pattern;

	req->part_count = 0;
	while (*p == '/' && *at == '/') {
		size_t len = strcspn(++p, "/");
		size_t at_len = strcspn(++at, "/");

		if (len == 2 && !memcmp(p, "**", 2)) {
			add_part(req, at);
			return true;
		}
		if (!fits(p, len, at, at_len))
			return false;
		if (len == 1 && *p == '*')
			add_part(req, req->elements + (at - req->path));
		p += len;
		at += at_len;
	}
	return *p == '\0' && *at == '\0';
}

/* "GET" is HEAD too. */
static void allow(struct http_request *req, const char *method)
{
	bool is_get = !strcmp(method, "GET");
	size_t len = strlen(req->allow);

	if (strstr(req->allow, method))
		return;
	snprintf(req->allow + len, sizeof(req->allow) - len, "%s%s%s",
		 len ? ", " : "", method, is_get ? ", HEAD" : "");
}

static void take(struct http_request *req, const struct http_route *r,
		 unsigned *flags)
{
	req->handler = r->handler;
	req->handler_ctx = r->ctx;
	*flags = r->flags;
}

unsigned http_find_route(struct http_request *req, unsigned *flags)
{
	const struct http_server *s = req->server;
	bool is_path_known = false;

	for (size_t i = 0; i < s->routes_count; i++) {
		for (size_t k = 0; k < s->routes[i].count; k++) {
			const struct http_route *r = &s->routes[i].route[k];

			if (!match(req, r->path))
				continue;
			is_path_known = true;
			if (!is_method(r, req->method)) {
				allow(req, r->method);
				continue;
			}
			take(req, r, flags);
			return 0;
		}
	}
	req->part_count = 0;
	if (is_path_known)
		return MHD_HTTP_METHOD_NOT_ALLOWED;
	if (!s->options.fallback)
		return MHD_HTTP_NOT_FOUND;
	req->handler = s->options.fallback;
	req->handler_ctx = s->options.fallback_ctx;
	*flags = s->options.fallback_flags;
	return 0;
}
