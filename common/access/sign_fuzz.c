/* common/access/sign_fuzz.c - any query: claims, that can be signed anew. */
#include "common/access/sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct span secret = SPAN_LIT("0123456789abcdef");
	struct sign_claims c, again;
	struct buf text = {0};

	if (sign_read(&c, span_of(data, len), NULL))
		return 0;
	BUG_ON(sign_write(&text, &c, secret));
	BUG_ON(sign_read(&again, buf_span(&text), NULL));
	BUG_ON(!sign_is_of(&again, secret) || again.exp_ms != c.exp_ms);
	BUG_ON(strcmp(again.user, c.user) || strcmp(again.kid, c.kid));
	buf_fini(&text);
	return 0;
}
