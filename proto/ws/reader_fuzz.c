/* proto/ws/reader_fuzz.c - hostile frames, from clients and from servers. */
#include "proto/ws/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int on_event(void *ctx, const struct ws_event *event)
{
	/* What was read can be written, and only what is legal is read. */
	BUG_ON(event->opcode == 0 || event->opcode > WS_PONG);
	ws_frame_put(ctx, event->opcode, event->payload);
	return 0;
}

static struct buf read_cut(uint8_t role, struct span in, size_t cut)
{
	struct ws_reader *rd;
	struct buf out = {0};

	BUG_ON(ws_reader_new(&rd, role, NULL, on_event, &out));
	if (!ws_reader_feed(rd, 0, span_first(in, cut)))
		(void)!ws_reader_feed(rd, 0, span_from(in, cut));
	BUG_ON(!ws_reader_code(rd));
	ws_reader_free(&rd);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t role = len ? data[0] >> 7 & 1 : 0;
	struct buf whole = read_cut(role, span_of(data, len), len);
	struct buf parts =
		read_cut(role, span_of(data, len), len ? data[len - 1] : 0);

	BUG_ON(!span_eq(buf_span(&whole), buf_span(&parts)));
	buf_fini(&whole);
	buf_fini(&parts);
	return 0;
}
