/* common/base/buf.c - a growing buffer with sticky writers. */
#include "common/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf){.limit_bytes = b->limit_bytes};
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->err = 0;
}

static int grow_to(struct buf *b, size_t want)
{
	size_t cap = b->cap ? b->cap : 64;
	uint8_t *data;

	while (cap < want)
		cap += cap / 2 + 1;
	data = realloc(b->data, cap);
	if (!data)
		return WEIR_ENOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

int buf_reserve(struct buf *b, size_t more)
{
	if (b->err)
		return b->err;
	if (more > SIZE_MAX / 4 - b->len)
		b->err = WEIR_ELIMIT;
	else if (b->limit_bytes && b->len + more > b->limit_bytes)
		b->err = WEIR_ELIMIT;
	else if (b->len + more > b->cap)
		b->err = grow_to(b, b->len + more);
	return b->err;
}

void buf_put_slow(struct buf *b, struct span s)
{
	if (!s.len || buf_reserve(b, s.len))
		return;
	memcpy(b->data + b->len, s.data, s.len);
	b->len += s.len;
}

uint8_t *buf_grow(struct buf *b, size_t len)
{
	uint8_t *at;

	if (buf_reserve(b, len) || !b->data)
		return NULL;
	at = b->data + b->len;
	memset(at, 0, len);
	b->len += len;
	return at;
}

void buf_drop(struct buf *b, size_t len)
{
	if (len >= b->len) {
		b->len = 0;
		return;
	}
	if (!len)
		return;
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
}

void buf_put_uint(struct buf *b, uint64_t v, unsigned bytes)
{
	if (buf_reserve(b, bytes))
		return;
	for (unsigned i = bytes; i-- > 0;)
		b->data[b->len++] = (uint8_t)(v >> (8 * i));
}

void buf_put_uint_le(struct buf *b, uint64_t v, unsigned bytes)
{
	if (buf_reserve(b, bytes))
		return;
	for (unsigned i = 0; i < bytes; i++)
		b->data[b->len++] = (uint8_t)(v >> (8 * i));
}

/* Behind `len` more bytes: it is not counted, so no limit speaks of it. */
static int make_room_for_nul(struct buf *b, size_t len)
{
	if (b->len + len + 1 > b->cap)
		b->err = grow_to(b, b->len + len + 1);
	return b->err;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0 || buf_reserve(b, (size_t)len))
		return;
	if (make_room_for_nul(b, (size_t)len))
		return;
	va_start(ap, fmt);
	vsnprintf((char *)b->data + b->len, (size_t)len + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)len;
}

const char *buf_text(struct buf *b)
{
	if (b->err || make_room_for_nul(b, 0))
		return "";
	b->data[b->len] = '\0';
	return (const char *)b->data;
}
