/* proto/rtmp/link.h - what both sides of a session share: handshake, chunks,
 * acknowledgements, pings, what waits to be sent. Private to proto/rtmp.
 */
#ifndef WEIR_RTMP_LINK_H
#define WEIR_RTMP_LINK_H

#include "proto/rtmp/chunk.h"
#include "proto/rtmp/handshake.h"

typedef int rtmp_send_fn(void *ctx, struct span bytes);

/* Fields are read-only to others, but `out`, which they append to. */
struct rtmp_link {
	struct rtmp_handshake *handshake; /* NULL once it is done */
	struct rtmp_chunk_reader *reader;
	struct buf out;        /* for the peer, until the next flush */
	uint32_t chunk_bytes;  /* of what we send */
	uint32_t window_bytes; /* that the peer announced; 0: none */
	uint64_t acked_bytes;  /* of rtmp_chunk_reader_bytes() */
	rtmp_send_fn *on_send;
	rtmp_message_fn *on_message; /* all but what the link deals with */
	void *ctx;                   /* of on_message */
	void *send_ctx;              /* of on_send */
	const char *fault;           /* static; "" while nothing is wrong */
	int err;                     /* sticky, set with fault */
};

/* What a peer may make us hold before and after it publishes. */
extern const struct rtmp_chunk_limits rtmp_limits_small;
extern const struct rtmp_chunk_limits rtmp_limits_media;

/* Zeroed storage in; the owner sets handshake, on_send, on_message, ctx and
 * send_ctx. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int rtmp_link_init(struct rtmp_link *l,
				   const struct rtmp_chunk_limits *limits);
void rtmp_link_fini(struct rtmp_link *l);

/* The handshake's part of a feed: reads no more of `in` than that, and flushes
 * nothing. No handshake (any more): nothing is read. */
WEIR_MUST_CHECK int rtmp_link_shake(struct rtmp_link *l, struct span in,
				    size_t *used);

/* Read, as rtmp_server_feed: on_message gets whole messages. */
WEIR_MUST_CHECK int rtmp_link_feed(struct rtmp_link *l, struct span in,
				   size_t *used);

/* Append one message to out. */
void rtmp_link_put(struct rtmp_link *l, uint8_t type, uint32_t timestamp_ms,
		   uint32_t stream_id, struct span payload);

/* As that, for a command whose payload was built in `payload`, which is freed;
 * its error becomes out's. */
void rtmp_link_take_command(struct rtmp_link *l, uint32_t stream_id,
			    struct buf *payload);

/* Hand out what waits. Returns 0, out's error or on_send's value. */
WEIR_MUST_CHECK int rtmp_link_flush(struct rtmp_link *l);

/* Say what is wrong and return `err`, which every feed returns from now on. */
int rtmp_link_fail(struct rtmp_link *l, int err, const char *fault);

/* Copy texts into `store` and point them there. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int rtmp_keep_texts(struct buf *store, struct span *const *text,
				    size_t count);

/* Out must be flushed before. */
void rtmp_link_save(const struct rtmp_link *l, struct buf *out);
WEIR_MUST_CHECK int rtmp_link_load(struct rtmp_link *l, struct reader *in);

#endif
