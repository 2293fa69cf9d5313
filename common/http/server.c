/* common/http/server.c - libmicrohttpd on our loop.
 *
 * The daemon has no thread and no listening socket: it is run when its epoll
 * descriptor is readable or its time has come, and gets connections from our
 * listeners. Handlers are called from within MHD_run, on the loop's thread.
 */
#include "common/http/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/http/server_priv.h"
#include "common/io/clock.h"

#define CONNECTIONS_MAX    256
#define IDLE_TIMEOUT_S     15
#define REQUEST_TIMEOUT_MS 60000
#define ANSWER_TIMEOUT_MS  10000
#define BODY_BYTES_MAX     65536
#define HEAD_BYTES_MAX     32768 /* and what else one connection needs */
#define SWEEP_MS           500
#define DROP_TIMES         4 /* so many times too long, and we hang up */

/* ---- requests ---- */

static void free_request(struct http_request *req)
{
	http_response_drop(req);
	list_remove(&req->link);
	buf_fini(&req->body);
	free(req->target);
	free(req->path);
	free(req->elements);
	free(req);
}

static void cut_elements(struct http_request *req)
{
	for (char *at = req->elements; *at; at++)
		if (*at == '/')
			*at = '\0';
}

/* libmicrohttpd gives the address without its length. */
static void note_peer(struct http_request *req)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		req->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *addr = info ? info->client_addr : NULL;

	if (!addr)
		return;
	req->peer.len = sizeof(addr->sa_family);
	if (addr->sa_family == AF_INET)
		req->peer.len = sizeof(struct sockaddr_in);
	if (addr->sa_family == AF_INET6)
		req->peer.len = sizeof(struct sockaddr_in6);
	memcpy(&req->peer.ss, addr, req->peer.len);
}

/* A target may be a whole address, whose host is ours whatever it says: what
 * stands behind it. */
static const char *without_host(const char *target)
{
	const char *host = *target == '/' ? NULL : strstr(target, "://");

	if (!host)
		return target;
	host += strlen("://");
	return host[strcspn(host, "/?")] == '/' ? host + strcspn(host, "/")
						: "/";
}

/* The first line is here. Without memory there is no request, which on_request
 * sees. */
static void *on_target(void *cls, const char *target,
		       struct MHD_Connection *connection)
{
	struct http_server *s = cls;
	struct http_request *req = calloc(1, sizeof(*req));

	if (!req)
		return NULL;
	list_init(&req->link);
	req->server = s;
	req->connection = connection;
	req->body.limit_bytes = s->options.body_bytes_max;
	req->target = strdup(without_host(target));
	if (!req->target) {
		free_request(req);
		return NULL;
	}
	note_peer(req);
	return req;
}

static bool take_head(struct http_request *req, const char *url,
		      const char *method, const char *version)
{
	req->method = method;
	req->version = version;
	req->path = strdup(without_host(url));
	req->elements = strdup(req->path ? req->path : "");
	if (!req->path || !req->elements)
		return false;
	cut_elements(req);
	return true;
}

static void refuse(struct http_request *req, unsigned status, const char *why)
{
	const struct http_server_options *o = &req->server->options;

	req->server->stats.refused_count++;
	req->is_refused = true;
	if (o->refused)
		o->refused(o->refused_ctx, req, status, why);
	http_answer_error(req, status, why);
}

static bool is_too_long(const struct http_request *req)
{
	const char *length = http_header(req, "Content-Length");

	return length &&
	       strtoull(length, NULL, 10) > req->server->options.body_bytes_max;
}

static bool is_too_often(const struct http_request *req)
{
	struct http_server *s = req->server;

	return s->requests &&
	       !rate_take(s->requests, &req->peer, loop_now_ms(s->loop));
}

/* The head is here: is there somebody for it, and may it come in? */
static void judge(struct http_request *req)
{
	const char *why = "there is nothing at this path";
	unsigned flags = 0;
	unsigned status;

	if (is_too_often(req)) {
		refuse(req, MHD_HTTP_TOO_MANY_REQUESTS, "too many requests");
		return;
	}
	if (req->server->options.origins && !strcmp(req->method, "OPTIONS")) {
		req->handler = http_answer_options;
		return;
	}
	status = http_find_route(req, &flags);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		why = "not with this method";
	if (!status)
		status = http_guard(req, flags, &why);
	if (!status && is_too_long(req)) {
		status = MHD_HTTP_CONTENT_TOO_LARGE;
		why = "the body is too long";
	}
	if (status)
		refuse(req, status, why);
}

static enum MHD_Result give_answer(struct http_request *req)
{
	enum MHD_Result result;

	if (!req->response)
		return MHD_NO;
	req->is_failed = true; /* so that it is not answered again */
	result =
		MHD_queue_response(req->connection, req->status, req->response);
	http_response_drop(req);
	return result;
}

static void set_waiting(struct http_request *req, bool is_waiting)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		req->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_client_conn *conn = info ? info->socket_context : NULL;

	if (!conn)
		return;
	conn->is_waiting = is_waiting;
	conn->since_ms = loop_now_ms(req->server->loop);
}

static enum MHD_Result dispatch(struct http_request *req)
{
	struct http_server *s = req->server;

	req->is_dispatched = true;
	set_waiting(req, true);
	if (buf_error(&req->body) == WEIR_ELIMIT || req->dropped_bytes) {
		refuse(req, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too long");
		return give_answer(req);
	}
	if (buf_error(&req->body))
		return MHD_NO;
	s->stats.requests_count++;
	req->answer_by_ms = loop_now_ms(s->loop) + s->options.answer_timeout_ms;
	list_append(&s->open, &req->link);
	req->handler(req->handler_ctx, req);
	if (req->response || req->is_failed)
		return give_answer(req);
	req->is_suspended = true;
	MHD_suspend_connection(req->connection);
	return MHD_YES;
}

static enum MHD_Result take_body(struct http_request *req, const char *data,
				 size_t *len)
{
	size_t more = *len;

	*len = 0;
	if (!buf_error(&req->body))
		buf_put(&req->body, span_of(data, more));
	if (!buf_error(&req->body))
		return MHD_YES;
	/* An answer can only be given at the end, so the rest is dropped. */
	req->dropped_bytes += more;
	return req->dropped_bytes >
			       DROP_TIMES * req->server->options.body_bytes_max
		       ? MHD_NO
		       : MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection,
				  const char *url, const char *method,
				  const char *version, const char *data,
				  size_t *len, void **request)
{
	struct http_request *req = *request;

	(void)cls;
	(void)connection;
	if (!req)
		return MHD_NO;
	if (!req->path) {
		if (!take_head(req, url, method, version))
			return MHD_NO;
		judge(req);
		return req->is_refused ? give_answer(req) : MHD_YES;
	}
	if (*len > 0)
		return take_body(req, data, len);
	if (req->response || req->is_failed)
		return give_answer(req);
	return req->is_dispatched ? MHD_YES : dispatch(req);
}

static void on_completed(void *cls, struct MHD_Connection *connection,
			 void **request, enum MHD_RequestTerminationCode how)
{
	struct http_request *req = *request;

	(void)cls;
	(void)connection;
	(void)how;
	if (!req)
		return;
	set_waiting(req, false);
	free_request(req);
	*request = NULL;
}

/* ---- connections ---- */

int http_connection_fd(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

static void on_connection(void *cls, struct MHD_Connection *connection,
			  void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	struct http_server *s = cls;
	struct http_client_conn *conn = *context;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		s->stats.connections_open++;
		conn = calloc(1, sizeof(*conn));
		*context = conn;
		if (!conn)
			return; /* it goes without this watch over its time */
		conn->fd = http_connection_fd(connection);
		conn->since_ms = loop_now_ms(s->loop);
		list_append(&s->conns, &conn->link);
		return;
	}
	s->stats.connections_open--;
	if (conn) {
		list_remove(&conn->link);
		free(conn);
	}
}

/* ---- running the daemon ---- */

static void run_again(struct http_server *s);

static void arm(struct http_server *s)
{
	MHD_UNSIGNED_LONG_LONG after_ms;

	if (MHD_get_timeout(s->daemon, &after_ms) != MHD_YES)
		timer_stop(s->timer);
	else if (after_ms == 0)
		http_server_run_soon(s);
	else
		timer_start(s->timer, after_ms);
}

static void run_again(struct http_server *s)
{
	MHD_run(s->daemon);
	arm(s);
}

void http_server_run_soon(struct http_server *s)
{
	loop_at_pass_end(s->loop, &s->task, run_again, s);
}

static void on_readable(struct http_server *s, unsigned events)
{
	(void)events;
	run_again(s);
}

/* End a request that nobody has answered. */
static void give_up(struct http_request *req, unsigned status, const char *why)
{
	void (*gone)(void *ctx) = req->gone;
	void *ctx = req->gone_ctx;

	http_answer_error(req, status, why);
	if (gone)
		gone(ctx);
}

static void time_out_answers(struct http_server *s)
{
	uint64_t now_ms = loop_now_ms(s->loop);

	while (!list_is_empty(&s->open)) {
		struct http_request *req =
			list_entry(s->open.next, struct http_request, link);

		if (req->answer_by_ms > now_ms)
			break;
		s->stats.timed_out_count++;
		give_up(req, MHD_HTTP_GATEWAY_TIMEOUT, "no answer in time");
	}
}

/* A byte now and then keeps the daemon's own time-out from ever coming: one
 * request has a time of its own. */
static void time_out_senders(struct http_server *s)
{
	uint64_t now_ms = loop_now_ms(s->loop);
	uint64_t max_ms = s->options.request_timeout_ms;

	list_each (it, &s->conns) {
		struct http_client_conn *conn =
			list_entry(it, struct http_client_conn, link);

		if (!conn->is_waiting && now_ms - conn->since_ms > max_ms)
			shutdown(conn->fd, SHUT_RDWR);
	}
}

static void on_sweep(struct http_server *s)
{
	time_out_answers(s);
	time_out_senders(s);
}

/* ---- making ---- */

static void set_defaults(struct http_server_options *o)
{
	if (!o->connections_max)
		o->connections_max = CONNECTIONS_MAX;
	if (!o->idle_timeout_s)
		o->idle_timeout_s = IDLE_TIMEOUT_S;
	if (!o->request_timeout_ms)
		o->request_timeout_ms = REQUEST_TIMEOUT_MS;
	if (!o->answer_timeout_ms)
		o->answer_timeout_ms = ANSWER_TIMEOUT_MS;
	if (!o->body_bytes_max)
		o->body_bytes_max = BODY_BYTES_MAX;
	if (!o->head_bytes_max)
		o->head_bytes_max = HEAD_BYTES_MAX;
}

static int copy_hosts(struct http_server *s,
		      const struct http_server_options *options)
{
	s->hosts = calloc(options->host_count + 1, sizeof(*s->hosts));
	if (!s->hosts)
		return WEIR_ENOMEM;
	for (size_t i = 0; i < options->host_count; i++) {
		s->hosts[i] = strdup(options->hosts[i]);
		if (!s->hosts[i])
			return WEIR_ENOMEM;
	}
	return 0;
}

static int make_rates(struct http_server *s)
{
	const struct http_server_options *o = &s->options;
	uint64_t seed;
	int err = 0;

	io_random(&seed, sizeof(seed));
	if (o->per_second)
		err = rate_new(&s->requests, o->per_second, 1000, seed);
	if (!err && o->failures_per_minute)
		err = rate_new(&s->failures, o->failures_per_minute, 60000,
			       seed);
	return err;
}

static int copy_options(struct http_server *s,
			const struct http_server_options *options)
{
	int err;

	if (options)
		s->options = *options;
	set_defaults(&s->options);
	err = http_tokens_copy(s, &s->options);
	if (!err)
		err = copy_hosts(s, &s->options);
	if (!err)
		err = make_rates(s);
	s->options.token = NULL;
	s->options.tokens = NULL;
	s->options.hosts = NULL;
	return err;
}

static int start_daemon(struct http_server *s)
{
	const struct http_server_options *o = &s->options;

	/* TURBO, for then it closes a socket without shutting it down first: one
	 * that was detached lives on in its copy. */
	s->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET |
			MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO,
		0, NULL, NULL, on_request, s, MHD_OPTION_URI_LOG_CALLBACK,
		on_target, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
		MHD_OPTION_CONNECTION_LIMIT, o->connections_max,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, o->per_address_max,
		MHD_OPTION_CONNECTION_TIMEOUT, o->idle_timeout_s,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, o->head_bytes_max,
		MHD_OPTION_END);
	return s->daemon ? 0 : WEIR_ENOMEM;
}

static int watch_daemon(struct http_server *s)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	int err;

	if (!info)
		return WEIR_EUNSUPPORTED;
	err = timer_new(&s->timer, s->loop, run_again, s);
	if (!err)
		err = timer_new(&s->sweep, s->loop, on_sweep, s);
	if (!err)
		err = loop_add(&s->watch, s->loop, info->epoll_fd,
			       LOOP_READABLE, on_readable, s);
	if (!err)
		timer_repeat(s->sweep, SWEEP_MS);
	return err;
}

int http_server_new(struct http_server **out, struct loop *loop,
		    const struct http_server_options *options)
{
	struct http_server *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return WEIR_ENOMEM;
	s->loop = loop;
	list_init(&s->conns);
	list_init(&s->open);
	err = copy_options(s, options);
	if (!err)
		err = start_daemon(s);
	if (!err)
		err = watch_daemon(s);
	if (err) {
		http_server_free(&s);
		return err;
	}
	*out = s;
	return 0;
}

int http_server_route(struct http_server *s, const struct http_route *routes,
		      size_t count)
{
	struct http_route_set *more =
		realloc(s->routes, (s->routes_count + 1) * sizeof(*s->routes));

	if (!more)
		return WEIR_ENOMEM;
	s->routes = more;
	s->routes[s->routes_count++] = (struct http_route_set){routes, count};
	return 0;
}

int http_server_adopt(struct http_server *s, int fd,
		      const struct net_addr *peer)
{
	/* On failure the daemon closes it. */
	if (MHD_add_connection(s->daemon, fd,
			       (const struct sockaddr *)&peer->ss,
			       peer->len) != MHD_YES)
		return errno == ENOMEM ? WEIR_ENOMEM : WEIR_ELIMIT;
	http_server_run_soon(s);
	return 0;
}

static void on_accept(struct http_server *s, int fd,
		      const struct net_addr *peer)
{
	if (http_server_adopt(s, fd, peer))
		s->stats.refused_count++;
}

int http_server_listen(struct http_server *s, int fd, struct net_addr *addr)
{
	struct listener *l;
	int err;

	if (s->listener_count == HTTP_LISTENERS_MAX) {
		close(fd);
		return WEIR_ELIMIT;
	}
	/* How many may be open is the daemon's count. */
	err = listener_new(&l, s->loop, fd, NULL, on_accept, s);
	if (err)
		return err;
	s->listener[s->listener_count++] = l;
	if (addr)
		*addr = *listener_addr(l);
	return 0;
}

void http_server_stats(const struct http_server *s,
		       struct http_server_stats *out)
{
	*out = s->stats;
	out->requests_open = 0;
	list_each (it, &s->open)
		out->requests_open++;
}

/* The daemon must not be stopped while it has suspended connections. */
static void end_requests(struct http_server *s)
{
	while (!list_is_empty(&s->open))
		give_up(list_entry(s->open.next, struct http_request, link),
			MHD_HTTP_SERVICE_UNAVAILABLE, "the server is ending");
	MHD_run(s->daemon);
}

void http_server_free(struct http_server **p)
{
	struct http_server *s = *p;

	if (!s)
		return;
	*p = NULL;
	for (size_t i = 0; i < s->listener_count; i++)
		listener_free(&s->listener[i]);
	loop_remove(&s->watch);
	timer_free(&s->timer);
	timer_free(&s->sweep);
	if (s->daemon) {
		end_requests(s);
		MHD_stop_daemon(s->daemon);
	}
	pass_task_cancel(&s->task);
	for (size_t i = 0; s->hosts && i < s->options.host_count; i++)
		free(s->hosts[i]);
	free(s->hosts);
	http_tokens_free(s);
	rate_free(&s->requests);
	rate_free(&s->failures);
	free(s->routes);
	free(s);
}
