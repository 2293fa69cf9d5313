/* services/cli/up.c - `weir up`: begin, serve, end. */
#include "services/cli/up.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io/clock.h"
#include "common/registry/store.h"
#include "services/cli/commands.h"
#include "services/cli/tool.h"

#define START_MS 30000
#define KILL_MS  1000 /* from the second signal to the third */

#define AT(m) offsetof(struct up_options, m)

static const struct arg args[] = {
	{"ingest", ARG_UINT, "N", 0, PLAN_EACH_MAX, AT(wish.count[PLAN_INGEST]),
	 "ingests: take publishers in [1]"},
	{"origin", ARG_UINT, "N", 0, PLAN_EACH_MAX, AT(wish.count[PLAN_ORIGIN]),
	 "origins: the homes of streams [1]"},
	{"edge", ARG_UINT, "N", 0, PLAN_EACH_MAX, AT(wish.count[PLAN_EDGE]),
	 "edges: publishers and viewers connect here [1]"},
	{"packager", ARG_UINT, "N", 0, PLAN_EACH_MAX,
	 AT(wish.count[PLAN_PACKAGER]), "packagers [1]"},
	{"dispatch", ARG_UINT, "N", 0, PLAN_EACH_MAX,
	 AT(wish.count[PLAN_DISPATCH]), "dispatchers: decisions and API [1]"},
	{"workers", ARG_UINT, "N", 1, PLAN_EACH_MAX, AT(wish.workers),
	 "processes of each edge, for more cores [1]"},
	{"ingest-ports", ARG_FLAG, "", 0, 0, AT(wish.has_ingest_ports),
	 "RTMP ports of the ingests' own, besides the public one"},
	{"base-port", ARG_UINT, "P", 0, PLAN_PORT_LAST, AT(wish.base_port),
	 "RTMP on P, HTTP P+1, API P+2; 0: any free ports"},
	{"host", ARG_TEXT, "ADDRESS", 0, 0, AT(host),
	 "where the public ports listen [127.0.0.1]; 0.0.0.0: everywhere"},
	{"redis", ARG_TEXT, "HOST:PORT", 0, 0, AT(redis),
	 "use this Redis instead of an own one"},
	{"dir", ARG_TEXT, "FOLDER", 0, 0, AT(dir), "for logs and state"},
	{"conf", ARG_TEXT, "FILE", 0, 0, AT(conf), "settings of all nodes"},
	{"set", ARG_LIST, "KEY=VALUE", 0, 0, AT(set),
	 "one setting of all nodes, above the file's; may be repeated"},
	{"drain-ms", ARG_UINT, "MS", 0, 600000, AT(drain_ms),
	 "how long nodes may take to end in order [3000]"},
	{"no-restart", ARG_FLAG, "", 0, 0, AT(has_no_restart),
	 "what dies stays dead"},
	{"json", ARG_FLAG, "", 0, 0, AT(is_json),
	 "print one line of JSON when all are ready"},
	{"demo", ARG_FLAG, "", 0, 0, AT(is_demo),
	 "publish a test picture, too (needs ffmpeg)"},
};

static const struct arg_table table = {
	.command = "up",
	.operands = "",
	.sentence =
		"Starts a whole cluster on this machine and keeps it running\n"
		"until Ctrl-C, which ends all of it and leaves nothing.",
	.arg = args,
	.arg_count = WEIR_ARRAY_LEN(args),
	.more = "Ports, when --base-port is not given: RTMP 1935, HTTP 8080, "
		"API 8083,\nadmin 9101 + role + 10 k; with --ingest-ports "
		"1936 + k; edges' own are any free ones.\n",
};

/* ---- the end ---- */

static void signal_nodes(struct up *up, int signal)
{
	if (up->demo.child)
		child_signal(up->demo.child, signal);
	for (size_t i = 0; i < up->plan.count; i++)
		if (up->node[i].child)
			child_signal(up->node[i].child, signal);
}

static bool nodes_run(const struct up *up)
{
	for (size_t i = 0; i < up->plan.count; i++)
		if (up_proc_runs(&up->node[i]))
			return true;
	return up_proc_runs(&up->demo);
}

/* Once the nodes are gone, nobody needs the registry. */
static void end_redis(struct up *up)
{
	if (nodes_run(up))
		return;
	if (!up_proc_runs(&up->redis)) {
		loop_stop(up->loop);
		return;
	}
	child_signal(up->redis.child, up->ending > 2 ? SIGKILL : SIGTERM);
	if (!timer_is_running(up->deadline))
		timer_start(up->deadline, KILL_MS);
}

/* In order; a second signal makes nodes end at once; then they are killed. */
static void press(struct up *up)
{
	up->ending++;
	signal_nodes(up, up->ending > 2 ? SIGKILL : SIGTERM);
	timer_start(up->deadline, up->ending == 1 ? up->o.drain_ms : KILL_MS);
	end_redis(up);
}

void up_end(struct up *up, int status)
{
	if (!up->ending) {
		up->status = status;
		press(up);
	} else {
		end_redis(up);
	}
}

static void on_signal(void *ctx)
{
	struct up *up = ctx;

	if (!up->ending && !up->o.is_json)
		fprintf(stderr, "weir up: ending; once more: at once\n");
	if (up->ending)
		press(up);
	else
		up_end(up, 0);
}

static void say_who_is_late(const struct up *up)
{
	fprintf(stderr, "weir up: not ready after %d s:", START_MS / 1000);
	if (up->redis.describe && !up->redis.was_ready)
		fprintf(stderr, " redis");
	for (size_t i = 0; i < up->plan.count; i++)
		if (!up->node[i].was_ready)
			fprintf(stderr, " %s", up->node[i].id);
	fprintf(stderr, "; see %s/log\n", up->place.dir);
}

static void on_deadline(struct up *up)
{
	if (up->ending) {
		press(up);
		return;
	}
	say_who_is_late(up);
	up_end(up, 1);
}

/* ---- the beginning ---- */

void up_changed(struct up *up)
{
	if (up->ending || (!up->is_announced && !up_nodes_are_ready(up)))
		return;
	up_say(up, !up->is_announced);
	if (up->is_announced)
		return;
	up->is_announced = true;
	timer_stop(up->deadline);
	up_demo_start(up);
	if (!up->o.is_json && up_watch_new(&up->watch, up))
		fprintf(stderr, "weir up: publishes will not be told of\n");
}

static void make_secret(char out[UP_SECRET_SIZE])
{
	struct uuid random;

	io_random(&random, sizeof(random));
	uuid_text(out, &random);
}

static int check_tools(struct up *up)
{
	char file[PLACE_PATH_SIZE + 32];
	int err = tool_own_dir(up->bin, sizeof(up->bin));

	for (int role = 0; role < PLAN_ROLES && !err; role++) {
		snprintf(file, sizeof(file), "%s/weir-%s", up->bin,
			 plan_role_name((enum plan_role)role));
		if (up->o.wish.count[role] && access(file, X_OK)) {
			fprintf(stderr, "weir up: %s is missing\n", file);
			err = -ENOENT;
		}
	}
	if (!err && !up->o.redis && !tool_is_installed("redis-server")) {
		fprintf(stderr,
			"weir up: redis-server is not installed (apt install "
			"redis-server);\nor use another: --redis HOST:PORT\n");
		err = -ENOENT;
	}
	return err;
}

static int check_options(struct up *up)
{
	const char *why;
	int err = plan_make(&up->plan, &up->o.wish);

	if (err)
		fprintf(stderr,
			"weir up: at most %d nodes of a role, workers "
			"included\n",
			PLAN_EACH_MAX);
	else if (up->o.redis && store_url_check(up->o.redis, &why)) {
		fprintf(stderr, "weir up: --redis %s: %s\n", up->o.redis, why);
		err = WEIR_EINVAL;
	} else if (up->o.conf && access(up->o.conf, R_OK)) {
		err = -errno;
		fprintf(stderr, "weir up: %s: %s\n", up->o.conf,
			weir_strerror(err));
	}
	return err ? err : check_tools(up);
}

/* What needs no loop. Says itself what is wrong. */
static int prepare(struct up *up)
{
	int err = check_options(up);

	if (!err)
		err = up_ports_open(up);
	if (!err)
		err = place_open(&up->place, up->o.dir,
				 up_port_of(up->rtmp.addr));
	return err;
}

static int make_parts(struct up *up)
{
	int err = loop_new(&up->loop);

	if (!err)
		err = signals_open(&up->signals, up->loop, on_signal, up);
	if (!err)
		err = timer_new(&up->deadline, up->loop, on_deadline, up);
	if (!err)
		err = up_redis_init(up);
	if (!err)
		err = up_nodes_init(up);
	if (!err)
		err = up_demo_init(up);
	if (!err)
		err = up_nodes_write_conf(up);
	if (err)
		fprintf(stderr, "weir up: %s\n", weir_strerror(err));
	return err;
}

static int serve(struct up *up)
{
	int err = prepare(up);

	if (err)
		return 1;
	make_secret(up->token);
	make_secret(up->key);
	err = make_parts(up);
	if (err)
		return 1;
	timer_start(up->deadline, START_MS);
	up_redis_start(up);
	err = loop_run(up->loop);
	return err ? 1 : up->status;
}

static void close_all(struct up *up)
{
	up_watch_free(&up->watch);
	up_proc_fini(&up->demo);
	for (size_t i = 0; i < up->plan.count; i++)
		up_proc_fini(&up->node[i]);
	up_redis_fini(up);
	timer_free(&up->deadline);
	signals_close(&up->signals);
	loop_free(&up->loop);
	up_ports_close(up);
	place_close(&up->place);
}

int command_up(int argc, char **argv)
{
	struct up *up = calloc(1, sizeof(*up));
	struct arg_rest rest = {0};
	int status;

	if (!up)
		return 1;
	up->rtmp.fd = up->http.fd = up->api.fd = -1;
	up->place.lock = -1;
	up->o = (struct up_options){
		.wish = {{1, 1, 1, 1, 1}, 1, PLAN_NO_BASE, false},
		.host = "127.0.0.1",
		.drain_ms = 3000,
	};
	if (!args_take(&up->o, &rest, &table, argc, argv, &status)) {
		status = serve(up);
		close_all(up);
	}
	free(up);
	return status;
}
