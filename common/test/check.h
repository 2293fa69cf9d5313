/* common/test/check.h - the thin layer over cmocka.
 *
 * A test file has TEST(a_sentence) blocks and no main: they register
 * themselves. Each run of a test is a process of its own, so tests share no
 * state. After a test has passed, the runner repeats it with allocation 0, 1,
 * 2, … failing: a check that fails then ends that repetition quietly, but a
 * crash, a hang, or memory not given back by a repetition that ran to its end
 * fails the test. TEST_NO_OOM(name) is left out of the repetitions (say why).
 *
 * Builds with sanitizers (SAN=1) do not repeat: there the sanitizer judges.
 */
#ifndef WEIR_TEST_CHECK_H
#define WEIR_TEST_CHECK_H

#include <inttypes.h>

#include "common/base/span.h"

struct test_case {
	const char *name;
	void (*run)(void);
	int is_repeated; /* with failing allocations */
	struct test_case *next;
};

void test_register(struct test_case *t);

#define TEST_CASE(fn, repeated)                                                \
	static void fn(void);                                                  \
	static struct test_case fn##_case = {#fn, fn, repeated, 0};            \
	__attribute__((constructor)) static void fn##_register(void)           \
	{                                                                      \
		test_register(&fn##_case);                                     \
	}                                                                      \
	static void fn(void)

#define TEST(fn)        TEST_CASE(fn, 1)
#define TEST_NO_OOM(fn) TEST_CASE(fn, 0)

/* Each names file, line and both values when it fails, and ends the test. */
void check_true(int ok, const char *expr, const char *file, int line);
void check_eq(int64_t a, int64_t b, const char *ea, const char *eb,
	      const char *file, int line);
void check_str(const char *a, const char *b, const char *file, int line);
void check_span(struct span a, struct span b, const char *file, int line);

#define CHECK(expr) check_true(!!(expr), #expr, __FILE__, __LINE__)
#define CHECK_EQ(a, b)                                                         \
	check_eq((int64_t)(a), (int64_t)(b), #a, #b, __FILE__, __LINE__)
#define CHECK_STR(a, b)  check_str((a), (b), __FILE__, __LINE__)
#define CHECK_SPAN(a, b) check_span((a), (b), __FILE__, __LINE__)

/* Static analysis shall know that nothing goes on after a failed check. */
#ifdef __clang_analyzer__
#undef CHECK
#undef CHECK_EQ
#define CHECK(expr)    ((expr) ? (void)0 : __builtin_trap())
#define CHECK_EQ(a, b) CHECK((int64_t)(a) == (int64_t)(b))
#endif

/* Is this a repetition with failing allocations? */
int test_is_starved(void);

#define TEST_PATH_SIZE 64

/* A path at which nothing is yet, for a file, a socket or a folder of the
 * test's own: it goes with the run, however that ends, and all in it too. */
void test_path(char path[TEST_PATH_SIZE]);

/* The most bytes that our code has held at once since the test began; always
 * 0 in builds with sanitizers. What third-party libraries hold is not seen. */
size_t test_peak_bytes(void);

#endif
