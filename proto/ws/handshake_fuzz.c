/* proto/ws/handshake_fuzz.c - hostile requests and answers. */
#include "proto/ws/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t key[WS_KEY_BYTES];
	struct span in = span_of(data, len);
	struct http_head head;
	struct ws_request req;
	struct ws_answer answer;
	struct buf out = {0};

	(void)!ws_answer_read(&answer, in, key, SPAN_LIT("flv"));
	if (!http_head_parse(&head, in, NULL) &&
	    !ws_request_check(&req, &head)) {
		ws_answer_put(&out, &req, req.protocol);
		http_head_end(&out);
		BUG_ON(ws_answer_read(&answer, buf_span(&out), key,
				      SPAN_LIT("")) == WEIR_ESHORT);
	}
	buf_fini(&out);
	return 0;
}
