/* proto/rtmp/handshake_fuzz.c - both sides of the handshake, cut by the first
 * two bytes. */
#include "proto/rtmp/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void shake(struct rtmp_handshake *hs, struct span in, size_t cut,
		  struct buf *send)
{
	size_t used;

	if (!rtmp_handshake_feed(hs, span_first(in, cut), &used, send) &&
	    !rtmp_handshake_feed(hs, span_from(in, cut), &used, send))
		BUG_ON(send->len > 1 + 2 * RTMP_HANDSHAKE_PART);
	rtmp_handshake_free(&hs);
	buf_fini(send);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader r = reader_of(span_of(data, len));
	size_t cut = read_u16(&r);
	struct span in = read_rest(&r);
	struct rtmp_handshake *hs;
	struct buf send = {0};

	if (!rtmp_handshake_new_server(&hs, cut, 0))
		shake(hs, in, cut, &send);
	if (!rtmp_handshake_new_client(&hs, &send, cut % 3, cut, 0))
		shake(hs, in, cut, &send);
	r = reader_of(in);
	if (!rtmp_handshake_load(&hs, &r))
		shake(hs, read_rest(&r), cut, &send);
	return 0;
}
