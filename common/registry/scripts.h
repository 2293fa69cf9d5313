/* common/registry/scripts.h - keys, times and Lua texts of the registry.
 *
 * Everything that weir keeps in Redis. `cluster` is the cluster's id.
 *
 *	weir:{cluster}:node:<id>     hash: instance, role, info (JSON); PEXPIRE
 *	weir:{cluster}:nodes         set of node ids
 *	weir:{cluster}:stream:<key>  hash: the fields of entry.h
 *	weir:{cluster}:streams       set of keys whose stream is not over
 *	weir:{cluster}:rules         hash: "<kind> <id>" → JSON of a rule;
 *	                             #version, #tag, #count, #bytes; #<number>
 *	                             of each of the last changes: the tag before
 *	                             it, a line's end, the rule's name
 *	weir:{cluster}:request:<id>  hash: a change of rules that was made; PEXPIRE
 *	weir:{cluster}:changes       channel: "stream <key>", "node <id>", "rules"
 *
 * The texts are Lua 5.1 without libraries but string, table and math, and call
 * nothing but HGET HMGET HSET HDEL DEL EXISTS PEXPIRE PERSIST SADD SREM PUBLISH.
 * They never ask the server for the time (the caller says it), so the simulator
 * runs the same texts. Each is one decision, and PUBLISHes what it changed.
 */
#ifndef WEIR_REGISTRY_SCRIPTS_H
#define WEIR_REGISTRY_SCRIPTS_H

#define REGISTRY_ROOT          "weir:{%s}:" /* printf with the cluster's id */
#define REGISTRY_NODE          "node:"
#define REGISTRY_NODES         "nodes"
#define REGISTRY_STREAM        "stream:"
#define REGISTRY_STREAMS       "streams"
#define REGISTRY_RULES         "rules"
#define REGISTRY_REQUEST       "request:"
#define REGISTRY_CHANGES       "changes"
#define REGISTRY_ROOT_SIZE     96 /* bytes, with NUL */
#define REGISTRY_LEASE_MS      3000
#define REGISTRY_LEASE_EACH_MS 1000
/* Counters of a stream that is over are remembered for a day. */
#define REGISTRY_KEEP_MS 86400000
/* Rules of the API: so many, names and texts of all together so long. */
#define REGISTRY_RULES_MAX       10000
#define REGISTRY_RULES_BYTES_MAX 8000000
/* So many of the last changes of rules are remembered: who knows one of these
 * versions reads what has changed since, if it is not more than so many bytes. */
#define REGISTRY_RULES_LOG             256
#define REGISTRY_RULES_SINCE_BYTES_MAX 262144
/* A request id of a change of rules is remembered for so long. */
#define REGISTRY_REQUEST_MS 600000

/* How they are called, and what they answer: entry.h. */
extern const char script_claim_lua[];
extern const char script_move_lua[];
extern const char script_lost_lua[];
extern const char script_end_lua[];
extern const char script_verify_lua[];
extern const char script_settle_lua[];
extern const char script_node_lua[];
extern const char script_rule_lua[];
extern const char script_rules_settle_lua[];
extern const char script_rules_since_lua[];

#endif
