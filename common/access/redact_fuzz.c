/* common/access/redact_fuzz.c - any address: what was cut out stays out. */
#include "common/access/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf once = {0}, twice = {0};

	redact_url(&once, span_of(data, len));
	redact_url(&twice, buf_span(&once));
	BUG_ON(!span_eq(buf_span(&once), buf_span(&twice)));
	buf_fini(&once);
	buf_fini(&twice);
	return 0;
}
