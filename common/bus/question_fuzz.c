/* common/bus/question_fuzz.c - JSON of requests and answers. */
#include "common/bus/question.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf b = {0};
	struct question q;
	struct answer a;

	if (!question_read(&q, span_of(data, len)))
		BUG_ON(question_write(&b, &q) != 0);
	if (!answer_read(&a, span_of(data, len)))
		BUG_ON(answer_write(&b, &a) != 0);
	buf_fini(&b);
	return 0;
}
