/* services/origin/push.h - relay push: streams that have their home here, sent to
 * other RTMP servers by the rules of kind "push".
 *
 * A push is a cursor in the home's own log. It is a wanting one (homes_want) where
 * its rule says so, or names that one stream: a pattern would hold whatever was
 * pulled once. It ends where the home does: the next home begins it again. A server that is not
 * reached, refuses or goes away is tried again, after ever longer pauses. One
 * that takes too little is moved forward in the stream to the newest key frame;
 * one that takes nothing is left.
 */
#ifndef WEIR_ORIGIN_PUSH_H
#define WEIR_ORIGIN_PUSH_H

#include "common/access/ruleset.h"
#include "common/bus/home.h"
#include "common/log/logger.h"
#include "common/member/member.h"

struct pushes;

struct push_limits {
	uint32_t connect_ms;   /* from dialing until publish is accepted */
	uint32_t retry_ms;     /* the first pause; doubled each time … */
	uint32_t retry_max_ms; /* … up to this */
	uint32_t refused_ms;   /* so long only up to twice the first, where a
				  server is reached and refuses */
	uint32_t max_lag_ms;   /* further behind: on to the newest key frame */
	uint32_t stall_ms;     /* not one byte taken for so long: left */
	uint32_t max;          /* at a time, all streams */
};

struct push_stats {
	uint64_t running;  /* accepted by their servers */
	uint64_t left_out; /* addresses, for a limit */
	uint64_t attempts; /* ever */
	uint64_t failures; /* attempts that were refused or came to nothing, and
			      pushes that broke */
	uint64_t bytes, frames, skipped; /* ever; bytes that the kernel took */
};

/* What is around it. */
struct push_world {
	struct loop *loop;
	struct logger *log; /* NULL: says nothing */
	const char *cluster;
	struct tls_trust *trust; /* NULL: no rtmps */
	void *ctx;
	const struct ruleset *(*rules)(void *ctx);
	/* The stream is wanted by a push, or by none. */
	void (*want)(void *ctx, const struct stream_key *key, bool wants);
	/* Ask the publisher's ingest for the query that it came with; the
	 * answer comes by pushes_on_query, once, later. false: it never does. */
	bool (*ask_query)(void *ctx, const struct stream_key *key,
			  const char *writer_node);
	void (*event)(void *ctx, const struct stream_key *key, const char *what,
		      enum reason why, const char *detail);
};

extern const struct log_event push_start, push_end, push_failed;

/* `world` and `limits` are copied. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int pushes_new(struct pushes **out,
			       const struct push_world *world,
			       const struct push_limits *limits);
/* Before the homes. Connections are closed at once. NULL is fine. */
void pushes_free(struct pushes **p);

/* From the homes' on_change. */
void pushes_on_change(struct pushes *p, const struct home_info *info);
/* Rules have changed: then pushes_on_change for all streams, too. */
void pushes_on_rules(struct pushes *p);
/* `query` NULL: it is not known. */
void pushes_on_query(struct pushes *p, const struct stream_key *key,
		     const char *query);

void pushes_stats(const struct pushes *p, struct push_stats *out);

/* For the call "pushes", one page: {"stream","session_id","protocol","url",
 * "rule","state","reason","detail","attempts","failures","start_us",
 * "wrote_bytes","frames","skipped","lag_ms","remote_addr","retry_in_ms"}; `url`
 * without what may be secret; state one of waits (for media), dials, runs,
 * pauses (until the next attempt), leaves. `stream` NULL: all. */
void pushes_json(const struct pushes *p, const char *stream,
		 struct member_page *page);

#endif
