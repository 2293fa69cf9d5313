/* common/io/usage.h - what this process uses of its machine: read now. Each costs
 * a few system calls: for every second, not for each frame. */
#ifndef WEIR_IO_USAGE_H
#define WEIR_IO_USAGE_H

#include <stdint.h>

/* 0 where the system does not say. */
uint64_t io_resident_bytes(void);
uint64_t io_cpu_us(void);        /* of all its threads, ever */
uint64_t io_thread_cpu_us(void); /* of the calling thread, ever */

/* What this process may have: the least of memory.max of its control group
 * (version 2), of the groups around that, and of the machine's memory. Reads
 * files: at the start. 0 where nothing says. */
uint64_t io_memory_max(void);

/* Where that is said. */
struct io_memory_files {
	const char *of_self; /* "/proc/self/cgroup" */
	const char *groups;  /* "/sys/fs/cgroup" */
	const char *machine; /* "/proc/meminfo" */
};
uint64_t io_memory_max_in(const struct io_memory_files *f);

#endif
