/* services/dispatch/internal.h - what the files of a dispatch share. */
#ifndef WEIR_DISPATCH_INTERNAL_H
#define WEIR_DISPATCH_INTERNAL_H

#include "services/dispatch/api.h"
#include "services/dispatch/census.h"
#include "services/dispatch/dispatch.h"
#include "services/dispatch/hook.h"

struct dispatch_stats {
	uint64_t placements, resolves, resolved, nodes, streams;
	uint64_t api_calls, api_refused;
	struct census_stats census;
};

struct placer;
struct relay;
struct web;

struct dispatch {
	struct svc *svc;
	struct member *member;
	const struct dispatch_settings *settings;
	struct http_server *http;
	struct http_origins api_origins; /* lives as long as the server */
	struct api_router *router;       /* lives as long as the server */
	struct web *web;                 /* so does this */
	struct placer *placer;           /* of homes */
	struct placer *puller;           /* of pulls */
	struct carriers *carriers;
	struct hook *hook;
	struct relay *relay;
	struct census *census;
	struct list gathers; /* under way */
	bool gathers_are_over;
	struct dispatch_stats stats;
	struct stat_series series;
	struct stat_refresh refresh;
};

extern const struct log_event dispatch_api_call, dispatch_api_open,
	dispatch_api_refused;

/* ---- api_guard.c: who may call the API ---- */

/* The server, as the settings say. Returns 0, WEIR_ENOMEM, WEIR_ECONF. */
WEIR_MUST_CHECK int api_server_new(struct dispatch *d);

/* "NAME:ROLE:TOKEN" into *out, whose texts are in `text`, which is cut.
 * Returns 0 or WEIR_EINVAL. */
WEIR_MUST_CHECK int api_token_read(struct http_token *out, char *text);

/* ---- hls.c ---- */

/* The call "hls_moved" of an edge, to all others. `viewers` is borrowed. */
void hls_pass_on(struct dispatch *d, const char *from,
		 struct json_object *viewers);
/* One session of each viewer, with the bytes of all edges. Takes the list and
 * returns one. */
struct json_object *hls_join(struct json_object *sessions);

/* ---- place.c: which origin gets a stream, and which ingest a pull ---- */

enum place_what {
	PLACE_HOMES, /* a node has the streams whose home it is */
	PLACE_PULLS, /* … that it writes */
};

WEIR_MUST_CHECK int placer_new(struct placer **out, struct dispatch *d,
			       enum place_what what);
void placer_free(struct placer **p);
/* Of two origins that hashing names among those that are linked, not draining,
 * not `q->avoid` and, if there are any, not full: the one with less to do, by its
 * load and its streams. Who asks again soon gets the same. */
void placer_place(struct placer *p, const struct question *q,
		  struct answer *out, int64_t now_ms);
/* The same, from a list of linked nodes and what the registry says. */
void placer_choose(struct placer *p, struct copy *copy,
		   const struct node_ref *node, size_t count,
		   const struct question *q, struct answer *out,
		   int64_t now_ms);

/* ---- gather.c: one question to many nodes, one answer ---- */

struct gather;

/* What came together: arrays of the nodes' objects, each with "node". */
struct gathered {
	struct json_object *sessions; /* of ingests and edges */
	struct json_object *streams;  /* of ingests: what they take in */
	struct json_object *homes;    /* of origins */
	struct json_object *pulls;    /* of ingests */
	struct json_object *pushes;   /* of origins */
	struct json_object *events;   /* of all, by time */
	unsigned kicked_count;
	unsigned asked_count, silent_count;
	bool has_more; /* gather_node: the answer is not all that there is */
};

enum gather_what {
	GATHER_SESSIONS = 1,
	GATHER_STREAMS = 2,
	GATHER_HOMES = 4,
	GATHER_EVENTS = 8,
	GATHER_KICK = 16,
	GATHER_PULLS = 32,
	GATHER_PUSHES = 64,
};

/* `done` comes exactly once, later; what it is shown is borrowed. `args` is
 * taken (NULL: none), on failure too: what every call has ("stream",
 * "session_id"). Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int gather(struct dispatch *d, unsigned what,
			   struct json_object *args,
			   void (*done)(void *ctx, const struct gathered *g),
			   void *ctx);
/* The same of one node and one call, asked once. Also WEIR_ECLOSED: the process
 * ends. */
WEIR_MUST_CHECK int
gather_node(struct dispatch *d, const struct node_ref *node, const char *name,
	    struct json_object *args,
	    void (*done)(void *ctx, const struct gathered *g), void *ctx);
/* End those under way with what they have; when the member is gone. */
void gather_end_all(struct dispatch *d);

/* ---- web.c: the browser page ---- */

/* Its routes, before those of the API. *out is the caller's, on failure too, and
 * freed after the server. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int web_new(struct web **out, struct dispatch *d);
void web_free(struct web **w);
/* Is there a page in this build? */
bool web_is_there(void);
/* Add "http" and "rtmp": where edges serve, as who asks reaches them. */
void web_add_urls(struct json_object *o, struct dispatch *d,
		  const struct http_request *req);

/* ---- lal.c: lal's JSON ---- */

/* "2026-01-02 03:04:05.678 +0000 UTC", without zeros at the fraction's end. */
#define LAL_TIME_SIZE 48
void lal_time(char out[LAL_TIME_SIZE], int64_t utc_us);
/* What was gathered, by stream: {"live/a":{"sessions":[…],"stream":{…}}, …} for
 * all that are known to the registry or watched. The caller's. */
struct json_object *lal_streams(struct copy *copy, const struct gathered *g);
/* The key of a name: it is one; or app "live" has it; or one other app alone
 * has it. NULL: none, or several. Borrowed from `streams`. */
const char *lal_resolve(struct json_object *streams, const char *name);
/* lal's StatGroup of a key of `streams`. The caller's. */
struct json_object *lal_group(struct json_object *streams, const char *key);

#endif
