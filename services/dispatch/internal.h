/* services/dispatch/internal.h - what the files of a dispatch share. */
#ifndef WEIR_DISPATCH_INTERNAL_H
#define WEIR_DISPATCH_INTERNAL_H

#include "services/dispatch/dispatch.h"

struct dispatch_stats {
	uint64_t placements, resolves, resolved, api_calls, nodes, streams;
};

struct placer;

struct dispatch {
	struct svc *svc;
	struct member *member;
	const struct dispatch_settings *settings;
	struct http_server *http;
	struct http_route *routes; /* lives as long as the server */
	struct placer *placer;
	struct dispatch_stats stats;
	struct stat_series series;
	struct stat_refresh refresh;
};

extern const struct log_event dispatch_api_call;

/* ---- place.c: which origin gets a stream ---- */

WEIR_MUST_CHECK int placer_new(struct placer **out, struct dispatch *d);
void placer_free(struct placer **p);
/* The origin with the fewest streams among those that are linked, not draining
 * and not `q->avoid`; equals are told apart by rendezvous. */
void placer_place(struct placer *p, const struct question *q,
		  struct answer *out, int64_t now_ms);

/* ---- gather.c: one question to many nodes, one answer ---- */

struct gather;

/* What came together: arrays of the nodes' objects, each with "node". */
struct gathered {
	struct json_object *sessions; /* of ingests and edges */
	struct json_object *streams;  /* of ingests: what they take in */
	struct json_object *homes;    /* of origins */
	struct json_object *events;   /* of all, by time */
	unsigned kicked_count;
	unsigned asked_count, silent_count;
};

enum gather_what {
	GATHER_SESSIONS = 1,
	GATHER_STREAMS = 2,
	GATHER_HOMES = 4,
	GATHER_EVENTS = 8,
	GATHER_KICK = 16,
};

/* `done` comes exactly once, later; what it is shown is borrowed. `stream` and
 * `session_id` may be NULL. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int gather(struct dispatch *d, unsigned what,
			   const char *stream, const char *session_id,
			   void (*done)(void *ctx, const struct gathered *g),
			   void *ctx);

/* ---- the API ---- */

/* Everything under /api/. */
WEIR_MUST_CHECK int api_routes(struct dispatch *d);
/* lal's answers: {"error_code","desp","data"}, always status 200. */
void lal_answer(struct http_request *req, int code, const char *desp,
		struct json_object *data);
/* lal's StatGroup from what was gathered; NULL: nobody knows the stream. */
struct json_object *lal_group(struct dispatch *d, const char *key,
			      const struct gathered *g);
/* The keys of all streams that are known or watched, as an array of texts. */
struct json_object *lal_keys(struct dispatch *d, const struct gathered *g);

#endif
