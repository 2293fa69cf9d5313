/* common/bus/follower_priv.h - the inside of the followers, shared by follower.c
 * (the interface), follower_find.c (where is it?) and follower_read.c (what the
 * home sends). Nobody else includes it.
 */
#ifndef WEIR_BUS_FOLLOWER_PRIV_H
#define WEIR_BUS_FOLLOWER_PRIV_H

#include "common/base/idmap.h"
#include "common/bus/follower.h"

#define FOLLOWER_ORIGINS_MAX 64
#define FOLLOWER_SID         0x80000000u /* writers' lack this bit */

struct followers {
	const struct world *world;
	struct log_limits limits;
	struct list all;     /* struct follower */
	struct list *walk;   /* where the walk under way goes on */
	struct idmap by_sid; /* of SUBs and WHEREs */
	uint64_t numbers;
	uint32_t sids;
	bool has_news;  /* something is due earlier, maybe, than */
	int64_t due_ms; /* … when the last tick said */
};

struct follower_where {
	link_id link;
	uint32_t sid;
};

struct follower {
	struct list link; /* followers.all */
	struct followers *fs;
	uint64_t number;
	uint16_t serial;
	enum follower_mode mode;
	struct follower_events events;
	void *ctx;
	struct log *log;

	link_id home; /* SUB was sent there; 0: none */
	uint32_t sid;
	bool is_wanting;      /* as follower_set_wanting has it */
	bool must_tell_via;   /* to dispatch, which heard of another one */
	bool is_resumed;      /* RESUME came: what follows counts */
	struct position head; /* of the home, when it said RESUME */
	bool is_stopped;      /* the sender of MOVED or END sends no more */
	bool may_gap;         /* the next frame need not follow */
	bool from_oldest;     /* the place behind ours is gone everywhere */
	uint64_t term_number; /* frames of a lower one are late */
	bool has_told_gap;
	enum reason gap_why;

	/* Who was asked: FOLLOWER_ORIGINS_MAX of them, from the first question
	 * until it is found; NULL: nobody. */
	struct follower_where *where;
	size_t where_count;
	int64_t unserved_ms; /* LIVE without a home that serves, since; 0 */
	int64_t look_ms;     /* when to look around again */
	int64_t resolve_ms;  /* when to ask dispatch again */
	uint64_t resolve_tag;

	struct follower_info info; /* entry.term: the highest ever followed */
	char *via;                 /* as follower_set_via has it; NULL: "" */
};

/* ---- follower.c ---- */

/* Tell the owner; f may be gone afterwards. */
void follower_set_state(struct follower *f, enum follower_state state,
			enum reason why, int64_t until_ms);
uint32_t follower_new_sid(struct follower *f);
void follower_drop_sid(struct follower *f, uint32_t sid);
void follower_event(struct follower *f, const char *what, enum reason why,
		    const char *detail);

/* ---- follower_find.c ---- */

void follower_ask_dispatch(struct follower *f);

/* Somebody says where it is. Returns true when it is followed there. */
bool follower_hear(struct follower *f, const struct epoch *epoch,
		   const struct term *term, const char *node, const char *url);
void follower_hear_entry(struct follower *f, const struct stream_entry *e);
/* Go to the home that is known, if it can be reached. */
void follower_subscribe(struct follower *f);
void follower_unsubscribe(struct follower *f);
/* The subscription stays, but for what its flags say. */
void follower_subscribe_again(struct follower *f);
/* Ask on every link, and dispatch; or stop to ask. */
void follower_search(struct follower *f, int64_t now_ms);
void follower_found(struct follower *f);
bool follower_is_searching(const struct follower *f);
void follower_forget_link(struct follower *f, link_id link);

/* ---- follower_read.c ---- */

int follower_on_home_record(struct follower *f, const struct record *r,
			    int64_t now_ms);
int follower_on_home_frame(struct follower *f, uint16_t type,
			   uint64_t term_number, struct frame *frame,
			   int64_t now_ms);

#endif
