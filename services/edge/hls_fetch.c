/* services/edge/hls_fetch.c - getting what is missing from the packagers. */
#include "services/edge/hls_fetch.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/registry/rank.h"

#define FETCHES_MAX   256
#define ANSWER_MAX    (256u << 20) /* bytes */
#define PLAYLIST_MS   1000         /* for one answer */
#define SEGMENT_MS    5000
#define PACKAGERS_MAX 8

struct fetch {
	struct list link; /* fetcher's */
	struct hls_fetcher *fetcher;
	struct hls_item *item;
	struct http_call *call;
	struct timer *later; /* to begin outside of the caller */
	char addr[PACKAGERS_MAX][64];
	size_t count, at;
	bool is_absent; /* somebody said 404, or that it is a gap */
	bool is_unfit;  /* somebody said 501 */
	bool is_unsure; /* somebody said nothing: it may have it */
};

struct hls_fetcher {
	struct loop *loop;
	struct member *member;
	struct hls_cache *cache;
	struct edge_hls_stats *stats;
	hls_fetched_fn *fn;
	void *ctx;
	struct http_client *client;
	struct list all;
	size_t count;
};

static void ask_next(struct fetch *f);

int hls_fetcher_new(struct hls_fetcher **out, struct loop *loop,
		    struct member *member, struct hls_cache *cache,
		    struct edge_hls_stats *stats, hls_fetched_fn *fn, void *ctx)
{
	const struct http_client_options options = {
		.calls_max = FETCHES_MAX,
		.body_bytes_max = ANSWER_MAX,
	};
	struct hls_fetcher *f = calloc(1, sizeof(*f));

	if (!f)
		return WEIR_ENOMEM;
	*f = (struct hls_fetcher){
		.loop = loop,
		.member = member,
		.cache = cache,
		.stats = stats,
		.fn = fn,
		.ctx = ctx,
	};
	list_init(&f->all);
	if (http_client_new(&f->client, loop, &options)) {
		free(f);
		return WEIR_ENOMEM;
	}
	*out = f;
	return 0;
}

static void fetch_free(struct fetch *f)
{
	f->item->fetch = NULL;
	hls_item_leave(f->item);
	f->fetcher->count--;
	list_remove(&f->link);
	http_client_cancel(&f->call);
	timer_free(&f->later);
	free(f);
}

void hls_fetcher_free(struct hls_fetcher **pf)
{
	struct hls_fetcher *f = *pf;

	if (!f)
		return;
	list_each_safe (it, &f->all)
		fetch_free(list_entry(it, struct fetch, link));
	http_client_free(&f->client);
	free(f);
	*pf = NULL;
}

static void finish(struct fetch *f, int err)
{
	struct hls_fetcher *fetcher = f->fetcher;
	struct hls_item *it = f->item;

	hls_item_use(it);
	fetch_free(f);
	fetcher->fn(fetcher->ctx, it, err);
	hls_item_leave(it);
}

static int64_t now_ms(const struct fetch *f)
{
	return (int64_t)loop_now_ms(f->fetcher->loop);
}

/* Returns whether that was it. */
static bool take(struct fetch *f, unsigned status, struct span body)
{
	struct edge_hls_stats *stats = f->fetcher->stats;
	int err;

	if (status == 404)
		f->is_absent = true;
	if (status == 501)
		f->is_unfit = true;
	if (status != 200)
		return false;
	err = hls_cache_put(f->fetcher->cache, f->item, body, now_ms(f));
	stats->older += err == WEIR_ESTALE;
	return err == 0;
}

static void on_answer(void *ctx, int err, unsigned status, struct span body)
{
	struct fetch *f = ctx;

	f->call = NULL;
	f->is_unsure |= err != 0;
	if (!err && take(f, status, body)) {
		finish(f, 0);
		return;
	}
	f->fetcher->stats->fetch_fails++;
	ask_next(f);
}

static void put_path(const struct hls_item *it, struct buf *out)
{
	char name[HLS_NAME_SIZE];

	if (it->is_playlist) {
		hls_put_playlist(out, &it->key);
		buf_put(out, SPAN_LIT("?wait=0"));
		return;
	}
	hls_name_write(name, &it->name);
	hls_put_folder(out, &it->key);
	buf_put(out, span_str(name));
}

static int ask(struct fetch *f, const char *addr)
{
	struct buf url = {0};
	const char *text;
	int err;

	buf_printf(&url, "http://%s", addr);
	put_path(f->item, &url);
	text = buf_text(&url);
	err = buf_error(&url);
	if (!err) {
		const struct http_question q = {
			.url = text,
			.timeout_ms =
				f->item->is_playlist ? PLAYLIST_MS : SEGMENT_MS,
		};

		err = http_client_ask(f->fetcher->client, &f->call, &q,
				      on_answer, (void *)f);
	}
	buf_fini(&url);
	return err;
}

static void ask_next(struct fetch *f)
{
	while (f->at < f->count) {
		f->fetcher->stats->fetches++;
		if (!ask(f, f->addr[f->at++]))
			return;
		f->fetcher->stats->fetch_fails++;
	}
	finish(f, f->is_unfit                     ? WEIR_EUNSUPPORTED
		  : f->is_absent && !f->is_unsure ? WEIR_ENOENT
						  : WEIR_EAGAIN);
}

static void list_packagers(struct fetch *f)
{
	const struct node *node[RANK_MAX];
	size_t count = rank_nodes(store_copy(member_store(f->fetcher->member)),
				  "packager", &f->item->key, node, RANK_MAX);

	for (size_t i = 0; i < count && f->count < PACKAGERS_MAX; i++) {
		const char *addr = node_address(node[i], "http");

		if (addr)
			snprintf(f->addr[f->count++], sizeof(f->addr[0]), "%s",
				 addr);
	}
}

int hls_fetch(struct hls_fetcher *fetcher, struct hls_item *it)
{
	struct fetch *f;

	if (it->fetch)
		return 0;
	if (fetcher->count >= FETCHES_MAX)
		return WEIR_EAGAIN;
	f = calloc(1, sizeof(*f));
	if (!f)
		return WEIR_EAGAIN;
	if (timer_new(&f->later, fetcher->loop, ask_next, f)) {
		free(f);
		return WEIR_EAGAIN;
	}
	f->fetcher = fetcher;
	f->item = it;
	list_init(&f->link);
	list_append(&fetcher->all, &f->link);
	fetcher->count++;
	it->fetch = f;
	hls_item_use(it);
	list_packagers(f);
	timer_start(f->later, 0);
	return 0;
}
