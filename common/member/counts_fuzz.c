/* common/member/counts_fuzz.c - reports and answers that anybody may have sent. */
#include "common/member/counts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int put(void *ctx, enum counts_kind kind, struct span name, uint32_t n)
{
	return counts_page_put(ctx, kind, name, n) == WEIR_ENOMEM;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct json_tokener *t = json_tokener_new_ex(8);
	struct json_object *o = json_tokener_parse_ex(t, (const char *)data,
						      (int)len),
			   *again;
	struct counts_answer a = {0};
	struct counts_report r;
	struct counts_page p;

	if (!counts_report_read(&r, o) || !counts_answer_read(&a, o)) {
		BUG_ON(counts_page_begin(&p) || counts_each(o, put, &p));
		again = counts_page_answer(&p, &a);
		BUG_ON(counts_answer_read(&a, again));
		json_object_put(again);
	}
	json_object_put(o);
	json_tokener_free(t);
	return 0;
}
