/* services/ingest/publish.h - one publisher's stream, whatever it speaks.
 *
 * A door (RTMP, …) opens one with a key, waits for the decision, then puts the
 * publisher's tags in. Behind it are a writer, a maker and the stream's log.
 */
#ifndef WEIR_INGEST_PUBLISH_H
#define WEIR_INGEST_PUBLISH_H

#include "common/base/buf.h"
#include "common/media/key.h"
#include "common/member/session.h"
#include "services/ingest/ingest.h"

struct conn;
struct publish;

/* None comes from inside a call of the door. */
struct publish_door {
	const char *protocol;  /* "RTMP" */
	const char *id_prefix; /* of session ids: lal's */
	/* The stream is this publisher's: say so, and send media. */
	void (*on_accept)(void *ctx);
	/* It will have to go, and is accepted: ask it to, and give in what it
	 * still sends, for a while at most; then publish_leave. */
	void (*on_retire)(void *ctx, enum reason why);
	/* Refused, or over: tell the peer why and close. The publish is gone
	 * when this returns. */
	void (*on_end)(void *ctx, enum reason why, const char *detail);
	/* For another ingest of this machine to go on with; conn NULL: that
	 * cannot be. The peer's connection; the session behind the bytes that
	 * it has used; how many came in all. */
	struct conn *(*conn)(void *ctx);
	void (*save)(void *ctx, struct buf *out);
	uint64_t (*in_bytes)(void *ctx);
	/* Another process has it: close without a word. The publish is gone. */
	void (*on_given)(void *ctx);
	/* Somebody watches, or nobody any more. NULL is fine. */
	void (*on_wanted)(void *ctx, bool is_wanted);
};

struct publish_request {
	struct stream_key key;
	struct net_addr peer;
	struct span url_param; /* raw, all there is; borrowed for the call */
	bool is_pull;          /* it gives way to publishers */
	const char *id;        /* of its session, copied; NULL: a new one */
};

/* Ask whether it may (a pull is not asked), then claim the stream. */
WEIR_MUST_CHECK int publish_new(struct publish **out, struct ingest *in,
				const struct publish_request *request,
				const struct publish_door *door, void *ctx);

/* Tags will come soon: what they will touch is to come nearer. Steps from 0 on,
 * each when what the one before asked for is there. */
void publish_ahead(const struct publish *p, unsigned step);

/* One tag of the publisher: enum flv_type, its 32-bit time, its body. Returns 0
 * or WEIR_ENOMEM, WEIR_ELIMIT: close it. Only after on_accept. */
WEIR_MUST_CHECK int publish_tag(struct publish *p, uint8_t type,
				uint32_t timestamp_ms, struct span body);

/* Bytes came from the peer, media or not. `total` since it connected. */
void publish_input(struct publish *p, uint64_t total_bytes);

/* Its session, borrowed, for lists; and whence media comes now. `protocol` lives
 * for ever. */
const struct session *publish_session(const struct publish *p);
void publish_set_source(struct publish *p, const char *protocol,
			const char *addr);

/* publish_pass.c: what another ingest needs to go on with it, frame by frame. Not
 * from inside a call of the door. publish_take returns 0; WEIR_EPROTO,
 * WEIR_EUNSUPPORTED: it cannot be gone on with; WEIR_ENOMEM. */
bool publish_can_pass(const struct publish *p);
void publish_pass(const struct publish *p, struct buf *out);
/* Append `part` as a text (u32 length and bytes) and empty it; its error becomes
 * that of `out`. */
void publish_put_part(struct buf *out, struct buf *part);
WEIR_MUST_CHECK int publish_take(struct publish **out, struct ingest *in,
				 const struct publish_request *request,
				 struct span passed, uint64_t total_bytes,
				 const struct publish_door *door, void *ctx);

/* The publisher is gone. The door forgets the publish; it ends by itself. Sets
 * *p to NULL; NULL is fine. */
void publish_leave(struct publish **p, enum reason why);

#endif
