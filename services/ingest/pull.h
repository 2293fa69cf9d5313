/* services/ingest/pull.h - streams that this ingest fetches from elsewhere.
 *
 * A pull claims its stream (kind "pull") before it dials, and keeps the claim
 * until it is over: so there is one in the whole cluster, whoever orders it. It
 * tries its addresses in order, from the first again after the last; while it
 * runs on a later one, it looks from time to time whether the first is well, and
 * goes back. Each time that media begins anew is an epoch of its own.
 *
 * It is over when a publisher takes the stream, when nobody has wanted it for
 * auto_stop_ms, when retry_num attempts in a row have failed, when its rule is
 * gone, or when it is told to stop.
 */
#ifndef WEIR_INGEST_PULL_H
#define WEIR_INGEST_PULL_H

#include "services/ingest/internal.h"

struct pulls;

/* Returns 0; WEIR_ECONF: cluster.ca_file cannot be used, which is logged;
 * WEIR_ENOMEM. */
WEIR_MUST_CHECK int pulls_new(struct pulls **out, struct ingest *in);
/* Before the publishes are freed. */
void pulls_free(struct pulls **ps);

/* ---- pull_call.c: calls of dispatch ---- */

/* "pull": {"stream", "urls": […], "rule", "once", "new", "pull_timeout_ms",
 * "retry_num", "auto_stop_ms", "via"}, answered when it is known whether the
 * stream is ours: {"verdict": "done" | "exists" | "bad_url" | "spent" |
 * "no_ingest" | "registry", "session_id", "detail"}. `once`: it is one pull, whose
 * rule has the id of its session and goes when it is over; `new`: that rule has to
 * be put; it could not: "registry". */
void pulls_order(struct pulls *ps, struct member_call *call,
		 struct json_object *args);

/* "pull_stop": {"stream"}, answered {"stopped", "session_id"}, and "rule" where
 * that goes with the pull. */
struct json_object *pulls_stop_json(struct pulls *ps, const char *stream);

/* "pulls", as services/dispatch/relay.h has them. */
void pulls_json(const struct pulls *ps, struct member_page *page);

/* Rules have changed: what was ordered by one that is gone, or says other things
 * now, is over. */
void pulls_on_rules(struct pulls *ps);

#endif
