/* common/test/run.c - one test: its run, then its repetitions, in processes.
 *
 * A process for each repetition costs less than a millisecond and buys much:
 * a crash or a hang ends only itself, and whatever a check left behind when it
 * ended the test early (memory, sockets, threads, files) goes with it.
 */
#include "common/test/run.h"

#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/test/alloc.h"

#define RUN_LIMIT_S       120 /* generous: sanitizers and valgrind are slow */
#define STARVED_LIMIT_S   10
#define STARVED_TOTAL_MS  2000 /* for all repetitions of one test */
#define STARVED_MAX_COUNT 400  /* … and at most so many */

/* cmocka takes these over while a test runs. */
static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS};
static struct sigaction fatal_actions[WEIR_ARRAY_LEN(fatal_signals)];

/* What the process of a run tells us; in shared memory. */
struct outcome {
	struct alloc_totals totals;
	const void *starved; /* who met the failing allocation */
	struct test_folder folder;
	int has_ended; /* the test's function came back */
};

struct run {
	const struct test_case *test;
	struct outcome *outcome;
	uint64_t failing; /* the allocation that fails, or ALLOC_NEVER */
	int output_fd;    /* what the test printed */
	int report_fd;
	int status; /* of the process, as wait() tells it */
};

void test_run_init(void)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(fatal_signals); i++)
		sigaction(fatal_signals[i], NULL, &fatal_actions[i]);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int is_starved(const struct run *r)
{
	return r->failing != ALLOC_NEVER;
}

/* The test's process: a group of its own, so that what it starts can be ended
 * with it. */
static void enter_process(const struct run *r, pid_t parent)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(fatal_signals); i++)
		sigaction(fatal_signals[i], &fatal_actions[i], NULL);
	dup2(r->output_fd, STDOUT_FILENO);
	dup2(r->output_fd, STDERR_FILENO);
	alarm(is_starved(r) ? STARVED_LIMIT_S : RUN_LIMIT_S);
	test_set_run(is_starved(r), &r->outcome->folder);
}

static void run_here(const struct run *r)
{
	alloc_begin(r->failing, &r->outcome->starved);
	r->test->run();
	r->outcome->totals = alloc_totals();
	r->outcome->has_ended = 1;
	if (is_starved(r))
		test_exit(0);
	exit(0); /* lets a sanitizer look for leaks */
}

static void wait_for(struct run *r, pid_t pid)
{
	siginfo_t info;

	/* While the leader is not yet reaped, its group's number is ours. */
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0)
		BUG_ON(errno != EINTR);
	kill(-pid, SIGKILL);
	while (waitpid(pid, &r->status, 0) < 0)
		BUG_ON(errno != EINTR);
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_files(const struct run *r)
{
	const char *folder = r->outcome->folder.path;

	if (*folder)
		nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void run_once(struct run *r, uint64_t failing)
{
	const pid_t parent = getpid();
	pid_t pid;

	r->failing = failing;
	*r->outcome = (struct outcome){0};
	BUG_ON(ftruncate(r->output_fd, 0) != 0);
	BUG_ON(lseek(r->output_fd, 0, SEEK_SET) != 0);
	fflush(NULL);
	pid = fork();
	BUG_ON(pid < 0);
	if (pid == 0) {
		enter_process(r, parent);
		run_here(r);
	}
	wait_for(r, pid);
	remove_files(r);
}

static void report_output(const struct run *r)
{
	char text[4096];
	ssize_t n;

	lseek(r->output_fd, 0, SEEK_SET);
	while ((n = read(r->output_fd, text, sizeof(text))) > 0)
		if (write(r->report_fd, text, (size_t)n) != n)
			return;
}

/* "peer_new at peer.c:31", if binutils are there; else where to look. */
static void report_site(const struct run *r, const char *what, const void *site)
{
	char command[512];
	char line[256] = "";
	Dl_info info;
	FILE *tool;

	if (!site || !dladdr(site, &info))
		return;
	snprintf(command, sizeof(command),
		 "addr2line -sfpe '%s' %#zx 2>/dev/null", info.dli_fname,
		 /* the call, not where it returns to */
		 (size_t)((const char *)site - (const char *)info.dli_fbase) -
			 1);
	/* NOLINTNEXTLINE(cert-env33-c): our own path, on our own machine */
	tool = popen(command, "r");
	if (tool && !fgets(line, sizeof(line), tool))
		line[0] = '\0';
	if (tool)
		pclose(tool);
	dprintf(r->report_fd, "  %s %s%s", what, *line ? line : command,
		*line ? "" : "\n");
}

static void report_begin(const struct run *r)
{
	dprintf(r->report_fd, "%s: ", r->test->name);
	if (is_starved(r))
		dprintf(r->report_fd,
			"when allocation %" PRIu64 " failed: ", r->failing);
}

static int judge_end(const struct run *r)
{
	const int status = r->status;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
	    r->outcome->has_ended)
		return 0;
	if (is_starved(r) && WIFEXITED(status) &&
	    WEXITSTATUS(status) == TEST_EXIT_CHECK)
		return 0;
	report_begin(r);
	if (WIFEXITED(status) && WEXITSTATUS(status) == TEST_EXIT_CHECK)
		dprintf(r->report_fd, "a check failed\n");
	else if (WIFEXITED(status))
		dprintf(r->report_fd, "it exited with %d\n",
			WEXITSTATUS(status));
	else if (WTERMSIG(status) == SIGALRM)
		dprintf(r->report_fd, "it hung\n");
	else
		dprintf(r->report_fd, "it crashed: %s\n",
			strsignal(WTERMSIG(status)));
	return 1;
}

static int judge_leaks(const struct run *r)
{
	const struct alloc_totals *t = &r->outcome->totals;

	if (!r->outcome->has_ended || t->live_count == 0)
		return 0;
	report_begin(r);
	dprintf(r->report_fd,
		"%" PRIu64 " blocks (%" PRIu64
		" bytes) were not given back, "
		"the oldest is allocation %" PRIu64 "\n",
		t->live_count, t->live_bytes, t->oldest_call);
	report_site(r, "the oldest was made by", t->oldest);
	return 1;
}

static int judge(const struct run *r)
{
	if (!judge_end(r) && !judge_leaks(r))
		return 0;
	if (is_starved(r))
		report_site(r, "the failed allocation is of",
			    r->outcome->starved);
	report_output(r);
	return 1;
}

/* Each of the first half of the repetitions fails the next allocation; those
 * of the second half are spread over all that remain. */
static uint64_t next_failing(uint64_t failing, uint64_t call_count)
{
	const uint64_t half = STARVED_MAX_COUNT / 2;

	if (failing < half || call_count < STARVED_MAX_COUNT)
		return failing + 1;
	return failing + (call_count - half) / half;
}

static int run_starved(struct run *r)
{
	const uint64_t call_count = r->outcome->totals.call_count;
	const int64_t end_ms = now_ms() + STARVED_TOTAL_MS;

	for (uint64_t n = 0; n < call_count && now_ms() < end_ms;
	     n = next_failing(n, call_count)) {
		run_once(r, n);
		if (judge(r))
			return 1;
	}
	return 0;
}

int test_run(const struct test_case *t, int report_fd)
{
	struct run r = {.test = t, .report_fd = report_fd};
	int failed;

	r.outcome = mmap(NULL, sizeof(*r.outcome), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	BUG_ON(r.outcome == MAP_FAILED);
	r.output_fd = memfd_create("test-output", MFD_CLOEXEC);
	BUG_ON(r.output_fd < 0);
	run_once(&r, ALLOC_NEVER);
	failed = judge(&r);
	if (!failed && t->is_repeated && alloc_is_wrapped())
		failed = run_starved(&r);
	close(r.output_fd);
	munmap(r.outcome, sizeof(*r.outcome));
	return failed;
}
