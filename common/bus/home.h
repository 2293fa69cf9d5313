/* common/bus/home.h - the streams of an origin: truth for all consumers.
 *
 * Pure. One struct homes per process. It accepts or fences writers by their
 * terms, keeps each log, serves consumers with feeds, tells them when the
 * writer is lost, and ends a stream when its grace is over.
 */
#ifndef WEIR_BUS_HOME_H
#define WEIR_BUS_HOME_H

#include "common/bus/feed.h"
#include "common/bus/world.h"

struct homes;

struct home_limits {
	struct log_limits log;
	uint32_t max_lag_ms; /* of a consumer in skip mode */
	uint32_t streams_max;
	uint32_t consumers_max; /* SUBs and WHEREs, per link */
};

/* A stream as the service shows it. */
struct home_info {
	const struct stream_key *key;
	const struct stream_entry *entry;
	struct log *log;             /* NULL: only known to be elsewhere */
	bool is_home;                /* else replica or left over */
	bool has_writer;             /* its link is up and bound */
	bool is_silenced;            /* nothing may leave: it is validated */
	uint32_t wanting, following; /* SUBs, and this process itself */
	uint64_t skipped;            /* frames, all consumers */
};

struct home_events {
	/* A stream came, went, changed writer or home, or whether it may be
	 * sent. The log may be read until one comes with is_home false. NULL is
	 * fine. */
	void (*on_change)(void *ctx, const struct home_info *info);
};

WEIR_MUST_CHECK int homes_new(struct homes **out, const struct world *world,
			      const struct home_limits *limits,
			      const struct home_events *events, void *ctx);
void homes_free(struct homes **hs);

/* Links of any role. */
void homes_on_link(struct homes *hs, const struct node_ref *node, bool is_up,
		   int64_t now_ms);
/* Returns 0, or WEIR_EPROTO/WEIR_ELIMIT: the peer broke the rules: close it. */
WEIR_MUST_CHECK int homes_on_record(struct homes *hs, link_id link,
				    const struct record *r, int64_t now_ms);
/* A whole frame of a writer (FRAME or STATE put together by the bus). */
/* As in bus_events; at most FETCH_AHEAD_MAX. */
void homes_ahead(const struct homes *hs, link_id link, const uint32_t *sids,
		 size_t count);
WEIR_MUST_CHECK int homes_on_frame(struct homes *hs, link_id link,
				   uint16_t type, uint32_t sid,
				   uint64_t term_number, struct frame *f,
				   int64_t now_ms);
bool homes_on_answer(struct homes *hs, uint64_t tag, const struct answer *a,
		     int64_t now_ms);
bool homes_on_script(struct homes *hs, uint64_t tag,
		     const struct script_result *r, int64_t now_ms);
/* ALIVE, CLAIM, VALIDATE asked of this origin. */
void homes_on_question(struct homes *hs, const struct question *q,
		       struct answer *out, int64_t now_ms);
void homes_on_registry(struct homes *hs, bool is_up, bool is_other,
		       int64_t now_ms);
void homes_on_entry(struct homes *hs, const struct stream_entry *e,
		    int64_t now_ms);
void homes_on_away(struct homes *hs, int64_t now_ms);
int64_t homes_tick(struct homes *hs, int64_t now_ms);
/* This process reads the stream at its home itself (a relay push): while it
 * wants to, the stream is a wanted one. Forgotten with the home. */
void homes_want(struct homes *hs, const struct stream_key *key, bool wants,
		int64_t now_ms);
/* Tell every writer and consumer to move away. */
void homes_drain(struct homes *hs, int64_t now_ms);
/* No writer and no stream in grace is left here. */
bool homes_is_empty(const struct homes *hs);

void homes_each(const struct homes *hs,
		void (*fn)(void *ctx, const struct home_info *info), void *ctx);

/* Those who take a stream from here (SUB). */
void homes_each_consumer(const struct homes *hs, const struct stream_key *key,
			 void (*fn)(void *ctx, const struct node_ref *node,
				    bool is_wanting),
			 void *ctx);

#endif
