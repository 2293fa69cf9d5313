/* services/edge/hls_fetch.h - getting what is missing from the packagers.
 *
 * Those that carry a stream are found by rendezvous hashing (registry/rank.h);
 * they are asked in that order until one has it. One fetch of an item at a
 * time, whoever waits for it.
 */
#ifndef WEIR_EDGE_HLS_FETCH_H
#define WEIR_EDGE_HLS_FETCH_H

#include "common/http/client.h"
#include "common/member/member.h"
#include "services/edge/hls.h"
#include "services/edge/hls_cache.h"

struct hls_fetcher;

/* Once per fetch, never from inside hls_fetch. 0: it is in the item.
 * WEIR_ENOENT: no packager has it, and each said so; WEIR_EUNSUPPORTED: no codec
 * of the stream can be in a playlist; WEIR_EAGAIN: not now (none carries the
 * stream yet, one does not answer). The item may be dropped after that. */
typedef void hls_fetched_fn(void *ctx, struct hls_item *it, int err);

/* All is borrowed. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int hls_fetcher_new(struct hls_fetcher **out, struct loop *loop,
				    struct member *member,
				    struct hls_cache *cache,
				    struct edge_hls_stats *stats,
				    hls_fetched_fn *fn, void *ctx);
/* Nothing is told any more. NULL is fine. */
void hls_fetcher_free(struct hls_fetcher **f);

/* Begin, unless one is under way. Returns 0, or WEIR_EAGAIN: too many are. */
WEIR_MUST_CHECK int hls_fetch(struct hls_fetcher *f, struct hls_item *it);

#endif
