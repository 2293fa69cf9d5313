/* proto/rtmp/link.c - what both sides of a session share. */
#include "proto/rtmp/link.h"

#include "proto/rtmp/message.h"

/* A peer that announces a tiny window would make us send more than it does. */
#define ACK_STEP_BYTES_MIN 4096
#define OUT_KEPT_BYTES     1024 /* not the handshake's answer */

const struct rtmp_chunk_limits rtmp_limits_small = {
	.message_bytes = 16 * 1024,
	.pending_bytes = 32 * 1024,
	.csid_count = 16,
};

const struct rtmp_chunk_limits rtmp_limits_media = {
	.message_bytes = RTMP_MESSAGE_BYTES_MAX,
	.pending_bytes = RTMP_MESSAGE_BYTES_MAX + 1024 * 1024,
	.csid_count = 64,
};

int rtmp_link_fail(struct rtmp_link *l, int err, const char *fault)
{
	l->err = err;
	l->fault = fault;
	return err;
}

static uint32_t ack_step_bytes(const struct rtmp_link *l)
{
	return WEIR_MAX(l->window_bytes / 2, ACK_STEP_BYTES_MIN);
}

static uint64_t unacked_bytes(const struct rtmp_link *l)
{
	return rtmp_chunk_reader_bytes(l->reader) - l->acked_bytes;
}

/* Acknowledge each half window, once it is read. The numbers do not depend on
 * how the bytes came, and lag the truth by less than a feed. */
static void put_acks(struct rtmp_link *l)
{
	uint32_t step_bytes = ack_step_bytes(l);

	while (l->window_bytes && unacked_bytes(l) >= step_bytes) {
		l->acked_bytes += step_bytes;
		rtmp_put_ack(&l->out, (uint32_t)l->acked_bytes);
	}
}

static int on_window(struct rtmp_link *l, struct span payload)
{
	struct reader r = reader_of(payload);
	uint32_t window_bytes = read_u32(&r);

	if (reader_failed(&r))
		return rtmp_link_fail(l, WEIR_EPROTO, "window too short");
	if (window_bytes != l->window_bytes)
		l->acked_bytes = rtmp_chunk_reader_bytes(l->reader);
	l->window_bytes = window_bytes;
	return 0;
}

/* Answer pings; StreamBegin, StreamEOF and the like are the session's. */
static int on_user_control(struct rtmp_link *l, const struct rtmp_message *msg)
{
	struct rtmp_user_control c;

	if (rtmp_user_control_read(&c, msg->payload))
		return rtmp_link_fail(l, WEIR_EPROTO, "user control too short");
	if (c.event != RTMP_PING_REQUEST)
		return l->on_message(l->ctx, msg);
	rtmp_put_user_event(&l->out, RTMP_PING_RESPONSE, c.value);
	return 0;
}

static int on_message(void *ctx, const struct rtmp_message *msg)
{
	struct rtmp_link *l = ctx;

	put_acks(l);
	switch (msg->type) {
	case RTMP_SET_CHUNK_SIZE:
	case RTMP_ABORT:
	case RTMP_ACK:
	case RTMP_PEER_BANDWIDTH:
		return 0;
	case RTMP_WINDOW_ACK_SIZE:
		return on_window(l, msg->payload);
	case RTMP_USER_CONTROL:
		return on_user_control(l, msg);
	default:
		return l->on_message(l->ctx, msg);
	}
}

int rtmp_link_init(struct rtmp_link *l, const struct rtmp_chunk_limits *limits)
{
	l->fault = "";
	l->chunk_bytes = RTMP_CHUNK_BYTES_DEFAULT;
	return rtmp_chunk_reader_new(&l->reader, limits, on_message, l);
}

void rtmp_link_fini(struct rtmp_link *l)
{
	rtmp_handshake_free(&l->handshake);
	rtmp_chunk_reader_free(&l->reader);
	buf_fini(&l->out);
}

int rtmp_link_shake(struct rtmp_link *l, struct span in, size_t *used)
{
	int err;

	*used = 0;
	if (l->err || !l->handshake)
		return l->err;
	err = rtmp_handshake_feed(l->handshake, in, used, &l->out);
	if (err)
		return rtmp_link_fail(l, err, "handshake is not RTMP's");
	if (rtmp_handshake_is_done(l->handshake))
		rtmp_handshake_free(&l->handshake);
	return 0;
}

static int feed_chunks(struct rtmp_link *l, struct span in, size_t *used)
{
	const char *fault;
	int err = rtmp_chunk_reader_feed(l->reader, in, used);

	fault = rtmp_chunk_reader_fault(l->reader);
	if (err && *fault)
		return rtmp_link_fail(l, err, fault);
	if (!err)
		put_acks(l);
	return err;
}

int rtmp_link_feed(struct rtmp_link *l, struct span in, size_t *used)
{
	size_t more = 0;
	int err = rtmp_link_shake(l, in, used);
	int flush_err;

	if (!err && !l->handshake)
		err = feed_chunks(l, span_from(in, *used), &more);
	*used += more;
	/* also after an error: what was answered before it goes out, so that
	 * the peer sees the same wherever the bytes were cut */
	flush_err = rtmp_link_flush(l);
	return err ? err : flush_err;
}

void rtmp_link_put(struct rtmp_link *l, uint8_t type, uint32_t timestamp_ms,
		   uint32_t stream_id, struct span payload)
{
	rtmp_chunk_write(&l->out, rtmp_csid_of(type), timestamp_ms, type,
			 stream_id, payload, l->chunk_bytes);
}

void rtmp_link_take_command(struct rtmp_link *l, uint32_t stream_id,
			    struct buf *payload)
{
	if (!l->out.err)
		l->out.err = buf_error(payload);
	rtmp_link_put(l, RTMP_COMMAND, 0, stream_id, buf_span(payload));
	buf_fini(payload);
}

int rtmp_link_flush(struct rtmp_link *l)
{
	struct buf out = l->out;
	int err = buf_error(&out);

	if (err == WEIR_ENOMEM)
		return rtmp_link_fail(l, err, "out of memory");
	if (!err && !out.len)
		return 0;
	l->out = (struct buf){0}; /* the callback may make more of it */
	if (!err)
		err = l->on_send(l->send_ctx, buf_span(&out));
	if (l->out.data || out.cap > OUT_KEPT_BYTES) {
		buf_fini(&out);
		return err;
	}
	buf_clear(&out);
	l->out = out;
	return err;
}

int rtmp_keep_texts(struct buf *store, struct span *const *text, size_t count)
{
	struct buf kept = {0};
	size_t at = 0;

	for (size_t i = 0; i < count; i++)
		buf_put(&kept, *text[i]);
	if (buf_error(&kept)) {
		int err = buf_error(&kept);

		buf_fini(&kept);
		return err;
	}
	for (size_t i = 0; i < count; i++) {
		size_t len = text[i]->len;

		*text[i] = span_first(span_from(buf_span(&kept), at), len);
		at += len;
	}
	buf_fini(store);
	*store = kept;
	return 0;
}

void rtmp_link_save(const struct rtmp_link *l, struct buf *out)
{
	buf_put_u8(out, l->handshake != NULL);
	if (l->handshake)
		rtmp_handshake_save(l->handshake, out);
	buf_put_u32_le(out, l->chunk_bytes);
	buf_put_u32_le(out, l->window_bytes);
	buf_put_u64_le(out, l->acked_bytes);
	rtmp_chunk_reader_save(l->reader, out);
}

int rtmp_link_load(struct rtmp_link *l, struct reader *in)
{
	int err;

	if (read_u8(in)) {
		err = rtmp_handshake_load(&l->handshake, in);
		if (err)
			return err;
	}
	l->chunk_bytes = read_u32_le(in);
	l->window_bytes = read_u32_le(in);
	l->acked_bytes = read_u64_le(in);
	if (!l->chunk_bytes || l->chunk_bytes > RTMP_CHUNK_BYTES_MAX)
		return WEIR_EPROTO;
	err = rtmp_chunk_reader_load(l->reader, in);
	if (err)
		return err;
	if (l->window_bytes && unacked_bytes(l) >= ack_step_bytes(l))
		return WEIR_EPROTO; /* all that was due had been sent */
	return 0;
}
