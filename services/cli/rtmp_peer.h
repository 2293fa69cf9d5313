/* services/cli/rtmp_peer.h - an RTMP server that we publish to or play from: a
 * connection and a client session put together.
 */
#ifndef WEIR_CLI_RTMP_PEER_H
#define WEIR_CLI_RTMP_PEER_H

#include "common/io/loop.h"
#include "proto/rtmp/client.h"

struct rtmp_peer;

enum peer_end {
	PEER_DONE,    /* we stopped, all was sent, and nothing was refused */
	PEER_EOF,     /* the server ended the stream */
	PEER_REFUSED, /* it said no */
	PEER_LOST,    /* the connection broke, or was never made */
};

const char *peer_end_name(enum peer_end end);

struct rtmp_peer_events {
	void (*on_ready)(void *ctx);
	void (*on_media)(void *ctx, const struct rtmp_media *m); /* play */
	void (*on_drained)(void *ctx); /* all that was written has left */
	/* Once, the last; rtmp_peer_words says more. */
	void (*on_end)(void *ctx, enum peer_end end);
};

struct rtmp_peer_options {
	const char *url;
	bool is_publish;
	unsigned connect_ms;
	unsigned ready_ms; /* from dialing until publish or play is accepted;
			      0: no limit (play before publish waits) */
	int rcvbuf_bytes;  /* of our socket; 0: the system's */
};

/* Dial. Returns 0; WEIR_EINVAL: no rtmp:// address with app and name;
 * WEIR_EUNSUPPORTED: rtmps; WEIR_ENOMEM; -errno. */
WEIR_MUST_CHECK int rtmp_peer_new(struct rtmp_peer **out, struct loop *loop,
				  const struct rtmp_peer_options *options,
				  const struct rtmp_peer_events *events,
				  void *ctx);
/* Not from its callbacks. NULL is fine. */
void rtmp_peer_free(struct rtmp_peer **p);

/* Queue one message. Returns as rtmp_client_write_media. */
WEIR_MUST_CHECK int rtmp_peer_write(struct rtmp_peer *p,
				    const struct rtmp_media *m);
size_t rtmp_peer_queued_bytes(const struct rtmp_peer *p);

/* Take leave and close in order; on_end follows. Of a publish that was accepted
 * the server's last word is awaited, for a moment: what was sent last may have
 * been refused. */
void rtmp_peer_stop(struct rtmp_peer *p);

/* Stop and go on reading. */
void rtmp_peer_pause(struct rtmp_peer *p, bool is_paused);

/* What the server said last, "NetStream.Publish.BadName: …", or what broke. */
const char *rtmp_peer_words(const struct rtmp_peer *p);

/* Milliseconds from dialing until now. */
uint64_t rtmp_peer_age_ms(const struct rtmp_peer *p);

#endif
