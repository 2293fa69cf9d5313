/* services/edge/hls.c - playlists and segments on an edge's HTTP port. */
#include "services/edge/hls.h"

#include <stdlib.h>

#include "common/http/content.h"
#include "services/edge/hls_priv.h"

#define TICK_MS 200 /* between two tries for who waits */
#define HOLD_MORE_MS                                                           \
	2000 /* until packagers are heard of that somebody fetches */
#define CACHE_ITEMS 20000 /* playlists and segments */

/* A request that waits for an item. */
struct waiter_hls {
	struct list link;     /* item->waiters */
	struct hls_held held; /* by its viewer, if it has one */
	struct hls_viewer *viewer;
	struct edge_hls *hls;
	struct hls_item *item;
	struct http_request *req;
	int64_t until_ms;
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

int64_t edge_hls_now_ms(const struct edge_hls *h)
{
	return (int64_t)loop_now_ms(h->edge->loop);
}

static int64_t now_ms(const struct edge_hls *h)
{
	return edge_hls_now_ms(h);
}

/* ---- answers ---- */

/* To a viewer with an address of its own; caches of others must not keep that.
 */
static void make_own(struct edge_hls *h, struct http_content *c,
		     struct hls_item *it)
{
	const struct hls_own *own;

	c->cache_control = it->is_playlist ? HLS_OWN_PLAYLIST_CACHE
					   : HLS_OWN_SEGMENT_CACHE;
	if (!it->is_playlist)
		return;
	own = hls_cache_own(&h->cache, it);
	c->body_kept = c->gzip_kept = NULL;
	if (!own) /* the segments' common addresses will do */
		return;
	c->body = own->body;
	c->gzip = own->gzip;
	c->body_kept = &it->own.body_kept;
	c->gzip_kept = &it->own.gzip_kept;
}

static void answer(struct edge_hls *h, struct http_request *req,
		   struct hls_item *it, struct hls_viewer *v)
{
	struct http_content c = {
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
	size_t bytes;

	if (v)
		make_own(h, &c, it);
	bytes = http_answer_content(req, &c);
	h->stats.sent_bytes += bytes;
	if (v)
		v->session.wrote_bytes += bytes;
}

void edge_hls_refuse(struct edge_hls *h, struct http_request *req,
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
	list_remove(&w->held.link);
	w->hls->stats.waiting--;
	hls_item_leave(w->item);
	free(w);
}

static void on_gone(void *ctx)
{
	forget(ctx);
}

void edge_hls_end_held(struct hls_held *held, enum reason why,
		       const char *detail)
{
	struct waiter_hls *w = list_entry(held, struct waiter_hls, held);

	edge_hls_put_out(w->hls, w->req, why, detail);
	forget(w);
}

static bool wait_for(struct edge_hls *h, struct http_request *req,
		     struct hls_item *it, struct hls_viewer *v)
{
	struct waiter_hls *w = calloc(1, sizeof(*w));

	if (!w)
		return false;
	w->hls = h;
	w->item = it;
	w->req = req;
	w->until_ms = now_ms(h) + h->rules->hold_ms;
	list_append(&it->waiters, &w->link);
	w->viewer = v;
	w->held.has_item = true;
	list_init(&w->held.link);
	if (v)
		list_append(&v->requests, &w->held.link);
	hls_item_use(it);
	h->stats.waiting++;
	http_on_gone(req, on_gone, w);
	return true;
}

static void answer_all(struct edge_hls *h, struct hls_item *it)
{
	list_each_safe (at, &it->waiters) {
		struct waiter_hls *w = list_entry(at, struct waiter_hls, link);

		answer(h, w->req, it, w->viewer);
		forget(w);
	}
}

static void refuse_all(struct edge_hls *h, struct hls_item *it, unsigned status,
		       const char *why)
{
	list_each_safe (at, &it->waiters) {
		struct waiter_hls *w = list_entry(at, struct waiter_hls, link);

		edge_hls_refuse(h, w->req, status, why);
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
		edge_hls_refuse(h, w->req, 503, why);
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
	hls_viewers_tick(&h->viewers, now_ms(h), io_utc_us() / 1000);
	edge_hls_tell(h);
}

/* ---- requests ---- */

/* From the cache, or it waits until it is there. */
static void serve_item(struct edge_hls *h, struct http_request *req,
		       struct hls_item *it, struct hls_viewer *v)
{
	if (hls_item_is_fresh(it, now_ms(h))) {
		answer(h, req, it, v);
		return;
	}
	if (now_ms(h) < it->missing_until_ms &&
	    !hls_is_held(&h->holds, &it->key)) {
		edge_hls_refuse(h, req, missing_status(it), missing_why(it));
		return;
	}
	if (!wait_for(h, req, it, v)) {
		edge_hls_refuse(h, req, 503, "no memory");
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
		edge_hls_refuse(h, req, 404, "there is no such stream");
	else
		edge_hls_refuse(h, req, 503, "the registry is not known yet");
}

bool edge_hls_is_there(struct edge_hls *h, struct http_request *req,
		       const struct stream_key *key)
{
	want(h, key);
	if (is_worth_it(h, key))
		return true;
	refuse_stranger(h, req);
	return false;
}

void edge_hls_serve(struct edge_hls *h, struct http_request *req,
		    const struct hls_path *path, struct hls_viewer *v)
{
	const struct hls_name *name =
		path->kind == HLS_PATH_SEGMENT ? &path->name : NULL;
	struct hls_item *it;

	if (name && !path->has_name) {
		edge_hls_refuse(h, req, 404, "there is no such segment");
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
		edge_hls_refuse(h, req, 503, "too much is asked for");
	else
		serve_item(h, req, it, v);
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

	h->route[0] =
		(struct http_route){"GET", "/-/**", HTTP_OPEN, edge_hls_ask, h};
	if (!err)
		err = timer_new(&h->tick, e->loop, on_tick, h);
	if (!err)
		err = stat_add(svc_stats(e->svc), &edge_hls_stat, &h->series,
			       &h->stats, NULL);
	if (!err)
		err = web_route(e->web, h->route, 1);
	if (!err)
		err = web_suffix(e->web, ".m3u8", edge_hls_ask, h);
	return err;
}

static const struct ruleset *rules_of(void *ctx)
{
	struct edge *e = ctx;

	return member_rules(e->member);
}

int edge_hls_new(struct edge_hls **out, struct edge *e)
{
	const struct hls_holds_world world = {e->loop, e->streams, e, rules_of};
	struct edge_hls *h = calloc(1, sizeof(*h));
	uint64_t seed;
	int err;

	if (!h)
		return WEIR_ENOMEM;
	h->edge = e;
	list_init(&h->asking);
	hls_holds_init(&h->holds, &world);
	h->rules = svc_settings(e->svc, &member_hls_conf);
	io_random(&seed, sizeof(seed));
	hls_cache_init(&h->cache, (uint64_t)e->settings->hls_cache_bytes,
		       CACHE_ITEMS, seed);
	err = edge_hls_ask_init(h, seed);
	if (!err)
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

uint64_t edge_hls_sent_bytes(const struct edge_hls *h)
{
	return h->stats.sent_bytes;
}

void edge_hls_free(struct edge_hls **ph)
{
	struct edge_hls *h = *ph;

	if (!h)
		return;
	if (h->refresh.fn)
		stat_refresh_remove(&h->refresh);
	stat_remove(&h->series);
	edge_hls_ask_fini(h); /* its requests are gone */
	hls_fetcher_free(&h->fetcher);
	hls_holds_fini(&h->holds);
	timer_free(&h->tick);
	hls_cache_fini(&h->cache);
	free(h);
	*ph = NULL;
}
