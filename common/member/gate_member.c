/* common/member/gate_member.c - a gate in a process: rules of the member, links
 * to dispatch, the loop's time, what the process uses.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/access/conf.h"
#include "common/member/gate_priv.h"

#define DISPATCHES_MAX 16

struct gate_member {
	struct gate *gate;
	struct svc *svc;
	struct member *member;
	struct gate_world world;
	struct timer *timer;
	int64_t due_ms;
	struct list asks; /* under way at dispatch */
	struct stat_series series;
};

/* The record of one try; the gate may be gone before its answer comes. */
struct gate_ask {
	struct list link;
	struct gate_member *gm; /* NULL: nobody waits */
	struct pass_task task;  /* for an answer of our own */
	bool is_own;
	uint64_t tag;
};

#define H struct gate_hook
/* clang-format off */
static const struct stat_metric metrics[] = {
	STAT_COUNTER(H, asked, "weir_auth_webhook_asked_total", "count",
		     "Questions for the webhook, put to a dispatch."),
	STAT_COUNTER(H, failed, "weir_auth_webhook_failed_total", "count",
		     "Such questions without an answer in time."),
};
/* clang-format on */
const struct stat_table gate_stat = STAT_TABLE("gate", "", 1, H, metrics);

/* ---- time and rules ---- */

static int64_t now_ms(void *ctx)
{
	struct gate_member *gm = ctx;

	return member_now_ms(gm->member);
}

static int64_t utc_ms(void *ctx)
{
	(void)ctx;
	return io_utc_us() / 1000;
}

static const struct ruleset *rules(void *ctx)
{
	struct gate_member *gm = ctx;

	return member_rules(gm->member);
}

static bool rules_are_known(void *ctx)
{
	struct gate_member *gm = ctx;

	return member_rules_are_known(gm->member);
}

static void on_timer(struct gate_member *gm)
{
	gm->due_ms = INT64_MAX;
	gate_tick(gm->gate);
}

static void wake_at(void *ctx, int64_t due_ms)
{
	struct gate_member *gm = ctx;
	int64_t now = now_ms(ctx);

	if (gm->due_ms <= due_ms)
		return;
	gm->due_ms = due_ms;
	timer_start(gm->timer, due_ms > now ? (uint64_t)(due_ms - now) : 0);
}

/* ---- what the process uses ---- */

/* The kernel gives the lowest descriptor that is free: so many are in use, at
 * least, and what is free below the highest one can still be had. */
static unsigned lowest_free(unsigned none)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0) /* or it may not be opened, which says nothing */
		return errno == EMFILE || errno == ENFILE ? none : 0;
	close(fd);
	return (unsigned)fd;
}

static void usage(void *ctx, struct gate_usage *out)
{
	struct rlimit limit;

	(void)ctx;
	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > UINT_MAX)
		return;
	out->descriptors_max = (unsigned)limit.rlim_cur;
	out->descriptors = lowest_free(out->descriptors_max);
}

/* ---- asking dispatch ---- */

static void on_answer(void *ctx, int err, struct json_object *json)
{
	struct gate_ask *a = ctx;
	struct gate_member *gm = a->gm;
	uint64_t tag = a->tag;

	list_remove(&a->link);
	free(a);
	if (gm)
		gate_hook_answer(gm->gate, tag, err, json);
}

static void on_unasked(struct gate_ask *a)
{
	on_answer(a, WEIR_ECLOSED, NULL);
}

/* Each try goes to the next one. */
static link_id choose(struct gate_member *gm, uint64_t tag)
{
	struct node_ref node[DISPATCHES_MAX];
	size_t count = bus_nodes(member_bus(gm->member), "dispatch", node,
				 DISPATCHES_MAX);

	return count ? node[tag % count].link : 0;
}

static void ask(void *ctx, uint64_t tag, struct json_object *args,
		uint32_t deadline_ms)
{
	struct gate_member *gm = ctx;
	struct gate_ask *a = calloc(1, sizeof(*a));
	link_id link = choose(gm, tag);

	if (!a)
		return; /* the question's own time-out answers */
	a->gm = gm;
	a->tag = tag;
	list_init(&a->link);
	list_append(&gm->asks, &a->link);
	a->is_own = !link || member_ask(gm->member, link, "auth", args,
					deadline_ms, on_answer, a);
	if (a->is_own)
		loop_at_pass_end(svc_loop(gm->svc), &a->task, on_unasked, a);
}

static void forget_asks(struct gate_member *gm)
{
	list_each_safe (it, &gm->asks) {
		struct gate_ask *a = list_entry(it, struct gate_ask, link);

		list_remove(it);
		a->gm = NULL;
		if (!a->is_own)
			continue; /* it ends when its answer comes */
		pass_task_cancel(&a->task);
		free(a);
	}
}

/* ---- life ---- */

static void member_free_gate(struct gate_member *gm)
{
	stat_remove(&gm->series);
	forget_asks(gm);
	gate_unmake(&gm->gate);
	timer_free(&gm->timer);
	free(gm);
}

static int start(struct gate_member *gm)
{
	struct gate_start s = {
		.world = &gm->world,
		.settings = svc_settings(gm->svc, &access_conf),
		.limits = svc_settings(gm->svc, &member_limits_conf),
	};
	int err = timer_new(&gm->timer, svc_loop(gm->svc), on_timer, gm);

	io_random(&s.seed, sizeof(s.seed));
	if (!err)
		err = gate_make(&gm->gate, &s);
	if (err)
		return err;
	gm->gate->member = gm;
	return stat_add(svc_stats(gm->svc), &gate_stat, &gm->series,
			&gm->gate->hook, NULL);
}

int gate_new(struct gate **out, struct svc *svc, struct member *m)
{
	struct gate_member *gm = calloc(1, sizeof(*gm));
	int err;

	if (!gm)
		return WEIR_ENOMEM;
	*gm = (struct gate_member){
		.svc = svc,
		.member = m,
		.due_ms = INT64_MAX,
		.world = {gm, now_ms, utc_ms, rules, rules_are_known, usage,
			  ask, wake_at},
	};
	list_init(&gm->asks);
	err = start(gm);
	if (err)
		member_free_gate(gm);
	else
		*out = gm->gate;
	return err;
}

void gate_free(struct gate **g)
{
	if (!*g)
		return;
	member_free_gate((*g)->member);
	*g = NULL;
}
