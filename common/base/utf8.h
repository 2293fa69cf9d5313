/* common/base/utf8.h - UTF-8 as RFC 3629 has it: nothing overlong, no
 * surrogates, nothing above U+10FFFF.
 */
#ifndef WEIR_BASE_UTF8_H
#define WEIR_BASE_UTF8_H

#include "common/base/span.h"

#define UTF8_BAD UINT32_MAX /* no code point */

/* The code point at the front of *s, which is cut off; or UTF8_BAD, and *s
 * stays: it is empty, or what it begins with is not UTF-8. */
uint32_t utf8_next(struct span *s);

/* Length of the longest beginning that is whole UTF-8; `s.len`: all of it. */
size_t utf8_valid_len(struct span s);

#endif
