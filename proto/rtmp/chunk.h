/* proto/rtmp/chunk.h - RTMP chunk stream: bytes in, whole messages out; and the
 * writer for the other way.
 *
 * Spec: Adobe RTMP 1.0, section 5.3. Pure code: no socket, clock or log.
 */
#ifndef WEIR_RTMP_CHUNK_H
#define WEIR_RTMP_CHUNK_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/reader.h"
#include "common/base/span.h"

#define RTMP_CHUNK_BYTES_DEFAULT 128
#define RTMP_CHUNK_BYTES_MAX     0xffffff
#define RTMP_CSID_MIN            2
#define RTMP_CSID_MAX            65599
#define RTMP_MESSAGE_BYTES_MAX   0xffffff

struct rtmp_chunk_reader; /* one per connection and direction */

/* What a peer may make us hold; going past any of it is WEIR_ELIMIT. */
struct rtmp_chunk_limits {
	uint32_t message_bytes; /* one message, payload only */
	uint32_t pending_bytes; /* all half-received messages together */
	uint32_t csid_count;    /* chunk streams in use; at least 1 */
};

struct rtmp_message {
	uint32_t timestamp_ms; /* absolute, wraps at 2^32 */
	uint32_t stream_id;    /* 0 is the control stream */
	uint32_t csid;         /* chunk stream that it came on */
	uint8_t type;          /* enum rtmp_type */
	struct span payload;   /* borrowed: dies when on_message returns */
};

/* Return 0 to go on; any other value ends the feed, which returns it. */
typedef int rtmp_message_fn(void *ctx, const struct rtmp_message *msg);

/* Make a reader that expects 128-byte chunks. `limits` is copied.
 * Returns 0 and *out, owned by the caller; or WEIR_ENOMEM. */
WEIR_MUST_CHECK int
rtmp_chunk_reader_new(struct rtmp_chunk_reader **out,
		      const struct rtmp_chunk_limits *limits,
		      rtmp_message_fn *on_message, void *ctx);

/* Free *rd and set it to NULL; NULL is fine. Never from inside on_message. */
void rtmp_chunk_reader_free(struct rtmp_chunk_reader **rd);

/* Other limits from the next header on; may be called from on_message. */
void rtmp_chunk_reader_limit(struct rtmp_chunk_reader *rd,
			     const struct rtmp_chunk_limits *limits);

/* Read `in` (borrowed, cut anywhere) and report each whole message. Set Chunk
 * Size and Abort are obeyed here and reported as well. *used is all of `in`;
 * when on_message ended the feed, up to and with that message: the reader
 * stands at a message boundary, and goes on with the rest when fed again.
 *
 * Returns 0; WEIR_EPROTO when the peer broke the format; WEIR_ELIMIT;
 * WEIR_ENOMEM; or the value with which on_message ended the feed. After one of
 * the first three errors the reader is spent: close the connection, why is in
 * rtmp_chunk_reader_fault(). */
WEIR_MUST_CHECK int rtmp_chunk_reader_feed(struct rtmp_chunk_reader *rd,
					   struct span in, size_t *used);

/* What was wrong, in a few static words; "" while nothing is. */
const char *rtmp_chunk_reader_fault(const struct rtmp_chunk_reader *rd);

/* Bytes read so far; within on_message, up to and with that message. */
uint64_t rtmp_chunk_reader_bytes(const struct rtmp_chunk_reader *rd);

/* It will be fed soon: what that touches is to come nearer. Steps 0 and 1, the
 * second when what the first asked for is there. */
void rtmp_chunk_reader_ahead(const struct rtmp_chunk_reader *rd, unsigned step);

/* Payload bytes held for messages that are not whole yet. */
size_t rtmp_chunk_reader_pending(const struct rtmp_chunk_reader *rd);

/* The whole state, half-received messages and headers too, at any byte; not
 * from inside on_message. Errors of save are the buffer's. load fills a fresh
 * reader: 0, WEIR_EPROTO, WEIR_ELIMIT (its own limits hold) or WEIR_ENOMEM. */
void rtmp_chunk_reader_save(const struct rtmp_chunk_reader *rd,
			    struct buf *out);
WEIR_MUST_CHECK int rtmp_chunk_reader_load(struct rtmp_chunk_reader *rd,
					   struct reader *in);

/* Append one message: fmt 0, absolute time, the extended field repeated in
 * every further chunk when timestamp_ms >= 0xffffff. So the bytes depend on
 * nothing sent before, and one copy serves every player.
 * `csid` 2 to 65599; `chunk_bytes` is what the receiver was told; the payload
 * is at most RTMP_MESSAGE_BYTES_MAX, else WEIR_ELIMIT. Errors are out's. */
void rtmp_chunk_write(struct buf *out, uint32_t csid, uint32_t timestamp_ms,
		      uint8_t type, uint32_t stream_id, struct span payload,
		      uint32_t chunk_bytes);

/* The same, of a payload in `count` parts. */
void rtmp_chunk_write_all(struct buf *out, uint32_t csid, uint32_t timestamp_ms,
			  uint8_t type, uint32_t stream_id,
			  const struct span *part, size_t count,
			  uint32_t chunk_bytes);

/* What rtmp_chunk_write puts in front of a payload of that length, when one
 * chunk takes all of it; which has to follow. */
void rtmp_chunk_begin(struct buf *out, uint32_t csid, uint32_t timestamp_ms,
		      uint8_t type, uint32_t stream_id, size_t payload_bytes);

/* How many bytes rtmp_chunk_write appends. */
size_t rtmp_chunk_written_bytes(uint32_t csid, uint32_t timestamp_ms,
				size_t payload_bytes, uint32_t chunk_bytes);

#endif
