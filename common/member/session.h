/* common/member/session.h - one publisher or player, as lists and the API show
 * it.
 *
 * Counting is adding to the fields; who owns sessions calls session_sample for
 * each every SESSION_SAMPLE_MS, for the rates.
 */
#ifndef WEIR_MEMBER_SESSION_H
#define WEIR_MEMBER_SESSION_H

#include <json-c/json.h>

#include "common/base/list.h"
#include "common/io/net.h"
#include "common/media/key.h"

#define SESSION_ID_SIZE   48
#define SESSION_SAMPLE_MS 5000

struct session {
	struct list link; /* in its owner's list */
	char id[SESSION_ID_SIZE];
	const char *protocol;         /* "RTMP", "FLV", … */
	const char *base_type;        /* "PUB", "SUB", "PULL", "PUSH" */
	const struct stream_key *key; /* borrowed */
	char *url_param; /* the query, without what is secret; NULL: none */
	char *user;      /* who it is; NULL: not known */
	char remote_addr[NET_ADDR_TEXT_SIZE];
	int64_t start_us;     /* UTC */
	uint64_t read_bytes;  /* from the peer */
	uint64_t wrote_bytes; /* taken by the kernel */
	uint64_t skipped;     /* frames left out */
	uint32_t read_kbits;  /* a second, in the last sample */
	uint32_t write_kbits;
	uint64_t sampled_at_ms, sampled_read, sampled_wrote;
};

/* An id: `prefix` as lal's ("RTMPPUBSUB"), then a random number that is unique in
 * the cluster; with a request id (not "") the number that belongs to it. */
void session_id_make(char out[SESSION_ID_SIZE], const char *prefix,
		     const char *request_id);

/* A new one: zero but for what is given, a fresh id, and the
 * time. `key` must stay. Without memory for url_param it has none. */
void session_init(struct session *s, const char *prefix, const char *protocol,
		  const char *base_type, const struct stream_key *key,
		  const struct net_addr *peer, struct span url_param,
		  uint64_t now_ms);
/* Who it is ("": not known). Without memory it is not known. */
void session_set_user(struct session *s, const char *user);
/* Out of its list; frees its texts. Fine on zeroes, and twice. */
void session_fini(struct session *s);

/* The rates since the last sample. */
void session_sample(struct session *s, uint64_t now_ms);

/* {"stream","session_id","protocol","base_type","remote_addr","start_us",
 * "read_bytes","wrote_bytes","read_kbits","write_kbits","skipped","url_param"},
 * and "user" where it is known; the caller's; NULL without memory. */
struct json_object *session_json(const struct session *s);

#endif
