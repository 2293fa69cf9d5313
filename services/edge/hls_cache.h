/* services/edge/hls_cache.h - playlists and segments that an edge has fetched.
 *
 * Pure. An item is made when somebody asks for it, and lives while it is waited
 * for or fetched, and then as long as what it holds is good for. Segments that
 * were not used for longest go when there is no room. A playlist is never put
 * in place of a newer one.
 */
#ifndef WEIR_EDGE_HLS_CACHE_H
#define WEIR_EDGE_HLS_CACHE_H

#include "common/base/blob.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/http/content.h"
#include "proto/hls/path.h"
#include "proto/hls/playlist.h"

#define HLS_FRESH_MS   500   /* a playlist is taken for new so long */
#define HLS_STALE_MS   20000 /* and is better than nothing so long */
#define HLS_SEGMENT_MS 3600000
#define HLS_MISSING_MS 1000 /* what is not there is not asked for so long */

/* A playlist as viewers get it that have an address of their own: the same for
 * all of them. */
struct hls_own {
	struct blob *body, *gzip;                /* NULL: not made */
	struct http_kept *body_kept, *gzip_kept; /* as answered */
};

struct hls_item {
	struct list link; /* cache->by_use: least recent first */
	struct stream_key key;
	bool is_playlist;
	struct hls_name name; /* of a segment; of a playlist: its newest */
	char etag[HLS_NAME_SIZE + 2];
	struct blob *body, *gzip;                /* NULL: nothing yet */
	struct http_kept *body_kept, *gzip_kept; /* playlists: as answered */
	struct hls_own own; /* of a playlist; made when it is asked for */
	bool is_ended;      /* the playlist has ENDLIST */
	int64_t fresh_until_ms;
	int64_t keep_until_ms;
	int64_t missing_until_ms; /* nobody has it, up to then */
	bool is_unfit;            /* for what it is made of, not for now */
	size_t users;             /* it must stay: fetched, waited for */
	void *fetch;              /* hls_fetch.c's; NULL: none under way */
	struct list waiters;      /* hls.c's */
};

struct hls_cache {
	struct map by_path;
	struct list by_use;
	uint64_t bytes, max_bytes; /* of bodies */
	size_t items_max;
	uint64_t evicted;
};

void hls_cache_init(struct hls_cache *c, uint64_t max_bytes, size_t items_max,
		    uint64_t seed);
void hls_cache_fini(struct hls_cache *c); /* no item has users */

/* The item of a playlist (`name` NULL) or of a segment; NULL: it is not here. */
struct hls_item *hls_cache_find(struct hls_cache *c,
				const struct stream_key *key,
				const struct hls_name *name);
/* The same; it is made when it is not here. Returns 0, WEIR_ELIMIT (all are
 * used) or WEIR_ENOMEM. */
WEIR_MUST_CHECK int hls_cache_get(struct hls_cache *c, struct hls_item **out,
				  const struct stream_key *key,
				  const struct hls_name *name);
void hls_item_use(struct hls_item *it);
void hls_item_leave(struct hls_item *it);

/* Is what it holds as good as new? */
bool hls_item_is_fresh(const struct hls_item *it, int64_t now_ms);

/* What was fetched. Playlists: WEIR_ESTALE, a newer one is here; WEIR_EPROTO,
 * it is none of ours. Returns 0, these, or WEIR_ENOMEM; the item is then as it
 * was. */
WEIR_MUST_CHECK int hls_cache_put(struct hls_cache *c, struct hls_item *it,
				  struct span body, int64_t now_ms);

/* A playlist that is here, for viewers with addresses of their own; the item's.
 * NULL without memory. */
const struct hls_own *hls_cache_own(struct hls_cache *c, struct hls_item *it);

/* Drop what is good for nothing any more. */
void hls_cache_tick(struct hls_cache *c, int64_t now_ms);

#endif
