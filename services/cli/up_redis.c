/* services/cli/up_redis.c - the cluster's own redis-server. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io/clock.h"
#include "common/registry/redis.h"
#include "services/cli/up.h"

#define PROBE_EACH_MS    20
#define PROBE_CONNECT_MS 500
#define PORT_FIRST       10000
#define PORT_COUNT       20000
#define PORT_TRIES       100
#define PORTS_PLANNED    300 /* from --base-port on */
#define START_TRIES      5

/* Asks until it answers: it says nothing by itself. */
struct up_probe {
	struct up *up;
	struct redis *redis;
	struct timer *again;
};

/* Is it free just now? Its number; 0: no. */
static unsigned try_port(unsigned port)
{
	char text[32];
	struct net_addr a;
	int fd = -1;

	snprintf(text, sizeof(text), "127.0.0.1:%u", port);
	if (net_addr_parse(&a, text) || net_listen(&fd, &a))
		return 0;
	port = net_local_addr(&a, fd) ? 0 : net_addr_port(&a);
	close(fd);
	return port;
}

/* Nodes will bind these. */
static bool is_planned(const struct up *up, unsigned port)
{
	unsigned base = up->o.wish.base_port;

	return base != PLAN_NO_BASE && port - base < PORTS_PLANNED;
}

/* Below those that the kernel gives to everybody who asks for any: there it
 * would soon be somebody else's. */
static void choose_port(struct up *up)
{
	uint16_t random;

	up->redis_port = 0;
	for (int i = 0; i < PORT_TRIES && !up->redis_port; i++) {
		unsigned port;

		io_random(&random, sizeof(random));
		port = PORT_FIRST + random % PORT_COUNT;
		if (!is_planned(up, port))
			up->redis_port = try_port(port);
	}
	if (!up->redis_port)
		up->redis_port = try_port(0);
	snprintf(up->redis_addr, sizeof(up->redis_addr), "127.0.0.1:%u",
		 up->redis_port);
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

/* Somebody was faster: another port. No node has been told of this one yet. */
static bool on_failed(struct up_proc *p)
{
	struct up *up = p->up;

	if (++up->redis_tries == START_TRIES)
		return false;
	choose_port(up);
	if (!up->redis_port || up_nodes_write_conf(up))
		return false;
	up_proc_start(p);
	ask_again(up->probe);
	return true;
}

/* The process that answers may be another one, that took the port before ours
 * could. */
static bool is_ours(const struct up_probe *pr, const redisReply *reply)
{
	char line[48];

	if (!reply->str || !pr->up->redis.child)
		return false; /* LOADING */
	snprintf(line, sizeof(line), "\nprocess_id:%d\r\n",
		 (int)child_pid(pr->up->redis.child));
	return strstr(reply->str, line) != NULL;
}

static void on_info(void *ctx, const redisReply *reply)
{
	struct up_probe *pr = ctx;

	if (!is_ours(pr, reply)) {
		ask_again(pr);
		return;
	}
	redis_free(&pr->redis);
	up_proc_ready(&pr->up->redis, (struct span){0});
}

static void on_open(void *ctx)
{
	struct up_probe *pr = ctx;
	struct redis_command info = {0};

	redis_add_str(&info, "INFO");
	redis_add_str(&info, "server");
	if (redis_send(pr->redis, NULL, &info, on_info, pr))
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
	up->redis.on_failed = on_failed;
	choose_port(up);
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
