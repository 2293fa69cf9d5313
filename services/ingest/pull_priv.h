/* services/ingest/pull_priv.h - the inside of pulls, shared by pull.c, pull_call.c
 * and pull_rule.c. Nobody else includes it.
 */
#ifndef WEIR_INGEST_PULL_PRIV_H
#define WEIR_INGEST_PULL_PRIV_H

#include "common/access/ruleset.h"
#include "common/base/map.h"
#include "common/media/via.h"
#include "services/ingest/pull.h"
#include "services/ingest/pull_course.h"
#include "services/ingest/pull_source.h"

struct pull_order {
	struct stream_key key;
	char *url[RULE_URLS_MAX]; /* the pull's own */
	unsigned url_count;
	char rule[RULE_ID_MAX + 1];
	uint64_t rule_hash; /* of its text when it was ordered; 0: unknown */
	bool is_once;       /* of the API: its rule goes with it, … */
	bool is_new;        /* … and has to be put */
	uint32_t pull_timeout_ms; /* 0: none */
	int32_t retry_num;        /* -1: for ever */
	int64_t auto_stop_ms;     /* -1: never */
	char via[VIA_SIZE];       /* of who wants it, and ourselves */
};

enum pull_state {
	PULL_CLAIMS, /* the stream */
	PULL_DIALS,  /* and waits for media */
	PULL_RUNS,
	PULL_PAUSES, /* until resume_ms */
};

struct pull {
	struct list link; /* in pulls.all */
	struct pulls *owner;
	struct pull_order order;
	struct member_call *call; /* to be answered; NULL */
	struct publish *publish;
	struct pull_rule *rule; /* NULL: it goes without this pull */
	bool is_spent;
	char session_id[SESSION_ID_SIZE];
	int64_t start_us;
	uint64_t began_ms;
	enum pull_state state;
	bool has_media; /* this epoch */
	struct pull_course course;
	struct pull_source *source; /* NULL: none */
	bool is_source_over;
	enum reason why; /* of the last failure */
	char detail[192];
	unsigned attempts; /* in all */
	uint64_t attempt_ms, run_ms, resume_ms;
	uint64_t unwanted_ms;  /* since when; 0: it is wanted */
	uint64_t bytes_before; /* of earlier sources */
	uint64_t heard_bytes, heard_ms;
	struct buf meta;
	struct pull_source *probe; /* of the first address */
	bool is_probe_over, is_probe_well;
	uint64_t probe_ms; /* when it began, or is due */
	struct pass_task task;
};

#define PULL_SPENT_MAX 256
#define PULL_SPENT_MS  30000

struct pulls {
	struct ingest *in;
	struct pull_tools tools;
	struct list all;
	struct map by_key;
	struct list rules; /* of pulls of the API */
	struct timer *sweep;
	const char *cluster; /* cluster.id */
	/* Streams whose attempts are spent: rules do not begin at once again. */
	struct {
		uint64_t key_hash;
		uint64_t until_ms;
	} spent[PULL_SPENT_MAX];
	size_t next_spent;
};

bool pull_is_spent(const struct pulls *ps, const struct stream_key *key);

/* Takes the call on success, and answers it later; what the order holds is taken
 * (its url_count is 0 then), or left. Returns 0, WEIR_ELIMIT or WEIR_ENOMEM. */
WEIR_MUST_CHECK int pull_start(struct pulls *ps, struct pull_order *order,
			       struct member_call **call);
/* It is over. */
void pull_finish(struct pull *p, enum reason why, const char *detail);
/* Its via has changed: who refused it may take it now. */
void pull_go_another_way(struct pull *p);
void pull_order_fini(struct pull_order *o);
/* Answer the call, if nobody has. */
void pull_answer(struct member_call **call, const char *verdict,
		 const char *session_id, const char *detail);
/* Its rule stands (err 0), or could not be put. It may be gone behind this. */
void pull_on_kept(struct pull *p, int err);

/* The rule by which it was ordered, as it stands here; NULL. And its text's
 * hash, never 0. */
const struct rule *pull_rule_of(const struct pulls *ps, const char *id);
uint64_t pull_rule_hash(const struct rule *r);

/* ---- pull_rule.c: the rule of a pull of the API ----
 *
 * It is put when the stream is claimed, and only then is anybody answered: from
 * there on every dispatch knows the pull and orders it of another ingest when this
 * one dies or takes leave. When the pull has ended by itself the rule is deleted,
 * as often as it takes the registry to answer. */
struct pull_rule;

WEIR_MUST_CHECK int pull_rule_new(struct pull *p);
/* pull_on_kept comes once, now or later, unless the pull leaves before. */
void pull_rule_put(struct pull *p);
/* The pull goes. `is_over`: everywhere, and the rule with it. */
void pull_rule_leave(struct pull *p, bool is_over);
/* Is that rule over, but not deleted yet? */
bool pull_rule_is_going(const struct pulls *ps, const char *id);
void pull_rules_tick(struct pulls *ps);
void pull_rules_fini(struct pulls *ps);

/* The address that is tried, for people: without a query and a password. */
#define PULL_URL_SHOWN 160
void pull_url_shown(char out[PULL_URL_SHOWN], const struct pull *p);

#endif
