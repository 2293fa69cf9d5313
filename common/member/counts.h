/* common/member/counts.h - how many there are of what is limited, as nodes tell
 * each other: the call "counts", put to a dispatch by a gate.
 *
 * A report has what has changed at the gate, as it is now; the answer what has
 * changed elsewhere, as much as the gate needs of it:
 *
 *	{"session":4711,"seq":0,"limits":{"streams":9,"viewers":0,"publishers":2},
 *	 "streams":{"live/a":3},"publishers":{"192.0.2.7":1}}
 *	{"seq":0,"streams":{"live/a":2,"live/full":9},"more":true}
 *	{"seq":1,"again":true}
 *
 * A session is one conversation. It begins with seq 0, whereupon both forget
 * what was before, and each further report has the next seq, once the one before
 * was answered. "again": dispatch does not know this session; the gate
 * begins another one. "limits" (0: none) come with seq 0. What was not all told
 * goes on in the next report, what has "more" in the next answer.
 *
 * Pure: no socket and no clock. What is unknown in an object is skipped.
 */
#ifndef WEIR_MEMBER_COUNTS_H
#define WEIR_MEMBER_COUNTS_H

#include <json-c/json.h>

#include "common/base/err.h"
#include "common/base/span.h"

enum counts_kind {
	COUNTS_STREAMS,    /* viewers of a stream, by its key */
	COUNTS_VIEWERS,    /* viewers from an address */
	COUNTS_PUBLISHERS, /* publishers from an address */
	COUNTS_KINDS,
};

#define COUNTS_NAME_MAX 512 /* bytes */
#define COUNTS_MAX      1000000000
/* Of one report or answer. */
#define COUNTS_PAGE_NAMES 1000
#define COUNTS_PAGE_BYTES 48000

struct counts_report {
	int64_t session, seq;
	uint32_t limit[COUNTS_KINDS]; /* with seq 0, else zero */
};

struct counts_answer {
	int64_t seq;
	bool is_again;
	bool has_more;
};

/* ---- reading what a peer has sent ---- */

/* The head, once all of it and all names are found right: `json` may be anything.
 * Returns 0; WEIR_EPROTO; WEIR_ELIMIT: more names than a page has. */
WEIR_MUST_CHECK int counts_report_read(struct counts_report *out,
				       struct json_object *json);
WEIR_MUST_CHECK int counts_answer_read(struct counts_answer *out,
				       struct json_object *json);

/* Each name of one that was read; borrowed. Returns 0, or with what `fn` ended
 * it. */
typedef int counts_name_fn(void *ctx, enum counts_kind kind, struct span name,
			   uint32_t count);
WEIR_MUST_CHECK int counts_each(struct json_object *json, counts_name_fn *fn,
				void *ctx);

/* ---- writing ---- */

struct counts_page {
	struct json_object *json;             /* the whole */
	struct json_object *of[COUNTS_KINDS]; /* in it; NULL: none yet */
	size_t names, bytes;
};

/* Returns 0 or WEIR_ENOMEM: there is nothing to end. */
WEIR_MUST_CHECK int counts_page_begin(struct counts_page *p);
/* `name` has 1 to COUNTS_NAME_MAX bytes and no NUL. Returns 0; WEIR_ELIMIT: it
 * goes on the next page; WEIR_ENOMEM. */
WEIR_MUST_CHECK int counts_page_put(struct counts_page *p,
				    enum counts_kind kind, struct span name,
				    uint32_t count);
/* The page with its head: the caller's. NULL: there was no memory. Either ends
 * the page; so does counts_page_drop. */
struct json_object *counts_page_report(struct counts_page *p,
				       const struct counts_report *head);
struct json_object *counts_page_answer(struct counts_page *p,
				       const struct counts_answer *head);
void counts_page_drop(struct counts_page *p);

#endif
