/* services/edge/hls.c - playlists and segments on an edge's HTTP port. */
#include "services/edge/hls.h"

#include <stdlib.h>

#include "common/http/content.h"
#include "services/edge/hls_fetch.h"
#include "services/edge/hls_hold.h"
#include "services/edge/internal.h"

#define TICK_MS 200 /* between two tries for who waits */
#define HOLD_MORE_MS                                                           \
	2000 /* until packagers are heard of that somebody fetches */
#define CACHE_ITEMS 20000 /* playlists and segments */

/* A request that waits for an item. */
struct waiter_hls {
	struct list link; /* item->waiters */
	struct edge_hls *hls;
	struct hls_item *item;
	struct http_request *req;
	int64_t until_ms;
};

/* A request for a playlist that waits for the gate's word. */
struct asking {
	struct list link; /* hls->asking */
	struct edge_hls *hls;
	struct http_request *req;
	struct gate_pass pass;
	struct hls_path path;
};

struct edge_hls {
	struct edge *edge;
	struct list asking;
	const struct member_hls_settings *rules;
	struct hls_cache cache;
	struct hls_fetcher *fetcher;
	struct hls_holds holds;
	struct timer *tick;
	struct http_route route[1];
	struct edge_hls_stats stats;
	struct stat_series series;
	struct stat_refresh refresh;
};

#define S struct edge_hls_stats
/* clang-format off */
static const struct stat_metric metrics[] = {
	STAT_COUNTER(S, playlists, "weir_edge_playlist_requests_total", "count", "Requests for playlists."),
	STAT_COUNTER(S, segments, "weir_edge_segment_requests_total", "count", "Requests for segments."),
	STAT_COUNTER(S, not_found, "weir_edge_hls_not_found_total", "count", "Requests for what is not there (404)."),
	STAT_COUNTER(S, unavailable, "weir_edge_hls_unavailable_total", "count",
		     "Requests for what is not there yet, or cannot be had now (503)."),
	STAT_GAUGE(S, waiting, "weir_edge_hls_waiting_requests", "count", "Requests that wait for a packager."),
	STAT_COUNTER(S, fetches, "weir_edge_hls_fetches_total", "count", "Questions to packagers."),
	STAT_COUNTER(S, fetch_fails, "weir_edge_hls_fetch_fails_total", "count",
		     "Questions to packagers that did not give what was asked for."),
	STAT_COUNTER(S, older, "weir_edge_hls_older_playlists_total", "count",
		     "Playlists that were passed over because a newer one had been served."),
	STAT_COUNTER(S, stale, "weir_edge_hls_stale_playlists_total", "count",
		     "Playlists that were served again because no packager had a newer one."),
	STAT_GAUGE(S, cache_bytes, "weir_edge_hls_cache_bytes", "bytes", "Bytes of playlists and segments in the cache."),
	STAT_GAUGE(S, cache_items, "weir_edge_hls_cache_items", "count", "Playlists and segments in the cache."),
	STAT_COUNTER(S, evicted, "weir_edge_hls_evicted_total", "count",
		     "Segments that left the cache because of hls_cache_bytes."),
	STAT_COUNTER(S, sent_bytes, "weir_edge_hls_answer_bytes_total", "bytes",
		     "Bytes of playlists and segments answered."),
};
/* clang-format on */
const struct stat_table edge_hls_stat =
	STAT_TABLE("edge: HLS", "", 1, S, metrics);

static int64_t now_ms(const struct edge_hls *h)
{
	return (int64_t)loop_now_ms(h->edge->loop);
}

/* ---- answers ---- */

static void answer(struct edge_hls *h, struct http_request *req,
		   struct hls_item *it)
{
	const struct http_content c = {
		.content_type =
			it->is_playlist ? HLS_PLAYLIST_TYPE : HLS_SEGMENT_TYPE,
		.cache_control = it->is_playlist ? HLS_PLAYLIST_CACHE
						 : HLS_SEGMENT_CACHE,
		.etag = it->etag,
		.body = it->body,
		.gzip = it->gzip,
		/* A segment's body costs so much that its head does not count.
		 */
		.body_kept = it->is_playlist ? &it->body_kept : NULL,
		.gzip_kept = it->is_playlist ? &it->gzip_kept : NULL,
		.takes_ranges = !it->is_playlist,
	};

	h->stats.sent_bytes += it->body->bytes.len;
	http_answer_content(req, &c);
}

static void refuse(struct edge_hls *h, struct http_request *req,
		   unsigned status, const char *why)
{
	h->stats.not_found += status == 404;
	h->stats.unavailable += status == 503;
	http_answer_error(req, status, why);
}

static bool is_known(struct edge_hls *h, const struct stream_key *key)
{
	const struct stream_entry *e =
		copy_stream(store_copy(member_store(h->edge->member)), key);

	return (e && !e->is_ended) || hls_is_held(&h->holds, key);
}

/* Nobody has it now: it may come by a pull, for which the first segment is waited
 * for. */
static void want(struct edge_hls *h, const struct stream_key *key)
{
	const struct stream_entry *e =
		copy_stream(store_copy(member_store(h->edge->member)), key);

	if (!e || !e->is_live)
		(void)hls_hold(&h->holds, key,
			       h->rules->hold_ms + HOLD_MORE_MS);
}

/* What is here is better than nothing, while it is not too old. */
static bool may_serve_old(const struct edge_hls *h, const struct hls_item *it)
{
	return it->body && now_ms(h) < it->keep_until_ms;
}

/* ---- those that wait ---- */

static void forget(struct waiter_hls *w)
{
	list_remove(&w->link);
	w->hls->stats.waiting--;
	hls_item_leave(w->item);
	free(w);
}

static void on_gone(void *ctx)
{
	forget(ctx);
}

static bool wait_for(struct edge_hls *h, struct http_request *req,
		     struct hls_item *it)
{
	struct waiter_hls *w = calloc(1, sizeof(*w));

	if (!w)
		return false;
	w->hls = h;
	w->item = it;
	w->req = req;
	w->until_ms = now_ms(h) + h->rules->hold_ms;
	list_append(&it->waiters, &w->link);
	hls_item_use(it);
	h->stats.waiting++;
	http_on_gone(req, on_gone, w);
	return true;
}

static void answer_all(struct edge_hls *h, struct hls_item *it)
{
	list_each_safe (at, &it->waiters) {
		struct waiter_hls *w = list_entry(at, struct waiter_hls, link);

		answer(h, w->req, it);
		forget(w);
	}
}

static void refuse_all(struct edge_hls *h, struct hls_item *it, unsigned status,
		       const char *why)
{
	list_each_safe (at, &it->waiters) {
		struct waiter_hls *w = list_entry(at, struct waiter_hls, link);

		refuse(h, w->req, status, why);
		forget(w);
	}
}

static unsigned missing_status(const struct hls_item *it)
{
	return it->is_unfit ? 501 : 404;
}

static const char *missing_why(const struct hls_item *it)
{
	if (it->is_unfit)
		return "no codec of this stream can be in a transport stream";
	return it->is_playlist ? "there is no playlist of this stream"
			       : "there is no such segment, or no longer";
}

/* Nobody has the segment, or nobody carries the stream any more; or nobody can
 * ever make a playlist of it. */
static void on_absent(struct edge_hls *h, struct hls_item *it, bool is_unfit)
{
	it->missing_until_ms = now_ms(h) + HLS_MISSING_MS;
	it->is_unfit = is_unfit;
	refuse_all(h, it, missing_status(it), missing_why(it));
}

static void on_fetched(void *ctx, struct hls_item *it, int err)
{
	struct edge_hls *h = ctx;

	if (!err) {
		answer_all(h, it);
	} else if (may_serve_old(h, it)) {
		h->stats.stale++;
		it->fresh_until_ms = now_ms(h) + TICK_MS;
		answer_all(h, it);
	} else if (err == WEIR_ENOENT &&
		   (!it->is_playlist || !is_known(h, &it->key))) {
		on_absent(h, it, false);
	} else if (err == WEIR_EUNSUPPORTED) {
		on_absent(h, it, true);
	} else if (!is_known(h, &it->key)) {
		refuse_all(h, it, 404, "there is no such stream");
	}
	/* Who still waits is for on_tick. */
}

static void time_out(struct edge_hls *h, struct hls_item *it)
{
	const char *why = it->is_playlist ? "there is no segment yet"
					  : "no packager answers";

	list_each_safe (at, &it->waiters) {
		struct waiter_hls *w = list_entry(at, struct waiter_hls, link);

		if (now_ms(h) < w->until_ms)
			break;
		refuse(h, w->req, 503, why);
		forget(w);
	}
}

/* Ask again for what is waited for. */
static void on_tick(struct edge_hls *h)
{
	list_each_safe (at, &h->cache.by_use) {
		struct hls_item *it = list_entry(at, struct hls_item, link);

		time_out(h, it);
		if (!list_is_empty(&it->waiters))
			(void)!hls_fetch(h->fetcher, it);
	}
	hls_cache_tick(&h->cache, now_ms(h));
	hls_holds_tick(&h->holds);
}

/* ---- requests ---- */

/* From the cache, or it waits until it is there. */
static void serve_item(struct edge_hls *h, struct http_request *req,
		       struct hls_item *it)
{
	if (hls_item_is_fresh(it, now_ms(h))) {
		answer(h, req, it);
		return;
	}
	if (now_ms(h) < it->missing_until_ms &&
	    !hls_is_held(&h->holds, &it->key)) {
		refuse(h, req, missing_status(it), missing_why(it));
		return;
	}
	if (!wait_for(h, req, it)) {
		refuse(h, req, 503, "no memory");
		return;
	}
	/* Past the limit of fetches it is begun by on_tick. */
	(void)!hls_fetch(h->fetcher, it);
}

/* Names that nobody publishes are not worth asking for; but one that has just
 * ended is still shown to who watched it. */
static bool is_worth_it(struct edge_hls *h, const struct stream_key *key)
{
	const struct hls_item *it;

	if (is_known(h, key))
		return true;
	it = hls_cache_find(&h->cache, key, NULL);
	return it && it->body;
}

static void refuse_stranger(struct edge_hls *h, struct http_request *req)
{
	if (store_is_read(member_store(h->edge->member)))
		refuse(h, req, 404, "there is no such stream");
	else
		refuse(h, req, 503, "the registry is not known yet");
}

static void serve_path(struct edge_hls *h, struct http_request *req,
		       const struct hls_path *path)
{
	const struct hls_name *name =
		path->kind == HLS_PATH_SEGMENT ? &path->name : NULL;
	struct hls_item *it;

	if (name && !path->has_name) {
		refuse(h, req, 404, "there is no such segment");
		return;
	}
	if (!name)
		want(h, &path->key);
	it = hls_cache_find(&h->cache, &path->key, name);
	if (!it && !is_worth_it(h, &path->key)) {
		refuse_stranger(h, req);
		return;
	}
	if (!it && hls_cache_get(&h->cache, &it, &path->key, name))
		refuse(h, req, 503, "too much is asked for");
	else
		serve_item(h, req, it);
}

/* ---- may it? ---- */

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

static void put_out(struct edge_hls *h, struct http_request *req,
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

static void asking_free(struct asking *a)
{
	gate_leave(&a->pass);
	list_remove(&a->link);
	free(a);
}

static void on_asking_gone(void *ctx)
{
	asking_free(ctx);
}

/* The gate has said yes or no; the pass is over. */
static void go_on(struct asking *a, enum reason why, const char *detail)
{
	if (why)
		put_out(a->hls, a->req, why, detail);
	else
		serve_path(a->hls, a->req, &a->path);
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

static void ask_gate(struct edge_hls *h, struct http_request *req,
		     const struct hls_path *path)
{
	static const struct gate_owner owner = {on_word, on_may_not_stay};
	struct asking *a = calloc(1, sizeof(*a));
	struct access_request rq;
	struct gate_answer why;
	struct ip_addr ip;
	enum gate_word word;

	if (!a) {
		refuse(h, req, 503, "no memory");
		return;
	}
	a->hls = h;
	a->req = req;
	a->path = *path;
	list_init(&a->link);
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
		put_out(h, req, why, "");
	else
		serve_path(h, req, path);
}

static void serve(void *ctx, struct http_request *req)
{
	struct edge_hls *h = ctx;
	struct hls_path path;

	hls_path_read(&path, http_raw_path(req), h->edge->identity);
	h->stats.playlists += path.kind == HLS_PATH_PLAYLIST;
	h->stats.segments += path.kind == HLS_PATH_SEGMENT;
	if (path.kind == HLS_PATH_OTHER)
		refuse(h, req, 404, "playlists are at /{app}/{name}.m3u8");
	else if (path.fault)
		refuse(h, req, 404, stream_key_why(path.fault));
	else if (path.kind == HLS_PATH_RECORD)
		refuse(h, req, 404, "nothing is recorded");
	else if (path.kind == HLS_PATH_SEGMENT)
		serve_segment(h, req, &path);
	else if (!is_sent_on(h, req))
		ask_gate(h, req, &path);
}

/* ---- life ---- */

static void refresh(void *ctx)
{
	struct edge_hls *h = ctx;

	h->stats.cache_bytes = h->cache.bytes;
	h->stats.cache_items = h->cache.by_path.count;
	h->stats.evicted = h->cache.evicted;
}

static int start(struct edge_hls *h)
{
	struct edge *e = h->edge;
	int err = hls_fetcher_new(&h->fetcher, e->loop, e->member, &h->cache,
				  &h->stats, on_fetched, h);

	h->route[0] = (struct http_route){"GET", "/-/**", HTTP_OPEN, serve, h};
	if (!err)
		err = timer_new(&h->tick, e->loop, on_tick, h);
	if (!err)
		err = stat_add(svc_stats(e->svc), &edge_hls_stat, &h->series,
			       &h->stats, NULL);
	if (!err)
		err = web_route(e->web, h->route, 1);
	if (!err)
		err = web_suffix(e->web, ".m3u8", serve, h);
	return err;
}

int edge_hls_new(struct edge_hls **out, struct edge *e)
{
	struct edge_hls *h = calloc(1, sizeof(*h));
	uint64_t seed;
	int err;

	if (!h)
		return WEIR_ENOMEM;
	h->edge = e;
	list_init(&h->asking);
	hls_holds_init(&h->holds, e);
	h->rules = svc_settings(e->svc, &member_hls_conf);
	io_random(&seed, sizeof(seed));
	hls_cache_init(&h->cache, (uint64_t)e->settings->hls_cache_bytes,
		       CACHE_ITEMS, seed);
	err = start(h);
	if (err) {
		edge_hls_free(&h);
		return err;
	}
	stat_refresh_add(svc_stats(e->svc), &h->refresh, refresh, h);
	timer_repeat(h->tick, TICK_MS);
	*out = h;
	return 0;
}

void edge_hls_free(struct edge_hls **ph)
{
	struct edge_hls *h = *ph;

	if (!h)
		return;
	if (h->refresh.fn)
		stat_refresh_remove(&h->refresh);
	stat_remove(&h->series);
	list_each_safe (it, &h->asking) /* their requests are gone */
		asking_free(list_entry(it, struct asking, link));
	hls_fetcher_free(&h->fetcher);
	hls_holds_fini(&h->holds);
	timer_free(&h->tick);
	hls_cache_fini(&h->cache);
	free(h);
	*ph = NULL;
}
