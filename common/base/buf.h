/* common/base/buf.h - a growing buffer with sticky writers.
 *
 * A write that cannot be had (memory, or `limit_bytes`) fails the buffer; from
 * then on writes do nothing, and buf_error() says why. So a message is written
 * field by field and asked about once. Writes are big-endian unless their name
 * ends in _le. A struct buf that is all zero is an empty buffer without limit.
 */
#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H

#include "common/base/err.h"
#include "common/base/order.h"
#include "common/base/span.h"

struct buf {
	uint8_t *data;
	size_t len;         /* bytes written */
	size_t cap;         /* bytes allocated */
	size_t limit_bytes; /* len never passes it; 0: none */
	int err;            /* 0, WEIR_ENOMEM or WEIR_ELIMIT; sticky */
};

/* Free the memory; the buffer is then empty and usable again. */
void buf_fini(struct buf *b);

/* Forget the content and the error, keep the memory. */
void buf_clear(struct buf *b);

/* Make room for `more` bytes behind len. Returns 0 or the sticky error. */
int buf_reserve(struct buf *b, size_t more);

/* Append a copy of `s` (may lie anywhere but in this buffer). */
static inline void buf_put(struct buf *b, struct span s);

/* Append `len` zero bytes and return where they start, for filling in; NULL
 * after an error. The pointer dies with the next write. */
uint8_t *buf_grow(struct buf *b, size_t len);

/* Remove the first `len` bytes (at most all of them). */
void buf_drop(struct buf *b, size_t len);

void buf_put_uint(struct buf *b, uint64_t v, unsigned bytes);
void buf_put_uint_le(struct buf *b, uint64_t v, unsigned bytes);
void buf_printf(struct buf *b, const char *fmt, ...) WEIR_PRINTF(2, 3);

/* Append a NUL that is not counted in len, and return the text; "" after an
 * error. Dies with the next write. */
const char *buf_text(struct buf *b);

static inline struct span buf_span(const struct buf *b)
{
	return (struct span){b->data, b->len};
}

static inline int buf_error(const struct buf *b)
{
	return b->err;
}

/* ---- writes that find room, as nearly all do, need no call ---- */

/* For these alone: what they do when there is no room, a limit or an error. */
void buf_put_slow(struct buf *b, struct span s);

/* `len` bytes behind the last one, counted; NULL: ask for them slowly. */
static inline uint8_t *buf_take_room(struct buf *b, size_t len)
{
	const size_t at = b->len;

	if (b->err || b->limit_bytes || b->cap - at < len)
		return NULL;
	b->len = at + len;
	return b->data + at;
}

static inline void buf_put(struct buf *b, struct span s)
{
	uint8_t *at = s.len ? buf_take_room(b, s.len) : NULL;

	if (at)
		memcpy(at, s.data, s.len);
	else
		buf_put_slow(b, s);
}

static inline void buf_put_u8(struct buf *b, uint8_t v)
{
	uint8_t *at = buf_take_room(b, 1);

	if (at)
		*at = v;
	else
		buf_put_uint(b, v, 1);
}

static inline void buf_put_u16(struct buf *b, uint16_t v)
{
	uint8_t *at = buf_take_room(b, sizeof(v));

	if (at)
		store_u16(at, v);
	else
		buf_put_uint(b, v, sizeof(v));
}

static inline void buf_put_u24(struct buf *b, uint32_t v)
{
	uint8_t *at = buf_take_room(b, 3);

	if (at) {
		at[0] = (uint8_t)(v >> 16);
		store_u16(at + 1, (uint16_t)v);
	} else {
		buf_put_uint(b, v, 3);
	}
}

static inline void buf_put_u32(struct buf *b, uint32_t v)
{
	uint8_t *at = buf_take_room(b, sizeof(v));

	if (at)
		store_u32(at, v);
	else
		buf_put_uint(b, v, sizeof(v));
}

static inline void buf_put_u64(struct buf *b, uint64_t v)
{
	uint8_t *at = buf_take_room(b, sizeof(v));

	if (at)
		store_u64(at, v);
	else
		buf_put_uint(b, v, sizeof(v));
}

static inline void buf_put_u16_le(struct buf *b, uint16_t v)
{
	uint8_t *at = buf_take_room(b, sizeof(v));

	if (at)
		store_u16_le(at, v);
	else
		buf_put_uint_le(b, v, sizeof(v));
}

static inline void buf_put_u32_le(struct buf *b, uint32_t v)
{
	uint8_t *at = buf_take_room(b, sizeof(v));

	if (at)
		store_u32_le(at, v);
	else
		buf_put_uint_le(b, v, sizeof(v));
}

static inline void buf_put_u64_le(struct buf *b, uint64_t v)
{
	uint8_t *at = buf_take_room(b, sizeof(v));

	if (at)
		store_u64_le(at, v);
	else
		buf_put_uint_le(b, v, sizeof(v));
}

#endif
