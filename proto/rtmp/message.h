/* proto/rtmp/message.h - what stands in RTMP messages: types, control messages,
 * commands, aggregates.
 *
 * Spec: Adobe RTMP 1.0, sections 5.4, 6.2 and 7.
 */
#ifndef WEIR_RTMP_MESSAGE_H
#define WEIR_RTMP_MESSAGE_H

#include "common/media/amf0.h"
#include "proto/rtmp/chunk.h"

enum rtmp_type {
	RTMP_SET_CHUNK_SIZE = 1,
	RTMP_ABORT = 2,
	RTMP_ACK = 3,
	RTMP_USER_CONTROL = 4,
	RTMP_WINDOW_ACK_SIZE = 5,
	RTMP_PEER_BANDWIDTH = 6,
	RTMP_AUDIO = 8,
	RTMP_VIDEO = 9,
	RTMP_DATA_AMF3 = 15,
	RTMP_SHARED_AMF3 = 16,
	RTMP_COMMAND_AMF3 = 17,
	RTMP_DATA = 18,
	RTMP_SHARED = 19,
	RTMP_COMMAND = 20,
	RTMP_AGGREGATE = 22,
};

enum rtmp_user_event {
	RTMP_STREAM_BEGIN = 0,
	RTMP_STREAM_EOF = 1,
	RTMP_STREAM_DRY = 2,
	RTMP_SET_BUFFER_LENGTH = 3, /* two values: stream id, ms */
	RTMP_STREAM_IS_RECORDED = 4,
	RTMP_PING_REQUEST = 6,
	RTMP_PING_RESPONSE = 7,
};

/* Chunk streams that we send on. */
enum rtmp_csid {
	RTMP_CSID_CONTROL = 2,
	RTMP_CSID_COMMAND = 3,
	RTMP_CSID_DATA = 5,
	RTMP_CSID_AUDIO = 6,
	RTMP_CSID_VIDEO = 7,
};

#define RTMP_CHUNK_BYTES_SENT 60000   /* what we announce, and then send in */
#define RTMP_WINDOW_BYTES     5000000 /* what we announce */

/* The chunk stream on which we send that type. */
uint32_t rtmp_csid_of(uint8_t type);

/* Control messages onto `out`; errors are out's. They fit in one chunk of any
 * legal size from 14 bytes on. */
void rtmp_put_chunk_size(struct buf *out, uint32_t bytes);
void rtmp_put_ack(struct buf *out, uint32_t received_bytes);
void rtmp_put_window(struct buf *out, uint32_t bytes);
void rtmp_put_peer_bandwidth(struct buf *out, uint32_t bytes);
void rtmp_put_user_event(struct buf *out, uint16_t event, uint32_t value);
void rtmp_put_buffer_length(struct buf *out, uint32_t stream_id, uint32_t ms);

struct rtmp_user_control {
	uint16_t event; /* enum rtmp_user_event, or one that we do not know */
	uint32_t value; /* stream id, or the ping's time */
};

/* Returns 0 or WEIR_EPROTO. */
WEIR_MUST_CHECK int rtmp_user_control_read(struct rtmp_user_control *out,
					   struct span payload);

/* A command; borrows from the payload. */
struct rtmp_command {
	struct span name;
	double transaction;       /* 0: no answer is wanted */
	struct amf0_value object; /* NULL value when there is none */
	struct span arguments;    /* AMF0 values that follow */
};

/* From a message of type RTMP_COMMAND or RTMP_COMMAND_AMF3 (whose first byte
 * is skipped). A missing transaction or object is taken as 0 and null.
 * Returns 0, WEIR_EPROTO, WEIR_EUNSUPPORTED or WEIR_ELIMIT. */
WEIR_MUST_CHECK int rtmp_command_read(struct rtmp_command *out,
				      const struct rtmp_message *msg);

/* The next argument as text or number, moving *arguments on; empty or
 * `fallback` when it is missing or something else (which is skipped). */
struct span rtmp_argument_string(struct span *arguments);
double rtmp_argument_number(struct span *arguments, double fallback);

/* Begin a command's payload: name, transaction. */
void rtmp_command_begin(struct buf *payload, const char *name,
			double transaction);

/* The whole payload of onStatus and the like: name, transaction, null, and
 * {level, code, description}. */
void rtmp_status_payload(struct buf *payload, const char *name,
			 double transaction, const char *level,
			 const char *code, const char *description);

/* Audio, video or data as it leaves a session. */
struct rtmp_media {
	uint8_t type;          /* RTMP_AUDIO, RTMP_VIDEO or RTMP_DATA */
	uint32_t timestamp_ms; /* absolute, wraps at 2^32 */
	/* The body of an FLV tag, possibly empty; borrowed. RTMP_DATA: AMF0
	 * values from the name on ("onMetaData", …). */
	struct span payload;
};

/* Return 0 to go on; any other value ends the walk, which returns it. */
typedef int rtmp_media_fn(void *ctx, const struct rtmp_media *media);

/* Take a message of type RTMP_AUDIO, RTMP_VIDEO, RTMP_DATA, RTMP_DATA_AMF3 or
 * RTMP_AGGREGATE apart: an aggregate's parts get their times shifted so that
 * the first has the aggregate's; AMF3 data loses its first byte; @setDataFrame
 * is stripped; @clearDataFrame and |RtmpSampleAccess are left out.
 * Returns 0; WEIR_EPROTO for a broken aggregate (after its whole parts); or the
 * value with which on_media ended it. */
WEIR_MUST_CHECK int rtmp_media_each(const struct rtmp_message *msg,
				    rtmp_media_fn *on_media, void *ctx);

/* Is it one of the types above? */
bool rtmp_type_is_media(uint8_t type);

#endif
