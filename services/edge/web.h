/* services/edge/web.h - what an edge's HTTP port serves besides live streams:
 * playlists, segments, and the words for what is not there.
 *
 * The port's door (http_door.c) peeks at the first head of a connection. Live
 * FLV, TS and WebSocket stay with it; every other connection comes here, into
 * a server of common/http, with its bytes unread. A live request that arrives
 * there later, on a connection that was kept alive, goes back to the door.
 *
 * What has a say: routes in the order in which they were added, then suffixes,
 * then 404. Handlers run on the loop and answer as common/http/server.h has it;
 * CORS fields, OPTIONS, HEAD, 405, 404 and 504 are the server's business. All
 * are open: anybody may ask.
 */
#ifndef WEIR_EDGE_WEB_H
#define WEIR_EDGE_WEB_H

#include "common/http/server.h"
#include "common/media/reason.h"

struct edge;
struct web;

#define WEB_SUFFIXES_MAX 8

/* Needs the edge's loop and settings. `gate_ms`: so long the gate may take for its
 * word, and a request waits. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int web_new(struct web **out, struct edge *e, unsigned gate_ms);
/* Open requests end as http_on_gone has it, so before what handlers use. */
void web_free(struct web **w);

/* Bring the counters of the edge up to date. */
void web_measure(struct web *w);

/* As http_server_route: `routes` stay the caller's, for the web's life. For
 * paths that begin in a known way: {"GET", "/-/ **", HTTP_OPEN, …} (without the
 * space). */
WEIR_MUST_CHECK int web_route(struct web *w, const struct http_route *routes,
			      size_t count);

/* GET and HEAD of every path that ends in `suffix` (".m3u8"; borrowed) and that
 * no route takes. What stands before it is no more than an address: read it
 * with http_raw_path and stream_key_from_path. Returns 0 or WEIR_ELIMIT. */
WEIR_MUST_CHECK int web_suffix(struct web *w, const char *suffix,
			       http_handler_fn *handler, void *ctx);

/* Serve a connection of which nothing was read. `fd` is taken, on failure too.
 * Returns 0, WEIR_ELIMIT (too many; it was closed) or WEIR_ENOMEM. */
WEIR_MUST_CHECK int web_adopt(struct web *w, int fd,
			      const struct net_addr *peer);

/* The status of a refusal, and its body: {"error","message"}; `detail` is plain. Errors are the buffer's. */
unsigned http_status_of(enum reason why);
void http_reason_put(struct buf *out, enum reason why, const char *detail);

/* What every 401 must name: by signed addresses, which no browser asks for. */
#define HTTP_CHALLENGE "Weir-Signature realm=\"weir\""

#endif
