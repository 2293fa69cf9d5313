/* common/base/uuid.c - text form of a uuid. */
#include "common/base/uuid.h"

char *uuid_text(char out[UUID_TEXT_SIZE], const struct uuid *u)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < sizeof(u->byte); i++) {
		out[2 * i] = hex[u->byte[i] >> 4];
		out[2 * i + 1] = hex[u->byte[i] & 15];
	}
	out[32] = '\0';
	return out;
}

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int uuid_parse(struct uuid *out, struct span text)
{
	struct uuid u;

	if (text.len != 32)
		return WEIR_EINVAL;
	for (size_t i = 0; i < sizeof(u.byte); i++) {
		int hi = digit(text.data[2 * i]);
		int lo = digit(text.data[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return WEIR_EINVAL;
		u.byte[i] = (uint8_t)(hi << 4 | lo);
	}
	*out = u;
	return 0;
}
