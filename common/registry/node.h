/* common/registry/node.h - what a node says of itself, and its JSON.
 *
 * Pure. The text stands in the registry beside the node's lease and in the node
 * list on disk:
 *	{"id":"edge-1","role":"edge","instance":"<32 hex digits>",
 *	 "url":"tcp://10.0.0.7:7103","pid":123,"version":"0.1.0",
 *	 "draining":false,"addresses":{"rtmp":"10.0.0.7:1935"},
 *	 "handover":"/run/weir/ingest-1.handover",
 *	 "load":{"busy_permille":12,"streams":3,"publishers":0,"viewers":40,
 *		 "in_bps":7500000,"out_bps":100000000,"cpu_permille":230,
 *		 "memory_bytes":48234496,"full":false}}
 * and "zone":"fra1" where one is set, "machine":"<32 hex digits>".
 */
#ifndef WEIR_REGISTRY_NODE_H
#define WEIR_REGISTRY_NODE_H

#include "common/base/buf.h"
#include "common/bus/world.h"

#define NODE_ADDRESSES_MAX 8
#define NODE_JSON_MAX      4096 /* bytes; longer ones are refused */
#define NODE_PATH_SIZE     512
#define NODE_ZONE_SIZE     64

struct node_address {
	char name[ROLE_SIZE]; /* "rtmp", "http", "api", "admin" */
	char addr[64];        /* "127.0.0.1:1935" */
};

struct node_load {
	uint32_t busy_permille; /* of the loop, last second */
	uint32_t streams;
	uint32_t publishers;
	uint32_t viewers;
	uint64_t in_bps; /* media, bits per second */
	uint64_t out_bps;
	uint32_t cpu_permille; /* of one processor, last second */
	uint64_t memory_bytes;
	bool is_full; /* nobody who is new is let in now */
};

struct node {
	struct node_ref ref; /* ref.link is always 0 here: ask the bus */
	uint32_t pid;
	bool is_draining; /* takes no new work */
	char version[24];
	struct node_address address[NODE_ADDRESSES_MAX];
	size_t address_count;
	/* Unix socket that takes connections over; "": none. Only processes of
	 * its machine can open it. */
	char handover[NODE_PATH_SIZE];
	char zone[NODE_ZONE_SIZE]; /* "": none */
	struct uuid machine; /* the same for processes of one boot; 0: untold */
	struct node_load load;
};

/* Add or replace one. Returns 0, WEIR_EINVAL (too long, or not printable
 * ASCII) or WEIR_ELIMIT. */
WEIR_MUST_CHECK int node_set_address(struct node *n, const char *name,
				     const char *addr);

/* Where it takes connections over, an absolute path. Returns 0, or WEIR_EINVAL
 * (relative, too long, a quote, backslash or control character in it). */
WEIR_MUST_CHECK int node_set_handover(struct node *n, const char *path);

/* Where it stands: a plain word, or "". Returns 0 or WEIR_EINVAL. */
WEIR_MUST_CHECK int node_set_zone(struct node *n, const char *zone);

/* "127.0.0.1:1935", or NULL. */
const char *node_address(const struct node *n, const char *name);

/* Append the JSON object. Errors are the buffer's. */
void node_write(struct buf *out, const struct node *n);

/* The inverse. `text` may come from anywhere: id and role must be plain words
 * (letters, digits, '-', '_', '.'), the instance a uuid; unknown members are
 * skipped, missing ones are zero. Returns 0, WEIR_EPROTO, WEIR_ELIMIT or
 * WEIR_ENOMEM. */
WEIR_MUST_CHECK int node_read(struct node *out, struct span text);

/* Is it the same but for its load? */
bool node_eq(const struct node *a, const struct node *b);

#endif
