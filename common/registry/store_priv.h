/* common/registry/store_priv.h - what the files of the store share. */
#ifndef WEIR_REGISTRY_STORE_PRIV_H
#define WEIR_REGISTRY_STORE_PRIV_H

#include "common/io/net.h"
#include "common/registry/entry.h"
#include "common/registry/kept.h"
#include "common/registry/redis.h"
#include "common/registry/store.h"

#define REFUSALS_MAX      64
#define RUN_ID_SIZE       64
#define SHA_SIZE          41
#define SCRIPTS           10
#define RULE_REFUSALS_MAX 16

enum store_state {
	STORE_WAITING,     /* for the next try */
	STORE_ASKING,      /* a Sentinel for the master */
	STORE_GREETING,    /* AUTH, SELECT, run_id, scripts */
	STORE_SUBSCRIBING, /* the second connection */
	STORE_REGISTERING, /* this node's lease */
	STORE_UP,
};

/* One of the texts, and what the server calls it. */
struct store_script {
	const char *text;
	char sha[SHA_SIZE]; /* "" until the server has it */
};

struct reading;

/* A key that is being read. */
struct fetch {
	struct list link; /* in store.fetches */
	struct store *st;
	bool is_node;
	struct reading *reading; /* NULL: it was told of */
	struct stream_key key;   /* or the node's id */
};

/* All rules, some at a time. */
struct rules_reading {
	enum {
		RULES_NOT_READ, /* only changes are asked for, if anything */
		RULES_SCANNED,
		RULES_CLOSED, /* what has changed since it was begun is asked for */
		RULES_DROPPED, /* those that are gone */
	} step;
	struct rule_version begun, end; /* of the registry */
	char cursor[24];
};

/* All of a part, some keys at a time: at once where what is there is not known,
 * else within the time until the next reading, so that no node works through all
 * streams at a stroke, which their frames would wait for. */
struct reading {
	struct store *st;
	enum copy_part part;
	struct timer *timer; /* the next keys, or the next reading */
	bool is_under_way;
	bool is_hurried;
	bool is_incomplete; /* something could not be read: drop nothing */
	char cursor[24];
	uint64_t begun_ms;
	size_t open_count; /* fetches without a reply */
};

struct refusal {
	store_script_fn *fn;
	void *ctx;
};

struct rule_refusal {
	store_rule_fn *fn;
	void *ctx;
};

struct store {
	struct loop *loop;
	struct logger *lg;
	struct store_events events;
	void *ctx;

	struct where where;
	char *user, *password;
	char cluster[64];
	char root[REGISTRY_ROOT_SIZE];
	struct node self;
	uint32_t registry_ms, lease_ms, lease_ttl_ms, reread_ms, settle_ms,
		pending_max;
	struct copy *copy;

	/* store_link.c */
	enum store_state state;
	bool is_read;
	bool has_missed; /* a change that was told: the next reading shows it */
	bool is_away_said;
	struct redis *command, *subscription;
	size_t next_host; /* Sentinel to ask next */
	struct where_host server;
	struct timer *retry; /* next try, or the end of this one */
	unsigned backoff_ms;
	char run_id[RUN_ID_SIZE]; /* of the last server; "" never connected */
	char new_run_id[RUN_ID_SIZE];
	struct store_script script[SCRIPTS];
	size_t next_sha;
	uint64_t connected_ms;
	bool was_overdue; /* at the last look */
	char local_ip[NET_ADDR_TEXT_SIZE];

	/* store_lease.c */
	struct timer *lease;
	uint64_t leased_ms;   /* when the last lease was confirmed; 0: never */
	bool is_lease_open;   /* one is under way */
	bool is_lease_wanted; /* another one right after it */
	bool is_taken_said;
	bool is_leaving;
	void (*left)(void *ctx);
	void *left_ctx;
	struct timer *leave;

	/* store_read.c */
	struct reading nodes, streams;
	struct list fetches;
	struct kept *nodes_file; /* NULL: none */

	/* store_call.c */
	struct list calls;
	size_t call_count;
	struct timer *deadline;
	bool is_call_due; /* one is to be answered in the next pass */
	struct refusal refusal[REFUSALS_MAX];
	size_t refusal_count;
	struct pass_task refuse;

	/* store_rules_read.c */
	struct rulebook rules;
	bool rules_are_known;    /* since the start, or the file */
	bool rules_are_read;     /* since the last connect */
	bool rules_have_changed; /* and on_rules has not been called */
	bool is_rule_check_open;
	bool is_rule_check_wanted; /* another one right after it */
	struct rules_reading rules_reading;
	struct timer *rules_step; /* the next, on the next pass */
	struct kept *rules_file;  /* NULL: none */

	/* store_rules.c */
	struct list rule_calls;
	size_t rule_call_count;
	struct timer *rule_timer;
	struct rule_refusal rule_refusal[RULE_REFUSALS_MAX];
	size_t rule_refusal_count;
	struct pass_task rule_refuse;

	struct store_stats stats;
};

extern const struct log_event store_unreachable, store_refused, store_taken,
	store_bad_entry;

/* store_link.c */
int store_link_init(struct store *st);
void store_link_start(struct store *st);
void store_link_stop(struct store *st);
/* Both connections end, and the next try is made later. */
void store_link_lost(struct store *st, const char *what, int why);
/* The server said no: as lost, with its words. */
void store_link_refused(struct store *st, const char *what,
			const redisReply *reply);
/* Called each lease_ms: is the server still answering? */
void store_link_check(struct store *st);
/* The lease stands: tell that we are up. */
void store_link_registered(struct store *st);
bool store_is_error(const redisReply *reply);

/* store_lease.c */
int store_lease_init(struct store *st);
void store_lease_fini(struct store *st);
void store_lease_register(struct store *st);
void store_lease_lost(struct store *st);

/* store_read.c */
int store_read_init(struct store *st, const char *nodes_file);
void store_read_fini(struct store *st);
void store_read_start(struct store *st);
void store_read_lost(struct store *st);
/* A change message: "stream live/a", "node edge-1". */
void store_read_change(struct store *st, struct span text);
/* The node list has changed: the file is written soon. */
void store_read_nodes_changed(struct store *st);
void store_bad(struct store *st, const char *key, int err);

/* store_rules.c */
int store_rules_init(struct store *st, const char *rules_file);
void store_rules_fini(struct store *st);
void store_rules_lost(struct store *st);
/* The registry's version is known here: who waited for it goes on. */
void store_rules_serve(struct store *st);

/* store_rules_read.c */
int store_rules_read_init(struct store *st, const char *rules_file);
void store_rules_read_fini(struct store *st);
/* Are the rules others than those that are known? Then read them. */
void store_rules_check(struct store *st);
void store_rules_read_lost(struct store *st);
/* A tag that nobody else makes. */
void store_rules_tag(char tag[RULEBOOK_TAG_SIZE]);

/* store_call.c */
int store_call_init(struct store *st);
void store_call_fini(struct store *st);
/* No registry any more: all calls end. */
void store_call_lost(struct store *st);
/* EVALSHA of encoded words; NULL text: it is not one of ours. Returns as
 * redis_send. */
WEIR_MUST_CHECK int store_eval(struct store *st, struct redis_slot **slot,
			       const struct script_words *words, bool is_whole,
			       redis_reply_fn *fn, void *ctx);
/* Does the server lack the script (NOSCRIPT)? */
bool store_lacks_script(const redisReply *reply);
/* The words of an array reply; nil is an empty one. Returns how many. */
size_t store_reply_words(struct span *out, size_t max, const redisReply *reply);

#endif
