/* common/svc/life.c - ready, draining, and the end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/conf/json.h"
#include "common/svc/svc_priv.h"

#define DRAIN_PER_S 20u /* at least */

/* ---- signals ---- */

static void on_signal(struct svc *svc, unsigned events)
{
	struct signalfd_siginfo info;

	(void)events;
	while (read(svc->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (svc->is_draining)
			loop_stop(svc->loop); /* the second one */
		else
			svc_stop(svc);
	}
}

/* Blocked before any thread is made, so that libraries' threads block them too
 * and they come by the descriptor alone. */
int svc_watch_signals(struct svc *svc)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, &svc->old_mask))
		return -errno;
	svc->is_mask_set = true;
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	svc->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (svc->signal_fd < 0)
		return -errno;
	return loop_add(&svc->signals, svc->loop, svc->signal_fd, LOOP_READABLE,
			on_signal, svc);
}

void svc_unwatch_signals(struct svc *svc)
{
	loop_remove(&svc->signals);
	if (svc->signal_fd >= 0)
		close(svc->signal_fd);
	svc->signal_fd = -1;
	if (svc->is_mask_set)
		(void)sigprocmask(SIG_SETMASK, &svc->old_mask, NULL);
}

/* ---- ready ---- */

/* Tell the one who started us, once. */
static void write_ready_line(struct svc *svc)
{
	struct buf line = {0};
	ssize_t n;

	if (svc->ready_fd < 0)
		return;
	buf_printf(&line,
		   "{\"id\":\"%s\",\"role\":\"%s\",\"pid\":%d,\"addresses\":",
		   svc->node_id, svc->desc->role, (int)getpid());
	svc_put_addresses(svc, &line);
	buf_printf(&line, "}\n");
	do
		n = buf_error(&line)
			    ? 0
			    : write(svc->ready_fd, line.data, line.len);
	while (n < 0 && errno == EINTR);
	buf_fini(&line);
	close(svc->ready_fd);
	svc->ready_fd = -1;
}

static void say_ready(struct svc *svc)
{
	int64_t after_us = io_utc_us() - svc->started_utc_us;

	logger_event(svc->log, &svc_ready_event,
		     kv_str("role", svc->desc->role),
		     kv_str("node", svc->node_id),
		     kv_int("after_ms", after_us / 1000));
	write_ready_line(svc);
}

void svc_ready(struct svc *svc, bool is_ready, const char *reason)
{
	bool was_ready = svc->is_ready;
	bool is_same;

	if (svc->is_draining) {
		is_ready = false;
		reason = "draining";
	}
	reason = reason ? reason : "";
	is_same = is_ready == was_ready && !strcmp(reason, svc->reason);
	svc->is_ready = is_ready;
	snprintf(svc->reason, sizeof(svc->reason), "%s", reason);
	if (is_ready && !was_ready)
		say_ready(svc);
	else if (!is_ready && !is_same)
		logger_event(svc->log, &svc_unready_event,
			     kv_str("role", svc->desc->role),
			     kv_str("node", svc->node_id),
			     kv_str("reason", svc->reason));
}

int svc_add_address(struct svc *svc, const char *name, const char *addr)
{
	struct svc_address *a = &svc->address[svc->address_count];

	if (svc->address_count == SVC_ADDRESSES_MAX)
		return WEIR_ELIMIT;
	a->name = strdup(name);
	a->addr = strdup(addr);
	if (!a->name || !a->addr) {
		free(a->name);
		free(a->addr);
		return WEIR_ENOMEM;
	}
	svc->address_count++;
	return 0;
}

const char *svc_address(const struct svc *svc, const char *name)
{
	for (size_t i = 0; i < svc->address_count; i++)
		if (!strcmp(svc->address[i].name, name))
			return svc->address[i].addr;
	return NULL;
}

/* ---- the end ---- */

void svc_drain_set(struct svc *svc, svc_drain_fn *fn, void *ctx)
{
	svc->on_drain = fn;
	svc->drain_ctx = ctx;
}

bool svc_is_draining(const struct svc *svc)
{
	return svc->is_draining;
}

void svc_drained(struct svc *svc)
{
	loop_stop(svc->loop);
}

void svc_stop(struct svc *svc)
{
	const struct svc_cluster_settings *s =
		conf_get(svc->conf, &svc_cluster_conf);

	if (svc->is_draining)
		return;
	svc->is_draining = true;
	logger_event(svc->log, &svc_drain_event,
		     kv_str("role", svc->desc->role),
		     kv_str("node", svc->node_id),
		     kv_int("timeout_ms", s->drain_timeout_ms));
	svc_ready(svc, false, "draining");
	if (!svc->on_drain) {
		svc_drained(svc);
		return;
	}
	timer_start(svc->drain_timer, (uint64_t)s->drain_timeout_ms);
	svc->on_drain(svc->drain_ctx);
}

size_t svc_drain_due(const struct svc_cluster_settings *s, size_t total,
		     uint64_t elapsed_ms)
{
	uint64_t half_ms = WEIR_MAX((uint64_t)s->drain_timeout_ms / 2, 1u);
	uint64_t per_s = s->drain_rate ? (uint64_t)s->drain_rate : DRAIN_PER_S;
	uint64_t due = per_s * elapsed_ms / 1000 + 1;

	if (!s->drain_rate)
		due += total * WEIR_MIN(elapsed_ms, half_ms) / half_ms;
	return (size_t)WEIR_MIN(due, total);
}

void svc_fail(struct svc *svc, int err)
{
	svc->result = err;
	loop_stop(svc->loop);
}
