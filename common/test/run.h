/* common/test/run.h - one test: its run, then its repetitions, in processes.
 *
 * For runner.c and for the tests of the harness itself; tests see check.h.
 */
#ifndef WEIR_TEST_RUN_H
#define WEIR_TEST_RUN_H

#include "common/test/check.h"

#define TEST_EXIT_CHECK 99 /* a check failed; it has said where */

/* Where paths of test_path() are; "": none was asked for yet. */
struct test_folder {
	char path[32];
};

/* Remember the signal handlers to give back to tests. Call it first. */
void test_run_init(void);

/* Run `t`, then repeat it with failing allocations. Returns 0 when it passed;
 * else 1, with the reasons and the test's output written to `report_fd`. */
int test_run(const struct test_case *t, int report_fd);

/* All registered tests, in the order of the file. */
struct test_case *test_registered(void);

/* Say to check.c what kind of run this process is, and where it is to say
 * which folder it has made. */
void test_set_run(int is_starved, struct test_folder *folder);

/* End this process without the handlers of exit(), but keep its coverage. */
void test_exit(int code) __attribute__((noreturn));

#endif
