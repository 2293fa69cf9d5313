/* proto/rtmp/server_save.c - a server session as bytes, and back.
 *
 * Version 1, little-endian: u8 version, u8 phase, u8 flags, u32 streams, the
 * link, then the connect (u8 object encoding, texts) and the request (u32
 * stream id, u64 bits of start, texts); a text is u32 length and bytes.
 */
#include "proto/rtmp/server_state.h"

#define STATE_SAVED 1

enum saved_flags {
	SAVED_DROPS_MEDIA = 1 << 0,
	SAVED_WANTS_FCPUBLISH = 1 << 1,
	SAVED_CAN_RECONNECT = 1 << 2,
};

static void save_texts(struct buf *out, struct span *const *text, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		buf_put_u32_le(out, (uint32_t)text[i]->len);
		buf_put(out, *text[i]);
	}
}

void rtmp_server_save(const struct rtmp_server *s, struct buf *out)
{
	struct rtmp_connect c = s->connect;
	struct rtmp_request r = s->request;
	struct span *const connect_texts[] = RTMP_CONNECT_TEXTS(&c);
	struct span *const request_texts[] = RTMP_REQUEST_TEXTS(&r);
	uint64_t start_bits;
	uint8_t flags = 0;

	flags |= s->drops_media ? SAVED_DROPS_MEDIA : 0;
	flags |= s->wants_fcpublish ? SAVED_WANTS_FCPUBLISH : 0;
	flags |= c.can_reconnect ? SAVED_CAN_RECONNECT : 0;
	buf_put_u8(out, STATE_SAVED);
	buf_put_u8(out, s->phase);
	buf_put_u8(out, flags);
	buf_put_u32_le(out, s->streams);
	rtmp_link_save(&s->link, out);
	buf_put_u8(out, c.object_encoding);
	save_texts(out, connect_texts, WEIR_ARRAY_LEN(connect_texts));
	memcpy(&start_bits, &r.start_raw, sizeof(start_bits));
	buf_put_u32_le(out, r.stream_id);
	buf_put_u64_le(out, start_bits);
	save_texts(out, request_texts, WEIR_ARRAY_LEN(request_texts));
}

static int load_texts(struct buf *store, struct reader *in,
		      struct span *const *text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		*text[i] = read_span(in, read_u32_le(in));
	return rtmp_keep_texts(store, text, count);
}

static int load_connect(struct rtmp_server *s, struct reader *in)
{
	struct span *const texts[] = RTMP_CONNECT_TEXTS(&s->connect);

	s->connect.object_encoding = read_u8(in);
	return load_texts(&s->connect_text, in, texts, WEIR_ARRAY_LEN(texts));
}

static int load_request(struct rtmp_server *s, struct reader *in)
{
	struct span *const texts[] = RTMP_REQUEST_TEXTS(&s->request);
	uint64_t start_bits;

	s->request.stream_id = read_u32_le(in);
	start_bits = read_u64_le(in);
	memcpy(&s->request.start_raw, &start_bits, sizeof(start_bits));
	return load_texts(&s->request_text, in, texts, WEIR_ARRAY_LEN(texts));
}

static int load_link(struct rtmp_server *s, struct reader *in)
{
	rtmp_handshake_free(&s->link.handshake);
	rtmp_chunk_reader_limit(s->link.reader,
				s->phase == RTMP_PHASE_PUBLISHES ||
						s->drops_media
					? &rtmp_limits_media
					: &rtmp_limits_small);
	return rtmp_link_load(&s->link, in);
}

static int load(struct rtmp_server *s, struct reader *in)
{
	uint8_t version = read_u8(in);
	uint8_t flags;
	int err;

	if (reader_failed(in))
		return WEIR_EPROTO;
	if (version != STATE_SAVED)
		return WEIR_EUNSUPPORTED;
	s->phase = read_u8(in);
	flags = read_u8(in);
	s->drops_media = flags & SAVED_DROPS_MEDIA;
	s->wants_fcpublish = flags & SAVED_WANTS_FCPUBLISH;
	s->connect.has_caps = s->connect.can_reconnect =
		flags & SAVED_CAN_RECONNECT;
	s->streams = read_u32_le(in);
	err = load_link(s, in);
	if (!err)
		err = load_connect(s, in);
	if (!err)
		err = load_request(s, in);
	if (err)
		return err;
	return reader_failed(in) || reader_left(in) ||
			       s->phase > RTMP_PHASE_REFUSED
		       ? WEIR_EPROTO
		       : 0;
}

int rtmp_server_load(struct rtmp_server **out,
		     const struct rtmp_server_events *events, struct span in)
{
	struct reader r = reader_of(in);
	struct rtmp_server *s = NULL;
	int err;

	err = rtmp_server_new(&s, events, 0, 0);
	if (err)
		return err;
	err = load(s, &r);
	if (err)
		rtmp_server_free(&s);
	else
		*out = s;
	return err;
}
