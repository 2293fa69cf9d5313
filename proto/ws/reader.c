/* proto/ws/reader.c - WebSocket frames: bytes in, messages out. */
#include "proto/ws/reader.h"

#include <stdlib.h>

#include "common/base/utf8.h"

#define DEFAULT_MESSAGE_BYTES  65536
#define DEFAULT_FRAGMENTS      1024
#define DEFAULT_CONTROLS_PER_S 50
#define HEAD_MAX               (WS_HEAD_MAX + 4) /* with the mask */

struct ws_reader {
	enum ws_role role;
	struct ws_limits limits;
	ws_event_fn *on_event;
	void *ctx;

	uint8_t head[HEAD_MAX]; /* of the frame that is being read */
	size_t head_len;
	bool is_in_payload;
	uint8_t opcode;
	bool is_final;
	uint8_t mask[4];
	uint64_t payload_bytes;
	uint64_t left; /* bytes of the payload still to come */

	uint8_t control[WS_CONTROL_MAX]; /* payload of a control frame */
	struct buf message;              /* fragments so far */
	uint8_t message_opcode;          /* 0: no message has begun */
	uint32_t fragments;

	int64_t bucket_ms; /* when the bucket was filled last */
	int64_t tokens;    /* thousandths of a control frame */
	bool has_time;

	bool is_closed;
	uint16_t code;
	int err; /* sticky */
};

int ws_reader_new(struct ws_reader **out, enum ws_role role,
		  const struct ws_limits *limits, ws_event_fn *on_event,
		  void *ctx)
{
	struct ws_reader *rd = calloc(1, sizeof(*rd));
	struct ws_limits *l;

	if (!rd)
		return WEIR_ENOMEM;
	l = &rd->limits;
	if (limits)
		*l = *limits;
	if (!l->message_bytes)
		l->message_bytes = DEFAULT_MESSAGE_BYTES;
	if (!l->frame_bytes || l->frame_bytes > l->message_bytes)
		l->frame_bytes = l->message_bytes;
	if (!l->fragments)
		l->fragments = DEFAULT_FRAGMENTS;
	if (!l->controls_per_s)
		l->controls_per_s = DEFAULT_CONTROLS_PER_S;
	rd->role = role;
	rd->on_event = on_event;
	rd->ctx = ctx;
	rd->code = WS_CODE_NORMAL;
	rd->message.limit_bytes = l->message_bytes;
	*out = rd;
	return 0;
}

void ws_reader_free(struct ws_reader **p)
{
	struct ws_reader *rd = *p;

	if (!rd)
		return;
	buf_fini(&rd->message);
	free(rd);
	*p = NULL;
}

static int fail(struct ws_reader *rd, int err, uint16_t code)
{
	rd->code = code;
	rd->err = err;
	return err;
}

static bool is_control(uint8_t opcode)
{
	return opcode & 8;
}

/* ---- How often ---- */

static void fill_bucket(struct ws_reader *rd, int64_t now_ms)
{
	const int64_t full = 1000LL * rd->limits.controls_per_s;
	int64_t passed_ms = rd->has_time ? now_ms - rd->bucket_ms : 1000;

	passed_ms = WEIR_MIN(WEIR_MAX(passed_ms, 0), 1000);
	rd->tokens = WEIR_MIN(
		full, rd->tokens + passed_ms * rd->limits.controls_per_s);
	rd->bucket_ms = now_ms;
	rd->has_time = true;
}

static int take_token(struct ws_reader *rd)
{
	if (rd->tokens < 1000)
		return fail(rd, WEIR_ELIMIT, WS_CODE_POLICY);
	rd->tokens -= 1000;
	return 0;
}

/* ---- What was read ---- */

static int report(struct ws_reader *rd, const struct ws_event *event)
{
	int err = rd->on_event(rd->ctx, event);

	if (err)
		rd->err = err;
	return err;
}

/* Section 7.4: which codes may stand in a close. */
static bool is_code(uint16_t code)
{
	if (code >= 3000)
		return code <= 4999;
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

static int take_close(struct ws_reader *rd, struct span payload)
{
	struct ws_event event = {.opcode = WS_CLOSE,
				 .close_code = WS_CODE_NONE};

	if (payload.len) {
		event.close_code = payload.len == 1
					   ? 0
					   : (uint16_t)(payload.data[0] << 8 |
							payload.data[1]);
		event.payload = span_from(payload, 2);
		if (!is_code(event.close_code))
			return fail(rd, WEIR_EPROTO, WS_CODE_PROTOCOL);
		if (utf8_valid_len(event.payload) != event.payload.len)
			return fail(rd, WEIR_EPROTO, WS_CODE_BAD_TEXT);
	}
	rd->is_closed = true;
	rd->code = event.close_code;
	return report(rd, &event);
}

static int take_control(struct ws_reader *rd)
{
	struct span payload = span_of(rd->control, (size_t)rd->payload_bytes);
	struct ws_event event = {.opcode = rd->opcode, .payload = payload};

	if (rd->opcode == WS_CLOSE)
		return take_close(rd, payload);
	return report(rd, &event);
}

static int take_message(struct ws_reader *rd)
{
	struct ws_event event = {.opcode = rd->message_opcode,
				 .payload = buf_span(&rd->message)};
	int err;

	if (event.opcode == WS_TEXT &&
	    utf8_valid_len(event.payload) != event.payload.len)
		return fail(rd, WEIR_EPROTO, WS_CODE_BAD_TEXT);
	err = report(rd, &event);
	buf_clear(&rd->message);
	rd->message_opcode = 0;
	rd->fragments = 0;
	return err;
}

static int end_frame(struct ws_reader *rd)
{
	rd->is_in_payload = false;
	rd->head_len = 0;
	if (is_control(rd->opcode))
		return take_control(rd);
	return rd->is_final ? take_message(rd) : 0;
}

/* ---- Heads ---- */

/* Which frame may come now (section 5.4). */
static bool is_in_order(const struct ws_reader *rd, uint8_t opcode)
{
	switch (opcode) {
	case WS_CONTINUATION:
		return rd->message_opcode != 0;
	case WS_TEXT:
	case WS_BINARY:
		return rd->message_opcode == 0;
	case WS_CLOSE:
	case WS_PING:
	case WS_PONG:
		return true;
	default:
		return false;
	}
}

/* The first two bytes: all that is wrong without the length. */
static int check_start(struct ws_reader *rd)
{
	const uint8_t *h = rd->head;
	bool is_masked = h[1] & 0x80;

	rd->opcode = h[0] & 0x0f;
	rd->is_final = h[0] & 0x80;
	if ((h[0] & 0x70) || !is_in_order(rd, rd->opcode) ||
	    is_masked != (rd->role == WS_FROM_CLIENT))
		return fail(rd, WEIR_EPROTO, WS_CODE_PROTOCOL);
	if (is_control(rd->opcode) &&
	    (!rd->is_final || (h[1] & 0x7f) > WS_CONTROL_MAX))
		return fail(rd, WEIR_EPROTO, WS_CODE_PROTOCOL);
	return 0;
}

static unsigned length_bytes(const struct ws_reader *rd)
{
	uint8_t len = rd->head[1] & 0x7f;

	return len == 126 ? 2 : len == 127 ? 8 : 0;
}

static size_t head_bytes(const struct ws_reader *rd)
{
	if (rd->head_len < 2)
		return 2;
	return 2 + length_bytes(rd) + (rd->role == WS_FROM_CLIENT ? 4 : 0);
}

/* The length has to be in its shortest form, with the top bit 0 (5.2). */
static bool read_length(struct ws_reader *rd)
{
	unsigned more = length_bytes(rd);
	uint64_t n = 0;

	for (unsigned i = 0; i < more; i++)
		n = n << 8 | rd->head[2 + i];
	if (more && (n < (more == 2 ? 126u : 65536u) || n >> 63))
		return false;
	rd->payload_bytes = more ? n : rd->head[1] & 0x7f;
	rd->left = rd->payload_bytes;
	memcpy(rd->mask, rd->head + 2 + more, sizeof(rd->mask));
	return true;
}

static int begin_data(struct ws_reader *rd)
{
	if (rd->payload_bytes > rd->limits.frame_bytes ||
	    rd->payload_bytes > rd->limits.message_bytes - rd->message.len)
		return fail(rd, WEIR_ELIMIT, WS_CODE_TOO_BIG);
	if (++rd->fragments > rd->limits.fragments)
		return fail(rd, WEIR_ELIMIT, WS_CODE_POLICY);
	if (rd->opcode != WS_CONTINUATION)
		rd->message_opcode = rd->opcode;
	return 0;
}

static int begin_payload(struct ws_reader *rd)
{
	int err = 0;

	if (!read_length(rd))
		return fail(rd, WEIR_EPROTO, WS_CODE_PROTOCOL);
	if (is_control(rd->opcode) || !rd->payload_bytes)
		err = take_token(rd);
	if (!err && !is_control(rd->opcode))
		err = begin_data(rd);
	if (err)
		return err;
	rd->is_in_payload = true;
	return rd->left ? 0 : end_frame(rd);
}

static int feed_head(struct ws_reader *rd, struct span *in)
{
	rd->head[rd->head_len++] = in->data[0];
	*in = span_from(*in, 1);
	if (rd->head_len == 2) {
		int err = check_start(rd);

		if (err)
			return err;
	}
	return rd->head_len == head_bytes(rd) ? begin_payload(rd) : 0;
}

/* ---- Payloads ---- */

/* `at`: how far into the payload the bytes stand. */
static void unmask(const struct ws_reader *rd, uint8_t *to, struct span from,
		   uint64_t at)
{
	for (size_t i = 0; i < from.len; i++)
		to[i] = from.data[i] ^ rd->mask[(at + i) % 4];
}

static int feed_payload(struct ws_reader *rd, struct span *in)
{
	struct span part =
		span_first(*in, (size_t)WEIR_MIN(rd->left, (uint64_t)in->len));
	uint64_t at = rd->payload_bytes - rd->left;
	uint8_t *to = is_control(rd->opcode) ? rd->control + at
					     : buf_grow(&rd->message, part.len);

	if (!to)
		return fail(rd, buf_error(&rd->message), WS_CODE_INTERNAL);
	if (rd->role == WS_FROM_CLIENT)
		unmask(rd, to, part, at);
	else
		memcpy(to, part.data, part.len);
	*in = span_from(*in, part.len);
	rd->left -= part.len;
	return rd->left ? 0 : end_frame(rd);
}

int ws_reader_feed(struct ws_reader *rd, int64_t now_ms, struct span in)
{
	int err = rd->err;

	fill_bucket(rd, now_ms);
	while (!err && in.len && !rd->is_closed)
		err = rd->is_in_payload ? feed_payload(rd, &in)
					: feed_head(rd, &in);
	return err;
}

uint16_t ws_reader_code(const struct ws_reader *rd)
{
	return rd->code;
}

bool ws_reader_is_closed(const struct ws_reader *rd)
{
	return rd->is_closed;
}
