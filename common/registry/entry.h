/* common/registry/entry.h - stream entries and script calls as Redis has them.
 *
 * Pure: words in, words out. The store sends them to Redis, the simulator to
 * its own interpreter.
 */
#ifndef WEIR_REGISTRY_ENTRY_H
#define WEIR_REGISTRY_ENTRY_H

#include "common/bus/world.h"
#include "common/registry/rulebook.h"
#include "common/registry/scripts.h"

#define ENTRY_FIELDS      17
#define SCRIPT_WORDS_MAX  32
#define SCRIPT_WORD_BYTES 4096
/* Words of a reply: status, lease, entry; 1 and the previous one. */
#define SCRIPT_REPLY_MAX (2 + ENTRY_FIELDS + 1 + ENTRY_FIELDS)

/* The fields of the hash, in the order of calls and replies. */
extern const char *const entry_field[ENTRY_FIELDS];

/* One call: EVALSHA sha1(text) key_count word… */
struct script_words {
	const char *text; /* one of scripts.h */
	size_t key_count; /* how many of the words are keys */
	size_t count;     /* keys and arguments */
	struct span word[SCRIPT_WORDS_MAX];
	size_t used; /* bytes of `storage` */
	char storage[SCRIPT_WORD_BYTES];
};

/* "weir:{cluster}:" */
void registry_root(char out[REGISTRY_ROOT_SIZE], const char *cluster);

/* Put a call into words; they point into *out, which must stay. Returns 0, or
 * WEIR_EINVAL: an unknown kind, or words that do not fit. */
WEIR_MUST_CHECK int script_encode(struct script_words *out, const char *cluster,
				  const struct script_call *call,
				  int64_t utc_us);

/* Read the reply, an array of texts. `key` is the call's. Returns 0 and *out
 * (whose err is the script's answer), or WEIR_EPROTO. */
WEIR_MUST_CHECK int script_decode(struct script_result *out,
				  const struct stream_key *key,
				  const struct span *word, size_t count);

/* An entry from HGETALL: name, value, name, value, … Unknown names are skipped.
 * writer_has_lease is false: it is not in the hash. Returns 0, WEIR_ENOENT (no
 * entry), WEIR_EPROTO. */
WEIR_MUST_CHECK int entry_read_pairs(struct stream_entry *out,
				     const struct stream_key *key,
				     const struct span *word, size_t count);

enum node_op {
	NODE_REGISTER, /* also over another instance of this id */
	NODE_RENEW,    /* the lease, each second; info too */
	NODE_LEAVE,
};

/* The node lease. The reply is one word: "OK"; "TAKEN": another instance has
 * the lease of this id (renew, leave); "NEW": it had run out and is written
 * again (renew). `info` is borrowed as long as *out. Returns as script_encode. */
WEIR_MUST_CHECK int node_encode(struct script_words *out, const char *cluster,
				enum node_op op, const struct node_ref *node,
				struct span info, uint32_t ttl_ms);

/* A change of the cluster's rules. All is borrowed as long as *out. */
enum rule_op {
	RULE_PUT,
	RULE_DELETE,
	RULE_PURGE, /* delete it, if its text is still this one */
};

struct rule_change {
	enum rule_op op;
	const char *name;    /* "<kind> <id>", as rulebook.h has it */
	struct span text;    /* put, purge: the rule */
	const char *request; /* "": none */
	const char *tag;     /* of the version that this makes */
	uint64_t known;      /* version of who asks */
};

struct rule_reply {
	int err; /* 0, WEIR_ENOENT, WEIR_ELIMIT, WEIR_EEXIST; WEIR_EAGAIN: the
		    registry has lost what who asks knows */
	uint64_t number; /* of the version in force now */
	bool is_repeat;
};

/* Returns as script_encode. */
WEIR_MUST_CHECK int rule_encode(struct script_words *out, const char *cluster,
				const struct rule_change *change);
/* Returns 0 and *out, or WEIR_EPROTO. */
WEIR_MUST_CHECK int rule_decode(struct rule_reply *out, const struct span *word,
				size_t count);

/* Write all rules again, if the registry's version is older. The reply is one
 * that says what stands. `lines`: rulebook_lines; borrowed as long as *out. */
WEIR_MUST_CHECK int rules_settle_encode(struct script_words *out,
					const char *cluster, uint64_t number,
					const char *tag, struct span lines);

/* What has changed since a version of the rules? */
WEIR_MUST_CHECK int rules_since_encode(struct script_words *out,
				       const char *cluster,
				       const struct rule_version *known);
/* The first three words of the reply: *out is the registry's version, and behind
 * them stand names and texts (empty: it is gone) of all that has changed;
 * *is_whole: nothing does, all must be read. Returns 0 or WEIR_EPROTO. */
#define RULES_SINCE_WORDS 3
WEIR_MUST_CHECK int
rules_since_decode(struct rule_version *out, bool *is_whole,
		   const struct span word[RULES_SINCE_WORDS]);

/* Which of two claims to one stream stands: the higher counter, then the
 * earlier start, then the smaller uuid. > 0: a, < 0: b, 0: the same. */
int claim_order(const struct epoch *a, int64_t a_start_us,
		const struct epoch *b, int64_t b_start_us);

#endif
