/* services/ingest/pull_source.h - one connection to a server that a stream is
 * pulled from: RTMP, or FLV by HTTP, both with TLS too.
 */
#ifndef WEIR_INGEST_PULL_SOURCE_H
#define WEIR_INGEST_PULL_SOURCE_H

#include "common/http/client.h"
#include "common/io/tls.h"
#include "common/media/reason.h"

struct pull_source;

/* What all sources of a process share. */
struct pull_tools {
	struct loop *loop;
	struct http_client *http;
	struct tls_trust *trust;
	const char *ca_file; /* NULL: this machine's authorities */
};

struct pull_source_events {
	/* One tag: enum flv_type, its 32-bit time, its body (borrowed).
	 * Anything but 0 ends the source; on_end tells that error. */
	int (*on_tag)(void *ctx, uint8_t type, uint32_t timestamp_ms,
		      struct span body);
	/* Once, the last: never from inside a call of the source. The source is
	 * not freed from inside. `why` REASON_none: on_tag's `err`. */
	void (*on_end)(void *ctx, enum reason why, int err, const char *words);
};

/* rtmp, rtmps, http or https? In the words of sessions: "RTMP", "FLV"; NULL: none
 * of these. */
const char *pull_source_protocol(const char *url);

/* Dial. `via` as in common/media/via.h. `tools` and `events` are borrowed for the
 * life of the source. Returns 0; WEIR_EINVAL: no such address; WEIR_ELIMIT;
 * WEIR_ENOMEM; -errno. */
WEIR_MUST_CHECK int pull_source_new(struct pull_source **out,
				    const struct pull_tools *tools,
				    const char *url, const char *via,
				    const struct pull_source_events *events,
				    void *ctx);
/* Not from its callbacks; on_end does not come. NULL is fine. */
void pull_source_free(struct pull_source **s);

/* From the first tag on: who sends, "203.0.113.9:1935", and the cluster that it
 * is, if it told. Borrowed. */
const char *pull_source_addr(const struct pull_source *s);
struct span pull_source_cluster(const struct pull_source *s);
uint64_t pull_source_in_bytes(const struct pull_source *s);

#endif
