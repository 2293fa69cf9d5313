/* services/edge/stream.h - the streams of an edge: found, subscribed, fanned
 * out.
 *
 * A stream is made by the first viewer that asks for it: it follows the home
 * and fills a fanout. The subscription is left when it had no viewer for
 * idle_keep_ms.
 */
#ifndef WEIR_EDGE_STREAM_H
#define WEIR_EDGE_STREAM_H

#include "common/bus/follower.h"
#include "common/member/events.h"
#include "services/edge/fanout.h"

struct stream;
struct streams;

struct streams_limits {
	struct fanout_limits fanout;
	uint32_t streams_max;
	uint32_t idle_keep_ms;
	uint32_t latency_budget_ms; /* frames wait at most so long for others */
};

struct streams_events {
	/* Something for the stream's history: "skip", with a detail. */
	void (*on_event)(void *ctx, const struct stream_key *key,
			 const char *what, enum reason why, const char *detail);
	/* Somebody was refused, or put out. */
	void (*on_visit)(void *ctx, const struct stream_key *key,
			 const struct event_visit *v);
	/* Something was asked of a follower: have followers_tick called. */
	void (*on_work)(void *ctx);
};

/* All borrowed but limits. `seed` hides the order of keys. Returns 0 or
 * WEIR_ENOMEM. */
WEIR_MUST_CHECK int streams_new(struct streams **out, struct loop *loop,
				struct followers *followers,
				const struct streams_limits *limits,
				struct edge_stats *stats, uint64_t seed,
				const struct streams_events *events, void *ctx);
/* There must be no viewers. */
void streams_free(struct streams **ss);

/* Every 100 to 500 ms. */
void streams_tick(struct streams *ss, uint64_t now_ms);
/* Somebody was refused or put out: for the history of a stream, which needs not be
 * here. */
void streams_visit(struct streams *ss, const struct stream_key *key,
		   const struct event_visit *v);
/* Bring the gauges of the stats up to date. */
void streams_measure(struct streams *ss);

/* Use the stream of a key; it is made if it is not there. Returns 0;
 * WEIR_ELIMIT: too many streams; WEIR_ENOMEM. */
WEIR_MUST_CHECK int stream_enter(struct stream **out, struct streams *ss,
				 const struct stream_key *key);
/* The same for who has come through clusters (common/media/via.h): what is begun
 * for such users alone must not go back to where they come from. */
WEIR_MUST_CHECK int stream_enter_by(struct stream **out, struct streams *ss,
				    const struct stream_key *key,
				    const char *via);
/* Use it no more; set to NULL; NULL is fine. */
void stream_leave(struct stream **s);

const struct stream_key *stream_key(const struct stream *s);
struct fanout *stream_fanout(struct stream *s);

#endif
