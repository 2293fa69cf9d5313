/* proto/rtmp/auth_fuzz.c - any words of a server that refuses. */
#include "proto/rtmp/auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = {0};

	if (rtmp_auth_answer(&out, span_of(data, size), SPAN_LIT("u"),
			     SPAN_LIT("p"), 7))
		buf_clear(&out);
	buf_fini(&out);
	return 0;
}
