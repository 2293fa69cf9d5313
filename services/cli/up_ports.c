/* services/cli/up_ports.c - the public sockets, bound once for all nodes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "services/cli/owner.h"
#include "services/cli/up.h"

unsigned up_port_of(const char *addr)
{
	const char *colon = strrchr(addr, ':');

	return colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
}

/* Who has it, and what can be done. */
static void complain(unsigned port, const char *use, int err)
{
	struct port_owner owner;

	if (err != -EADDRINUSE || owner_of_port(&owner, port))
		fprintf(stderr, "weir up: port %u (%s): %s", port, use,
			weir_strerror(err));
	else if (owner.pid)
		fprintf(stderr, "weir up: port %u (%s) is used by %s (pid %d)",
			port, use, owner.name, owner.pid);
	else
		fprintf(stderr,
			"weir up: port %u (%s) is used by a process "
			"that is not yours to see",
			port, use);
	fprintf(stderr, "\nTry other ports: weir up --base-port 20000\n");
}

static int bind_one(int *fd, char addr[NET_ADDR_TEXT_SIZE], const char *host,
		    unsigned port, const char *use)
{
	struct net_addr a;
	char text[128];
	int err;

	snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]:%u" : "%s:%u",
		 host, port);
	err = net_addr_parse(&a, text);
	if (err) {
		fprintf(stderr, "weir up: --host %s is no address\n", host);
		return err;
	}
	err = net_listen(fd, &a);
	if (!err)
		err = net_local_addr(&a, *fd);
	if (err) {
		complain(port, use, err);
		return err;
	}
	net_addr_text(addr, &a);
	return 0;
}

/* "0.0.0.0:1935" is reached as "127.0.0.1:1935" from here. */
static void as_reached(char addr[NET_ADDR_TEXT_SIZE])
{
	unsigned port = up_port_of(addr);

	if (!strncmp(addr, "0.0.0.0:", 8))
		snprintf(addr, NET_ADDR_TEXT_SIZE, "127.0.0.1:%u", port);
	else if (!strncmp(addr, "[::]:", 5))
		snprintf(addr, NET_ADDR_TEXT_SIZE, "[::1]:%u", port);
}

/* The nodes bind these themselves: see now whether they will be able to. */
static int try_port(const char *host, unsigned port, const char *use)
{
	char addr[NET_ADDR_TEXT_SIZE];
	int fd = -1, err;

	if (!port)
		return 0;
	err = bind_one(&fd, addr, host, port, use);
	if (fd >= 0)
		close(fd);
	return err;
}

static int try_nodes(struct up *up)
{
	int err = 0;

	for (size_t i = 0; i < up->plan.count && !err; i++) {
		const struct plan_node *n = &up->plan.node[i];
		char use[PLAN_ID_SIZE + 16];

		snprintf(use, sizeof(use), "admin of %s", n->id);
		err = try_port("127.0.0.1", n->admin_port, use);
		snprintf(use, sizeof(use), "RTMP of %s", n->id);
		if (!err && n->has_rtmp)
			err = try_port(up->o.host, n->rtmp_port, use);
	}
	return err;
}

int up_ports_open(struct up *up)
{
	const struct plan *p = &up->plan;
	const char *host = up->o.host;
	int err = bind_one(&up->rtmp.fd, up->rtmp.addr, host, p->rtmp_port,
			   "RTMP");

	if (!err)
		err = bind_one(&up->http.fd, up->http.addr, host, p->http_port,
			       "HTTP");
	if (!err)
		err = bind_one(&up->api.fd, up->api.addr, host, p->api_port,
			       "API");
	if (err)
		return err;
	as_reached(up->rtmp.addr);
	as_reached(up->http.addr);
	as_reached(up->api.addr);
	return try_nodes(up);
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void up_ports_close(struct up *up)
{
	close_one(&up->rtmp.fd);
	close_one(&up->http.fd);
	close_one(&up->api.fd);
}
