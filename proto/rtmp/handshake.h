/* proto/rtmp/handshake.h - RTMP handshake, both sides, simple and with digests.
 *
 * Spec: Adobe RTMP 1.0, section 5.2; the digests (HMAC-SHA256, two layouts) are
 * what Flash Player 9 and its servers add to it. Pure code: randomness and time
 * are parameters.
 */
#ifndef WEIR_RTMP_HANDSHAKE_H
#define WEIR_RTMP_HANDSHAKE_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/reader.h"
#include "common/base/span.h"

#define RTMP_HANDSHAKE_PART 1536 /* bytes of C1, C2, S1 and S2 each */

enum rtmp_handshake_form {
	RTMP_HANDSHAKE_SIMPLE = 0,
	RTMP_HANDSHAKE_DIGEST_FIRST = 1, /* digest within bytes 8 to 771 */
	RTMP_HANDSHAKE_KEY_FIRST = 2,    /* digest within bytes 772 to 1535 */
};

struct rtmp_handshake; /* one per connection, freed when it is done */

/* The side that listens. It answers C0 and C1 with S0, S1 and S2 once, in the
 * form in which the client came (simple when no digest is right), and is done
 * behind C2, whose content it does not judge. C0 may be 3 to 31 and is answered
 * with 3; anything else is no RTMP. `seed` makes the random bytes; `time_ms`
 * stands in S1. Returns 0 and *out, owned by the caller; or WEIR_ENOMEM. */
WEIR_MUST_CHECK int rtmp_handshake_new_server(struct rtmp_handshake **out,
					      uint64_t seed, uint32_t time_ms);

/* The side that dials; C0 and C1 are appended to `send` at once, in the form
 * asked for. It is done behind S2, and answers a server that does not know
 * digests in the simple form. Returns 0; WEIR_ENOMEM; or send's error. */
WEIR_MUST_CHECK int rtmp_handshake_new_client(struct rtmp_handshake **out,
					      struct buf *send,
					      enum rtmp_handshake_form form,
					      uint64_t seed, uint32_t time_ms);

void rtmp_handshake_free(struct rtmp_handshake **hs); /* NULL is fine */

/* Read from `in` (borrowed, cut anywhere) no more than the handshake; *used is
 * how much: what is left belongs to the chunks. Answers go behind `send`.
 * Returns 0; WEIR_EPROTO: this is no RTMP; WEIR_ENOMEM or send's error. */
WEIR_MUST_CHECK int rtmp_handshake_feed(struct rtmp_handshake *hs,
					struct span in, size_t *used,
					struct buf *send);

bool rtmp_handshake_is_done(const struct rtmp_handshake *hs);

/* The form that the two sides agreed on; SIMPLE until C1 or S1 is read. */
enum rtmp_handshake_form rtmp_handshake_form(const struct rtmp_handshake *hs);

/* The whole state of a server side, also in the middle of a part, for another
 * process to go on with. Errors of save are the buffer's. load returns 0 and
 * *out; WEIR_EPROTO; or WEIR_ENOMEM. */
void rtmp_handshake_save(const struct rtmp_handshake *hs, struct buf *out);
WEIR_MUST_CHECK int rtmp_handshake_load(struct rtmp_handshake **out,
					struct reader *in);

#endif
