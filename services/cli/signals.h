/* services/cli/signals.h - SIGINT, SIGTERM and SIGHUP as events of the loop. */
#ifndef WEIR_CLI_SIGNALS_H
#define WEIR_CLI_SIGNALS_H

#include "common/io/loop.h"

struct signals {
	struct loop_watch *watch;
	int fd;
	void (*fn)(void *ctx);
	void *ctx;
};

/* From now on fn(ctx) is called for each of them; SIGPIPE is ignored. One per
 * process. Returns 0, WEIR_ENOMEM or -errno. */
WEIR_MUST_CHECK int signals_open(struct signals *s, struct loop *loop,
				 void (*fn)(void *ctx), void *ctx);
/* Fine when signals_open failed or the struct is all zero. */
void signals_close(struct signals *s);

#endif
