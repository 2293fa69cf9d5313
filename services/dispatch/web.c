/* services/dispatch/web.c - hands out the browser page.
 *
 * It may only do what it needs: run its own scripts, ask this server, play from
 * the edges.
 */
#include <stdlib.h>

#include "common/http/content.h"
#include "services/dispatch/internal.h"
#include "services/dispatch/web.h"

#define URLS_MAX 16
#define URL_SIZE 512

/* Where edges serve, as a browser reaches them. */
struct urls {
	struct dispatch *dispatch;
	const char *scheme; /* "http", "rtmp": also the name of the address */
	const char *host;   /* by which the browser came; may be NULL */
	struct buf text[URLS_MAX];
	const char *url[URLS_MAX];
	size_t count;
};

struct web_route {
	struct dispatch *dispatch;
	const struct web_file *file;
};

struct web {
	struct web_route *file;    /* one each */
	struct http_route *routes; /* live as long as the server */
};

/* ---- where edges are ---- */

static void add_url(struct urls *u, const char *url)
{
	struct buf *text = &u->text[u->count];

	if (u->count == URLS_MAX || strlen(url) >= URL_SIZE)
		return;
	web_put_url(text, url, u->host);
	if (!buf_error(text))
		u->url[u->count++] = buf_text(text);
}

static void add_edge(void *ctx, const struct node *n)
{
	struct urls *u = ctx;
	const char *addr = node_address(n, u->scheme);
	struct buf url = {0};

	if (!addr || n->is_draining)
		return;
	buf_printf(&url, "%s://%s", u->scheme, addr);
	if (!buf_error(&url))
		add_url(u, buf_text(&url));
	buf_fini(&url);
}

/* What the settings say, else what the edges say. */
static void urls_init(struct urls *u, struct dispatch *d,
		      const struct http_request *req, const char *scheme,
		      const char *set)
{
	*u = (struct urls){
		.dispatch = d,
		.scheme = scheme,
		.host = http_header(req, "Host"),
	};
	if (*set)
		add_url(u, set);
	else
		copy_each_node(store_copy(member_store(d->member)), "edge",
			       add_edge, u);
}

static void urls_http(struct urls *u, struct dispatch *d,
		      const struct http_request *req)
{
	urls_init(u, d, req, "http", d->settings->web_http_url);
}

static void urls_rtmp(struct urls *u, struct dispatch *d,
		      const struct http_request *req)
{
	urls_init(u, d, req, "rtmp", d->settings->web_rtmp_url);
}

static void urls_fini(struct urls *u)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(u->text); i++)
		buf_fini(&u->text[i]);
}

static void put_list(struct json_object *o, const struct urls *u)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < u->count; i++)
		json_object_array_add(list, json_object_new_string(u->url[i]));
	json_object_object_add(o, u->scheme, list);
}

void web_add_urls(struct json_object *o, struct dispatch *d,
		  const struct http_request *req)
{
	struct urls u;

	urls_http(&u, d, req);
	put_list(o, &u);
	urls_fini(&u);
	urls_rtmp(&u, d, req);
	put_list(o, &u);
	urls_fini(&u);
}

/* ---- files ---- */

static void stays(void *ctx)
{
	(void)ctx; /* files stand in the binary */
}

static void answer_file(struct http_request *req, const struct web_file *f,
			const char *policy)
{
	const bool is_packed =
		http_accepts_gzip(http_header(req, "Accept-Encoding"));
	const bool is_known =
		http_matches(http_header(req, "If-None-Match"), f->etag);
	const struct http_header headers[] = {
		{"Cache-Control", "no-cache"},
		{"ETag", f->etag},
		{"Vary", "Accept-Encoding"},
		{"Referrer-Policy", "no-referrer"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"Content-Security-Policy", policy},
		{"Content-Encoding", "gzip"}, /* last: it may be left off */
	};
	const struct http_answer a = {
		.status = is_known ? 304 : 200,
		.content_type = f->type,
		.body = is_known    ? SPAN_LIT("")
			: is_packed ? f->gzip
				    : f->body,
		.body_free = stays,
		.headers = headers,
		.header_count = WEIR_ARRAY_LEN(headers) -
				(is_packed && !is_known ? 0 : 1),
	};

	http_answer(req, &a);
}

static void serve_file(void *ctx, struct http_request *req)
{
	const struct web_route *w = ctx;
	struct buf policy = {0};
	struct urls u;

	urls_http(&u, w->dispatch, req);
	web_put_policy(&policy, u.url, u.count);
	if (buf_error(&policy))
		http_answer_error(req, 503, "out of memory");
	else
		answer_file(req, w->file, buf_text(&policy));
	buf_fini(&policy);
	urls_fini(&u);
}

/* ---- without files ---- */

static void put_addresses(struct buf *text, const struct urls *http,
			  const struct urls *rtmp)
{
	for (size_t i = 0; i < http->count; i++)
		buf_printf(text, "  %s/{app}/{name}.flv\n", http->url[i]);
	for (size_t i = 0; i < rtmp->count; i++)
		buf_printf(text, "  %s/{app}/{name}\n", rtmp->url[i]);
}

static void serve_words(void *ctx, struct http_request *req)
{
	struct dispatch *d = ctx;
	struct buf text = {0};
	struct urls http, rtmp;

	urls_http(&http, d, req);
	urls_rtmp(&rtmp, d, req);
	buf_printf(&text,
		   "weir %s\n\nThe browser page is not in this build: %s.\n\n"
		   "Streams play at\n",
		   svc_version(), web_missing);
	put_addresses(&text, &http, &rtmp);
	if (buf_error(&text))
		http_answer_error(req, 503, "out of memory");
	else
		http_answer_text(req, 200, buf_text(&text));
	buf_fini(&text);
	urls_fini(&http);
	urls_fini(&rtmp);
}

/* lal's page has this name. */
static void lead_home(void *ctx, struct http_request *req)
{
	static const struct http_header to[] = {{"Location", "/"}};
	static const struct http_answer a = {
		.status = 302, .headers = to, .header_count = 1};

	(void)ctx;
	http_answer(req, &a);
}

/* ---- life ---- */

bool web_is_there(void)
{
	return web_file_count > 0;
}

static void make_routes(struct web *w, struct dispatch *d)
{
	struct http_route *r = w->routes;

	*r++ = (struct http_route){"GET", "/lal.html", HTTP_OPEN, lead_home,
				   NULL};
	if (!web_is_there())
		*r = (struct http_route){"GET", "/", HTTP_OPEN, serve_words, d};
	for (size_t i = 0; i < web_file_count; i++) {
		w->file[i] = (struct web_route){d, &web_files[i]};
		*r++ = (struct http_route){"GET", web_files[i].path, HTTP_OPEN,
					   serve_file, &w->file[i]};
	}
}

int web_new(struct web **out, struct dispatch *d)
{
	struct web *w = calloc(1, sizeof(*w));
	size_t count = 1 + WEIR_MAX(web_file_count, 1);

	if (!w)
		return WEIR_ENOMEM;
	*out = w; /* freed by the caller, on failure too */
	w->file = calloc(count, sizeof(*w->file));
	w->routes = calloc(count, sizeof(*w->routes));
	if (!w->file || !w->routes)
		return WEIR_ENOMEM;
	make_routes(w, d);
	return http_server_route(d->http, w->routes, count);
}

void web_free(struct web **pw)
{
	struct web *w = *pw;

	if (!w)
		return;
	free(w->file);
	free(w->routes);
	free(w);
	*pw = NULL;
}
