/* common/test/runner.c - main of every test binary: its tests as a cmocka group.
 *
 * usage: some_test [PART_OF_A_NAME]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/test/run.h"

static void run_case(void **state)
{
	if (test_run(*state, STDERR_FILENO))
		fail();
}

int main(int argc, char **argv)
{
	const char *part = argc > 1 ? argv[1] : "";
	struct CMUnitTest *group;
	size_t max = 0;
	size_t count = 0;
	int failed;

	for (struct test_case *t = test_registered(); t; t = t->next)
		max++;
	group = calloc(max + 1, sizeof(*group));
	if (!group)
		return 1;
	for (struct test_case *t = test_registered(); t; t = t->next)
		if (strstr(t->name, part))
			group[count++] = (struct CMUnitTest){
				.name = t->name,
				.test_func = run_case,
				.initial_state = t,
			};
	if (count == 0)
		fprintf(stderr, "%s: no test has that name\n", argv[0]);
	test_run_init();
	failed = _cmocka_run_group_tests(argv[0], group, count, NULL, NULL);
	free(group);
	return failed || count == 0;
}
