/* common/bus/home_priv.h - the inside of the homes, shared by home.c (the
 * interface), home_pub.c (writers), home_know.c (who stands above whom) and
 * home_serve.c (consumers). Nobody else includes it.
 */
#ifndef WEIR_BUS_HOME_PRIV_H
#define WEIR_BUS_HOME_PRIV_H

#include "common/base/idmap.h"
#include "common/base/map.h"
#include "common/bus/home.h"

#define HOME_ORIGINS_MAX 64

enum home_role {
	ROLE_NONE,    /* only heard of, or waited for */
	ROLE_HOME,    /* here */
	ROLE_REPLICA, /* a copy; or what was left when the home moved away */
};

struct homes {
	const struct world *world;
	struct home_limits limits;
	struct home_events events;
	void *ctx;
	struct list streams; /* struct home_stream, by number */
	struct map by_key;
	struct list links; /* struct home_link */
	uint64_t numbers;
	bool is_draining;
	bool has_news;  /* something is due earlier, maybe, than */
	int64_t due_ms; /* … when the last tick said */
};

/* One peer. */
struct home_link {
	struct list link; /* homes.links */
	struct node_ref node;
	struct idmap consumers; /* sid to struct consumer */
	struct idmap writers;   /* sid to struct binding */
};

/* What a PUB says, beside its key: that is the stream's. */
struct pub {
	uint32_t sid;
	uint16_t flags; /* PUB_… */
	char kind[ROLE_SIZE];
	int64_t start_us;
	struct epoch epoch;
	struct term term;
};

/* A PUB: waiting to be judged, or bound. */
struct binding {
	struct list link; /* home_stream.bindings */
	struct home_link *peer;
	struct home_stream *stream;
	bool is_bound;
	bool may_gap; /* the next frame need not follow */
	bool is_fed;  /* `told` is with the world */
	struct pub pub;
	struct feed told; /* state and RESUME toward the writer */
};

/* A SUB or WHERE. */
struct consumer {
	struct list link; /* home_stream.consumers */
	struct home_link *peer;
	struct home_stream *stream;
	uint32_t sid;
	bool is_where;
	bool is_wanting, is_exact;
	uint8_t from; /* SUB_FROM_… */
	struct position position;
	uint64_t term_number; /* what it knows; less is of no use to it */
	bool was_moved;
	struct term moved; /* told in the last MOVED */
	bool is_fed;
	struct feed feed;
};

struct home_stream {
	struct list link; /* homes.streams */
	struct homes *homes;
	uint64_t number;
	uint16_t serial;
	enum home_role role;
	struct log *log;        /* NULL: never had a frame's place */
	struct binding *writer; /* bound; among `bindings` */
	struct list bindings;
	struct list consumers;
	uint32_t wanting, following;
	bool is_wanted_here; /* by a cursor of this process */
	uint64_t skipped;    /* of consumers that are gone */
	bool has_told_wanted, told_wanted;
	int64_t window_ms;     /* until then nobody says "not wanted" */
	int64_t last_input_ms; /* of the writer */
	int64_t lead_ms;       /* how far dts was ahead of the clock, at most */
	bool has_left;         /* the writer said END */
	int64_t grace_ms;      /* when it is over; INT64_MAX: not running */
	int64_t lost_try_ms;   /* when to tell the registry again */
	int64_t hint_ms;       /* what is heard of is forgotten; INT64_MAX */
	int64_t stale_ms;      /* a log that nobody adds to goes; INT64_MAX */
	link_id hint_link;     /* of the ingest that told it */
	int64_t key_wanted_ms; /* last key-frame request passed on */
	struct uuid reserved;  /* a claim without the registry */
	int64_t reserved_ms;   /* until */

	bool is_checking; /* asking others what they know */
	bool is_silenced; /* nothing is sent before the check is done */
	int64_t check_ms; /* when it is over at last */
	uint64_t verify_tag, validate_first;
	uint32_t validate_count, validate_left;

	struct stream_entry entry; /* highest known; term 0: nothing */
	struct epoch best; /* highest claim heard of, whatever its term */
	int64_t best_start_us;
};

/* ---- home.c ---- */

struct home_stream *home_find(const struct homes *hs,
			      const struct stream_key *key);
/* Find or make; NULL: limit or memory. */
struct home_stream *home_get(struct homes *hs, const struct stream_key *key);
uint64_t home_tag(struct home_stream *s);
void home_event(struct home_stream *s, const char *what, enum reason why,
		const char *detail);
void home_changed(struct home_stream *s);
bool home_is_live(const struct home_stream *s);

/* ---- home_pub.c ---- */

int home_on_pub(struct homes *hs, struct home_link *peer,
		const struct record *r, int64_t now_ms);
void home_judge_all(struct home_stream *s, int64_t now_ms);
void home_on_end(struct binding *b, const struct record *r, int64_t now_ms);
int home_on_media(struct binding *b, uint16_t type, uint64_t term_number,
		  struct frame *f, int64_t now_ms);
void home_drop_binding(struct binding *b);
void home_fence(struct binding *b, enum reason why);
void home_writer_lost(struct home_stream *s, int64_t now_ms);
void home_end_grace(struct home_stream *s, int64_t now_ms);

/* ---- home_know.c ---- */

/* What somebody says of a stream. */
struct home_news {
	struct epoch epoch;
	struct term term;
	int64_t start_us;
	const char *kind;        /* "": not told */
	const char *node, *url;  /* the home */
	const char *writer_node; /* "": not told */
	struct uuid writer_instance;
	bool is_local;
};

/* Take it in: the home may go away from here, or a writer be fenced. Returns
 * true when it is newer than what was known. */
bool home_learn(struct home_stream *s, const struct home_news *news,
		int64_t now_ms);
void home_on_home(struct homes *hs, struct home_link *peer,
		  const struct record *r, int64_t now_ms);
void home_learn_entry(struct home_stream *s, const struct stream_entry *e,
		      int64_t now_ms);
/* May this PUB be taken? 0, or the reason of FENCED. */
enum reason home_judge(const struct home_stream *s, const struct pub *pub);
/* Ask the registry, else other origins; home_checked follows. */
void home_check(struct home_stream *s, int64_t now_ms);
void home_checked(struct home_stream *s, int64_t now_ms);
void home_on_verified(struct home_stream *s, const struct script_result *r,
		      int64_t now_ms);
void home_on_validated(struct home_stream *s, uint64_t tag,
		       const struct answer *a, int64_t now_ms);

/* ---- home_serve.c ---- */

int home_on_sub(struct homes *hs, struct home_link *peer,
		const struct record *r, int64_t now_ms);
void home_drop_consumer(struct consumer *c, int64_t now_ms);
/* Do for each consumer what can be done now. */
void home_serve(struct home_stream *s, int64_t now_ms);
/* The log grew; by frames that should have been here before? */
void home_kick(struct home_stream *s, bool is_replay);
/* The home went elsewhere: stop, say where. */
void home_move_consumers(struct home_stream *s);
void home_tell_lost(struct home_stream *s, int64_t now_ms);
void home_tell_found(struct home_stream *s);
void home_silence(struct home_stream *s, bool is_silenced);
void home_end_consumers(struct home_stream *s);
void home_set_term(struct home_stream *s);
void home_tell_wanted(struct home_stream *s, int64_t now_ms);

#endif
