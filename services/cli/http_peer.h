/* services/cli/http_peer.h - an HTTP server that we record a stream from.
 *
 * One GET; the body as it comes, unchunked. http only.
 */
#ifndef WEIR_CLI_HTTP_PEER_H
#define WEIR_CLI_HTTP_PEER_H

#include "common/io/loop.h"
#include "remote/rtmp.h"

struct http_peer;

struct http_peer_events {
	void (*on_body)(void *ctx, struct span bytes);
	/* Once, the last: EOF, REFUSED (another status than 200), LOST, DONE.
	 */
	void (*on_end)(void *ctx, enum remote_end end);
};

/* Returns 0; WEIR_EINVAL: no http:// address; WEIR_ENOMEM; -errno. */
WEIR_MUST_CHECK int http_peer_new(struct http_peer **out, struct loop *loop,
				  const char *url, unsigned connect_ms,
				  int rcvbuf_bytes,
				  const struct http_peer_events *events,
				  void *ctx);
/* Not from its callbacks. NULL is fine. */
void http_peer_free(struct http_peer **p);

void http_peer_stop(struct http_peer *p);
void http_peer_pause(struct http_peer *p, bool is_paused);

/* "404 Not Found", or what broke. */
const char *http_peer_words(const struct http_peer *p);

/* "http://[::1]:8080/live/cam1.flv" in parts; borrowed. Pure. Returns 0 or
 * WEIR_EINVAL. */
struct http_url {
	struct span host;      /* without brackets */
	struct span authority; /* as it stands */
	struct span target;    /* from the '/' on; "/" when there is none */
	unsigned port;
};
WEIR_MUST_CHECK int http_url_parse(struct http_url *out, const char *url);

/* Takes a body of Transfer-Encoding: chunked apart. All zero at first. Pure. */
struct unchunk {
	uint64_t left; /* of this chunk */
	uint8_t state;
	bool has_ended;
};
/* The next piece of the body in *in, which is cut; empty: more bytes are
 * needed, or it is over. Returns 0 or WEIR_EPROTO. */
WEIR_MUST_CHECK int unchunk_next(struct unchunk *u, struct span *in,
				 struct span *out);

#endif
