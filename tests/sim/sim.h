/* tests/sim/sim.h - a cluster in one process, under a fake clock, with faults.
 *
 * README.md says what is modelled. Everything follows from the seed. Memory that
 * cannot be had ends the simulator: it is a test.
 */
#ifndef WEIR_SIM_SIM_H
#define WEIR_SIM_SIM_H

#include "common/base/buf.h"
#include "common/bus/follower.h"
#include "common/bus/home.h"
#include "common/bus/writer.h"
#include "tests/sim/keyspace.h"

#define NODES_MAX   12
#define KEYS_MAX    2
#define PUBS_MAX    6
#define VIEWERS_MAX 8
#define EPOCHS_MAX  512
#define TRACE_MAX   4096

#define MS           INT64_C(1000) /* of the clock, which is in us */
#define SIM_START_US INT64_C(1700000000000000) /* UTC at clock 0 */

struct sim;

/* Rules broken on purpose; each must be noticed. README.md has the list. */
enum sim_mutant {
	SIM_SOUND = 0,
	SIM_NO_FENCE,
	SIM_NO_REVALIDATION,
	SIM_TRUST_LEASE,
	SIM_NO_VALIDATION,
	SIM_WRONG_REPLAY,
	SIM_REUSE_COUNTER,
	SIM_NO_SETTLE,
	SIM_COPY_SERVES,
	SIM_COPY_DELIVERS,
	SIM_COPY_UNUSED,
	SIM_WRONG_COPY,
	SIM_GIVER_STAYS,
	SIM_GIVER_WRITES,
	SIM_SAME_TERM,
	SIM_OLD_GOODS,
	SIM_NO_DRAIN,
	SIM_DRAIN_TAKES,
	SIM_RULES_DEAF,
	SIM_RULES_UNSETTLED,
	SIM_GATE_FORGETS,
	SIM_GATE_LOSES,
	SIM_RULES_BEHIND,
	SIM_GATE_NAMELESS,
	SIM_MUTANTS,
};

/* What may go wrong in a schedule. */
enum sim_class {
	CLASS_CALM,     /* publishers come, go, fall silent; nothing breaks */
	CLASS_ORIGIN,   /* one origin is killed, and that is all */
	CLASS_PLANNED,  /* origins and ingests are restarted, one by one */
	CLASS_REGISTRY, /* only the registry and the publishers misbehave */
	CLASS_NETWORK,  /* only links and pauses */
	CLASS_ALL,      /* everything */
	CLASS_COUNT,
};

/* Something that happens later. Runs in node `node` (NULL: outside of all): it
 * waits while that one is paused, and is dropped when it is dead. */
struct job {
	struct list link; /* in a paused node's inbox */
	int64_t at_us;
	uint64_t number; /* order among equals */
	struct sim_node *node;
	uint32_t life;
	void (*run)(struct sim *s, struct job *j);
	void (*drop)(struct job *j); /* what it holds; NULL: nothing */
	/* Not before this time after all (NULL: nothing holds it up). */
	int64_t (*held_until_us)(struct sim *s, const struct job *j);
};

#define WIRE_SIDS 32

/* One end of a link, and what goes toward it: control records in order, frames
 * in order, and those of one sid in order among both. */
struct side {
	struct wire *wire;
	struct sim_node *node;
	uint32_t life;
	link_id id;
	bool is_up;
	int64_t heard_us;
	int64_t record_us, frame_us; /* last deliveries toward here */
	struct {
		uint32_t sid;
		int64_t at_us;
	} last[WIRE_SIDS];
	size_t last_count;
	struct list feeds;       /* that this end sends */
	int64_t closed_until_us; /* until then it may not send frames */
	bool is_pumping;
};

/* A link between two processes. */
struct wire {
	struct list link; /* sim.wires */
	struct side side[2];
	uint32_t jobs; /* that name it; freed when none and down */
};

/* A question or script without an answer. */
struct pending {
	struct list link; /* node.pending */
	uint64_t tag;
	link_id wire; /* 0: registry or dispatch */
	bool is_script;
	uint64_t number;
};

enum node_kind { NODE_INGEST, NODE_ORIGIN, NODE_EDGE };

struct sim_node {
	struct sim *sim;
	size_t index;
	enum node_kind kind;
	char id[NODE_ID_SIZE];
	uint32_t life; /* grows with each start and end */
	bool is_alive, is_paused;
	bool is_draining;  /* it is about to be restarted */
	int64_t drain_us;  /* since */
	int64_t paused_us; /* since */
	int64_t woke_us;   /* from the last sleep that counted */
	struct list inbox; /* struct job */
	struct world world;
	struct writers *writers;
	struct homes *homes;
	struct followers *followers;
	link_id links;
	struct list pending;
	uint64_t pendings;
	int64_t due_us; /* a job for the machines comes then; INT64_MAX */
	int64_t ping_us, dial_us[NODES_MAX];
	/* its connection to the registry */
	bool is_registered;
	uint64_t run_id;
	int64_t registry_since_us; /* connected without a break */
	int64_t registry_try_us;
	struct stream_entry copy[KEYS_MAX];
	bool has_copy[KEYS_MAX];
	struct sim_gate *gate; /* of ingests and edges */
};

/* A session on its way to another ingest of its machine (pass.c): saved, given,
 * taken. What the publisher sends meanwhile waits in the socket. */
struct passing {
	struct sim *sim;
	struct sim_session *from; /* NULL: it is given */
	struct sim_session
		*next; /* in no list, without a writer, until it is taken */
	struct publisher *publisher; /* NULL: it has gone, or it is not given */
	int64_t began_us;
	struct buf bytes; /* of the writer */
	uint32_t inputs;
	bool has_fin;
	bool is_old; /* the writer went on: it is not given */
};

/* One session at an ingest; lives as long as that or its connection. */
struct sim_session {
	struct list link; /* sim.sessions */
	struct sim *sim;
	struct sim_node *node;
	uint32_t life;
	struct publisher *publisher; /* NULL: its connection is gone */
	struct passing *passing;     /* it is being given away */
	struct sim_guest *guest;     /* what the gate knows of it */
	size_t key;
	struct writer *writer; /* NULL: the gate has not answered yet */
	struct log *log;
	struct epoch epoch;
	uint64_t sequence;
	uint64_t media; /* frames since the start */
	int64_t base_ns;
	uint64_t segment;
	bool is_granted, is_left, is_pull;
	bool was_offered; /* to another ingest, at a restart */
	int64_t input_us;
	int64_t lively_us; /* since then without a long silence */
	int64_t began_us;
};

/* Somebody who wants to publish, and comes back. */
struct publisher {
	size_t index;
	size_t key;
	bool is_rival, is_pull;
	struct sim_session *session; /* connected; NULL: not */
	struct passing *passing;     /* connected, to nobody at the moment */
	int64_t next_us;             /* connect, or the next frame */
	int64_t silent_until_us;     /* connected, but nothing comes through */
	int64_t off_until_us;        /* not interested */
};

struct viewer {
	struct sim *sim;
	struct sim_node *node;
	size_t key;
	bool is_exact;
	struct follower *follower;
	struct log *log; /* watched */
	struct log_watch watch;
	struct position last;
	bool has_last;
	bool may_gap;
	uint64_t frames, gaps;
	int64_t frame_us;
	int64_t media_us; /* when the last frame it has was published */
};

/* An epoch as it was published: what everybody must see. */
struct published {
	size_t key;
	struct epoch epoch;
	struct sim_session *by;
	const struct sim_node
		*node;    /* that may send it; NULL: it is given away */
	int64_t taken_us; /* by that one, from another; 0: it was not */
	bool is_old;      /* then it was long on its way */
	bool is_verified; /* since then */
	uint64_t at_home; /* so many came to a home of it */
	struct frame **frame;
	int64_t *at_us;
	size_t count, room;
	int64_t superseded_us; /* the registry names another; INT64_MAX */
	bool is_local;
};

/* What origin `node` took last for a key. */
struct bound {
	struct epoch epoch;
	struct term term;
	int64_t start_us;
	int64_t at_us;
	uint32_t life;
};

/* The log of origin `node` for a key, watched. */
struct home_watch {
	struct sim *sim;
	struct sim_node *node;
	struct log_watch watch;
	struct log *log;
	struct position last;
	bool has_last;
	uint32_t life;
	bool is_home;
};

struct registry {
	struct keyspace *data;
	struct keyspace *old; /* a moment ago */
	int64_t old_us;
	bool is_up;
	uint64_t run_id;
	int64_t frozen_until_us;
	int64_t slow_until_us;
	int64_t cleared_us;         /* data was lost last */
	struct epoch top[KEYS_MAX]; /* the last one granted since */
};

struct sim_options {
	uint64_t seed;
	struct scripts *scripts; /* kept over many schedules */
	enum sim_mutant mutant;
	bool is_verbose;
	int forced_class; /* -1: by seed */
};

struct sim {
	struct sim_options options;
	enum sim_class class;
	bool takeover;    /* a newcomer always wins */
	bool is_one_user; /* all who publish a stream are the same */
	unsigned replicas;
	uint64_t random;
	int64_t now_us;
	uint64_t jobs;
	struct job **heap;
	size_t heap_count, heap_room;
	struct scripts *scripts;
	struct registry registry;
	struct sim_node node[NODES_MAX];
	size_t node_count;
	struct list wires;
	int64_t blocked_us[NODES_MAX][NODES_MAX];
	int64_t cut_off_us[NODES_MAX]; /* from the registry, until */
	int64_t dispatch_until_us[2];  /* down until */
	struct list sessions;
	struct publisher publisher[PUBS_MAX];
	size_t publisher_count;
	struct stream_key key[KEYS_MAX];
	size_t key_count;
	struct viewer viewer[VIEWERS_MAX];
	size_t viewer_count;
	struct published published[EPOCHS_MAX];
	size_t published_count;
	struct {
		size_t key;
		struct term term;
		struct uuid writer; /* instance */
		size_t node;
		uint32_t life;
	} homes[EPOCHS_MAX];
	size_t home_count;
	struct bound bound[NODES_MAX][KEYS_MAX];
	struct home_watch watch[NODES_MAX][KEYS_MAX];
	int64_t fault_us; /* the last one began or ended */
	int64_t heal_us, end_us;
	struct readers *readers;
	struct business *business;
	char violation[512];
	/* for --verbose and the report */
	uint64_t frames_published, frames_seen, claims, refusals, moves, passes;
	int64_t age_us;     /* of the oldest frame that came to a viewer */
	bool is_announcing; /* an origin tells that it drains */
};

/* ---- sim.c: clock, jobs, randomness ---- */

struct sim_result {
	char violation[512]; /* "": none */
	enum sim_class class;
	uint64_t frames_published, frames_seen, claims, refusals, moves, passes;
	uint64_t jobs;
	int64_t age_us;
};

void sim_run(const struct sim_options *options, struct sim_result *out);

uint64_t sim_random(struct sim *s);
uint64_t sim_below(struct sim *s, uint64_t limit);
bool sim_chance(struct sim *s, unsigned percent);
int64_t sim_between_us(struct sim *s, int64_t from_ms, int64_t to_ms);
struct uuid sim_uuid(struct sim *s);
int64_t sim_now_ms(const struct sim *s);
/* Allocate a job of `size` bytes (zeroed) that begins with struct job. */
void *sim_job(struct sim *s, size_t size, struct sim_node *node,
	      void (*run)(struct sim *s, struct job *j));
void sim_at(struct sim *s, struct job *j, int64_t at_us);
void sim_requeue(struct sim *s, struct job *j, int64_t at_us);
void sim_trace(const struct sim *s, const char *fmt, ...) WEIR_PRINTF(2, 3);
void sim_violation(struct sim *s, const char *fmt, ...) WEIR_PRINTF(2, 3);
/* Put the mutant's scripts in place of ours; SIM_SOUND: ours again. */
void sim_set_scripts(struct scripts *scripts, enum sim_mutant m);
const char *sim_mutant_name(enum sim_mutant m);
const char *sim_class_name(enum sim_class c);
/* Nothing may be lost in it. */
bool sim_is_lossless(const struct sim *s);
void *sim_need(void *p);

/* ---- net.c, wire.c, ask.c, dispatch.c: links, questions ---- */

bool net_send(void *ctx, link_id link, const struct record *r);
void net_feed_start(void *ctx, link_id link, struct feed *f);
void net_feed_stop(void *ctx, link_id link, struct feed *f);
void net_feed_kick(void *ctx, struct feed *f);
void net_ask(void *ctx, link_id link, uint64_t tag, const struct question *q,
	     uint32_t deadline_ms);
/* PLACE and RESOLVE, as a dispatch that reads the registry would. *a says
 * WEIR_ENOENT at first. */
void dispatch_answer(struct sim *s, const struct question *q, struct answer *a);
void net_ask_dispatch(void *ctx, uint64_t tag, const struct question *q,
		      uint32_t deadline_ms);
size_t net_origins(void *ctx, struct node_ref *out, size_t max);
link_id net_link_to(void *ctx, const char *node);
void net_timer(struct sim *s, struct sim_node *n); /* each 100 ms */
void net_dial(struct sim *s, struct sim_node *a, struct sim_node *b);
void net_node_died(struct sim *s, struct sim_node *n);
void net_cut(struct sim *s, struct wire *w);
void net_close_all(struct sim *s);
/* No frames go from one to the other for a while. */
void net_slow(struct sim *s, const struct sim_node *from,
	      const struct sim_node *to, int64_t until_us);
struct wire *net_random_wire(struct sim *s);
void net_wait(struct sim *s, struct sim_node *n, uint64_t tag, link_id link,
	      bool is_script, uint32_t deadline_ms);
/* Is the tag still waited for? It is not, from now on. */
bool net_take_pending(struct sim_node *n, uint64_t tag);
void net_drop_pending(struct sim_node *n);

/* ---- redis.c: the registry as nodes see it ---- */

void redis_script(void *ctx, uint64_t tag, const struct script_call *c);
const struct stream_entry *redis_known(void *ctx, const struct stream_key *key);
void redis_timer(struct sim *s, struct sim_node *n);
void redis_init(struct sim *s);
void redis_fini(struct sim *s);
void redis_restart(struct sim *s, bool is_emptied, int64_t down_us);
void redis_flush(struct sim *s);
void redis_fail_over(struct sim *s);
/* Run a script there, now. */
void redis_run(struct sim *s, const struct script_words *words,
	       struct script_reply *reply);
bool redis_reaches(const struct sim *s, const struct sim_node *n);
/* What stands in the registry for a key; false: nothing. */
bool redis_entry(struct sim *s, size_t key, struct stream_entry *out);

/* ---- node.c: processes ---- */

void node_start(struct sim *s, struct sim_node *n);
void node_kill(struct sim *s, struct sim_node *n);
void node_pause(struct sim *s, struct sim_node *n);
void node_resume(struct sim *s, struct sim_node *n);
void node_run(struct sim *s, struct sim_node *n, struct job *j);
void node_on_link(struct sim_node *n, const struct node_ref *ref, bool is_up);
int node_on_record(struct sim_node *n, link_id link, const struct record *r);
int node_on_frame(struct sim_node *n, link_id link, uint16_t type, uint32_t sid,
		  uint64_t term, struct frame *f);
void node_on_answer(struct sim_node *n, uint64_t tag, const struct answer *a);
void node_on_script(struct sim_node *n, uint64_t tag,
		    const struct script_result *r);
void node_on_question(struct sim_node *n, const struct question *q,
		      struct answer *out);
void node_on_registry(struct sim_node *n, bool is_up, bool is_other);
void node_on_entry(struct sim_node *n, const struct stream_entry *e);
void node_free_all(struct sim *s);
/* The process is dead, and its machine is reached and says so. */
bool node_is_absent(const struct sim *s, const struct sim_node *by,
		    const struct sim_node *n);

/* ---- people.c: publishers and viewers ---- */

void people_init(struct sim *s);
void people_fini(struct sim *s);
void people_timer(struct sim *s);
void people_node_died(struct sim *s, struct sim_node *n);
void people_edge_up(struct sim *s, struct sim_node *n);
/* The connection ends, said or unsaid; it is back after `off_us`. */
void publisher_drop(struct sim *s, struct publisher *p, bool with_fin,
		    int64_t off_us);

/* The session is over, or never was; it is in the list or in none. */
void session_free(struct sim_session *se);
extern const struct writer_events session_events;
void session_leave(struct sim_session *se, enum reason why);
/* What came from the publisher, `count` times. */
void session_input(struct sim_session *se, uint32_t count);

/* The gate has let it in: it claims its stream. */
void session_claim(struct sim_session *se);
/* It is refused, or put out: its connection ends. It may be gone then. */
void session_put_out(struct sim_session *se, enum reason why);

/* ---- guests.c: what gates know of sessions ---- */

struct sim_guest;

/* session_claim or session_put_out, now or later. */
void guests_ask(struct sim_session *se);
/* For the same publisher at another ingest: not let in there yet; then it is. */
struct sim_guest *guests_copy(const struct sim_guest *g,
			      struct sim_session *of);
void guests_adopt(struct sim_session *se);
void guests_leave(struct sim_guest **g);
const char *guests_credential(const struct sim_guest *g);

/* ---- pass.c: a publisher goes on at another ingest ---- */

/* Soon, if it can be. `long_us`: until all of it has left the giver. */
void pass_session(struct sim_session *se, struct sim_node *to, int64_t long_us);
void pass_free(struct passing **p);
/* An ingest that would take one of `from`; NULL: there is none. */
struct sim_node *pass_target(struct sim *s, const struct sim_node *from);

/* ---- restart.c: planned restarts ---- */

/* Drain it, and when it is empty, end it; it is back after `down_us`. */
void restart_node(struct sim *s, struct sim_node *n, int64_t down_us);
/* All origins and ingests, one after the other, in an order from the seed. */
void restart_all(struct sim *s);

/* ---- fault.c: the schedule ---- */

void fault_plan(struct sim *s);

/* ---- check.c: the invariants ---- */

struct published *check_epoch(struct sim *s, const struct epoch *epoch);
void check_claimed(struct sim *s, const struct script_call *call,
		   const struct script_result *r);
void check_granted(struct sim *s, struct sim_session *se,
		   const struct stream_entry *e);
/* It went from one ingest to another. */
void check_given(struct sim *s, const struct sim_session *se);
void check_taken(struct sim *s, struct sim_session *se, int64_t saved_us);
void check_verified(struct sim *s, const struct script_call *call);
void check_appended(struct sim *s, struct sim_session *se, struct frame *f);
void check_entry_written(struct sim *s, size_t key);
void check_frame_sent(struct sim *s, struct sim_node *n,
		      const struct sim_node *to, const struct frame *f);
void check_frame_came(struct sim *s, struct sim_node *n, const struct frame *f);
void check_bound(struct sim *s, struct sim_node *n,
		 const struct stream_key *key);
void check_home_changed(struct sim *s, struct sim_node *n,
			const struct home_info *info);
void check_viewer_frame(struct sim *s, struct viewer *v, struct frame *f);
void check_viewer_gap(struct sim *s, struct viewer *v, uint64_t frames,
		      enum reason why);
void check_refused(struct sim *s, const struct sim_session *se,
		   enum reason why);
void check_ended(struct sim *s, const struct sim_session *se, enum reason why,
		 const char *detail);
void check_end(struct sim *s);
size_t check_key(const struct sim *s, const char *text);

#endif
