/* common/access/rule.h - one rule of the cluster: as JSON, and as a struct.
 *
 * A rule is the same object wherever it comes from: settings (cluster.rules),
 * the API, the registry, the copy on disk. Every rule has
 *
 *	"kind"      "deny", "allow", "ban", "key", "pull" or "push"
 *	"id"        its name among those of its kind: 1-64 of A-Z a-z 0-9 . _ : ~ @
 *	            and -; kind and id name a rule
 *	"until_ms"  UTC; from then on it is over; 0 or absent: never
 *	"note"      for people; at most 256 bytes
 *
 * and what its kind needs (a value behind = is the default, others are needed):
 *
 *	deny, allow "cidr": "192.0.2.0/24" or a list of 1-64; "ops"="both"
 *	            Denied addresses are refused. If there is an allow rule for an
 *	            operation, addresses that none of them has are refused too.
 *	ban         at least one of "session", "stream" (a pattern), "ip" (a block),
 *	            "user": whoever fits all that stand; "ops"="both"
 *	key         "secret" (16-256 printable characters); "ops"="both": what may
 *	            be signed with it; the id (at most 32) is weir_kid
 *	pull        "streams" (a pattern), "urls" (1-8 templates: rtmp, rtmps, http,
 *	            https; tried in this order), "on_demand"=true (false: kept on,
 *	            and "streams" means one stream), "pull_timeout_ms"=10000 (1-600
 *	            000), "retry_num"=-1 (for ever), "auto_stop_ms"=0 (-1: never; 0:
 *	            at once; else so long without anybody who wants it)
 *	            "once"=false; true: it is one pull, which start_relay_pull has
 *	            begun. Its id is that of the session (at most 47), "streams" the
 *	            key of a stream, "urls" an address as it stands. It is kept on
 *	            ("on_demand" is false) within its limits, which may be wider (no
 *	            time-out: 0), and the rule goes when the pull is over
 *	push        "streams", "urls" (1-8: rtmp, rtmps), "forward_query"=false,
 *	            "keep_pull": does it hold a stream that is pulled on demand?
 *	            Absent: if "streams" is one stream; written where it is not so
 *
 * A rule is written once and then shared by reference; the count is not atomic:
 * one loop. Pure code.
 */
#ifndef WEIR_ACCESS_RULE_H
#define WEIR_ACCESS_RULE_H

#include "common/access/sign.h"

struct json_object;

#define RULE_ID_MAX    64
#define RULE_NOTE_MAX  256
#define RULE_CIDRS_MAX 64
#define RULE_URLS_MAX  8
#define RULE_TEXT_MAX  64    /* of a session's id */
#define RULE_ONCE_MAX  47    /* of the id of a pull that is one session */
#define RULE_BYTES_MAX 16384 /* of one rule as JSON */

enum rule_kind {
	RULE_DENY,
	RULE_ALLOW,
	RULE_BAN,
	RULE_KEY,
	RULE_PULL,
	RULE_PUSH,
	RULE_KIND_COUNT,
};

struct rule_list { /* deny and allow */
	struct cidr *cidr;
	unsigned cidr_count;
	unsigned ops; /* enum access_op, as a set */
};

struct rule_ban { /* at least one of the has_… */
	bool has_session, has_streams, has_ip, has_user;
	char session[RULE_TEXT_MAX + 1];
	char user[SIGN_USER_MAX + 1];
	struct cidr ip;
	struct stream_pattern streams;
	unsigned ops;
};

struct rule_key {
	char secret[SIGN_SECRET_MAX + 1];
	unsigned ops;
};

struct rule_pull {
	struct stream_pattern streams;
	char *url[RULE_URLS_MAX]; /* templates: url_template_expand */
	unsigned url_count;
	bool is_on_demand;
	bool is_once; /* the texts are no patterns and no templates then */
	uint32_t pull_timeout_ms;
	int32_t retry_num;    /* -1: for ever */
	int64_t auto_stop_ms; /* -1: never; 0: at once */
};

struct rule_push {
	struct stream_pattern streams;
	char *url[RULE_URLS_MAX];
	unsigned url_count;
	bool is_query_forwarded; /* without what redact.h calls secret */
	bool keeps_pull;         /* it wants the stream, as viewers do */
};

struct rule {
	unsigned refs; /* rule_ref and rule_unref only */
	enum rule_kind kind;
	char id[RULE_ID_MAX + 1];
	int64_t until_ms; /* UTC; 0: never over */
	char *note;       /* never NULL */
	union {
		struct rule_list list; /* RULE_DENY, RULE_ALLOW */
		struct rule_ban ban;
		struct rule_key key;
		struct rule_pull pull;
		struct rule_push push;
	};
};

/* What is wrong with a rule, for people; no secret is in it. */
struct rule_fault {
	char where[64]; /* "urls[2]", "[4].cidr"; "": the whole */
	char what[128]; /* "an address or a block such as 10.0.0.0/8" */
};

/* Read a rule, whoever wrote it. Unknown fields are refused. Returns 0 and *out
 * with one reference; WEIR_EINVAL with *fault (may be NULL) filled in;
 * WEIR_ELIMIT: longer than RULE_BYTES_MAX (*fault too); WEIR_ENOMEM. */
WEIR_MUST_CHECK int rule_read(struct rule **out, struct span json,
			      struct rule_fault *fault);

/* The same of parsed JSON (borrowed; NULL is JSON's null). Without an "id", and
 * with `kind` for an absent "kind", these take their place; both may be NULL. */
WEIR_MUST_CHECK int rule_read_json(struct rule **out, struct json_object *json,
				   const char *kind, const char *id,
				   struct rule_fault *fault);

enum rule_form {
	RULE_WHOLE, /* rule_read takes it: registry, disk */
	RULE_SHOWN, /* for people: no "secret", "urls" as by redact.h */
};

/* Append a rule as JSON, in one line, all defaults spelled out: equal rules are
 * equal texts. Failures are the buffer's. */
void rule_write(struct buf *out, const struct rule *r, enum rule_form form);

struct rule *rule_ref(const struct rule *r);
/* Give up a reference and set *r to NULL; NULL is fine. A key's secret is wiped
 * with the last one. */
void rule_unref(struct rule **r);

bool rule_is_over(const struct rule *r, int64_t now_ms);

/* "deny"; static. -1: no such kind. */
const char *rule_kind_name(enum rule_kind kind);
int rule_kind_of(struct span name);

#endif
