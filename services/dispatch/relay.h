/* services/dispatch/relay.h - relay pulls, as a dispatch orders them: one for
 * the whole cluster, whoever asks.
 *
 * A pull is done by an ingest, which claims the stream before it dials: of two
 * orders, also of two dispatches, one dials. Who waits for a stream that nobody
 * has starts the first rule that fits (relay_wanted); rules that are kept on are
 * ordered whether somebody waits or not; the API starts and stops pulls of its
 * own (relay_start_pull, relay_stop_pull), each of which is a rule as long as it
 * lasts ("once", common/access/rule.h): so every dispatch keeps it on.
 *
 * What is pulled is told by the ingests' call "pulls", in pages:
 * {"pulls":[{"stream","session_id","protocol","url","rule","state","reason",
 * "detail","attempts","start_us","read_bytes","auto_stop_ms","retry_num",
 * "wanted"}]}: url without its query, rule the session's id for one of the API,
 * state one of claims, dials (and waits for media), runs, pauses (until the next
 * attempt).
 */
#ifndef WEIR_DISPATCH_RELAY_H
#define WEIR_DISPATCH_RELAY_H

#include "common/bus/world.h"

struct dispatch;
struct relay;

/* One that the API wants; all is copied. */
struct relay_pull {
	struct stream_key key;
	const char *url;         /* rtmp, rtmps, http or https; FLV by HTTP */
	int64_t pull_timeout_ms; /* until media comes; 0: no limit */
	int64_t retry_num;       /* attempts behind the first; -1: for ever */
	int64_t auto_stop_ms;    /* after the last viewer; -1: never */
	const char *request_id;  /* "" or: a repeat is answered as before */
};

enum relay_verdict {
	RELAY_DONE,      /* it has begun, or is stopped */
	RELAY_BAD_URL,   /* detail says what is wrong */
	RELAY_EXISTS,    /* the stream is published, or pulled */
	RELAY_UNWANTED,  /* auto_stop_ms is 0, and nobody watches */
	RELAY_NOT_FOUND, /* stop: nothing is pulled by that name */
	RELAY_SPENT,     /* its attempts are spent; a rule's only */
	RELAY_NO_INGEST, /* none is reached, or none takes it */
	RELAY_SILENT,    /* the ingest did not answer in time */
	RELAY_REGISTRY,  /* its rule could not be put, or deleted */
};

/* Borrowed while fn runs. */
struct relay_answer {
	enum relay_verdict verdict;
	const char *session_id; /* of RELAY_DONE, else "" */
	const char *detail;     /* words for people, or "" */
	const char *node;       /* the ingest that was asked last, or "" */
};
typedef void relay_fn(void *ctx, const struct relay_answer *a);

/* A pull that has begun goes on at another ingest when its own dies or takes leave,
 * until it is stopped, its attempts are spent, nobody has wanted it for so long, or
 * a publisher takes the stream.
 *
 * `fn` comes exactly once, later. Returns 0, or WEIR_ENOMEM: it never comes.
 * RELAY_DONE of a start says that the stream is claimed and is being dialed; how
 * that goes is seen in the sessions, in "pulls", and in the stream's events. */
WEIR_MUST_CHECK int relay_start_pull(struct dispatch *d,
				     const struct relay_pull *p, relay_fn *fn,
				     void *ctx);
/* Of any rule, or of the API, also while no ingest has it. One of a rule begins
 * again when somebody wants it.
 * `request_id` as above. */
WEIR_MUST_CHECK int relay_stop_pull(struct dispatch *d,
				    const struct stream_key *key,
				    const char *request_id, relay_fn *fn,
				    void *ctx);

WEIR_MUST_CHECK int relay_new(struct relay **out, struct dispatch *d);
/* Who waits is answered RELAY_SILENT. */
void relay_free(struct relay **r);

/* The rules have changed. */
void relay_on_rules(struct relay *r);

/* A consumer looks for a stream that nobody has (RESOLVE): the first pull rule
 * that fits is ordered, if it is not under way. */
void relay_wanted(struct relay *r, const struct question *q, int64_t now_ms);

#endif
