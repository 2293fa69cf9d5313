/* common/base/reader.h - the sticky reader: read every field, ask once.
 *
 * Reading past the end fails the reader; from then on every read returns 0 or
 * an empty span, and reader_failed() says so. Multi-byte reads are big-endian
 * unless their name ends in _le.
 */
#ifndef WEIR_BASE_READER_H
#define WEIR_BASE_READER_H

#include "common/base/order.h"
#include "common/base/span.h"

struct reader {
	const uint8_t *at;
	const uint8_t *end;
	bool is_failed;
};

static inline struct reader reader_of(struct span in)
{
	return (struct reader){in.data, in.len ? in.data + in.len : in.data,
			       false};
}

static inline bool reader_failed(const struct reader *r)
{
	return r->is_failed;
}

static inline size_t reader_left(const struct reader *r)
{
	return r->is_failed ? 0 : (size_t)(r->end - r->at);
}

/* `len` bytes, borrowed from the input. */
static inline struct span read_span(struct reader *r, size_t len)
{
	struct span s = {r->at, len};

	if (reader_left(r) < len) {
		r->is_failed = true;
		return (struct span){0};
	}
	if (len)
		r->at += len;
	return s;
}

static inline struct span read_rest(struct reader *r)
{
	return read_span(r, reader_left(r));
}

static inline uint64_t read_uint(struct reader *r, unsigned bytes)
{
	struct span s = read_span(r, bytes);
	uint64_t v = 0;

	for (size_t i = 0; i < s.len; i++)
		v = v << 8 | s.data[i];
	return v;
}

/* As many bytes as a number has; NULL: they are not there. */
static inline const uint8_t *read_bytes(struct reader *r, size_t len)
{
	const uint8_t *at = r->at;

	if (reader_left(r) < len) {
		r->is_failed = true;
		return NULL;
	}
	r->at = at + len;
	return at;
}

static inline uint8_t read_u8(struct reader *r)
{
	const uint8_t *at = read_bytes(r, 1);

	return at ? *at : 0;
}

static inline uint16_t read_u16(struct reader *r)
{
	const uint8_t *at = read_bytes(r, 2);

	return at ? load_u16(at) : 0;
}

static inline uint32_t read_u24(struct reader *r)
{
	const uint8_t *at = read_bytes(r, 3);

	return at ? (uint32_t)at[0] << 16 | load_u16(at + 1) : 0;
}

static inline uint32_t read_u32(struct reader *r)
{
	const uint8_t *at = read_bytes(r, 4);

	return at ? load_u32(at) : 0;
}

static inline uint64_t read_u64(struct reader *r)
{
	const uint8_t *at = read_bytes(r, 8);

	return at ? load_u64(at) : 0;
}

static inline uint16_t read_u16_le(struct reader *r)
{
	const uint8_t *at = read_bytes(r, 2);

	return at ? load_u16_le(at) : 0;
}

static inline uint32_t read_u32_le(struct reader *r)
{
	const uint8_t *at = read_bytes(r, 4);

	return at ? load_u32_le(at) : 0;
}

static inline uint64_t read_u64_le(struct reader *r)
{
	const uint8_t *at = read_bytes(r, 8);

	return at ? load_u64_le(at) : 0;
}

#endif
