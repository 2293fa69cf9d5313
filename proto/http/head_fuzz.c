/* proto/http/head_fuzz.c - hostile request heads. */
#include "proto/http/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct http_head whole;
	struct http_head part;
	struct span in = span_of(data, len);

	if (http_head_parse(&whole, in, NULL))
		return 0;
	/* Nothing behind the head, and no byte less, changes what it is. */
	BUG_ON(http_head_parse(&part, span_first(in, whole.head_bytes), NULL));
	BUG_ON(whole.field_count != part.field_count);
	in = span_first(in, whole.head_bytes - 1);
	BUG_ON(http_head_parse(&part, in, NULL) != WEIR_ESHORT);
	return 0;
}
