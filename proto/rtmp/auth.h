/* proto/rtmp/auth.h - "authmod=adobe": how a server has a publisher prove a
 * password, the publisher's side.
 *
 * The server refuses connect and closes; what its refusal says makes a query,
 * which the publisher appends to app and tcUrl of its next connection:
 *
 *	"[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : "
 *		?authmod=adobe&user=U
 *	"[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=U
 *	&salt=S&challenge=C&opaque=O"
 *		?authmod=adobe&user=U&challenge=N&response=R&opaque=O
 *
 * with R = base64(md5(base64(md5(U S password)) O N)), C in place of O where
 * there is no opaque, N a number of the publisher's. Pure code.
 */
#ifndef WEIR_RTMP_AUTH_H
#define WEIR_RTMP_AUTH_H

#include "common/base/buf.h"

#define RTMP_AUTH_ROUNDS 2 /* connections that may be refused on the way */

/* Append the query for the next connection to `out`, '?' in front. `said` is the
 * description of the refusal; `nonce` a random number. Returns 0; WEIR_ENOENT:
 * it asks for nothing (a refusal of another kind, or one of the password);
 * WEIR_EUNSUPPORTED: another method; WEIR_ELIMIT; WEIR_ENOMEM. */
WEIR_MUST_CHECK int rtmp_auth_answer(struct buf *out, struct span said,
				     struct span user, struct span password,
				     uint32_t nonce);

#endif
