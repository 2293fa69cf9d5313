/* common/bus/follower.h - a stream as a consumer has it: edge, packager.
 *
 * Pure. One struct followers per process, one struct follower per (process,
 * stream): it finds the home, subscribes, follows it when it moves or dies,
 * asks around when the writer is lost, and fills a log of its own. Positions
 * only grow; frames with an older term are dropped.
 */
#ifndef WEIR_BUS_FOLLOWER_H
#define WEIR_BUS_FOLLOWER_H

#include "common/bus/world.h"
#include "common/media/log.h"

struct followers;
struct follower;

enum follower_state {
	FOLLOWER_SEARCHING, /* nobody has it yet: play before publish */
	FOLLOWER_LIVE,      /* subscribed at the home */
	FOLLOWER_LOST,      /* the writer or home is gone; see until_ms */
	FOLLOWER_ENDED,     /* the grace is over; a new life may follow, in a
			     * new log: ask follower_log again when LIVE */
};

struct follower_info {
	enum follower_state state;
	enum reason why;
	int64_t until_ms; /* LOST: when the stream ends (now_ms clock) */
	struct stream_entry entry; /* epoch, term and home as known */
};

struct follower_events {
	/* Frames are seen through a watch on follower_log(). The follower may
	 * be freed from inside. */
	void (*on_state)(void *ctx, struct follower *f,
			 const struct follower_info *info);
	/* Frames were left out (a SKIP of the home, or lost between homes):
	 * what follows begins with a JOIN, or with the EPOCH of a new epoch. */
	void (*on_gap)(void *ctx, struct follower *f, uint64_t frames,
		       enum reason why);
};

enum follower_mode {
	FOLLOW_WANTING, /* viewers: starts pulls, holds them; skips on lag */
	FOLLOW_EXACT,   /* packager: following, never skips; begins with the
			 * oldest that the home has */
};

WEIR_MUST_CHECK int followers_new(struct followers **out,
				  const struct world *world,
				  const struct log_limits *limits);
void followers_free(struct followers **fs);

/* Find and subscribe; at most one follower per key. Events begin later. */
WEIR_MUST_CHECK int follower_new(struct follower **out, struct followers *fs,
				 const struct stream_key *key,
				 enum follower_mode mode,
				 const struct follower_events *events,
				 void *ctx, int64_t now_ms);
/* UNSUB, and forget. */
void follower_free(struct follower **f);

/* Stays until the follower has ENDED (its watches are then unlinked). */
struct log *follower_log(struct follower *f);
const struct follower_info *follower_info(const struct follower *f);
/* Is all here that the home had when it said RESUME last? */
bool follower_has_caught_up(const struct follower *f);
/* Somebody wants the stream, or what is made of it, or nobody does any more: who
 * is not wanting neither starts a pull nor holds one. At first FOLLOW_WANTING
 * is, FOLLOW_EXACT is not; that one never starts a pull. */
void follower_set_wanting(struct follower *f, bool is_wanting);
/* The clusters through which all that want it have come (common/media/via.h);
 * "", at first. Copied. Dispatch is told when it changes: a pull that was begun
 * for a few may have to go another way for more. Returns 0 or WEIR_ENOMEM, and
 * then nothing has changed. */
WEIR_MUST_CHECK int follower_set_via(struct follower *f, const char *via);
const char *follower_via(const struct follower *f); /* until it is set again */
/* Ask the publisher for a key frame. */
void follower_want_key(struct follower *f, uint16_t track);

void followers_on_link(struct followers *fs, const struct node_ref *node,
		       bool is_up, int64_t now_ms); /* origins only */
WEIR_MUST_CHECK int followers_on_record(struct followers *fs, link_id link,
					const struct record *r, int64_t now_ms);
/* As in bus_events; at most FETCH_AHEAD_MAX. */
void followers_ahead(const struct followers *fs, const uint32_t *sids,
		     size_t count);
WEIR_MUST_CHECK int followers_on_frame(struct followers *fs, link_id link,
				       uint16_t type, uint32_t sid,
				       uint64_t term_number, struct frame *f,
				       int64_t now_ms);
bool followers_on_answer(struct followers *fs, uint64_t tag,
			 const struct answer *a, int64_t now_ms);
void followers_on_entry(struct followers *fs, const struct stream_entry *e,
			int64_t now_ms);
int64_t followers_tick(struct followers *fs, int64_t now_ms);

#endif
