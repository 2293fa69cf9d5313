/* common/bus/record_fuzz.c - a stream of records, put together. */
#include "common/bus/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span in = {data, len};
	struct reassembly ra = {0};
	size_t n;

	while (!record_length(&n, in) && n <= in.len) {
		struct record r;
		const char *why;
		struct frame *f = NULL;

		if (!record_read(&r, span_first(in, n), &why) &&
		    (r.type & ~1) == RECORD_FRAME &&
		    !reassembly_take(&ra, &f, &r))
			frame_unref(&f);
		in = span_from(in, n);
	}
	reassembly_fini(&ra);
	return 0;
}
