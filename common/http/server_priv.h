/* common/http/server_priv.h - the inside of the server, for this room only. */
#ifndef WEIR_HTTP_SERVER_PRIV_H
#define WEIR_HTTP_SERVER_PRIV_H

#include <microhttpd.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/http/rate.h"
#include "common/http/server.h"

#define HTTP_LISTENERS_MAX 8
#define HTTP_PARTS_MAX     4

struct http_route_set {
	const struct http_route *route;
	size_t count;
};

/* A connection: how long has it been sending one request. */
struct http_client_conn {
	struct list link;
	int fd;
	uint64_t since_ms; /* of the last answer, or of accepting */
	bool is_waiting;   /* its request is whole; now we owe something */
};

struct http_server {
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct loop_watch *watch; /* of the daemon's epoll descriptor */
	struct timer *timer;      /* the daemon's */
	struct timer *sweep;
	struct pass_task task;
	struct listener *listener[HTTP_LISTENERS_MAX];
	size_t listener_count;

	struct http_server_options options;
	struct http_token *tokens; /* with texts of their own */
	size_t token_count;
	struct rate *requests, *failures; /* NULL: no limit */
	char **hosts;
	struct http_route_set *routes;
	size_t routes_count;

	struct list conns;
	struct list open; /* requests that wait for an answer, oldest first */
	struct http_server_stats stats;
};

struct http_made; /* kept.c's */

struct http_request {
	struct list link; /* of server->open */
	struct http_server *server;
	struct MHD_Connection *connection;
	char *target;       /* raw */
	const char *method; /* these two live as long as the request */
	const char *version;
	char *path;     /* NULL: the head is not whole yet */
	char *elements; /* the path, cut at its slashes */
	const char *part[HTTP_PARTS_MAX];
	unsigned part_count;
	char allow[48]; /* methods that its path knows, if not this one */
	http_handler_fn *handler;
	void *handler_ctx;
	struct net_addr peer;
	const struct http_token *token; /* that it came with */
	struct buf body;
	uint64_t dropped_bytes; /* of a body that is too long */
	bool is_refused;        /* nobody shall be asked: the answer stands */
	bool is_dispatched;
	bool is_suspended;
	bool is_failed; /* no memory for an answer, or detached */
	uint64_t answer_by_ms;
	void (*gone)(void *ctx);
	void *gone_ctx;
	struct MHD_Response *response; /* NULL: none yet */
	struct http_made *made;        /* holds it, if others get it too */
	unsigned status;
};

/* server.c: run the daemon at the end of this pass. */
void http_server_run_soon(struct http_server *s);

/* server.c: the socket, which is the daemon's; -1: it is not known. */
int http_connection_fd(struct MHD_Connection *connection);

/* kept.c: answer as it was made before. False: it was not, for such a request;
 * `k` may be NULL. */
bool http_kept_take(struct http_request *req, struct http_kept *k);

/* kept.c: the request's answer is for others, too. */
void http_kept_put(struct http_kept **k, struct http_request *req);

/* kept.c: the request's answer is with the daemon, or for nobody. */
void http_response_drop(struct http_request *req);

/* request.c: a handler: what a page that asks first is told (204). */
void http_answer_options(void *ctx, struct http_request *req);

/* guard.c: may this request be asked? Else the status to refuse it with, and
 * *why. */
unsigned http_guard(struct http_request *req, unsigned flags, const char **why);

/* tokens.c: copy those of the options. Returns 0, WEIR_ENOMEM or WEIR_ELIMIT. */
WEIR_MUST_CHECK int http_tokens_copy(struct http_server *s,
				     const struct http_server_options *options);
void http_tokens_free(struct http_server *s);
/* tokens.c: the one with that secret, or NULL; it takes as long for a wrong
 * secret as for a right one. */
const struct http_token *http_tokens_find(const struct http_server *s,
					  struct span secret);

/* route.c: sets handler, ctx and parts, and *flags. Returns 0; 404; or 405, and
 * then also allow. */
unsigned http_find_route(struct http_request *req, unsigned *flags);

#endif
