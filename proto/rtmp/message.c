/* proto/rtmp/message.c - what stands in RTMP messages: types, control messages,
 * commands, aggregates. */
#include "proto/rtmp/message.h"

#define BANDWIDTH_DYNAMIC 2 /* limit type of Set Peer Bandwidth */

uint32_t rtmp_csid_of(uint8_t type)
{
	switch (type) {
	case RTMP_AUDIO:
		return RTMP_CSID_AUDIO;
	case RTMP_VIDEO:
		return RTMP_CSID_VIDEO;
	case RTMP_DATA:
		return RTMP_CSID_DATA;
	case RTMP_COMMAND:
		return RTMP_CSID_COMMAND;
	default:
		return RTMP_CSID_CONTROL;
	}
}

static void put_control(struct buf *out, uint8_t type, struct span payload)
{
	rtmp_chunk_write(out, RTMP_CSID_CONTROL, 0, type, 0, payload,
			 RTMP_CHUNK_BYTES_DEFAULT);
}

/* A payload of numbers: `count` pairs of {value, bytes}. */
struct field {
	uint32_t value;
	unsigned bytes;
};

static void put_fields(struct buf *out, uint8_t type, const struct field *f,
		       size_t count)
{
	uint8_t wire[10];
	struct buf payload = {.data = wire, .cap = sizeof(wire)};

	for (size_t i = 0; i < count; i++)
		buf_put_uint(&payload, f[i].value, f[i].bytes);
	put_control(out, type, buf_span(&payload));
}

void rtmp_put_chunk_size(struct buf *out, uint32_t bytes)
{
	put_fields(out, RTMP_SET_CHUNK_SIZE, &(struct field){bytes, 4}, 1);
}

void rtmp_put_ack(struct buf *out, uint32_t received_bytes)
{
	put_fields(out, RTMP_ACK, &(struct field){received_bytes, 4}, 1);
}

void rtmp_put_window(struct buf *out, uint32_t bytes)
{
	put_fields(out, RTMP_WINDOW_ACK_SIZE, &(struct field){bytes, 4}, 1);
}

void rtmp_put_peer_bandwidth(struct buf *out, uint32_t bytes)
{
	const struct field f[] = {{bytes, 4}, {BANDWIDTH_DYNAMIC, 1}};

	put_fields(out, RTMP_PEER_BANDWIDTH, f, WEIR_ARRAY_LEN(f));
}

void rtmp_put_user_event(struct buf *out, uint16_t event, uint32_t value)
{
	const struct field f[] = {{event, 2}, {value, 4}};

	put_fields(out, RTMP_USER_CONTROL, f, WEIR_ARRAY_LEN(f));
}

void rtmp_put_buffer_length(struct buf *out, uint32_t stream_id, uint32_t ms)
{
	const struct field f[] = {
		{RTMP_SET_BUFFER_LENGTH, 2}, {stream_id, 4}, {ms, 4}};

	put_fields(out, RTMP_USER_CONTROL, f, WEIR_ARRAY_LEN(f));
}

int rtmp_user_control_read(struct rtmp_user_control *out, struct span payload)
{
	struct reader r = reader_of(payload);
	uint16_t event = read_u16(&r);
	struct reader value = r;

	if (reader_failed(&r))
		return WEIR_EPROTO;
	out->event = event;
	out->value = read_u32(&value); /* 0 for an event without one */
	return 0;
}

int rtmp_command_read(struct rtmp_command *out, const struct rtmp_message *msg)
{
	struct rtmp_command c = {.object = {.type = AMF0_NULL}};
	struct span in =
		span_from(msg->payload, msg->type == RTMP_COMMAND_AMF3 ? 1 : 0);
	struct amf0_value v;
	int err;

	err = amf0_read(&v, &in, NULL);
	if (err)
		return err;
	if (!amf0_is_string(&v))
		return WEIR_EPROTO;
	c.name = v.text;
	c.transaction = rtmp_argument_number(&in, 0);
	if (in.len)
		err = amf0_read(&c.object, &in, NULL);
	if (err)
		return err;
	c.arguments = in;
	*out = c;
	return 0;
}

struct span rtmp_argument_string(struct span *arguments)
{
	struct amf0_value v;

	if (amf0_read(&v, arguments, NULL) || !amf0_is_string(&v))
		return (struct span){0};
	return v.text;
}

double rtmp_argument_number(struct span *arguments, double fallback)
{
	struct amf0_value v;

	if (amf0_read(&v, arguments, NULL) || v.type != AMF0_NUMBER)
		return fallback;
	return v.number;
}

void rtmp_command_begin(struct buf *payload, const char *name,
			double transaction)
{
	amf0_put_text(payload, name);
	amf0_put_number(payload, transaction);
}

void rtmp_status_payload(struct buf *payload, const char *name,
			 double transaction, const char *level,
			 const char *code, const char *description)
{
	rtmp_command_begin(payload, name, transaction);
	amf0_put_null(payload);
	amf0_put_object(payload);
	amf0_put_key(payload, "level");
	amf0_put_text(payload, level);
	amf0_put_key(payload, "code");
	amf0_put_text(payload, code);
	amf0_put_key(payload, "description");
	amf0_put_text(payload, description);
	amf0_put_object_end(payload);
}

bool rtmp_type_is_media(uint8_t type)
{
	return type == RTMP_AUDIO || type == RTMP_VIDEO || type == RTMP_DATA ||
	       type == RTMP_DATA_AMF3 || type == RTMP_AGGREGATE;
}

/* Script data without what is meant for the server alone. false: nothing of it
 * is meant for players. */
static bool strip_data(struct rtmp_media *m)
{
	struct span rest = m->payload;
	struct span name = rtmp_argument_string(&rest);

	if (span_eq_str(name, "@setDataFrame"))
		m->payload = rest;
	return !span_eq_str(name, "@clearDataFrame") &&
	       !span_eq_str(name, "|RtmpSampleAccess");
}

static int one_media(struct rtmp_media m, rtmp_media_fn *on_media, void *ctx)
{
	if (m.type == RTMP_DATA_AMF3) {
		m.type = RTMP_DATA;
		m.payload = span_from(m.payload, 1);
	}
	if (m.type == RTMP_DATA && !strip_data(&m))
		return 0;
	return on_media(ctx, &m);
}

/* One part of an aggregate: an FLV tag, and its length behind it, which some
 * leave out at the end. */
static struct rtmp_media read_part(struct reader *r)
{
	struct rtmp_media m = {.type = read_u8(r)};
	size_t length_bytes = read_u24(r);

	m.timestamp_ms = read_u24(r);
	m.timestamp_ms |= (uint32_t)read_u8(r) << 24;
	read_u24(r); /* stream id */
	m.payload = read_span(r, length_bytes);
	if (reader_left(r))
		read_u32(r);
	return m;
}

/* The first part stands for the aggregate's own time; the others keep their
 * distance to it (section 7.1.6). */
static int aggregate_each(const struct rtmp_message *msg,
			  rtmp_media_fn *on_media, void *ctx)
{
	struct reader r = reader_of(msg->payload);
	uint32_t shift_ms = 0;
	int err = 0;

	for (bool is_first = true; reader_left(&r) && !err; is_first = false) {
		struct rtmp_media m = read_part(&r);

		if (reader_failed(&r))
			return WEIR_EPROTO;
		if (is_first)
			shift_ms = msg->timestamp_ms - m.timestamp_ms;
		m.timestamp_ms += shift_ms;
		if (rtmp_type_is_media(m.type) && m.type != RTMP_AGGREGATE)
			err = one_media(m, on_media, ctx);
	}
	return err;
}

int rtmp_media_each(const struct rtmp_message *msg, rtmp_media_fn *on_media,
		    void *ctx)
{
	const struct rtmp_media m = {
		.type = msg->type,
		.timestamp_ms = msg->timestamp_ms,
		.payload = msg->payload,
	};

	if (msg->type == RTMP_AGGREGATE)
		return aggregate_each(msg, on_media, ctx);
	return one_media(m, on_media, ctx);
}
