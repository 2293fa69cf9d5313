/* services/origin/push_feed.h - a place in a stream's log, and the RTMP messages
 * that a server which is published to gets from there on.
 *
 * It begins at the newest join, with metadata and sequence headers; headers that
 * change are sent again. Time is the stream's, so that a push which is begun again,
 * here or by another home, goes on in it. What the server does not take in time
 * is left out up to the newest join. Pure: the log in, messages out.
 */
#ifndef WEIR_ORIGIN_PUSH_FEED_H
#define WEIR_ORIGIN_PUSH_FEED_H

#include "common/media/outlet.h"
#include "proto/rtmp/message.h"

struct push_feed {
	struct log *log;     /* borrowed */
	const char *cluster; /* borrowed; stands in the metadata */
	struct outlet out;
	bool has_place;
	uint64_t next;   /* ordinal */
	uint64_t frames; /* sent, ever */
	uint64_t skipped;
};

void push_feed_init(struct push_feed *f, struct log *log, const char *cluster);
void push_feed_fini(struct push_feed *f);

/* Returns 0; any other value ends push_feed_next, which returns it. */
typedef int push_put_fn(void *ctx, const struct rtmp_media *m);

/* Give what the next frame becomes, and the headers before it; `scratch` is the
 * caller's, its content is lost. Returns 0; WEIR_EAGAIN: there is no more now;
 * WEIR_EGONE: time has run out, begin another connection; WEIR_ENOMEM; or put's.
 */
WEIR_MUST_CHECK int push_feed_next(struct push_feed *f, struct buf *scratch,
				   push_put_fn *put, void *ctx);

/* The stream's time between its place and the log's end. */
uint32_t push_feed_lag_ms(const struct push_feed *f);

/* Go on at the newest join, if that is ahead; *frames: left out by that. */
bool push_feed_skip(struct push_feed *f, uint64_t *frames);

/* Why nothing will ever be sent, in words; NULL: something may. */
const char *push_feed_refusal(const struct push_feed *f);

#endif
