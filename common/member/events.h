/* common/member/events.h - the last 100 events of each stream, for explain.
 *
 * Bounded: at most EVENT_STREAMS streams; the one that had none for longest is
 * forgotten first.
 */
#ifndef WEIR_MEMBER_EVENTS_H
#define WEIR_MEMBER_EVENTS_H

#include <json-c/json.h>

#include "common/base/err.h"
#include "common/media/key.h"

#define EVENT_STREAMS     1024
#define EVENTS_PER_STREAM 100

struct event_book;

WEIR_MUST_CHECK int event_book_new(struct event_book **out, uint64_t seed);
void event_book_free(struct event_book **b);

/* Remember one; without memory it is forgotten. Texts are copied. */
void event_book_add(struct event_book *b, const struct stream_key *key,
		    int64_t utc_us, const char *what, int reason,
		    const char *detail);

/* An array of {"utc_us","event","reason","detail","node"}, oldest first; NULL
 * without memory. The caller's. */
struct json_object *event_book_json(const struct event_book *b, const char *key,
				    const char *node);

#endif
