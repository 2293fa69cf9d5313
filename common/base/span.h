/* common/base/span.h - a borrowed run of bytes. */
#ifndef WEIR_BASE_SPAN_H
#define WEIR_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *data; /* borrowed; may be NULL when len is 0 */
	size_t len;          /* bytes */
};

/* The whole of an array (not a pointer). */
#define SPAN(array) ((struct span){(const uint8_t *)(array), sizeof(array)})
/* A string literal without its NUL. */
#define SPAN_LIT(s) ((struct span){(const uint8_t *)(s), sizeof(s) - 1})

static inline struct span span_of(const void *data, size_t len)
{
	return (struct span){data, len};
}

static inline struct span span_str(const char *s)
{
	return (struct span){(const uint8_t *)s, strlen(s)};
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || !memcmp(a.data, b.data, a.len));
}

static inline bool span_eq_str(struct span a, const char *s)
{
	return span_eq(a, span_str(s));
}

/* The part from `at` on; empty when `at` is past the end. */
static inline struct span span_from(struct span s, size_t at)
{
	if (at >= s.len)
		return (struct span){0};
	return (struct span){s.data + at, s.len - at};
}

/* The first `len` bytes, or all of it when it is shorter. */
static inline struct span span_first(struct span s, size_t len)
{
	return (struct span){s.data, len < s.len ? len : s.len};
}

#endif
