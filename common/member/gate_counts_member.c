/* common/member/gate_counts_member.c - what a gate counts, told by a process: its
 * links to dispatch, the loop's time, counters.
 */
#include <stdlib.h>

#include "common/member/gate_priv.h"

#define DISPATCHES_MAX 16

struct counts_member {
	struct svc *svc;
	struct member *member;
	struct gate_counts *counts;
	struct counts_world world;
	struct timer *timer;
	int64_t due_ms;
	struct list asks; /* under way at dispatch */
	struct gate_counts_stats stats;
	struct stat_series series;
	struct stat_refresh refresh;
};

/* The gate may be gone before its answer comes. */
struct counts_ask {
	struct list link;
	struct counts_member *cm; /* NULL: nobody waits */
	uint64_t tag;
};

#define S struct gate_counts_stats
/* clang-format off */
static const struct stat_metric metrics[] = {
	STAT_GAUGE(S, names, "weir_limits_names", "count",
		   "Streams and addresses that are counted here, because they have a limit."),
	STAT_GAUGE(S, full, "weir_limits_full_names", "count",
		   "Streams and addresses that take nobody new here for what the whole cluster has of them."),
	STAT_GAUGE(S, dispatches, "weir_limits_dispatches", "count",
		   "Dispatches that know all that is counted here."),
	STAT_COUNTER(S, refused, "weir_limits_refused_total", "count",
		     "Newcomers refused for what the whole cluster has, while there was room here."),
	STAT_COUNTER(S, failed, "weir_limits_talk_failures_total", "count",
		     "Talks about counts with a dispatch that broke off, and began anew."),
	STAT_COUNTER(S, left_out, "weir_limits_left_out_total", "count",
		     "Streams and addresses that are full because of others, and that there was no room for."),
};
/* clang-format on */
const struct stat_table gate_counts_stat =
	STAT_TABLE("limits", "", 1, S, metrics);

/* ---- the world ---- */

static size_t dispatches(void *ctx, link_id *out, size_t max)
{
	struct counts_member *cm = ctx;
	struct node_ref node[DISPATCHES_MAX];
	size_t count = bus_nodes(member_bus(cm->member), "dispatch", node,
				 DISPATCHES_MAX);

	count = WEIR_MIN(count, max);
	for (size_t i = 0; i < count; i++)
		out[i] = node[i].link;
	return count;
}

static void on_answer(void *ctx, int err, struct json_object *json)
{
	struct counts_ask *a = ctx;
	struct counts_member *cm = a->cm;
	uint64_t tag = a->tag;

	list_remove(&a->link);
	free(a);
	if (cm)
		gate_counts_answer(cm->counts, tag, err, json,
				   member_now_ms(cm->member));
}

static int ask(void *ctx, link_id link, uint64_t tag, struct json_object *args,
	       uint32_t deadline_ms)
{
	struct counts_member *cm = ctx;
	struct counts_ask *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return WEIR_ENOMEM;
	a->cm = cm;
	a->tag = tag;
	list_init(&a->link);
	list_append(&cm->asks, &a->link);
	err = member_ask(cm->member, link, "counts", args, deadline_ms,
			 on_answer, a);
	if (!err)
		return 0;
	list_remove(&a->link);
	free(a);
	return err;
}

static void wake_at(void *ctx, int64_t due_ms)
{
	struct counts_member *cm = ctx;
	int64_t now_ms = member_now_ms(cm->member);

	if (cm->due_ms <= due_ms)
		return;
	cm->due_ms = due_ms;
	timer_start(cm->timer,
		    due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 0);
}

static void on_timer(struct counts_member *cm)
{
	int64_t due_ms;

	cm->due_ms = INT64_MAX;
	due_ms = gate_counts_tick(cm->counts, member_now_ms(cm->member));
	if (due_ms != INT64_MAX)
		wake_at(cm, due_ms);
}

/* ---- life ---- */

static void refresh(void *ctx)
{
	struct counts_member *cm = ctx;

	gate_counts_read(cm->counts, &cm->stats);
}

void counts_member_free(struct counts_member **pcm)
{
	struct counts_member *cm = *pcm;

	if (!cm)
		return;
	if (cm->refresh.fn)
		stat_refresh_remove(&cm->refresh);
	stat_remove(&cm->series);
	list_each_safe (it, &cm->asks) { /* they end when their answer comes */
		list_remove(it);
		list_entry(it, struct counts_ask, link)->cm = NULL;
	}
	gate_counts_stop(cm->counts);
	timer_free(&cm->timer);
	free(cm);
	*pcm = NULL;
}

static int open_stats(struct counts_member *cm)
{
	struct stats *st = svc_stats(cm->svc);
	int err =
		stat_add(st, &gate_counts_stat, &cm->series, &cm->stats, NULL);

	if (!err)
		stat_refresh_add(st, &cm->refresh, refresh, cm);
	return err;
}

int counts_member_new(struct counts_member **out, struct svc *svc,
		      struct member *m, struct gate_counts *c)
{
	struct counts_member *cm = calloc(1, sizeof(*cm));
	int err;

	if (!cm)
		return WEIR_ENOMEM;
	*cm = (struct counts_member){
		.svc = svc,
		.member = m,
		.counts = c,
		.due_ms = INT64_MAX,
		.world = {cm, dispatches, ask, wake_at},
	};
	list_init(&cm->asks);
	err = timer_new(&cm->timer, svc_loop(svc), on_timer, cm);
	if (!err)
		err = open_stats(cm);
	if (err) {
		counts_member_free(&cm);
		return err;
	}
	gate_counts_start(c, &cm->world);
	*out = cm;
	return 0;
}
