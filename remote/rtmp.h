/* remote/rtmp.h - an RTMP server that we publish to or play from: a
 * connection and a client session put together.
 */
#ifndef WEIR_REMOTE_RTMP_H
#define WEIR_REMOTE_RTMP_H

#include "common/io/conn.h"
#include "common/io/loop.h"
#include "proto/rtmp/client.h"

struct remote_rtmp;

enum remote_end {
	REMOTE_DONE,    /* we stopped, all was sent, and nothing was refused */
	REMOTE_EOF,     /* the server ended the stream */
	REMOTE_REFUSED, /* it said no */
	REMOTE_LOST,    /* the connection broke, or was never made */
};

const char *remote_end_name(enum remote_end end);

struct remote_rtmp_events {
	void (*on_ready)(void *ctx);
	/* play; borrowed. It may stop the remote. */
	void (*on_media)(void *ctx, const struct rtmp_media *m);
	void (*on_drained)(void *ctx); /* all that was written has left */
	/* Once, the last; remote_rtmp_words says more. */
	void (*on_end)(void *ctx, enum remote_end end);
};

struct tls_trust;

struct remote_rtmp_options {
	/* "user:password@" before the host answers a server that wants a
	 * publisher to prove a password (proto/rtmp/auth.h); copied. */
	const char *url;
	struct tls_trust *trust; /* rtmps: whom to believe, borrowed; NULL:
				    rtmps is refused */
	const char *via;         /* clusters, common/media/via.h; NULL: none */
	bool is_publish;
	unsigned connect_ms;
	unsigned ready_ms; /* from dialing until publish or play is accepted;
			      0: no limit (play before publish waits) */
	int rcvbuf_bytes;  /* of our socket; 0: the system's */
};

/* Dial. Returns 0; WEIR_EINVAL: no rtmp:// address with app and name;
 * WEIR_EUNSUPPORTED: rtmps without trust; WEIR_ENOMEM; -errno. */
WEIR_MUST_CHECK int remote_rtmp_new(struct remote_rtmp **out, struct loop *loop,
				    const struct remote_rtmp_options *options,
				    const struct remote_rtmp_events *events,
				    void *ctx);
/* Not from its callbacks. NULL is fine. */
void remote_rtmp_free(struct remote_rtmp **p);

/* Queue one message. Returns as rtmp_client_write_media. */
WEIR_MUST_CHECK int remote_rtmp_write(struct remote_rtmp *p,
				      const struct rtmp_media *m);
size_t remote_rtmp_queued_bytes(const struct remote_rtmp *p);

/* Take leave and close in order; on_end follows. Of a publish that was accepted
 * the server's last word is awaited, for a moment: what was sent last may have
 * been refused. */
void remote_rtmp_stop(struct remote_rtmp *p);

/* Stop and go on reading. */
void remote_rtmp_pause(struct remote_rtmp *p, bool is_paused);

/* What the server said last, "NetStream.Publish.BadName: …", or what broke. */
const char *remote_rtmp_words(const struct remote_rtmp *p);

/* Who answers: "203.0.113.9:1935"; "?" until connected. Borrowed. */
const char *remote_rtmp_addr_text(const struct remote_rtmp *p);
const struct net_addr *remote_rtmp_addr(const struct remote_rtmp *p);
/* The cluster that answers, when it is one that tells; from on_ready on. */
struct span remote_rtmp_cluster(const struct remote_rtmp *p);
/* Bytes from the server, of any kind. */
uint64_t remote_rtmp_in_bytes(const struct remote_rtmp *p);
/* Bytes and times of the connection. */
void remote_rtmp_stats(const struct remote_rtmp *p, struct conn_stats *out);

/* Milliseconds from dialing until now. */
uint64_t remote_rtmp_age_ms(const struct remote_rtmp *p);

#endif
