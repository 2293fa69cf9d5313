/* common/media/reason.c - names and sentences of the closed list. */
#include "common/media/reason.h"

const char *reason_name(int reason)
{
	switch (reason) {
#define WEIR_REASON_NAME(number, name, text)                                   \
	case number:                                                           \
		return #name;
		WEIR_REASONS(WEIR_REASON_NAME)
#undef WEIR_REASON_NAME
	default:
		return "unknown";
	}
}

const char *reason_text(int reason)
{
	switch (reason) {
#define WEIR_REASON_TEXT(number, name, text)                                   \
	case number:                                                           \
		return text;
		WEIR_REASONS(WEIR_REASON_TEXT)
#undef WEIR_REASON_TEXT
	default:
		return "an unknown reason";
	}
}
