/* common/http/server.h - HTTP server for the API, health and metrics.
 *
 * libmicrohttpd, driven by our loop through its own epoll descriptor: no thread
 * of its own, handlers run on the loop. A handler answers at once or later,
 * exactly once; the loop goes on meanwhile.
 *
 * Who may ask what is decided before a body is read:
 * - HTTP_OPEN routes: everybody (health, metrics).
 * - The others, when the server has tokens: who sends
 *   "Authorization: Bearer <token>" (else 401); HTTP_CONTROL routes not by the
 *   token of a reader (else 403).
 * - HTTP_LOCAL routes: who sends a token, and who would do without one.
 * - Without tokens: peers on loopback (else 403), with a Host that is a
 *   loopback name or one of `hosts`, and with no Origin or one of these or of
 *   `origins` (else 403: a web page of somebody else). HTTP_CONTROL routes only
 *   with what a page of somebody else cannot send unasked: a POST with
 *   Content-Type application/json (else 415: a form can be sent from anywhere),
 *   a GET that no browser sends for another site (else 403).
 * - is_open: everybody, from anywhere, but for pages of somebody else: the
 *   Origin is the Host, or one of `origins`, "*" too (else 403).
 * Who asks too often, or sent too many wrong tokens, gets 429.
 *
 * Errors that the server answers itself are JSON:
 * {"error_code": <status>, "desp": "<why>"}.
 */
#ifndef WEIR_HTTP_SERVER_H
#define WEIR_HTTP_SERVER_H

#include "common/base/buf.h"
#include "common/http/cors.h"
#include "common/io/net.h"

struct http_server;
struct http_request; /* lives until it is answered */

/* Must http_answer the request, now or later. */
typedef void http_handler_fn(void *ctx, struct http_request *req);

enum http_route_flag {
	HTTP_OPEN = 1,    /* no token, from anywhere */
	HTTP_CONTROL = 2, /* changes something */
	HTTP_LOCAL = 4,   /* with a token, too, loopback does without it */
};

struct http_route {
	const char *method; /* "GET" (HEAD too), "POST", "DELETE"; NULL: any */
	const char *path;   /* "/api/nodes"; an element "*" takes one element, a
			       last one "**" the rest (see http_path_part) */
	unsigned flags;
	http_handler_fn *handler;
	void *ctx;
};

struct http_token {
	const char *name; /* of who has it: http_caller */
	const char *secret;
	bool is_reader; /* may not ask HTTP_CONTROL routes */
};

#define HTTP_TOKENS_MAX 32

/* 0 or NULL in a field: the value in brackets. */
struct http_server_options {
	const char *token; /* of who may all, named "token" [none]; copied */
	const struct http_token *tokens; /* more of them; copied */
	size_t token_count;
	bool is_open;        /* without tokens */
	unsigned per_second; /* requests of one address [no limit] */
	unsigned
		failures_per_minute; /* wrong tokens of one address [no limit] */
	const char *const *hosts; /* names without port that Host and Origin may
				     have [loopback names]; copied */
	size_t host_count;
	unsigned connections_max; /* [256] */
	unsigned per_address_max; /* connections of one address [no limit] */
	unsigned idle_timeout_s; /* [15] for a head, a body, the next request */
	unsigned
		request_timeout_ms; /* [60000] for a whole head and body, however
					steadily they trickle in */
	unsigned answer_timeout_ms; /* then 504 [10000] */
	size_t body_bytes_max;      /* [65536], else 413 */
	size_t head_bytes_max; /* [32768] for a head, and for all else that a
				  connection needs; each takes so much */
	/* Web pages that may read our answers; then OPTIONS is answered for
	 * every path [no CORS fields]; borrowed for the server's life. */
	const struct http_origins *origins;
	/* They may also send POST, PUT and DELETE, and a token [GET, HEAD]. */
	bool has_cors_control;
	/* Told of each request that is refused before it is looked at; may be
	 * NULL. It must not answer. */
	void (*refused)(void *ctx, const struct http_request *req,
			unsigned status, const char *why);
	void *refused_ctx;
	/* Asked first for paths that no route has [404]; may be NULL. */
	http_handler_fn *fallback;
	void *fallback_ctx;
	unsigned fallback_flags;
};

/* A server without listeners. Options are copied. Returns 0, WEIR_ENOMEM or
 * WEIR_EINVAL. */
WEIR_MUST_CHECK int http_server_new(struct http_server **out, struct loop *loop,
				    const struct http_server_options *options);

/* Add routes (`routes` is borrowed for the server's life). The first that fits
 * is taken; a path with other methods only gives 405. Returns 0, WEIR_ENOMEM.
 */
WEIR_MUST_CHECK int http_server_route(struct http_server *s,
				      const struct http_route *routes,
				      size_t count);

/* Accept from a listening socket, which is taken, on failure too. Several may
 * be added. *addr (may be NULL): where it listens. Returns 0, WEIR_ENOMEM,
 * WEIR_ELIMIT (8 listeners) or -errno. */
WEIR_MUST_CHECK int http_server_listen(struct http_server *s, int fd,
				       struct net_addr *addr);

/* Serve a connection whose bytes nobody has taken out of the socket (peeking is
 * fine). `fd` is taken, on failure too. Returns 0, WEIR_ELIMIT (it was closed)
 * or WEIR_ENOMEM. */
WEIR_MUST_CHECK int http_server_adopt(struct http_server *s, int fd,
				      const struct net_addr *peer);

struct http_server_stats {
	uint64_t requests_count;
	uint64_t refused_count;   /* 4xx that the server gave by itself */
	uint64_t timed_out_count; /* 504 */
	unsigned connections_open;
	unsigned requests_open; /* not answered yet */
};
void http_server_stats(const struct http_server *s,
		       struct http_server_stats *out);

/* Close everything, free, set to NULL; NULL is fine. Open requests end as by
 * http_on_gone. Not from a handler. */
void http_server_free(struct http_server **s);

/* ---- a request; all that is returned is borrowed until it is answered ---- */

const char *http_method(const struct http_request *req);
const char *http_path(const struct http_request *req); /* percent-decoded */
/* As the peer wrote them: "/a%20b", and what stands behind the '?'. */
struct span http_raw_path(const struct http_request *req);
struct span http_raw_query(const struct http_request *req);
/* What the n-th "*" (from 0) or the "**" took; "" if there is none. */
const char *http_path_part(const struct http_request *req, unsigned n);
/* Methods with which routes before the one that was taken have this path, as the
 * Allow of a 405 has them; "" if none. */
const char *http_allowed(const struct http_request *req);
/* Percent-decoded value of the first ?name=…; NULL when it is not there. */
const char *http_query(const struct http_request *req, const char *name);
const char *http_header(const struct http_request *req, const char *name);
struct span http_body(const struct http_request *req);
const struct net_addr *http_peer(const struct http_request *req);
/* The name of the token that it came with; "" if none was asked for. */
const char *http_caller(const struct http_request *req);

/* ---- answering ---- */

struct http_header {
	const char *name;
	const char *value;
};

/* What the server made of an answer, so that the next one who gets the same
 * costs less. */
struct http_kept;

struct http_answer {
	unsigned status;
	const char *content_type; /* NULL: none */
	struct span body;
	/* NULL: the body is copied. Else it is used where it lies, and
	 * body_free(body_ctx) is called when it is no longer needed. */
	void (*body_free)(void *ctx);
	void *body_ctx;
	const struct http_header *headers; /* borrowed */
	size_t header_count;
	/* NULL; or a place of the caller's, NULL in it at first. All answers
	 * that are given with one place are the same: it is emptied by
	 * http_kept_free before another one is given. It holds the body. */
	struct http_kept **kept;
};

/* Empty the place; also when answers of it are still being sent. An empty one
 * is fine. On the loop's thread; before or after the server is freed. */
void http_kept_free(struct http_kept **kept);

/* Answer; `req` is gone afterwards. Out of memory, the peer is closed. */
void http_answer(struct http_request *req, const struct http_answer *answer);

/* Shorthands. `json` is a whole document; `desp` is escaped. */
void http_answer_json(struct http_request *req, unsigned status,
		      struct span json);
void http_answer_text(struct http_request *req, unsigned status,
		      const char *text);
void http_answer_error(struct http_request *req, unsigned status,
		       const char *desp);

/* Take the connection away from the server, to serve it oneself: *fd (the
 * caller's), and appended to `head` the head of the request, as if it came
 * there once more. What the peer has sent behind it is lost, so the answer must
 * end the connection or change its protocol. From the handler only. Returns 0,
 * and `req` is gone; or WEIR_ENOMEM or -errno, and it must be answered. */
WEIR_MUST_CHECK int http_detach(struct http_request *req, int *fd,
				struct buf *head);

/* For who answers later: if the request ends before that (answer_timeout_ms,
 * server freed), gone(ctx) is called once; `req` must not be used from then on.
 * A peer that leaves is not noticed: its answer goes nowhere. */
void http_on_gone(struct http_request *req, void (*gone)(void *ctx), void *ctx);

#endif
