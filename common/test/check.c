/* common/test/check.c - checks: name both values and end the test's process. */
#include "common/test/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/test/alloc.h"
#include "common/test/run.h"

#define DUMP_BYTES 16 /* shown on each side of the first difference */

void __gcov_dump(void) __attribute__((weak));

/* Constructors register tests and take no context. */
static struct {
	struct test_case *first;
	struct test_case **last;
	int is_starved;
	struct test_folder *folder;
	unsigned path_count;
} tests;

void test_register(struct test_case *t)
{
	if (!tests.last)
		tests.last = &tests.first;
	*tests.last = t;
	tests.last = &t->next;
}

struct test_case *test_registered(void)
{
	return tests.first;
}

void test_set_run(int is_starved, struct test_folder *folder)
{
	tests.is_starved = is_starved;
	tests.folder = folder;
}

int test_is_starved(void)
{
	return tests.is_starved;
}

void test_path(char path[TEST_PATH_SIZE])
{
	char *folder = tests.folder->path;

	if (!*folder) {
		*tests.folder = (struct test_folder){"/tmp/weir-run-XXXXXX"};
		BUG_ON(!mkdtemp(folder));
		/* to others a test may open what it has made in it */
		BUG_ON(chmod(folder, 0711) != 0);
	}
	snprintf(path, TEST_PATH_SIZE, "%s/%u", folder, ++tests.path_count);
}

size_t test_peak_bytes(void)
{
	return (size_t)alloc_totals().peak_bytes;
}

void test_exit(int code)
{
	fflush(NULL);
	if (__gcov_dump)
		__gcov_dump();
	_exit(code);
}

static void begin_failure(const char *file, int line)
{
	if (tests.is_starved)
		test_exit(TEST_EXIT_CHECK);
	fprintf(stderr, "%s:%d: ", file, line);
}

void check_true(int ok, const char *expr, const char *file, int line)
{
	if (ok)
		return;
	begin_failure(file, line);
	fprintf(stderr, "this is false: %s\n", expr);
	test_exit(TEST_EXIT_CHECK);
}

void check_eq(int64_t a, int64_t b, const char *ea, const char *eb,
	      const char *file, int line)
{
	if (a == b)
		return;
	begin_failure(file, line);
	fprintf(stderr, "%s is %" PRId64 " (0x%" PRIx64 ")", ea, a,
		(uint64_t)a);
	fprintf(stderr, ", but %s is %" PRId64 " (0x%" PRIx64 ")\n", eb, b,
		(uint64_t)b);
	test_exit(TEST_EXIT_CHECK);
}

static void print_str(const char *name, const char *s)
{
	fprintf(stderr, s ? "  %s \"%s\"\n" : "  %s NULL\n", name, s);
}

void check_str(const char *a, const char *b, const char *file, int line)
{
	if (a == b || (a && b && !strcmp(a, b)))
		return;
	begin_failure(file, line);
	fprintf(stderr, "the strings differ:\n");
	print_str("first: ", a);
	print_str("second:", b);
	test_exit(TEST_EXIT_CHECK);
}

static void print_bytes(const char *name, struct span s, size_t at)
{
	const size_t from = at > DUMP_BYTES ? at - DUMP_BYTES : 0;

	fprintf(stderr, "  %s %zu bytes, from %zu:", name, s.len, from);
	for (size_t i = from; i < s.len && i < at + DUMP_BYTES; i++)
		fprintf(stderr, i == at ? " [%02x]" : " %02x", s.data[i]);
	fprintf(stderr, "\n");
}

void check_span(struct span a, struct span b, const char *file, int line)
{
	size_t at = 0;

	if (span_eq(a, b))
		return;
	while (at < a.len && at < b.len && a.data[at] == b.data[at])
		at++;
	begin_failure(file, line);
	fprintf(stderr, "the bytes differ at %zu:\n", at);
	print_bytes("first: ", a, at);
	print_bytes("second:", b, at);
	test_exit(TEST_EXIT_CHECK);
}
