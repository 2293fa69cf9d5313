/* common/bus/writer.h - the writers of an ingest: claim, publish, move, fence.
 *
 * Pure. One struct writers per process, one struct writer per publishing
 * session. The owner appends frames to the writer's log; the writer brings them
 * to the home, moves the home when it dies, and stops when it is fenced.
 */
#ifndef WEIR_BUS_WRITER_H
#define WEIR_BUS_WRITER_H

#include "common/bus/feed.h"
#include "common/bus/world.h"

struct writers;
struct writer;

/* What a new epoch goes on from. */
struct writer_start {
	struct epoch epoch;
	struct epoch_state open; /* payload of the EPOCH frame; dts_base_ns is
				  * the old end, before rounding (the owner
				  * rebases); incarnation, segment, … set */
	const struct stateset *previous; /* CONFIGs of before; NULL none */
	uint32_t target_ms;
};

struct writer_events {
	/* The stream is ours: append EPOCH, TRACKS, … from sequence 0 on. */
	void (*on_granted)(void *ctx, struct writer *w,
			   const struct writer_start *start);
	/* Refused, fenced, taken over: close the publisher with the reason. The
	 * writer is spent; free it (also from inside). */
	void (*on_end)(void *ctx, struct writer *w, enum reason why,
		       const char *detail);
	/* Does any wanting consumer exist (pulls stop on false)? Whenever a home
	 * is open, and when it changes. It may come before on_granted. */
	void (*on_wanted)(void *ctx, struct writer *w, bool is_wanted);
	/* Its term is another one: what writer_pass has saved is of no use.
	 * NULL is fine. */
	void (*on_term)(void *ctx, struct writer *w);
	/* A key frame is wanted, or a bitrate hint (bits/s) came. */
	void (*on_feedback)(void *ctx, struct writer *w, uint16_t track,
			    uint8_t what, uint32_t value);
};

struct writer_request {
	struct stream_key key;
	struct uuid session;  /* fresh, random */
	char kind[ROLE_SIZE]; /* publish, pull */
	char credential[64];
	int64_t start_us;
	struct log *log; /* the owner's; empty; outlives the writer */
};

WEIR_MUST_CHECK int writers_new(struct writers **out,
				const struct world *world);
void writers_free(struct writers **ws); /* all writers must be freed */
/* On how many origins each stream is kept: 1, its home alone, or 2. Before the
 * first writer. */
void writers_set_replicas(struct writers *ws, unsigned count);

/* Begin to claim. Until on_granted or on_end nothing is answered to the
 * publisher. Neither is called from inside. */
WEIR_MUST_CHECK int writer_new(struct writer **out, struct writers *ws,
			       const struct writer_request *request,
			       const struct writer_events *events, void *ctx,
			       int64_t now_ms);
/* Before writer_leave: gives the claim up silently (as a crash would). */
void writer_free(struct writer **w);

/* writer_pass.c: the same epoch goes on in another process of this machine; both
 * read one clock, now_ms. The one that has it saves it. From then on nothing is
 * appended, until it keeps it after all; after on_term it must not be given. When
 * the other has got it, writer_passed frees it without a word: what it was
 * sending is refused, and a claim that asks whether the publisher lives gets
 * WEIR_EAGAIN for CLAIM_MAX_MS, for others know.
 *
 * request of the other: key and log, which holds the epoch's frames. It goes on
 * from what the home has; on_granted does not come. What was on its way for
 * longer than loop_away_ms is validated before anything is sent. writer_take
 * returns 0, WEIR_EPROTO, WEIR_EUNSUPPORTED or WEIR_ENOMEM. */
bool writer_can_pass(const struct writer *w);
void writer_pass(const struct writer *w, struct buf *out, int64_t now_ms);
void writer_passed(struct writer **w, int64_t now_ms);
WEIR_MUST_CHECK int writer_take(struct writer **out, struct writers *ws,
				const struct writer_request *request,
				struct span passed,
				const struct writer_events *events, void *ctx,
				int64_t now_ms);

/* The owner appended to the log. */
void writer_ahead(const struct writer *w); /* writer_appended comes soon */
void writer_appended(struct writer *w, int64_t now_ms);
/* Bytes came from the publisher (media or not): it lives. */
void writer_input(struct writer *w, int64_t now_ms);
/* The publisher left: END to the home, LOST in the registry. The writer stays
 * until what it wrote is delivered or publish_grace_ms is over, then on_end
 * with REASON_peer_left. */
void writer_leave(struct writer *w, enum reason why, int64_t now_ms);
const struct stream_entry *writer_entry(const struct writer *w);

/* Events of the process. */
void writers_on_link(struct writers *ws, const struct node_ref *node,
		     bool is_up, int64_t now_ms); /* origins only */
void writers_on_record(struct writers *ws, link_id link, const struct record *r,
		       int64_t now_ms);
/* A STATE before RESUME: what is in force at the home. A sid that is not ours is
 * fine: late. Returns 0 or WEIR_EPROTO. */
WEIR_MUST_CHECK int writers_on_frame(struct writers *ws, link_id link,
				     uint16_t type, uint32_t sid,
				     uint64_t term_number, struct frame *f,
				     int64_t now_ms);
/* false: the tag is not ours. */
bool writers_on_answer(struct writers *ws, uint64_t tag, const struct answer *a,
		       int64_t now_ms);
bool writers_on_script(struct writers *ws, uint64_t tag,
		       const struct script_result *r, int64_t now_ms);
/* ALIVE, LOST, VALIDATE asked of this ingest. */
void writers_on_question(struct writers *ws, const struct question *q,
			 struct answer *out, int64_t now_ms);
/* The registry (re)connected: `is_other` another generation of it. Entries that
 * it lost are written again. */
void writers_on_registry(struct writers *ws, bool is_up, bool is_other,
			 int64_t now_ms);
/* The local copy of an entry changed. */
void writers_on_entry(struct writers *ws, const struct stream_entry *e,
		      int64_t now_ms);
/* The loop was away for longer than loop_away_ms: nothing is sent until every
 * claim is validated again. Called before anything else of that pass. */
void writers_on_away(struct writers *ws, int64_t now_ms);
int64_t writers_tick(struct writers *ws, int64_t now_ms);

#endif
