/* services/edge/passing.h - publishers that come to an edge are passed on to an
 * ingest of this machine.
 *
 * The public ports are the edges'; a publisher is an ingest's. The least loaded
 * one whose socket opens (so it is on this machine) is asked first, then the
 * next; when none takes it, all are asked again until publish_wait_ms are over,
 * because one may just be starting. Then the publisher is told.
 */
#ifndef WEIR_EDGE_PASSING_H
#define WEIR_EDGE_PASSING_H

#include "common/io/handover.h"
#include "common/registry/copy.h"

struct guest;
struct stream_key;
struct passing; /* a publisher on its way */

#define PASSER_TARGETS 32

/* What this edge remembers of the ingests, beyond their last report. All zero
 * is a good beginning. */
struct passer {
	struct copy *copy; /* where the nodes are; NULL: there are none */
	struct passer_target {
		char id[NODE_ID_SIZE];
		unsigned given, given_before; /* now, and in the last period */
		uint64_t silent_until_ms;     /* it did not answer */
	} target[PASSER_TARGETS];
	size_t count;
	uint64_t turned_ms; /* when the period began */
};

/* `g` asks to publish `key`, and stands at a message boundary with the rest of
 * its bytes unread; nothing more is read from it here. It ends passed on (then
 * it is gone, and its connection is another process's) or refused, perhaps from
 * inside this call. */
void guest_pass(struct guest *g, const struct stream_key *key);

/* Nothing has been given, or all; sets to NULL, NULL is fine. */
void passing_free(struct passing **p);

#endif
