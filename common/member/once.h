/* common/member/once.h - what was asked under a request id is done once.
 *
 * A client that has no answer asks again, maybe another dispatch; that one asks
 * the same nodes. Each node remembers what it answered to a call with a request
 * id, and says so again. Bounded: ONCE_MAX answers, the oldest is forgotten
 * first, none is known for longer than ONCE_MS. Pure: the time is given.
 */
#ifndef WEIR_MEMBER_ONCE_H
#define WEIR_MEMBER_ONCE_H

#include "common/base/err.h"
#include "common/base/span.h"

#define ONCE_MAX       256
#define ONCE_MS        600000
#define ONCE_BYTES_MAX 1024 /* of an answer; a longer one is not kept */
#define ONCE_ID_MAX    64   /* bytes of a request id */
#define ONCE_CALL_MAX  32   /* bytes of a call's name */

struct once;

/* Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int once_new(struct once **out);
void once_free(struct once **o);

/* What `call` was answered under this id; NULL: it was not, or long ago.
 * Borrowed until the next once_keep. */
const char *once_find(const struct once *o, const char *call, const char *id,
		      int64_t now_ms);

/* Remember an answer. Without memory, and where something is too long, it is
 * not. */
void once_keep(struct once *o, const char *call, const char *id,
	       const char *answer, int64_t now_ms);

#endif
