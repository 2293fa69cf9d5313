/* common/io/usage_test.c - what this process says of itself. */
#include "common/io/usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/err.h"
#include "common/test/check.h"

TEST_NO_OOM(memory_that_is_written_to_is_resident_and_writing_takes_time)
{
	const size_t bytes = (size_t)64 << 20;
	uint64_t before = io_resident_bytes(), cpu_us = io_cpu_us(),
		 thread_us = io_thread_cpu_us();
	char *memory = malloc(bytes);

	CHECK(memory);
	for (size_t i = 0; i < bytes; i++)
		memory[i] = (char)(i * cpu_us);
	CHECK(io_resident_bytes() >= before + bytes / 2);
	CHECK(io_cpu_us() > cpu_us);
	CHECK(io_thread_cpu_us() > thread_us);
	CHECK(io_thread_cpu_us() <=
	      io_cpu_us() + 10000); /* it counts in ticks */
	free(memory);
}

/* ---- what it may have ---- */

static void write_file(const char *dir, const char *name, const char *text)
{
	char file[256];
	FILE *f;

	snprintf(file, sizeof(file), "%s/%s", dir, name);
	for (char *at = strchr(file + strlen(dir) + 1, '/'); at;
	     at = strchr(at + 1, '/')) {
		*at = '\0';
		(void)mkdir(file, 0700); /* it may be there */
		*at = '/';
	}
	f = fopen(file, "w");
	CHECK(f);
	fputs(text, f);
	fclose(f);
}

/* NULL: there is no such file. */
static uint64_t memory_max(const char *of_self, const char *machine,
			   const char *group, const char *around)
{
	char dir[TEST_PATH_SIZE], self[128], meminfo[128];
	const struct io_memory_files files = {self, dir, meminfo};

	test_path(dir);
	CHECK_EQ(mkdir(dir, 0700), 0);
	snprintf(self, sizeof(self), "%s/self", dir);
	snprintf(meminfo, sizeof(meminfo), "%s/meminfo", dir);
	if (of_self)
		write_file(dir, "self", of_self);
	if (machine)
		write_file(dir, "meminfo", machine);
	if (group)
		write_file(dir, "a/b/memory.max", group);
	if (around)
		write_file(dir, "a/memory.max", around);
	return io_memory_max_in(&files);
}

#define SELF    "4:memory:/old\n1:cpu:/\n0::/a/b\n"
#define MACHINE "MemFree: 3 kB\nMemTotal:       2000 kB\nSwapTotal: 9 kB\n"

TEST_NO_OOM(the_least_limit_of_all_groups_around_and_the_machine_counts)
{
	static const struct {
		const char *self, *machine, *group, *around;
		uint64_t bytes;
	} rows[] = {
		{SELF, MACHINE, "1000000\n", "max\n", 1000000},
		{SELF, MACHINE, "max\n", "900000\n", 900000},
		{SELF, MACHINE, "1000000\n", "900000\n", 900000},
		{SELF, MACHINE, "max\n", "max\n", 2048000},
		{SELF, MACHINE, "99999999999\n", NULL, 2048000},
		{SELF, MACHINE, NULL, NULL, 2048000},
		{"0::/a/b\n", NULL, "5\n", NULL, 5},
		{"0::/\n", MACHINE, "5\n", "6\n", 2048000},
		{"4:memory:/a/b\n", MACHINE, "5\n", NULL, 2048000},
		{"0::/elsewhere/c\n", MACHINE, "5\n", NULL, 2048000},
		{NULL, NULL, "5\n", NULL, 0},
		{"", "", "", "", 0},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(rows); i++)
		CHECK_EQ(memory_max(rows[i].self, rows[i].machine,
				    rows[i].group, rows[i].around),
			 rows[i].bytes);
}

TEST_NO_OOM(this_process_may_have_more_than_it_has)
{
	CHECK(io_memory_max() > io_resident_bytes());
}
