/* common/test/alloc.h - the counting and failing allocator under the tests.
 *
 * The linker's --wrap sends our code's malloc, calloc, realloc, free, strdup
 * and strndup here (not what third-party libraries call inside themselves).
 * A block from elsewhere may be freed here. Used by the runner; and by a test
 * that is not repeated and wants one certain allocation to fail.
 */
#ifndef WEIR_TEST_ALLOC_H
#define WEIR_TEST_ALLOC_H

#include <stddef.h>
#include <stdint.h>

struct alloc_totals {
	uint64_t call_count;  /* allocations asked for */
	uint64_t live_count;  /* blocks not given back */
	uint64_t live_bytes;  /* their bytes */
	uint64_t peak_bytes;  /* the most that was live at once */
	const void *oldest;   /* who asked for the oldest live block */
	uint64_t oldest_call; /* that block's number, from 0 */
};

#define ALLOC_NEVER UINT64_MAX

/* Is the allocator wrapped at all? (Not in builds with sanitizers.) */
int alloc_is_wrapped(void);

/* Count from zero; blocks of before are no longer looked at. The allocation
 * with number `failing` returns NULL, once, and *starved is set to the address
 * that asked for it; ALLOC_NEVER fails none. `starved` is borrowed for good. */
void alloc_begin(uint64_t failing, const void **starved);

/* What happened since alloc_begin. May be called at any time. */
struct alloc_totals alloc_totals(void);

#endif
