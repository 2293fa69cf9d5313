/* common/media/via_fuzz.c - hostile lists of clusters, and metadata with them. */
#include "common/media/via_meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span in = span_of(data, len);
	char via[VIA_SIZE] = "";
	struct buf out = {0};

	BUG_ON(!via_add(via, in, "here") && !via_has(span_str(via), "here"));
	via_common(via, in, span_str(via));
	if (!via_mark_metadata(&out, in, span_str(via), "here") && out.len)
		BUG_ON(via_mark_metadata(&out, buf_span(&out), in, "here") !=
		       WEIR_EPROTO);
	buf_fini(&out);
	return 0;
}
