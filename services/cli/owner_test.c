/* services/cli/owner_test.c - finding who listens on a port. */
#include "services/cli/owner.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/test/check.h"

/* A listening socket of this process; *port is where. */
static int listen_here(int family, unsigned *port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
				  .sin6_addr = in6addr_loopback};
	struct sockaddr *sa = family == AF_INET ? (struct sockaddr *)&v4
						: (struct sockaddr *)&v6;
	socklen_t len = family == AF_INET ? sizeof(v4) : sizeof(v6);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, sa, len) || listen(fd, 1) ||
	    getsockname(fd, sa, &len)) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
	return fd;
}

static void check_own(int family)
{
	struct port_owner owner;
	unsigned port = 0;
	int fd = listen_here(family, &port);
	int err;

	CHECK(fd >= 0);
	err = owner_of_port(&owner, port);
	close(fd);
	CHECK_EQ(err, 0);
	CHECK_EQ(owner.pid, getpid());
	CHECK(strstr(owner.name, "owner_test") != NULL);
	CHECK_EQ(owner_of_port(&owner, port), WEIR_ENOENT);
}

TEST(the_owner_of_a_port_is_found)
{
	check_own(AF_INET);
}

TEST(the_owner_of_a_port_on_ipv6_is_found)
{
	unsigned port;
	int fd = listen_here(AF_INET6, &port);

	if (fd < 0) /* a machine without IPv6 has no such owner */
		return;
	close(fd);
	check_own(AF_INET6);
}

TEST(only_lines_of_listeners_are_taken)
{
	static const char listening[] =
		"   3: 0100007F:078F 00000000:0000 0A 00000000:00000000 "
		"00:00000000 00000000     0        0 21345 1 0 100 0 0 10 0\n";
	static const char established[] =
		"   4: 0100007F:078F 0100007F:D431 01 00000000:00000000 "
		"00:00000000 00000000     0        0 21346 1 0 100 0 0 10 0\n";
	static const char six[] =
		"   0: 00000000000000000000000000000000:1F90 "
		"00000000000000000000000000000000:0000 0A 00000000:00000000 "
		"00:00000000 00000000  1000        0 77 1 0 100 0 0 10 0\n";
	unsigned port = 0;
	uint64_t inode = 0;

	CHECK(owner_line_parse(listening, &port, &inode));
	CHECK_EQ(port, 1935);
	CHECK_EQ(inode, 21345);
	CHECK(owner_line_parse(six, &port, &inode));
	CHECK_EQ(port, 8080);
	CHECK_EQ(inode, 77);
	CHECK(!owner_line_parse(established, &port, &inode));
	CHECK(!owner_line_parse("  sl  local_address rem_address\n", &port,
				&inode));
	CHECK(!owner_line_parse("", &port, &inode));
}
