/* services/cli/sign_url.h - an address with a signature in its query. Pure. */
#ifndef WEIR_CLI_SIGN_URL_H
#define WEIR_CLI_SIGN_URL_H

#include "common/access/sign.h"

/* The stream that an address of weir's means: rtmp(s), rtsp(s), and http(s) or
 * ws(s) ending in .flv, .ts or as playlists do. Returns 0 or WEIR_EINVAL. */
WEIR_MUST_CHECK int sign_url_key(struct stream_key *out, struct span url);

/* Append the address with what `claims` (text and mac are not read) says, signed
 * with the secret: behind the query that it has. Returns 0; WEIR_EINVAL with *why
 * as static words: it cannot be signed; WEIR_ENOMEM. */
WEIR_MUST_CHECK int sign_url(struct buf *out, struct span url,
			     const struct sign_claims *claims,
			     struct span secret, const char **why);

#endif
