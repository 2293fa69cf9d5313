/* common/access/redact.h - texts for logs and answers, without what is secret.
 *
 * In a query the values of these parameters, whatever their case: passwd, pwd,
 * pass, key, apikey, sig, sign, auth, hash, jwt, and all that end in token,
 * secret, password, signature, _key, _sig, _sign or _auth (lal_secret, weir_sig,
 * auth_key, accessToken, txSecret, X-Amz-Signature, …). In an address also the password of "user:password@". The
 * values become "***". Pure code.
 */
#ifndef WEIR_ACCESS_REDACT_H
#define WEIR_ACCESS_REDACT_H

#include "common/base/buf.h"

/* Append a query ("a=1&token=x"), without '?'. Failures are the buffer's. */
void redact_query(struct buf *out, struct span query);

/* Append an address, a path with a query, or a referer. */
void redact_url(struct buf *out, struct span url);

/* Append the address of a server that is published to, made of `templ`: a name
 * in it that is the same for every stream is a key to that server, mostly. */
void redact_push_url(struct buf *out, struct span templ, struct span url);

#endif
