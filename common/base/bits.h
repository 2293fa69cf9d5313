/* common/base/bits.h - the sticky bit reader, for codec headers.
 *
 * Most significant bit first. Reading past the end fails the reader; from then
 * on every read returns 0, and bits_failed() says so. A reader of an RBSP (the
 * inside of an H.26x NAL unit) leaves out emulation prevention bytes (the 3 in
 * 00 00 03) while it goes.
 */
#ifndef WEIR_BASE_BITS_H
#define WEIR_BASE_BITS_H

#include "common/base/span.h"

struct bits {
	const uint8_t *at; /* next byte to load */
	const uint8_t *end;
	unsigned left;  /* bits of `byte` not read yet */
	unsigned zeros; /* zero bytes just before `at` */
	uint8_t byte;
	bool is_rbsp;
	bool is_failed;
};

struct bits bits_of(struct span in);
struct bits bits_of_rbsp(struct span in);

static inline bool bits_failed(const struct bits *b)
{
	return b->is_failed;
}

/* The next `count` (0-32) bits as a number. */
uint32_t bits_u(struct bits *b, unsigned count);
bool bits_flag(struct bits *b);
void bits_skip(struct bits *b, unsigned count);
void bits_skip_bytes(struct bits *b, size_t count);

/* Exp-Golomb codes; one of 32 or more leading zeros fails the reader. */
uint32_t bits_ue(struct bits *b);
int32_t bits_se(struct bits *b);

/* As bits_ue; a value above `max` fails the reader. */
uint32_t bits_ue_max(struct bits *b, uint32_t max);

#endif
