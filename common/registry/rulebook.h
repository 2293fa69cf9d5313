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

struct rule_version {
	uint64_t number; /* 0: none yet */
	char tag[RULEBOOK_TAG_SIZE];
};

struct rulebook {
	struct map texts; /* name → char *, ours */
	struct rule_version version;
};

void rulebook_init(struct rulebook *b, uint64_t seed);
void rulebook_fini(struct rulebook *b);

/* One field of the registry's hash; those that begin with '#' are the version,
 * or skipped. Returns 0; WEIR_EPROTO: no rule's name or text, which is left out;
 * WEIR_ELIMIT: more than REGISTRY_RULES_MAX; WEIR_ENOMEM. */
WEIR_MUST_CHECK int rulebook_take(struct rulebook *b, struct span name,
				  struct span text);

/* In no order. */
void rulebook_each(const struct rulebook *b,
		   void (*fn)(void *ctx, const char *name, const char *text),
		   void *ctx);

bool rule_version_eq(const struct rule_version *a,
		     const struct rule_version *b);

/* May it be the name of a rule? "<kind> <id>": no control characters, one space
 * behind a kind of small letters. And the text of one? */
bool rulebook_is_name(struct span name);
bool rulebook_is_text(struct span text);

/* Append "name\ntext\n…". Errors are the buffer's. */
void rulebook_lines(const struct rulebook *b, struct buf *out);

/* As a file: RULEBOOK_PREFIX, version, tag, then the lines. */
void rulebook_write(const struct rulebook *b, struct buf *out);
/* Its inverse, into an empty one; lines that are no rules are left out. Returns
 * 0; WEIR_EPROTO: no such file (then *b is still empty); WEIR_ELIMIT;
 * WEIR_ENOMEM. */
WEIR_MUST_CHECK int rulebook_read(struct rulebook *b, struct span text);

#endif
