/* common/svc/svc.c - from the command line to the end of a process. */
#include "common/svc/svc.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/svc/svc_priv.h"

/* ---- the process as such ---- */

static void raise_nofile(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r))
		return;
	r.rlim_cur = r.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &r); /* what there is must do */
}

#define MMAP_BYTES (128 * 1024)
#define MMAP_COUNT 32768 /* half of what Linux lets a process map */

/* Libraries bring threads, and glibc would give each an arena of its own; the
 * threads of libuv only look up names. A block from MMAP_BYTES on has pages of
 * its own, which are given back with it: left to itself, glibc puts such blocks
 * between the small ones as soon as one was freed, and segments that grow and go
 * leave holes there which nothing else fits. */
static void keep_small(void)
{
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
	mallopt(M_MMAP_MAX, MMAP_COUNT);
	(void)setenv("UV_THREADPOOL_SIZE", "2", 0);
}

/* Returns whether the parent is still the one that started us. */
static bool bind_to_parent(const struct svc_flags *flags)
{
	if (!flags->dies_with_parent)
		return true;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return false;
	return !flags->parent_pid || getppid() == flags->parent_pid;
}

static struct uuid read_boot_id(void)
{
	char text[64] = {0};
	char digits[UUID_TEXT_SIZE] = {0};
	struct uuid boot = io_uuid();
	size_t count = 0;
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return boot;
	if (read(fd, text, sizeof(text) - 1) > 0)
		for (const char *at = text; *at && count < 32; at++)
			if (*at != '-' && *at != '\n')
				digits[count++] = *at;
	close(fd);
	if (uuid_parse(&boot, span_str(digits)))
		boot = io_uuid();
	return boot;
}

static void set_identity(struct svc *svc, const struct svc_flags *flags)
{
	char host[40] = "localhost";

	(void)gethostname(host, sizeof(host) - 1);
	if (flags->node_id)
		snprintf(svc->node_id, sizeof(svc->node_id), "%s",
			 flags->node_id);
	else
		snprintf(svc->node_id, sizeof(svc->node_id), "%s-%s",
			 svc->desc->role, host);
	svc->instance = io_uuid();
	svc->boot = read_boot_id();
	svc->started_utc_us = io_utc_us();
}

/* ---- making ---- */

static int make_log(struct svc *svc)
{
	const struct svc_log_settings *s = conf_get(svc->conf, &svc_log_conf);
	const struct logger_options options = {
		.fd = STDOUT_FILENO,
		.level = (enum log_level)s->level,
		.per_second = (unsigned)s->per_second,
	};

	return logger_new(&svc->log, &options);
}

static void on_drain_timeout(struct svc *svc)
{
	svc_drained(svc);
}

static int make_parts(struct svc *svc)
{
	int err = make_log(svc);

	if (!err)
		err = loop_new(&svc->loop);
	if (!err)
		err = stat_new(&svc->stats);
	if (!err)
		err = timer_new(&svc->drain_timer, svc->loop, on_drain_timeout,
				svc);
	if (!err)
		err = svc_watch_spare(svc);
	if (!err)
		err = svc_watch_signals(svc);
	if (!err)
		err = svc_open_admin(svc);
	return err;
}

static void say_start(struct svc *svc)
{
	logger_event(svc->log, &svc_start_event,
		     kv_str("role", svc->desc->role),
		     kv_str("node", svc->node_id),
		     kv_uuid("instance", &svc->instance),
		     kv_str("version", svc_version()),
		     kv_str("commit", svc_commit()), kv_int("pid", getpid()),
		     kv_str("admin", svc_address(svc, "admin")));
}

static void free_svc(struct svc *svc)
{
	http_server_free(&svc->admin);
	stat_refresh_remove(&svc->refresh);
	stat_remove(&svc->series);
	stat_remove(&svc->info_series);
	stat_free(&svc->stats);
	timer_free(&svc->drain_timer);
	timer_free(&svc->spare.timer);
	svc_unwatch_signals(svc);
	loop_free(&svc->loop);
	logger_free(&svc->log);
	net_inherit_fini(&svc->inherit);
	if (svc->ready_fd >= 0)
		close(svc->ready_fd);
	for (size_t i = 0; i < svc->address_count; i++) {
		free(svc->address[i].name);
		free(svc->address[i].addr);
	}
	conf_free(&svc->conf);
	free(svc);
}

/* Takes `conf`, on failure too. */
static int make_svc(struct svc **out, const struct svc_desc *desc,
		    const struct svc_flags *flags, struct conf *conf)
{
	struct svc *svc = calloc(1, sizeof(*svc));
	int err;

	if (!svc) {
		conf_free(&conf);
		return WEIR_ENOMEM;
	}
	svc->desc = desc;
	svc->conf = conf;
	svc->signal_fd = -1;
	svc->ready_fd = flags->ready_fd;
	if (svc->ready_fd >= 0)
		(void)fcntl(svc->ready_fd, F_SETFD, FD_CLOEXEC);
	snprintf(svc->reason, sizeof(svc->reason), "starting");
	net_inherit_init(&svc->inherit);
	set_identity(svc, flags);
	err = make_parts(svc);
	if (err) {
		free_svc(svc);
		return err;
	}
	say_start(svc);
	*out = svc;
	return 0;
}

static int print_simple(const struct svc_desc *desc,
			const struct svc_flags *flags)
{
	if (flags->is_printing_help)
		svc_print_help(desc, stdout);
	else if (flags->is_printing_version)
		printf("weir-%s %s (%s)\n", desc->role, svc_version(),
		       svc_commit());
	else
		return 0;
	return WEIR_ESTOP;
}

int svc_new(struct svc **out, const struct svc_desc *desc, int argc,
	    char **argv)
{
	struct svc_flags flags;
	struct conf *conf = NULL;
	bool is_done;
	int err = svc_read_flags(&flags, argc, argv);

	if (!err)
		err = print_simple(desc, &flags);
	if (!err)
		err = svc_load_conf(&conf, desc, &flags);
	if (err)
		return err;
	err = svc_print_and_leave(desc, &flags, conf, &is_done);
	if (err || is_done) {
		conf_free(&conf);
		return err ? err : WEIR_ESTOP;
	}
	if (!bind_to_parent(&flags)) {
		conf_free(&conf);
		return WEIR_ESTOP; /* who wanted us is gone */
	}
	keep_small();
	raise_nofile();
	return make_svc(out, desc, &flags, conf);
}

int svc_confine(struct svc *svc)
{
	const struct rlimit none = {0, 0};

	(void)svc;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return setrlimit(RLIMIT_CORE, &none) ? -errno : 0;
}

int svc_run(struct svc *svc)
{
	int err = loop_run(svc->loop);

	return err ? err : svc->result;
}

int svc_exit(struct svc **p, int err)
{
	struct svc *svc = *p;

	*p = NULL;
	if (svc) {
		int64_t uptime_us = io_utc_us() - svc->started_utc_us;

		logger_event(svc->log, &svc_stop_event,
			     kv_str("role", svc->desc->role),
			     kv_str("node", svc->node_id), kv_err("why", err),
			     kv_int("uptime_ms", uptime_us / 1000));
		free_svc(svc);
	} else if (err && err != WEIR_ESTOP && err != WEIR_ECONF) {
		fprintf(stderr, "cannot start: %s\n", weir_strerror(err));
	}
	if (fflush(stdout) && err == WEIR_ESTOP)
		err = -errno;
	if (err == 0 || err == WEIR_ESTOP)
		return 0;
	return err == WEIR_ECONF ? 2 : 1;
}

/* ---- what it has ---- */

struct loop *svc_loop(struct svc *svc)
{
	return svc->loop;
}

struct logger *svc_log(struct svc *svc)
{
	return svc->log;
}

struct stats *svc_stats(struct svc *svc)
{
	return svc->stats;
}

struct conf *svc_conf(struct svc *svc)
{
	return svc->conf;
}

const void *svc_settings(struct svc *svc, const struct conf_table *table)
{
	return conf_get(svc->conf, table);
}

struct http_server *svc_admin(struct svc *svc)
{
	return svc->admin;
}

struct net_inherit *svc_inherited(struct svc *svc)
{
	return &svc->inherit;
}

const char *svc_role(const struct svc *svc)
{
	return svc->desc->role;
}

const char *svc_node_id(const struct svc *svc)
{
	return svc->node_id;
}

const struct uuid *svc_instance(const struct svc *svc)
{
	return &svc->instance;
}

const struct uuid *svc_boot(const struct svc *svc)
{
	return &svc->boot;
}

int64_t svc_started_utc_us(const struct svc *svc)
{
	return svc->started_utc_us;
}

int svc_listen(struct svc *svc, int *out, const char *name, const char *listen)
{
	struct net_addr addr;
	int err = net_inherit_take(&svc->inherit, out, name);

	if (!err || !*listen)
		return err;
	err = net_addr_parse(&addr, listen);
	if (!err)
		err = net_listen(out, &addr);
	if (err)
		logger_event(svc->log, &svc_listen_event, kv_str("name", name),
			     kv_str("addr", listen), kv_err("why", err));
	return err;
}
