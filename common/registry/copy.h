/* common/registry/copy.h - the local copy of the registry: nodes and streams as
 * last known.
 *
 * Pure: no sockets, no clock, no files. It outlives the registry: what was read
 * once stays until something newer is put, or a whole reading shows that it is
 * gone. A reading is copy_read_begin, puts, copy_read_end; puts that come in
 * between from elsewhere count as seen.
 */
#ifndef WEIR_REGISTRY_COPY_H
#define WEIR_REGISTRY_COPY_H

#include "common/registry/node.h"

struct copy;

/* 0: the value in brackets. Past a limit a put is WEIR_ELIMIT. */
struct copy_limits {
	uint32_t nodes_max;   /* [1024] */
	uint32_t streams_max; /* [100000] */
};

enum copy_change {
	COPY_CAME,
	COPY_CHANGED,   /* a node's load alone is no change */
	COPY_RESTARTED, /* a node of that id with another instance */
	COPY_WENT,      /* what is shown is the last that was known */
};

/* Called from inside the puts and copy_read_end; what is shown is borrowed. The
 * callbacks may read the copy, but not change it. */
struct copy_events {
	void (*on_node)(void *ctx, const struct node *n,
			enum copy_change change);
	void (*on_stream)(void *ctx, const struct stream_entry *e,
			  enum copy_change change);
};

/* `seed` hides the map's order from peers. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int copy_new(struct copy **out,
			     const struct copy_limits *limits,
			     const struct copy_events *events, void *ctx,
			     uint64_t seed);
void copy_free(struct copy **c); /* NULL is fine; no events */

/* ---- reading; pointers live until the next change ---- */

const struct node *copy_node(const struct copy *c, const char *id);
/* writer_has_lease is judged by the nodes known now. */
const struct stream_entry *copy_stream(struct copy *c,
				       const struct stream_key *key);

/* In no order; the callback must not change the copy. */
void copy_each_node(const struct copy *c, const char *role /* NULL: all */,
		    void (*fn)(void *ctx, const struct node *n), void *ctx);
void copy_each_stream(struct copy *c,
		      void (*fn)(void *ctx, const struct stream_entry *e),
		      void *ctx);
size_t copy_node_count(const struct copy *c);
size_t copy_stream_count(const struct copy *c);

/* ---- changing ---- */

/* Returns 0, WEIR_ELIMIT or WEIR_ENOMEM (nothing changed). */
WEIR_MUST_CHECK int copy_put_node(struct copy *c, const struct node *n);
WEIR_MUST_CHECK int copy_put_stream(struct copy *c,
				    const struct stream_entry *e);
void copy_drop_node(struct copy *c, const char *id);
void copy_drop_stream(struct copy *c, const struct stream_key *key);

enum copy_part { COPY_NODES = 1, COPY_STREAMS = 2 };

/* Begin a reading of one part; an unfinished one of that part is forgotten. */
void copy_read_begin(struct copy *c, enum copy_part part);
/* It is complete: what was not put since its beginning is gone. */
void copy_read_end(struct copy *c, enum copy_part part);

/* ---- the node list as a text, for the disk ---- */

/* Append a JSON array of node_write objects. Errors are the buffer's. */
void copy_nodes_write(const struct copy *c, struct buf *out);
/* Put all that can be read and is not known yet. Returns 0; WEIR_EPROTO: no
 * such array; WEIR_ELIMIT; WEIR_ENOMEM. */
WEIR_MUST_CHECK int copy_nodes_read(struct copy *c, struct span text);

#endif
