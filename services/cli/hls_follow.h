/* services/cli/hls_follow.h - follows an HLS stream on all its replicas, as a
 * player would, and shows what comes to a watch.
 */
#ifndef WEIR_CLI_HLS_FOLLOW_H
#define WEIR_CLI_HLS_FOLLOW_H

#include "common/io/loop.h"
#include "proto/hls/watch.h"

struct hls_follow;

/* Begin to fetch `urls` (the watch's replicas, in order; copied). `watch` is
 * borrowed and outlives it. A master playlist is followed to its first variant.
 * Returns 0 and *out; WEIR_EINVAL: no http or https address; WEIR_ENOMEM. */
WEIR_MUST_CHECK int hls_follow_new(struct hls_follow **out, struct loop *loop,
				   struct hls_watch *watch,
				   const char *const *urls, size_t count);
void hls_follow_free(struct hls_follow **f); /* NULL is fine */

/* Have all replicas said that nothing more comes, a target duration ago, and
 * is everything fetched that is listed? */
bool hls_follow_is_over(const struct hls_follow *f);

/* The first error of our own, or 0: what came since is not complete. */
int hls_follow_error(const struct hls_follow *f);

#endif
