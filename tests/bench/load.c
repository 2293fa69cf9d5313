/* tests/bench/load.c - publishers and viewers against a server on loopback; one
 * line of JSON for each step.
 *
 *	load -f clip.flv -P rtmp:127.0.0.1:1935 -V flv:127.0.0.1:8080
 *	     -m 1 -n 10,100,1000 -w 6 -k 4 -r 400 -p edge=123,origin=124
 *
 * -m streams, -n viewers (of all streams together) at each step, -w seconds
 * that are measured, -s seconds of rest before (none before a step of as many
 * viewers as the last: another window of the same), -k how many viewers read all
 * (probes), -r how many connect a second, -p processes that are watched.
 * Of a P of "-" nothing is published. Viewer i plays live/s(i mod streams).
 * -o milliseconds in which the publishers begin, evenly, each with another GOP of
 * the clip: their key frames stand as far apart, and none shows what others show.
 * Without it they are nearly in step, with the same pictures.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/publish.h"
#include "tests/bench/usage.h"

#define STEPS_MAX    32
#define WATCHED_MAX  32
#define SAMPLES_MAX  4000000
#define S            1000000000ll
#define BULK_REST_US 2000

struct watched {
	char name[32];
	pid_t pid;
	struct usage before, after;
};

struct load {
	struct clip clip;
	struct publish publish;
	struct viewer_target target;
	unsigned step[STEPS_MAX], step_count;
	double window_s, rest_s;
	unsigned probes, rate;
	struct watched watched[WATCHED_MAX];
	size_t watched_count;

	int bulk_ep, probe_ep;
	struct viewer *viewer; /* probes come first */
	unsigned opened;
	struct samples samples; /* the probes' thread writes */
	atomic_uint is_stopped;
	double probe_cpu_s; /* of its thread, at its end */
};

static void die(const char *why)
{
	fprintf(stderr, "load: %s\n", why);
	exit(2);
}

/* ---- arguments ---- */

static void parse_steps(struct load *l, char *text)
{
	for (char *p = strtok(text, ","); p; p = strtok(NULL, ","))
		if (l->step_count < STEPS_MAX)
			l->step[l->step_count++] =
				(unsigned)strtoul(p, NULL, 10);
}

static void parse_watched(struct load *l, char *text)
{
	for (char *p = strtok(text, ","); p; p = strtok(NULL, ",")) {
		struct watched *w = &l->watched[l->watched_count];

		if (l->watched_count < WATCHED_MAX &&
		    sscanf(p, "%31[^=]=%d", w->name, &w->pid) == 2)
			l->watched_count++;
	}
}

static void parse(struct load *l, int argc, char **argv)
{
	int c;

	*l = (struct load){.window_s = 5, .rest_s = 1.5, .rate = 400};
	l->publish.streams = 1;
	while ((c = getopt(argc, argv, "f:P:V:m:n:w:s:k:r:p:o:")) != -1) {
		if (c == 'f')
			clip_load(&l->clip, optarg);
		else if (c == 'P' && strcmp(optarg, "-") != 0)
			viewer_target_parse(&l->publish.target, optarg);
		else if (c == 'V')
			viewer_target_parse(&l->target, optarg);
		else if (c == 'm')
			l->publish.streams =
				(unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'n')
			parse_steps(l, optarg);
		else if (c == 'w')
			l->window_s = atof(optarg);
		else if (c == 's')
			l->rest_s = atof(optarg);
		else if (c == 'k')
			l->probes = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'r')
			l->rate = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'o')
			l->publish.over_ms =
				(unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'p')
			parse_watched(l, optarg);
		else if (c != 'P')
			die("see the head of tests/bench/load.c");
	}
	if (!l->clip.count || !l->target.host[0] || !l->step_count)
		die("-f, -V and -n are needed");
}

/* ---- viewers ---- */

/* Returns whether there may be more. */
static bool run_ready(int ep, int wait_ms)
{
	struct epoll_event ev[256];
	int n = epoll_wait(ep, ev, WEIR_ARRAY_LEN(ev), wait_ms);

	for (int i = 0; i < n; i++) {
		struct viewer *v = ev[i].data.ptr;
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = v};
		bool was_connected = v->is_connected;

		viewer_run(v);
		if (!was_connected && v->fd >= 0)
			epoll_ctl(ep, EPOLL_CTL_MOD, v->fd, &e);
	}
	return n == WEIR_ARRAY_LEN(ev);
}

/* All that has come for viewers that only count, and then a rest: nobody waits
 * for a socket of theirs, so that a server's send wakes nobody. */
static void run_bulk(struct load *l)
{
	while (run_ready(l->bulk_ep, 0))
		;
	usleep(BULK_REST_US);
}

static void open_viewer(struct load *l, unsigned i)
{
	bool is_probe = i < l->probes;
	struct viewer *v = &l->viewer[i];
	struct epoll_event e = {.events = EPOLLOUT, .data.ptr = v};

	if (!viewer_open(v, &l->target, i % l->publish.streams,
			 is_probe ? &l->samples : NULL))
		return;
	epoll_ctl(is_probe ? l->probe_ep : l->bulk_ep, EPOLL_CTL_ADD, v->fd,
		  &e);
}

/* Before all others where it may be, so that what is measured is the server. */
static void *run_probes(void *ctx)
{
	const struct sched_param first = {.sched_priority = 10};
	struct load *l = ctx;

	(void)pthread_setschedparam(pthread_self(), SCHED_FIFO, &first);
	while (!atomic_load(&l->is_stopped))
		run_ready(l->probe_ep, 50);
	l->probe_cpu_s = usage_own_cpu_s();
	return NULL;
}

static bool all_have_begun(const struct load *l)
{
	for (unsigned i = 0; i < l->opened; i++)
		if (l->viewer[i].fd >= 0 && !l->viewer[i].has_key)
			return false;
	return true;
}

/* Connect up to `count`, wait until all have a key frame, then rest. */
static void grow(struct load *l, unsigned count)
{
	unsigned from = l->opened;
	int64_t begin_ns = clock_ns(), quiet_ns = 0;

	if (from == count)
		return;
	for (;;) {
		int64_t now_ns = clock_ns();
		int64_t due = from + 1 + (now_ns - begin_ns) * l->rate / S;

		while (l->opened < count && l->opened < due)
			open_viewer(l, l->opened++);
		run_bulk(l);
		if (l->opened < count)
			continue;
		if (!quiet_ns &&
		    (all_have_begun(l) || now_ns - begin_ns > 30 * S))
			quiet_ns = now_ns;
		if (quiet_ns &&
		    now_ns - quiet_ns > (int64_t)(l->rest_s * (double)S))
			return;
	}
}

/* ---- the window ---- */

static int by_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double at_ms(const uint32_t *us, size_t count, double part)
{
	if (!count)
		return -1;
	return us[(size_t)(part * (double)(count - 1))] / 1000.0;
}

static void print_latency(struct load *l, size_t from)
{
	size_t count = l->samples.count - from;
	uint32_t *us = malloc(count * sizeof(*us) + 1);

	if (!us)
		die("no memory");
	memcpy(us, l->samples.us + from, count * sizeof(*us));
	qsort(us, count, sizeof(*us), by_u32);
	printf(",\"pictures\":%zu,\"p50_ms\":%.3f,\"p90_ms\":%.3f,"
	       "\"p99_ms\":%.3f,\"max_ms\":%.3f",
	       count, at_ms(us, count, 0.5), at_ms(us, count, 0.9),
	       at_ms(us, count, 0.99), at_ms(us, count, 1));
	free(us);
}

/* From connecting to the key frame, of those that came in this step. */
static void print_starts(const struct load *l, unsigned from)
{
	unsigned count = l->opened - from, n = 0;
	uint32_t *us = malloc(count * sizeof(*us) + 1);

	if (!us)
		die("no memory");
	for (unsigned i = from; i < l->opened; i++)
		if (l->viewer[i].has_key)
			us[n++] = (uint32_t)((l->viewer[i].key_ns -
					      l->viewer[i].opened_ns) /
					     1000);
	qsort(us, n, sizeof(*us), by_u32);
	printf(",\"began\":%u,\"start_p50_ms\":%.1f,\"start_p99_ms\":%.1f", n,
	       at_ms(us, n, 0.5), at_ms(us, n, 0.99));
	free(us);
}

static void print_shares(const struct load *l, double window_s, double mean)
{
	double *share = malloc(l->opened * sizeof(*share) + 1);
	unsigned n = 0, alive = 0;

	if (!share)
		die("no memory");
	for (unsigned i = 0; i < l->opened; i++) {
		const struct viewer *v = &l->viewer[i];

		alive += v->fd >= 0;
		share[n++] = mean > 0
				     ? (double)(v->bytes - v->bytes_mark) / mean
				     : 0;
	}
	(void)window_s;
	qsort(share, n, sizeof(*share), by_double);
	printf(",\"alive\":%u,\"worst\":%.4f,\"worst_1_percent\":%.4f", alive,
	       n ? share[0] : 0, n ? share[n / 100] : 0);
	free(share);
}

static void print_watched(struct load *l, double window_s)
{
	double cpu_s = 0;
	uint64_t pss = 0;

	for (size_t i = 0; i < l->watched_count; i++) {
		struct watched *w = &l->watched[i];
		double used = w->after.cpu_s - w->before.cpu_s;

		cpu_s += used;
		pss += w->after.share_kb;
		printf(",\"%s_cpu_s\":%.4f,\"%s_uss_kb\":%llu,\"%s_rss_kb\":%"
		       "llu",
		       w->name, used, w->name,
		       (unsigned long long)w->after.private_kb, w->name,
		       (unsigned long long)w->after.resident_kb);
	}
	printf(",\"cpu_s\":%.4f,\"cpu_percent\":%.1f,\"pss_kb\":%llu", cpu_s,
	       cpu_s / window_s * 100, (unsigned long long)pss);
}

static void watch(struct load *l, bool is_end)
{
	for (size_t i = 0; i < l->watched_count; i++) {
		struct watched *w = &l->watched[i];

		usage_of(is_end ? &w->after : &w->before, w->pid);
	}
}

static void measure(struct load *l, unsigned from)
{
	uint64_t missed = l->samples.missed, bytes = 0;
	unsigned long long published = atomic_load(&l->publish.bytes);
	size_t first = l->samples.count;
	double own_s, window_s;
	int64_t begin_ns;

	for (unsigned i = 0; i < l->opened; i++)
		l->viewer[i].bytes_mark = l->viewer[i].bytes;
	watch(l, false);
	own_s = usage_own_cpu_s();
	begin_ns = clock_ns();
	while (clock_ns() - begin_ns < (int64_t)(l->window_s * (double)S))
		run_bulk(l);
	watch(l, true);
	window_s = (double)(clock_ns() - begin_ns) / (double)S;
	own_s = usage_own_cpu_s() - own_s;
	published = atomic_load(&l->publish.bytes) - published;
	for (unsigned i = 0; i < l->opened; i++)
		bytes += l->viewer[i].bytes - l->viewer[i].bytes_mark;
	printf("{\"viewers\":%u,\"streams\":%u,\"window_s\":%.3f,"
	       "\"gb\":%.5f,\"published_gb\":%.5f,\"load_percent\":%.1f,"
	       "\"missed\":%llu,\"faults\":%llu",
	       l->opened, l->publish.streams, window_s, (double)bytes / 1e9,
	       (double)published / 1e9, own_s / window_s * 100,
	       (unsigned long long)(l->samples.missed - missed),
	       (unsigned long long)l->samples.faults);
	print_latency(l, first);
	print_starts(l, from);
	print_shares(l, window_s, l->opened ? (double)bytes / l->opened : 0);
	print_watched(l, window_s);
	printf("}\n");
	fflush(stdout);
}

/* ---- life ---- */

static void prepare(struct load *l)
{
	struct rlimit files = {65536, 65536};
	unsigned most = 1;

	setrlimit(RLIMIT_NOFILE, &files);
	for (unsigned i = 0; i < l->step_count; i++)
		most = WEIR_MAX(most, l->step[i]);
	l->viewer = calloc(most, sizeof(*l->viewer));
	l->samples.us = malloc(SAMPLES_MAX * sizeof(uint32_t));
	l->samples.room = SAMPLES_MAX;
	l->bulk_ep = epoll_create1(0);
	l->probe_ep = epoll_create1(0);
	if (!l->viewer || !l->samples.us || l->bulk_ep < 0 || l->probe_ep < 0)
		die("no memory");
	l->publish.clip = &l->clip;
}

static void wait_ready(struct load *l)
{
	int64_t until_ns = clock_ns() + 20 * S;

	while (atomic_load(&l->publish.ready) < l->publish.streams &&
	       clock_ns() < until_ns)
		usleep(10000);
	if (atomic_load(&l->publish.ready) < l->publish.streams)
		die("not all publishers were taken");
	usleep(2500000); /* a whole group of pictures is there */
}

int main(int argc, char **argv)
{
	static struct load l;
	pthread_t publisher, probes;
	bool publishes;

	parse(&l, argc, argv);
	prepare(&l);
	publishes = l.publish.target.host[0];
	if (publishes) {
		if (pthread_create(&publisher, NULL, publish_run, &l.publish))
			die("no thread");
		wait_ready(&l);
	}
	if (pthread_create(&probes, NULL, run_probes, &l))
		die("no thread");
	for (unsigned i = 0; i < l.step_count; i++) {
		unsigned from = l.opened;

		grow(&l, l.step[i]);
		measure(&l, from);
	}
	atomic_store(&l.is_stopped, 1);
	atomic_store(&l.publish.is_stopped, 1);
	pthread_join(probes, NULL);
	if (publishes)
		pthread_join(publisher, NULL);
	for (unsigned i = 0; i < l.opened; i++)
		viewer_close(&l.viewer[i]);
	return 0;
}
