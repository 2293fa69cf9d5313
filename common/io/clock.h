/* common/io/clock.h - wall clock and randomness: the system's, read now. */
#ifndef WEIR_IO_CLOCK_H
#define WEIR_IO_CLOCK_H

#include "common/base/err.h"
#include "common/base/uuid.h"

/* Microseconds since 1970 UTC. May step; never for measuring how long. */
int64_t io_utc_us(void);

/* Monotonic milliseconds and microseconds without a loop (tests, tools). */
uint64_t io_mono_ms(void);
uint64_t io_mono_us(void);

/* Fill with unpredictable bytes. Ends the process when the kernel has none,
 * which Linux never says once it has booted. */
void io_random(void *out, size_t len);

/* A random uuid (version 4). */
struct uuid io_uuid(void);

#define IO_UTC_TEXT_SIZE 25 /* 2026-01-02T03:04:05.678Z and a NUL */

/* ISO 8601 in UTC with milliseconds; years 1970 to 9999, else that is cut.
 * Returns `out`. */
char *io_utc_text(char out[IO_UTC_TEXT_SIZE], int64_t utc_us);

#endif
