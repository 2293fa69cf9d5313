/* common/base/bits.c - the sticky bit reader. */
#include "common/base/bits.h"

#include <string.h>

#include "common/base/err.h"

struct bits bits_of(struct span in)
{
	struct bits b = {0};

	b.at = in.data;
	b.end = in.len ? in.data + in.len : in.data;
	return b;
}

struct bits bits_of_rbsp(struct span in)
{
	struct bits b = bits_of(in);

	b.is_rbsp = true;
	return b;
}

/* Step over an emulation prevention byte that stands next, if one does. */
static void skip_emulation(struct bits *b)
{
	if (!b->is_rbsp || b->zeros < 2 || b->at == b->end || *b->at != 3)
		return;
	b->at++;
	b->zeros = 0;
}

static bool load_byte(struct bits *b)
{
	skip_emulation(b);
	if (b->at == b->end) {
		b->is_failed = true;
		return false;
	}
	b->byte = *b->at++;
	b->zeros = b->byte ? 0 : b->zeros + 1;
	b->left = 8;
	return true;
}

uint32_t bits_u(struct bits *b, unsigned count)
{
	uint64_t v = 0;

	while (count && !b->is_failed) {
		unsigned take;

		if (!b->left && !load_byte(b))
			return 0;
		take = count < b->left ? count : b->left;
		b->left -= take;
		v = v << take | (b->byte >> b->left & ((1u << take) - 1));
		count -= take;
	}
	return b->is_failed ? 0 : (uint32_t)v;
}

bool bits_flag(struct bits *b)
{
	if (b->is_failed || (!b->left && !load_byte(b)))
		return false;
	b->left--;
	return b->byte >> b->left & 1;
}

void bits_skip(struct bits *b, unsigned count)
{
	for (; count > 32; count -= 32)
		(void)bits_u(b, 32);
	(void)bits_u(b, count);
}

/* How many bytes until one counts: of whole ones the zeros do, and what stands
 * behind them. */
static size_t plain_bytes(const struct bits *b, size_t most)
{
	const uint8_t *zero;

	if (!b->is_rbsp)
		return most;
	if (b->zeros)
		return 0;
	zero = memchr(b->at, 0, most);
	return zero ? (size_t)(zero - b->at) : most;
}

static void skip_aligned(struct bits *b, size_t count)
{
	while (count && b->at != b->end) {
		const size_t plain = plain_bytes(
			b, WEIR_MIN(count, (size_t)(b->end - b->at)));

		if (plain) {
			b->at += plain;
			count -= plain;
			continue;
		}
		if (b->zeros >= 2 && *b->at == 3) {
			b->at++;
			b->zeros = 0;
			continue;
		}
		b->zeros = *b->at++ ? 0 : b->zeros + 1;
		count--;
	}
	b->is_failed |= count > 0;
}

void bits_skip_bytes(struct bits *b, size_t count)
{
	const unsigned part = b->left;

	if (b->is_failed || !count)
		return;
	if (!part) {
		skip_aligned(b, count);
		return;
	}
	b->left = 0; /* these bits, whole bytes, and so many less of the last */
	skip_aligned(b, count - 1);
	(void)bits_u(b, 8 - part);
}

uint32_t bits_ue(struct bits *b)
{
	unsigned zeros = 0;
	uint64_t v;

	while (!bits_flag(b)) {
		if (b->is_failed || ++zeros == 32) {
			b->is_failed = true;
			return 0;
		}
	}
	v = (UINT64_C(1) << zeros) - 1 + bits_u(b, zeros);
	return b->is_failed ? 0 : (uint32_t)v;
}

uint32_t bits_ue_max(struct bits *b, uint32_t max)
{
	uint32_t v = bits_ue(b);

	if (v > max)
		b->is_failed = true;
	return b->is_failed ? 0 : v;
}

int32_t bits_se(struct bits *b)
{
	uint32_t k = bits_ue(b);

	return k & 1 ? (int32_t)(k / 2 + 1) : -(int32_t)(k / 2);
}
