/* services/cli/shell_test.h - runs a script of sh, for tests. */
#ifndef WEIR_CLI_SHELL_TEST_H
#define WEIR_CLI_SHELL_TEST_H

#include <sys/wait.h>
#include <unistd.h>

#include "common/test/check.h"

/* Run it to its end, which must be good; the first bytes that it prints, as
 * text. */
static inline void shell_run(char *out, size_t size, const char *script)
{
	size_t len = 0;
	int status = -1;
	ssize_t n = 1;
	int fd[2];
	pid_t pid;

	CHECK_EQ(pipe(fd), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		dup2(fd[1], STDOUT_FILENO);
		close(fd[0]);
		close(fd[1]);
		execl("/bin/sh", "sh", "-c", script, (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	while (n > 0 && len + 1 < size) {
		n = read(fd[0], out + len, size - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	out[len] = '\0';
	close(fd[0]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

#endif
