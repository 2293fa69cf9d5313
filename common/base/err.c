/* common/base/err.c - the list of errors as text. */
#include "common/base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *weir_strerror(int err)
{
	switch (err) {
	case 0:
		return "no error";
#define WEIR_ERR_CASE(name, number, text)                                      \
	case number:                                                           \
		return text;
		WEIR_ERRORS(WEIR_ERR_CASE)
#undef WEIR_ERR_CASE
	default:
		return strerror(err < 0 ? -err : err);
	}
}

void weir_bug(const char *file, int line, const char *what)
{
	fprintf(stderr, "bug file=%s line=%d broken=\"%s\"\n", file, line,
		what);
	abort();
}
