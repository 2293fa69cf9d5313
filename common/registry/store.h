/* common/registry/store.h - the registry in Redis, and this process's copy of
 * it. One per process; all on its loop.
 *
 * Two connections (commands, subscription) to a single server, or to the master
 * that Sentinels name. A server that is away, frozen or slow costs only what
 * was asked of it: every call has its answer within registry_ms, at most
 * pending_max are under way, late answers are dropped. Meanwhile the copy
 * stands, and store_is_up() is false. Back-off between tries: 50 to 1000 ms.
 *
 * After each connect: AUTH, SELECT, run_id compared, scripts loaded, this node's
 * lease written, on_up, all of it read. From then on: the lease each lease_ms,
 * changed streams when the server tells of them, all nodes each reread_ms, and
 * all streams a little at a time, in five times that.
 * For settle_ms after a connect nothing is taken to be gone, because the others
 * are writing themselves again, too.
 *
 * Redis has no TLS here (hiredis 0.14 knows none).
 */
#ifndef WEIR_REGISTRY_STORE_H
#define WEIR_REGISTRY_STORE_H

#include "common/io/loop.h"
#include "common/log/logger.h"
#include "common/registry/copy.h"
#include "common/registry/entry.h"
#include "common/registry/rulebook.h"

struct store;

/* 0 or NULL: the value in brackets. Everything is copied. */
struct store_options {
	/* "host:port", "redis://host:port/2", "[::1]:6379" or
	 * "sentinel://host:port,host:port/name" (name/2: database 2). */
	const char *url;      /* must be there */
	const char *password; /* [none] of the server, and of the Sentinels */
	const char *user;     /* [none] Redis 6 ACL */
	const char *cluster;  /* [none] part of every key: one server may serve
				 several clusters */
	struct node self;     /* id, role and instance must be there */
	const char *nodes_file; /* [none] the node list on disk */
	const char *rules_file; /* [none] the cluster's rules on disk */
	uint32_t registry_ms;   /* [500] for one answer */
	uint32_t lease_ms;      /* [1000] between two leases */
	uint32_t lease_ttl_ms;  /* [3000] */
	uint32_t reread_ms;     /* [2000] */
	uint32_t settle_ms;     /* [1500] */
	uint32_t pending_max;   /* [1024] calls of ours under way */
	struct copy_limits copy;
};

struct store_events {
	/* This node is registered, calls will be served. `is_other`: the server
	 * is not the one of before (restarted, emptied, failed over); false for
	 * the first of this process. */
	void (*on_up)(void *ctx, bool is_other);
	void (*on_down)(void *ctx);
	/* As copy_events; also while the node list is read from disk, inside
	 * store_new. This node itself is among the nodes. */
	void (*on_node)(void *ctx, const struct node *n,
			enum copy_change change);
	void (*on_stream)(void *ctx, const struct stream_entry *e,
			  enum copy_change change);
	/* One of store_rules is another one (text: NULL: it is gone). Not inside
	 * store_new; it must not call the store. on_rules comes after it, soon;
	 * where all are read again, after the last of them. */
	void (*on_rule)(void *ctx, const char *name, const char *text);
	/* store_rules has changed, or is known now. */
	void (*on_rules)(void *ctx);
};

/* Begins to connect. Returns 0; WEIR_EINVAL: the url (store_url_check says
 * why), a missing or bad field of self; WEIR_ENOMEM; -errno. `lg` may be NULL.
 * A node list that cannot be read is logged, not an error. */
WEIR_MUST_CHECK int store_new(struct store **out, struct loop *loop,
			      const struct store_options *options,
			      const struct store_events *events, void *ctx,
			      struct logger *lg);

/* At once, without leave-taking. Calls under way are not answered any more. Not
 * from one of its callbacks. NULL is fine. */
void store_free(struct store **st);

/* Say good-bye: the lease is removed and not renewed. `done` comes once, after
 * at most registry_ms; then free. */
void store_leave(struct store *st, void (*done)(void *ctx), void *ctx);

/* 0, or WEIR_EINVAL and *why: static words. */
WEIR_MUST_CHECK int store_url_check(const char *url, const char **why);

bool store_is_up(const struct store *st);
/* All has been read since the last connect (the copy is not only a memory). */
bool store_is_read(const struct store *st);
struct copy *store_copy(struct store *st);

/* What the next lease says of this node: its addresses, its load. Id, role and
 * instance stay. `now`: write a lease at once (addresses changed, draining). */
void store_set_self(struct store *st, const struct node *self, bool now);

/* Our side's address of the connection to Redis, "10.0.0.7": what others reach
 * us by when nothing is set. "" before the first connect. Borrowed. */
const char *store_local_ip(const struct store *st);

/* Run a script; `fn` comes exactly once, later, never from inside the call:
 * with WEIR_ETIMEOUT when the registry is away, silent or pending_max is
 * reached. The copy has been brought up to the result before. `call` is copied.
 */
typedef void store_script_fn(void *ctx, const struct script_result *result);
void store_script(struct store *st, const struct script_call *call,
		  store_script_fn *fn, void *ctx);

/* The cluster's rules as last known: from the registry, or from disk until it has
 * been read. Borrowed; a text until on_rule of its name. */
const struct rulebook *store_rules(const struct store *st);
bool store_rules_are_known(const struct store *st);

/* Change them; `change` is copied, but its tag, which the store makes; `request`
 * may be NULL, and has at most STORE_REQUEST_MAX bytes. `fn` comes exactly once,
 * later, never from inside the call: with what the script said, when store_rules
 * has it; WEIR_ETIMEOUT: the registry is away or silent (it may have been done);
 * WEIR_EINVAL: no rule's name or text; WEIR_ENOMEM. */
#define STORE_REQUEST_MAX 64
typedef void store_rule_fn(void *ctx, const struct rule_reply *reply);
void store_rule(struct store *st, const struct rule_change *change,
		store_rule_fn *fn, void *ctx);

struct store_stats {
	uint64_t connects;
	uint64_t losses; /* connections */
	uint64_t calls;  /* scripts */
	uint64_t timeouts;
	uint64_t late;       /* answers that nobody waited for any more */
	uint64_t rereads;    /* complete ones */
	uint64_t rule_scans; /* all rules read, not only what has changed */
	uint64_t bad_entries;
	uint64_t is_up; /* gauge */
	uint64_t pending;
};
void store_get_stats(const struct store *st, struct store_stats *out);

extern const struct log_event *const store_log_events[]; /* ends with NULL */

#endif
