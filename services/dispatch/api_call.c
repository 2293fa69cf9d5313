/* services/dispatch/api_call.c - the life of one call of the API: from the
 * server's request to its row, and back. */
#include <stdio.h>
#include <stdlib.h>

#include "services/dispatch/api.h"
#include "services/dispatch/internal.h"

#define PATH_SIZE      96
#define TOLD_MAX_BYTES 512
#define PLAIN          (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

const struct log_event dispatch_api_call = {
	"api.call", LOG_INFO,
	"call peer caller request_id what status error_code",
	"A call that changes something, and what came of it."};

/* A row and where it is served. */
struct entry {
	struct dispatch *dispatch;
	const struct api_route *route;
	char path[PATH_SIZE]; /* with stars */
};

struct api_router {
	struct entry *entry;
	struct http_route *route;
};

/* ---- fields ---- */

static struct json_object *field(const struct api_call *call, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(call->in, name, &v);
	return v;
}

const char *api_text(const struct api_call *call, const char *name)
{
	struct json_object *v = field(call, name);

	return v ? json_object_get_string(v) : NULL;
}

int64_t api_int(const struct api_call *call, const char *name)
{
	return json_object_get_int64(field(call, name));
}

bool api_bool(const struct api_call *call, const char *name)
{
	return json_object_get_boolean(field(call, name));
}

/* ---- the end of a call ---- */

static void free_call(struct api_call *call)
{
	json_object_put(call->in);
	free(call->request_id);
	free(call);
}

/* What the row lets be told of the request: "stream=live/a session=X". */
static void put_told(struct buf *out, const struct api_call *call)
{
	const struct api_schema *in = call->route->in;

	for (size_t i = 0; in && i < in->count; i++) {
		const struct api_field *f = &in->field[i];
		const char *text = NULL;

		if (f->flags & API_TOLD)
			text = api_text(call, f->name);
		if (text)
			buf_printf(out, "%s%s=%.128s", out->len ? " " : "",
				   f->name, text);
	}
}

static void tell(const struct api_call *call, unsigned status, int code)
{
	struct buf what = {.limit_bytes = TOLD_MAX_BYTES};
	struct logger *log = svc_log(call->dispatch->svc);

	if (!(call->route->flags & API_CONTROL))
		return;
	put_told(&what, call);
	logger_event_each(
		log, &dispatch_api_call, kv_str("call", call->route->name),
		kv_addr("peer", &call->peer), kv_str("caller", call->caller),
		kv_str("request_id", call->request_id),
		kv_span("what", buf_span(&what)), kv_uint("status", status),
		kv_int("error_code", code));
	buf_fini(&what);
}

/* Takes `o`. */
static void end(struct api_call **pcall, unsigned status, int code,
		struct json_object *o)
{
	struct api_call *call = *pcall;
	const char *text = o ? json_object_to_json_string_ext(o, PLAIN) : NULL;

	*pcall = NULL;
	if (call->req) {
		tell(call, status, code);
		if (text)
			http_answer_json(call->req, status, span_str(text));
		else
			http_answer_error(call->req, 503, "out of memory");
	}
	json_object_put(o);
	free_call(call);
}

void api_answer(struct api_call **call, struct json_object *o)
{
	end(call, 200, 0, o);
}

static struct json_object *saying(int64_t code, const char *desp)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "error_code", json_object_new_int64(code));
	json_object_object_add(o, "desp", json_object_new_string(desp));
	return o;
}

void api_refuse(struct api_call **call, unsigned status, const char *name,
		const char *why)
{
	struct json_object *o = saying(status, why);

	if (name && *name)
		json_object_object_add(o, "field",
				       json_object_new_string(name));
	end(call, status, (int)status, o);
}

static struct json_object *zeros(const struct api_schema *out)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < out->count; i++)
		json_object_object_add(o, out->field[i].name,
				       out->field[i].kind == API_INT
					       ? json_object_new_int64(0)
					       : json_object_new_string(""));
	return o;
}

void api_say(struct api_call **call, int code, const char *desp,
	     struct json_object *data)
{
	struct json_object *o = saying(code, desp);

	if (!data && (*call)->route->flags & API_EMPTY)
		data = zeros((*call)->route->out);
	if ((*call)->route->out)
		json_object_object_add(o, "data", data);
	else
		json_object_put(data);
	end(call, 200, code, o);
}

/* ---- asking nodes ---- */

static void on_gathered(void *ctx, const struct gathered *g)
{
	struct api_call *call = ctx;

	if (call->req)
		call->gathered(call, g);
	else
		free_call(call);
}

void api_gather(struct api_call *call, unsigned what, struct json_object *args,
		api_gathered_fn *done)
{
	call->gathered = done;
	if (gather(call->dispatch, what, args, on_gathered, call))
		api_refuse(&call, 503, NULL, "out of memory");
}

/* ---- its beginning ---- */

static void on_gone(void *ctx)
{
	struct api_call *call = ctx;

	tell(call, 504, 504);
	call->req = NULL;
}

static const char *raw_part(void *ctx, unsigned n)
{
	return http_path_part(ctx, n);
}

static const char *raw_query(void *ctx, const char *name)
{
	return http_query(ctx, name);
}

static bool is_request_id(const char *text)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		"._:-";
	size_t len = strlen(text);

	return len <= MEMBER_REQUEST_ID_MAX && strspn(text, plain) == len;
}

static void refuse_fields(struct api_call *call, const struct api_fault *fault)
{
	char why[sizeof(fault->field) + sizeof(fault->why) + 2];

	if (call->route->flags & API_LAL) {
		api_say(&call, LAL_NO_PARAM, "param missing", NULL);
		return;
	}
	snprintf(why, sizeof(why), "%s%s%s", fault->field,
		 *fault->field ? ": " : "", fault->why);
	api_refuse(&call, 400, fault->field, why);
}

static void read_and_do(struct api_call *call)
{
	struct http_request *req = call->req;
	const struct api_raw raw = {
		.part = raw_part,
		.query = raw_query,
		.ctx = req,
		.query_text = http_raw_query(req),
		.body = http_body(req),
	};
	struct api_fault fault = {.field = ""};
	int err = api_read(&call->in, &fault, call->route, &raw);

	if (!err && !is_request_id(call->request_id))
		api_refuse(&call, 400, "X-Request-Id",
			   "X-Request-Id: at most 64 letters, digits, . _ : -");
	else if (!err)
		call->route->fn(call);
	else if (err == WEIR_EINVAL)
		refuse_fields(call, &fault);
	else
		api_refuse(&call, 503, NULL, "out of memory");
}

static void on_request(void *ctx, struct http_request *req)
{
	const struct entry *e = ctx;
	struct api_call *call = calloc(1, sizeof(*call));
	const char *id = http_header(req, "X-Request-Id");
	char *kept = strdup(id ? id : "");

	e->dispatch->stats.api_calls++;
	if (!call || !kept) {
		free(call);
		free(kept);
		http_answer_error(req, 503, "out of memory");
		return;
	}
	*call = (struct api_call){.dispatch = e->dispatch,
				  .route = e->route,
				  .req = req,
				  .peer = *http_peer(req),
				  .caller = http_caller(req),
				  .request_id = kept};
	http_on_gone(req, on_gone, call);
	read_and_do(call);
}

/* ---- routes ---- */

static void no_page(void *ctx, struct http_request *req)
{
	(void)ctx;
	http_answer_json(req, 200,
			 SPAN_LIT("{\"error_code\":404,\"desp\":\"page not "
				  "found, check the document: docs/api.md\"}"));
}

static void no_operation(void *ctx, struct http_request *req)
{
	bool is_path = *http_allowed(req) != '\0';

	(void)ctx;
	http_answer_error(req, is_path ? 405 : 404,
			  is_path ? "not with this method"
				  : "there is nothing at this path");
}

/* "/a/{name}" to "/a/" and a star. */
static void put_stars(char out[PATH_SIZE], const char *path)
{
	struct buf b = {.limit_bytes = PATH_SIZE};

	while (*path) {
		size_t len = strcspn(path, "{");

		buf_put(&b, span_of(path, len));
		path += len;
		if (!*path)
			break;
		path += strcspn(path, "}") + 1;
		buf_put(&b, SPAN_LIT("*"));
	}
	BUG_ON(buf_error(&b) == WEIR_ELIMIT);
	snprintf(out, PATH_SIZE, "%s", buf_error(&b) ? "" : buf_text(&b));
	buf_fini(&b);
}

static unsigned http_flags(const struct dispatch *d, unsigned flags)
{
	return (flags & API_CONTROL ? HTTP_CONTROL : 0) |
	       (flags & API_PAGE && d->settings->web_open ? HTTP_LOCAL : 0);
}

static void make_routes(struct api_router *router, struct dispatch *d)
{
	struct http_route *r = router->route;

	for (size_t i = 0; i < api_table_count; i++) {
		const struct api_route *row = &api_table[i];
		struct entry *e = &router->entry[i];

		*e = (struct entry){.dispatch = d, .route = row};
		put_stars(e->path, row->path);
		*r++ = (struct http_route){row->method, e->path,
					   http_flags(d, row->flags),
					   on_request, e};
	}
	*r++ = (struct http_route){NULL, "/api/v1/**", 0, no_operation, d};
	*r = (struct http_route){NULL, "/**", 0, no_page, d};
}

int api_routes(struct dispatch *d)
{
	struct api_router *router = calloc(1, sizeof(*router));

	if (!router)
		return WEIR_ENOMEM;
	d->router = router;
	router->entry = calloc(api_table_count, sizeof(*router->entry));
	router->route = calloc(api_table_count + 2, sizeof(*router->route));
	if (!router->entry || !router->route)
		return WEIR_ENOMEM;
	make_routes(router, d);
	return http_server_route(d->http, router->route, api_table_count + 2);
}

void api_router_free(struct api_router **prouter)
{
	struct api_router *router = *prouter;

	if (!router)
		return;
	free(router->entry);
	free(router->route);
	free(router);
	*prouter = NULL;
}
