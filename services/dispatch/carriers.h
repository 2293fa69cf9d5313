/* services/dispatch/carriers.h - which edges have a stream already: its home knows,
 * and is asked at most once a second for each of the streams that were asked for
 * last.
 */
#ifndef WEIR_DISPATCH_CARRIERS_H
#define WEIR_DISPATCH_CARRIERS_H

#include "common/bus/world.h"
#include "common/member/member.h"

#define CARRIERS_MAX 64 /* edges of one stream; more are not looked at */

struct carriers;
struct dispatch;

/* Borrowed while the function runs. */
struct carrying {
	size_t count;
	const char (*node)[NODE_ID_SIZE];
};
typedef void carriers_fn(void *ctx, const struct carrying *c);

struct carriers_world {
	void *ctx;
	int64_t (*now_ms)(void *ctx);
	/* Put the call "streams" to the stream's home. As member_ask; any other
	 * error than 0: `fn` never comes. */
	int (*ask)(void *ctx, const struct stream_key *key,
		   member_answer_fn *fn, void *fn_ctx);
};
void carriers_world_of(struct carriers_world *out, struct dispatch *d);

/* `world` is copied. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int carriers_new(struct carriers **out,
				 const struct carriers_world *world);
/* Behind the member; who waits is told of none. */
void carriers_free(struct carriers **c);

/* `fn` comes exactly once, now or later; with none where nobody knows, or the home
 * does not answer. */
void carriers_ask(struct carriers *c, const struct stream_key *key,
		  carriers_fn *fn, void *ctx);

#endif
