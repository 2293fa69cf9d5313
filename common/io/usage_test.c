/* common/io/usage_test.c - what this process says of itself. */
#include "common/io/usage.h"

#include <stdlib.h>

#include "common/test/check.h"

TEST_NO_OOM(memory_that_is_written_to_is_resident_and_writing_takes_time)
{
	const size_t bytes = (size_t)64 << 20;
	uint64_t before = io_resident_bytes(), cpu_us = io_cpu_us();
	char *memory = malloc(bytes);

	CHECK(memory);
	for (size_t i = 0; i < bytes; i++)
		memory[i] = (char)(i * cpu_us);
	CHECK(io_resident_bytes() >= before + bytes / 2);
	CHECK(io_cpu_us() > cpu_us);
	free(memory);
}
