/* common/base/utf8.c - reading UTF-8 strictly (RFC 3629, section 4). */
#include "common/base/utf8.h"

/* Bytes in a sequence that starts with `lead`; 0: nothing starts so. */
static size_t sequence_len(uint8_t lead)
{
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2) /* a continuation, or C0 and C1: always overlong */
		return 0;
	if (lead < 0xe0)
		return 2;
	if (lead < 0xf0)
		return 3;
	return lead < 0xf5 ? 4 : 0;
}

uint32_t utf8_next(struct span *s)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = s->len ? sequence_len(s->data[0]) : 0;
	uint32_t c;

	if (!len || len > s->len)
		return UTF8_BAD;
	c = len == 1 ? s->data[0] : s->data[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s->data[i] & 0xc0) != 0x80)
			return UTF8_BAD;
		c = c << 6 | (s->data[i] & 0x3f);
	}
	if (c < least[len] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
		return UTF8_BAD;
	*s = span_from(*s, len);
	return c;
}

size_t utf8_valid_len(struct span s)
{
	struct span rest = s;

	while (utf8_next(&rest) != UTF8_BAD)
		;
	return s.len - rest.len;
}
