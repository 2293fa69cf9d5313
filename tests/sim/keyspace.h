/* tests/sim/keyspace.h - as much of Redis as the scripts use, in memory, with
 * liblua 5.1 as their interpreter and the caller's clock.
 */
#ifndef WEIR_SIM_KEYSPACE_H
#define WEIR_SIM_KEYSPACE_H

#include "common/registry/entry.h"

struct keyspace; /* the data */
struct scripts;  /* the interpreter; knows every text that it has run */

/* Told of each PUBLISH: the message, "stream <key>" or "node <id>". */
typedef void keyspace_publish_fn(void *ctx, struct span message);

struct keyspace *keyspace_new(void);
void keyspace_free(struct keyspace **ks);
void keyspace_clear(struct keyspace *ks);
struct keyspace *keyspace_copy(const struct keyspace *ks);

struct scripts *scripts_new(void);
void scripts_free(struct scripts **s);
/* Run `with` wherever `text` is asked for (a mutant); NULL: the text. */
void scripts_replace(struct scripts *s, const char *text, const char *with);

struct script_reply {
	size_t count;
	struct span word[SCRIPT_REPLY_MAX]; /* into `bytes` */
	size_t used;
	char bytes[SCRIPT_REPLY_MAX * 64 + 4096];
};

/* Run one script. Returns 0; or WEIR_EPROTO with the interpreter's words in
 * reply->word[0]: the script did what Redis would refuse. */
WEIR_MUST_CHECK int scripts_run(struct scripts *s, struct keyspace *ks,
				const struct script_words *words,
				int64_t now_ms, keyspace_publish_fn *publish,
				void *ctx, struct script_reply *reply);

/* All keys, types, fields and whether they expire, sorted, as one text. */
void keyspace_dump(const struct keyspace *ks, int64_t now_ms, struct buf *out);

/* The hash at a key as name, value, …; returns how many words (0: none). */
size_t keyspace_hash(const struct keyspace *ks, const char *key, int64_t now_ms,
		     struct span *out, size_t max);

#endif
