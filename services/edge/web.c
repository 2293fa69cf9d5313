/* services/edge/web.c - what an edge's HTTP port serves besides live streams. */
#include "services/edge/web.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "services/edge/internal.h"

#define REQUEST_MS 20000 /* longer than a kept connection may be idle */
#define HEAD_BYTES 16384 /* twice what a door takes; each idle one holds it */
#define ANSWER_MS  10000 /* hls.hold_ms at most, and some */

struct web_suffix {
	const char *text;
	http_handler_fn *handler;
	void *ctx;
};

struct web {
	struct edge *edge;
	struct http_server *server;
	struct web_suffix suffix[WEB_SUFFIXES_MAX];
	size_t suffixes;
};

static bool ends_in(struct span path, const char *suffix)
{
	size_t len = strlen(suffix);

	return path.len > len &&
	       span_eq_str(span_from(path, path.len - len), suffix);
}

static bool is_read(const struct http_request *req)
{
	return !strcmp(http_method(req), "GET") ||
	       !strcmp(http_method(req), "HEAD");
}

static void refuse_method(struct http_request *req)
{
	static const struct http_header allow = {"Allow", "GET, HEAD, OPTIONS"};
	const struct http_answer a = {
		.status = 405,
		.content_type = "application/json",
		.body = SPAN_LIT("{\"error_code\":405,\"desp\":\"not with this "
				 "method\"}\n"),
		.headers = &allow,
		.header_count = 1,
	};

	http_answer(req, &a);
}

/* A live stream on a connection that was kept alive: its door takes it, as if it
 * had come there. */
static void send_to_door(struct web *w, struct http_request *req)
{
	struct net_addr peer = *http_peer(req);
	struct buf head = {0};
	int fd;

	if (http_detach(req, &fd, &head))
		http_answer_error(req, 503, "this node lacks memory");
	else
		door_adopt(w->edge->http, fd, &peer, buf_span(&head));
	buf_fini(&head);
}

static void serve(void *ctx, struct http_request *req)
{
	struct web *w = ctx;
	struct span path = http_raw_path(req);

	if (edge_is_live_path(path)) {
		send_to_door(w, req);
		return;
	}
	for (size_t i = 0; i < w->suffixes; i++) {
		if (!ends_in(path, w->suffix[i].text))
			continue;
		if (is_read(req))
			w->suffix[i].handler(w->suffix[i].ctx, req);
		else
			refuse_method(req);
		return;
	}
	http_answer_error(req, 404, "there is nothing at this path");
}

int web_new(struct web **out, struct edge *e, unsigned gate_ms)
{
	struct web *w = calloc(1, sizeof(*w));
	const struct http_server_options options = {
		.connections_max = (unsigned)e->settings->http_idle_max,
		.per_address_max = (unsigned)e->settings->per_ip_max,
		.request_timeout_ms = REQUEST_MS,
		/* A playlist may be held when the webhook has let it in. */
		.answer_timeout_ms = ANSWER_MS + gate_ms,
		.head_bytes_max = HEAD_BYTES,
		.origins = &e->origins,
		.fallback = serve,
		.fallback_ctx = w,
		.fallback_flags = HTTP_OPEN,
	};
	int err;

	if (!w)
		return WEIR_ENOMEM;
	w->edge = e;
	err = http_server_new(&w->server, e->loop, &options);
	if (err) {
		free(w);
		return err;
	}
	*out = w;
	return 0;
}

void web_free(struct web **pw)
{
	struct web *w = *pw;

	if (!w)
		return;
	http_server_free(&w->server);
	free(w);
	*pw = NULL;
}

void web_measure(struct web *w)
{
	struct http_server_stats stats;

	http_server_stats(w->server, &stats);
	w->edge->stats.web_connections = stats.connections_open;
	w->edge->stats.web_requests =
		stats.requests_count + stats.refused_count;
}

int web_route(struct web *w, const struct http_route *routes, size_t count)
{
	return http_server_route(w->server, routes, count);
}

int web_suffix(struct web *w, const char *suffix, http_handler_fn *handler,
	       void *ctx)
{
	if (w->suffixes == WEB_SUFFIXES_MAX)
		return WEIR_ELIMIT;
	w->suffix[w->suffixes++] = (struct web_suffix){suffix, handler, ctx};
	return 0;
}

int web_adopt(struct web *w, int fd, const struct net_addr *peer)
{
	return http_server_adopt(w->server, fd, peer);
}
