/* services/edge/hls_hold.h - HLS viewers want a stream that nobody has yet, and
 * that a rule lets pull from elsewhere.
 *
 * Who asks for a playlist has no connection that waits. So the edge wants the
 * stream in his place until the packagers have it, whose playlists hold it then.
 */
#ifndef WEIR_EDGE_HLS_HOLD_H
#define WEIR_EDGE_HLS_HOLD_H

#include "services/edge/stream.h"

struct ruleset;

#define HLS_HOLDS_MAX 1024

/* What is around them. */
struct hls_holds_world {
	struct loop *loop;
	struct streams *streams;
	void *ctx;
	const struct ruleset *(*rules)(void *ctx); /* NULL: not known yet */
};

struct hls_holds {
	struct hls_holds_world world;
	struct list all;
	size_t count;
};

/* `world` is copied. */
void hls_holds_init(struct hls_holds *hs, const struct hls_holds_world *world);
/* Before the streams are freed. */
void hls_holds_fini(struct hls_holds *hs);

/* Somebody asks for a playlist: if it may come by a pull, want it for for_ms from
 * now on. Returns whether it is wanted. */
bool hls_hold(struct hls_holds *hs, const struct stream_key *key,
	      int64_t for_ms);
bool hls_is_held(const struct hls_holds *hs, const struct stream_key *key);
/* Let go those whose time is over. */
void hls_holds_tick(struct hls_holds *hs);

#endif
