/* common/access/rule_fuzz.c - any text: a rule that is written as it is read. */
#include "common/access/rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf text = {0}, again = {0};
	struct rule *r = NULL, *same = NULL;

	if (rule_read(&r, span_of(data, len), NULL))
		return 0;
	rule_write(&text, r, RULE_WHOLE);
	BUG_ON(rule_read(&same, buf_span(&text), NULL));
	rule_write(&again, same, RULE_WHOLE);
	BUG_ON(!span_eq(buf_span(&text), buf_span(&again)));
	rule_unref(&r);
	rule_unref(&same);
	buf_fini(&text);
	buf_fini(&again);
	return 0;
}
