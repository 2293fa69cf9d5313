/* common/media/sei.c - the messages inside an SEI NAL unit. */
#include "common/media/sei.h"

struct sei_iter sei_iter_of(struct span rbsp)
{
	return (struct sei_iter){bits_of_rbsp(rbsp)};
}

/* Any number of 255, and the rest: one number. */
static uint32_t read_extended(struct bits *b)
{
	uint32_t sum = 0;
	uint32_t byte;

	do {
		byte = bits_u(b, 8);
		sum += byte;
	} while (byte == 255);
	return sum;
}

bool sei_next(struct sei_iter *it, struct sei *out)
{
	struct sei sei;

	/* The trailing 0x80 looks like a type without a size: it fails. */
	sei.type = read_extended(&it->bits);
	sei.size_bytes = read_extended(&it->bits);
	sei.body = it->bits;
	bits_skip_bytes(&it->bits, sei.size_bytes);
	if (bits_failed(&it->bits))
		return false;
	*out = sei;
	return true;
}
