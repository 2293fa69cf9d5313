/* proto/rtmp/client.h - the client's side of one RTMP connection: publish to,
 * or play from, a server.
 *
 * Spec: Adobe RTMP 1.0, section 7.2. Pure code: no socket, clock, log; timeouts
 * are the owner's.
 *
 *	rtmp_client_start … feed … on_ready: write_media, or on_media comes
 */
#ifndef WEIR_RTMP_CLIENT_H
#define WEIR_RTMP_CLIENT_H

#include "proto/rtmp/handshake.h"
#include "proto/rtmp/message.h"
#include "proto/rtmp/server.h" /* enum rtmp_end */

struct rtmp_client; /* one per connection */

struct rtmp_client_desc {
	bool is_publish;
	const char *app;    /* "live"; a query stays in it */
	const char *tc_url; /* "rtmp://host/live" */
	const char *name;   /* "cam1?token=x" */
	const char *via;    /* weirVia, common/media/via.h; NULL: not said */
	enum rtmp_handshake_form handshake;
};

/* Callbacks return 0 to go on; any other value ends the call in progress, which
 * returns it. From inside one the session must not be freed or fed;
 * write_media and stop may be called. Every slot is mandatory. */
struct rtmp_client_events {
	void *ctx;
	/* For the peer, in this order; borrowed. */
	int (*on_send)(void *ctx, struct span bytes);
	/* The server said Start: write, or wait for media. Once. */
	int (*on_ready)(void *ctx);
	int (*on_media)(void *ctx, const struct rtmp_media *m);
	/* Every status and refusal, as the server put it; borrowed. */
	int (*on_status)(void *ctx, struct span code, struct span level,
			 struct span description);
	/* RTMP_END_EOF; RTMP_END_REFUSED (the status came before), also behind
	 * rtmp_client_stop; or RTMP_END_UNPUBLISH: the server has heard that
	 * the publisher left. Once. */
	int (*on_end)(void *ctx, enum rtmp_end reason);
};

/* Copies `desc` and `events`. Returns 0 and *out, owned by the caller;
 * WEIR_ENOMEM; or WEIR_ELIMIT: a text longer than 4096 bytes. */
WEIR_MUST_CHECK int rtmp_client_new(struct rtmp_client **out,
				    const struct rtmp_client_desc *desc,
				    const struct rtmp_client_events *events,
				    uint64_t seed, uint32_t time_ms);

void rtmp_client_free(struct rtmp_client **c); /* NULL is fine */

/* Send the first bytes; once, when the connection stands.
 * Returns 0; WEIR_ENOMEM; or on_send's value. */
WEIR_MUST_CHECK int rtmp_client_start(struct rtmp_client *c);

/* Read all of `in` (borrowed, cut anywhere); *used is less only when a callback
 * ended the feed. Message types that we do not know are skipped.
 * Returns 0; WEIR_EPROTO, WEIR_ELIMIT, WEIR_ENOMEM: the session is spent, see
 * rtmp_client_fault(); or the value of the callback, which leaves it whole. */
WEIR_MUST_CHECK int rtmp_client_feed(struct rtmp_client *c, struct span in,
				     size_t *used);

/* The cluster that answers, when `via` was said and it knows that; empty: it did
 * not say. From on_ready on; lives as long as the session. */
struct span rtmp_client_cluster(const struct rtmp_client *c);

/* What the peer did wrong, in a few static words. */
const char *rtmp_client_fault(const struct rtmp_client *c);

/* Publish one message; data is sent as @setDataFrame. Any time stamp. Returns
 * 0; WEIR_EINVAL before on_ready or for a player; WEIR_ELIMIT for a payload
 * beyond 16 MB; WEIR_ENOMEM; or on_send's value. */
WEIR_MUST_CHECK int rtmp_client_write_media(struct rtmp_client *c,
					    const struct rtmp_media *m);

/* Take leave: FCUnpublish and deleteStream. The owner then closes; who wants to
 * know of a refusal that is on its way feeds until on_end, which not every
 * server has a reason for. Returns 0 (also when there is nothing to take leave
 * of), WEIR_ENOMEM or on_send's. */
WEIR_MUST_CHECK int rtmp_client_stop(struct rtmp_client *c);

#endif
