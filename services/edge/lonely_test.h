/* services/edge/lonely_test.h - streams of a process without any other node, for
 * the tests of this room.
 */
#ifndef WEIR_EDGE_LONELY_TEST_H
#define WEIR_EDGE_LONELY_TEST_H

#include "common/test/check.h"
#include "services/edge/stream.h"

struct lonely {
	struct world world;
	struct loop *loop;
	struct followers *followers;
	struct streams *streams;
	unsigned work_count;
	unsigned visits[EVENT_VISIT_KINDS];
	enum reason visit_why; /* of the last */
};

static inline int64_t no_utc_us(void *ctx)
{
	(void)ctx;
	return 0;
}

static inline bool no_send(void *ctx, link_id link, const struct record *r)
{
	(void)ctx;
	(void)link;
	(void)r;
	return false;
}

static inline void no_dispatch(void *ctx, uint64_t tag,
			       const struct question *q, uint32_t deadline_ms)
{
	(void)ctx;
	(void)tag;
	(void)q;
	(void)deadline_ms;
}

static inline size_t no_origins(void *ctx, struct node_ref *out, size_t max)
{
	(void)ctx;
	(void)out;
	(void)max;
	return 0;
}

static inline link_id no_link_to(void *ctx, const char *node)
{
	(void)ctx;
	(void)node;
	return 0;
}

static inline const struct stream_entry *
none_known(void *ctx, const struct stream_key *key)
{
	(void)ctx;
	(void)key;
	return NULL;
}

static inline void no_event(void *ctx, const struct stream_key *key,
			    const char *what, int reason, const char *detail)
{
	(void)ctx;
	(void)key;
	(void)what;
	(void)reason;
	(void)detail;
}

static inline void on_lonely_event(void *ctx, const struct stream_key *key,
				   const char *what, enum reason why,
				   const char *detail)
{
	no_event(ctx, key, what, (int)why, detail);
}

static inline void on_lonely_visit(void *ctx, const struct stream_key *key,
				   const struct event_visit *v)
{
	struct lonely *l = ctx;

	(void)key;
	l->visits[v->kind]++;
	l->visit_why = (enum reason)v->reason;
}

static inline void on_lonely_work(void *ctx)
{
	struct lonely *l = ctx;

	l->work_count++;
}

static const struct streams_events lonely_events = {
	.on_event = on_lonely_event,
	.on_visit = on_lonely_visit,
	.on_work = on_lonely_work,
};

static inline void lonely_begin(struct lonely *l,
				const struct streams_limits *limits,
				struct edge_stats *stats)
{
	const struct log_limits log = {10000, 1 << 20, 1 << 20, 100};

	*l = (struct lonely){
		.world = {.utc_us = no_utc_us,
			  .send = no_send,
			  .ask_dispatch = no_dispatch,
			  .origins = no_origins,
			  .link_to = no_link_to,
			  .known = none_known,
			  .event = no_event,
			  .resolve_retry_ms = 1000},
	};
	CHECK_EQ(loop_new(&l->loop), 0);
	CHECK_EQ(followers_new(&l->followers, &l->world, &log), 0);
	CHECK_EQ(streams_new(&l->streams, l->loop, l->followers, limits, stats,
			     1, &lonely_events, l),
		 0);
}

static inline void lonely_end(struct lonely *l)
{
	streams_free(&l->streams);
	followers_free(&l->followers);
	loop_free(&l->loop);
}

#endif
