/* common/registry/claim_priv.h - the inside of a claim, shared by claim.c (what
 * comes next), claim_gather.c (what origins know, and which is to be the home) and
 * claim_suspect.c (who seems to have the stream). Nobody else includes it.
 */
#ifndef WEIR_REGISTRY_CLAIM_PRIV_H
#define WEIR_REGISTRY_CLAIM_PRIV_H

#include "common/registry/claim.h"

#define CLAIM_ORIGINS_MAX 64
#define CLAIM_POLL_MS     50
#define CLAIM_ROUNDS_MAX  8

enum claim_stage {
	CLAIM_START,
	CLAIM_GATHER, /* PLACE and VALIDATE are out */
	CLAIM_SCRIPT,
	CLAIM_ALIVE, /* the suspect's ingest and home are asked */
	CLAIM_HOLD,  /* it may be silent: ask again at due_ms */
	CLAIM_LEASE, /* nobody has a word: run the script again at due_ms */
	CLAIM_LOCAL, /* CLAIM is asked of the home */
	CLAIM_DONE,
};

struct claim_asked {
	uint64_t tag; /* 0: nothing is asked */
	bool has_answer;
	struct answer answer;
};

/* Who seems to have the stream. */
struct claim_suspect {
	struct epoch epoch;
	char kind[ROLE_SIZE];
	char ingest[NODE_ID_SIZE];
	char home[NODE_ID_SIZE];
	bool is_lease_known, has_lease;
};

struct claim {
	const struct world *world;
	struct claim_request request;
	struct claim_events events;
	void *ctx;
	enum claim_stage stage;
	int64_t began_ms, stage_ms, due_ms;
	uint32_t rounds;
	uint16_t serial;

	struct node_ref origin[CLAIM_ORIGINS_MAX];
	struct claim_asked validate[CLAIM_ORIGINS_MAX];
	size_t origin_count;
	struct claim_asked place;
	uint64_t told_counter, told_term;

	struct node_ref home; /* chosen */
	struct claim_suspect suspect;
	struct claim_asked ingest, at_home;
	struct epoch expected; /* cleared: may be displaced */
	struct epoch mute;     /* was asked about, nobody had a word */
	uint64_t script_tag;
	bool is_script_lost; /* the registry did not answer, once */
	struct claim_asked local;
	bool is_ingest_absent;
	int64_t home_asked_ms;
	int64_t held_since_ms; /* first HOLD about the suspect; 0: none */
	bool *is_freed;        /* where claim_tick wants to know */
};

/* ---- claim.c ---- */

void claim_enter(struct claim *c, enum claim_stage stage, int64_t now_ms,
		 int64_t due_ms);
/* It is decided: c may be gone afterwards. */
void claim_refuse(struct claim *c, enum reason why, const char *detail);
uint64_t claim_new_tag(struct claim *c);
struct question claim_question_of(const struct claim *c, uint8_t kind);
/* To one node; the answer comes to `a`. */
void claim_put_question(struct claim *c, struct claim_asked *a, link_id link,
			const struct question *q, uint32_t deadline_ms);
void claim_run_script(struct claim *c, int64_t now_ms);
/* Without the registry: the home decides. */
void claim_ask_home(struct claim *c, int64_t now_ms);

/* ---- claim_gather.c ---- */

/* Ask dispatch where to, and all origins what they know. */
void claim_gather(struct claim *c, int64_t now_ms);
/* false: no answer of that kind. */
bool claim_note_gathered(struct claim *c, uint64_t tag, const struct answer *a);
bool claim_is_gathered(const struct claim *c);
/* Numbers that somebody told: ours is above them. */
void claim_note_told(struct claim *c, const struct epoch *epoch,
		     const struct term *term);
void claim_note_answered(struct claim *c, const struct answer *a);
/* The answer of origin `i`, when it knows the stream. */
const struct answer *claim_known_by(const struct claim *c, size_t i);
void claim_choose_home(struct claim *c);
/* The live writer that origins name, when it is another one and may not be
 * displaced yet. Returns which origin, or -1. */
int claim_holder(const struct claim *c);

/* ---- claim_suspect.c ---- */

void claim_suspect_entry(struct claim *c, const struct stream_entry *e,
			 bool is_lease_known);
void claim_suspect_answer(struct claim *c, const struct answer *a,
			  const struct node_ref *origin);
/* Somebody seems to have it: clear it, or find out. */
void claim_question_suspect(struct claim *c, int64_t now_ms);
void claim_ask_suspect(struct claim *c, int64_t now_ms);
/* Put the questions that can be put; a node that is not linked yet is tried
 * again while there is time. */
void claim_ask_both(struct claim *c, int64_t now_ms);
void claim_note_answer(struct claim_asked *a, const struct answer *answer);
/* Decide by what was answered until now. */
void claim_judge(struct claim *c, int64_t now_ms);

#endif
