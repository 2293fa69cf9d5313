/* common/http/request.c - what a handler sees, and how it answers. */
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

const char *http_path_part(const struct http_request *req, unsigned n)
{
	return n < req->part_count ? req->part[n] : "";
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

static bool add_headers(struct MHD_Response *r, const struct http_answer *a)
{
	if (a->content_type &&
	    MHD_add_response_header(r, "Content-Type", a->content_type) !=
		    MHD_YES)
		return false;
	if (MHD_add_response_header(r, "X-Content-Type-Options", "nosniff") !=
	    MHD_YES)
		return false;
	for (size_t i = 0; i < a->header_count; i++)
		if (MHD_add_response_header(r, a->headers[i].name,
					    a->headers[i].value) != MHD_YES)
			return false;
	return true;
}

static struct MHD_Response *make_response(const struct http_answer *a)
{
	struct MHD_Response *r = make_body(a);

	if (!r && a->body_free)
		a->body_free(a->body_ctx);
	if (r && !add_headers(r, a)) {
		MHD_destroy_response(r);
		return NULL;
	}
	return r;
}

void http_answer(struct http_request *req, const struct http_answer *answer)
{
	BUG_ON(req->response || req->is_failed);
	req->response = make_response(answer);
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
		{"WWW-Authenticate", "Bearer"},
	};
	const struct http_answer a = {
		.status = status,
		.content_type = type,
		.body = body,
		.headers = headers,
		.header_count = status == MHD_HTTP_UNAUTHORIZED ? 2 : 1,
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

void http_on_gone(struct http_request *req, void (*gone)(void *ctx), void *ctx)
{
	req->gone = gone;
	req->gone_ctx = ctx;
}
