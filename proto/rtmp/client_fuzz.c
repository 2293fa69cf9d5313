/* proto/rtmp/client_fuzz.c - a client session behind its handshake, player and
 * publisher. */
#include "proto/rtmp/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int on_send(void *ctx, struct span bytes)
{
	(void)ctx;
	return bytes.len ? 0 : WEIR_ESTOP;
}

static int on_ready(void *ctx)
{
	const struct rtmp_media m = {RTMP_DATA, 1, SPAN_LIT("x")};

	return *(struct rtmp_client **)ctx
		       ? rtmp_client_write_media(*(struct rtmp_client **)ctx,
						 &m) == WEIR_ENOMEM
		       : 0;
}

static int on_media(void *ctx, const struct rtmp_media *m)
{
	(void)ctx;
	return m->type ? 0 : WEIR_ESTOP;
}

static int on_status(void *ctx, struct span code, struct span level,
		     struct span description)
{
	(void)ctx;
	return code.len + level.len + description.len > 1 << 20;
}

static int on_end(void *ctx, enum rtmp_end reason)
{
	(void)ctx;
	return reason ? 0 : WEIR_ESTOP;
}

static void feed_client(struct span in, bool is_publish)
{
	static const uint8_t shake[1 + 2 * 1536] = {3};
	const struct rtmp_client_desc desc = {
		is_publish, "live", "rtmp://h/a",
		"x",        NULL,   RTMP_HANDSHAKE_SIMPLE};
	struct rtmp_client *c = NULL;
	const struct rtmp_client_events events = {&c,       on_send,   on_ready,
						  on_media, on_status, on_end};
	size_t used;

	if (rtmp_client_new(&c, &desc, &events, 1, 0))
		return;
	if (!rtmp_client_start(c) && !rtmp_client_feed(c, SPAN(shake), &used) &&
	    !rtmp_client_feed(c, in, &used))
		BUG_ON(used != in.len);
	rtmp_client_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span in = span_of(data, len);

	feed_client(in, false);
	feed_client(in, true);
	return 0;
}
