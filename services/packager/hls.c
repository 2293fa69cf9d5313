/* services/packager/hls.c - live HLS by HTTP. */
#include "services/packager/hls.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/map.h"
#include "common/http/content.h"
#include "common/registry/rank.h"
#include "services/packager/copying.h"

#define TICK_MS   250
#define ANSWER_MS 5000 /* beyond what a request may be held */
#define CALLS_MAX 256  /* to siblings */

/* A request for a playlist that is not there yet. */
struct held {
	struct list link; /* hls.held */
	struct hls *hls;
	struct stream_key key;
	struct http_request *req;
	int64_t until_ms;
};

struct hls_stream {
	struct hls *hls;
	struct stream_key key;
	struct live *live;
	struct copying *copying;
};

struct hls {
	struct svc *svc;
	struct member *member;
	struct loop *loop;
	const struct packager_settings *settings;
	const struct member_hls_settings *rules;
	enum stream_identity identity;
	struct http_server *server;
	struct http_client *client;
	struct net_addr addr;
	struct timer *tick;
	struct pass_task answering;
	struct map by_key; /* struct hls_stream */
	struct list held;
	struct live_room room;
	struct hls_stats stats;
};

/* ---- answers ---- */

static void answer_playlist(struct hls *h, struct http_request *req,
			    const struct live_page *page)
{
	const struct http_content c = {
		.content_type = HLS_PLAYLIST_TYPE,
		.cache_control = HLS_PLAYLIST_CACHE,
		.etag = page->etag,
		.body = page->plain,
		.gzip = page->gzip,
	};

	h->stats.sent_bytes += page->plain->bytes.len;
	http_answer_content(req, &c);
}

static void answer_segment(struct hls *h, struct http_request *req,
			   const struct segment *s)
{
	const struct hls_name name = segment_name(s);
	char etag[HLS_NAME_SIZE + 2], text[HLS_NAME_SIZE];
	const struct http_content c = {
		.content_type = HLS_SEGMENT_TYPE,
		.cache_control = HLS_SEGMENT_CACHE,
		.etag = etag,
		.body = s->body,
		.takes_ranges = true,
	};

	/* The name says which bytes these are. */
	hls_name_write(text, &name);
	snprintf(etag, sizeof(etag), "\"%s\"", text);
	h->stats.sent_bytes += s->body->bytes.len;
	http_answer_content(req, &c);
}

static void refuse(struct hls *h, struct http_request *req, unsigned status,
		   const char *why)
{
	h->stats.not_found += status == 404;
	h->stats.not_carried += status == 503;
	http_answer_error(req, status, why);
}

/* ---- playlists ---- */

static struct hls_stream *find(const struct hls *h,
			       const struct stream_key *key)
{
	return map_get(&h->by_key, span_str(key->text));
}

static bool is_known(struct hls *h, const struct stream_key *key)
{
	const struct stream_entry *e =
		copy_stream(store_copy(member_store(h->member)), key);

	return e && !e->is_ended;
}

static void refuse_stranger(struct hls *h, struct http_request *req,
			    const struct stream_key *key)
{
	if (is_known(h, key))
		refuse(h, req, 503, "the stream is not carried here");
	else if (!store_is_read(member_store(h->member)))
		refuse(h, req, 503, "the registry is not known yet");
	else
		refuse(h, req, 404, "there is no such stream");
}

static void forget_held(struct held *w)
{
	w->hls->stats.held--;
	list_remove(&w->link);
	free(w);
}

static void on_held_gone(void *ctx)
{
	forget_held(ctx);
}

static void hold(struct hls *h, struct http_request *req,
		 const struct stream_key *key)
{
	struct held *w;

	if (h->stats.held >= (uint64_t)h->settings->held_max) {
		h->stats.held_full++;
		refuse(h, req, 503, "too many wait for the first segment");
		return;
	}
	w = calloc(1, sizeof(*w));
	if (!w) {
		refuse(h, req, 503, "no memory");
		return;
	}
	w->hls = h;
	w->key = *key;
	w->req = req;
	w->until_ms = (int64_t)loop_now_ms(h->loop) + h->rules->hold_ms;
	list_append(&h->held, &w->link);
	h->stats.held++;
	http_on_gone(req, on_held_gone, w);
}

static bool may_wait(struct http_request *req)
{
	const char *wait = http_query(req, "wait");

	return !wait || strcmp(wait, "0") != 0;
}

/* WEIR_EAGAIN: nothing was answered, it may be waited for. */
static int try_playlist(struct hls *h, struct http_request *req,
			struct hls_stream *s)
{
	struct live_page page;
	int err = live_page(s->live, &page);

	switch (err) {
	case 0:
		answer_playlist(h, req, &page);
		return 0;
	case WEIR_EAGAIN:
		return err;
	case WEIR_EBUSY:
		refuse(h, req, 503, "what the stream had is being read");
		return 0;
	case WEIR_EUNSUPPORTED:
		refuse(h, req, 501,
		       "no codec of this stream can be in a transport stream");
		return 0;
	default:
		refuse(h, req, 503, "no memory");
		return 0;
	}
}

static void serve_playlist(struct hls *h, struct http_request *req,
			   const struct stream_key *key)
{
	struct hls_stream *s = find(h, key);

	h->stats.playlists++;
	if (!s) {
		refuse_stranger(h, req, key);
		return;
	}
	if (!http_header(req, COPYING_HEADER))
		live_touch(s->live);
	if (try_playlist(h, req, s) != WEIR_EAGAIN)
		return;
	if (may_wait(req))
		hold(h, req, key);
	else
		refuse(h, req, 503, "there is no segment yet");
}

/* Has something come for those that wait? */
static void answer_held(struct hls *h)
{
	list_each_safe (it, &h->held) {
		struct held *w = list_entry(it, struct held, link);
		struct hls_stream *s = find(h, &w->key);

		if (s && try_playlist(h, w->req, s) == WEIR_EAGAIN)
			continue;
		if (!s)
			refuse_stranger(h, w->req, &w->key);
		forget_held(w);
	}
}

static void time_out_held(struct hls *h)
{
	int64_t now_ms = (int64_t)loop_now_ms(h->loop);

	list_each_safe (it, &h->held) {
		struct held *w = list_entry(it, struct held, link);

		if (w->until_ms > now_ms)
			break;
		refuse(h, w->req, 503, "there is no segment yet");
		forget_held(w);
	}
}

/* ---- segments ---- */

static void serve_segment(struct hls *h, struct http_request *req,
			  const struct hls_path *path)
{
	struct hls_stream *s = find(h, &path->key);
	struct segment *segment;

	h->stats.segments++;
	if (!s) {
		refuse_stranger(h, req, &path->key);
		return;
	}
	segment = path->has_name ? live_find(s->live, &path->name) : NULL;
	if (segment && segment->body)
		answer_segment(h, req, segment);
	else if (!segment && live_is_filling(s->live))
		refuse(h, req, 503, "what the stream had is being read");
	else
		refuse(h, req, 404,
		       segment ? "frames of this segment are missing"
			       : "there is no such segment, or no longer");
}

static void serve(void *ctx, struct http_request *req)
{
	struct hls *h = ctx;
	struct hls_path path;

	hls_path_read(&path, http_raw_path(req), h->identity);
	if (path.kind == HLS_PATH_OTHER)
		refuse(h, req, 404, "playlists are at /{app}/{name}.m3u8");
	else if (path.fault)
		refuse(h, req, 404, stream_key_why(path.fault));
	else if (path.kind == HLS_PATH_RECORD)
		refuse(h, req, 404, "nothing is recorded");
	else if (path.kind == HLS_PATH_PLAYLIST)
		serve_playlist(h, req, &path.key);
	else
		serve_segment(h, req, &path);
}

/* ---- streams ---- */

static int64_t live_now_ms(void *ctx)
{
	const struct hls_stream *s = ctx;

	return (int64_t)loop_now_ms(s->hls->loop);
}

static void list_siblings(void *ctx, struct copying_siblings *out)
{
	const struct hls_stream *s = ctx;
	struct hls *h = s->hls;
	const struct node *node[RANK_MAX];
	size_t count = rank_nodes(store_copy(member_store(h->member)),
				  "packager", &s->key, node, RANK_MAX);

	out->count = 0;
	for (size_t i = 0; i < count && out->count < COPYING_SIBLINGS_MAX;
	     i++) {
		const char *addr = node_address(node[i], "http");

		if (addr && strcmp(node[i]->ref.id, svc_node_id(h->svc)) != 0)
			snprintf(out->addr[out->count++], sizeof(out->addr[0]),
				 "%s", addr);
	}
}

static bool has_siblings(void *ctx)
{
	struct copying_siblings who;

	list_siblings(ctx, &who);
	return who.count > 0;
}

static void on_missing(void *ctx)
{
	struct hls_stream *s = ctx;

	copying_start(s->copying);
}

static void on_change(void *ctx)
{
	struct hls_stream *s = ctx;

	if (!list_is_empty(&s->hls->held))
		loop_at_pass_end(s->hls->loop, &s->hls->answering, answer_held,
				 s->hls);
}

static const struct live_events live_events = {
	.now_ms = live_now_ms,
	.has_siblings = has_siblings,
	.on_missing = on_missing,
	.on_change = on_change,
};

int hls_stream_new(struct hls_stream **out, struct hls *h,
		   const struct stream_key *key)
{
	struct hls_stream *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return WEIR_ENOMEM;
	s->hls = h;
	s->key = *key;
	err = live_new(&s->live, &h->room, key, &live_events, s);
	if (!err)
		err = copying_new(&s->copying, h->loop, h->client, s->live,
				  list_siblings, s);
	if (!err)
		err = map_put(&h->by_key, span_str(key->text), s);
	if (err) {
		copying_free(&s->copying);
		live_free(&s->live);
		free(s);
		return err;
	}
	*out = s;
	return 0;
}

void hls_stream_free(struct hls_stream **ps)
{
	struct hls_stream *s = *ps;

	if (!s)
		return;
	map_remove(&s->hls->by_key, span_str(s->key.text));
	on_change(s); /* who waits hears that it is gone */
	copying_free(&s->copying);
	live_free(&s->live);
	free(s);
	*ps = NULL;
}

struct live *hls_stream_live(struct hls_stream *s)
{
	return s->live;
}

/* ---- life ---- */

static void on_tick(struct hls *h)
{
	time_out_held(h);
	map_each (slot, &h->by_key) {
		struct hls_stream *s = slot->value;

		(void)live_tick(s->live);
	}
}

static bool is_wildcard(const char *addr)
{
	return !strncmp(addr, "0.0.0.0:", 8) || !strncmp(addr, "[::]:", 5);
}

void hls_advertise(struct hls *h)
{
	const struct member_bus_settings *bus =
		svc_settings(h->svc, &member_bus_conf);
	const char *host = *bus->advertise
				   ? bus->advertise
				   : store_local_ip(member_store(h->member));
	char text[NET_ADDR_TEXT_SIZE];

	if (!h->addr.len)
		return;
	net_addr_text(text, &h->addr);
	if (is_wildcard(text) && !*host)
		return; /* when the registry is up */
	if (is_wildcard(text))
		snprintf(text, sizeof(text),
			 strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
			 net_addr_port(&h->addr));
	/* Without room for it in the list nobody finds us by it. */
	(void)!member_add_address(h->member, "http", text);
}

static int open_port(struct hls *h)
{
	char text[NET_ADDR_TEXT_SIZE];
	int fd;
	int err = svc_listen(h->svc, &fd, "http", h->settings->http_listen);

	if (err == WEIR_ENOENT)
		return 0;
	if (!err)
		err = http_server_listen(h->server, fd, &h->addr);
	if (err)
		return err;
	hls_advertise(h);
	return svc_add_address(h->svc, "http", net_addr_text(text, &h->addr));
}

static int start(struct hls *h)
{
	static const char *const any[] = {"*"};
	static const struct http_origins everybody = {any, 1};
	const struct http_server_options options = {
		.connections_max = (unsigned)h->settings->connections_max,
		.answer_timeout_ms = (unsigned)h->rules->hold_ms + ANSWER_MS,
		.origins = &everybody,
		.fallback = serve,
		.fallback_ctx = h,
		.fallback_flags = HTTP_OPEN,
	};
	const struct http_client_options calls = {
		.calls_max = CALLS_MAX,
		.body_bytes_max = (size_t)h->settings->segment_max_bytes,
	};
	int err = http_server_new(&h->server, h->loop, &options);

	if (!err)
		err = http_client_new(&h->client, h->loop, &calls);
	if (!err)
		err = timer_new(&h->tick, h->loop, on_tick, h);
	if (!err)
		err = open_port(h);
	if (!err)
		timer_repeat(h->tick, TICK_MS);
	return err;
}

static void set_room(struct hls *h)
{
	live_room_init(&h->room);
	h->room.list_count = (uint32_t)h->rules->fragment_num;
	h->room.segment_bytes = (size_t)h->settings->segment_max_bytes;
	h->room.max_bytes = (uint64_t)h->settings->segments_max_bytes;
	h->room.is_on_demand = h->rules->mode == MEMBER_HLS_ON_DEMAND;
	h->room.session_ms = (uint32_t)h->rules->sub_session_timeout_ms;
}

int hls_new(struct hls **out, struct svc *svc, struct member *member,
	    const struct packager_settings *settings)
{
	const struct svc_cluster_settings *cluster =
		svc_settings(svc, &svc_cluster_conf);
	struct hls *h = calloc(1, sizeof(*h));
	uint64_t seed;
	int err;

	if (!h)
		return WEIR_ENOMEM;
	h->svc = svc;
	h->member = member;
	h->loop = svc_loop(svc);
	h->settings = settings;
	h->rules = svc_settings(svc, &member_hls_conf);
	h->identity = (enum stream_identity)cluster->stream_identity;
	io_random(&seed, sizeof(seed));
	map_init(&h->by_key, seed);
	list_init(&h->held);
	set_room(h);
	err = start(h);
	if (err)
		hls_free(&h);
	else
		*out = h;
	return err;
}

void hls_free(struct hls **ph)
{
	struct hls *h = *ph;

	if (!h)
		return;
	BUG_ON(h->by_key.count);
	http_server_free(&h->server); /* those who wait are told */
	http_client_free(&h->client);
	timer_free(&h->tick);
	pass_task_cancel(&h->answering);
	map_fini(&h->by_key);
	free(h);
	*ph = NULL;
}

const struct hls_stats *hls_get_stats(const struct hls *h)
{
	return &h->stats;
}

const struct live_stats *hls_live_stats(struct hls *h)
{
	live_room_measure(&h->room);
	return &h->room.stats;
}
