/* common/http/cors.h - which web pages may read our answers.
 *
 * Spec: WHATWG Fetch, section 3.2 (CORS). An allowed origin is echoed, never
 * "*", and credentials are never allowed: nothing here depends on a cookie.
 * Pure code, shared by the server of this room and by whoever writes heads
 * himself.
 */
#ifndef WEIR_HTTP_CORS_H
#define WEIR_HTTP_CORS_H

#include "common/base/span.h"

/* Those that may: "https://a.example", "http://b.example:8000"; "*" is every
 * page. */
struct http_origins {
	const char *const *item;
	size_t count; /* 0: none */
};

bool http_cors_allows(const struct http_origins *origins, struct span origin);

/* A field of an answer. Both are text that may stand in a head. */
typedef void http_cors_fn(void *ctx, const char *name, const char *value);

/* Tell what an answer to a request with that Origin (empty: it had none) must
 * have. It is the same for every status. */
void http_cors_fields(const struct http_origins *origins, struct span origin,
		      http_cors_fn *fn, void *ctx);

/* Tell what the answer (204) to a preflight has besides. */
void http_cors_preflight_fields(http_cors_fn *fn, void *ctx);
/* The same, where pages may also change something, with a token. */
void http_cors_control_fields(http_cors_fn *fn, void *ctx);

#endif
