/* common/io/net.c - addresses and sockets. */
#include "common/io/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BACKLOG 1024

static struct sockaddr_in *v4(const struct net_addr *a)
{
	return (struct sockaddr_in *)&a->ss;
}

static struct sockaddr_in6 *v6(const struct net_addr *a)
{
	return (struct sockaddr_in6 *)&a->ss;
}

static int parse_port(unsigned *out, const char *text)
{
	size_t len = strlen(text);

	if (len < 1 || len > 5 || strspn(text, "0123456789") != len)
		return WEIR_EINVAL;
	*out = (unsigned)strtoul(text, NULL, 10);
	return *out > 65535 ? WEIR_EINVAL : 0;
}

static int set_v4(struct net_addr *out, const char *host)
{
	out->ss.ss_family = AF_INET;
	out->len = sizeof(struct sockaddr_in);
	return inet_pton(AF_INET, host, &v4(out)->sin_addr) == 1 ? 0
								 : WEIR_EINVAL;
}

static int set_v6(struct net_addr *out, const char *host)
{
	out->ss.ss_family = AF_INET6;
	out->len = sizeof(struct sockaddr_in6);
	return inet_pton(AF_INET6, host, &v6(out)->sin6_addr) == 1
		       ? 0
		       : WEIR_EINVAL;
}

static int set_host(struct net_addr *out, const char *host)
{
	size_t len = strlen(host);

	if (len == 0)
		return set_v6(out, "::");
	if (!strcmp(host, "localhost"))
		return set_v4(out, "127.0.0.1");
	if (host[0] == '[' && host[len - 1] == ']') {
		char inner[INET6_ADDRSTRLEN];

		snprintf(inner, sizeof(inner), "%.*s", (int)(len - 2),
			 host + 1);
		return set_v6(out, inner);
	}
	return set_v4(out, host);
}

int net_addr_parse(struct net_addr *out, const char *text)
{
	struct net_addr a = {0};
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	unsigned port;
	int err;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return WEIR_EINVAL;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	err = parse_port(&port, colon + 1);
	if (!err)
		err = set_host(&a, host);
	if (err)
		return err;
	net_addr_set_port(&a, port);
	*out = a;
	return 0;
}

char *net_addr_ip_text(char out[NET_ADDR_TEXT_SIZE], const struct net_addr *a)
{
	const struct in6_addr *six = &v6(a)->sin6_addr;
	const char *ok = NULL;

	if (a->ss.ss_family == AF_UNIX)
		ok = memcpy(out, "unix", 5);
	else if (a->ss.ss_family == AF_INET)
		ok = inet_ntop(AF_INET, &v4(a)->sin_addr, out,
			       NET_ADDR_TEXT_SIZE);
	else if (a->ss.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(six))
		ok = inet_ntop(AF_INET, six->s6_addr + 12, out,
			       NET_ADDR_TEXT_SIZE);
	else if (a->ss.ss_family == AF_INET6)
		ok = inet_ntop(AF_INET6, six, out, NET_ADDR_TEXT_SIZE);
	if (!ok)
		snprintf(out, NET_ADDR_TEXT_SIZE, "?");
	return out;
}

char *net_addr_text(char out[NET_ADDR_TEXT_SIZE], const struct net_addr *a)
{
	char ip[NET_ADDR_TEXT_SIZE];
	bool is_six;

	net_addr_ip_text(ip, a);
	is_six = strchr(ip, ':') != NULL;
	if (a->ss.ss_family != AF_INET && a->ss.ss_family != AF_INET6)
		return memcpy(out, ip, NET_ADDR_TEXT_SIZE);
	snprintf(out, NET_ADDR_TEXT_SIZE, "%s%.45s%s:%u", is_six ? "[" : "", ip,
		 is_six ? "]" : "", net_addr_port(a));
	return out;
}

bool net_addr_is_loopback(const struct net_addr *a)
{
	const struct in6_addr *six = &v6(a)->sin6_addr;

	switch (a->ss.ss_family) {
	case AF_UNIX:
		return true;
	case AF_INET:
		return ntohl(v4(a)->sin_addr.s_addr) >> 24 == 127;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(six) ||
		       (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127);
	default:
		return false;
	}
}

unsigned net_addr_port(const struct net_addr *a)
{
	if (a->ss.ss_family == AF_INET)
		return ntohs(v4(a)->sin_port);
	if (a->ss.ss_family == AF_INET6)
		return ntohs(v6(a)->sin6_port);
	return 0;
}

void net_addr_set_port(struct net_addr *a, unsigned port)
{
	if (a->ss.ss_family == AF_INET)
		v4(a)->sin_port = htons((uint16_t)port);
	if (a->ss.ss_family == AF_INET6)
		v6(a)->sin6_port = htons((uint16_t)port);
}

int net_local_addr(struct net_addr *out, int fd)
{
	struct net_addr a = {.len = sizeof(a.ss)};

	if (getsockname(fd, (struct sockaddr *)&a.ss, &a.len))
		return -errno;
	*out = a;
	return 0;
}

int net_peer_addr(struct net_addr *out, int fd)
{
	struct net_addr a = {.len = sizeof(a.ss)};

	if (getpeername(fd, (struct sockaddr *)&a.ss, &a.len))
		return -errno;
	*out = a;
	return 0;
}

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

static int new_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static int listen_on(int fd, const struct net_addr *addr)
{
	int err = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (!err && addr->ss.ss_family == AF_INET6)
		err = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (err)
		return err;
	if (bind(fd, (const struct sockaddr *)&addr->ss, addr->len))
		return -errno;
	return listen(fd, BACKLOG) ? -errno : 0;
}

int net_listen(int *out, const struct net_addr *addr)
{
	struct net_addr a = *addr;
	int fd = new_socket(a.ss.ss_family);
	int err;

	/* ":8080" on a machine without IPv6 */
	if (fd == -EAFNOSUPPORT && a.ss.ss_family == AF_INET6 &&
	    IN6_IS_ADDR_UNSPECIFIED(&v6(&a)->sin6_addr)) {
		unsigned port = net_addr_port(&a);

		memset(&a, 0, sizeof(a));
		err = set_v4(&a, "0.0.0.0");
		if (err)
			return err;
		net_addr_set_port(&a, port);
		fd = new_socket(AF_INET);
	}
	if (fd < 0)
		return fd;
	err = listen_on(fd, &a);
	if (err) {
		close(fd);
		return err;
	}
	*out = fd;
	return 0;
}

int net_connect(int *out, const struct net_addr *addr)
{
	int fd = new_socket(addr->ss.ss_family);

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&addr->ss, addr->len) &&
	    errno != EINPROGRESS && errno != EINTR) {
		int err = -errno;

		close(fd);
		return err;
	}
	*out = fd;
	return 0;
}

int net_socket_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return -errno;
	return -err;
}

void net_set_nodelay(int fd)
{
	(void)set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

void net_set_sndbuf(int fd, unsigned bytes)
{
	(void)set_int(fd, SOL_SOCKET, SO_SNDBUF, (int)bytes);
}

void net_set_notsent_lowat(int fd, unsigned bytes)
{
	(void)set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, (int)bytes);
}

unsigned net_unsent_bytes(int fd)
{
	int bytes = 0;

	if (ioctl(fd, SIOCOUTQNSD, &bytes))
		return 0;
	return bytes > 0 ? (unsigned)bytes : 0;
}
