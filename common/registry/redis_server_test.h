/* common/registry/redis_server_test.h - a real redis-server for tests.
 *
 * For tests alone; included once by each. It listens on a free port of
 * loopback, keeps nothing on disk but a private folder, and dies with the test.
 */
#ifndef WEIR_REGISTRY_REDIS_SERVER_TEST_H
#define WEIR_REGISTRY_REDIS_SERVER_TEST_H

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io/net.h"
#include "common/test/check.h"

struct server {
	pid_t pid;
	unsigned port;
	char dir[TEST_PATH_SIZE];
	char password[32];
};

static inline unsigned free_port(void)
{
	struct net_addr a;
	int fd = -1;
	unsigned port;

	CHECK_EQ(net_addr_parse(&a, "127.0.0.1:0"), 0);
	CHECK_EQ(net_listen(&fd, &a), 0);
	CHECK_EQ(net_local_addr(&a, fd), 0);
	port = net_addr_port(&a);
	close(fd);
	return port;
}

static inline void server_exec(const struct server *s, int out,
			       const char *sentinel)
{
	char port[16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(port, sizeof(port), "%u", s->port);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	if (sentinel)
		execlp("redis-server", "redis-server", sentinel, "--sentinel",
		       (char *)NULL);
	else
		execlp("redis-server", "redis-server", "--port", port, "--bind",
		       "127.0.0.1", "--save", "", "--appendonly", "no", "--dir",
		       s->dir, "--requirepass", s->password, (char *)NULL);
	_exit(127);
}

/* Wait until it says that it serves; its later words are never read, and fit
 * into the pipe. Returns false when it ended instead. */
static inline bool wait_ready(int fd, const char *sign)
{
	char text[16384];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(text) - 1 &&
	       (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0) {
		len += (size_t)n;
		text[len] = '\0';
		if (strstr(text, sign))
			return true;
	}
	return false;
}

static inline bool server_start_as(struct server *s, const char *sentinel,
				   const char *sign)
{
	int out[2];

	CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
	s->pid = fork();
	CHECK(s->pid >= 0);
	if (!s->pid)
		server_exec(s, out[1], sentinel);
	close(out[1]);
	return wait_ready(out[0], sign);
}

static inline bool server_start(struct server *s)
{
	return server_start_as(s, NULL, "Ready to accept connections");
}

static inline void server_stop(struct server *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
}

static inline bool server_is_installed(void)
{
	const char *path = getenv("PATH");
	char file[1024];

	while (path && *path) {
		size_t len = strcspn(path, ":");

		snprintf(file, sizeof(file), "%.*s/redis-server", (int)len,
			 path);
		if (!access(file, X_OK))
			return true;
		path += len + (path[len] == ':');
	}
	printf("skipped: redis-server is not installed\n");
	return false;
}

/* Give it a port and a folder. */
static inline void server_settle(struct server *s)
{
	*s = (struct server){.port = free_port()};
	test_path(s->dir);
	CHECK_EQ(mkdir(s->dir, 0700), 0);
}

static inline void server_make(struct server *s)
{
	server_settle(s);
	CHECK(server_start(s));
}

static inline void server_command(const struct server *s, const char *text)
{
	redisContext *c = redisConnect("127.0.0.1", (int)s->port);
	redisReply *r = c ? redisCommand(c, text) : NULL;
	bool is_done = r && r->type != REDIS_REPLY_ERROR;

	freeReplyObject(r);
	redisFree(c);
	CHECK(is_done);
}

#endif
