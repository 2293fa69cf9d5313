/* services/cli/child.h - one process that we start, watch and end.
 *
 * It gets a process group of its own (so that Ctrl-C reaches us only), dies
 * with us (PR_SET_PDEATHSIG), and has no descriptors but those given here.
 */
#ifndef WEIR_CLI_CHILD_H
#define WEIR_CLI_CHILD_H

#include <sys/types.h>

#include "common/io/loop.h"

#define CHILD_ARGS_MAX 64
#define CHILD_PASS_MAX 8
#define CHILD_LINE_MAX 4096 /* of its ready line */

struct child;

struct child_desc {
	const char *file; /* a path, or a name to be found in PATH */
	const char *arg[CHILD_ARGS_MAX]; /* from argv[0] on */
	size_t arg_count;
	int log_fd; /* its stdout and stderr; -1: ours */
	/* Listening sockets, from descriptor 3 on, and their LISTEN_FDNAMES. */
	struct {
		const char *name;
		int fd;
	} pass[CHILD_PASS_MAX];
	size_t pass_count;
	/* It gets the end of a pipe as descriptor child_ready_fd(), and writes
	 * one line to it. */
	bool has_ready;
	int life_fd; /* stays open in it, unused; 0 or -1: none */
};

struct child_events {
	void (*on_ready)(void *ctx, struct span line); /* without '\n' */
	/* Once, the last. `status` as from waitpid. child_free may follow. */
	void (*on_exit)(void *ctx, int status);
};

/* Append an argument; too many are a bug. */
void child_arg(struct child_desc *d, const char *arg);

/* The descriptor's number in the child: behind the passed ones. */
int child_ready_fd(const struct child_desc *d);

/* Everything in `d` is borrowed for the call. Returns 0, WEIR_ENOMEM or -errno;
 * a file that cannot be executed is an exit with status 127. */
WEIR_MUST_CHECK int child_start(struct child **out, struct loop *loop,
				const struct child_desc *d,
				const struct child_events *events, void *ctx);

pid_t child_pid(const struct child *c);

/* Nothing happens when it has ended. */
void child_signal(struct child *c, int signal);

/* Kill it if it lives, wait for it, free. NULL is fine. */
void child_free(struct child **c);

/* "ended with status 3", "was killed by SIGSEGV". Returns `out`. */
char *child_status_text(char out[48], int status);

#endif
