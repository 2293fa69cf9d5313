/* common/bus/link_fuzz.c - what a peer may send on a connection. */
#include "common/bus/link.h"

static int on_record(void *ctx, const struct record *r)
{
	return r->type == RECORD_ACK ? link_on_ack(ctx, r->sequence, 1) : 0;
}

static int on_frame(void *ctx, const struct record *r, struct frame *f)
{
	return ctx && r->sid == f->track ? WEIR_ESTOP : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct link_events events = {on_record, on_frame};
	struct link_sender s;
	struct link_receiver rc;
	uint32_t sids[8];
	const char *why;
	size_t used;

	link_sender_init(&s, &(struct link_limits){1, 2, 3});
	link_receiver_init(&rc, len & 1 ? 1 : 2, RECORD_BYTES_MAX);
	(void)link_look_ahead(span_of(data, len), sids, 8);
	(void)!link_receive(&rc, &used, span_of(data, len), &events, &s, &why);
	link_receiver_fini(&rc);
	link_sender_fini(&s);
	return 0;
}
