/* common/member/rules.c - the rules in force: of settings and of the registry. */
#include <stdio.h>
#include <stdlib.h>

#include "common/access/conf.h"
#include "common/access/ruleset.h"
#include "common/io/clock.h"
#include "common/member/internal.h"

#define BAD_TOLD_MAX   10   /* of one change; all are looked at each time */
#define PURGED_AT_ONCE 20   /* a second */
#define PURGE_LATE_MS  5000 /* clocks differ: for others it is not over yet */

const struct log_event member_bad_rule = {
	"rule.bad", LOG_WARN, "rule where what",
	"A rule of the registry cannot be read by this version; it is not in "
	"force here."};

_Static_assert(RULE_BYTES_MAX <= RULEBOOK_TEXT_MAX, "each rule fits");
_Static_assert(MEMBER_REQUEST_ID_MAX == STORE_REQUEST_MAX, "they are the same");

const struct ruleset *member_rules(const struct member *m)
{
	return m->rules;
}

bool member_rules_are_known(const struct member *m)
{
	return store_rules_are_known(m->store);
}

/* ---- from texts to rules ---- */

struct gathering {
	struct member *m;
	struct rule **rule;
	size_t count, bad;
	int err;
};

static void say_bad(struct member *m, const char *name,
		    const struct rule_fault *fault)
{
	logger_event(m->log, &member_bad_rule, kv_str("rule", name),
		     kv_str("where", fault->where),
		     kv_str("what", fault->what));
}

static void name_of(char out[RULEBOOK_NAME_MAX + 1], const char *kind,
		    const char *id)
{
	snprintf(out, RULEBOOK_NAME_MAX + 1, "%s %s", kind, id);
}

static void gather(void *ctx, const char *name, const char *text)
{
	struct gathering *g = ctx;
	struct rule_fault fault = {.what = "it has another name"};
	char own[RULEBOOK_NAME_MAX + 1] = "";
	struct rule *r = NULL;
	int err;

	if (g->err)
		return;
	err = rule_read(&r, span_str(text), &fault);
	if (err == WEIR_ENOMEM) {
		g->err = err;
		return;
	}
	if (!err)
		name_of(own, rule_kind_name(r->kind), r->id);
	if (err || strcmp(own, name) != 0) {
		if (g->bad++ < BAD_TOLD_MAX)
			say_bad(g->m, name, &fault);
		rule_unref(&r);
		return;
	}
	g->rule[g->count++] = r;
}

static int take_all(struct gathering *g)
{
	const struct rulebook *b = store_rules(g->m->store);

	g->rule = calloc(b->texts.count + 1, sizeof(struct rule *));
	if (!g->rule)
		return WEIR_ENOMEM;
	rulebook_each(b, gather, g);
	if (g->err)
		return g->err;
	return ruleset_replace(g->m->rules, RULES_REGISTRY,
			       (const struct rule *const *)g->rule, g->count);
}

/* Returns 0, or WEIR_ENOMEM: those of before are in force. */
static int read_registry(struct member *m)
{
	struct gathering g = {.m = m};
	int err = take_all(&g);

	for (size_t i = 0; i < g.count; i++)
		rule_unref(&g.rule[i]);
	free(g.rule);
	return err;
}

void rules_on_change(void *ctx)
{
	struct member *m = ctx;

	m->rules_are_stale = read_registry(m) != 0;
	if (m->events->on_rules)
		m->events->on_rules(m->ctx, member_now_ms(m));
	member_wake(m);
}

/* ---- what is over ---- */

struct purge {
	struct member *m;
	int64_t now_ms;
	size_t count;
};

static void on_purged(void *ctx, int err, bool is_repeat)
{
	(void)ctx;
	(void)err; /* it is tried again in a second */
	(void)is_repeat;
}

static void change(struct member *m, enum rule_op op, const char *name,
		   struct span text, const char *request, member_rule_fn *fn,
		   void *ctx);

static void purge_one(void *ctx, const char *name, const char *text)
{
	struct purge *p = ctx;
	char kind[RULEBOOK_NAME_MAX + 1];
	const struct rule *r;
	char *id;

	if (p->count == PURGED_AT_ONCE)
		return;
	snprintf(kind, sizeof(kind), "%s", name);
	id = strchr(kind, ' ');
	*id++ = '\0';
	if (rule_kind_of(span_str(kind)) < 0)
		return;
	r = ruleset_get(p->m->rules, RULES_REGISTRY,
			(enum rule_kind)rule_kind_of(span_str(kind)), id);
	if (!r || !rule_is_over(r, p->now_ms - PURGE_LATE_MS))
		return;
	p->count++;
	change(p->m, RULE_PURGE, name, span_str(text), NULL, on_purged, NULL);
}

/* Rules that are over are no rules; dispatches take them out of the registry. */
void rules_on_second(struct member *m)
{
	struct purge p = {.m = m, .now_ms = io_utc_us() / 1000};

	if (m->rules_are_stale)
		rules_on_change(m);
	if (p.now_ms < m->rules_over_ms || !store_is_up(m->store) ||
	    strcmp(m->self.ref.role, "dispatch") != 0)
		return;
	rulebook_each(store_rules(m->store), purge_one, &p);
	m->rules_over_ms = p.now_ms + (p.count ? 1000 : 10000);
}

/* ---- changes ---- */

struct rule_asked {
	struct list link; /* in member.rule_asks */
	struct member *m;
	member_rule_fn *fn;
	void *ctx;
};

static void on_answer(void *ctx, const struct rule_reply *reply)
{
	struct rule_asked *a = ctx;
	member_rule_fn *fn = a->fn;
	void *fn_ctx = a->ctx;

	list_remove(&a->link);
	free(a);
	fn(fn_ctx, reply->err, reply->is_repeat);
}

/* Without memory it is answered at the end of this pass. */
static void on_owed(struct member *m)
{
	size_t count = m->rule_owed_count;
	struct rule_owed owed[RULES_OWED_MAX];

	memcpy(owed, m->rule_owed, sizeof(owed));
	m->rule_owed_count = 0;
	for (size_t i = 0; i < count; i++)
		owed[i].fn(owed[i].ctx, owed[i].err, false);
}

static void owe(struct member *m, int err, member_rule_fn *fn, void *ctx)
{
	if (m->rule_owed_count == RULES_OWED_MAX) {
		logger_event(m->log, &member_failed, kv_str("what", "rule"),
			     kv_err("why", err));
		return;
	}
	m->rule_owed[m->rule_owed_count++] = (struct rule_owed){fn, ctx, err};
	loop_at_pass_end(m->loop, &m->rule_owed_task, on_owed, m);
}

static void change(struct member *m, enum rule_op op, const char *name,
		   struct span text, const char *request, member_rule_fn *fn,
		   void *ctx)
{
	const struct rule_change c = {
		.op = op,
		.name = name,
		.text = text,
		.request = request,
	};
	struct rule_asked *a = calloc(1, sizeof(*a));

	if (!a) {
		owe(m, WEIR_ENOMEM, fn, ctx);
		return;
	}
	*a = (struct rule_asked){.m = m, .fn = fn, .ctx = ctx};
	list_init(&a->link);
	list_append(&m->rule_asks, &a->link);
	store_rule(m->store, &c, on_answer, a);
}

void member_put_rule(struct member *m, const struct rule *rule,
		     const char *request_id, member_rule_fn *fn, void *ctx)
{
	char name[RULEBOOK_NAME_MAX + 1];
	struct buf text = {0};

	name_of(name, rule_kind_name(rule->kind), rule->id);
	rule_write(&text, rule, RULE_WHOLE);
	if (buf_error(&text))
		owe(m, buf_error(&text), fn, ctx);
	else
		change(m, RULE_PUT, name, buf_span(&text), request_id, fn, ctx);
	buf_fini(&text);
}

void member_delete_rule(struct member *m, const char *kind, const char *id,
			const char *request_id, member_rule_fn *fn, void *ctx)
{
	char name[RULEBOOK_NAME_MAX + 1];

	name_of(name, kind, id);
	if (strlen(kind) + 1 + strlen(id) >= sizeof(name))
		name[0] = '\0'; /* it is refused, as all that are no names */
	change(m, RULE_DELETE, name, (struct span){0}, request_id, fn, ctx);
}

/* ---- life ---- */

static int read_settings(struct member *m)
{
	const struct access_rules_settings *s =
		svc_settings(m->svc, &access_rules_conf);
	struct rule_fault fault = {0};
	int err = ruleset_load(m->rules, RULES_SETTINGS, span_str(s->rules),
			       &fault);

	if (err == WEIR_EINVAL || err == WEIR_ELIMIT)
		say_bad(m, "cluster.rules", &fault);
	return err;
}

int rules_init(struct member *m)
{
	int err = ruleset_new(&m->rules, m->seed);

	if (!err)
		err = read_settings(m);
	return err ? err : read_registry(m); /* what was on disk */
}

void rules_fini(struct member *m)
{
	pass_task_cancel(&m->rule_owed_task);
	list_each_safe (it, &m->rule_asks) /* the store is gone */
		free(list_entry(it, struct rule_asked, link));
	ruleset_free(&m->rules);
}
