/* common/member/member.h - one process as a member of the cluster.
 *
 * Bus, registry and loop put together, once for all services: it dials who must
 * be dialed, keeps the lease, fills struct world for the stream machines, runs
 * their timers, carries questions and calls, and remembers the events of each
 * stream. A service gives it a table of callbacks and reads the rest.
 */
#ifndef WEIR_MEMBER_MEMBER_H
#define WEIR_MEMBER_MEMBER_H

#include <json-c/json.h>

#include "common/bus/bus.h"
#include "common/bus/world.h"
#include "common/member/conf.h"
#include "common/registry/store.h"
#include "common/svc/svc.h"

struct member;
struct member_call; /* a call of another node, to be answered once */
struct event_visit; /* common/member/events.h */
struct rule;        /* common/access/rule.h */
struct ruleset;     /* common/access/ruleset.h */

extern const struct stat_table member_bus_stat;
extern const struct stat_table member_store_stat;
extern const struct log_event *const member_log_events[]; /* ends with NULL */

/* NULL slots are left out. now_ms is the loop's. */
struct member_events {
	void (*on_link)(void *ctx, const struct node_ref *node, bool is_up,
			int64_t now_ms);
	int (*on_record)(void *ctx, link_id link, const struct record *r,
			 int64_t now_ms);
	int (*on_frame)(void *ctx, link_id link, uint16_t type, uint32_t sid,
			uint64_t term_number, struct frame *f, int64_t now_ms);
	/* As in bus_events. */
	void (*on_ahead)(void *ctx, link_id link, const uint32_t *sids,
			 size_t count);
	/* As in bus_events: a frame goes out now. */
	void (*on_frame_out)(void *ctx, const struct frame *f);
	bool (*on_answer)(void *ctx, uint64_t tag, const struct answer *a,
			  int64_t now_ms);
	bool (*on_script)(void *ctx, uint64_t tag,
			  const struct script_result *r, int64_t now_ms);
	/* Fill in *out, which says WEIR_ENOENT at first. */
	void (*on_question)(void *ctx, const struct question *q,
			    struct answer *out, int64_t now_ms);
	void (*on_registry)(void *ctx, bool is_up, bool is_other,
			    int64_t now_ms);
	void (*on_entry)(void *ctx, const struct stream_entry *e,
			 int64_t now_ms);
	void (*on_away)(void *ctx, int64_t now_ms);
	/* Do what is due, return the next due time (INT64_MAX: none). Called at
	 * the end of each pass in which one of the above was. */
	int64_t (*tick)(void *ctx, int64_t now_ms);
	/* A call by name; args may be NULL. Answer with member_answer, now or
	 * later. false: no such call here. */
	bool (*on_call)(void *ctx, struct member_call *call, const char *name,
			struct json_object *args);
	/* Each second: bring the load up to date that others see. in_bps and
	 * out_bps have what went over the bus: add to them. */
	void (*on_load)(void *ctx, struct node_load *load);
	/* member_rules has changed, or is known now. */
	void (*on_rules)(void *ctx, int64_t now_ms);
};

/* Joins the cluster: listens on the bus if bus.listen says so, connects to the
 * registry, dials by role. `svc` and `events` are borrowed. The events begin
 * with loop_run. Failure is logged. Returns 0, WEIR_ECONF, WEIR_ENOMEM, -errno.
 */
WEIR_MUST_CHECK int member_new(struct member **out, struct svc *svc,
			       const struct member_events *events, void *ctx);
void member_free(struct member **m);

/* Leave the lease; `done` comes once. */
void member_leave(struct member *m, void (*done)(void *ctx), void *ctx);

const struct world *member_world(const struct member *m);
struct bus *member_bus(struct member *m);
struct store *member_store(struct member *m);
int64_t member_now_ms(const struct member *m);

/* Have tick called at the end of this pass: something was done to a machine
 * outside of the callbacks. */
void member_wake(struct member *m);

/* This node takes no new work from now on; others are told. */
void member_set_draining(struct member *m);

/* An address of this node, for the node list: "rtmp", "127.0.0.1:1935". Returns 0,
 * WEIR_EINVAL or WEIR_ELIMIT. */
WEIR_MUST_CHECK int member_add_address(struct member *m, const char *name,
				       const char *addr);

/* Where this node takes connections over from processes of its machine
 * (node_set_handover): for the node list. Returns 0 or WEIR_EINVAL. */
WEIR_MUST_CHECK int member_set_handover(struct member *m, const char *path);

/* One event of a stream: logged, and kept among its last 100. */
void member_event(struct member *m, const struct stream_key *key,
		  const char *what, int reason, const char *detail);
/* Somebody came for a stream and was refused, or put out: kept beside its events, and
 * counted; not logged. Texts are copied. */
void member_visit(struct member *m, const struct stream_key *key,
		  const struct event_visit *v);
/* Those of a stream that are kept here: {"events":[…]}, as the call "events"
 * answers. The caller's; NULL without memory. */
struct json_object *member_events_of(const struct member *m,
				     const char *stream);

/* ---- calls: requests of services to each other, by name ---- */

/* `fn` is called exactly once, later: err 0; WEIR_ETIMEOUT; WEIR_ECLOSED;
 * WEIR_EPROTO. `json` is NULL unless err is 0; borrowed. `args` (may be NULL)
 * stays the caller's. member_ask returns 0, or WEIR_ENOMEM: fn never comes. */
typedef void member_answer_fn(void *ctx, int err, struct json_object *json);
WEIR_MUST_CHECK int member_ask(struct member *m, link_id link, const char *name,
			       struct json_object *args, uint32_t deadline_ms,
			       member_answer_fn *fn, void *ctx);

/* Answer and let the call go; takes `json` (NULL: an empty object). A call whose
 * args have a "request_id" comes once: when it is repeated within ten minutes,
 * the answer is given again, and on_call does not see it (common/member/once.h).
 */
void member_answer(struct member_call **call, struct json_object *json);

/* The node that called, as it has proven; borrowed, until it is answered. */
const char *member_call_node(const struct member_call *call);

/* ---- rules: of this process's settings, and of the whole cluster ---- */

/* Those in force: of cluster.rules, and of the registry or, while it is away, of
 * the disk. The same object for the life of the member; what it shows dies when
 * on_rules comes. Look with the time of io_utc_us: rules may be over. */
const struct ruleset *member_rules(const struct member *m);

/* Have those of the cluster been read since the start of this process, from the
 * registry or from disk? */
bool member_rules_are_known(const struct member *m);

/* `fn` comes exactly once, later, never from inside: err 0: it is in force here,
 * and on every node within a second; WEIR_ETIMEOUT: the registry is away or
 * silent, or has not been read since it came back (ask again: with the same
 * request id nothing is done twice); WEIR_ENOENT: there is no such rule (delete);
 * WEIR_ELIMIT: too many rules, or too many bytes; WEIR_EEXIST: the request id was
 * used for another change; WEIR_EINVAL; WEIR_ENOMEM. `is_repeat`: it was done
 * before, under this request id. */
typedef void member_rule_fn(void *ctx, int err, bool is_repeat);

/* Put a rule of the cluster, in place of the one of its kind and id. `rule` and
 * `request_id` (NULL or "": none; at most MEMBER_REQUEST_ID_MAX bytes) are
 * copied. A request id is remembered for REGISTRY_REQUEST_MS, by the registry:
 * any dispatch knows it. */
#define MEMBER_REQUEST_ID_MAX 64
void member_put_rule(struct member *m, const struct rule *rule,
		     const char *request_id, member_rule_fn *fn, void *ctx);

/* Delete the one of this kind (by name: "ban") and id. Those of settings cannot
 * be deleted: WEIR_ENOENT. */
void member_delete_rule(struct member *m, const char *kind, const char *id,
			const char *request_id, member_rule_fn *fn, void *ctx);

/* Fields of JSON that a peer sent (obj may be NULL). A text that is absent or
 * something else is NULL, a number 0. */
const char *member_json_text(struct json_object *obj, const char *name);
int64_t member_json_int(struct json_object *obj, const char *name);

/* Long lists are answered in pages: whoever asks sends "from", and asks again
 * while the answer has "next". Goes well below what one answer may have. */
#define MEMBER_PAGE 500
struct member_page {
	struct json_object *list;
	int64_t from;  /* of the first that is wanted */
	int64_t count; /* that were there */
};

/* Is this one on the page? Once for each in order. */
bool member_page_takes(struct member_page *p);
/* "next", if there are more. */
void member_page_end(const struct member_page *p, struct json_object *answer);

#endif
