/* common/media/reason.c - names and sentences of the closed list. */
#include "common/media/reason.h"

#include "common/base/err.h"

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

enum reason reason_of_error(int err)
{
	switch (err) {
	case WEIR_ELIMIT:
		return REASON_limit;
	case WEIR_ENOMEM:
		return REASON_no_resources;
	case WEIR_ETIMEOUT:
		return REASON_timeout;
	case WEIR_EPROTO:
		return REASON_protocol_error;
	case WEIR_EUNSUPPORTED:
		return REASON_unsupported;
	default:
		return REASON_peer_left;
	}
}
