/* services/dispatch/route.h - where a client should publish or play: the best
 * addresses.
 *
 * Pure: the copy of the registry in, addresses out.
 */
#ifndef WEIR_DISPATCH_ROUTE_H
#define WEIR_DISPATCH_ROUTE_H

#include "common/access/cidr.h"
#include "common/registry/best.h"

#define ROUTE_MAX 16

/* A way to publish or play. */
struct route_way {
	const char *name;    /* "flv", "ws-flv", … */
	const char *address; /* of nodes: "http" */
	const char *scheme;  /* "ws" */
	const char *suffix;  /* ".flv" */
	bool is_publish;     /* publishers may take it, too */
};

/* By name; NULL: there is none. */
const struct route_way *route_way_of(const char *name);
#define ROUTE_WAYS                                                             \
	"rtmp|rtmps|flv|ts|hls|ws-flv|ws-ts|https-flv|https-ts|wss-flv|wss-ts"

struct route_wish {
	const struct route_way *way;
	bool is_publish;
	const char *zone;    /* "": none */
	struct span came_by; /* node_put_public */
	/* Edges that have the stream already come first, unless they are busy. */
	const char (*carrier)[NODE_ID_SIZE];
	size_t carrier_count;
	uint64_t seed;
};

struct route_answer {
	const struct node *node;      /* until the copy's next change */
	const struct node_load *load; /* of who will do the work */
	bool is_carrier;
	char addr[192]; /* "host:port" */
};

/* The best first, at most ROUTE_MAX. Players go to edges; publishers to edges of
 * machines where an ingest takes them over, and to ingests that listen. Returns
 * how many there are. */
size_t route_find(const struct copy *c, const struct route_wish *wish,
		  struct route_answer *out);

/* Append scheme://addr/key.suffix, percent-encoded where it must be. Errors are
 * the buffer's. */
void route_put_url(struct buf *out, const struct route_way *way,
		   const char *addr, const struct stream_key *key);

/* ---- zones of addresses: "10.1.0.0/16=fra1" ---- */

/* Returns 0 or WEIR_EINVAL; *zone points into the text. */
WEIR_MUST_CHECK int route_zone_read(struct cidr *block, const char **zone,
				    const char *text);
/* That of the longest block that has the address; NULL: none has it. */
const char *route_zone_of(const char *const *list, size_t count,
			  const struct ip_addr *ip);

#endif
