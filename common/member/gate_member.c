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
#include "common/io/usage.h"
#include "common/member/gate_priv.h"

/* Within which a dispatch shows that it lives: a small part of the time that a
 * visitor waits. */
#define SIGN_MAX_MS 500

struct gate_member {
	struct gate *gate;
	struct svc *svc;
	struct member *member;
	struct gate_world world;
	struct timer *timer;
	int64_t due_ms;
	uint64_t memory_max_bytes; /* as it was at the start */
	struct gate_asker asker;
	struct asker_world asker_world;
	struct counts_member *counts;
	struct stat_series series;
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

static void wake_at(void *ctx, int64_t due_ms)
{
	struct gate_member *gm = ctx;
	int64_t now = now_ms(ctx);

	if (gm->due_ms <= due_ms)
		return;
	gm->due_ms = due_ms;
	timer_start(gm->timer, due_ms > now ? (uint64_t)(due_ms - now) : 0);
}

static void on_timer(struct gate_member *gm)
{
	int64_t due_ms;

	gm->due_ms = INT64_MAX;
	gate_tick(gm->gate);
	due_ms = asker_tick(&gm->asker);
	if (due_ms != INT64_MAX)
		wake_at(gm, due_ms);
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
	const struct gate_member *gm = ctx;
	struct rlimit limit;

	out->memory_max_bytes = gm->memory_max_bytes;
	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > UINT_MAX)
		return;
	out->descriptors_max = (unsigned)limit.rlim_cur;
	out->descriptors = lowest_free(out->descriptors_max);
}

/* ---- asking dispatch ---- */

static size_t dispatches(void *ctx, link_id *out, size_t max)
{
	struct gate_member *gm = ctx;
	struct node_ref node[ASKER_DISPATCHES_MAX];
	size_t count = bus_nodes(member_bus(gm->member), "dispatch", node,
				 WEIR_MIN(max, ASKER_DISPATCHES_MAX));

	for (size_t i = 0; i < count; i++)
		out[i] = node[i].link;
	return count;
}

static int call(void *ctx, link_id link, const char *name,
		struct json_object *args, uint32_t deadline_ms,
		member_answer_fn *fn, void *fn_ctx)
{
	struct gate_member *gm = ctx;

	return member_ask(gm->member, link, name, args, deadline_ms, fn,
			  fn_ctx);
}

static void answered(void *ctx, uint64_t tag, int err, struct json_object *json)
{
	struct gate_member *gm = ctx;

	gate_hook_answer(gm->gate, tag, err, json);
}

static void ask(void *ctx, uint64_t tag, struct json_object *args,
		uint32_t deadline_ms)
{
	struct gate_member *gm = ctx;

	asker_ask(&gm->asker, tag, args, deadline_ms);
}

/* ---- life ---- */

static void member_free_gate(struct gate_member *gm)
{
	stat_remove(&gm->series);
	asker_fini(&gm->asker);
	counts_member_free(&gm->counts);
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
	err = counts_member_new(&gm->counts, gm->svc, gm->member,
				&gm->gate->limits.counts);
	if (err)
		return err;
	return stat_add(svc_stats(gm->svc), &gate_stat, &gm->series,
			&gm->gate->hook, NULL);
}

int gate_new(struct gate **out, struct svc *svc, struct member *m)
{
	struct gate_member *gm = calloc(1, sizeof(*gm));
	const struct access_settings *settings;
	int err;

	if (!gm)
		return WEIR_ENOMEM;
	*gm = (struct gate_member){
		.svc = svc,
		.member = m,
		.due_ms = INT64_MAX,
		.memory_max_bytes = io_memory_max(),
		.world = {gm, now_ms, utc_ms, rules, rules_are_known, usage,
			  ask, wake_at},
		.asker_world = {gm, now_ms, dispatches, call, answered,
				wake_at},
	};
	settings = svc_settings(svc, &access_conf);
	asker_init(&gm->asker, &gm->asker_world,
		   WEIR_MIN(settings->webhook_timeout_ms / 3, SIGN_MAX_MS));
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
