/* services/origin/push_priv.h - the inside of relay push, shared by push.c (which
 * streams go where) and push_target.c (one server that gets one stream). Nobody
 * else includes it.
 */
#ifndef WEIR_ORIGIN_PUSH_PRIV_H
#define WEIR_ORIGIN_PUSH_PRIV_H

#include "common/base/map.h"
#include "common/member/session.h"
#include "remote/rtmp.h"
#include "services/origin/push.h"
#include "services/origin/push_feed.h"
#include "services/origin/push_plan.h"

struct pushes {
	struct push_world world;
	struct push_limits limits;
	struct push_stats stats;
	struct list streams; /* struct push_stream */
	struct map by_key;
	struct buf scratch;
	struct pass_task work; /* look at all streams */
	size_t target_count;
	bool has_new_rules;
};

/* A stream that has its home here, and is pushed. */
struct push_stream {
	struct list link;
	struct pushes *pushes;
	struct stream_key key;
	struct log *log; /* NULL: its home is elsewhere, or it is over */
	struct log_watch watch;
	bool has_join; /* there is something to begin with */
	bool has_writer, is_silenced;
	bool must_plan;
	bool asks_query, has_query, query_failed;
	size_t left_out; /* addresses, for a limit */
	char *query;     /* NULL: none */
	char writer_node[NODE_ID_SIZE];
	struct epoch epoch; /* whose query it is */
	struct list targets;
};

enum push_state {
	PUSH_WAITS, /* for media to be there */
	PUSH_DIALS,
	PUSH_RUNS,
	PUSH_PAUSES,
	PUSH_LEAVES,
};

struct push_target {
	struct list link;
	struct push_stream *stream;
	bool is_wanted; /* by the rules */
	bool keeps_pull;
	bool is_over;  /* the connection is; it is freed at the pass's end */
	uint8_t state; /* enum push_state */
	char rule[RULE_ID_MAX + 1];
	bool is_query_forwarded;
	char *url, *shown;
	struct remote_rtmp *remote;
	struct push_feed feed;
	struct session session; /* of this attempt */
	struct timer *timer;    /* the pause; or each second of a connection */
	uint64_t ran_ms;        /* since then it runs */
	uint64_t moved_ms;      /* when bytes left last */
	uint64_t retry_ms;      /* when the pause is over */
	uint64_t attempts;
	unsigned failures;                     /* in a row */
	uint64_t failing_ms;                   /* since then */
	uint64_t wrote_bytes, frames, skipped; /* of past attempts */
	enum reason why;                       /* it failed last */
	char detail[160];
};

/* ---- push.c ---- */

/* Look at all streams before the loop waits again. */
void pushes_wake(struct pushes *p);

/* ---- push_target.c ---- */

/* Returns 0 and *out, in the stream's list; or WEIR_ENOMEM. */
WEIR_MUST_CHECK int push_target_new(struct push_target **out,
				    struct push_stream *s,
				    const struct push_want *want);
void push_target_free(struct push_target **t);
/* Do what is due; true: it is over, and wanted by nobody. */
bool push_target_work(struct push_target *t);
/* Send what there is and the server takes. */
void push_target_pump(struct push_target *t);
/* The log goes away. */
void push_target_stop(struct push_target *t);
uint64_t push_target_bytes(const struct push_target *t);
struct json_object *push_target_json(const struct push_target *t);

#endif
