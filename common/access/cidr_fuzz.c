/* common/access/cidr_fuzz.c - any text: a block that is written as it is read. */
#include "common/access/cidr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cidr block, again;
	char text[CIDR_TEXT_SIZE];

	if (cidr_parse(&block, span_of(data, len)))
		return 0;
	BUG_ON(cidr_parse(&again, span_str(cidr_text(text, &block))));
	BUG_ON(again.bits != block.bits ||
	       memcmp(&again.first, &block.first, sizeof(block.first)) != 0);
	BUG_ON(!cidr_contains(&block, &block.first));
	return 0;
}
