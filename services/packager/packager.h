/* services/packager/packager.h - the process of a packager.
 *
 * It follows the streams that rendezvous hashing gives it, exactly, and knows
 * where their segments begin. What it makes of them comes with its outputs.
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
};

extern const struct conf_table packager_conf;
extern const struct stat_table packager_stat;

struct packager;

/* Join the cluster as a packager. Returns 0, WEIR_ENOMEM, WEIR_ECONF, -errno. */
WEIR_MUST_CHECK int packager_new(struct packager **out, struct svc *svc);
void packager_free(struct packager **p);

#endif
