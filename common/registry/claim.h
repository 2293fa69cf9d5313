/* common/registry/claim.h - how a new publisher becomes the writer of a stream.
 *
 * Pure (bus/world.h is all it reaches). The order, by ARCHITECTURE.md "claim":
 * PLACE at dispatch, else rendezvous over the reachable origins; the claim
 * script; free -> granted; BUSY -> ALIVE? to the writer's ingest and to the
 * home; the ingest's word beats the home's; no word from the ingest within
 * peer_dead_ms: the home's; neither: the writer's expired lease frees it. Then
 * the script runs again with the old epoch as expected value. Without the
 * registry: QUESTION_CLAIM to the home, `local` mark.
 */
#ifndef WEIR_REGISTRY_CLAIM_H
#define WEIR_REGISTRY_CLAIM_H

#include "common/bus/world.h"

#define CLAIM_MAX_MS 15000 /* none takes longer */

struct claim;

struct claim_grant {
	struct stream_entry entry;    /* ours, with home, epoch and term */
	struct stream_entry previous; /* what was there before */
	bool has_previous;
	bool is_local;
};

struct claim_events {
	/* Exactly one of the two, once; the claim may be freed from inside. */
	void (*on_granted)(void *ctx, const struct claim_grant *g);
	void (*on_refused)(void *ctx, enum reason why, const char *detail);
};

struct claim_request {
	struct stream_key key;
	struct uuid session; /* becomes epoch.writer */
	char kind[ROLE_SIZE];
	char credential[64]; /* "" anonymous */
	int64_t start_us;
	uint64_t own_counter; /* highest that this process knows of the key */
	uint64_t own_term;    /* as well */
	uint64_t tag_base;    /* its low 16 bits are the claim's */
	/* ALIVE of a writer of this very process: answered at once. */
	void (*ask_self)(void *ctx, const struct question *q,
			 struct answer *out, int64_t now_ms);
};

WEIR_MUST_CHECK int claim_new(struct claim **out, const struct world *world,
			      const struct claim_request *request,
			      const struct claim_events *events, void *ctx,
			      int64_t now_ms);
void claim_free(struct claim **c);

/* Answers of the world, by tag; false: the tag is not this claim's. */
bool claim_on_answer(struct claim *c, uint64_t tag, const struct answer *a,
		     int64_t now_ms);
bool claim_on_script(struct claim *c, uint64_t tag,
		     const struct script_result *r, int64_t now_ms);
/* When claim_tick has something to do. */
int64_t claim_due_ms(const struct claim *c);
/* Do what is due; returns the next due time (INT64_MAX: none). */
int64_t claim_tick(struct claim *c, int64_t now_ms);

#endif
