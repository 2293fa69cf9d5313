/* services/packager/packager.h - the process of a packager.
 *
 * It follows the streams that rendezvous hashing gives it, exactly, and makes
 * live HLS of them (hls.h).
 */
#ifndef WEIR_PACKAGER_PACKAGER_H
#define WEIR_PACKAGER_PACKAGER_H

#include "common/bus/follower.h"
#include "common/member/member.h"

/* Section "packager". */
struct packager_settings {
	int64_t replicas;
	int64_t retain_ms;
	int64_t retain_bytes;
	int64_t gop_max_bytes;
	int64_t streams_max;
	const char *http_listen;
	int64_t connections_max;
	int64_t held_max;
	int64_t segment_max_bytes;
	int64_t segments_max_bytes;
};

extern const struct conf_table packager_conf;
extern const struct stat_table packager_stat, packager_hls_stat,
	packager_live_stat;

struct packager;

/* Join the cluster as a packager. Returns 0, WEIR_ENOMEM, WEIR_ECONF, -errno. */
WEIR_MUST_CHECK int packager_new(struct packager **out, struct svc *svc);
void packager_free(struct packager **p);

#endif
