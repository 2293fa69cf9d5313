/* services/cli/place.h - the folder of one `weir up`.
 *
 *	up.json   what it prints when all are ready, and its pid (0600)
 *	lock      held while it runs
 *	conf.json settings of its nodes: the secrets (0600)
 *	log/      one file a process
 *	redis/    of its own redis-server
 *	state/    the nodes' own files
 *
 * Without --dir it is $XDG_RUNTIME_DIR/weir-PORT, else /tmp/weir-UID-PORT. A
 * folder that we made goes with us, even when we are killed; of one that was
 * there only log/ stays.
 */
#ifndef WEIR_CLI_PLACE_H
#define WEIR_CLI_PLACE_H

#include <sys/types.h>

#include "common/base/buf.h"

#define PLACE_PATH_SIZE 1024

struct place {
	char dir[PLACE_PATH_SIZE - 128]; /* absolute */
	bool is_ours;                    /* we made it */
	int lock;                        /* -1: not open */
	int life; /* give it to every process that writes here (child.h) */
	pid_t janitor;
};

/* Make or take over the folder, lock it, and start the janitor: a process that
 * clears up when this one is killed. `dir` NULL: the default for `port`. Says
 * on stderr what is wrong. Returns 0, WEIR_EBUSY (another one runs there),
 * WEIR_ELIMIT or -errno. */
WEIR_MUST_CHECK int place_open(struct place *out, const char *dir,
			       unsigned port);

/* Clear up, and end the janitor. Fine when place_open failed. */
void place_close(struct place *p);

/* dir/name. Returns `out`. */
char *place_path(char out[PLACE_PATH_SIZE], const struct place *p,
		 const char *name);

/* A log file, for appending. Returns a descriptor or -errno. */
int place_open_log(const struct place *p, const char *id);

/* The last lines of a log file, for people; at most `bytes`. */
void place_tail_log(const struct place *p, const char *id, size_t bytes,
		    struct buf *out);

/* Put a file in place of the old one, 0600. Returns 0 or -errno. */
WEIR_MUST_CHECK int place_write(const struct place *p, const char *name,
				struct span text);

/* The up.json of a `weir up` that runs: in `dir`, else of the default folders
 * (the one on port 1935, else any). Appends its content. Returns 0,
 * WEIR_ENOENT, WEIR_ELIMIT or WEIR_ENOMEM. */
WEIR_MUST_CHECK int place_find(struct buf *out, const char *dir);

#endif
