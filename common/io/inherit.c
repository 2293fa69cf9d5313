/* common/io/inherit.c - listening sockets that our parent opened. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io/net.h"

#define FIRST_FD 3 /* by the convention of LISTEN_FDS */

static unsigned long number_in(const char *variable)
{
	const char *text = getenv(variable);

	return text ? strtoul(text, NULL, 10) : 0;
}

/* The part of a:b:c that `at` stands on; moves `at` behind it. */
static void next_name(char out[32], const char **at)
{
	size_t len = strcspn(*at, ":");

	snprintf(out, 32, "%.*s", (int)WEIR_MIN(len, 31u), *at);
	*at += len;
	if (**at == ':')
		(*at)++;
}

static bool adopt(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return false;
	return !fcntl(fd, F_SETFL, flags | O_NONBLOCK) &&
	       !fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void net_inherit_init(struct net_inherit *in)
{
	const char *names = getenv("LISTEN_FDNAMES");
	unsigned long count = number_in("LISTEN_FDS");
	bool is_ours = !getenv("LISTEN_PID") ||
		       number_in("LISTEN_PID") == (unsigned long)getpid();

	in->count = 0;
	for (size_t i = 0; is_ours && i < count && i < NET_INHERIT_MAX; i++) {
		int fd = FIRST_FD + (int)i;

		in->socket[i].name[0] = '\0';
		if (names)
			next_name(in->socket[i].name, &names);
		in->socket[i].fd = adopt(fd) ? fd : -1;
		in->count = i + 1;
	}
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	unsetenv("LISTEN_PID");
}

int net_inherit_take(struct net_inherit *in, int *out, const char *name)
{
	for (size_t i = 0; i < in->count; i++) {
		if (in->socket[i].fd < 0 || strcmp(in->socket[i].name, name))
			continue;
		*out = in->socket[i].fd;
		in->socket[i].fd = -1;
		return 0;
	}
	return WEIR_ENOENT;
}

void net_inherit_fini(struct net_inherit *in)
{
	for (size_t i = 0; i < in->count; i++)
		if (in->socket[i].fd >= 0)
			close(in->socket[i].fd);
	in->count = 0;
}
