/* services/dispatch/relay.c - relay pulls: orders to ingests, and their answers.
 */
#include "services/dispatch/relay.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/conf/json.h"
#include "common/member/session.h"
#include "common/registry/rank.h"
#include "proto/rtmp/url.h"
#include "services/dispatch/relay_priv.h"

#define INGESTS_MAX 256
#define ORDER_MS    5000 /* a claim may have to ask whether somebody lives */
#define TICK_MS     200

struct order {
	struct list link; /* in relay.orders */
	struct relay *relay;
	struct stream_key key;
	struct json_object *args;
	char tried[RELAY_TRIES_MAX][NODE_ID_SIZE];
	unsigned tried_count;
	char last[NODE_ID_SIZE]; /* who was asked last; "" */
	relay_fn *fn;
	void *ctx;
	struct pass_task task;      /* an answer that needs no question */
	enum relay_verdict verdict; /* its verdict, and words */
	char detail[160];
	char session_id[SESSION_ID_SIZE];
};

struct stop {
	struct list link; /* in relay.stops */
	struct relay *relay;
	relay_fn *fn;
	void *ctx;
	struct pass_task task; /* holds one of `pending` until it has run */
	unsigned pending, silent;
	char session_id[SESSION_ID_SIZE];
	char rule[RULE_ID_MAX + 1]; /* that goes with it; "" */
};

/* ---- an order ---- */

static void order_free(struct order *o)
{
	list_remove(&o->link);
	pass_task_cancel(&o->task);
	json_object_put(o->args);
	free(o);
}

static void tell(struct order *o, enum relay_verdict verdict,
		 const char *session_id, const char *detail)
{
	const char *node = o->last;
	const struct relay_answer a = {verdict, session_id, detail, node};

	o->fn(o->ctx, &a);
	order_free(o);
}

static void tell_late(struct order *o)
{
	tell(o, o->verdict, o->session_id, o->detail);
}

static void tell_later(struct order *o, enum relay_verdict verdict,
		       const char *detail)
{
	o->verdict = verdict;
	snprintf(o->detail, sizeof(o->detail), "%s", detail);
	loop_at_pass_end(svc_loop(o->relay->dispatch->svc), &o->task, tell_late,
			 o);
}

static bool may_ask(const struct order *o, const struct node_ref *node)
{
	const struct member *m = o->relay->dispatch->member;
	const struct node *n = copy_node(
		store_copy(member_store((struct member *)m)), node->id);

	if (n && n->is_draining)
		return false;
	for (unsigned i = 0; i < o->tried_count; i++)
		if (!strcmp(o->tried[i], node->id))
			return false;
	return true;
}

static bool ask_next(struct order *o);

static enum relay_verdict verdict_of(const char *name)
{
	static const struct {
		const char *name;
		enum relay_verdict verdict;
	} known[] = {
		{"done", RELAY_DONE},         {"exists", RELAY_EXISTS},
		{"bad_url", RELAY_BAD_URL},   {"spent", RELAY_SPENT},
		{"registry", RELAY_REGISTRY},
	};

	for (size_t i = 0; name && i < WEIR_ARRAY_LEN(known); i++)
		if (!strcmp(name, known[i].name))
			return known[i].verdict;
	return RELAY_NO_INGEST;
}

static const char *text_of(struct json_object *json, const char *name)
{
	const char *text = member_json_text(json, name);

	return text ? text : "";
}

static void on_ordered(void *ctx, int err, struct json_object *json)
{
	struct order *o = ctx;
	enum relay_verdict verdict =
		err ? RELAY_SILENT
		    : verdict_of(member_json_text(json, "verdict"));

	/* It said nothing: another one may be asked, the claim decides. */
	if ((err || verdict == RELAY_NO_INGEST) && ask_next(o))
		return;
	tell(o, verdict, err ? "" : text_of(json, "session_id"),
	     err ? weir_strerror(err) : text_of(json, "detail"));
}

static bool ask_node(struct order *o, const char *node, link_id link)
{
	struct member *m = o->relay->dispatch->member;

	snprintf(o->tried[o->tried_count++], NODE_ID_SIZE, "%s", node);
	snprintf(o->last, sizeof(o->last), "%s", node);
	if (!link ||
	    member_ask(m, link, "pull", o->args, ORDER_MS, on_ordered, o))
		return false;
	member_event(m, &o->key, "pull.ordered", REASON_none, node);
	return true;
}

/* Of two that hashing names the one with less to do; both dispatches find the same
 * two, and the claim lets one dial. What has a request id goes to the first of
 * them, which knows it when it is repeated. */
static const struct node_ref *choose(const struct order *o,
				     const struct node_ref *node, size_t count)
{
	struct dispatch *d = o->relay->dispatch;
	struct question q = {.key = o->key};
	struct answer a = {.err = WEIR_ENOENT};

	if (member_json_text(o->args, "request_id"))
		return rank_best(node, count, &o->key, NULL, NULL);
	placer_choose(d->puller, store_copy(member_store(d->member)), node,
		      count, &q, &a, member_now_ms(d->member));
	for (size_t i = 0; !a.err && i < count; i++)
		if (!strcmp(node[i].id, a.node))
			return &node[i];
	return NULL;
}

/* false: nobody is left. */
static bool ask_next(struct order *o)
{
	struct member *m = o->relay->dispatch->member;
	struct node_ref node[INGESTS_MAX];
	const struct node_ref *best;
	size_t count = bus_nodes(member_bus(m), "ingest", node, INGESTS_MAX);
	size_t left = 0;

	if (o->tried_count == RELAY_TRIES_MAX)
		return false;
	for (size_t i = 0; i < count; i++)
		if (may_ask(o, &node[i]))
			node[left++] = node[i];
	best = choose(o, node, left);
	return best && ask_node(o, best->id, best->link);
}

static struct order *order_new(struct relay *r, const struct stream_key *key,
			       struct json_object *args, relay_fn *fn,
			       void *ctx)
{
	struct order *o = calloc(1, sizeof(*o));

	if (!o) {
		json_object_put(args);
		return NULL;
	}
	o->relay = r;
	o->key = *key;
	o->args = args;
	o->fn = fn;
	o->ctx = ctx;
	list_init(&o->link);
	list_append(&r->orders, &o->link);
	json_object_object_add(args, "stream",
			       json_object_new_string(key->text));
	return o;
}

int relay_order(struct relay *r, const struct stream_key *key,
		struct json_object *args, relay_fn *fn, void *ctx)
{
	struct order *o = order_new(r, key, args, fn, ctx);

	if (!o)
		return WEIR_ENOMEM;
	if (!ask_next(o))
		tell_later(o, RELAY_NO_INGEST, "no ingest is reached");
	return 0;
}

int relay_order_of(struct relay *r, const struct stream_key *key,
		   const char *node, struct json_object *args, relay_fn *fn,
		   void *ctx)
{
	struct order *o = order_new(r, key, args, fn, ctx);
	link_id link = bus_link_to(member_bus(r->dispatch->member), node);

	if (!o)
		return WEIR_ENOMEM;
	if (!ask_node(o, node, link))
		tell_later(o, RELAY_NO_INGEST, "it is not reached");
	else
		o->tried_count = RELAY_TRIES_MAX; /* no other one */
	return 0;
}

/* ---- what the API wants ---- */

/* NULL: it is an address that can be pulled from. */
static const char *fault_of(const char *url)
{
	struct span s = span_str(url), rest;
	struct rtmp_url rtmp;

	if (s.len > URL_BYTES_MAX)
		return "url: at most 1024 bytes";
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] <= 0x20 || s.data[i] == 0x7f)
			return "url: no blanks";
	if (!rtmp_url_parse(&rtmp, s))
		return rtmp.name.len ? NULL : "url: rtmp://host/app/name";
	rest = span_from(s, strstr(url, "://")
				    ? (size_t)(strstr(url, "://") + 3 - url)
				    : s.len);
	if ((strncmp(url, "http://", 7) && strncmp(url, "https://", 8)) ||
	    !rest.len || rest.data[0] == '/')
		return "url: rtmp, rtmps, http or https, with a host";
	return NULL;
}

/* By which nodes know what they have done already. */
static void add_request_id(struct json_object *args, const char *id)
{
	if (*id)
		json_add_text(args, "request_id", id);
}

static struct json_object *args_of(const struct relay_pull *p)
{
	struct json_object *args = json_object_new_object();
	struct json_object *urls = json_object_new_array();

	json_object_array_add(urls, json_object_new_string(p->url));
	json_object_object_add(args, "urls", urls);
	json_add_int(args, "pull_timeout_ms", p->pull_timeout_ms);
	json_add_int(args, "retry_num", p->retry_num);
	json_add_int(args, "auto_stop_ms", p->auto_stop_ms);
	json_object_object_add(args, "once", json_object_new_boolean(true));
	json_object_object_add(args, "new", json_object_new_boolean(true));
	add_request_id(args, p->request_id);
	return args;
}

static bool has_viewer(const struct gathered *g)
{
	for (size_t i = 0; i < json_object_array_length(g->sessions); i++) {
		const char *type = member_json_text(
			json_object_array_get_idx(g->sessions, i), "base_type");

		if (type && !strcmp(type, "SUB"))
			return true;
	}
	return false;
}

static void on_viewers(void *ctx, const struct gathered *g)
{
	struct order *o = ctx;

	if (!has_viewer(g))
		tell(o, RELAY_UNWANTED, "", "nobody watches it");
	else if (!ask_next(o))
		tell(o, RELAY_NO_INGEST, "", "no ingest is reached");
}

static int ask_viewers(struct order *o)
{
	struct json_object *args = json_object_new_object();

	json_object_object_add(args, "stream",
			       json_object_new_string(o->key.text));
	return gather(o->relay->dispatch, GATHER_SESSIONS, args, on_viewers, o);
}

static bool is_rtmp(const char *url)
{
	return !strncmp(url, "rtmp", strlen("rtmp"));
}

/* Was it begun before, under this request id? Its rule tells, also when the ingest
 * that was asked then is no more. */
static bool is_begun(const struct order *o)
{
	const struct ruleset *rules = member_rules(o->relay->dispatch->member);
	const struct rule *r = rules ? ruleset_get(rules, RULES_REGISTRY,
						   RULE_PULL, o->session_id)
				     : NULL;

	return r && r->pull.is_once &&
	       !strcmp(r->pull.streams.text, o->key.text);
}

static void start_pull(struct order *o, const struct relay_pull *p)
{
	const struct relay *r = o->relay;

	if (*p->request_id && is_begun(o))
		tell_later(o, RELAY_DONE, "");
	else if (!*p->request_id && relay_is_live(r, &p->key))
		tell_later(o, RELAY_EXISTS, ""); /* else it may be this one's */
	else if (p->auto_stop_ms == 0 && !ask_viewers(o))
		return;
	else if (!ask_next(o))
		tell_later(o, RELAY_NO_INGEST, "no ingest is reached");
}

int relay_start_pull(struct dispatch *d, const struct relay_pull *p,
		     relay_fn *fn, void *ctx)
{
	struct order *o = order_new(d->relay, &p->key, args_of(p), fn, ctx);
	const char *fault = fault_of(p->url);

	if (!o)
		return WEIR_ENOMEM;
	session_id_make(o->session_id, is_rtmp(p->url) ? "RTMPPULL" : "FLVPULL",
			p->request_id);
	json_add_text(o->args, "rule", o->session_id);
	if (fault)
		tell_later(o, RELAY_BAD_URL, fault);
	else
		start_pull(o, p);
	return 0;
}

/* ---- stop ---- */

static void stop_free(struct stop *s)
{
	list_remove(&s->link);
	pass_task_cancel(&s->task);
	free(s);
}

static void end_stop(struct stop *s, enum relay_verdict verdict)
{
	const struct relay_answer a = {
		verdict, verdict == RELAY_DONE ? s->session_id : "", "", ""};

	s->fn(s->ctx, &a);
	stop_free(s);
}

static enum relay_verdict verdict_of_stop(const struct stop *s)
{
	if (s->session_id[0])
		return RELAY_DONE;
	return s->silent ? RELAY_SILENT : RELAY_NOT_FOUND;
}

static void on_rule_deleted(void *ctx, int err, bool is_repeat)
{
	struct stop *s = ctx;
	bool was_there = !err;

	(void)is_repeat;
	if (was_there && !s->session_id[0])
		snprintf(s->session_id, sizeof(s->session_id), "%.*s",
			 RULE_ONCE_MAX, s->rule);
	end_stop(s, err && err != WEIR_ENOENT ? RELAY_REGISTRY
					      : verdict_of_stop(s));
}

/* All ingests have answered. The one that had it deletes the rule as well; only
 * what the registry has done is done. */
static void one_less(struct stop *s)
{
	struct member *m = s->relay->dispatch->member;

	if (--s->pending)
		return;
	if (s->rule[0])
		member_delete_rule(m, "pull", s->rule, NULL, on_rule_deleted,
				   s);
	else
		end_stop(s, verdict_of_stop(s));
}

static void on_stopped(void *ctx, int err, struct json_object *json)
{
	struct stop *s = ctx;
	struct json_object *stopped = NULL;

	s->silent += err != 0;
	if (!err && json_object_object_get_ex(json, "stopped", &stopped) &&
	    json_object_get_boolean(stopped)) {
		snprintf(s->session_id, sizeof(s->session_id), "%s",
			 text_of(json, "session_id"));
		if (*text_of(json, "rule")) /* it may not be known here yet */
			snprintf(s->rule, sizeof(s->rule), "%s",
				 text_of(json, "rule"));
	}
	one_less(s);
}

static void ask_all(struct stop *s, const struct stream_key *key,
		    const char *request_id)
{
	struct dispatch *d = s->relay->dispatch;
	struct node_ref node[INGESTS_MAX];
	size_t count =
		bus_nodes(member_bus(d->member), "ingest", node, INGESTS_MAX);
	struct json_object *args = json_object_new_object();

	json_object_object_add(args, "stream",
			       json_object_new_string(key->text));
	add_request_id(args, request_id);
	for (size_t i = 0; i < count; i++)
		if (!member_ask(d->member, node[i].link, "pull_stop", args,
				(uint32_t)d->settings->ask_ms, on_stopped, s))
			s->pending++;
	json_object_put(args);
}

int relay_stop_pull(struct dispatch *d, const struct stream_key *key,
		    const char *request_id, relay_fn *fn, void *ctx)
{
	const struct rule *rule = relay_kept_rule(d->relay, key);
	struct stop *s = calloc(1, sizeof(*s));

	if (!s)
		return WEIR_ENOMEM;
	s->relay = d->relay;
	if (rule)
		snprintf(s->rule, sizeof(s->rule), "%s", rule->id);
	s->fn = fn;
	s->ctx = ctx;
	s->pending = 1;
	list_init(&s->link);
	list_append(&d->relay->stops, &s->link);
	ask_all(s, key, request_id);
	loop_at_pass_end(svc_loop(d->svc), &s->task, one_less, s);
	return 0;
}

/* ---- the world of the rules ---- */

static struct member *member_of(void *ctx)
{
	struct relay *r = ctx;

	return r->dispatch->member;
}

static int64_t world_now_ms(void *ctx)
{
	return member_now_ms(member_of(ctx));
}

static int64_t world_utc_ms(void *ctx)
{
	(void)ctx;
	return io_utc_us() / 1000;
}

static const struct ruleset *world_rules(void *ctx)
{
	return member_rules(member_of(ctx));
}

static struct copy *world_copy(void *ctx)
{
	return store_copy(member_store(member_of(ctx)));
}

static bool world_reaches(void *ctx, const char *node)
{
	return bus_link_to(member_bus(member_of(ctx)), node) != 0;
}

static int world_order(void *ctx, const struct stream_key *key,
		       const char *node, struct json_object *args, relay_fn *fn,
		       void *fn_ctx)
{
	return node ? relay_order_of(ctx, key, node, args, fn, fn_ctx)
		    : relay_order(ctx, key, args, fn, fn_ctx);
}

static void on_pull_deleted(void *ctx, int err, bool is_repeat)
{
	(void)ctx, (void)err, (void)is_repeat; /* it is looked at again */
}

static void world_delete_pull(void *ctx, const char *id)
{
	member_delete_rule(member_of(ctx), "pull", id, NULL, on_pull_deleted,
			   NULL);
}

static struct relay_world world_of(struct relay *r)
{
	return (struct relay_world){
		.ctx = r,
		.now_ms = world_now_ms,
		.utc_ms = world_utc_ms,
		.rules = world_rules,
		.copy = world_copy,
		.reaches = world_reaches,
		.order = world_order,
		.delete_pull = world_delete_pull,
		.resolve_retry_ms =
			member_world(r->dispatch->member)->resolve_retry_ms,
	};
}

/* ---- life ---- */

static void on_tick(struct relay *r)
{
	relay_rules_tick(r);
	relay_kept_tick(r);
}

void relay_on_rules(struct relay *r)
{
	relay_kept_on_rules(r);
}

int relay_new(struct relay **out, struct dispatch *d)
{
	const struct svc_cluster_settings *cluster =
		svc_settings(d->svc, &svc_cluster_conf);
	struct relay *r = calloc(1, sizeof(*r));
	uint64_t seed;
	int err;

	if (!r)
		return WEIR_ENOMEM;
	r->dispatch = d;
	r->world = world_of(r);
	r->cluster = cluster->id;
	list_init(&r->orders);
	list_init(&r->stops);
	io_random(&seed, sizeof(seed));
	relay_rules_init(r, seed);
	relay_kept_init(r, ~seed);
	err = timer_new(&r->tick, svc_loop(d->svc), on_tick, r);
	if (err) {
		relay_free(&r);
		return err;
	}
	relay_kept_on_rules(r); /* those on disk */
	timer_repeat(r->tick, TICK_MS);
	*out = r;
	return 0;
}

void relay_free(struct relay **pr)
{
	const struct relay_answer silent = {RELAY_SILENT, "", "", ""};
	struct relay *r = *pr;

	if (!r)
		return;
	*pr = NULL;
	list_each_safe (it, &r->orders)
		tell(list_entry(it, struct order, link), RELAY_SILENT, "", "");
	list_each_safe (it, &r->stops) {
		struct stop *s = list_entry(it, struct stop, link);

		s->fn(s->ctx, &silent);
		stop_free(s);
	}
	relay_kept_fini(r);
	relay_rules_fini(r);
	timer_free(&r->tick);
	free(r);
}
