/* common/base/fetch.h - have memory come nearer before it is touched.
 *
 * What a frame of one stream among hundreds touches is in no cache, and each first
 * look at a line costs more than the work that is done with it. Who knows what
 * comes next asks for it, does something else, and then finds it there. It
 * changes nothing; an address that is wrong does no harm.
 */
#ifndef WEIR_BASE_FETCH_H
#define WEIR_BASE_FETCH_H

#include <stddef.h>

#define FETCH_LINE      64u /* bytes of a cache line */
#define FETCH_AHEAD_MAX 64u /* things that are asked for in one go */

/* The line at `p`, to be written soon. The empty asm is what keeps it: gcc 12
 * drops calls of functions that do nothing but fetch. */
static inline void fetch(const void *p)
{
	__builtin_prefetch(p, 1);
	__asm__ volatile("");
}

/* All lines of so many bytes. */
static inline void fetch_bytes(const void *p, size_t bytes)
{
	const char *at = p;

	for (size_t i = 0; i < bytes; i += FETCH_LINE)
		fetch(at + i);
	fetch(at + bytes - 1);
}

/* The whole of what `p` points to. */
#define FETCH(p) fetch_bytes((p), sizeof(*(p)))

#endif
