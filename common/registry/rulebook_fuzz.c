/* common/registry/rulebook_fuzz.c - rules as a file, whoever wrote it. */
#include "common/registry/rulebook.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rulebook b;

	rulebook_init(&b, 1);
	(void)!rulebook_read(&b, span_of(data, size));
	rulebook_fini(&b);
	return 0;
}
