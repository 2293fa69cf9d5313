/* services/edge/http_door.c - HTTP-FLV players. */
#include <stdio.h>
#include <time.h>

#include "proto/http/head.h"
#include "services/edge/internal.h"

#define SUFFIX ".flv"

static int http_open(struct guest *g)
{
	(void)g;
	return 0;
}

static void http_close(struct guest *g)
{
	(void)g;
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

static void put_head(struct buf *out, unsigned status)
{
	http_status_put(out, status);
	put_date(out);
	http_field_put_str(out, "Server", "weir");
	http_field_put_str(out, "Cache-Control", "no-store");
	http_field_put_str(out, "Access-Control-Allow-Origin", "*");
	http_field_put_str(out, "Connection", "close");
}

static int send_all(struct guest *g, struct buf *out)
{
	int err = buf_error(out);

	if (!err)
		err = guest_send(g, buf_span(out));
	buf_fini(out);
	return err;
}

static unsigned status_of(enum reason why)
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
	case REASON_kicked:
	case REASON_unauthorized:
		return 403;
	default:
		return 503;
	}
}

/* `detail` is ours, and plain. */
static void answer(struct guest *g, unsigned status, enum reason why,
		   const char *detail)
{
	struct buf out = {0}, body = {0};

	buf_printf(&body, "{\"error\":\"%s\",\"message\":\"%s%s%s\"}\n",
		   reason_name(why), reason_text(why), *detail ? ": " : "",
		   detail);
	put_head(&out, status);
	if (status == 405)
		http_field_put_str(&out, "Allow", "GET, HEAD, OPTIONS");
	if (status == 503)
		http_field_put_str(&out, "Retry-After", "1");
	http_field_put_str(&out, "Content-Type", "application/json");
	buf_printf(&out, "Content-Length: %zu\r\n", body.len);
	http_head_end(&out);
	if (!g->wants_no_media)
		buf_put(&out, buf_span(&body));
	buf_fini(&body);
	/* If it cannot be told, it is closed all the same. */
	(void)!send_all(g, &out);
}

static void http_refuse(struct guest *g, enum reason why, const char *detail)
{
	answer(g, status_of(why), why, detail);
}

static void refuse_with(struct guest *g, unsigned status, enum reason why,
			const char *detail)
{
	answer(g, status, why, detail);
	guest_close(g, why, detail);
}

/* What a browser asks before it asks. */
static void answer_options(struct guest *g)
{
	struct buf out = {0};

	put_head(&out, 204);
	http_field_put_str(&out, "Allow", "GET, HEAD, OPTIONS");
	http_field_put_str(&out, "Access-Control-Allow-Methods",
			   "GET, HEAD, OPTIONS");
	http_field_put_str(&out, "Access-Control-Allow-Headers", "*");
	http_head_end(&out);
	(void)!send_all(g, &out);
	guest_close(g, REASON_peer_end, "OPTIONS");
}

static int http_accept(struct guest *g)
{
	struct buf out = {0};
	int err;

	put_head(&out, 200);
	http_field_put_str(&out, "Content-Type", "video/x-flv");
	http_head_end(&out);
	err = send_all(g, &out);
	return !err && g->wants_no_media ? WEIR_ESTOP : err;
}

static void http_finish(struct guest *g, enum reason why)
{
	(void)g;
	(void)why; /* the end of the connection is the end of the file */
}

/* ---- requests ---- */

static bool has_suffix(struct span path)
{
	size_t len = strlen(SUFFIX);

	return path.len > len &&
	       span_eq_str(span_from(path, path.len - len), SUFFIX);
}

static void ask(struct guest *g, const struct http_head *head)
{
	struct span path =
		span_first(head->path, head->path.len - strlen(SUFFIX));
	struct stream_key key;
	enum key_fault fault =
		stream_key_from_path(&key, path, g->edge->identity);

	if (fault)
		guest_refuse(g, REASON_bad_name, stream_key_why(fault));
	else
		guest_ask(g, &key, head->query);
}

static void serve(struct guest *g, const struct http_head *head)
{
	bool is_get = http_is_method(head, "GET");

	g->wants_no_media = http_is_method(head, "HEAD");
	if (http_is_method(head, "OPTIONS"))
		answer_options(g);
	else if (!has_suffix(head->path))
		refuse_with(g, 404, REASON_bad_name,
			    "streams are at /{app}/{name}.flv");
	else if (!is_get && !g->wants_no_media)
		refuse_with(g, 405, REASON_unsupported, "GET and HEAD only");
	else if (head->is_websocket_upgrade)
		refuse_with(g, 501, REASON_unsupported, "no WebSocket");
	else
		ask(g, head);
}

static void refuse_head(struct guest *g, int err)
{
	switch (err) {
	case WEIR_ELIMIT:
		refuse_with(g, 431, REASON_limit, "the head is too long");
		break;
	case WEIR_EUNSUPPORTED:
		refuse_with(g, 505, REASON_unsupported, "HTTP/1.0 or 1.1");
		break;
	default:
		refuse_with(g, 400, REASON_protocol_error, "no HTTP request");
		break;
	}
}

/* What comes behind a request is of no meaning: the answer ends the
 * connection. */
static int64_t http_on_data(struct guest *g, struct span in)
{
	struct http_head head;
	int err;

	if (g->phase != GUEST_HALF_OPEN)
		return (int64_t)in.len;
	err = http_head_parse(&head, in, NULL);
	if (err == WEIR_ESHORT)
		return 0;
	if (err)
		refuse_head(g, err);
	else
		serve(g, &head);
	return (int64_t)in.len;
}

static enum reason http_on_viewer_data(struct guest *g, struct span in)
{
	(void)g;
	(void)in;
	return REASON_none;
}

const struct door_ops door_http = {
	.name = "http",
	.protocol = "FLV",
	.id_prefix = "FLVPUBSUB",
	.format = &wire_flv,
	.limits = {.unread_bytes = 16 * 1024, .send_bytes = 64 * 1024},
	.open = http_open,
	.close = http_close,
	.on_data = http_on_data,
	.on_viewer_data = http_on_viewer_data,
	.accept = http_accept,
	.refuse = http_refuse,
	.finish = http_finish,
};
