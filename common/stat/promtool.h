/* common/stat/promtool.h - for tests: what Prometheus' own tool says to a text.
 */
#ifndef WEIR_STAT_PROMTOOL_H
#define WEIR_STAT_PROMTOOL_H

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/span.h"

enum promtool_verdict {
	PROMTOOL_CONTENT,
	PROMTOOL_REFUSED, /* it has said why on stderr */
	PROMTOOL_ABSENT,  /* it is not installed: said on stderr */
};

static inline void promtool_exec(const int in[2])
{
	if (dup2(in[0], 0) == 0) {
		close(in[0]);
		close(in[1]);
		execlp("promtool", "promtool", "check", "metrics",
		       (char *)NULL);
	}
	_exit(127);
}

/* The text must fit into a pipe (64 kB). */
static inline enum promtool_verdict promtool_check(struct span text)
{
	int in[2];
	int status = 0;
	ssize_t n;
	pid_t pid;

	if (pipe(in))
		return PROMTOOL_REFUSED;
	pid = fork();
	if (pid == 0)
		promtool_exec(in);
	n = write(in[1], text.data, text.len);
	close(in[0]);
	close(in[1]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid ||
	    n != (ssize_t)text.len || !WIFEXITED(status))
		return PROMTOOL_REFUSED;
	if (WEXITSTATUS(status) == 127) {
		fprintf(stderr, "skipped: promtool is not installed\n");
		return PROMTOOL_ABSENT;
	}
	return WEXITSTATUS(status) ? PROMTOOL_REFUSED : PROMTOOL_CONTENT;
}

#endif
