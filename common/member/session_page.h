/* common/member/session_page.h - some of a node's sessions: those that are asked
 * for, in the order of their ids, behind one.
 *
 * Whoever lists all asks again behind the last one: who stays is told once,
 * whoever comes and goes meanwhile. The call "sessions" with
 *
 *	"limit"    how many at most (1 to SESSION_PAGE_MAX)
 *	"after"    only ids behind this one
 *	"stream", "protocol", "base_type", "user"  only these
 *	"ip"       only those from an address or a block
 *
 * is answered with {"sessions":[…],"more":true}; "more" is there if it is so.
 */
#ifndef WEIR_MEMBER_SESSION_PAGE_H
#define WEIR_MEMBER_SESSION_PAGE_H

#include "common/access/cidr.h"
#include "common/member/session.h"

/* About 400 bytes each; all of it is below what an answer may have. */
#define SESSION_PAGE_MAX 500

struct session_page {
	const char *stream; /* NULL: any; borrowed, as all that is asked for */
	const char *protocol, *base_type, *user, *after;
	bool has_ip;
	struct cidr ip;
	size_t limit, count;
	const struct session
		*row[SESSION_PAGE_MAX]; /* those with the first ids */
	bool has_more;
};

/* Is it asked for, and not for all of them? */
bool session_page_is_asked(struct json_object *args);

/* `args` must stay until the end. Returns 0; WEIR_EINVAL: no address. */
WEIR_MUST_CHECK int session_page_begin(struct session_page *p,
				       struct json_object *args);

/* One of the node's sessions, in any order; `ctx` is the page. It must stay until
 * the end. Costs no memory. */
void session_page_offer(void *ctx, struct session *s);

/* The answer; the caller's. Queries of addresses (url_param) are left out. NULL
 * without memory. */
struct json_object *session_page_end(const struct session_page *p);

#endif
