/* tests/bench/publish.h - publishers of a load: a clip to many RTMP streams, in
 * real time, in a thread of its own.
 */
#ifndef WEIR_BENCH_PUBLISH_H
#define WEIR_BENCH_PUBLISH_H

#include <stdatomic.h>

#include "tests/bench/viewer.h"

struct publisher;

struct publish {
	const struct clip *clip;
	struct viewer_target target;
	unsigned streams;
	unsigned over_ms; /* within which they begin, each with another GOP of
			     the clip; 0: at once, and all with its first */
	struct publisher *all;
	atomic_uint ready;      /* streams that are live */
	atomic_uint lost;       /* connections that broke */
	atomic_ullong bytes;    /* bodies, of all streams */
	atomic_uint is_stopped; /* by the owner */
};

/* The thread; `ctx` is a struct publish. */
void *publish_run(void *ctx);

#endif
