/* common/test/harness_test.c - does the harness catch what it promises to? */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/test/alloc.h"
#include "common/test/check.h"
#include "common/test/run.h"

/* Volatile, so that no compiler drops an allocation which nobody reads. */
static void *volatile kept;

struct verdict {
	int failed;
	char report[8192];
};

static struct verdict verdict_of(void (*fn)(void), int is_repeated)
{
	const struct test_case t = {"inner", fn, is_repeated, NULL};
	struct verdict v = {0};
	ssize_t n;
	int fd;

	fd = memfd_create("report", MFD_CLOEXEC);
	CHECK(fd >= 0);
	v.failed = test_run(&t, fd);
	n = pread(fd, v.report, sizeof(v.report) - 1, 0);
	CHECK(n >= 0);
	close(fd);
	return v;
}

static void check_reported(const struct verdict *v, const char *words)
{
	if (!strstr(v->report, words))
		fprintf(stderr, "the report was:\n%s\n", v->report);
	CHECK(strstr(v->report, words));
}

static void inner_good(void)
{
	char *p = malloc(10);
	char *q = realloc(p, 20);

	if (!q)
		free(p);
	CHECK(q);
	kept = q;
	free(q);
	q = strdup("weir");
	CHECK_STR(q, "weir");
	free(q);
}

static void inner_checks_falsely(void)
{
	CHECK_EQ(2 + 2, 5);
}

static void inner_differs_in_bytes(void)
{
	CHECK_SPAN(SPAN_LIT("abc"), SPAN_LIT("abd"));
}

static void inner_crashes(void)
{
	raise(SIGSEGV);
}

static void inner_exits(void)
{
	exit(0);
}

static void inner_leaks(void)
{
	kept = calloc(3, 11);
	kept = NULL;
}

static void inner_crashes_starved(void)
{
	kept = malloc(8);
	memset(kept, 1, 8); /* nobody asked whether there is a block */
	free(kept);
}

/* Forgets the first block when there is no second. */
static void inner_leaks_starved(void)
{
	void *first;

	kept = malloc(8);
	CHECK(kept);
	first = kept;
	kept = malloc(8);
	if (!kept)
		return;
	free(kept);
	free(first);
}

static void inner_starts_a_process(void)
{
	if (fork() == 0)
		for (;;)
			pause();
}

static void inner_leaves_files(void)
{
	char folder[TEST_PATH_SIZE], file[TEST_PATH_SIZE + 8];
	FILE *f;

	test_path(folder);
	CHECK_EQ(mkdir(folder, 0700), 0);
	snprintf(file, sizeof(file), "%s/file", folder);
	f = fopen(file, "w");
	CHECK(f);
	fclose(f);
	printf("the file is %s\n", file);
	CHECK(!"the end");
}

static void inner_uses_a_path(void)
{
	char a[TEST_PATH_SIZE], b[TEST_PATH_SIZE];

	test_path(a);
	test_path(b);
	CHECK(strcmp(a, b) != 0);
	CHECK(access(a, F_OK) != 0);
	CHECK_EQ(mkdir(b, 0700), 0);
}

static void inner_counts_to_1000(void)
{
	for (int i = 0; i < 1000; i++) {
		kept = malloc(1);
		CHECK(kept);
		free(kept);
	}
}

TEST_NO_OOM(a_good_test_passes) /* here and below: it starves the inner ones */
{
	CHECK_EQ(verdict_of(inner_good, 1).failed, 0);
	CHECK_EQ(verdict_of(inner_counts_to_1000, 1).failed, 0);
}

TEST_NO_OOM(a_failing_check_fails_and_names_the_line_and_both_values)
{
	struct verdict v = verdict_of(inner_checks_falsely, 1);

	CHECK_EQ(v.failed, 1);
	check_reported(&v, "inner: a check failed");
	check_reported(&v, "harness_test.c:");
	check_reported(&v, "2 + 2 is 4 (0x4), but 5 is 5 (0x5)");

	v = verdict_of(inner_differs_in_bytes, 1);
	CHECK_EQ(v.failed, 1);
	check_reported(&v, "3 bytes, from 0: 61 62 [63]");
}

TEST_NO_OOM(a_crash_fails)
{
	struct verdict v = verdict_of(inner_crashes, 1);

	CHECK_EQ(v.failed, 1);
	check_reported(&v, "inner: it ");
}

TEST_NO_OOM(a_test_that_leaves_by_exit_fails)
{
	struct verdict v = verdict_of(inner_exits, 1);

	CHECK_EQ(v.failed, 1);
	check_reported(&v, "it exited with 0");
}

TEST_NO_OOM(a_leak_fails_and_names_its_maker)
{
	struct verdict v = verdict_of(inner_leaks, 1);

	CHECK_EQ(v.failed, 1);
	if (!alloc_is_wrapped())
		return; /* the sanitizer has found it, in its own words */
	check_reported(&v, "1 blocks (33 bytes) were not given back");
	check_reported(&v, "inner_leaks");
}

TEST_NO_OOM(a_crash_that_only_a_failed_allocation_shows_fails)
{
	struct verdict v = verdict_of(inner_crashes_starved, 1);

	CHECK_EQ(v.failed, alloc_is_wrapped());
	if (v.failed)
		check_reported(&v, "when allocation 0 failed: it crashed");
	if (v.failed)
		check_reported(&v, "inner_crashes_starved");
	CHECK_EQ(verdict_of(inner_crashes_starved, 0).failed, 0);
}

TEST_NO_OOM(a_leak_that_only_a_failed_allocation_shows_fails)
{
	struct verdict v = verdict_of(inner_leaks_starved, 1);

	CHECK_EQ(v.failed, alloc_is_wrapped());
	if (v.failed)
		check_reported(&v, "when allocation 1 failed: 1 blocks");
}

TEST_NO_OOM(what_a_test_started_ends_with_it)
{
	CHECK_EQ(verdict_of(inner_starts_a_process, 0).failed, 0);
}

TEST_NO_OOM(files_go_with_their_run_however_it_ends)
{
	struct verdict v = verdict_of(inner_leaves_files, 1);
	char *path;

	CHECK_EQ(v.failed, 1);
	check_reported(&v, "inner: a check failed");
	path = strstr(v.report, "the file is /");
	CHECK(path);
	path += strlen("the file is ");
	for (char *end = path + strcspn(path, "\n"); end > path + 4;
	     end = strrchr(path, '/')) {
		*end = '\0';
		CHECK(access(path, F_OK) != 0);
	}
	CHECK_EQ(verdict_of(inner_uses_a_path, 1).failed, 0);
}

TEST(starving_is_known_to_the_test)
{
	void *p = malloc(1);

	CHECK_EQ(!p, test_is_starved());
	free(p);
}

TEST(the_peak_counts_what_was_held_at_once)
{
	char *volatile a = malloc(1000);
	char *volatile b = malloc(500);

	free(a);
	free(b);
	CHECK(a && b);
	kept = malloc(700);
	CHECK(kept);
	free(kept);
	CHECK_EQ(test_peak_bytes(), alloc_is_wrapped() ? 1500 : 0);
}
