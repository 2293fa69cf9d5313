/* proto/hls/path_fuzz.c - any path; names that are read are written the same. */
#include "proto/hls/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct hls_path p;

	hls_path_read(&p, span_of(data, len), IDENTITY_PATH);
	hls_path_read(&p, span_of(data, len), IDENTITY_NAME);
	BUG_ON(p.has_name && p.kind != HLS_PATH_SEGMENT);
	return 0;
}
