/* common/svc/svc.h - the life of a process: what all of weir's daemons share.
 *
 *	weir-edge [--conf FILE]... [--set PATH=VALUE]... [--node-id ID]
 *	          [--ready-fd N] [--parent-death]
 *	          [--check FILE | --print-conf | --docs conf|stats|log |
 *	           --version | --help]
 *
 * svc_new reads flags and settings, and makes log, loop, counters and the admin
 * server (admin.listen: /healthz, /readyz, /metrics, /version). svc_run serves.
 * SIGTERM or SIGINT: not ready, the drain callback, then the end when
 * svc_drained is called or cluster.drain_timeout_ms is over; a second signal
 * ends at once. SIGPIPE is ignored.
 *
 * --ready-fd N: once ready, one line of JSON is written to descriptor N:
 *	{"id":"edge-1","role":"edge","pid":123,"addresses":{"admin":"127…:9103",
 *	"rtmp":"127.0.0.1:1935"}}
 * --parent-death: die with the process that started this one.
 * Sockets by LISTEN_FDS are taken from svc_inherited.
 */
#ifndef WEIR_SVC_SVC_H
#define WEIR_SVC_SVC_H

#include "common/conf/conf.h"
#include "common/http/server.h"
#include "common/io/clock.h"
#include "common/io/loop.h"
#include "common/io/net.h"
#include "common/log/logger.h"
#include "common/stat/stat.h"

struct svc;

#define SVC_WHY_SIZE 640

struct svc_desc {
	const char *role;                      /* "edge" */
	const char *sentence;                  /* for --help */
	const char *admin_listen;              /* default of admin.listen */
	const struct conf_table *const *conf;  /* ends with NULL; svc adds its
						  own tables */
	const struct stat_table *const *stats; /* ends with NULL; for --docs */
	/* Lists of events that each end with NULL, as this does; for --docs. */
	const struct log_event *const *const *events;
	/* More to be checked of settings that are fine one by one: files that
	 * they name. May block. Returns 0; WEIR_ECONF: `why` is a line, its
	 * end left out; or an error. NULL: nothing. */
	int (*check)(const struct conf *conf, char why[SVC_WHY_SIZE]);
};

/* Section "cluster", as far as it is everybody's. */
struct svc_cluster_settings {
	const char *id;           /* nodes of another cluster are refused */
	const char *key;          /* shared secret of HELLO; "" is none */
	int stream_identity;      /* enum svc_stream_identity */
	int64_t drain_timeout_ms; /* from SIGTERM to the end */
	int64_t drain_rate;       /* connections per second; 0: by itself */
};
enum svc_stream_identity { SVC_IDENTITY_PATH, SVC_IDENTITY_NAME };

extern const struct conf_table svc_cluster_conf;

/* Read flags and settings; make what every process has. Says on stderr what is
 * wrong. Returns 0; WEIR_ESTOP: all is done (--check, --help, …), *out is NULL;
 * WEIR_ECONF: wrong flags or settings; WEIR_ENOMEM; -errno. Pass each to
 * svc_exit. */
WEIR_MUST_CHECK int svc_new(struct svc **out, const struct svc_desc *desc,
			    int argc, char **argv);

/* After all listeners and files are open: no new privileges, no core dumps with
 * secrets. Returns 0 or -errno. */
WEIR_MUST_CHECK int svc_confine(struct svc *svc);

/* Serve until the end. Returns 0, or what svc_fail was given. */
WEIR_MUST_CHECK int svc_run(struct svc *svc);

/* Free all, set to NULL (NULL is fine), log the end. Returns the status for
 * main to return: 0 for 0 and WEIR_ESTOP, 2 for WEIR_ECONF, else 1. */
int svc_exit(struct svc **svc, int err);

/* ---- what it has; borrowed for its life ---- */

struct loop *svc_loop(struct svc *svc);
struct logger *svc_log(struct svc *svc);
struct stats *svc_stats(struct svc *svc);
struct conf *svc_conf(struct svc *svc);
const void *svc_settings(struct svc *svc, const struct conf_table *table);
struct http_server *svc_admin(struct svc *svc); /* for more routes */
struct net_inherit *svc_inherited(struct svc *svc);

const char *svc_role(const struct svc *svc);
const char *svc_node_id(const struct svc *svc);
const struct uuid *svc_instance(const struct svc *svc); /* of this start */
const struct uuid *svc_boot(const struct svc *svc);     /* of this machine's */
int64_t svc_started_utc_us(const struct svc *svc);

/* The socket that our parent passed under `name`, else a new one on `listen`
 * ("host:port"). *out is the caller's. Failure is logged. Returns 0, WEIR_ENOENT
 * ("" and nothing passed), WEIR_EINVAL or -errno. */
WEIR_MUST_CHECK int svc_listen(struct svc *svc, int *out, const char *name,
			       const char *listen);

/* ---- readiness ---- */

/* Not ready at first. `reason` is copied; it is shown by /readyz and logged
 * when it changes. */
void svc_ready(struct svc *svc, bool is_ready, const char *reason);

/* An address for the ready line and /version: "rtmp", "127.0.0.1:1935". Both
 * are copied. Returns 0, WEIR_ELIMIT (16) or WEIR_ENOMEM. */
WEIR_MUST_CHECK int svc_add_address(struct svc *svc, const char *name,
				    const char *addr);
/* By name; NULL when it was not added. */
const char *svc_address(const struct svc *svc, const char *name);

/* ---- the end ---- */

/* Called once, when the process shall end: refuse new work, let the present
 * finish, then svc_drained. Without it, the end comes at once. */
#define svc_on_drain(svc, fn, ctx)                                             \
	svc_drain_set((svc), LOOP_TYPED(svc_drain_fn, fn, ctx), (ctx))
typedef void svc_drain_fn(void *ctx);
void svc_drain_set(struct svc *svc, svc_drain_fn *fn, void *ctx);

bool svc_is_draining(const struct svc *svc);
void svc_drained(struct svc *svc);

/* Begin to drain, as by SIGTERM. */
void svc_stop(struct svc *svc);

/* How many of `total` connections may have been closed `elapsed_ms` after the
 * drain began (cluster.drain_rate), so that not all come to other nodes at once.
 * By itself: over half of the time that there is, and no slower than 20 a
 * second. */
size_t svc_drain_due(const struct svc_cluster_settings *s, size_t total,
		     uint64_t elapsed_ms);

/* End at once; svc_run returns `err`. */
void svc_fail(struct svc *svc, int err);

/* "0.1.0" and the commit it was built from. */
const char *svc_version(void);
const char *svc_commit(void);

#endif
