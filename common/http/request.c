/* common/http/request.c - what a handler sees, and how it answers. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "common/conf/json.h"
#include "common/http/server_priv.h"

const char *http_method(const struct http_request *req)
{
	return req->method;
}

const char *http_path(const struct http_request *req)
{
	return req->path;
}

struct span http_raw_path(const struct http_request *req)
{
	return span_of(req->target, strcspn(req->target, "?"));
}

struct span http_raw_query(const struct http_request *req)
{
	return span_from(span_str(req->target), http_raw_path(req).len + 1);
}

const char *http_path_part(const struct http_request *req, unsigned n)
{
	return n < req->part_count ? req->part[n] : "";
}

const char *http_allowed(const struct http_request *req)
{
	return req->allow;
}

const char *http_query(const struct http_request *req, const char *name)
{
	const char *value = NULL;

	if (MHD_lookup_connection_value_n(
		    req->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name),
		    &value, NULL) != MHD_YES)
		return NULL;
	return value ? value : ""; /* "?flag" has no value */
}

const char *http_header(const struct http_request *req, const char *name)
{
	return MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND,
					   name);
}

struct span http_body(const struct http_request *req)
{
	return buf_span(&req->body);
}

const struct net_addr *http_peer(const struct http_request *req)
{
	return &req->peer;
}

const char *http_caller(const struct http_request *req)
{
	return req->token ? req->token->name : "";
}

/* ---- answering ---- */

static struct MHD_Response *make_body(const struct http_answer *a)
{
	void *data = (void *)(uintptr_t)a->body.data;

	if (!a->body_free)
		return MHD_create_response_from_buffer(
			a->body.len, a->body.len ? data : NULL,
			MHD_RESPMEM_MUST_COPY);
	return MHD_create_response_from_buffer_with_free_callback_cls(
		a->body.len, data, a->body_free, a->body_ctx);
}

struct head {
	struct MHD_Response *response;
	bool is_failed;
};

static void add_field(void *ctx, const char *name, const char *value)
{
	struct head *h = ctx;

	if (MHD_add_response_header(h->response, name, value) != MHD_YES)
		h->is_failed = true;
}

static void add_cors(struct head *h, const struct http_request *req)
{
	const struct http_origins *origins = req->server->options.origins;
	const char *origin = http_header(req, "Origin");

	if (origins)
		http_cors_fields(origins, span_str(origin ? origin : ""),
				 add_field, h);
}

static bool add_headers(struct MHD_Response *r, const struct http_request *req,
			const struct http_answer *a)
{
	struct head h = {.response = r};

	add_field(&h, "Server", "weir");
	add_field(&h, "X-Content-Type-Options", "nosniff");
	if (a->content_type)
		add_field(&h, "Content-Type", a->content_type);
	if (a->status == MHD_HTTP_METHOD_NOT_ALLOWED && *req->allow)
		add_field(&h, "Allow", req->allow);
	add_cors(&h, req);
	for (size_t i = 0; i < a->header_count; i++)
		add_field(&h, a->headers[i].name, a->headers[i].value);
	return !h.is_failed;
}

static struct MHD_Response *make_response(const struct http_request *req,
					  const struct http_answer *a)
{
	struct MHD_Response *r = make_body(a);

	if (!r && a->body_free)
		a->body_free(a->body_ctx);
	if (r && !add_headers(r, req, a)) {
		MHD_destroy_response(r);
		return NULL;
	}
	return r;
}

/* As it was made before, or anew. */
static void find_response(struct http_request *req, const struct http_answer *a)
{
	if (a->kept && http_kept_take(req, *a->kept)) {
		if (a->body_free)
			a->body_free(a->body_ctx);
		return;
	}
	req->response = make_response(req, a);
	if (a->kept && req->response)
		http_kept_put(a->kept, req);
}

void http_answer(struct http_request *req, const struct http_answer *answer)
{
	BUG_ON(req->response || req->is_failed);
	find_response(req, answer);
	req->status = answer->status;
	req->is_failed = !req->response;
	list_remove(&req->link);
	req->gone = NULL;
	if (!req->is_suspended)
		return;
	req->is_suspended = false;
	/* The daemon asks again, and is given the answer then. */
	MHD_resume_connection(req->connection);
	http_server_run_soon(req->server);
}

static void answer_fresh(struct http_request *req, unsigned status,
			 const char *type, struct span body)
{
	const struct http_header headers[] = {
		{"Cache-Control", "no-store"},
		status == MHD_HTTP_UNAUTHORIZED
			? (struct http_header){"WWW-Authenticate", "Bearer"}
			: (struct http_header){"Retry-After", "1"},
	};
	bool has_more = status == MHD_HTTP_UNAUTHORIZED ||
			status == MHD_HTTP_TOO_MANY_REQUESTS;
	const struct http_answer a = {
		.status = status,
		.content_type = type,
		.body = body,
		.headers = headers,
		.header_count = has_more ? 2 : 1,
	};

	http_answer(req, &a);
}

void http_answer_json(struct http_request *req, unsigned status,
		      struct span json)
{
	answer_fresh(req, status, "application/json", json);
}

void http_answer_text(struct http_request *req, unsigned status,
		      const char *text)
{
	answer_fresh(req, status, "text/plain; charset=utf-8", span_str(text));
}

void http_answer_error(struct http_request *req, unsigned status,
		       const char *desp)
{
	struct buf json = {0};

	buf_printf(&json, "{\"error_code\":%u,\"desp\":", status);
	json_put_string(&json, span_str(desp));
	buf_printf(&json, "}\n");
	if (buf_error(&json))
		http_answer_json(req, status, SPAN_LIT("{}\n"));
	else
		http_answer_json(req, status, buf_span(&json));
	buf_fini(&json);
}

static void note_field(void *ctx, const char *name, const char *value)
{
	struct http_header *h = ctx;

	while (h->name)
		h++;
	*h = (struct http_header){name, value};
}

void http_answer_options(void *ctx, struct http_request *req)
{
	bool has_control = req->server->options.has_cors_control;
	struct http_header headers[8] = {
		{"Allow", has_control ? "GET, HEAD, POST, PUT, DELETE, OPTIONS"
				      : "GET, HEAD, OPTIONS"}};
	struct http_answer a = {.status = MHD_HTTP_NO_CONTENT,
				.headers = headers};

	(void)ctx;
	if (has_control)
		http_cors_control_fields(note_field, headers);
	else
		http_cors_preflight_fields(note_field, headers);
	while (headers[a.header_count].name)
		a.header_count++;
	http_answer(req, &a);
}

/* ---- leaving ---- */

static enum MHD_Result put_field(void *cls, enum MHD_ValueKind kind,
				 const char *name, const char *value)
{
	struct buf *head = cls;

	(void)kind;
	buf_printf(head, "%s: %s\r\n", name, value ? value : "");
	return MHD_YES;
}

static int put_head(struct buf *head, const struct http_request *req)
{
	size_t len = head->len;

	buf_printf(head, "%s %s %s\r\n", req->method, req->target,
		   req->version);
	MHD_get_connection_values(req->connection, MHD_HEADER_KIND, put_field,
				  head);
	buf_put(head, SPAN_LIT("\r\n"));
	if (buf_error(head))
		head->len = len;
	return buf_error(head);
}

int http_detach(struct http_request *req, int *fd, struct buf *head)
{
	const int off = 0;
	int copy, err;

	BUG_ON(req->response || req->is_failed || req->is_suspended);
	err = put_head(head, req);
	if (err)
		return err;
	copy = fcntl(http_connection_fd(req->connection), F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	/* The daemon may have corked it for its last answer. */
	setsockopt(copy, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
	*fd = copy;
	req->is_failed = true; /* the daemon closes its own descriptor now */
	req->gone = NULL;
	list_remove(&req->link);
	return 0;
}

void http_on_gone(struct http_request *req, void (*gone)(void *ctx), void *ctx)
{
	req->gone = gone;
	req->gone_ctx = ctx;
}
