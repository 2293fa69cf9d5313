/* common/media/session.h - what every protocol session has in common.
 *
 * The smallest interface that lets one test run them all: bytes in; bytes to
 * send, and events as lines of text, out. Services use a protocol's own, richer
 * header; this view of it decides what an owner would decide by itself (it
 * accepts every publisher and player), so that a recorded peer gets through.
 */
#ifndef WEIR_MEDIA_SESSION_H
#define WEIR_MEDIA_SESSION_H

#include "common/base/err.h"
#include "common/base/span.h"

/* Callbacks return 0 to go on; any other value ends the feed, which returns
 * it. The session must not be freed or fed from inside one. */
struct session_events {
	void *ctx;
	/* Bytes for the peer; borrowed. */
	int (*on_send)(void *ctx, struct span bytes);
	/* One line without a newline: an event's name, then key=value facts.
	 * The same input gives the same lines wherever it was cut. */
	int (*on_event)(void *ctx, const char *line);
};

/* A protocol. Every slot is mandatory. */
struct session_ops {
	const char *name; /* the folder under proto/ */

	/* Make the side that listens. `events` is copied; `seed` stands for
	 * all randomness. Returns 0 and *out, or WEIR_ENOMEM. */
	int (*open)(void **out, const struct session_events *events,
		    uint64_t seed);

	/* Read all of `in` (borrowed, cut anywhere; a datagram protocol: one
	 * datagram). After an error the session is spent. Returns 0; WEIR_E…;
	 * or the value with which a callback ended the feed. */
	int (*feed)(void *session, struct span in);

	/* Free *session and set it to NULL; NULL is fine. */
	void (*close)(void **session);
};

#endif
