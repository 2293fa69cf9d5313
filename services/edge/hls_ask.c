/* services/edge/hls_ask.c - who may have playlists and segments: the gate for
 * each playlist, or, with hls.session, for each viewer.
 */
#include <stdlib.h>

#include "services/edge/hls_priv.h"

#define CLAIMS_AT_ONCE 500
#define TOLD_MS        2000

/* A request for a playlist that waits for the gate's word. */
struct asking {
	struct list link;     /* hls->asking, if the word is for it alone */
	struct hls_held held; /* by its viewer, else */
	struct edge_hls *hls;
	struct hls_viewer *viewer; /* that one; NULL: none */
	struct http_request *req;
	struct gate_pass pass;
	struct hls_path path;
};

static struct span header(const struct http_request *req, const char *name)
{
	const char *text = http_header(req, name);

	return text ? span_str(text) : (struct span){0};
}

static struct access_request request_of(const struct http_request *req,
					const struct hls_path *path,
					struct ip_addr *ip)
{
	bool has_ip = !ip_addr_of(ip, &http_peer(req)->ss);
	/* A page can leave out its Referer, not its Origin. */
	struct span page = header(req, "Origin");

	return (struct access_request){
		.op = ACCESS_PLAY,
		.protocol = path->kind == HLS_PATH_SEGMENT ? ACCESS_SEGMENT
							   : ACCESS_HLS,
		.key = &path->key,
		.ip = has_ip ? ip : NULL,
		.query = http_raw_query(req),
		.referer = page.len ? page : header(req, "Referer"),
		.user_agent = header(req, "User-Agent"),
	};
}

static bool send_on(struct edge_hls *h, struct http_request *req,
		    enum reason why)
{
	const char *host = http_header(req, "Host");
	const struct elsewhere_request rq = {
		.path = http_raw_path(req),
		.query = http_raw_query(req),
		.came_by = host ? span_str(host) : (struct span){0},
	};
	struct http_header to = {.name = "Location"};
	const struct http_answer a = {
		.status = 302, .headers = &to, .header_count = 1};
	struct buf url = {0};
	bool is_sent = elsewhere_helps(why) &&
		       edge_put_elsewhere(h->edge, &url, &rq) &&
		       !buf_error(&url);

	to.value = buf_text(&url);
	if (is_sent)
		http_answer(req, &a);
	buf_fini(&url);
	return is_sent;
}

/* A full edge has players take playlists elsewhere, with the segments that they
 * name; where nobody else has room they are served. */
static bool is_sent_on(struct edge_hls *h, struct http_request *req)
{
	enum reason why = gate_is_full(h->edge->gate, ACCESS_PLAY);

	return why && send_on(h, req, why);
}

void edge_hls_put_out(struct edge_hls *h, struct http_request *req,
		      enum reason why, const char *detail)
{
	static const struct http_header challenge = {"WWW-Authenticate",
						     HTTP_CHALLENGE};
	struct buf body = {0};
	struct http_answer a = {
		.status = http_status_of(why),
		.content_type = "application/json",
		.headers = &challenge,
	};

	h->edge->stats.reason[why].refused++;
	if (send_on(h, req, why))
		return;
	h->stats.unavailable += a.status == 503;
	http_reason_put(&body, why, detail);
	a.body = buf_span(&body);
	a.header_count = a.status == 401;
	http_answer(req, &a);
	buf_fini(&body);
}

/* For the stream's history; the address is of the request, or of the viewer. */
static void visit(struct edge_hls *h, const struct stream_key *key,
		  enum event_visit_kind kind, const struct net_addr *peer,
		  enum reason why, const char *detail)
{
	char ip[NET_ADDR_TEXT_SIZE];
	const struct event_visit v = {
		.kind = kind,
		.reason = (int)why,
		.protocol = edge_way_name(EDGE_HLS),
		.address = net_addr_ip_text(ip, peer),
		.detail = detail,
	};

	if (why != REASON_peer_left && why != REASON_peer_end &&
	    why != REASON_stream_ended)
		streams_visit(h->edge->streams, key, &v);
}

static void asking_free(struct asking *a)
{
	gate_leave(&a->pass);
	list_remove(&a->link);
	list_remove(&a->held.link);
	free(a);
}

static void on_asking_gone(void *ctx)
{
	struct asking *a = ctx;

	if (a->viewer)
		hls_viewers_give_up(a->viewer);
	asking_free(a);
}

/* The gate has said yes or no; the pass is over. */
static void go_on(struct asking *a, enum reason why, const char *detail)
{
	if (why) {
		visit(a->hls, &a->path.key, EVENT_PLAY_REFUSED,
		      http_peer(a->req), why, detail);
		edge_hls_put_out(a->hls, a->req, why, detail);
	} else {
		edge_hls_serve(a->hls, a->req, &a->path, NULL);
	}
	asking_free(a);
}

static void on_word(void *ctx, const struct gate_answer *word)
{
	go_on(ctx, word->why, word->detail);
}

static void on_may_not_stay(void *ctx, enum reason why, const char *detail)
{
	(void)ctx;
	(void)why; /* who waits is told by on_word */
	(void)detail;
}

static struct asking *asking_new(struct edge_hls *h, struct http_request *req,
				 const struct hls_path *path)
{
	struct asking *a = calloc(1, sizeof(*a));

	if (!a) {
		edge_hls_refuse(h, req, 503, "no memory");
		return NULL;
	}
	a->hls = h;
	a->req = req;
	a->path = *path;
	list_init(&a->link);
	list_init(&a->held.link);
	return a;
}

static void ask_gate(struct edge_hls *h, struct http_request *req,
		     const struct hls_path *path)
{
	static const struct gate_owner owner = {on_word, on_may_not_stay};
	struct asking *a = asking_new(h, req, path);
	struct access_request rq;
	struct gate_answer why;
	struct ip_addr ip;
	enum gate_word word;

	if (!a)
		return;
	list_append(&h->asking, &a->link);
	rq = request_of(req, &a->path, &ip);
	word = gate_ask(h->edge->gate, &a->pass, &why, &rq, NULL,
			http_peer(req), &owner, a);
	if (word == GATE_WAITS)
		http_on_gone(req, on_asking_gone, a);
	else
		go_on(a, why.why, why.detail);
}

/* A player that has its playlist gets what is in it, unless it was put out. */
static void serve_segment(struct edge_hls *h, struct http_request *req,
			  const struct hls_path *path)
{
	struct ip_addr ip;
	const struct access_request rq = request_of(req, path, &ip);
	enum reason why = gate_lists(h->edge->gate, &rq);

	if (why)
		edge_hls_put_out(h, req, why, "");
	else
		edge_hls_serve(h, req, path, NULL);
}

/* ---- viewers with an address of their own ---- */

static struct hls_asked asked_of(const struct edge_hls *h,
				 const struct http_request *req,
				 const struct hls_path *path,
				 struct access_request *rq)
{
	return (struct hls_asked){
		.token = path->session,
		.rq = rq,
		.peer = http_peer(req),
		.now_ms = edge_hls_now_ms(h),
		.utc_ms = io_utc_us() / 1000,
	};
}

static void answer_location(struct http_request *req, const char *url)
{
	const struct http_header fields[] = {{"Location", url},
					     {"Cache-Control", "no-store"}};
	const struct http_answer a = {
		.status = 302,
		.headers = fields,
		.header_count = WEIR_ARRAY_LEN(fields),
	};

	http_answer(req, &a);
}

/* It asks again at its own address. */
static void redirect(struct edge_hls *h, struct http_request *req,
		     const struct hls_viewer *v)
{
	struct span query = http_raw_query(req);
	struct buf url = {0};
	const char *text;

	hls_put_session(&url, span_str(v->text), &v->key);
	if (query.len) {
		buf_put_u8(&url, '?');
		buf_put(&url, query);
	}
	text = buf_text(&url);
	if (buf_error(&url))
		edge_hls_refuse(h, req, 503, "no memory");
	else
		answer_location(req, text);
	buf_fini(&url);
}

/* It is in: with its address, or on the way to it. */
static void go_in(struct edge_hls *h, struct http_request *req,
		  const struct hls_path *path, struct hls_viewer *v)
{
	if (path->session.len)
		edge_hls_serve(h, req, path, v);
	else if (edge_hls_is_there(h, req, &path->key))
		redirect(h, req, v);
	else
		hls_viewers_give_up(v);
}

static void hold(struct edge_hls *h, struct http_request *req,
		 const struct hls_path *path, struct hls_viewer *v)
{
	struct asking *a = asking_new(h, req, path);

	if (!a) {
		hls_viewers_give_up(v);
		return;
	}
	a->viewer = v;
	list_append(&v->requests, &a->held.link);
	http_on_gone(req, on_asking_gone, a);
}

typedef enum hls_word ask_fn(struct hls_viewers *vs, struct hls_viewer **out,
			     struct gate_answer *why,
			     const struct hls_asked *a);

static ask_fn *ask_as(const struct hls_path *path)
{
	if (!path->session.len)
		return hls_viewers_begin;
	return path->kind == HLS_PATH_SEGMENT ? hls_viewers_segment
					      : hls_viewers_playlist;
}

static void serve_viewer(struct edge_hls *h, struct http_request *req,
			 const struct hls_path *path)
{
	struct ip_addr ip;
	struct access_request rq = request_of(req, path, &ip);
	const struct hls_asked a = asked_of(h, req, path, &rq);
	struct gate_answer why;
	struct hls_viewer *v = NULL;
	enum hls_word word = ask_as(path)(&h->viewers, &v, &why, &a);

	if (word == HLS_YES)
		go_in(h, req, path, v);
	else if (word == HLS_WAITS)
		hold(h, req, path, v);
	else if (word == HLS_NO)
		edge_hls_put_out(h, req, why.why, why.detail);
	else
		edge_hls_refuse(h, req, 404, "there is no such session");
}

static struct hls_held *held_at(struct list *it)
{
	return list_entry(it, struct hls_held, link);
}

/* Once, however often it goes to another edge and comes back. */
static void say_start(struct edge_hls *h, struct hls_viewer *v)
{
	if (v->has_played)
		return;
	v->has_played = true;
	h->edge->stats.way[EDGE_HLS].started++;
	logger_event(
		h->edge->log, &edge_play_start, kv_str("stream", v->key.text),
		kv_str("session", v->session.id), kv_addr("peer", &v->peer),
		kv_str("proto", edge_way_name(EDGE_HLS)),
		kv_uint("waited_ms", 0));
}

static void on_in(void *ctx, struct hls_viewer *v)
{
	struct edge_hls *h = ctx;

	h->edge->stats.way[EDGE_HLS].viewers++;
	say_start(h, v);
	list_each_safe (it, &v->requests) {
		struct asking *a = list_entry(held_at(it), struct asking, held);

		if (held_at(it)->has_item)
			continue;
		list_remove(it);
		go_in(h, a->req, &a->path, v);
		asking_free(a);
	}
}

static void say_end(struct edge_hls *h, const struct hls_viewer *v,
		    enum reason why, const char *detail)
{
	int64_t ms = (io_utc_us() - v->session.start_us) / 1000;

	logger_event(
		h->edge->log, &edge_play_end, kv_str("stream", v->key.text),
		kv_str("session", v->session.id), kv_addr("peer", &v->peer),
		kv_str("proto", edge_way_name(EDGE_HLS)),
		kv_str("reason", reason_name(why)), kv_str("detail", detail),
		kv_uint("bytes", v->session.wrote_bytes),
		kv_uint("ms", (uint64_t)WEIR_MAX(ms, 0)),
		kv_uint("skipped", 0));
}

static void say_refused(struct edge_hls *h, const struct hls_viewer *v,
			enum reason why, const char *detail)
{
	logger_event(
		h->edge->log, &edge_play_refused, kv_str("stream", v->key.text),
		kv_str("session", v->session.id), kv_addr("peer", &v->peer),
		kv_str("proto", edge_way_name(EDGE_HLS)),
		kv_str("reason", reason_name(why)), kv_str("detail", detail));
}

static void note_end(struct edge_hls *h, const struct hls_viewer *v,
		     enum reason why, const char *detail)
{
	if (v->state == HLS_VIEWER_IN)
		h->edge->stats.way[EDGE_HLS].viewers--;
	if (v->has_played) {
		h->edge->stats.reason[why].ended++;
		say_end(h, v, why, detail);
		visit(h, &v->key, EVENT_PLAY_END, &v->peer, why, detail);
	} else if (v->state == HLS_VIEWER_ASKING) {
		say_refused(h, v, why, detail);
		visit(h, &v->key, EVENT_PLAY_REFUSED, &v->peer, why, detail);
	}
}

static void on_out(void *ctx, struct hls_viewer *v, enum reason why,
		   const char *detail)
{
	struct edge_hls *h = ctx;

	note_end(h, v, why, detail);
	list_each_safe (it, &v->requests) {
		struct hls_held *held = held_at(it);
		struct asking *a = list_entry(held, struct asking, held);

		if (held->has_item) {
			edge_hls_end_held(held, why, detail);
			continue;
		}
		edge_hls_put_out(h, a->req, why, detail);
		asking_free(a);
	}
}

static void on_elsewhere(void *ctx, struct hls_viewer *v)
{
	struct edge_hls *h = ctx;

	(void)v;
	h->edge->stats.way[EDGE_HLS].viewers--;
}

static bool has_room(void *ctx)
{
	struct edge_hls *h = ctx;

	return edge_has_room(h->edge);
}

/* ---- all ---- */

/* Who has an address of its own is in already, or was. */
static void serve(struct edge_hls *h, struct http_request *req,
		  const struct hls_path *path)
{
	bool has_viewers = h->rules->session;

	if (has_viewers && path->session.len)
		serve_viewer(h, req, path);
	else if (path->kind == HLS_PATH_SEGMENT)
		serve_segment(h, req, path);
	else if (is_sent_on(h, req))
		return;
	else if (has_viewers)
		serve_viewer(h, req, path);
	else
		ask_gate(h, req, path);
}

void edge_hls_ask(void *ctx, struct http_request *req)
{
	struct edge_hls *h = ctx;
	struct hls_path path;

	hls_path_read(&path, http_raw_path(req), h->edge->identity);
	h->stats.playlists += path.kind == HLS_PATH_PLAYLIST;
	h->stats.segments += path.kind == HLS_PATH_SEGMENT;
	if (path.kind == HLS_PATH_OTHER)
		edge_hls_refuse(h, req, 404,
				"playlists are at /{app}/{name}.m3u8");
	else if (path.fault)
		edge_hls_refuse(h, req, 404, stream_key_why(path.fault));
	else if (path.kind == HLS_PATH_RECORD)
		edge_hls_refuse(h, req, 404, "nothing is recorded");
	else
		serve(h, req, &path);
}

void edge_hls_each_session(struct edge_hls *h, const char *stream,
			   void (*fn)(void *ctx, struct session *s), void *ctx)
{
	hls_viewers_each(&h->viewers, stream, fn, ctx);
}

void edge_hls_kicked(struct edge_hls *h, const struct gate_match *who)
{
	if (h->rules->session)
		hls_viewers_kicked(&h->viewers, who, io_utc_us() / 1000);
}

/* ---- between edges ---- */

/* Lost, it is counted twice for a while. */
static void on_told(void *ctx, int err, struct json_object *json)
{
	(void)ctx;
	(void)err;
	(void)json;
}

static struct json_object *claims_json(struct edge_hls *h)
{
	struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();
	char claim[HLS_CLAIM_SIZE];

	for (int i = 0; i < CLAIMS_AT_ONCE; i++) {
		if (!hls_viewers_claim(&h->viewers, claim))
			break;
		json_object_array_add(list, json_object_new_string(claim));
	}
	json_object_object_add(o, "viewers", list);
	return o;
}

void edge_hls_tell(struct edge_hls *h)
{
	struct member *m = h->edge->member;
	struct json_object *args;
	struct node_ref dispatch;

	/* Without a dispatch they are kept for the next one. */
	if (list_is_empty(&h->viewers.claims) ||
	    !bus_nodes(member_bus(m), "dispatch", &dispatch, 1))
		return;
	args = claims_json(h);
	(void)!member_ask(m, dispatch.link, "hls_moved", args, TOLD_MS, on_told,
			  NULL);
	json_object_put(args);
}

void edge_hls_moved(struct edge_hls *h, struct json_object *args)
{
	const char *node = member_json_text(args, "node");
	struct json_object *list;

	if (!node || !json_object_object_get_ex(args, "viewers", &list) ||
	    !json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		const char *claim = json_object_get_string(
			json_object_array_get_idx(list, i));

		if (claim)
			hls_viewers_moved(&h->viewers, span_str(claim), node,
					  edge_hls_now_ms(h));
	}
}

/* ---- life ---- */

static const struct svc_cluster_settings *cluster_of(const struct edge_hls *h)
{
	return svc_settings(h->edge->svc, &svc_cluster_conf);
}

/* What all edges of the cluster have, and nobody else, if anything is. */
static const char *key_of(const struct edge_hls *h)
{
	return *h->rules->session_key ? h->rules->session_key
				      : cluster_of(h)->key;
}

static int make_secret(struct edge_hls *h)
{
	const char *key = *key_of(h) ? key_of(h) : cluster_of(h)->id;

	return sign_hex(h->secret, SPAN_LIT("weir hls sessions"),
			span_str(key));
}

int edge_hls_ask_init(struct edge_hls *h, uint64_t seed)
{
	static const struct hls_viewers_ops ops = {on_in, on_elsewhere, on_out,
						   has_room};
	const struct hls_viewers_start start = {
		.gate = h->edge->gate,
		.secret = {(const uint8_t *)h->secret, SIGN_HEX_SIZE - 1},
		.is_guessable = !*key_of(h),
		.node = h->edge->id,
		.timeout_ms = h->rules->sub_session_timeout_ms,
		.max = (size_t)h->edge->settings->viewers_max,
		.seed = seed,
		.ops = &ops,
		.ctx = h,
	};

	hls_viewers_init(&h->viewers, &start);
	return make_secret(h);
}

void edge_hls_ask_fini(struct edge_hls *h)
{
	list_each_safe (it, &h->asking)
		asking_free(list_entry(it, struct asking, link));
	hls_viewers_fini(&h->viewers);
}
