/* services/edge/log.c - what an edge says. */
#include "services/edge/internal.h"

const struct log_event edge_play_start = {"play.start", LOG_INFO,
					  "stream session peer proto waited_ms",
					  "A viewer began to play."};
const struct log_event edge_play_end = {
	"play.end", LOG_INFO,
	"stream session peer proto reason detail bytes ms skipped",
	"A viewer left, or was closed."};
const struct log_event edge_play_refused = {
	"play.refused", LOG_INFO, "stream session peer proto reason detail",
	"A viewer did not get its stream."};
const struct log_event edge_peer_closed = {
	"peer.closed", LOG_INFO, "peer proto reason detail bytes",
	"A connection ended that never asked for a stream, or broke the "
	"rules."};
const struct log_event edge_peer_passed = {
	"peer.passed", LOG_INFO, "stream peer proto node ms",
	"A publisher was handed to an ingest of this machine."};
const struct log_event edge_failed = {"edge.failed", LOG_ERROR, "what why",
				      "The edge could not start."};

const struct log_event *const edge_log_events[] = {&edge_play_start,
						   &edge_play_end,
						   &edge_play_refused,
						   &edge_peer_closed,
						   &edge_peer_passed,
						   &edge_failed,
						   NULL};
