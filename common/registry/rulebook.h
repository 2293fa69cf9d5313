/* common/registry/rulebook.h - the cluster's rules as the registry has them: names
 * and texts.
 *
 * Pure. What a rule means is not known here, so that a rule of a newer version
 * outlives a node that cannot read it. A name is "<kind> <id>", a text one line
 * of JSON. A version is a number that grows, and a tag.
 *
 * On disk and in a settling call, each name and each text is a line.
 */
#ifndef WEIR_REGISTRY_RULEBOOK_H
#define WEIR_REGISTRY_RULEBOOK_H

#include "common/base/buf.h"
#include "common/base/map.h"

#define RULEBOOK_NAME_MAX 96    /* bytes */
#define RULEBOOK_TEXT_MAX 16384 /* bytes */
#define RULEBOOK_TAG_SIZE 36
#define RULEBOOK_PREFIX   "weir-rules 1 "

/* A tag that begins so is of no version: the rules are not all of one moment. */
#define RULEBOOK_NO_VERSION '~'

struct rule_version {
	uint64_t number; /* 0: none yet */
	char tag[RULEBOOK_TAG_SIZE];
};

struct rulebook {
	struct map rules; /* name → struct rulebook_rule, ours */
	struct rule_version version;
	uint32_t mark;
};

void rulebook_init(struct rulebook *b, uint64_t seed);
void rulebook_fini(struct rulebook *b);

/* Put a rule, in place of the one of its name. *is_other: it was not there like
 * that. Returns 0; WEIR_EPROTO: no rule's name or text; WEIR_ELIMIT: more than
 * twice REGISTRY_RULES_MAX (where all are read again, those that are gone stand
 * beside those that have come); WEIR_ENOMEM. Then it is as before. */
WEIR_MUST_CHECK int rulebook_put(struct rulebook *b, struct span name,
				 struct span text, bool *is_other);
/* Returns whether it was there. */
bool rulebook_remove(struct rulebook *b, struct span name);

/* The text, or NULL. Borrowed until that rule changes. */
const char *rulebook_text(const struct rulebook *b, struct span name);
size_t rulebook_count(const struct rulebook *b);

/* In no order; nothing may be changed on the way. */
void rulebook_each(const struct rulebook *b,
		   void (*fn)(void *ctx, const char *name, const char *text),
		   void *ctx);

/* From now on, what is put is marked. Names of rules that are not: at most `max`
 * of them, borrowed until they are removed. Returns their number. */
void rulebook_mark(struct rulebook *b);
size_t rulebook_unmarked(const struct rulebook *b, struct span *out,
			 size_t max);

bool rule_version_eq(const struct rule_version *a,
		     const struct rule_version *b);

/* May it be the name of a rule? "<kind> <id>": no control characters, one space
 * behind a kind of small letters. And the text of one? */
bool rulebook_is_name(struct span name);
bool rulebook_is_text(struct span text);

/* Append "name\ntext\n…". Errors are the buffer's. */
void rulebook_lines(const struct rulebook *b, struct buf *out);

/* As a file: RULEBOOK_PREFIX, version, tag, then the lines. A part of it at a
 * time: *at is NULL at first, and between the calls nothing may be changed.
 * Returns whether that was all. Errors are the buffer's. */
bool rulebook_write(const struct rulebook *b, struct buf *out, const void **at);
/* Its inverse, into an empty one; lines that are no rules are left out, and then
 * it is of no version. Returns 0; WEIR_EPROTO: no such file (then *b is still empty); WEIR_ELIMIT;
 * WEIR_ENOMEM. */
WEIR_MUST_CHECK int rulebook_read(struct rulebook *b, struct span text);

#endif
