/* common/member/gate.h - the decision at every door: who may publish or play.
 *
 * One per ingest and edge. Asked before anything is answered; in this order:
 * verdict (common/access: lists, bans, signatures, lal's secret, referer),
 * limits, admission by budget, webhook. Whoever was let in and stays is in the
 * gate's list until gate_leave: rules that change end them, a kick finds them.
 *
 * Nothing here blocks, and nothing is done per frame. Rules that are not known
 * yet (a process that has just started) hold a question for a while.
 */
#ifndef WEIR_MEMBER_GATE_H
#define WEIR_MEMBER_GATE_H

#include "common/access/verdict.h"
#include "common/base/list.h"
#include "common/media/reason.h"
#include "common/member/member.h"
#include "common/member/session.h"

struct gate;
struct gate_wait;

#define GATE_DETAIL_SIZE 96
/* Of a question that waits for rules or, on publish, for a lack of ours. */
#define GATE_HOLD_MS 5000

enum gate_word {
	GATE_YES,
	GATE_NO,
	GATE_WAITS, /* on_word comes later, unless gate_leave does */
};

struct gate_answer {
	enum reason why; /* REASON_none: yes */
	char detail[GATE_DETAIL_SIZE];
	char user[SIGN_USER_MAX + 1]; /* as the webhook says; the gate's own */
};

/* Of who asks. Never from inside a call of the gate but gate_tick, gate_on_rules
 * and gate_kick; both may call gate_leave. */
struct gate_owner {
	/* After GATE_WAITS, once: `a` is borrowed. */
	void (*on_word)(void *ctx, const struct gate_answer *a);
	/* It was let in, and may not stay: banned, denied, kicked, or its key is
	 * gone. It leaves when it likes; on_end may come again until then. */
	void (*on_end)(void *ctx, enum reason why, const char *detail);
};

/* Who asks, as part of what has the connection: zero at first. The rest is the
 * gate's. */
struct gate_pass {
	struct list link;  /* in the gate's, from gate_ask to gate_leave */
	struct gate *gate; /* NULL: not there */
	const struct gate_owner *owner;
	void *ctx;
	const struct session *session; /* borrowed; NULL: none (HLS) */
	const struct net_addr *peer;   /* borrowed */
	struct gate_wait *wait;        /* while it waits */
	uint8_t op;                    /* enum access_op */
	bool is_in;                    /* and is counted */
	bool is_ending;                /* on_end was called */
	bool is_ours; /* set by its owner: rules do not put it out */
	char *names;  /* struct gate_names, in one piece; NULL: none */
};

extern const struct stat_table gate_stat, gate_counts_stat;

/* By member: its rules, its links to dispatch, its loop. Returns 0, WEIR_ENOMEM
 * or -errno. */
WEIR_MUST_CHECK int gate_new(struct gate **out, struct svc *svc,
			     struct member *m);
/* Those who wait are not answered any more; all passes must have left or are
 * forgotten. NULL is fine. */
void gate_free(struct gate **g);

/* May it? `rq` is borrowed for the call; `session` (NULL: a single request, that
 * is not counted and leaves by itself when it is answered) and `peer` until
 * gate_leave. GATE_YES: it is in. GATE_NO: it is not, *why says it. */
WEIR_MUST_CHECK enum gate_word
gate_ask(struct gate *g, struct gate_pass *pass, struct gate_answer *why,
	 const struct access_request *rq, const struct session *session,
	 const struct net_addr *peer, const struct gate_owner *owner,
	 void *ctx);

/* It goes, or does not want to know any more. Fine on zeroes, and twice. */
void gate_leave(struct gate_pass *pass);

const char *gate_user(const struct gate_pass *pass);       /* "": none */
const char *gate_credential(const struct gate_pass *pass); /* "": none */

/* What is known of who is in; "" where nothing is. The credential is for the
 * claim, the key id for the day when that key is gone. */
struct gate_names {
	const char *user, *credential, *kid; /* borrowed */
};
void gate_names_of(const struct gate_pass *pass, struct gate_names *out);

/* It was let in by another process, and is here now: in the list, and not
 * counted (gate_count). If by the rules it may not stay any more, on_end comes soon. Returns 0 or WEIR_ENOMEM: it is not in. */
WEIR_MUST_CHECK int gate_adopt(struct gate *g, struct gate_pass *pass,
			       enum access_op op, const struct session *session,
			       const struct net_addr *peer,
			       const struct gate_names *names,
			       const struct gate_owner *owner, void *ctx);

/* Count a publisher that was adopted, whatever the limit, once; until it leaves. */
void gate_count(struct gate_pass *pass);

/* For parts of what was asked for before (ACCESS_SEGMENT): REASON_none or why
 * not. */
enum reason gate_lists(struct gate *g, const struct access_request *rq);

/* Why nobody new is let in now, by what the node still has; REASON_none: they
 * are. */
enum reason gate_is_full(const struct gate *g, enum access_op op);

/* End all who are in, or wait, and fit all that is not NULL, as a ban rule with
 * these fields would have them. Returns how many; with all NULL none. */
struct gate_match {
	const char *session_id;
	const char *stream; /* a pattern */
	const char *ip;     /* an address or a block */
	const char *user;
};
size_t gate_kick(struct gate *g, const struct gate_match *who);

/* The same as a ban of this moment, so that a kick and a ban find the same; the
 * caller's. NULL: none of it is set, or fits to a rule, or no memory. */
struct rule *gate_ban_of(const struct gate_match *who);

/* The arguments of the call "kick", borrowed. */
struct gate_match gate_match_of(struct json_object *args);

/* The call "kick" of dispatch: {"session_id"|"stream"|"ip"|"user"} →
 * {"kicked":n}. The caller's; NULL without memory. */
struct json_object *gate_kick_json(struct gate *g, struct json_object *args);

/* From the member's on_rules. */
void gate_on_rules(struct gate *g);
/* From the member's on_load, each second: what was sent in the last one. */
void gate_on_load(struct gate *g, const struct node_load *load);

#endif
