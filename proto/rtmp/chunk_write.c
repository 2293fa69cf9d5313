/* proto/rtmp/chunk_write.c - RTMP chunk stream: one message onto a buffer. */
#include "proto/rtmp/chunk.h"

#define EXTENDED_TIME   0xffffff /* the field that says: 4 bytes follow */
#define FULL_HEAD_BYTES 11       /* fmt 0, without the basic header */

static size_t csid_bytes(uint32_t csid)
{
	return csid < 64 ? 1 : csid < 320 ? 2 : 3;
}

static void put_basic(struct buf *out, uint8_t fmt, uint32_t csid)
{
	uint8_t top = (uint8_t)(fmt << 6);

	if (csid < 64) {
		buf_put_u8(out, (uint8_t)(top | csid));
	} else if (csid < 320) {
		buf_put_u8(out, top);
		buf_put_u8(out, (uint8_t)(csid - 64));
	} else {
		buf_put_u8(out, top | 1);
		buf_put_u16_le(out, (uint16_t)(csid - 64));
	}
}

size_t rtmp_chunk_written_bytes(uint32_t csid, uint32_t timestamp_ms,
				size_t payload_bytes, uint32_t chunk_bytes)
{
	size_t chunks =
		payload_bytes ? (payload_bytes - 1) / chunk_bytes + 1 : 1;
	size_t per_chunk =
		csid_bytes(csid) + (timestamp_ms >= EXTENDED_TIME ? 4 : 0);

	return chunks * per_chunk + FULL_HEAD_BYTES + payload_bytes;
}

void rtmp_chunk_begin(struct buf *out, uint32_t csid, uint32_t timestamp_ms,
		      uint8_t type, uint32_t stream_id, size_t payload_bytes)
{
	bool is_extended = timestamp_ms >= EXTENDED_TIME;

	BUG_ON(csid < RTMP_CSID_MIN || csid > RTMP_CSID_MAX);
	if (payload_bytes > RTMP_MESSAGE_BYTES_MAX) {
		out->err = out->err ? out->err : WEIR_ELIMIT;
		return;
	}
	put_basic(out, 0, csid);
	buf_put_u24(out, is_extended ? EXTENDED_TIME : timestamp_ms);
	buf_put_u24(out, (uint32_t)payload_bytes);
	buf_put_u8(out, type);
	buf_put_u32_le(out, stream_id);
	if (is_extended)
		buf_put_u32(out, timestamp_ms);
}

/* In front of each chunk but the first. */
static void put_next(struct buf *out, uint32_t csid, uint32_t timestamp_ms)
{
	put_basic(out, 3, csid);
	if (timestamp_ms >= EXTENDED_TIME)
		buf_put_u32(out, timestamp_ms);
}

void rtmp_chunk_write_all(struct buf *out, uint32_t csid, uint32_t timestamp_ms,
			  uint8_t type, uint32_t stream_id,
			  const struct span *part, size_t count,
			  uint32_t chunk_bytes)
{
	size_t len = 0, room = chunk_bytes;

	BUG_ON(!chunk_bytes);
	for (size_t i = 0; i < count; i++)
		len += part[i].len;
	rtmp_chunk_begin(out, csid, timestamp_ms, type, stream_id, len);
	if (buf_reserve(out, rtmp_chunk_written_bytes(csid, timestamp_ms, len,
						      chunk_bytes)))
		return;
	for (size_t i = 0; i < count; i++) {
		struct span left = part[i];

		while (left.len) {
			const struct span now = span_first(left, room);

			if (!room)
				put_next(out, csid, timestamp_ms);
			buf_put(out, now);
			left = span_from(left, now.len);
			room = room ? room - now.len : chunk_bytes;
		}
	}
}

void rtmp_chunk_write(struct buf *out, uint32_t csid, uint32_t timestamp_ms,
		      uint8_t type, uint32_t stream_id, struct span payload,
		      uint32_t chunk_bytes)
{
	rtmp_chunk_write_all(out, csid, timestamp_ms, type, stream_id, &payload,
			     1, chunk_bytes);
}
