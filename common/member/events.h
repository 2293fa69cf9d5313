/* common/member/events.h - the last 100 events of each stream, and who was turned
 * away from it, for explain.
 *
 * Bounded: at most EVENT_STREAMS streams; the one that had none for longest is
 * forgotten first. An event that is as the one before it is
 * counted there, with the newest detail where there is a reason. Visits
 * (of who was refused, or put out) take no place of an event, whatever comes: they
 * are counted by address, protocol and reason, VISITS_PER_STREAM of each kind, the
 * others together; and streams of which nothing else is known are
 * STRANGE_STREAMS at most, apart.
 */
#ifndef WEIR_MEMBER_EVENTS_H
#define WEIR_MEMBER_EVENTS_H

#include <json-c/json.h>

#include "common/base/err.h"
#include "common/media/key.h"

#define EVENT_STREAMS     1024
#define EVENTS_PER_STREAM 100
#define STRANGE_STREAMS   128
#define VISITS_PER_STREAM 8

struct event_book;

enum event_visit_kind {
	EVENT_PUBLISH_REFUSED,
	EVENT_PLAY_REFUSED,
	EVENT_PLAY_END, /* it did not leave by itself */
	EVENT_VISIT_KINDS
};

struct event_visit {
	enum event_visit_kind kind;
	int reason;
	const char *protocol;
	const char *address; /* without a port; "": by Unix socket */
	const char *detail;  /* of the last one; NULL: none */
};

WEIR_MUST_CHECK int event_book_new(struct event_book **out, uint64_t seed);
void event_book_free(struct event_book **b);

/* Remember one; without memory it is forgotten. Texts are copied. */
void event_book_add(struct event_book *b, const struct stream_key *key,
		    int64_t utc_us, const char *what, int reason,
		    const char *detail);
/* The same; costs one look at a few lines, however many there were. */
void event_book_visit(struct event_book *b, const struct stream_key *key,
		      int64_t utc_us, const struct event_visit *v);

/* An array of {"utc_us","event","reason","detail","node"}, oldest first, then the
 * visits; with "count" and "since_utc_us" what came more than once, visits always
 * and with "address" and "protocol" ("": of several). NULL without memory. The
 * caller's. */
struct json_object *event_book_json(const struct event_book *b, const char *key,
				    const char *node);

#endif
