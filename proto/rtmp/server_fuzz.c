/* proto/rtmp/server_fuzz.c - a server session behind its handshake, with every
 * request accepted; and a damaged saved state. */
#include "proto/rtmp/rtmp.h"
#include "proto/rtmp/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int on_send(void *ctx, struct span bytes)
{
	*(size_t *)ctx += bytes.len;
	return 0;
}

static int on_event(void *ctx, const char *line)
{
	(void)ctx;
	return line[0] ? 0 : WEIR_ESTOP;
}

static void feed_session(struct span in)
{
	static const uint8_t shake[1 + 2 * 1536] = {3};
	size_t sent = 0;
	const struct session_events events = {&sent, on_send, on_event};
	void *s;

	if (rtmp_session.open(&s, &events, 1))
		return;
	if (!rtmp_session.feed(s, SPAN(shake)) && !rtmp_session.feed(s, in))
		BUG_ON(sent > 4096 + 200 * in.len);
	rtmp_session.close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct rtmp_server_events none = {0};
	struct rtmp_server *s;

	/* the vectors begin with a handshake of their own */
	feed_session(span_from(span_of(data, len), len > 3073 ? 3073 : 0));
	if (!rtmp_server_load(&s, &none, span_of(data, len)))
		rtmp_server_free(&s);
	return 0;
}
