/* common/access/text.h - which texts may be names, notes and secrets. */
#ifndef WEIR_ACCESS_TEXT_H
#define WEIR_ACCESS_TEXT_H

#include "common/base/span.h"

/* 1 to `max` bytes of A-Z a-z 0-9 . _ : ~ @ and -. */
bool text_is_id(struct span s, size_t max);

/* At most `max` bytes of UTF-8 without control characters. */
bool text_is_line(struct span s, size_t max);

/* `min` to `max` printable ASCII characters, no blanks: what shells, tools and
 * settings hold alike. */
bool text_is_secret(struct span s, size_t min, size_t max);

/* Value of a hex digit, -1: it is none. */
int text_hex_digit(uint8_t c);

/* Decode %XX in place of `size` bytes with their NUL. Returns the length; -1:
 * too long, or a broken escape. */
int text_unescape(char *out, size_t size, struct span s);

#endif
