/* services/edge/hls_token.h - what names an HLS viewer in its addresses.
 *
 *	{number}-{start, UTC ms, hex}-{24 hex digits}
 *
 * The digits are of an HMAC-SHA256 by a key that all edges have, so each of them
 * knows which of these texts were made by one of them, for which stream, and
 * (the last 8 digits) for which address, without having heard of the viewer.
 * Pure code (HMAC is OpenSSL's).
 */
#ifndef WEIR_EDGE_HLS_TOKEN_H
#define WEIR_EDGE_HLS_TOKEN_H

#include "common/access/cidr.h"
#include "common/media/key.h"

#define HLS_TOKEN_SIZE 64 /* with a NUL */

struct hls_token {
	uint64_t number; /* unique in the cluster, below 2^53 */
	int64_t start_ms;
};

/* What it is made for; borrowed. */
struct hls_token_use {
	struct span secret;
	const struct stream_key *key;
	const struct ip_addr *ip; /* NULL: none */
};

enum hls_token_word {
	HLS_TOKEN_BAD,   /* none of ours, or of another stream */
	HLS_TOKEN_MOVED, /* of another address */
	HLS_TOKEN_OWN,
};

/* Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int hls_token_write(char out[HLS_TOKEN_SIZE],
				    const struct hls_token *t,
				    const struct hls_token_use *use);

/* What it says; not yet checked. The only form that is read is the one that is
 * written. */
bool hls_token_read(struct hls_token *out, struct span text);

/* Is it this one? Takes a time that says nothing of where they differ. */
bool hls_token_is(const char *token, struct span text);

/* Was it made by this key for that? Takes a time that says nothing. `text` must
 * have been read as `t`. */
enum hls_token_word hls_token_check(const struct hls_token *t, struct span text,
				    const struct hls_token_use *use);

#endif
