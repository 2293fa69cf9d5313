/* common/conf/conf_priv.h - the inside of the settings, for this room only. */
#ifndef WEIR_CONF_CONF_PRIV_H
#define WEIR_CONF_CONF_PRIV_H

#include "common/conf/conf.h"

#define CONF_PATH_BYTES 128 /* of a path that can be right, with its NUL */

/* A table and its values. */
struct conf_slot {
	const struct conf_table *table;
	char *settings; /* in force */
	char *draft;    /* what is being loaded */
};

/* Memory that lives as long as the settings. */
struct conf_text {
	struct conf_text *next;
	char bytes[];
};

struct conf {
	const char *role;
	struct conf_slot *slot;
	size_t slot_count;
	struct conf_text *texts; /* all that settings ever pointed to */
	struct buf messages;
	bool is_out_of_memory;

	/* The load that is under way. */
	const char *source; /* "weir.json" or "--set" */
	struct span json;   /* to find line numbers in; may be empty */
	unsigned mistake_count;
};

/* A value on its way into the settings; texts are borrowed. */
struct conf_value {
	enum conf_type type;
	int64_t i;
	struct span text;
	const struct span *item;
	size_t item_count;
};

struct conf_key_ref {
	struct conf_slot *slot;
	const struct conf_key *key;
};

/* Note a mistake at a path: "<source>:<line>:<column>: <path>: …". */
void conf_mistake(struct conf *c, const char *path, const char *fmt, ...)
	WEIR_PRINTF(3, 4);

/* Look a key up. Returns whether it is there. */
bool conf_find(const struct conf *c, struct conf_key_ref *out,
	       struct span section, struct span name);

/* Is `word` one of "a|b|c"; which one (-1: none). */
int conf_choice(const char *choices, struct span word);

/* Check against the key's limits and store in the draft; what does not fit is a
 * mistake at `path`, which shows `shown` as the value. */
void conf_store(struct conf *c, const struct conf_key_ref *ref,
		const struct conf_value *v, const char *path,
		const char *shown);

/* As conf_store, from text of a command line or a default. */
void conf_store_text(struct conf *c, const struct conf_key_ref *ref,
		     const char *text, const char *path);

/* Words for what a key takes: "a whole number from 0 to 1000 ms". */
void conf_put_expected(struct buf *out, const struct conf_key *key);

/* "…; did you mean a.b?" or "". */
void conf_put_nearest(struct buf *out, const struct conf *c, const char *path);

#endif
