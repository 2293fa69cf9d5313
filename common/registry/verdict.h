/* common/registry/verdict.h - may a newcomer have a stream that has a writer?
 *
 * Pure: from what the writer's ingest, the home and the lease have said so far.
 */
#ifndef WEIR_REGISTRY_VERDICT_H
#define WEIR_REGISTRY_VERDICT_H

#include "common/bus/world.h"

enum verdict {
	VERDICT_WAIT,  /* for more words, or for the end of `peer_dead_ms` */
	VERDICT_FREE,  /* the writer is gone, or gives way */
	VERDICT_BUSY,  /* it lives */
	VERDICT_HOLD,  /* it may just have died: ask again after hold_ms */
	VERDICT_LEASE, /* nobody has a word: its lease decides */
};

struct verdict_facts {
	bool has_ingest_word, has_home_word;
	bool is_ingest_absent; /* its machine answers, the process is not there
				*/
	struct answer ingest, home; /* to QUESTION_ALIVE */
	bool waited;                /* peer_dead_ms are over */
	bool may_take_over;         /* the newcomer wins against a live one */
	bool is_pull;    /* the newcomer is a pull: it never tears one down */
	int64_t held_ms; /* since VERDICT_HOLD was first said; 0: never */
	uint32_t publish_stall_ms;
};

enum verdict verdict_of(const struct verdict_facts *facts, uint32_t *hold_ms);

#endif
