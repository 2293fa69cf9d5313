/* common/base/uuid.h - 16 bytes that name an instance, a session, an epoch. */
#ifndef WEIR_BASE_UUID_H
#define WEIR_BASE_UUID_H

#include "common/base/err.h"
#include "common/base/span.h"

#define UUID_TEXT_SIZE 33 /* 32 lower-case hex digits and a NUL */

struct uuid {
	uint8_t byte[16];
};

static inline int uuid_cmp(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->byte, b->byte, sizeof(a->byte));
}

static inline bool uuid_eq(const struct uuid *a, const struct uuid *b)
{
	return uuid_cmp(a, b) == 0;
}

static inline bool uuid_is_zero(const struct uuid *u)
{
	static const struct uuid zero;

	return uuid_eq(u, &zero);
}

/* Write 32 hex digits and a NUL to `out`; returns `out`. */
char *uuid_text(char out[UUID_TEXT_SIZE], const struct uuid *u);

/* Read exactly 32 lower-case hex digits. Returns 0 or WEIR_EINVAL. */
WEIR_MUST_CHECK int uuid_parse(struct uuid *out, struct span text);

#endif
