/* common/io/handover_wire.c - the packets of a hand-over. */
#include "common/io/handover_wire.h"

#include <stdio.h>

#include "common/base/reader.h"

enum offer_tag {
	TAG_TO = 1,
	TAG_FROM,
	TAG_PROTOCOL,
	TAG_WORK,
	TAG_STREAM,
	TAG_PEER,
	TAG_HOPS,
};
enum no_tag { TAG_REASON = 1, TAG_DETAIL };
enum goods_tag { TAG_STATE = 1, TAG_UNREAD, TAG_UNSENT, TAG_IN, TAG_OUT };

/* ---- short fields ---- */

static void put_text(struct buf *out, uint8_t tag, const char *text)
{
	size_t len = strlen(text);

	buf_put_u8(out, tag);
	buf_put_u16(out, (uint16_t)len);
	buf_put(out, span_of(text, len));
}

/* A peer's words: what does not fit, or would break a log, is no text. */
static int take_text(char *out, size_t size, struct span in)
{
	if (in.len >= size)
		return WEIR_EPROTO;
	for (size_t i = 0; i < in.len; i++)
		if (in.data[i] < 0x20 || in.data[i] == 0x7f)
			return WEIR_EPROTO;
	memset(out, 0, size);
	if (in.len)
		memcpy(out, in.data, in.len);
	return 0;
}

/* ---- OFFER ---- */

void handover_offer_write(struct buf *out, const struct handover_offer *o)
{
	buf_put_u8(out, HANDOVER_OFFER);
	buf_put_u8(out, HANDOVER_VERSION);
	put_text(out, TAG_TO, o->to);
	put_text(out, TAG_FROM, o->from);
	put_text(out, TAG_PROTOCOL, o->protocol);
	put_text(out, TAG_WORK, o->work);
	put_text(out, TAG_STREAM, o->stream);
	put_text(out, TAG_PEER, o->peer);
	buf_put_u8(out, TAG_HOPS);
	buf_put_u16(out, 1);
	buf_put_u8(out, o->hops);
}

static int take_offer_field(struct handover_offer *o, uint8_t tag,
			    struct span in)
{
	switch (tag) {
	case TAG_TO:
		return take_text(o->to, sizeof(o->to), in);
	case TAG_FROM:
		return take_text(o->from, sizeof(o->from), in);
	case TAG_PROTOCOL:
		return take_text(o->protocol, sizeof(o->protocol), in);
	case TAG_WORK:
		return take_text(o->work, sizeof(o->work), in);
	case TAG_STREAM:
		return take_text(o->stream, sizeof(o->stream), in);
	case TAG_PEER:
		return take_text(o->peer, sizeof(o->peer), in);
	case TAG_HOPS:
		if (in.len != 1)
			return WEIR_EPROTO;
		o->hops = in.data[0];
		return 0;
	default:
		return 0; /* of a newer one of us */
	}
}

int handover_offer_read(struct handover_offer *out, struct span in)
{
	struct handover_offer o = {0};
	struct reader r = reader_of(in);
	uint8_t version = read_u8(&r);
	int err = 0;

	if (!reader_failed(&r) && version != HANDOVER_VERSION)
		return WEIR_EUNSUPPORTED;
	while (reader_left(&r) && !err) {
		uint8_t tag = read_u8(&r);
		struct span field = read_span(&r, read_u16(&r));

		if (!reader_failed(&r))
			err = take_offer_field(&o, tag, field);
	}
	if (err || reader_failed(&r) || !o.to[0] || !o.protocol[0] ||
	    !o.work[0])
		return WEIR_EPROTO;
	*out = o;
	return 0;
}

/* ---- NO ---- */

void handover_no_write(struct buf *out, enum reason why, const char *detail)
{
	buf_put_u8(out, HANDOVER_NO);
	put_text(out, TAG_REASON, reason_name(why));
	put_text(out, TAG_DETAIL, detail);
}

/* By name: the numbers of another version may be others. */
static enum reason reason_named(struct span name)
{
	for (int i = 1; i < REASON_COUNT; i++)
		if (span_eq_str(name, reason_name(i)))
			return (enum reason)i;
	return REASON_internal;
}

int handover_no_read(enum reason *why, char detail[HANDOVER_DETAIL_SIZE],
		     struct span in)
{
	struct reader r = reader_of(in);
	enum reason reason = REASON_internal;
	char text[HANDOVER_DETAIL_SIZE] = "";
	int err = 0;

	while (reader_left(&r) && !err) {
		uint8_t tag = read_u8(&r);
		struct span field = read_span(&r, read_u16(&r));

		if (tag == TAG_REASON)
			reason = reason_named(field);
		else if (tag == TAG_DETAIL)
			err = take_text(text, sizeof(text), field);
	}
	if (err || reader_failed(&r))
		return WEIR_EPROTO;
	*why = reason;
	memcpy(detail, text, sizeof(text));
	return 0;
}

/* ---- goods ---- */

static void put_long(struct buf *out, uint8_t tag, struct span s)
{
	buf_put_u8(out, tag);
	buf_put_u32(out, (uint32_t)s.len);
	buf_put(out, s);
}

static void put_count(struct buf *out, uint8_t tag, uint64_t count)
{
	buf_put_u8(out, tag);
	buf_put_u32(out, 8);
	buf_put_u64(out, count);
}

void handover_goods_write(struct buf *out, const struct handover_goods *g)
{
	put_long(out, TAG_STATE, g->state);
	put_long(out, TAG_UNREAD, g->unread);
	put_long(out, TAG_UNSENT, g->unsent);
	put_count(out, TAG_IN, g->in_bytes);
	put_count(out, TAG_OUT, g->out_bytes);
}

static uint64_t count_in(struct span s)
{
	struct reader r = reader_of(s);

	return read_u64(&r);
}

int handover_goods_read(struct handover_goods *out, struct span in)
{
	struct handover_goods g = {0};
	struct reader r = reader_of(in);

	while (reader_left(&r)) {
		uint8_t tag = read_u8(&r);
		struct span s = read_span(&r, read_u32(&r));

		if (tag == TAG_STATE)
			g.state = s;
		else if (tag == TAG_UNREAD)
			g.unread = s;
		else if (tag == TAG_UNSENT)
			g.unsent = s;
		else if (tag == TAG_IN)
			g.in_bytes = count_in(s);
		else if (tag == TAG_OUT)
			g.out_bytes = count_in(s);
	}
	if (reader_failed(&r))
		return WEIR_EPROTO;
	*out = g;
	return 0;
}
