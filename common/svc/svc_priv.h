/* common/svc/svc_priv.h - the inside of a process, for this room only. */
#ifndef WEIR_SVC_SVC_PRIV_H
#define WEIR_SVC_SVC_PRIV_H

#include <signal.h>
#include <stdio.h>

#include "common/svc/svc.h"

#define SVC_ADDRESSES_MAX 16
#define SVC_SETS_MAX      64
#define SVC_CONFS_MAX     8
#define SVC_TABLES_MAX    32
#define SVC_REASON_BYTES  128

/* What the command line says; all borrowed from argv. */
struct svc_flags {
	const char *conf_file[SVC_CONFS_MAX];
	size_t conf_count;
	const char *set[SVC_SETS_MAX];
	size_t set_count;
	const char *node_id;
	int ready_fd; /* -1: none */
	bool dies_with_parent;
	long parent_pid; /* 0: not told */
	const char *check_file;
	const char *docs;
	bool is_printing_conf;
	bool is_printing_version;
	bool is_printing_help;
};

/* Returns 0, or WEIR_ECONF and has said on stderr what is wrong. */
WEIR_MUST_CHECK int svc_read_flags(struct svc_flags *out, int argc,
				   char **argv);

void svc_print_help(const struct svc_desc *desc, FILE *out);

/* Make the settings of the role, and load what the flags say. Says mistakes on
 * stderr. */
WEIR_MUST_CHECK int svc_load_conf(struct conf **out,
				  const struct svc_desc *desc,
				  const struct svc_flags *flags);

/* Do what --check, --print-conf, --docs, --version, --help ask for; *is_done
 * says whether that was all. */
WEIR_MUST_CHECK int svc_print_and_leave(const struct svc_desc *desc,
					const struct svc_flags *flags,
					const struct conf *conf, bool *is_done);

struct svc_admin_settings {
	const char *listen;
};

struct svc_log_settings {
	int level; /* enum log_level */
	int64_t per_second;
};

extern const struct conf_table svc_admin_conf;
extern const struct conf_table svc_log_conf;

struct svc_address {
	char *name;
	char *addr;
};

/* What /metrics says of the process itself. */
struct svc_values {
	uint64_t is_ready;
	uint64_t busy_permille;
	uint64_t resident_bytes;
	uint64_t cpu_us;
	uint64_t start_ms;
	uint64_t log_dropped;
	uint64_t log_suppressed;
};

struct svc_spare {
	struct timer *timer;
	size_t least_bytes;  /* that were free since some were given back */
	uint64_t cpu_us;     /* at the last look */
	uint64_t most_us;    /* of work between two looks */
	unsigned less_looks; /* in a row with half of that or less */
};

struct svc {
	const struct svc_desc *desc;
	struct conf *conf;
	struct loop *loop;
	struct logger *log;
	struct stats *stats;
	struct http_server *admin;
	struct net_inherit inherit;

	char node_id[65];
	struct uuid instance;
	struct uuid boot;
	int64_t started_utc_us;

	struct svc_address address[SVC_ADDRESSES_MAX];
	size_t address_count;
	bool is_ready;
	char reason[SVC_REASON_BYTES];
	int ready_fd;

	int signal_fd;
	struct loop_watch *signals;
	sigset_t old_mask;
	bool is_mask_set;
	struct timer *drain_timer;
	struct svc_spare spare;
	svc_drain_fn *on_drain;
	void *drain_ctx;
	bool is_draining;
	int result;

	struct svc_values values;
	struct stat_series series;
	struct stat_series info_series;
	struct stat_refresh refresh;
	struct http_route routes[4];
};

extern const struct stat_table svc_stat;
extern const struct stat_table svc_info_stat;
extern const struct log_event *const svc_events[]; /* ends with NULL */
extern const struct log_event svc_start_event;
extern const struct log_event svc_stop_event;
extern const struct log_event svc_ready_event;
extern const struct log_event svc_unready_event;
extern const struct log_event svc_drain_event;
extern const struct log_event svc_listen_event;

/* admin.c: counters of the process, and its admin server. */
WEIR_MUST_CHECK int svc_open_admin(struct svc *svc);

/* spare.c: give memory back each time that much of the heap has become free.
 * svc_spare_wants_look: is there so much less to do (io_cpu_us, each 10 s) that it
 * may have?
 * svc_spare_is_due decides: more than half of the heap, and 4 MB more than before;
 * it takes for granted that its yes is acted on. */
WEIR_MUST_CHECK int svc_watch_spare(struct svc *svc);
bool svc_spare_wants_look(struct svc_spare *s, uint64_t cpu_us);
bool svc_spare_is_due(struct svc_spare *s, size_t free_bytes,
		      size_t used_bytes);

/* {"admin":"127.0.0.1:9103",…} */
void svc_put_addresses(const struct svc *svc, struct buf *out);

/* life.c: signals and draining. */
WEIR_MUST_CHECK int svc_watch_signals(struct svc *svc);
void svc_unwatch_signals(struct svc *svc);

#endif
