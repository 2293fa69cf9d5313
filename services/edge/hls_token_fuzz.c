/* services/edge/hls_token_fuzz.c - what is read is written the same. */
#include "services/edge/hls_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct stream_key key = {"live/cam"};
	const struct hls_token_use use = {SPAN_LIT("secret"), &key, NULL};
	const struct span text = span_of(data, len);
	char again[HLS_TOKEN_SIZE];
	struct hls_token t;

	if (hls_token_read(&t, text) &&
	    hls_token_check(&t, text, &use) == HLS_TOKEN_OWN)
		BUG_ON(hls_token_write(again, &t, &use) == 0 &&
		       !span_eq_str(text, again));
	return 0;
}
