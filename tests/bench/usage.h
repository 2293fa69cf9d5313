/* tests/bench/usage.h - what processes have used, from /proc. */
#ifndef WEIR_BENCH_USAGE_H
#define WEIR_BENCH_USAGE_H

#include <stdint.h>
#include <sys/types.h>

struct usage {
	double cpu_s;         /* on the processor, all its threads */
	uint64_t private_kb;  /* memory that is its own (USS) */
	uint64_t share_kb;    /* the same and its share of the rest (PSS) */
	uint64_t resident_kb; /* RSS */
};

/* All zero when the process is gone. */
void usage_of(struct usage *out, pid_t pid);

/* The same of the thread that calls: seconds on the processor. */
double usage_own_cpu_s(void);

#endif
