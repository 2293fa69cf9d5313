/* services/cli/plan.h - which nodes `weir up` starts, and on which ports. Pure.
 *
 *	            default      --base-port P    --base-port 0
 *	RTMP        1935         P                any free port
 *	HTTP        8080         P+1              …
 *	API         8083         P+2              …
 *	ingests     1936 + k     P+10+k           …       only if asked for
 *	admin       9101 + role  P+101 + role     …
 *	            + 10·k       + 10·k
 *
 * k counts the nodes of one role from 0; role is 0 ingest, 1 origin, 2 edge,
 * 3 packager, 4 dispatch. RTMP and HTTP belong to the edges, for publishers
 * too; their own ports are any free ones. Without edges RTMP is the ingests'.
 */
#ifndef WEIR_CLI_PLAN_H
#define WEIR_CLI_PLAN_H

#include "common/base/err.h"
#include "common/base/span.h"

enum plan_role {
	PLAN_INGEST,
	PLAN_ORIGIN,
	PLAN_EDGE,
	PLAN_PACKAGER,
	PLAN_DISPATCH,
	PLAN_ROLES,
};

#define PLAN_NODES_MAX 80
#define PLAN_EACH_MAX  16         /* nodes of one role; workers included */
#define PLAN_NO_BASE   UINT32_MAX /* the default ports */
#define PLAN_PORT_LAST (65535 - 300)
#define PLAN_ID_SIZE   32

struct plan_node {
	char id[PLAN_ID_SIZE]; /* "edge-1", with several workers "edge-1.0" */
	enum plan_role role;
	unsigned admin_port;
	bool has_rtmp;      /* an RTMP port of its own; ingests */
	unsigned rtmp_port; /* that; 0: any */
};

struct plan {
	unsigned rtmp_port, http_port, api_port; /* public; 0: any */
	struct plan_node node[PLAN_NODES_MAX];
	size_t count;
};

struct plan_wish {
	unsigned count[PLAN_ROLES];
	unsigned workers; /* processes of each edge */
	unsigned base_port;
	bool has_ingest_ports; /* besides the public one */
};

const char *plan_role_name(enum plan_role role);

/* Returns 0; WEIR_ELIMIT: more than PLAN_EACH_MAX nodes of a role;
 * WEIR_EINVAL: the ports do not fit below 65536. */
WEIR_MUST_CHECK int plan_make(struct plan *out, const struct plan_wish *wish);

#endif
