/* common/member/session.h - a publisher or viewer as the API shows it.
 *
 * Ids are lal's prefix and a number that is unique in the cluster.
 */
#ifndef WEIR_MEMBER_SESSION_H
#define WEIR_MEMBER_SESSION_H

#include <json-c/json.h>

#include "common/base/uuid.h"
#include "common/io/net.h"

#define SESSION_ID_SIZE 40

/* Bits per second over the last five seconds. All zero at first. */
struct session_rate {
	uint64_t bytes;
	uint64_t at_ms;
	uint32_t kbits;
};

/* Call now and then; it takes a new mean each five seconds. */
void session_rate_update(struct session_rate *r, uint64_t bytes,
			 uint64_t now_ms);

struct session_info {
	const char *id;
	const char *stream;
	const char *protocol;  /* "RTMP", "FLV", … */
	const char *base_type; /* "PUB", "SUB" */
	char remote[NET_ADDR_TEXT_SIZE];
	int64_t start_us; /* UTC */
	uint64_t read_bytes, wrote_bytes;
	uint32_t read_kbits, write_kbits;
	uint64_t skipped; /* frames */
	struct span url_param;
};

/* "RTMPPUBSUB" and 48 bits of a fresh uuid as a decimal number. */
void session_id_make(char out[SESSION_ID_SIZE], const char *prefix);

/* The caller's; NULL without memory. */
struct json_object *session_json(const struct session_info *s);

#endif
