/* services/edge/hls_cache.c - playlists and segments that were fetched. */
#include "services/edge/hls_cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/hash.h"

#define PATH_SIZE (STREAM_KEY_MAX + 2 + HLS_NAME_SIZE)

void hls_cache_init(struct hls_cache *c, uint64_t max_bytes, size_t items_max,
		    uint64_t seed)
{
	*c = (struct hls_cache){.max_bytes = max_bytes, .items_max = items_max};
	map_init(&c->by_path, seed);
	list_init(&c->by_use);
}

/* A name for the map: the key, and for segments '/' and their name; a NUL keeps
 * the two apart. */
static struct span path_of(char out[PATH_SIZE], const struct stream_key *key,
			   const struct hls_name *name)
{
	size_t len = strlen(key->text);

	memcpy(out, key->text, len);
	if (!name)
		return span_of(out, len);
	out[len++] = '\0';
	hls_name_write(out + len, name);
	return span_of(out, len + strlen(out + len));
}

static uint64_t blob_bytes(const struct blob *b)
{
	return b ? b->bytes.len : 0;
}

static uint64_t item_bytes(const struct hls_item *it)
{
	return blob_bytes(it->body) + blob_bytes(it->gzip) +
	       blob_bytes(it->own.body) + blob_bytes(it->own.gzip);
}

/* And what was made of the body. */
static void forget_answers(struct hls_item *it)
{
	http_kept_free(&it->body_kept);
	http_kept_free(&it->gzip_kept);
	http_kept_free(&it->own.body_kept);
	http_kept_free(&it->own.gzip_kept);
	blob_unref(&it->own.body);
	blob_unref(&it->own.gzip);
}

static void drop(struct hls_cache *c, struct hls_item *it)
{
	char path[PATH_SIZE];

	BUG_ON(it->users);
	map_remove(&c->by_path,
		   path_of(path, &it->key, it->is_playlist ? NULL : &it->name));
	list_remove(&it->link);
	c->bytes -= item_bytes(it);
	forget_answers(it);
	blob_unref(&it->body);
	blob_unref(&it->gzip);
	free(it);
}

void hls_cache_fini(struct hls_cache *c)
{
	list_each_safe (at, &c->by_use)
		drop(c, list_entry(at, struct hls_item, link));
	map_fini(&c->by_path);
}

static void touch(struct hls_cache *c, struct hls_item *it)
{
	list_remove(&it->link);
	list_append(&c->by_use, &it->link);
}

struct hls_item *hls_cache_find(struct hls_cache *c,
				const struct stream_key *key,
				const struct hls_name *name)
{
	char path[PATH_SIZE];
	struct hls_item *it = map_get(&c->by_path, path_of(path, key, name));

	if (it)
		touch(c, it);
	return it;
}

/* ---- room ---- */

static struct hls_item *least_used(const struct hls_cache *c,
				   bool with_playlists)
{
	list_each (at, &c->by_use) {
		struct hls_item *it = list_entry(at, struct hls_item, link);

		if (!it->users && (with_playlists || !it->is_playlist))
			return it;
	}
	return NULL;
}

static bool evict(struct hls_cache *c, bool with_playlists)
{
	struct hls_item *it = least_used(c, with_playlists);

	if (!it)
		return false;
	c->evicted++;
	drop(c, it);
	return true;
}

/* ---- items ---- */

int hls_cache_get(struct hls_cache *c, struct hls_item **out,
		  const struct stream_key *key, const struct hls_name *name)
{
	struct hls_item *it = hls_cache_find(c, key, name);
	char path[PATH_SIZE];

	if (it) {
		*out = it;
		return 0;
	}
	if (c->by_path.count >= c->items_max && !evict(c, false) &&
	    !evict(c, true))
		return WEIR_ELIMIT;
	it = calloc(1, sizeof(*it));
	if (!it)
		return WEIR_ENOMEM;
	it->key = *key;
	it->is_playlist = !name;
	if (name)
		it->name = *name;
	list_init(&it->waiters);
	if (map_put(&c->by_path, path_of(path, key, name), it)) {
		free(it);
		return WEIR_ENOMEM;
	}
	list_append(&c->by_use, &it->link);
	*out = it;
	return 0;
}

void hls_item_use(struct hls_item *it)
{
	it->users++;
}

void hls_item_leave(struct hls_item *it)
{
	BUG_ON(!it->users);
	it->users--;
}

bool hls_item_is_fresh(const struct hls_item *it, int64_t now_ms)
{
	return it->body && now_ms < it->fresh_until_ms;
}

/* ---- what was fetched ---- */

/* The newest segment of a playlist, which says how new it is. */
static int read_newest(struct hls_name *out, bool *is_ended, struct span text)
{
	struct hls_playlist pl;
	struct hls_path path = {0};
	int err = hls_playlist_read(&pl, text, NULL, NULL);

	if (err)
		return err;
	if (pl.segment_count)
		hls_path_read(&path, pl.segment[pl.segment_count - 1].uri,
			      IDENTITY_PATH);
	*is_ended = pl.is_ended;
	hls_playlist_fini(&pl);
	if (!path.has_name)
		return WEIR_EPROTO;
	*out = path.name;
	return 0;
}

static bool is_older(const struct hls_item *it, const struct hls_name *name,
		     bool is_ended)
{
	if (!it->body)
		return false;
	if (name->incarnation != it->name.incarnation)
		return name->incarnation < it->name.incarnation;
	if (name->number != it->name.number)
		return name->number < it->name.number;
	return it->is_ended && !is_ended;
}

static int put_playlist(struct hls_item *it, struct blob *body, int64_t now_ms)
{
	struct hls_name newest;
	bool is_ended;
	int err = read_newest(&newest, &is_ended, body->bytes);

	if (err)
		return err;
	if (is_older(it, &newest, is_ended))
		return WEIR_ESTALE;
	it->name = newest;
	it->is_ended = is_ended;
	it->fresh_until_ms = now_ms + HLS_FRESH_MS;
	it->keep_until_ms = now_ms + HLS_STALE_MS;
	snprintf(it->etag, sizeof(it->etag), "\"%016" PRIx64 "\"",
		 hash_bytes(0, body->bytes));
	blob_unref(&it->gzip);
	/* Without memory it is sent as it is. */
	(void)!http_gzip(&it->gzip, body->bytes);
	return 0;
}

/* The name says which bytes they are: they never change. */
static void put_segment(struct hls_item *it, int64_t now_ms)
{
	char text[HLS_NAME_SIZE];

	hls_name_write(text, &it->name);
	snprintf(it->etag, sizeof(it->etag), "\"%s\"", text);
	it->fresh_until_ms = it->keep_until_ms = now_ms + HLS_SEGMENT_MS;
}

int hls_cache_put(struct hls_cache *c, struct hls_item *it, struct span bytes,
		  int64_t now_ms)
{
	struct blob *body = NULL;
	uint64_t before = item_bytes(it);
	int err = blob_new(&body, bytes);

	if (!err && it->is_playlist)
		err = put_playlist(it, body, now_ms);
	else if (!err)
		put_segment(it, now_ms);
	if (err) {
		blob_unref(&body);
		return err;
	}
	forget_answers(it);
	blob_unref(&it->body);
	it->body = body;
	it->missing_until_ms = 0;
	it->is_unfit = false;
	c->bytes += item_bytes(it) - before;
	while (c->bytes > c->max_bytes && evict(c, false))
		;
	return 0;
}

static int make_own(struct hls_item *it)
{
	struct buf text = {0};
	int err = hls_put_relative(&text, it->body->bytes, &it->key);

	if (!err)
		err = blob_take_buf(&it->own.body, &text);
	buf_fini(&text);
	/* Without memory it is sent as it is. */
	if (!err)
		(void)!http_gzip(&it->own.gzip, it->own.body->bytes);
	return err;
}

const struct hls_own *hls_cache_own(struct hls_cache *c, struct hls_item *it)
{
	uint64_t before = item_bytes(it);

	if (!it->own.body && make_own(it))
		return NULL;
	c->bytes += item_bytes(it) - before;
	return &it->own;
}

void hls_cache_tick(struct hls_cache *c, int64_t now_ms)
{
	list_each_safe (at, &c->by_use) {
		struct hls_item *it = list_entry(at, struct hls_item, link);

		if (!it->users && now_ms >= it->keep_until_ms &&
		    now_ms >= it->missing_until_ms)
			drop(c, it);
	}
}
