/* services/cli/up_redis.c - the cluster's own redis-server. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/registry/redis.h"
#include "services/cli/up.h"

#define PROBE_EACH_MS    20
#define PROBE_CONNECT_MS 500

/* Asks until it answers: it says nothing by itself. */
struct up_probe {
	struct up *up;
	struct redis *redis;
	struct timer *again;
};

static unsigned free_port(void)
{
	struct net_addr a;
	unsigned port = 0;
	int fd = -1;

	if (net_addr_parse(&a, "127.0.0.1:0") || net_listen(&fd, &a))
		return 0;
	if (!net_local_addr(&a, fd))
		port = net_addr_port(&a);
	close(fd);
	return port;
}

static void describe(struct up_proc *p, struct child_desc *d)
{
	char path[PLACE_PATH_SIZE];

	d->file = "redis-server";
	child_arg(d, "redis-server");
	child_arg(d, "--port");
	child_arg(d, up_proc_text(p, "%u", p->up->redis_port));
	child_arg(d, "--bind");
	child_arg(d, "127.0.0.1");
	child_arg(d, "--save"); /* nothing on disk: all of it is live state */
	child_arg(d, "");
	child_arg(d, "--appendonly");
	child_arg(d, "no");
	child_arg(d, "--dir");
	child_arg(d, up_proc_text(p, "%s",
				  place_path(path, &p->up->place, "redis")));
}

/* ---- asking ---- */

static void ask_again(struct up_probe *pr)
{
	redis_free(&pr->redis);
	timer_start(pr->again, PROBE_EACH_MS);
}

static void on_pong(void *ctx, const redisReply *reply)
{
	struct up_probe *pr = ctx;

	if (reply->type == REDIS_REPLY_ERROR) { /* LOADING */
		ask_again(pr);
		return;
	}
	redis_free(&pr->redis);
	up_proc_ready(&pr->up->redis, (struct span){0});
}

static void on_open(void *ctx)
{
	struct up_probe *pr = ctx;
	struct redis_command ping = {0};

	redis_add_str(&ping, "PING");
	if (redis_send(pr->redis, NULL, &ping, on_pong, pr))
		ask_again(pr);
}

static void on_push(void *ctx, const redisReply *reply)
{
	(void)ctx;
	(void)reply;
}

static void on_close(void *ctx, int reason)
{
	(void)reason;
	ask_again(ctx);
}

static void ask(struct up_probe *pr)
{
	static const struct redis_events events = {on_open, on_push, on_close};
	const struct redis_options options = {
		.host = "127.0.0.1",
		.port = pr->up->redis_port,
		.connect_ms = PROBE_CONNECT_MS,
		.pending_max = 1,
		.reply_bytes = 4096,
	};

	if (!up_proc_runs(&pr->up->redis) || pr->redis)
		return;
	if (redis_new(&pr->redis, pr->up->loop, &options, &events, pr))
		ask_again(pr);
}

static void on_ready(struct up_proc *p, struct span line)
{
	(void)line;
	up_nodes_start(p->up); /* those that have not been started */
}

/* ---- life ---- */

static int init_own(struct up *up)
{
	struct up_probe *pr = calloc(1, sizeof(*pr));

	if (!pr)
		return WEIR_ENOMEM;
	up->probe = pr;
	pr->up = up;
	up->redis.describe = describe;
	up->redis.on_ready = on_ready;
	up->redis_port = free_port();
	snprintf(up->redis_addr, sizeof(up->redis_addr), "127.0.0.1:%u",
		 up->redis_port);
	if (!up->redis_port)
		return -EADDRNOTAVAIL;
	return timer_new(&pr->again, up->loop, ask, pr);
}

int up_redis_init(struct up *up)
{
	int err = up_proc_init(&up->redis, up, "redis");

	if (err || !up->o.redis)
		return err ? err : init_own(up);
	snprintf(up->redis_addr, sizeof(up->redis_addr), "%s", up->o.redis);
	return 0;
}

void up_redis_start(struct up *up)
{
	if (!up->redis.describe) {
		up_nodes_start(up);
		return;
	}
	up_proc_start(&up->redis);
	timer_start(up->probe->again, PROBE_EACH_MS);
}

void up_redis_fini(struct up *up)
{
	if (up->probe) {
		redis_free(&up->probe->redis);
		timer_free(&up->probe->again);
		free(up->probe);
		up->probe = NULL;
	}
	up_proc_fini(&up->redis);
}
