/* common/access/verdict.h - may this one publish or play?
 *
 * Everything that a process can judge by itself, from rules and settings, in
 * this order: who is one of the cluster may; bans; denied and allowed addresses;
 * referer; a signature, which must be right wherever one stands; lal's secret or
 * a signature where one is demanded (where lal's secret is, either will do).
 * Then, maybe, the webhook is to be asked. Limits and budgets are not known
 * here. Pure code.
 */
#ifndef WEIR_ACCESS_VERDICT_H
#define WEIR_ACCESS_VERDICT_H

#include "common/access/conf.h"
#include "common/access/ruleset.h"
#include "common/media/reason.h"

/* How it is asked for; the TLS and WebSocket forms are the same. */
enum access_protocol {
	ACCESS_RTMP,
	ACCESS_FLV,
	ACCESS_TS,
	ACCESS_HLS,     /* a playlist */
	ACCESS_SEGMENT, /* of HLS: bans, lists and referer only */
	ACCESS_RTSP,
};

/* All borrowed for the call. */
struct access_request {
	enum access_op op; /* one of the two */
	enum access_protocol protocol;
	const struct stream_key *key;
	const struct ip_addr *ip; /* NULL: from this machine, by Unix socket */
	struct span query;        /* raw, without '?'; all there are, joined by
				     '&' */
	struct span referer; /* of HTTP: its Origin, else its Referer; empty:
				none */
	struct span user_agent;
	const char *session_id; /* NULL: it has none yet */
	/* UTC, when another process of this cluster has let it in: a signature
	 * that held then holds, no webhook is asked. 0: it is new. */
	int64_t since_ms;
	bool is_inner; /* another node of this cluster */
};

enum access_verdict {
	ACCESS_YES,
	ACCESS_NO,
	ACCESS_ASK, /* as far as we know; the webhook decides */
};

struct access_decision {
	enum access_verdict verdict;
	enum reason reason; /* of ACCESS_NO: unauthorized (who it is, or what it
			       may, is not shown), denied, banned */
	const char *detail; /* static words for people, no secret; "" */
	bool is_signed;     /* rightly: nobody comes to that by guessing */
	bool is_guess;      /* refused for a signature or secret that is wrong,
			       not for one that is old, or absent */
	char user[SIGN_USER_MAX + 1]; /* that a right signature names; "" */
	char kid[SIGN_KID_MAX + 1];   /* of a right signature; "" */
	char credential[64];          /* for the claim: the same for the same
					 user; "": anonymous */
};

/* Decide; `now_ms` is UTC. */
void access_decide(struct access_decision *out, const struct access_request *rq,
		   const struct access_settings *settings,
		   const struct ruleset *rules, int64_t now_ms);

#endif
