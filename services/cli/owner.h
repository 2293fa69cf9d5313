/* services/cli/owner.h - who listens on a TCP port of this machine. */
#ifndef WEIR_CLI_OWNER_H
#define WEIR_CLI_OWNER_H

#include "common/base/err.h"
#include "common/base/span.h"

struct port_owner {
	int pid;       /* 0: not ours to see */
	char name[64]; /* of its program; "" unknown */
};

/* One line of /proc/net/tcp or tcp6: is it a listener, on which port, and what
 * is its socket's inode? Pure. */
bool owner_line_parse(const char *line, unsigned *port, uint64_t *inode);

/* Returns 0; or WEIR_ENOENT: nobody listens there. */
WEIR_MUST_CHECK int owner_of_port(struct port_owner *out, unsigned port);

#endif
