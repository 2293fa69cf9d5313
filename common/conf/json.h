/* common/conf/json.h - small JSON needs of the common rooms. */
#ifndef WEIR_CONF_JSON_H
#define WEIR_CONF_JSON_H

#include "common/base/buf.h"

struct json_object;

/* Append `text` as a JSON string with its quotes. What is not UTF-8 becomes
 * U+FFFD. */
void json_put_string(struct buf *out, struct span text);

/* Give an object one more field. Without memory it is not there. */
void json_add_text(struct json_object *o, const char *name, const char *text);
void json_add_int(struct json_object *o, const char *name, int64_t n);
void json_add_uint(struct json_object *o, const char *name, uint64_t n);

/* Offset behind the blanks and comments that begin at `at`. */
size_t json_skip_blank(struct span text, size_t at);

/* Offset of the key at "a.b.c" in a document that is known to be well-formed;
 * SIZE_MAX when it is not there. */
size_t json_find_key(struct span text, const char *path);

struct json_place {
	unsigned line;   /* from 1 */
	unsigned column; /* in bytes, from 1 */
};
struct json_place json_place_of(struct span text, size_t at);

#endif
