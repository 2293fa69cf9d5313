/* common/svc/version.c - what this build is; the Makefile says it. */
#include "common/svc/svc.h"

#ifndef WEIR_VERSION
#define WEIR_VERSION "0.0.0"
#endif
#ifndef WEIR_COMMIT
#define WEIR_COMMIT "unknown"
#endif

const char *svc_version(void)
{
	return WEIR_VERSION;
}

const char *svc_commit(void)
{
	return WEIR_COMMIT;
}
