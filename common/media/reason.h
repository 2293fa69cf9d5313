/* common/media/reason.h - the closed list of reasons.
 *
 * Why a session or stream ended, was refused, stalled or skipped. Logs, API,
 * events, metrics and the bus use these names and no others. Numbers are on the
 * bus: append only.
 */
#ifndef WEIR_MEDIA_REASON_H
#define WEIR_MEDIA_REASON_H

#include "common/base/span.h"

/* number, name on the wire of API and metrics, sentence for people */
#define WEIR_REASONS(X)                                                        \
	X(0, none, "no reason")                                                \
	X(1, peer_left, "the peer closed the connection")                      \
	X(2, peer_end, "the peer ended the session by its protocol")           \
	X(3, protocol_error, "the peer broke the protocol")                    \
	X(4, limit, "the peer passed a limit")                                 \
	X(5, timeout, "the peer did not go on in time")                        \
	X(6, media_before_publish, "media came before publish")                \
	X(7, bad_name, "the address is no stream name")                        \
	X(8, busy, "another publisher is live on this stream")                 \
	X(9, taken_over, "a newer publisher took the stream over")             \
	X(10, fenced, "the cluster knows a newer writer of this stream")       \
	X(11, lost_claim, "another publisher won the stream after a split")    \
	X(12, no_origin, "no origin can be reached")                           \
	X(13, settling, "the registry is settling after a change")             \
	X(14, not_found, "nobody publishes this stream")                       \
	X(15, stream_ended, "the publisher left and did not come back")        \
	X(16, slow_viewer, "the viewer took no bytes for too long")            \
	X(17, lag, "the viewer lagged and was moved to the newest key frame")  \
	X(18, kicked, "kicked by the API")                                     \
	X(19, draining, "this node is shutting down")                          \
	X(20, no_resources, "this node lacks memory or descriptors")           \
	X(21, unsupported, "the codec or request is not supported")            \
	X(22, bus_lost, "the link between two nodes was lost")                 \
	X(23, bus_silent, "a node did not answer in time")                     \
	X(24, gap, "frames are missing")                                       \
	X(25, retention, "the log no longer has what was asked for")           \
	X(26, stall, "the publisher sent nothing")                             \
	X(27, unauthorized, "not allowed")                                     \
	X(28, no_key_frame, "the stream has no key frames")                    \
	X(29, internal, "an error of this node")                               \
	X(30, no_ingest, "no ingest of this machine takes publishers now")     \
	X(31, denied, "this address or page is not let in")                    \
	X(32, banned, "kicked out, and not yet let in again")                  \
	X(33, remote_refused, "the other server refused it")                   \
	X(34, remote_lost, "the other server is not reached, or has gone")     \
	X(35, too_many, "too many at once of this stream or address")          \
	X(36, overloaded, "this node is at its limit")                         \
	X(37, loop, "the stream has come through this cluster already")        \
	X(38, unwanted, "nobody watches what is pulled")

enum reason {
#define WEIR_REASON_ENUM(number, name, text) REASON_##name = (number),
	WEIR_REASONS(WEIR_REASON_ENUM)
#undef WEIR_REASON_ENUM
		REASON_COUNT
};

const char *reason_name(int reason); /* "unknown" outside the list */
const char *reason_text(int reason); /* a sentence without a full stop */

/* What an error (WEIR_E… or -errno) of a peer's connection means. */
enum reason reason_of_error(int err);

#endif
