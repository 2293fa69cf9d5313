/* common/io/usage.c - what this process uses of its machine. */
#include "common/io/usage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

uint64_t io_resident_bytes(void)
{
	char text[128] = {0};
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	unsigned long long pages = 0;
	char *at = text;

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) > 0) {
		(void)strtoull(text, &at, 10); /* size, then resident */
		pages = strtoull(at, NULL, 10);
	}
	close(fd);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t io_cpu_us(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u))
		return 0;
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000u +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}
