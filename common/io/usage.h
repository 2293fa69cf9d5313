/* common/io/usage.h - what this process uses of its machine: read now. Each costs
 * a few system calls: for every second, not for each frame. */
#ifndef WEIR_IO_USAGE_H
#define WEIR_IO_USAGE_H

#include <stdint.h>

/* 0 where the system does not say. */
uint64_t io_resident_bytes(void);
uint64_t io_cpu_us(void); /* of all its threads, ever */

#endif
