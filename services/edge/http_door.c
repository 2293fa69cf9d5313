/* services/edge/http_door.c - the HTTP port: whose request is it, and players
 * by HTTP-FLV, HTTP-TS and WebSocket. */
#include "services/edge/http_visit.h"
#include "services/edge/web.h"

#define HEAD_BYTES_MAX 8192 /* as http_head_parse has it */

/* ---- addresses ---- */

/* What live streams are asked by, and how: plainly, by WebSocket. */
static const struct live_suffix {
	const char *text;
	const struct door_way *plain, *socket;
} live_suffixes[] = {
	{".flv", &way_flv, &way_ws_flv},
	{".ts", &way_ts, &way_ws_ts},
};

/* An app that cannot be one is of files. */
static bool is_of_files(struct span path)
{
	static const char *const apps[] = {"/-/", "/hls/", "/api/"};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(apps); i++)
		if (span_eq_str(span_first(path, strlen(apps[i])), apps[i]))
			return true;
	return false;
}

static const struct live_suffix *live_suffix(struct span path)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(live_suffixes); i++) {
		size_t len = strlen(live_suffixes[i].text);

		if (path.len > len &&
		    span_eq_str(span_from(path, path.len - len),
				live_suffixes[i].text))
			return &live_suffixes[i];
	}
	return NULL;
}

bool edge_is_live_path(struct span path)
{
	return !is_of_files(path) && live_suffix(path);
}

/* ---- whose is it? ---- */

/* Heads that are no heads are answered by us, too. */
static enum door_claim http_on_peek(struct guest *g, struct span in,
				    bool is_last)
{
	struct http_head head;
	int err = http_head_parse(&head, in, NULL);

	(void)g;
	(void)is_last;
	if (err == WEIR_ESHORT)
		return DOOR_UNSURE;
	if (err || head.is_websocket_upgrade || edge_is_live_path(head.path))
		return DOOR_OURS;
	return DOOR_THEIRS;
}

static int http_give(struct guest *g, int fd)
{
	return web_adopt(g->edge->web, fd, &g->addr);
}

/* ---- answers ---- */

static int http_open(struct guest *g)
{
	(void)g;
	return 0;
}

static void http_refuse(struct guest *g, enum reason why, const char *detail)
{
	if (!http_answer_elsewhere(g, why))
		http_answer_reason(g, http_status_of(why), why, detail);
}

static void refuse_with(struct guest *g, unsigned status, enum reason why,
			const char *detail)
{
	http_answer_reason(g, status, why, detail);
	guest_close(g, why, detail);
}

static int http_accept(struct guest *g)
{
	struct http_visit *v = g->protocol;
	int err;

	if (v->ws)
		return http_socket_accept(g);
	err = http_answer_live(g);
	return !err && g->wants_no_media ? WEIR_ESTOP : err;
}

/* Without WebSocket the end of the connection is the end of the file. */
static void http_finish(struct guest *g, enum reason why)
{
	struct http_visit *v = g->protocol;

	if (v->ws)
		http_socket_finish(g, why);
}

/* ---- requests ---- */

static void ask(struct guest *g, const struct http_head *head,
		const struct live_suffix *suffix, const struct door_way *way)
{
	struct span path =
		span_first(head->path, head->path.len - strlen(suffix->text));
	struct stream_key key;
	enum key_fault fault =
		stream_key_from_path(&key, path, g->edge->identity);

	struct guest_words words = {.query = head->query};

	/* A page can leave out the one, not the other. */
	if (!http_head_get(head, "Origin", &words.referer))
		(void)http_head_get(head, "Referer", &words.referer);
	(void)http_head_get(head, "User-Agent", &words.user_agent);
	(void)http_head_get(head, VIA_HEADER, &words.via);
	if (fault)
		guest_refuse(g, REASON_bad_name, stream_key_why(fault));
	else
		guest_ask(g, way, &key, &words);
}

static void ask_by_socket(struct guest *g, const struct http_head *head,
			  const struct live_suffix *suffix)
{
	unsigned status = http_socket_open(g, head);

	switch (status) {
	case 0:
		ask(g, head, suffix, suffix->socket);
		break;
	case 403:
		refuse_with(g, status, REASON_unauthorized,
			    "pages of that origin may not play");
		break;
	case 503:
		refuse_with(g, status, REASON_no_resources, "");
		break;
	default:
		refuse_with(g, status, REASON_protocol_error,
			    "no WebSocket request of version 13");
		break;
	}
}

static void serve(struct guest *g, const struct http_head *head)
{
	const struct live_suffix *suffix =
		is_of_files(head->path) ? NULL : live_suffix(head->path);
	bool is_get = http_is_method(head, "GET");

	g->wants_no_media = http_is_method(head, "HEAD");
	if (http_is_method(head, "OPTIONS")) {
		http_answer_preflight(g);
		guest_close(g, REASON_peer_end, "OPTIONS");
	} else if (!suffix && g->has_tls)
		refuse_with(g, 404, REASON_bad_name,
			    "by https there is /{app}/{name}.flv and .ts only");
	else if (!suffix)
		refuse_with(g, 404, REASON_bad_name,
			    "streams are at /{app}/{name}.flv and .ts");
	else if (!is_get && !g->wants_no_media)
		refuse_with(g, 405, REASON_unsupported, "GET and HEAD only");
	else if (head->is_websocket_upgrade)
		ask_by_socket(g, head, suffix);
	else
		ask(g, head, suffix, suffix->plain);
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

/* What comes behind a plain request is of no meaning: the answer ends the
 * connection. Returns `all`, or an error. */
static int64_t take_words(struct guest *g, struct span in, size_t all)
{
	struct http_visit *v = g->protocol;
	int err;

	if (g->phase != GUEST_WAITING || !v->ws)
		return (int64_t)all;
	err = http_socket_feed(g, in);
	if (err == WEIR_ESTOP)
		guest_close(g, REASON_peer_end, "it closed its WebSocket");
	return err && err != WEIR_ESTOP ? err : (int64_t)all;
}

/* The first bytes. */
static int64_t take_head(struct guest *g, struct span in)
{
	struct http_head head;
	int err = http_head_parse(&head, in, NULL);

	if (err == WEIR_ESHORT)
		return 0;
	if (err) {
		refuse_head(g, err);
		return (int64_t)in.len;
	}
	err = http_visit_begin(g, &head);
	if (err)
		return err;
	serve(g, &head);
	return take_words(g, span_from(in, head.head_bytes), in.len);
}

static int64_t http_on_data(struct guest *g, struct span in)
{
	return g->phase == GUEST_HALF_OPEN ? take_head(g, in)
					   : take_words(g, in, in.len);
}

static enum reason http_on_viewer_data(struct guest *g, struct span in)
{
	struct http_visit *v = g->protocol;

	if (!v->ws)
		return REASON_none;
	switch (http_socket_feed(g, in)) {
	case 0:
		return REASON_none;
	case WEIR_ESTOP:
		return REASON_peer_end;
	case WEIR_ENOMEM:
		return REASON_no_resources;
	default:
		return REASON_protocol_error;
	}
}

const struct door_way way_flv = {
	.way = EDGE_FLV,
	.protocol = "FLV",
	.id_prefix = "FLVPUBSUB",
	.content_type = "video/x-flv",
	.format = &wire_flv,
};

const struct door_way way_ts = {
	.way = EDGE_TS,
	.protocol = "TS",
	.id_prefix = "TSPUBSUB",
	.content_type = "video/mp2t",
	.format = &wire_ts,
};

const struct door_way way_ws_flv = {
	.way = EDGE_WS_FLV,
	.protocol = "FLV",
	.id_prefix = "FLVPUBSUB",
	.format = &wire_ws_flv,
};

const struct door_way way_ws_ts = {
	.way = EDGE_WS_TS,
	.protocol = "TS",
	.id_prefix = "TSPUBSUB",
	.format = &wire_ws_ts,
};

const struct door_ops door_http = {
	.name = "http",
	.protocol = "HTTP",
	.limits = {.unread_bytes = 16 * 1024, .send_bytes = 64 * 1024},
	.peek_bytes = HEAD_BYTES_MAX,
	.on_peek = http_on_peek,
	.give = http_give,
	.open = http_open,
	.close = http_visit_end,
	.on_data = http_on_data,
	.on_viewer_data = http_on_viewer_data,
	.accept = http_accept,
	.refuse = http_refuse,
	.finish = http_finish,
};
