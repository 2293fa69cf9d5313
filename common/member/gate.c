/* common/member/gate.c - who is let in. */
#include <stdio.h>
#include <stdlib.h>

#include "common/member/gate_priv.h"

#define REFERER_MAX 1024
#define AGENT_MAX   512

static int64_t now_ms(const struct gate *g)
{
	return g->world->now_ms(g->world->ctx);
}

int64_t gate_utc_ms(const struct gate *g)
{
	return g->world->utc_ms(g->world->ctx);
}

const struct ruleset *gate_rules(const struct gate *g)
{
	return g->world->rules(g->world->ctx);
}

void gate_wake_now(struct gate *g)
{
	g->world->wake_at(g->world->ctx, now_ms(g));
}

struct gate_pass *gate_pass_at(struct list *it)
{
	return list_entry(it, struct gate_pass, link);
}

static struct gate_wait *wait_at(struct list *it)
{
	return list_entry(it, struct gate_wait, link);
}

/* ---- names: user, credential, key id, one behind the other ---- */

static const char *name_at(const struct gate_pass *pass, unsigned i)
{
	const char *at = pass->names;

	while (at && i--)
		at += strlen(at) + 1;
	return at ? at : "";
}

const char *gate_user(const struct gate_pass *pass)
{
	return name_at(pass, 0);
}

const char *gate_credential(const struct gate_pass *pass)
{
	return name_at(pass, 1);
}

const char *gate_kid(const struct gate_pass *pass)
{
	return name_at(pass, 2);
}

static int set_names(struct gate_pass *pass, const char *user,
		     const char *credential, const char *kid)
{
	size_t size = strlen(user) + strlen(credential) + strlen(kid) + 3;

	free(pass->names);
	pass->names = NULL;
	if (size == 3)
		return 0;
	pass->names = malloc(size);
	if (!pass->names)
		return WEIR_ENOMEM;
	snprintf(pass->names, size, "%s%c%s%c%s", user, 0, credential, 0, kid);
	return 0;
}

/* The webhook has named who it is; a signature's word beats it. */
static int add_user(struct gate_pass *pass, const char *user)
{
	char credential[sizeof(((struct access_decision *)0)->credential)];
	char kid[SIGN_KID_MAX + 1];

	if (!*user || *gate_user(pass))
		return 0;
	snprintf(credential, sizeof(credential), "%s", gate_credential(pass));
	snprintf(kid, sizeof(kid), "%s", gate_kid(pass));
	return set_names(pass, user, credential, kid);
}

/* ---- coming and going ---- */

static void begin(struct gate_pass *pass, struct gate *g,
		  const struct gate_owner *owner, void *ctx)
{
	*pass = (struct gate_pass){.gate = g, .owner = owner, .ctx = ctx};
	list_init(&pass->link);
	list_append(&g->waiting, &pass->link);
}

static void uncount(struct gate_pass *pass)
{
	char ip[NET_ADDR_TEXT_SIZE];

	if (!pass->is_in || !pass->session)
		return;
	pass->is_in = false;
	limits_leave(&pass->gate->limits, (enum access_op)pass->op,
		     pass->session->key->text,
		     net_addr_ip_text(ip, pass->peer));
}

static void drop_wait(struct gate_pass *pass)
{
	if (!pass->wait)
		return;
	hook_leave(pass->wait);
	free(pass->wait);
	pass->wait = NULL;
}

void gate_leave(struct gate_pass *pass)
{
	if (!pass->gate)
		return;
	drop_wait(pass);
	uncount(pass);
	list_remove(&pass->link);
	free(pass->names);
	pass->names = NULL;
	pass->gate = NULL;
}

static void let_in(struct gate *g, struct gate_pass *pass)
{
	list_remove(&pass->link);
	list_append(&g->in, &pass->link);
}

/* ---- waiting ---- */

static struct span copy_span(uint8_t **at, struct span s)
{
	struct span copy = {*at, s.len};

	if (s.len)
		memcpy(*at, s.data, s.len);
	*at += s.len;
	return copy;
}

static void copy_request(struct gate_wait *w, const struct access_request *rq,
			 struct span referer, struct span agent)
{
	uint8_t *at = w->bytes;

	w->rq = *rq;
	w->key = *rq->key;
	w->rq.key = &w->key;
	if (rq->ip) {
		w->ip = *rq->ip;
		w->rq.ip = &w->ip;
	}
	w->rq.query = copy_span(&at, rq->query);
	w->rq.referer = copy_span(&at, referer);
	w->rq.user_agent = copy_span(&at, agent);
	if (rq->session_id)
		snprintf(w->session_id, sizeof(w->session_id), "%s",
			 rq->session_id);
	w->rq.session_id = rq->session_id ? w->session_id : NULL;
}

/* The pass waits from now on. Returns 0 or WEIR_ENOMEM. */
static int wait_new(struct gate_pass *pass, const struct access_request *rq)
{
	struct span referer = span_first(rq->referer, REFERER_MAX);
	struct span agent = span_first(rq->user_agent, AGENT_MAX);
	struct gate_wait *w =
		calloc(1, sizeof(*w) + rq->query.len + referer.len + agent.len);

	if (!w)
		return WEIR_ENOMEM;
	w->pass = pass;
	list_init(&w->link);
	copy_request(w, rq, referer, agent);
	net_addr_text(w->remote_addr, pass->peer);
	pass->wait = w;
	return 0;
}

void gate_tell(struct gate *g, struct gate_wait *wait,
	       const struct gate_answer *a)
{
	wait->answer = *a;
	list_remove(&wait->link);
	list_append(&g->told, &wait->link);
	gate_wake_now(g);
}

/* ---- the decision ---- */

static enum gate_word refuse(struct gate_answer *out, enum reason why,
			     const char *detail)
{
	out->why = why;
	snprintf(out->detail, sizeof(out->detail), "%s", detail);
	return why ? GATE_NO : GATE_YES;
}

/* Only who stays is counted. */
static enum reason count(struct gate *g, struct gate_pass *pass,
			 const struct access_request *rq, const char **detail)
{
	char ip[NET_ADDR_TEXT_SIZE];
	enum reason why;

	*detail = "";
	if (!pass->session)
		return REASON_none;
	why = limits_enter(
		&g->limits, (enum access_op)pass->op, pass->session->key->text,
		net_addr_ip_text(ip, pass->peer), rq->since_ms != 0, detail);
	pass->is_in = !why;
	return why;
}

/* As a rule says that has come since, or that names its user. */
static enum gate_word name_and_check(struct gate *g, struct gate_pass *pass,
				     struct gate_answer *a)
{
	const char *detail;
	enum reason why;

	if (add_user(pass, a->user))
		return refuse(a, REASON_no_resources, "");
	why = stay_judge(g, pass, &detail);
	return refuse(a, why, detail);
}

static enum gate_word ask_hook(struct gate *g, struct gate_pass *pass,
			       struct gate_answer *out,
			       const struct access_request *rq)
{
	if (!pass->wait && wait_new(pass, rq))
		return refuse(out, REASON_no_resources, "");
	switch (hook_ask(g, pass->wait, gate_user(pass), out)) {
	case HOOK_YES:
		return name_and_check(g, pass, out);
	case HOOK_NO:
		return GATE_NO;
	default:
		return GATE_WAITS;
	}
}

static enum gate_word judge(struct gate *g, struct gate_pass *pass,
			    struct gate_answer *out,
			    const struct access_request *rq)
{
	struct access_decision d;
	const char *detail;
	enum reason why;

	access_decide(&d, rq, g->settings, gate_rules(g), gate_utc_ms(g));
	/* Others behind the same address may be right. */
	if (!d.is_signed && !limits_may_try(&g->limits, rq->ip, now_ms(g)))
		return refuse(out, REASON_too_many,
			      "wrong tries from this address");
	if (d.is_guess)
		limits_failed(&g->limits, rq->ip, now_ms(g));
	if (d.verdict == ACCESS_NO)
		return refuse(out, d.reason, d.detail);
	if (set_names(pass, d.user, d.credential, d.kid))
		return refuse(out, REASON_no_resources, "");
	why = count(g, pass, rq, &detail);
	if (why)
		return refuse(out, why, detail);
	return d.verdict == ACCESS_ASK ? ask_hook(g, pass, out, rq) : GATE_YES;
}

/* Rules that are not known yet could refuse this one, or have its key. */
static bool must_hold(const struct gate *g)
{
	return now_ms(g) < g->hold_until_ms &&
	       !g->world->rules_are_known(g->world->ctx);
}

static enum gate_word hold(struct gate *g, struct gate_pass *pass,
			   struct gate_answer *out,
			   const struct access_request *rq)
{
	if (wait_new(pass, rq))
		return refuse(out, REASON_no_resources, "");
	list_append(&g->holding, &pass->wait->link);
	g->world->wake_at(g->world->ctx, g->hold_until_ms);
	return GATE_WAITS;
}

enum gate_word
gate_ask(struct gate *g, struct gate_pass *pass, struct gate_answer *why,
	 const struct access_request *rq, const struct session *session,
	 const struct net_addr *peer, const struct gate_owner *owner, void *ctx)
{
	enum gate_word word;

	*why = (struct gate_answer){.why = REASON_none};
	begin(pass, g, owner, ctx);
	pass->op = (uint8_t)rq->op;
	pass->session = session;
	pass->peer = peer;
	word = must_hold(g) ? hold(g, pass, why, rq) : judge(g, pass, why, rq);
	if (word == GATE_WAITS)
		return word;
	drop_wait(pass);
	if (word == GATE_YES && session)
		let_in(g, pass);
	else
		gate_leave(pass);
	return word;
}

int gate_adopt(struct gate *g, struct gate_pass *pass, enum access_op op,
	       const struct session *session, const struct net_addr *peer,
	       const struct gate_names *names, const struct gate_owner *owner,
	       void *ctx)
{
	int err;

	begin(pass, g, owner, ctx);
	pass->op = (uint8_t)op;
	pass->session = session;
	pass->peer = peer;
	err = set_names(pass, names->user, names->credential, names->kid);
	if (err) {
		gate_leave(pass);
		return err;
	}
	/* A rule may have come while it was on its way, between two gates. */
	list_remove(&pass->link);
	list_append(&g->unchecked, &pass->link);
	gate_wake_now(g);
	return 0;
}

void gate_count(struct gate_pass *pass)
{
	char ip[NET_ADDR_TEXT_SIZE];

	pass->is_in = limits_adopt(&pass->gate->limits,
				   net_addr_ip_text(ip, pass->peer));
}

void gate_names_of(const struct gate_pass *pass, struct gate_names *out)
{
	*out = (struct gate_names){gate_user(pass), gate_credential(pass),
				   gate_kid(pass)};
}

enum reason gate_lists(struct gate *g, const struct access_request *rq)
{
	struct access_decision d;

	access_decide(&d, rq, g->settings, gate_rules(g), gate_utc_ms(g));
	return d.verdict == ACCESS_NO ? d.reason : REASON_none;
}

enum reason gate_is_full(const struct gate *g, enum access_op op)
{
	const char *detail;

	return limits_budget(&g->limits, op, &detail);
}

void gate_on_load(struct gate *g, const struct node_load *load)
{
	struct gate_usage usage = g->limits.usage;

	g->world->usage(g->world->ctx, &usage);
	limits_on_load(&g->limits, load, &usage);
}

/* ---- answers ---- */

static void release_held(struct gate *g)
{
	while (!list_is_empty(&g->holding) && !must_hold(g)) {
		struct gate_wait *w = wait_at(g->holding.next);
		struct gate_answer a = {.why = REASON_none};

		list_remove(&w->link);
		if (judge(g, w->pass, &a, &w->rq) != GATE_WAITS)
			gate_tell(g, w, &a);
	}
}

static void deliver(struct gate *g, struct gate_wait *w)
{
	struct gate_pass *pass = w->pass;
	const struct gate_owner *owner = pass->owner;
	struct gate_answer a = w->answer;
	void *ctx = pass->ctx;

	if (!a.why)
		name_and_check(g, pass, &a);
	drop_wait(pass);
	if (!a.why && pass->session)
		let_in(g, pass);
	else
		gate_leave(pass);
	owner->on_word(ctx, &a);
}

void gate_tick(struct gate *g)
{
	int64_t due_ms;

	release_held(g);
	due_ms = hook_tick(g, now_ms(g));
	while (!list_is_empty(&g->told))
		deliver(g, wait_at(g->told.next));
	stay_check_some(g);
	if (!list_is_empty(&g->unchecked))
		due_ms = now_ms(g);
	if (!list_is_empty(&g->holding))
		due_ms = WEIR_MIN(due_ms, g->hold_until_ms);
	if (due_ms != INT64_MAX)
		g->world->wake_at(g->world->ctx, due_ms);
}

/* ---- life ---- */

int gate_make(struct gate **out, const struct gate_start *s)
{
	struct gate *g = calloc(1, sizeof(*g));

	if (!g)
		return WEIR_ENOMEM;
	g->world = s->world;
	g->settings = s->settings;
	list_init(&g->in);
	list_init(&g->unchecked);
	list_init(&g->waiting);
	list_init(&g->holding);
	list_init(&g->told);
	limits_init(&g->limits, s->limits, s->seed);
	hook_init(&g->hook, ~s->seed);
	g->hold_until_ms = now_ms(g) + GATE_HOLD_MS;
	*out = g;
	return 0;
}

static void leave_all(struct list *passes)
{
	while (!list_is_empty(passes))
		gate_leave(gate_pass_at(passes->next));
}

void gate_unmake(struct gate **pg)
{
	struct gate *g = *pg;

	if (!g)
		return;
	leave_all(&g->in);
	leave_all(&g->unchecked);
	leave_all(&g->waiting);
	hook_fini(&g->hook);
	limits_fini(&g->limits);
	free(g);
	*pg = NULL;
}
