/* common/io/find.c - which descriptor is a connection? */
#include <dirent.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "common/io/net.h"

static bool is_same_v6(const struct net_addr *a, const struct net_addr *b)
{
	const struct sockaddr_in6 *x = (const void *)&a->ss;
	const struct sockaddr_in6 *y = (const void *)&b->ss;

	return x->sin6_port == y->sin6_port &&
	       !memcmp(&x->sin6_addr, &y->sin6_addr, sizeof(x->sin6_addr));
}

static bool is_same(const struct net_addr *a, const struct net_addr *b)
{
	const struct sockaddr_in *x = (const void *)&a->ss;
	const struct sockaddr_in *y = (const void *)&b->ss;

	if (a->ss.ss_family != b->ss.ss_family)
		return false;
	if (a->ss.ss_family == AF_INET6)
		return is_same_v6(a, b);
	return a->ss.ss_family == AF_INET && x->sin_port == y->sin_port &&
	       x->sin_addr.s_addr == y->sin_addr.s_addr;
}

static bool is_it(int fd, const struct net_addr *local,
		  const struct net_addr *peer)
{
	struct net_addr a;

	return !net_local_addr(&a, fd) && is_same(&a, local) &&
	       !net_peer_addr(&a, fd) && is_same(&a, peer);
}

int net_find_socket(const struct net_addr *local, const struct net_addr *peer)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *e;
	int found = -1;

	while (dir && found < 0 && (e = readdir(dir)) != NULL) {
		/* "." is 0: a look too many */
		const int fd = (int)strtol(e->d_name, NULL, 10);

		if (is_it(fd, local, peer))
			found = fd;
	}
	if (dir)
		closedir(dir);
	return found;
}
