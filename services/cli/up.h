/* services/cli/up.h - `weir up`: a cluster on this machine. Shared by up*.c.
 *
 * The processes are children that are started, watched, restarted, and ended in
 * order; nothing of a stream ever passes through this process.
 */
#ifndef WEIR_CLI_UP_H
#define WEIR_CLI_UP_H

#include <json-c/json.h>

#include "common/io/net.h"
#include "services/cli/args.h"
#include "services/cli/child.h"
#include "services/cli/place.h"
#include "services/cli/plan.h"
#include "services/cli/signals.h"

#define UP_SECRET_SIZE 33

struct up;
struct up_watch;

struct up_options {
	struct plan_wish wish;
	const char *host; /* that the public ports listen on */
	const char *dir, *conf, *redis;
	struct arg_list set;
	unsigned drain_ms;
	bool is_json, is_demo, has_no_restart;
};

/* A process that is kept running: a node, redis-server, the demo's ffmpeg. */
struct up_proc {
	struct up *up;
	const char *id; /* "edge-1", "redis" */
	/* Fill in what to start. */
	void (*describe)(struct up_proc *p, struct child_desc *d);
	/* It is serving; for nodes with their ready line. */
	void (*on_ready)(struct up_proc *p, struct span line);
	/* It ended before it ever served: true when it has been started anew,
	 * another way. NULL: that is the end. */
	bool (*on_failed)(struct up_proc *p);
	struct child *child; /* NULL: it does not run */
	struct timer *retry;
	unsigned backoff_ms;
	uint64_t started_ms;
	bool is_ready;
	bool was_ready; /* once */
	/* nodes only */
	const struct plan_node *plan;
	struct json_object *addresses;       /* of its last ready line; NULL */
	char text[10][PLACE_PATH_SIZE + 64]; /* its arguments */
	size_t text_count;
};

struct up {
	struct up_options o;
	struct plan plan;
	struct place place;
	struct loop *loop;
	char bin[PLACE_PATH_SIZE - 16]; /* folder of the binaries */
	struct {
		int fd;
		char addr[NET_ADDR_TEXT_SIZE]; /* as others reach it */
	} rtmp, http, api;
	char token[UP_SECRET_SIZE]; /* of the API */
	char key[UP_SECRET_SIZE];   /* of the cluster */

	struct up_proc redis; /* describe NULL: not ours */
	char redis_addr[128];
	unsigned redis_port, redis_tries;
	struct up_probe *probe;

	struct up_proc node[PLAN_NODES_MAX];
	struct up_proc demo;
	struct up_watch *watch; /* tells of publishes; NULL with --json */

	struct signals signals;
	struct timer *deadline; /* of the start, then of the end */
	bool is_announced;
	unsigned ending; /* 0: no; 1, 2, …: how hard */
	int status;
};

/* up.c: end everything with this exit status; later calls press harder. */
void up_end(struct up *up, int status);
/* Every node is serving: say so, or say it anew (a node was restarted). */
void up_changed(struct up *up);

/* up_ports.c: bind the public sockets, look at the others' ports. Says on
 * stderr who has them. Returns 0 or -errno. */
WEIR_MUST_CHECK int up_ports_open(struct up *up);
void up_ports_close(struct up *up);
/* "127.0.0.1:1935" → its port. */
unsigned up_port_of(const char *addr);

/* up_proc.c */
WEIR_MUST_CHECK int up_proc_init(struct up_proc *p, struct up *up,
				 const char *id);
void up_proc_fini(struct up_proc *p);
void up_proc_start(struct up_proc *p);
void up_proc_ready(struct up_proc *p, struct span line);
bool up_proc_runs(const struct up_proc *p);
/* A text that lives until the process is started again. */
const char *up_proc_text(struct up_proc *p, const char *fmt, ...)
	WEIR_PRINTF(2, 3);
/* "--set", "key=value" */
void up_proc_set(struct up_proc *p, struct child_desc *d, const char *fmt, ...)
	WEIR_PRINTF(3, 4);

/* up_node.c */
WEIR_MUST_CHECK int up_nodes_init(struct up *up);
void up_nodes_start(struct up *up);
bool up_nodes_are_ready(const struct up *up);
WEIR_MUST_CHECK int up_nodes_write_conf(struct up *up);

/* up_redis.c */
WEIR_MUST_CHECK int up_redis_init(struct up *up);
/* Start it, and the nodes when it answers. */
void up_redis_start(struct up *up);
void up_redis_fini(struct up *up);

/* up_say.c: the JSON line; NULL without memory. The caller's. */
struct json_object *up_say_json(const struct up *up);
/* up.json, and the line or the page on stdout. */
void up_say(struct up *up, bool is_first);

/* up_watch.c: a line for each publish. */
WEIR_MUST_CHECK int up_watch_new(struct up_watch **out, struct up *up);
void up_watch_free(struct up_watch **w);
/* One line about an element of /api/streams' list; false: not yet known well
 * enough. Pure. */
bool up_watch_line(struct buf *out, struct json_object *stream,
		   const char *http, bool is_patient);

/* up_demo.c */
WEIR_MUST_CHECK int up_demo_init(struct up *up);
void up_demo_start(struct up *up);

#endif
