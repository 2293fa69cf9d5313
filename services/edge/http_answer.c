/* services/edge/http_answer.c - what the HTTP door says. */
#include <stdlib.h>
#include <time.h>

#include "proto/ws/handshake.h"
#include "services/edge/http_visit.h"

static const struct http_visit *visit_of(const struct guest *g)
{
	return g->protocol;
}

static void put_field(void *ctx, const char *name, const char *value)
{
	http_field_put_str(ctx, name, value);
}

/* ---- a request ---- */

/* For who may have to go elsewhere; without memory it cannot. */
static void keep_asked(struct buf *out, const struct http_head *head)
{
	const struct span parts[] = {head->path, head->query, head->host};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(parts); i++) {
		buf_put(out, parts[i]);
		buf_put_u8(out, '\0');
	}
}

int http_visit_begin(struct guest *g, const struct http_head *head)
{
	struct http_visit *v = calloc(1, sizeof(*v));

	if (!v)
		return WEIR_ENOMEM;
	g->protocol = v;
	http_cors_fields(&g->edge->origins, head->origin, put_field, &v->cors);
	if (!head->is_websocket_upgrade)
		keep_asked(&v->asked, head);
	return buf_error(&v->cors);
}

void http_visit_end(struct guest *g)
{
	struct http_visit *v = g->protocol;

	if (!v)
		return;
	g->protocol = NULL;
	buf_fini(&v->cors);
	buf_fini(&v->switching);
	buf_fini(&v->asked);
	ws_reader_free(&v->ws);
	free(v);
}

/* ---- answers ---- */

static void put_date(struct buf *out)
{
	time_t now_s = (time_t)(io_utc_us() / 1000000);
	struct tm tm;
	char text[40];

	if (gmtime_r(&now_s, &tm) &&
	    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm))
		http_field_put_str(out, "Date", text);
}

void http_answer_head(const struct guest *g, struct buf *out, unsigned status)
{
	const struct http_visit *v = visit_of(g);

	http_status_put(out, status);
	put_date(out);
	http_field_put_str(out, "Server", "weir");
	http_field_put_str(out, "Cache-Control", "no-store");
	http_field_put_str(out, "Connection", "close");
	if (v)
		buf_put(out, buf_span(&v->cors));
}

int http_answer_send(struct guest *g, struct buf *out)
{
	int err = buf_error(out);

	if (!err)
		err = guest_send(g, buf_span(out));
	buf_fini(out);
	return err;
}

unsigned http_status_of(enum reason why)
{
	switch (why) {
	case REASON_not_found:
	case REASON_bad_name:
		return 404;
	case REASON_protocol_error:
		return 400;
	case REASON_limit:
		return 431;
	case REASON_unsupported:
		return 501;
	case REASON_loop:
		return 508;
	case REASON_unauthorized:
		return 401;
	case REASON_kicked:
	case REASON_denied:
	case REASON_banned:
		return 403;
	default:
		return 503;
	}
}

void http_reason_put(struct buf *out, enum reason why, const char *detail)
{
	buf_printf(out, "{\"error\":\"%s\",\"message\":\"%s%s%s\"}\n",
		   reason_name(why), reason_text(why), *detail ? ": " : "",
		   detail);
}

void http_answer_reason(struct guest *g, unsigned status, enum reason why,
			const char *detail)
{
	struct buf out = {0}, body = {0};

	http_reason_put(&body, why, detail);
	http_answer_head(g, &out, status);
	if (status == 405)
		http_field_put_str(&out, "Allow", "GET, HEAD, OPTIONS");
	if (status == 426)
		ws_version_put(&out);
	if (status == 401)
		http_field_put_str(&out, "WWW-Authenticate", HTTP_CHALLENGE);
	if (status == 503)
		http_field_put_str(&out, "Retry-After", "1");
	http_field_put_str(&out, "Content-Type", "application/json");
	buf_printf(&out, "Content-Length: %zu\r\n", body.len);
	http_head_end(&out);
	if (!g->wants_no_media)
		buf_put(&out, buf_span(&body));
	buf_fini(&body);
	/* If it cannot be told, it is closed all the same. */
	(void)!http_answer_send(g, &out);
}

static struct elsewhere_request asked_of(const struct guest *g)
{
	const struct buf *asked = &visit_of(g)->asked;
	const char *path = (const char *)asked->data;
	const char *query = path + strlen(path) + 1;

	return (struct elsewhere_request){
		.has_tls = g->has_tls,
		.path = span_str(path),
		.query = span_str(query),
		.came_by = span_str(query + strlen(query) + 1),
	};
}

bool http_answer_elsewhere(struct guest *g, enum reason why)
{
	struct buf out = {0}, url = {0};
	struct elsewhere_request rq;
	bool is_there;

	if (!elsewhere_helps(why) || !visit_of(g) || !visit_of(g)->asked.len ||
	    buf_error(&visit_of(g)->asked))
		return false;
	rq = asked_of(g);
	is_there = edge_put_elsewhere(g->edge, &url, &rq);
	if (is_there) {
		http_answer_head(g, &out, 302);
		http_field_put(&out, "Location", buf_span(&url));
		http_field_put_str(&out, "Content-Length", "0");
		http_head_end(&out);
		(void)!http_answer_send(g, &out);
	}
	buf_fini(&url);
	return is_there;
}

void http_answer_preflight(struct guest *g)
{
	struct buf out = {0};

	http_answer_head(g, &out, 204);
	http_field_put_str(&out, "Allow", "GET, HEAD, OPTIONS");
	http_cors_preflight_fields(put_field, &out);
	http_head_end(&out);
	(void)!http_answer_send(g, &out);
}

int http_answer_live(struct guest *g)
{
	struct buf out = {0};

	http_answer_head(g, &out, 200);
	/* A proxy shall not gather what it gets. */
	http_field_put_str(&out, "X-Accel-Buffering", "no");
	http_field_put_str(&out, "Content-Type", g->way->content_type);
	if (g->is_relay)
		http_field_put_str(&out, VIA_HEADER, g->edge->cluster);
	http_head_end(&out);
	buf_fini(&((struct http_visit *)g->protocol)->asked);
	return http_answer_send(g, &out);
}
