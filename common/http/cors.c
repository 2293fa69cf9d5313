/* common/http/cors.c - which web pages may read our answers. */
#include "common/http/cors.h"

#define ORIGIN_MAX 256 /* bytes; a longer one is nobody's */

/* What may be echoed into a head, into one item of a list. */
static bool is_plain(struct span origin)
{
	for (size_t i = 0; i < origin.len; i++)
		if (origin.data[i] <= ' ' || origin.data[i] >= 0x7f ||
		    origin.data[i] == ',')
			return false;
	return origin.len > 0 && origin.len < ORIGIN_MAX;
}

static bool has_item(const struct http_origins *origins, struct span item)
{
	for (size_t i = 0; i < origins->count; i++)
		if (span_eq_str(item, origins->item[i]))
			return true;
	return false;
}

bool http_cors_allows(const struct http_origins *origins, struct span origin)
{
	if (!is_plain(origin))
		return false;
	return has_item(origins, SPAN_LIT("*")) || has_item(origins, origin);
}

void http_cors_fields(const struct http_origins *origins, struct span origin,
		      http_cors_fn *fn, void *ctx)
{
	char echo[ORIGIN_MAX];

	/* Also where there was no Origin: a cache must not give this answer to
	 * a page that has one. */
	fn(ctx, "Vary", "Origin");
	if (has_item(origins, SPAN_LIT("*")))
		fn(ctx, "Cross-Origin-Resource-Policy", "cross-origin");
	if (!http_cors_allows(origins, origin))
		return;
	memcpy(echo, origin.data, origin.len);
	echo[origin.len] = '\0';
	fn(ctx, "Access-Control-Allow-Origin", echo);
	fn(ctx, "Access-Control-Expose-Headers",
	   "Date, Age, Content-Length, Content-Range, Retry-After");
}

void http_cors_preflight_fields(http_cors_fn *fn, void *ctx)
{
	fn(ctx, "Access-Control-Allow-Methods", "GET, HEAD, OPTIONS");
	/* Without credentials "*" stands for every field a page may set. */
	fn(ctx, "Access-Control-Allow-Headers", "*");
	fn(ctx, "Access-Control-Max-Age", "86400");
}

void http_cors_control_fields(http_cors_fn *fn, void *ctx)
{
	fn(ctx, "Access-Control-Allow-Methods",
	   "GET, HEAD, POST, PUT, DELETE, OPTIONS");
	/* "*" would not stand for Authorization. */
	fn(ctx, "Access-Control-Allow-Headers",
	   "Authorization, Content-Type, X-Request-Id");
	fn(ctx, "Access-Control-Max-Age", "86400");
}
