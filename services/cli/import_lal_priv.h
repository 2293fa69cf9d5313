/* services/cli/import_lal_priv.h - the parts of the import, for its files. */
#ifndef WEIR_CLI_IMPORT_LAL_PRIV_H
#define WEIR_CLI_IMPORT_LAL_PRIV_H

#include <json-c/json.h>

#include "services/cli/import_lal.h"

/* What happens to a setting of lal. */
struct lal_key {
	const char *path; /* "rtmp.addr"; "rtmp.*": all the others of rtmp */
	const char *why;  /* it has no equivalent; NULL: it has one */
	const char *gate; /* only in use when one of these is: "a.b|c.d" */
	const char *same; /* with this value nothing is lost; NULL: with what
			     is false, 0 or empty */
};

extern const struct lal_key lal_keys[]; /* ends with a NULL path */

struct import {
	struct json_object *from; /* lal's */
	struct json_object *to;   /* weir's */
	struct buf lost;          /* lines of comments */
	struct buf idle;
	unsigned lost_count;
};

/* By "section.name"; NULL where there is none. */
struct json_object *import_find(const struct import *im, const char *path);
bool import_is_on(const struct import *im, const char *path);
const char *import_text(const struct import *im, const char *path); /* or "" */

/* Say that something of lal is not as it was. */
void import_lose(struct import *im, const char *path, const char *why);

/* What has an equivalent, into im->to. */
void import_translate(struct import *im);

#endif
