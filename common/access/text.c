/* common/access/text.c - which texts may be names, notes and secrets. */
#include "common/access/text.h"

#include "common/base/utf8.h"

static bool is_id_byte(uint8_t c)
{
	uint8_t letter = c | 0x20;

	return (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') ||
	       (c && strchr("._:~@-", c));
}

bool text_is_id(struct span s, size_t max)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_id_byte(s.data[i]))
			return false;
	return s.len > 0 && s.len <= max;
}

bool text_is_line(struct span s, size_t max)
{
	if (s.len > max)
		return false;
	while (s.len) {
		uint32_t c = utf8_next(&s);

		if (c == UTF8_BAD || c < 0x20 || (c >= 0x7f && c <= 0x9f))
			return false;
	}
	return true;
}

bool text_is_secret(struct span s, size_t min, size_t max)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] <= 0x20 || s.data[i] >= 0x7f)
			return false;
	return s.len >= min && s.len <= max;
}

int text_hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int text_unescape(char *out, size_t size, struct span s)
{
	size_t len = 0;

	while (s.len) {
		uint8_t c = s.data[0];
		size_t used = c == '%' ? 3 : 1;

		if (len + 1 >= size || s.len < used)
			return -1;
		if (c == '%') {
			int hi = text_hex_digit(s.data[1]);
			int lo = text_hex_digit(s.data[2]);

			if (hi < 0 || lo < 0)
				return -1;
			c = (uint8_t)(hi << 4 | lo);
		}
		out[len++] = (char)c;
		s = span_from(s, used);
	}
	out[len] = '\0';
	return (int)len;
}
