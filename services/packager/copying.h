/* services/packager/copying.h - what a packager lacks of a stream, from its
 * siblings.
 *
 * A sibling is asked by HTTP like any server: its playlist, and then those
 * segments of it that are missing here, newest first; and those before them, one
 * by one, as far as it still has them, for players may come back for them.
 * Names with another form (another mux, other settings) are passed over.
 */
#ifndef WEIR_PACKAGER_COPYING_H
#define WEIR_PACKAGER_COPYING_H

#include "common/http/client.h"
#include "common/io/loop.h"
#include "services/packager/live.h"

#define COPYING_SIBLINGS_MAX 3

/* Of its questions: who asks is no viewer, and wants nothing by that. */
#define COPYING_HEADER "X-Weir-Sibling"
#define COPYING_MS     3000 /* then what is still missing is a gap */

struct copying;

struct copying_siblings {
	char addr[COPYING_SIBLINGS_MAX][64]; /* "127.0.0.1:8090" */
	size_t count;
};

/* Who has the stream besides this process, best first. */
typedef void copying_siblings_fn(void *ctx, struct copying_siblings *out);

/* All is borrowed. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int copying_new(struct copying **out, struct loop *loop,
				struct http_client *client, struct live *live,
				copying_siblings_fn *siblings, void *ctx);
void copying_free(struct copying **c); /* NULL is fine */

/* Begin, from the end of this pass on; live_copied tells the end. Asked again
 * while it goes on, it goes on. */
void copying_start(struct copying *c);

#endif
