/* common/access/sign.h - signed addresses, and lal's secret.
 *
 * A signed address says in its query who may do what until when:
 *
 *	weir_kid=k1&weir_exp=1764000000&weir_stream=live%2F*&weir_op=play
 *	&weir_ip=192.0.2.7&weir_user=bob&weir_sig=<64 hex digits>
 *
 * (in one piece). weir_sig is the HMAC-SHA256, with the key of that id, of the
 * bytes from "weir_kid=" up to "&weir_sig=" as they stand, so that one line of
 * shell makes one. weir_kid comes first, weir_sig last; between them in any order:
 *
 *	weir_exp     needed: seconds since 1970 UTC; not valid from then on
 *	weir_stream  needed: a pattern (common/access/pattern.h)
 *	weir_op      play (if absent), publish or both
 *	weir_ip      an address or a block; absent: any
 *	weir_user    who it is, for lists, kicks and take-over; absent: nobody
 *
 * Each at most once, values percent-encoded where they need it: a '/' always for
 * RTMP, whose clients would take it for one of the path. Parameters of others may
 * stand before, between (then signed) and behind; a weir_… parameter that is not
 * one of these, or stands outside, makes the signature broken: what restricts
 * must never be passed over.
 *
 * Pure code (HMAC and MD5 are OpenSSL's). Secrets are compared in constant time.
 */
#ifndef WEIR_ACCESS_SIGN_H
#define WEIR_ACCESS_SIGN_H

#include "common/access/cidr.h"
#include "common/access/pattern.h"

enum access_op {
	ACCESS_PUBLISH = 1,
	ACCESS_PLAY = 2,
	ACCESS_BOTH = 3, /* as a set of operations */
};

/* "publish", "play", "both"; 0: none of them. And back: static. */
unsigned access_ops_parse(struct span text);
const char *access_ops_name(unsigned ops);

#define SIGN_KID_MAX    32
#define SIGN_USER_MAX   48
#define SIGN_SECRET_MIN 16 /* bytes of a key: printable ASCII, no blanks */
#define SIGN_SECRET_MAX 256
#define SIGN_HEX_SIZE   65 /* 64 digits and a NUL */
#define SIGN_QUERY_MAX  4096

/* What a signed query claims; not yet checked with a key. */
struct sign_claims {
	char kid[SIGN_KID_MAX + 1];
	int64_t exp_ms; /* UTC */
	struct stream_pattern streams;
	unsigned ops; /* enum access_op */
	bool has_ip;
	struct cidr ip;
	char user[SIGN_USER_MAX + 1]; /* UTF-8, no control characters; "" */
	struct span text; /* what is signed; borrowed of the query */
	uint8_t mac[32];  /* what weir_sig says */
};

/* Find the signature in a raw query (without '?'). Returns 0; WEIR_ENOENT: there
 * is no sign of one; WEIR_EPROTO: it is broken, and *why (may be NULL) is static
 * words for people. */
WEIR_MUST_CHECK int sign_read(struct sign_claims *out, struct span query,
			      const char **why);

/* Is the signature that of this key? Nothing else is looked at. */
bool sign_is_of(const struct sign_claims *c, struct span secret);

/* The signature of a text, as weir_sig takes it. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int sign_hex(char out[SIGN_HEX_SIZE], struct span text,
			     struct span secret);

/* Append "weir_kid=…&weir_sig=…" for these claims (text and mac are not read).
 * Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int sign_write(struct buf *out, const struct sign_claims *c,
			       struct span secret);

/* ---- lal's ---- */

/* Is `given` lal's md5(key + name) in hex, or the master secret? Case does not
 * count. An empty master secret is none; an empty key signs nothing. */
bool sign_lal_is_right(struct span key, struct span master, struct span name,
		       struct span given);

/* The first value of a parameter in a raw query, as it stands. Returns whether
 * it is there. */
bool query_find(struct span *out, struct span query, const char *name);

#endif
