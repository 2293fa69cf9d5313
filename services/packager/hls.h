/* services/packager/hls.h - live HLS by HTTP: which streams, which requests.
 *
 * Serves the addresses of proto/hls/path.h. A playlist that has no segment yet
 * is waited for (hls.hold_ms; "?wait=0": 503 at once, which is what edges and
 * siblings ask for). A stream that is not carried here is 503 when the registry
 * has it, else 404.
 */
#ifndef WEIR_PACKAGER_HLS_H
#define WEIR_PACKAGER_HLS_H

#include "services/packager/live.h"
#include "services/packager/packager.h"

struct hls;
struct hls_stream;

struct hls_stats {
	uint64_t playlists;   /* requests */
	uint64_t segments;    /* requests */
	uint64_t not_carried; /* requests, 503 */
	uint64_t not_found;   /* requests, 404 */
	uint64_t held;        /* requests that wait now */
	uint64_t held_full;   /* requests that could not wait */
	uint64_t sent_bytes;  /* of bodies */
};

/* Open the port and serve. Returns 0, WEIR_ENOMEM, WEIR_EINVAL or -errno. */
WEIR_MUST_CHECK int hls_new(struct hls **out, struct svc *svc,
			    struct member *member,
			    const struct packager_settings *settings);
/* There must be no streams. */
void hls_free(struct hls **h); /* NULL is fine */

/* The address may be known only now: tell others. */
void hls_advertise(struct hls *h);
const struct hls_stats *hls_get_stats(const struct hls *h);
const struct live_stats *hls_live_stats(struct hls *h);

/* Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int hls_stream_new(struct hls_stream **out, struct hls *h,
				   const struct stream_key *key);
void hls_stream_free(struct hls_stream **s); /* NULL is fine */
struct live *hls_stream_live(struct hls_stream *s);

#endif
